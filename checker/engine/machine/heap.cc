// Memory that is given out and freed. Freeing is a step; giving out is one only where freed memory
// is given out again. Then the two conflict, so that every order of them is explored.

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {
namespace {

/// Stands for the allocator's state; no program's word is there.
constexpr Address kHeapWord = 8;

}  // namespace

void* Machine::allocate(std::size_t bytes, std::size_t align, const void* pc) {
    Op op{.kind = Kind::allocate, .a = bytes, .b = align, .pc = pc};
    if (running_ && memory_.reuses())
        step(op);
    else
        make_block(op);
    return reinterpret_cast<void*>(op.result);
}

void Machine::free(Address object, const void* pc) {
    Op op{.kind = Kind::free_memory, .address = object, .pc = pc};
    if (running_) return step(op);
    Block* const block = memory_.find(object);
    if (block == nullptr || block->begin != object || block->is_free)
        return fail("free of memory that is not in use", pc);
    memory_.free(*block, {.pc = pc});
    Memory::poison(*block);
}

/// No step: the order of this with the free is kept by what the program's allocator does.
void Machine::give_again(Address object, const void* pc) {
    if (running_) settle();
    Block* const block = memory_.find(object);
    if (memory_.reuses())
        return fail("sfc_give_again() is for memory that sfc_alloc() never reuses", pc, true);
    if (block == nullptr || block->begin != object || !block->is_free)
        return fail("memory is given out again that was not freed", pc, true);
    memory_.give_again(*block, running_ ? here(current_, pc) : Point{.pc = pc}, !running_);
    if (running_) tasks_[task_of(current_)].touched = true;
}

unsigned Machine::generation(Address object, const void* pc) {
    Op op{.kind = Kind::generation, .address = object, .pc = pc};
    if (running_ && memory_.reuses()) step(op);
    const Block* const block = memory_.find(object);
    return block != nullptr ? block->generation : 0;
}

void Machine::make_block(Op& op) {
    const Point made = running_ ? here(current_, op.pc) : Point{.pc = op.pc};
    op.result = memory_.alloc(running_ ? current_ + 1 : 0, op.a, op.b, made);
    if (op.result == 0) return fail("the checker's arena is full", op.pc, true);
    if (running_) tasks_[task_of(current_)].touched = true;
}

void Machine::do_heap(Task& task, Op& op) {
    Event& event = begin(task.proc, op.kind, op.pc);
    if (op.kind == Kind::free_memory && buffered()) after(last_[cpus_[task.cpu].drain]);
    std::optional<Finding> found;
    if (op.kind == Kind::free_memory) {
        event.address = op.address;
        found = judge_free(op);
    }
    if (memory_.reuses()) touch_heap(task, op, event);
    if (op.kind == Kind::free_memory && !found) {
        Block& block = *memory_.find(op.address);
        memory_.free(block, {task.proc, depth_, cpus_[task.cpu].issued, op.pc});
        Memory::poison(block);
    }
    commit(event);
    if (found) report(*found);
    if (op.kind == Kind::allocate) make_block(op);
}

void Machine::touch_heap(Task& task, const Op& op, Event& event) {
    Word& heap = tables_.word(kHeapWord, 8);
    const bool writes = op.kind != Kind::generation;
    event.effect.first = footprint(heap.object, writes ? Mode::write : Mode::read, task.cpu);
    race_with_accesses(heap, writes, task.proc);
    if (writes) return wrote(heap, event, 0, 0);
    heap.readers |= set_of(task.proc);
    heap.read_at[task.proc] = depth_ + 1;
}

/// What is wrong with the step, which frees.
std::optional<Finding> Machine::judge_free(const Op& op) {
    const Past past = past_of(trace_[depth_]);
    const Access freeing{.at = here(past.proc, op.pc), .write = true, .kind = Kind::free_memory};
    const Block* const block = memory_.find(op.address);
    if (block == nullptr || block->begin != op.address)
        return Finding{"free of what was not given out:", op.address, freeing, freeing, false};
    if (auto wrong = misuse(memory_, op.address, freeing, past)) return wrong;
    std::optional<Finding> found;
    for_granules(block->begin, block->bytes, [&](Address granule, std::uint8_t) {
        if (const Access* const other = shadow_.find_use(granule, past))
            found = Finding{"use after free of", granule, *other, freeing};
        return !found;
    });
    for (Stamp step = 1; step <= depth_ && !found; ++step) {
        const Event& event = trace_[step - 1];
        const bool touches = event.address - block->begin < block->bytes;
        if (touches && !past(step))
            found = Finding{"use after free of", event.address, marked_access(event), freeing};
    }
    return found;
}

}  // namespace surefoot::checker::engine
