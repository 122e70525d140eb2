// The enumerators themselves reproduce the known answers: counts that other checkers and a brute
// force agree on. What the engine is compared with later is only worth as much as this.

#include <gtest/gtest.h>

#include <iostream>

#include "oracle/axiomatic.hpp"
#include "oracle/notation.hpp"
#include "oracle/operational.hpp"
#include "oracle/random_program.hpp"

namespace surefoot::oracle {
namespace {

constexpr int kUnknown = -1;

struct Litmus {
    const char* id;
    const char* program;
    const char* weak;  // the reads in order, then words' last values: "10 z2"
    int sc, tso, rc11;
    const char* allowed;  // 'y' or 'n' under sc, tso and rc11
};

constexpr Litmus kLitmus[] = {
    {"L1 SB", "Wx1 Ry | Wy1 Rx", "00", 3, 4, 4, "nyy"},
    {"L2 SB+fences", "Wx1 F Ry | Wy1 F Rx", "00", 3, 3, 3, "nnn"},
    {"L3 SB+rfi", "Wx1 Rx Ry | Wy1 Ry Rx", "1010", 3, 4, 4, "nyy"},
    {"L5 3.SB", "Wx1 Ry | Wy1 Rz | Wz1 Rx", "000", 7, 8, 8, "nyy"},
    {"L6 MP", "Wx1 Wy1 | Ry Rx", "10", 3, 3, 4, "nny"},
    {"L7 MP+rel+acq", "Wx1 Wy1.rel | Ry.acq Rx", "10", 3, 3, 3, "nnn"},
    {"L8 LB", "Rx Wy1 | Ry Wx1", "11", 3, 3, 3, "nnn"},
    {"L9 3.LB", "Rx Wy1 | Ry Wz1 | Rz Wx1", "111", 7, 7, 7, "nnn"},
    {"L10 CoRR", "Wx1 Wx2 | Rx Rx", "21", 6, 6, 6, "nnn"},
    {"L11 CoRW", "Rx Wx1 | Wx2", "2 x2", 3, 3, 3, "nnn"},
    {"L12 CoWR", "Wx1 Rx | Wx2", "2 x1", 3, 3, 3, "nnn"},
    {"L13 W-RR-RR-W", "Wx1 | Rx Rx | Rx Rx | Wx2", "1221", 72, 72, 72, "nnn"},
    {"L16 R+fences", "Wx1 F Wy1 | Wy2 F Rx", "0 y2", 3, 3, 3, "nnn"},
    {"L17 2+2W", "Wx1 Wy2 | Wy1 Wx2", " x1 y1", 3, 3, 4, "nny"},
    {"L18 WRC", "Wx1 | Rx Wy1 | Ry Rx", "110", 7, 7, 8, "nny"},
    {"L20 RWC+fences", "Wx1 | Rx F Ry | Wy1 F Rx", "100", 7, 7, 7, "nnn"},
    {"L21 W+RWC", "Wx1 Wz1.rel | Rz.acq F Ry | Wy1 F Rx", "100", 7, 7, 7, "nnn"},
    {"L22 IRIW", "Wx1 | Rx Ry | Ry Rx | Wy1", "1010", 15, 15, 16, "nny"},
    {"L23 IRIW+fences", "Wx1 | Rx F Ry | Ry F Rx | Wy1", "1010", 15, 15, 15, "nnn"},
    {"L25 ISA2", "Wx1 Wy1.rel | Ry.acq Wz1.rel | Rz.acq Rx", "110", 7, 7, 7, "nnn"},
    {"L26 Z6.0", "Wx1 Wy1 | Ry Wz1 | Wz2 Rx", "10 z2", 7, 8, 8, "nyy"},
    {"L27 Z6+fences+acq", "Wx1 F Wy1 | Ry.acq Wz1 | Wz2 F Rx", "10 z2", 7, 7, 7, "nnn"},
    {"L29 WWC", "Wx2 | Rx Wy1 | Ry Wx1", "21 x2", 9, 9, 10, "nny"},
    {"L32 PeterZ+fences", "Wx1 F Wy1 | Wy2 F Rz | Wz1 F Rx", "00 y2", 7, 7, 7, "nnn"},
    {"L34 3.2W", "Wx1 Wy2 | Wy1 Wz2 | Wz1 Wx2", " x1 y1 z1", 7, 7, 8, "nny"},
    {"L30 MPU", "Wx1 Wy1.rel | Uy | Ry.acq Rx", "120", kUnknown, kUnknown, kUnknown, "nnn"},
    {"MPU, no acquire", "Wx1 Wy1.rel | Uy | Ry Rx", "120", kUnknown, kUnknown, kUnknown, "nny"},
};

using Programs = std::vector<Cpu>;

Programs times(unsigned count, const char* cpu) {
    Programs cpus;
    for (unsigned i = 0; i < count; ++i)
        cpus.push_back(program(cpu).front());
    return cpus;
}
Programs operator+(Programs left, const Programs& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

/// Whether some outcome has these reads and last values.
bool possible(const Litmus& litmus, const Enumeration& found) {
    const std::string_view weak = litmus.weak;
    const auto lists = Notation(litmus.program).parse();
    for (const Outcome& outcome : found.outcomes) {
        std::string read;
        for (std::size_t cpu = 0; cpu < lists.size(); ++cpu)
            for (std::size_t i = 0; i < lists[cpu].size(); ++i)
                if (reads(lists[cpu][i])) read += static_cast<char>('0' + outcome[cpu][i]);
        EXPECT_EQ(read.size(), weak.substr(0, weak.find(' ')).size()) << "a row gone wrong";
        bool fits = read == weak.substr(0, weak.find(' '));
        for (auto at = weak.find(' '); at != weak.npos; at = weak.find(' ', at + 1))
            fits = fits && outcome.back()[static_cast<std::size_t>(weak[at + 1] - 'x')] ==
                               static_cast<Value>(weak[at + 2] - '0');
        if (fits) return true;
    }
    return false;
}

TEST(KnownAnswers, litmus_counts_and_verdicts) {
    for (const Litmus& litmus : kLitmus) {
        SCOPED_TRACE(litmus.id);
        const Enumeration found[] = {enumerate_sc(program(litmus.program)),
                                     enumerate_tso(program(litmus.program)),
                                     enumerate_weak(program(litmus.program))};
        const int wanted[] = {litmus.sc, litmus.tso, litmus.rc11};
        for (int model = 0; model < 3; ++model) {
            if (wanted[model] != kUnknown) {
                EXPECT_EQ(found[model].graphs, static_cast<std::uint64_t>(wanted[model]))
                    << "model " << model;
            }
            EXPECT_EQ(possible(litmus, found[model]), litmus.allowed[model] == 'y')
                << "model " << model;
        }
    }
}

struct Counted {
    const char* id;
    Programs program;
    std::uint64_t sc, tso, weak;
};

std::vector<Counted> same_in_all() {
    std::vector<Counted> rows;
    const auto add = [&rows](const char* id, const Programs& cpus, std::uint64_t count) {
        rows.push_back({id, cpus, count, count, count});
    };
    add("P1 ainc(2)", times(2, "Ux"), 2);
    add("P1 ainc(3)", times(3, "Ux"), 6);
    add("P1 ainc(6)", times(6, "Ux"), 720);
    add("P2 binc(2)", times(2, "Ux Uy"), 4);
    add("P2 binc(3)", times(3, "Ux Uy"), 36);
    add("P3 cinc(2)", times(2, "Ux Uy Uz"), 8);
    add("P4 readers(2)", program("Wx1") + times(2, "Rx"), 4);
    add("P4 readers(8)", program("Wx1") + times(8, "Rx"), 256);
    add("P5 2 writers", times(2, "Wx1") + program("Rx"), 6);
    add("P5 4 writers", times(4, "Wx1") + program("Rx"), 120);
    add("P6 lastwrite(4)", times(4, "Wx1"), 24);
    add("P10 casrot(2)", program("C(x,0,1) | C(x,1,2)"), 2);
    add("P10 casrot(3)", program("C(x,0,1) | C(x,1,2) | C(x,2,3)"), 5);
    add("P10 casrot(4)", program("C(x,0,1) | C(x,1,2) | C(x,2,3) | C(x,3,4)"), 14);
    add("P10 casrot(5)", program("C(x,0,1) | C(x,1,2) | C(x,2,3) | C(x,3,4) | C(x,4,5)"), 43);
    add("P11 casw(2)", program("C(x,0,1) Wx4 | C(x,0,1) Wx5"), 6);
    add("P11 casw(3)", program("C(x,0,1) Wx4 | C(x,0,1) Wx5 | C(x,0,1) Wx6"), 66);
    add("P14 inc(2)", times(2, "Rx Wx1"), 4);
    add("P14 inc(3)", times(3, "Rx Wx1"), 36);
    add("P15 wainc(3)", program("Wx4") + times(3, "Ux"), 24);
    add("P17 lockinc(3), spinlock", times(3, "L Rx Wx1 l"), 6);
    add("P17 lockinc(3), mutex", times(3, "M Rx Wx1 m"), 6);
    return rows;
}

TEST(KnownAnswers, counts_that_no_model_changes) {
    for (const Counted& row : same_in_all()) {
        SCOPED_TRACE(row.id);
        EXPECT_EQ(enumerate_sc(row.program).graphs, row.sc);
        EXPECT_EQ(enumerate_tso(row.program).graphs, row.tso);
        EXPECT_EQ(enumerate_weak(row.program).graphs, row.weak);
    }
}

/// P8: CPU j writes a[j] = a[j-1] + 1, a reader looks for the last zero.
Programs lastzero(unsigned writers) {
    Programs cpus{run_code([=](Calls& calls) {
        for (unsigned i = writers; calls.load(i, Order::acquire) != 0; --i)
            continue;
    })};
    for (unsigned j = 1; j <= writers; ++j)
        cpus.push_back(run_code([=](Calls& calls) {
            calls.store(j, calls.load(j - 1, Order::acquire) + 1, Order::release);
        }));
    return cpus;
}

Programs locked_by(void (*take)(Calls&), void (*release)(Calls&), unsigned count) {
    return Programs(count, run_code([=](Calls& calls) {
                        take(calls);
                        calls.store(0, calls.load(0) + 1);
                        release(calls);
                    }));
}

Programs ticket_lock(unsigned count) {
    return Programs(count, run_code([](Calls& calls) {
                        const Value ticket = calls.add(1, 1);
                        calls.await(2, ticket, Order::acquire);
                        calls.store(0, calls.load(0) + 1);
                        calls.store(2, ticket + 1, Order::release);
                    }));
}

Programs seqlock() {
    const Cpu writer = run_code([](Calls& calls) {
        calls.store(0, 1);
        calls.fence(Fence::wmb);
        calls.store(1, 1);
        calls.store(0, 2, Order::release);
    });
    const Cpu reader = run_code([](Calls& calls) {
        const Value begin = calls.load(0, Order::acquire);
        calls.assume(begin % 2 == 0);
        calls.load(1);
        calls.fence(Fence::rmb);
        calls.assume(calls.load(0) == begin);
    });
    return {writer, reader};
}

/// The machines of SC and TSO against their axioms.
TEST(KnownAnswers, machines_and_axioms_agree_on_random_programs) {
    constexpr unsigned kPrograms = 120, kMostOperations = 8;
    const auto expect_equal = [](const Enumeration& machine, const Enumeration& axioms) {
        EXPECT_EQ(machine.graphs, axioms.graphs);
        EXPECT_EQ(machine.outcomes, axioms.outcomes);
    };
    for (unsigned index = 0; index < kPrograms && !HasFailure(); ++index) {
        const Program program = Generator(1, index, kMostOperations).draw();
        Programs cpus;
        for (const List& list : program)
            cpus.push_back(run_list(list));
        SCOPED_TRACE(testing::Message() << "program " << index);
        expect_equal(enumerate_sc(cpus), Graphs(cpus, consistent_sc).enumerate());
        expect_equal(enumerate_tso(cpus), Graphs(cpus, consistent_tso).enumerate());
        if (HasFailure()) print(std::cout, program);
    }
}

TEST(KnownAnswers, locks_and_structures) {
    const auto test_and_set = [](unsigned count) {
        return locked_by(
            [](Calls& calls) {
                calls.await(1, 0);
                calls.assume(calls.cas(1, 0, 1, Order::acquire));
            },
            [](Calls& calls) { calls.store(1, 0, Order::release); }, count);
    };
    const Counted rows[] = {
        {"P8 lastzero(5)", lastzero(5), 64, 64, 64},
        {"P12 cas(4)", program("C(x,0,1) | C(x,0,2) | C(x,0,3) | C(x,0,4)"), 4, 4, 4},
        {"D1 ticket lock, 2", ticket_lock(2), 2, 2, 2},
        {"D1 ticket lock, 3", ticket_lock(3), 6, 6, 6},
        {"D2 CAS spinlock, 2", test_and_set(2), 4, 4, 4},
        {"D2 CAS spinlock, 3", test_and_set(3), 36, 36, 36},
        {"D7 seqlock", seqlock(), 2, 2, 2},
    };
    for (const Counted& row : rows) {
        SCOPED_TRACE(row.id);
        EXPECT_EQ(enumerate_sc(row.program).graphs, row.sc);
        EXPECT_EQ(enumerate_tso(row.program).graphs, row.tso);
        EXPECT_EQ(enumerate_weak(row.program).graphs, row.weak);
    }
}

/// P18: one CPU adds y to x, the other x to y, `rounds` times; a third reads both.
Programs fib_bench(unsigned rounds, Order load = Order::relaxed, Order store = Order::relaxed) {
    const auto adder = [=](unsigned mine, unsigned other) {
        return run_code([=](Calls& calls) {
            for (unsigned i = 0; i < rounds; ++i) {
                const Value sum = calls.load(mine, load) + calls.load(other, load);
                calls.store(mine, sum, store);
            }
        });
    };
    const Cpu reader = run_code([=](Calls& calls) {
        calls.load(0, load);
        calls.load(1, load);
    });
    return {adder(0, 1), adder(1, 0), reader};
}

TEST(KnownAnswers, fib_bench) {
    EXPECT_EQ(enumerate_sc(fib_bench(1)).graphs, 11u);
    EXPECT_EQ(enumerate_sc(fib_bench(2)).graphs, 140u);
    EXPECT_EQ(enumerate_sc(fib_bench(3)).graphs, 1698u);
    EXPECT_EQ(enumerate_tso(fib_bench(1)).graphs, 11u);
    EXPECT_EQ(enumerate_tso(fib_bench(2)).graphs, 153u);
    EXPECT_EQ(enumerate_tso(fib_bench(3)).graphs, 2258u);
    EXPECT_EQ(enumerate_weak(fib_bench(2, Order::acquire, Order::release)).graphs, 153u);
}

/// Section 2.2: `gups` CPUs pin the page, one collapses it. Loads acquire and stores release,
/// unless all are relaxed.
Programs collapse(unsigned gups, bool recheck, bool fences, bool relaxed = false) {
    constexpr unsigned kPmd = 0, kPte = 1, kRef = 2, kPinned = 3;
    const Order acquire = relaxed ? Order::relaxed : Order::acquire;
    const Order release = relaxed ? Order::relaxed : Order::release;
    const Order both = relaxed ? Order::relaxed : Order::acq_rel;
    const Cpu gup = run_code([=](Calls& calls) {
        const Value pmd = calls.load(kPmd, acquire);
        if (pmd != 0 || calls.load(kPte, acquire) != 0) return;
        const Value ref = calls.load(kRef, acquire);
        if (!calls.cas(kRef, ref, ref + 1, both)) return;
        if (fences) calls.fence(Fence::mb);
        if (calls.load(kPte, acquire) != 0 || (recheck && calls.load(kPmd, acquire) != pmd))
            calls.add(kRef, Value{} - 1, both);
        else
            calls.store(kPinned, 1, release);
    });
    const Cpu collapser = run_code([=](Calls& calls) {
        calls.store(kPmd, 1, release);
        if (fences) calls.fence(Fence::mb);
        calls.store(kPmd, calls.load(kRef, acquire) != 0 ? 0 : 2, release);
    });
    Programs cpus(gups, gup);
    cpus.push_back(collapser);
    return cpus;
}

TEST(KnownAnswers, gup_against_collapse) {
    EXPECT_EQ(enumerate_sc(collapse(1, false, false)).graphs, 4u);
    EXPECT_EQ(enumerate_sc(collapse(1, true, false)).graphs, 8u);
    EXPECT_EQ(enumerate_tso(collapse(1, true, false)).graphs, 9u);
    EXPECT_EQ(enumerate_weak(collapse(1, true, false)).graphs, 9u);
    EXPECT_EQ(enumerate_tso(collapse(1, true, true)).graphs, 8u);
    EXPECT_EQ(enumerate_weak(collapse(1, true, true)).graphs, 8u);
    EXPECT_EQ(enumerate_sc(collapse(2, false, false)).graphs, 30u);
    EXPECT_EQ(enumerate_sc(collapse(2, true, true)).graphs, 174u);
    EXPECT_EQ(enumerate_weak(collapse(2, false, false)).graphs, 30u);
    EXPECT_EQ(enumerate_weak(collapse(2, true, true)).graphs, 174u);
    EXPECT_EQ(enumerate_weak(collapse(2, false, false, true)).graphs, 32u);
    EXPECT_EQ(enumerate_weak(collapse(2, true, true, true)).graphs, 190u);
}

}  // namespace
}  // namespace surefoot::oracle
