// TLBs. Fills and evictions are no steps: a translation may use any value of the entry that was
// current since its CPU last dropped it, as far as the CPU could have come upon it before it saw
// the store over it. A translation that has not seen that store simply runs before it.

#include <algorithm>
#include <iterator>

#include "engine/machine/machine.hpp"

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

/// The latest event by which the CPU dropped what it had cached for this address.
Stamp Machine::last_invalidation(const Cpu& cpu, const Walk& walk) const {
    for (std::size_t i = cpu.invalidations.size(); i-- > 0;) {
        const Invalidation& dropped = cpu.invalidations[i];
        if (dropped.asid == walk.asid && dropped.va <= walk.va && walk.va < dropped.end)
            return dropped.at;
    }
    return 0;
}

/// Older values that the translation, the latest event, may use.
Machine::CachedValues Machine::cached_values(const Walk& walk, Address entry) {
    CachedValues values;
    const Cpu& cpu = cpus_[this_cpu()];
    const Stamp dropped = last_invalidation(cpu, walk);
    for (Stamp write = tables_.word(entry, 8).last_write; write != 0;
         write = trace_[write - 1].previous_write) {
        const Event& event = trace_[write - 1];
        if (!knew(depth_, write)) continue;
        if (dropped != 0 && clocks_[dropped - 1].at[event.proc] >= write) break;
        const auto end = values.at + values.count;
        if (!may_be_cached(walk, event.before) || std::find(values.at, end, event.before) != end)
            continue;
        if (values.count == std::size(values.at)) {
            fail("an entry had too many values since it was invalidated", event.pc, true);
            break;
        }
        values.at[values.count++] = event.before;
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
    cpus_[this_cpu()].invalidations.push_back({asid, va, end, depth_});
}

}  // namespace surefoot::checker::engine
