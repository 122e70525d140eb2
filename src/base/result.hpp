#pragma once

// Errors that an embedder or a guest program sees. Outcomes inside the protocol (a lost race, a
// retry) are named enums of their own and never an Errno.

#include <cerrno>

#include <tl/expected.hpp>

#include "base/macros.hpp"

namespace surefoot::inline SF_BUILD {

/// Linux's error numbers; the value is the positive number.
enum class Errno : int {
    perm = EPERM,
    noent = ENOENT,
    srch = ESRCH,
    intr = EINTR,
    io = EIO,
    nxio = ENXIO,
    toobig = E2BIG,
    noexec = ENOEXEC,
    badf = EBADF,
    child = ECHILD,
    again = EAGAIN,
    nomem = ENOMEM,
    acces = EACCES,
    fault = EFAULT,
    busy = EBUSY,
    exist = EEXIST,
    nodev = ENODEV,
    notdir = ENOTDIR,
    inval = EINVAL,
    nfile = ENFILE,
    mfile = EMFILE,
    notty = ENOTTY,
    nospc = ENOSPC,
    range = ERANGE,
    deadlk = EDEADLK,
    nametoolong = ENAMETOOLONG,
    nosys = ENOSYS,
    overflow = EOVERFLOW,
    opnotsupp = EOPNOTSUPP,
    timedout = ETIMEDOUT,
};

using Failure = tl::unexpected<Errno>;

/// A value or an Errno. `tl::expected` itself may be dropped silently; this may not.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Errno> {
public:
    using Base = tl::expected<T, Errno>;
    using Base::Base;
    using Base::operator=;
    Result(Base base) : Base(std::move(base)) {}
    Result(Errno error) : Base(tl::unexpect, error) {}
};

/// What a system call returns: the value, or the negative error number.
template <class T>
constexpr long to_syscall_result(const Result<T>& result) {
    if (!result) return -static_cast<long>(result.error());
    if constexpr (requires { result->raw(); }) {
        return static_cast<long>(result->raw());
    } else if constexpr (requires { static_cast<long>(*result); }) {
        return static_cast<long>(*result);
    } else {
        return 0;
    }
}

}  // namespace surefoot::inline SF_BUILD
