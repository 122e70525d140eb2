#pragma once

// The descriptor table of a guest process. A guest descriptor names a host descriptor of the
// server; the numbers are independent, so that a guest reaches nothing but its own files.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/base.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class FileBacking;

/// A host descriptor, closed with the last user. Its open file description (offset, status flags)
/// is the host's own, so that dup and inheritance behave as they do there.
class OpenFile {
  public:
    explicit OpenFile(int host_fd);
    ~OpenFile();
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    int host_fd() const { return host_fd_; }
    /// Reads and writes of it may wait for somebody: a pipe, a socket, a terminal.
    bool may_block() const { return may_block_; }
    bool is_readable() const { return readable_; }
    bool is_writable() const { return writable_; }
    /// What mappings of it stand on: one object, so that neighbouring mappings merge. Comes with a
    /// reference for the caller. Fails as FileBacking::open.
    Result<FileBacking*> backing() const;

  private:
    int host_fd_;
    mutable sync::Mutex<sync::LockId::leaf> backing_lock_;
    mutable FileBacking* backing_ SF_GUARDED_BY(backing_lock_) = nullptr;
    bool may_block_ = false;
    bool readable_ = false;
    bool writable_ = false;
};

using FilePtr = std::shared_ptr<const OpenFile>;

class FdTable {
  public:
    /// @param limit  RLIMIT_NOFILE: descriptors are below it
    explicit FdTable(std::uint64_t limit) : limit_(limit) {}

    /// Fails with badf.
    Result<FilePtr> get(int fd) const;

    /// Takes `host_fd` over, also on failure, and gives it the lowest free number from `from` on.
    /// Fails with mfile, or with inval if `from` is past the limit.
    Result<int> install(int host_fd, bool close_on_exec, int from = 0);
    /// dup3: replaces what `fd` was. Fails with badf.
    Result<void> install_at(int fd, int host_fd, bool close_on_exec);
    /// Fails with badf.
    Result<void> close(int fd);
    void close_range(std::uint32_t first, std::uint32_t last);

    Result<bool> close_on_exec(int fd) const;
    Result<void> set_close_on_exec(int fd, bool on);

    std::uint64_t limit() const;
    void set_limit(std::uint64_t limit);

  private:
    struct Slot {
        FilePtr file;
        bool close_on_exec = false;
    };
    using Lock = sync::Mutex<sync::LockId::process>;

    bool is_open(int fd) const;

    mutable Lock lock_;
    std::vector<Slot> slots_;
    std::uint64_t limit_;
};

/// The descriptors this process was started with and would pass on, moved into a new table under
/// their numbers. 0, 1 and 2 are duplicated and stay ours as well.
void inherit_descriptors(FdTable& table);

}  // namespace surefoot::inline SF_BUILD::linux_abi
