// What an exit, a fault and a shootdown cost on KVM. Compare with mirror_bench.cc.

#include <cstdio>

#include "guest_work.hpp"

namespace surefoot::cpu {
namespace {

void system_call(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    system_calls(state, m);
}
BENCHMARK(system_call)->UseRealTime();

void demand_fault(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    demand_faults(state, m, 1024);
}
BENCHMARK(demand_fault)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Pages that the shadow lost.
void refill(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    refills(state, m, 1024);
}
BENCHMARK(refill)->UseRealTime()->Unit(benchmark::kMillisecond);

/// A shootdown of one or more pages that the guest has just used, while nothing runs.
void shootdown(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    const auto pages = static_cast<std::uint64_t>(state.range(0));
    map_pages(m, pages);
    Guest g = sweeping_guest(m, pages);
    for (auto _ : state) {
        state.PauseTiming();
        g.run();
        state.ResumeTiming();
        m.invalidate(Machine::kData, pages);
    }
}
BENCHMARK(shootdown)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->ArgName("pages")->UseRealTime();

void shootdown_active(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    active_shootdowns(state, m, state.range(0));
}
BENCHMARK(shootdown_active)->Arg(1)->Arg(2)->ArgName("running")->UseRealTime();

void space(benchmark::State& state) {
    Machine m(BackendKind::kvm);
    spaces(state, m);
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
