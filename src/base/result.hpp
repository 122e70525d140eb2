#pragma once

// Errors that an embedder or a guest program sees. Outcomes inside the protocol (a lost race, a
// retry) are named enums of their own and never an Errno.

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

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

// What most functions return is a plain value, which fits two registers. `tl::expected` has a flag
// of one byte, so that compilers put its words together in memory, and the load of a word that was
// stored in parts waits for the stores: these have a whole word instead.

template <class T>
    requires std::is_trivially_copyable_v<T>
class [[nodiscard]] Result<T> {
public:
    constexpr Result(const T& value) : value_(value) {}
    template <class U>
        requires std::convertible_to<U&&, T>
    constexpr Result(U&& value) : value_(std::forward<U>(value)) {}
    constexpr Result(Errno error) : none_(), error_(static_cast<std::uint64_t>(error)) {}
    constexpr Result(const Failure& failure) : Result(failure.value()) {}

    constexpr bool has_value() const { return error_ == 0; }
    constexpr explicit operator bool() const { return has_value(); }
    constexpr T& operator*() { return value_; }
    constexpr const T& operator*() const { return value_; }
    constexpr T* operator->() { return &value_; }
    constexpr const T* operator->() const { return &value_; }
    constexpr const T& value() const {
        SF_ASSERT(has_value());
        return value_;
    }
    /// There is no value.
    constexpr Errno error() const { return static_cast<Errno>(error_); }

private:
    union {
        char none_;
        T value_;
    };
    std::uint64_t error_ = 0;  // no Errno is 0
};

template <>
class [[nodiscard]] Result<void> {
public:
    constexpr Result() = default;
    constexpr Result(Errno error) : error_(static_cast<int>(error)) {}
    constexpr Result(const Failure& failure) : Result(failure.value()) {}

    constexpr bool has_value() const { return error_ == 0; }
    constexpr explicit operator bool() const { return has_value(); }
    /// It is no success.
    constexpr Errno error() const { return static_cast<Errno>(error_); }

private:
    int error_ = 0;
};

/// What a system call returns: the value, or the negative error number.
template <class T>
constexpr long to_syscall_result(const Result<T>& result) {
    if (!result) return -static_cast<long>(result.error());
    if constexpr (std::is_void_v<T>) {
        return 0;
    } else if constexpr (requires { result->raw(); }) {
        return static_cast<long>(result->raw());
    } else if constexpr (requires { static_cast<long>(*result); }) {
        return static_cast<long>(*result);
    } else {
        return 0;
    }
}

}  // namespace surefoot::inline SF_BUILD
