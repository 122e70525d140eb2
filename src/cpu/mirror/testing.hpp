#pragma once

// For tests only: what a mirror space does not show through the interface.

#include <sys/types.h>

#include "cpu/mirror/space.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

class MirrorProbe {
public:
    explicit MirrorProbe(Space& space) : space_(static_cast<MirrorSpace&>(space)) {}

    pid_t stub_pid() const { return space_.stub().pid(); }
    pid_t zygote_pid() const { return space_.shared().zygote->pid(); }

    /// The next fill stops between its walk and its host_map.
    void pause_next_fill() {
        words().paused.store(0, sync::Order::relaxed);
        words().hooks.fetch_or(SpaceControl::kHookPauseFill, sync::Order::seq_cst);
    }
    /// Fills and the agent go without F.
    void remove_fill_lock() {
        words().hooks.fetch_or(SpaceControl::kHookNoFillLock, sync::Order::seq_cst);
    }
    void await_paused_fill() {
        while (words().paused.load(sync::Order::acquire) != 1) {
            space_.port().wait(words().paused, 0);
        }
    }
    void release_fill() {
        words().paused.store(2, sync::Order::seq_cst);
        space_.port().wake(words().paused);
    }
    /// Whether somebody waits for F.
    bool fill_lock_contended() const {
        return words().fill_lock.load(sync::Order::acquire) == 2;
    }
    std::uint64_t refills() const { return space_.refills(); }

private:
    SpaceControl& words() const { return space_.words(); }
    MirrorSpace& space_;
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
