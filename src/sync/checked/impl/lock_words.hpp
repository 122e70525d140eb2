#pragma once

// The words that locks are made of: what waits, and how.

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

class WordLock {
  public:
    void lock() { engine::lock(state_); }
    bool try_lock() { return engine::try_lock(state_); }
    void unlock() { engine::unlock(state_); }

  private:
    engine::LockState state_;
};

class RwWord {
  public:
    bool try_lock_shared() { return engine::try_lock_shared(state_); }
    void lock_shared() { engine::lock_shared(state_); }
    void unlock_shared() { engine::unlock_shared(state_); }
    bool try_lock() { return engine::try_lock(state_); }
    void lock() { engine::lock(state_); }
    void unlock() { engine::unlock(state_); }
    void downgrade() { engine::downgrade(state_); }

  private:
    engine::LockState state_;
};

}  // namespace surefoot::inline SF_BUILD::sync
