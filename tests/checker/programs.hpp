#pragma once

// The parametric programs of the field, by the names that their papers use. Each returns the body
// of a checker::check().

#include <functional>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker::programs {

using Body = std::function<void(Program&)>;
using Int = Word<int>;

struct Ints {
    Int at[20];
};

/// n tasks that each increment the first `words` of x, y, z.
inline Body increments(int n, int words) {
    return [=](Program& program) {
        auto& x = program.make<Ints>();
        for (int i = 0; i < n; ++i) {
            program.spawn([&x, words] {
                for (int w = 0; w < words; ++w)
                    x.at[w].fetch_add(1);
            });
        }
        program.finish([&x, n, words] {
            for (int w = 0; w < words; ++w)
                require(x.at[w].get() == n, "an increment was lost");
        });
    };
}

inline Body readers(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        program.spawn([&x] { x.store(1); });
        for (int i = 0; i < n; ++i)
            program.spawn([&x] { x.load(); });
    };
}

inline Body writers(int n, bool reader) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i)
            program.spawn([&x, i] { x.store(i + 1); });
        if (reader) program.spawn([&x] { x.load(); });
    };
}

/// Who reads does so when all writers have ended. `seen` counts how often each value was read.
inline Body lastwrite(int n, std::uint64_t* seen = nullptr) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        auto& writers = program.make<Ints>();
        for (int i = 0; i < n; ++i)
            writers.at[i].store(static_cast<int>(program.spawn([&x, i] { x.store(i + 1); })));
        auto& read = program.make<Int>();
        program.spawn([=, &x, &writers, &read] {
            for (int i = 0; i < n; ++i)
                sfc_join(static_cast<unsigned>(writers.at[i].get()), nullptr);
            read.store(x.load());
        });
        program.finish([&read, seen] {
            if (seen != nullptr) ++seen[read.get()];
        });
    };
}

/// A reader scans for the last zero while writer j sets a[j] to a[j-1] + 1.
inline Body lastzero(int n) {
    return [=](Program& program) {
        auto& a = program.make<Ints>();
        program.spawn([&a, n] {
            int i = n;
            while (a.at[i].load(SFC_ACQUIRE) != 0)
                --i;
        });
        for (int j = 1; j <= n; ++j)
            program.spawn(
                [&a, j] { a.at[j].store(a.at[j - 1].load(SFC_ACQUIRE) + 1, SFC_RELEASE); });
    };
}

inline Body casrot(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 1; i <= n; ++i)
            program.spawn([&x, i] { x.compare_exchange(i - 1, i); });
    };
}

inline Body casw(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i) {
            program.spawn([&x, i] {
                x.compare_exchange(0, 1);
                x.store(i + 3);
            });
        }
    };
}

/// Compare-and-exchanges of which one at most can succeed after another.
inline Body cas(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i)
            program.spawn([&x, i] { x.compare_exchange(0, i + 1); });
    };
}

inline Body unlocked_increments(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i)
            program.spawn([&x] { x.store(x.load() + 1); });
    };
}

/// n tasks that each read, and then write what they did not read.
inline Body reads_and_writes(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i)
            program.spawn([&x, i] { x.load(), x.store(i + 1); });
    };
}

inline Body writer_and_increments(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>();
        program.spawn([&x] { x.store(42); });
        for (int i = 0; i < n; ++i)
            program.spawn([&x] { x.fetch_add(1); });
    };
}

template <class Lock>
Body locked_increments(int n) {
    return [=](Program& program) {
        auto& lock = program.make<Lock>();
        auto& x = program.make<Int>();
        for (int i = 0; i < n; ++i) {
            program.spawn([&] {
                lock.lock();
                x.store(x.load() + 1);
                lock.unlock();
            });
        }
        program.finish([&x, n] { require(x.get() == n, "an increment was lost"); });
    };
}

/// A lock that spins with plain accesses; a failed attempt is no execution.
inline Body ticket_lock(int n) {
    return [=](Program& program) {
        auto& s = program.make<Ints>();
        Int &next = s.at[0], &owner = s.at[1], &x = s.at[2];
        for (int i = 0; i < n; ++i) {
            program.spawn([&] {
                const int mine = next.fetch_add(1);
                owner.await(mine, SFC_ACQUIRE);
                x.store(x.load() + 1);
                owner.store(mine + 1, SFC_RELEASE);
            });
        }
        program.finish([&x, n] { require(x.get() == n, "an increment was lost"); });
    };
}

inline Body test_and_set_lock(int n) {
    return [=](Program& program) {
        auto& s = program.make<Ints>();
        Int &lock = s.at[0], &x = s.at[1];
        for (int i = 0; i < n; ++i) {
            program.spawn([&] {
                lock.await(0);
                assume(lock.compare_exchange(0, 1, SFC_ACQUIRE));
                x.store(x.load() + 1);
                lock.store(0, SFC_RELEASE);
            });
        }
        program.finish([&x, n] { require(x.get() == n, "an increment was lost"); });
    };
}

/// A look at the lock before it is taken is worth an execution of its own.
inline Body ttas_lock(int n, bool looks_first) {
    return [=](Program& program) {
        auto& s = program.make<Ints>();
        Int &lock = s.at[0], &x = s.at[1];
        for (int i = 0; i < n; ++i) {
            program.spawn([&, looks_first] {
                if (looks_first) assume(lock.load() == 0);
                assume(lock.exchange(1, SFC_ACQUIRE) == 0);
                x.store(x.load() + 1);
                lock.store(0, SFC_RELEASE);
            });
        }
    };
}

