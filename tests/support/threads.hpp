#pragma once

#include <vector>

#include "sync/sync.hpp"

/// Threads that start together and are joined at the end of the scope.
class Threads {
  public:
    template <class Body>
    Threads(unsigned n, Body body) {
        for (unsigned i = 0; i < n; ++i)
            add([body, i] { body(i); });
    }
    Threads() = default;
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;
    ~Threads() { join(); }

    template <class Body>
    void add(Body body) {
        auto started = surefoot::sync::Thread::start(body);
        SF_ASSERT(started);
        threads_.push_back(std::move(*started));
    }
    void join() {
        for (auto& thread : threads_)
            thread.join();
        threads_.clear();
    }

  private:
    std::vector<surefoot::sync::Thread> threads_;
};

/// An event that one thread raises and others wait for.
class Event {
  public:
    void raise() {
        raised_.store(1, surefoot::sync::Order::release);
        raised_.notify_all();
    }
    bool raised() const { return raised_.load(surefoot::sync::Order::acquire) != 0; }
    void wait() const {
        while (!raised())
            raised_.wait(0, surefoot::sync::Order::acquire);
    }

  private:
    surefoot::sync::Atomic<std::uint32_t> raised_{0};
};
