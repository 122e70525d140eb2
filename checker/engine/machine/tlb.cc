// TLBs. Fills and evictions are no steps: a translation may use any value of the entry that was
// current since its CPU last dropped it, as far as the CPU could have come upon it before it saw
// the store over it. A translation that has not seen that store simply runs before it. A CPU sees
// its own stores at once, whether they have left the buffer or not.

#include <algorithm>
#include <iterator>

#include "engine/machine/machine.hpp"
#include "engine/machine/values.hpp"

namespace surefoot::checker::engine {
namespace {

/// What the processor sets in an entry that it uses so; 0 if it may not.
std::uint64_t bits_to_set(const Walk& walk, std::uint64_t entry) {
    const sfc_entry_format& format = *walk.format;
    if ((entry & format.present) == 0) return 0;
    if (walk.access == SFC_TLB_LOAD || !walk.leaf) return format.accessed;
    return (entry & format.writable) != 0 ? format.accessed | format.dirty : 0;
}

/// A cached entry has what its use asks for: the processor set it when it filled the TLB.
bool may_be_cached(const Walk& walk, std::uint64_t entry) {
    const std::uint64_t bits = bits_to_set(walk, entry);
    return bits != 0 && (entry & bits) == bits;
}

}  // namespace

/// Whether the process of `event` had seen the other one just before.
bool Machine::knew(Stamp event, Stamp other) const {
    const unsigned proc = trace_[other - 1].proc;
    const auto knows = [&](Stamp from) { return from != 0 && clocks_[from - 1].at[proc] >= other; };
    const Event& of = trace_[event - 1];
    if (knows(of.previous)) return true;
    return std::any_of(edges_.begin() + of.edges_begin, edges_.begin() + of.edges_end, knows);
}

/// What the CPU last dropped that it may have cached for this address.
const Machine::Invalidation* Machine::last_invalidation(const Cpu& cpu, const Walk& walk) const {
    for (std::size_t i = cpu.invalidations.size(); i-- > 0;) {
        const Invalidation& dropped = cpu.invalidations[i];
        if (dropped.asid == walk.asid && dropped.va <= walk.va && walk.va < dropped.end)
            return &dropped;
    }
    return nullptr;
}

void Machine::add_cached(CachedValues& values, const Walk& walk, std::uint64_t entry) {
    const auto end = values.at + values.count;
    if (!may_be_cached(walk, entry) || std::find(values.at, end, entry) != end) return;
    if (values.count == std::size(values.at))
        return fail("an entry had too many values since it was invalidated", last_pc_, true);
    values.at[values.count++] = entry;
}

/// Older values that the translation, the latest event, may use; the latest ones come first.
Machine::CachedValues Machine::cached_values(const Walk& walk, Address entry) {
    CachedValues values;
    const Cpu& cpu = cpus_[this_cpu()];
    const Invalidation* const dropped = last_invalidation(cpu, walk);
    const std::uint32_t issued_before = dropped != nullptr ? dropped->issued : 0;
    std::uint32_t oldest = 0;  // store to the entry that waits in the buffer
    for (std::uint32_t i = cpu.tail; i-- > cpu.head;) {
        const Buffered& store = cpu.buffer[i];
        if (store.kind != Kind::store || store.address != entry) continue;
        if (oldest > issued_before) add_cached(values, walk, store.value);
        oldest = store.issue;
    }
    if (oldest > issued_before) add_cached(values, walk, read_memory(entry, 8));
    if (oldest != 0 && oldest <= issued_before) return values;
    for (Stamp write = tables_.word(entry, 8).last_write; write != 0;
         write = trace_[write - 1].previous_write) {
        const Event& event = trace_[write - 1];
        const bool own = event.kind == Kind::drain && event.proc == cpu.drain;
        if (!own && !knew(depth_, write)) continue;
        if (own && event.issue <= issued_before) break;
        if (dropped != nullptr && clocks_[dropped->at - 1].at[event.proc] >= write) break;
        add_cached(values, walk, event.before);
    }
    return values;
}

std::uint64_t Machine::translate(const Walk& walk, Address entry, const void* pc) {
    if (!running_) return *reinterpret_cast<const std::uint64_t*>(entry);
    for (;;) {
        Op look{.kind = Kind::translate, .size = 8, .address = entry, .pc = pc};
        step(look);
        const std::uint64_t current = look.result;
        const CachedValues cached = cached_values(walk, entry);
        if (cached.count != 0) {
            Op choose{.kind = Kind::choose, .a = cached.count + 1, .pc = pc};
            step(choose);
            if (choose.result != 0) return cached.at[choose.result - 1];
        }
        const std::uint64_t bits = bits_to_set(walk, current);
        if (bits == 0) {
            drop_cached(walk.asid, walk.va, walk.va + 1);  // as a page fault does
            return current & ~walk.format->present;
        }
        if ((current & bits) == bits) return current;
        Op set{.kind = Kind::cas,
               .size = 8,
               .address = entry,
               .a = current,
               .b = current | bits,
               .pc = pc};
        step(set);
        if (set.result == current) return current | bits;
    }
}

void Machine::invalidate(std::uint32_t asid, std::uint64_t va, std::uint64_t end, const void* pc) {
    if (!running_) return;
    Op op{.kind = Kind::invalidate, .a = va, .b = end, .pc = pc};
    step(op);
    drop_cached(asid, va, end);
}

void Machine::drop_cached(std::uint32_t asid, std::uint64_t va, std::uint64_t end) {
    Cpu& cpu = cpus_[this_cpu()];
    cpu.invalidations.push_back({asid, va, end, depth_, cpu.issued});
}

}  // namespace surefoot::checker::engine