/// One entry each; who would have to wait is cut.
inline Body peterson() {
    return [](Program& program) {
        auto& s = program.make<Ints>();
        Int &turn = s.at[2], &x = s.at[3];
        for (int i = 0; i < 2; ++i) {
            program.spawn([&, i] {
                Int &mine = s.at[i], &other = s.at[1 - i];
                mine.store(1, SFC_RELEASE);
                turn.store(1 - i, SFC_RELEASE);
                assume(other.load(SFC_ACQUIRE) == 0 || turn.load(SFC_ACQUIRE) == i);
                x.store(i, SFC_RELEASE);
                x.load(SFC_ACQUIRE);
                mine.store(0, SFC_RELEASE);
            });
        }
    };
}

/// Each enters if it does not see the other.
inline Body dekker() {
    return [](Program& program) {
        auto& s = program.make<Ints>();
        for (int i = 0; i < 2; ++i) {
            program.spawn([&s, i] {
                s.at[i].store(1);
                sfc_fence(SFC_MB, nullptr);
                if (s.at[1 - i].load() != 0) return;
                s.at[2].store(s.at[2].load() + 1);
                require(s.at[2].load() == 1, "both have entered");
            });
        }
    };
}

/// Each counts, and waits until all have.
inline Body barrier(int n) {
    return [=](Program& program) {
        auto& s = program.make<Ints>();
        Int &x = s.at[0], &arrived = s.at[1];
        for (int i = 0; i < n; ++i) {
            program.spawn([&, n] {
                x.fetch_add(1);
                arrived.fetch_add(1, SFC_ACQ_REL);
                arrived.await(n, SFC_ACQUIRE);
                require(x.load() == n, "passed too early");
            });
        }
    };
}

inline Body seqlock() {
    return [](Program& program) {
        auto& s = program.make<Ints>();
        Int &sequence = s.at[0], &x = s.at[1];
        program.spawn([&] {
            sequence.store(1);
            sfc_fence(SFC_WMB, nullptr);
            x.store(1);
            sequence.store(2, SFC_RELEASE);
        });
        program.spawn([&] {
            const int begin = sequence.load(SFC_ACQUIRE);
            assume(begin % 2 == 0);
            const int seen = x.load();
            sfc_fence(SFC_RMB, nullptr);
            assume(sequence.load() == begin);
            require(seen == begin / 2, "what was read is of another time");
        });
    };
}

inline Body fib_bench(int n) {
    return [=](Program& program) {
        auto& x = program.make<Int>(1);
        auto& y = program.make<Int>(1);
        const auto adder = [n](Int& to, Int& from) {
            for (int i = 0; i < n; ++i) {
                const int a = to.load(SFC_ACQUIRE);
                const int b = from.load(SFC_ACQUIRE);
                to.store(a + b, SFC_RELEASE);
            }
        };
        program.spawn([&x, &y, adder] { adder(x, y); });
        program.spawn([&x, &y, adder] { adder(y, x); });
        program.spawn([&] {
            x.load(SFC_ACQUIRE);
            y.load(SFC_ACQUIRE);
        });
    };
}

/// The GUP-fast against collapse mail, in small: `readers` times pmd, pte, reference, re-check.
struct GupOptions {
    bool recheck_pmd = false;
    bool fence = false;
    int readers = 1;
    bool relaxed = false;  // otherwise loads acquire and stores release
};

inline Body gup_against_collapse(GupOptions options) {
    return [=](Program& program) {
        constexpr int kTable = 1, kHuge = 2, kPage = 1;
        struct State {
            Int pmd{kTable}, pte{kPage}, ref{1}, collapsed, pinned;
        };
        const sfc_order acquire = options.relaxed ? SFC_RELAXED : SFC_ACQUIRE;
        const sfc_order release = options.relaxed ? SFC_RELAXED : SFC_RELEASE;
        const sfc_order both = options.relaxed ? SFC_RELAXED : SFC_ACQ_REL;
        auto& s = program.make<State>();
        for (int i = 0; i < options.readers; ++i) {
            program.spawn([=, &s] {
                const int pmd = s.pmd.load(acquire);
                if (pmd != kTable) return;
                if (s.pte.load(acquire) != kPage) return;
                const int ref = s.ref.load(acquire);
                if (!s.ref.compare_exchange(ref, ref + 1, both, acquire)) return;
                if (options.fence) sfc_fence(SFC_MB, nullptr);
                const Int& again = options.recheck_pmd ? s.pmd : s.pte;
                if (again.load(acquire) != (options.recheck_pmd ? pmd : kPage)) {
                    s.ref.fetch_add(-1, both);
                    return;
                }
                s.pinned.store(1, release);
            });
        }
        program.spawn([=, &s] {
            s.pmd.store(0, release);
            if (options.fence) sfc_fence(SFC_MB, nullptr);
            if (s.ref.load(acquire) != 1) {
                s.pmd.store(kTable, release);
                return;
            }
            s.collapsed.store(1, release);
            s.pmd.store(kHuge, release);
        });
        program.finish([&s] {
            require(s.collapsed.get() == 0 || s.pinned.get() == 0,
                    "a page is pinned and collapsed");
        });
    };
}

}  // namespace surefoot::checker::programs
