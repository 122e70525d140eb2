#pragma once

// What both back ends are measured at, each on a machine that its benchmark makes.

#include <benchmark/benchmark.h>

#include <vector>

#include "machine.hpp"

namespace surefoot::cpu {

inline void system_calls(benchmark::State& state, Machine& m) {
    Guest g = m.guest(syscalls_code());
    for (auto _ : state) g.run();
}

inline void count_pages(benchmark::State& state, std::uint64_t pages) {
    state.counters["a_page"] = benchmark::Counter(
        static_cast<double>(static_cast<std::uint64_t>(state.iterations()) * pages),
        benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// A guest that reads `pages` pages.
inline Guest sweeping_guest(Machine& m, std::uint64_t pages) {
    Guest g = m.guest(sweep_code());
    g.regs.rdi = Machine::kData.raw();
    g.regs.rbx = kPage;
    g.regs.rdx = pages;
    return g;
}

inline PhysAddr map_pages(Machine& m, std::uint64_t pages) {
    const PhysAddr pa = m.arena.frame(static_cast<unsigned>(pages));
    for (std::uint64_t i = 0; i < pages; ++i) {
        m.tables.map(Machine::kData + i * kPage, pa + i * kPage);
    }
    return pa;
}

/// Pages absent from the tables, one after the other; time a page, without a memory manager.
inline void demand_faults(benchmark::State& state, Machine& m, std::uint64_t pages) {
    const PhysAddr pa = map_pages(m, pages);
    std::memset(m.arena.bytes_at(pa), 0, pages * kPage);
    Guest g = sweeping_guest(m, pages);
    for (auto _ : state) {
        state.PauseTiming();
        for (std::uint64_t i = 0; i < pages; ++i) m.tables.unmap(Machine::kData + i * kPage);
        m.space->invalidate_all();
        state.ResumeTiming();
        for (Exit exit = g.run(); exit.kind == Exit::Kind::fault; exit = g.run()) {
            m.tables.map(exit.va, pa + (exit.va - Machine::kData));
        }
    }
    count_pages(state, pages);
}

/// Present pages that the back end has lost; time a page.
inline void refills(benchmark::State& state, Machine& m, std::uint64_t pages) {
    map_pages(m, pages);
    Guest g = sweeping_guest(m, pages);
    for (auto _ : state) {
        m.space->invalidate_all();
        g.run();
    }
    count_pages(state, pages);
}

/// Shootdowns of a page that `running` other threads of the space write all the time.
inline void active_shootdowns(benchmark::State& state, Machine& m, std::int64_t running) {
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(Machine::kData, pa);
    const VirtAddr code = m.place(count_code());
    std::vector<Guest> guests;
    std::vector<sync::Thread> threads;
    for (std::int64_t i = 0; i < running; ++i) {
        guests.push_back(m.guest(code));
        guests.back().regs.rdi = Machine::kData.raw();
        guests.back().regs.rcx = ~std::uint64_t{0};
    }
    for (Guest& g : guests) {
        threads.push_back(*sync::Thread::start([&g] { g.run(); }));
    }
    auto& word = m.arena.word(pa);
    while (word.load(sync::Order::relaxed) == 0) sync::cpu_relax();
    for (auto _ : state) m.invalidate(Machine::kData);
    for (Guest& g : guests) g.vcpu->kick();
    for (sync::Thread& t : threads) t.join();
}

/// An address space, one thread in it, and its end.
inline void spaces(benchmark::State& state, Machine& m) {
    for (auto _ : state) {
        Result<std::unique_ptr<Space>> s = m.backend->create_space(m.tables.root());
        benchmark::DoNotOptimize((*s)->create_vcpu());
    }
}

}  // namespace surefoot::cpu
