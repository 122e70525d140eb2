#include "linux/files/fd_table.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "linux/files/file_backing.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

OpenFile::OpenFile(int host_fd) : host_fd_(host_fd) {
    const int flags = fcntl(host_fd, F_GETFL);
    if (flags >= 0 && !(flags & O_PATH)) {
        readable_ = (flags & O_ACCMODE) != O_WRONLY;
        writable_ = (flags & O_ACCMODE) != O_RDONLY;
    }
    struct stat status{};
    if (fstat(host_fd, &status) != 0) return;
    may_block_ = S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode) ||
                 (status.st_mode & S_IFMT) == 0;
}

OpenFile::~OpenFile() {
    {
        sync::Guard guard(backing_lock_);
        if (backing_ != nullptr) backing_->put();
    }
    ::close(host_fd_);
}

Result<FileBacking*> OpenFile::backing() const {
    sync::Guard guard(backing_lock_);
    if (backing_ == nullptr) {
        const auto made = FileBacking::open(host_fd_);
        if (!made) return made;
        backing_ = *made;
    }
    backing_->get();
    return backing_;
}

bool FdTable::is_open(int fd) const {
    return fd >= 0 && static_cast<std::size_t>(fd) < slots_.size() &&
           slots_[static_cast<std::size_t>(fd)].file != nullptr;
}

Result<FilePtr> FdTable::get(int fd) const {
    sync::Guard guard(lock_);
    if (!is_open(fd)) return Errno::badf;
    return slots_[static_cast<std::size_t>(fd)].file;
}

Result<int> FdTable::install(int host_fd, bool close_on_exec, int from) {
    auto file = std::make_shared<const OpenFile>(host_fd);
    sync::Guard guard(lock_);
    if (from < 0 || static_cast<std::uint64_t>(from) >= limit_) return Errno::inval;
    std::size_t fd = static_cast<std::size_t>(from);
    while (fd < slots_.size() && slots_[fd].file)
        ++fd;
    if (fd >= limit_) return Errno::mfile;
    if (fd >= slots_.size()) slots_.resize(fd + 1);
    slots_[fd] = {std::move(file), close_on_exec};
    return static_cast<int>(fd);
}

Result<void> FdTable::install_at(int fd, int host_fd, bool close_on_exec) {
    Slot next{std::make_shared<const OpenFile>(host_fd), close_on_exec};
    {
        sync::Guard guard(lock_);
        if (fd < 0 || static_cast<std::uint64_t>(fd) >= limit_) return Errno::badf;
        const auto index = static_cast<std::size_t>(fd);
        if (index >= slots_.size()) slots_.resize(index + 1);
        std::swap(slots_[index], next);
    }
    return {};  // what was there is closed here, outside of the lock
}

Result<void> FdTable::close(int fd) {
    Slot old;
    sync::Guard guard(lock_);
    if (!is_open(fd)) return Errno::badf;
    std::swap(slots_[static_cast<std::size_t>(fd)], old);
    return {};
}

void FdTable::close_range(std::uint32_t first, std::uint32_t last) {
    std::vector<Slot> old;
    sync::Guard guard(lock_);
    for (std::size_t fd = first; fd < slots_.size() && fd <= last; ++fd) {
        if (slots_[fd].file) old.push_back(std::exchange(slots_[fd], {}));
    }
}

Result<bool> FdTable::close_on_exec(int fd) const {
    sync::Guard guard(lock_);
    if (!is_open(fd)) return Errno::badf;
    return slots_[static_cast<std::size_t>(fd)].close_on_exec;
}

Result<void> FdTable::set_close_on_exec(int fd, bool on) {
    sync::Guard guard(lock_);
    if (!is_open(fd)) return Errno::badf;
    slots_[static_cast<std::size_t>(fd)].close_on_exec = on;
    return {};
}

std::uint64_t FdTable::limit() const {
    sync::Guard guard(lock_);
    return limit_;
}

void FdTable::set_limit(std::uint64_t limit) {
    sync::Guard guard(lock_);
    limit_ = limit;
}

void inherit_descriptors(FdTable& table) {
    std::vector<int> numbers;
    if (DIR* directory = opendir("/proc/self/fd")) {
        while (const dirent* entry = readdir(directory)) {
            const int fd = std::atoi(entry->d_name);
            if (entry->d_name[0] != '.' && fd != dirfd(directory)) numbers.push_back(fd);
        }
        closedir(directory);
    } else {
        numbers = {0, 1, 2};
    }
    for (const int fd : numbers) {
        const int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || (flags & FD_CLOEXEC)) continue;
        const int host_fd = fd <= 2 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
        if (host_fd < 0) continue;
        if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (!table.install_at(fd, host_fd, false)) continue;
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
