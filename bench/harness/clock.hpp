#pragma once

#include <ctime>

#include "harness/row.hpp"

namespace surefoot::bench {

/// Accumulates wall and thread-CPU time between start and stop; what lies outside is set-up.
class Stopwatch {
public:
    void start() { started_ = now(); }
    void stop() {
        const Reading end = now();
        total_.wall += end.wall - started_.wall;
        total_.cpu += end.cpu - started_.cpu;
    }
    Reading per(std::uint64_t operations) const {
        const auto n = static_cast<double>(operations);
        return {total_.wall / n, total_.cpu / n};
    }

private:
    static double read(clockid_t clock) {
        timespec t{};
        clock_gettime(clock, &t);
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
    }
    static Reading now() {
        return {read(CLOCK_MONOTONIC), read(CLOCK_THREAD_CPUTIME_ID)};
    }

    Reading started_;
    Reading total_;
};

/// Times `body(operations)` as a whole.
template <class Body>
Reading timed(std::uint64_t operations, Body&& body) {
    Stopwatch watch;
    watch.start();
    body(operations);
    watch.stop();
    return watch.per(operations);
}

/// The compiler must believe that `value` is used.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace surefoot::bench
