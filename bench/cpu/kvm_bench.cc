// What an exit, a fault and a shootdown cost on KVM. Compare with mirror_bench.cc.

#include <benchmark/benchmark.h>

#include <cstdio>

#include "machine.hpp"

namespace surefoot::cpu {
namespace {

constexpr VirtAddr kData = Machine::kData;

void system_call(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    Guest g = m.guest(syscalls_code());
    for (auto _ : state) g.run();
}
BENCHMARK(system_call)->UseRealTime();

/// Pages absent from the tables, one after the other; time a page, without a memory manager.
void demand_fault(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    constexpr std::uint64_t kPages = 1024;
    const PhysAddr pa = m.arena.frame(kPages);
    std::memset(m.arena.bytes_at(pa), 0, kPages * kPage);
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

/// Present pages that the shadow lost.
void refill(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    constexpr std::uint64_t kPages = 1024;
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
BENCHMARK(refill)->UseRealTime()->Unit(benchmark::kMillisecond);

/// A shootdown of one or more pages that the guest has just used, while nothing runs.
void shootdown(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    const auto pages = static_cast<std::uint64_t>(state.range(0));
    const PhysAddr pa = m.arena.frame(static_cast<unsigned>(pages));
    for (std::uint64_t i = 0; i < pages; ++i) m.tables.map(kData + i * kPage, pa + i * kPage);
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rbx = kPage;
    g.regs.rdx = pages;
    for (auto _ : state) {
        state.PauseTiming();
        g.run();
        state.ResumeTiming();
        m.invalidate(kData, pages);
    }
}
BENCHMARK(shootdown)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->ArgName("pages")->UseRealTime();

/// A shootdown of a page that other threads of the space write all the time.
void shootdown_active(benchmark::State& state) {
    Machine m(BackendKind::kvm);
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

void space(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    for (auto _ : state) {
        Result<std::unique_ptr<Space>> s = m.backend->create_space(m.tables.root());
        benchmark::DoNotOptimize((*s)->create_vcpu());
    }
}
BENCHMARK(space)->UseRealTime();

/// Opening KVM, the machine, and the self-test.
void start(benchmark::State& state) {
    Arena arena(64ULL << 20);
    for (auto _ : state) benchmark::DoNotOptimize(make_kvm({.arena = arena.all()}));
}
BENCHMARK(start)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace surefoot::cpu

int main(int argc, char** argv) {
    surefoot::cpu::Arena arena(1 << 20);
    if (!surefoot::cpu::make_kvm({.arena = arena.all()})) {
        std::puts("kvm_bench: skipped: /dev/kvm does not open or does not serve");
        return 0;
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
