#include "linux/files/file_backing.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

std::string name_of(int fd) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    std::array<char, PATH_MAX> name{};
    const ssize_t length = readlink(link.c_str(), name.data(), name.size());
    return length > 0 ? std::string(name.data(), static_cast<std::size_t>(length)) : std::string();
}

}  // namespace

Result<FileBacking*> FileBacking::open(int host_fd, std::string name) {
    struct stat status{};
    if (fstat(host_fd, &status) != 0) return static_cast<Errno>(errno);
    if (!S_ISREG(status.st_mode)) return Errno::nodev;
    const int fd = fcntl(host_fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return static_cast<Errno>(errno);
    if (name.empty()) name = name_of(fd);
    const vma::BackingId id{.dev_major = major(status.st_dev),
                            .dev_minor = minor(status.st_dev),
                            .inode = status.st_ino};
    return new FileBacking(fd, std::move(name), id);
}

FileBacking::~FileBacking() { ::close(fd_); }

void FileBacking::release() noexcept { delete this; }

Result<void> FileBacking::read_page(std::uint64_t index, std::span<std::byte> out) {
    std::size_t filled = 0;
    const std::uint64_t start = index * out.size();
    while (filled < out.size()) {
        const ssize_t n = pread(fd_, out.data() + filled, out.size() - filled,
                                static_cast<off_t>(start + filled));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Errno::io;
        if (n == 0) break;
        filled += static_cast<std::size_t>(n);
    }
    if (filled == 0) return Errno::nxio;
    std::memset(out.data() + filled, 0, out.size() - filled);
    return {};
}

bool FileBacking::is_cached(std::uint64_t index) {
    struct stat status{};
    if (fstat(fd_, &status) != 0) return false;
    return index < align_up(static_cast<std::uint64_t>(status.st_size), arch::kPageSize) /
                       arch::kPageSize;
}

Result<Pfn> FileBacking::shared_frame(std::uint64_t) { return Errno::nodev; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
