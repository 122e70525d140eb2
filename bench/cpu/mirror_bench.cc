// What an exit, a fill and a shootdown of the mirror cost. The figures of merit are in
// docs/mirror.md.

#include <benchmark/benchmark.h>

#include "machine.hpp"

namespace surefoot::cpu {
namespace {

constexpr VirtAddr kData = Machine::kData;

MirrorOptions pinned(bool pairs) {
    MirrorOptions o;
    o.pinning = pairs ? MirrorOptions::Pinning::pairs : MirrorOptions::Pinning::none;
    return o;
}

void system_call(benchmark::State& state) {
    Machine m(pinned(state.range(0) != 0));
    Guest g = m.guest(syscalls_code());
    for (auto _ : state) g.run();
}
BENCHMARK(system_call)->Arg(1)->Arg(0)->ArgName("pinned");

/// Pages absent from the tables, one after the other: exit, entry stored by the server, fill at
/// the next entry. Time a page; what the memory manager does comes on top.
void demand_fault(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.fill_around = 1;
    Machine m(options);
    constexpr std::uint64_t kPages = 4096;
    const PhysAddr pa = m.arena.frame(kPages);
    std::memset(m.arena.bytes_at(pa), 0, kPages * kPage);
    for (std::uint64_t i = 0; i < kPages; ++i) m.tables.unmap(kData + i * kPage);
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rbx = kPage;
    g.regs.rdx = kPages;
    for (auto _ : state) {
        for (Exit exit = g.run(); exit.kind == Exit::Kind::fault; exit = g.run()) {
            m.tables.map(exit.va, pa + (exit.va - kData));
        }
        state.PauseTiming();
        for (std::uint64_t i = 0; i < kPages; ++i) m.tables.unmap(kData + i * kPage);
        m.space->invalidate_all();
        state.ResumeTiming();
    }
    state.counters["a_page"] =
        benchmark::Counter(static_cast<double>(state.iterations() * kPages),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(demand_fault)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Present pages that are not in the mirror, one system call for all; time a page.
void refill(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.fill_around = static_cast<std::uint32_t>(state.range(0));
    Machine m(options);
    constexpr std::uint64_t kPages = 4096;
    const PhysAddr pa = m.arena.frame(kPages);
    for (std::uint64_t i = 0; i < kPages; ++i) m.tables.map(kData + i * kPage, pa + i * kPage);
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rbx = kPage;
    g.regs.rdx = kPages;
    for (auto _ : state) {
        m.space->invalidate_all();
        g.run();
    }
    state.counters["a_page"] =
        benchmark::Counter(static_cast<double>(state.iterations() * kPages),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(refill)
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->ArgName("around")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

/// A shootdown while nothing of the space runs. The guest runs now and then, so that the list
/// left to it is executed.
void shootdown_lazy(benchmark::State& state) {
    Machine m(pinned(true));
    for (auto _ : state) m.invalidate(kData);
}
BENCHMARK(shootdown_lazy);

/// A shootdown of a page that other threads of the space write all the time.
void shootdown_active(benchmark::State& state) {
    Machine m(pinned(true));
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    const VirtAddr code = m.place(count_code());
    std::vector<Guest> guests;
    std::vector<sync::Thread> threads;
    for (int i = 0; i < state.range(0); ++i) {
        guests.push_back(m.guest(code));
        guests.back().regs.rdi = kData.raw();
        guests.back().regs.rcx = ~std::uint64_t{0};
    }
    for (Guest& g : guests) {
        threads.push_back(*sync::Thread::start([&g] { g.run(); }));
    }
    auto& word = m.arena.word(pa);
    while (word.load(sync::Order::relaxed) == 0) sync::cpu_relax();
    for (auto _ : state) m.invalidate(kData);
    for (Guest& g : guests) g.vcpu->kick();
    for (sync::Thread& t : threads) t.join();
}
BENCHMARK(shootdown_active)->Arg(1)->Arg(2)->ArgName("running")->UseRealTime();

/// An address space from the pool or from the zygote, one thread in it, and its end.
void space(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.pool = static_cast<std::uint32_t>(state.range(0));
    Machine m(options);
    for (auto _ : state) {
        Result<std::unique_ptr<Space>> s = m.backend->create_space(m.tables.root());
        benchmark::DoNotOptimize((*s)->create_vcpu());
    }
}
BENCHMARK(space)->Arg(0)->Arg(4)->ArgName("pool")->UseRealTime();

}  // namespace
}  // namespace surefoot::cpu

BENCHMARK_MAIN();
