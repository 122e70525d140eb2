#pragma once

// The words that locks are made of: what waits, and how.

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Released by a plain store, as Linux's spinlock is and as the native word need not be: what rests
/// on more order than that is found.
class WordLock {
  public:
    void lock() { engine::lock(state_, SFC_LOCK_SPIN); }
    bool try_lock() { return engine::try_lock(state_, SFC_LOCK_SPIN); }
    void unlock() { engine::unlock(state_, SFC_LOCK_SPIN); }

  private:
    engine::LockState state_;
};

class RwWord {
  public:
    bool try_lock_shared() { return engine::try_lock_shared(state_, SFC_LOCK_SLEEP); }
    void lock_shared() { engine::lock_shared(state_, SFC_LOCK_SLEEP); }
    void unlock_shared() { engine::unlock_shared(state_, SFC_LOCK_SLEEP); }
    bool try_lock() { return engine::try_lock(state_, SFC_LOCK_SLEEP); }
    void lock() { engine::lock(state_, SFC_LOCK_SLEEP); }
    void unlock() { engine::unlock(state_, SFC_LOCK_SLEEP); }
    void downgrade() { engine::downgrade(state_, SFC_LOCK_SLEEP); }

  private:
    engine::LockState state_;
};

}  // namespace surefoot::inline SF_BUILD::sync
