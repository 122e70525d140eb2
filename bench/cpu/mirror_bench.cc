// What an exit, a fill and a shootdown of the mirror cost. The figures of merit are in
// docs/mirror.md.

#include "guest_work.hpp"

namespace surefoot::cpu {
namespace {

MirrorOptions pinned(bool pairs) {
    MirrorOptions o;
    o.pinning = pairs ? MirrorOptions::Pinning::pairs : MirrorOptions::Pinning::none;
    return o;
}

void system_call(benchmark::State& state) {
    Machine m(pinned(state.range(0) != 0));
    system_calls(state, m);
}
BENCHMARK(system_call)->Arg(1)->Arg(0)->ArgName("pinned");

/// Exit, entry stored by the server, fill at the next entry.
void demand_fault(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.fill_around = 1;
    Machine m(options);
    demand_faults(state, m, 4096);
}
BENCHMARK(demand_fault)->UseRealTime()->Unit(benchmark::kMillisecond);

/// One system call for all pages.
void refill(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.fill_around = static_cast<std::uint32_t>(state.range(0));
    Machine m(options);
    refills(state, m, 4096);
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
    for (auto _ : state) m.invalidate(Machine::kData);
}
BENCHMARK(shootdown_lazy);

void shootdown_active(benchmark::State& state) {
    Machine m(pinned(true));
    active_shootdowns(state, m, state.range(0));
}
BENCHMARK(shootdown_active)->Arg(1)->Arg(2)->ArgName("running")->UseRealTime();

/// From the pool or from the zygote.
void space(benchmark::State& state) {
    MirrorOptions options = pinned(true);
    options.pool = static_cast<std::uint32_t>(state.range(0));
    Machine m(options);
    spaces(state, m);
}
BENCHMARK(space)->Arg(0)->Arg(4)->ArgName("pool")->UseRealTime();

}  // namespace
}  // namespace surefoot::cpu

BENCHMARK_MAIN();
