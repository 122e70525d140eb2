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
};

inline Body gup_against_collapse(GupOptions options) {
    return [=](Program& program) {
        constexpr int kTable = 1, kHuge = 2, kPage = 1;
        struct State {
            Int pmd{kTable}, pte{kPage}, ref{1}, collapsed, pinned;
        };
        auto& s = program.make<State>();
        for (int i = 0; i < options.readers; ++i) {
            program.spawn([&s, options] {
                const int pmd = s.pmd.load();
                if (pmd != kTable) return;
                if (s.pte.load() != kPage) return;
                const int ref = s.ref.load();
                if (!s.ref.compare_exchange(ref, ref + 1)) return;
                if (options.fence) sfc_fence(SFC_MB, nullptr);
                if (options.recheck_pmd ? s.pmd.load() != pmd : s.pte.load() != kPage) {
                    s.ref.fetch_add(-1);
                    return;
                }
                s.pinned.store(1);
            });
        }
        program.spawn([&s, options] {
            s.pmd.store(0);
            if (options.fence) sfc_fence(SFC_MB, nullptr);
            if (s.ref.load() != 1) {
                s.pmd.store(kTable);
                return;
            }
            s.collapsed.store(1);
            s.pmd.store(kHuge);
        });
        program.finish([&s] {
            require(s.collapsed.get() == 0 || s.pinned.get() == 0,
                    "a page is pinned and collapsed");
        });
    };
}

}  // namespace surefoot::checker::programs
