#pragma once

// What stands behind the handles of surefoot.hpp. These types live in plain `surefoot`, next to
// their handles; everything else of this folder is in the build's inline namespace.

#include <new>

#include "api/callback_file.hpp"
#include "api/callback_shootdown.hpp"
#include "api/machine.hpp"
#include "surefoot/surefoot.hpp"

namespace surefoot {

struct Machine::Impl {
    std::unique_ptr<api::Machine> machine;
};

struct File::Impl {
    std::shared_ptr<Machine::Impl> machine;
    api::FileRef file;
};

/// Members in this order: the last unmapping still calls back, and gives frames to the machine.
struct Space::Impl {
    std::shared_ptr<Machine::Impl> machine;
    api::CallbackShootdown shootdown;
    mm::MmPtr mm;
};

/// Makes a machine with options that only the library's own code gives.
struct MachineAccess {
    static Expected<Machine> create(const api::MachineOptions& options) noexcept;
};

inline Error to_error(Errno error) { return {static_cast<int>(error)}; }

/// No exception leaves the library; the only one that its code can raise is "no memory".
template <class F>
auto without_exceptions(F&& f) noexcept -> decltype(f()) {
    try {
        return f();
    } catch (const std::bad_alloc&) {
        return to_error(Errno::nomem);
    }
}

}  // namespace surefoot
