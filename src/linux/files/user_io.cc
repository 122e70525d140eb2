#include "linux/files/user_io.hpp"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

// What Linux moves at most in one call.
constexpr std::uint64_t kMaxBytes = 0x7fff'f000;

/// Goes through a list of ranges and hands out pieces of frames, which are held meanwhile.
class Gatherer {
  public:
    Gatherer(mm::Mm& mm, std::span<const UserRange> ranges, mm::Access access)
        : ranges_(ranges), pages_(mm, access) {}

    bool at_end() const { return index_ >= ranges_.size(); }

    /// Holds the next frames. @return bytes held; 0 at the end or where memory is not accessible
    std::size_t gather() {
        pages_.release();
        // From the position, which `advance` moves by what was used.
        std::uint64_t done = done_;
        for (const UserRange& range : ranges_.subspan(index_)) {
            const std::uint64_t left = range.length - std::exchange(done, 0);
            if (pages_.add(range.start + (range.length - left), left) < left) break;
        }
        std::ranges::transform(pages_.pieces(), pieces_.begin(), [](mm::UserPages::Piece piece) {
            return iovec{piece.data, piece.size};
        });
        return pages_.bytes();
    }

    std::span<const iovec> pieces() const { return {pieces_.data(), pages_.pieces().size()}; }

    void advance(std::uint64_t bytes) {
        done_ += bytes;
        while (index_ < ranges_.size() && done_ >= ranges_[index_].length) {
            done_ -= ranges_[index_++].length;
        }
    }

  private:
    const std::span<const UserRange> ranges_;
    mm::UserPages pages_;
    std::size_t index_ = 0;
    std::uint64_t done_ = 0;
    std::array<iovec, mm::UserPages::kMaxPages> pieces_;  // of `pages_`
};

long plain_call(int fd, std::span<const iovec> pieces, Direction direction,
                std::optional<off_t> offset) {
    const int count = static_cast<int>(pieces.size());
    long moved = 0;
    if (direction == Direction::read) {
        moved =
            offset ? preadv(fd, pieces.data(), count, *offset) : readv(fd, pieces.data(), count);
    } else {
        moved =
            offset ? pwritev(fd, pieces.data(), count, *offset) : writev(fd, pieces.data(), count);
    }
    return moved < 0 ? -errno : moved;
}

/// Waits until the file is ready, where a notice can interrupt, and then does not block.
long waiting_call(Task& task, int fd, std::span<const iovec> pieces, Direction direction) {
    const bool reading = direction == Direction::read;
    const int count = static_cast<int>(pieces.size());
    for (;;) {
        pollfd ready{fd, static_cast<short>(reading ? POLLIN : POLLOUT), 0};
        const int polled = task.poll_host(std::span(&ready, 1), std::nullopt);
        if (polled == -EINTR) return kErestartsys;
        if (polled < 0) return polled;
        const long moved = reading ? preadv2(fd, pieces.data(), count, -1, RWF_NOWAIT)
                                   : pwritev2(fd, pieces.data(), count, -1, RWF_NOWAIT);
        if (moved >= 0) return moved;
        // Not every file knows RWF_NOWAIT (terminals); it has just said that it is ready.
        if (errno == EOPNOTSUPP) return plain_call(fd, pieces, direction, std::nullopt);
        if (errno != EAGAIN) return -errno;
    }
}

long host_call(Task& task, const OpenFile& file, std::span<const iovec> pieces, Direction direction,
               std::optional<off_t> offset) {
    const int fd = file.host_fd();
    const bool waits = file.may_block() && !offset && !(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return waits ? waiting_call(task, fd, pieces, direction)
                 : plain_call(fd, pieces, direction, offset);
}

/// Whether memory of programs can lie there, looked at before any of it is touched. (access_ok)
bool is_user_range(const UserRange& range) {
    return range.length <= kTaskSizeMax && range.start.raw() <= kTaskSizeMax - range.length;
}

/// Whether a read gives nothing: then Linux does not look at the buffer.
bool is_at_end(int fd, std::optional<off_t> offset) {
    const off_t position = offset ? *offset : lseek(fd, 0, SEEK_CUR);
    char byte = 0;
    return position >= 0 && pread(fd, &byte, 1, position) == 0;
}

std::uint64_t total_of(std::span<const UserRange> ranges) {
    std::uint64_t total = 0;
    for (const UserRange& range : ranges)
        total += range.length;
    return total;
}

}  // namespace

SysResult transfer(Task& task, const OpenFile& file, std::span<const UserRange> ranges,
                   Direction direction, std::optional<off_t> offset) {
    const bool reading = direction == Direction::read;
    if (reading ? !file.is_readable() : !file.is_writable()) return -EBADF;
    if (!std::ranges::all_of(ranges, is_user_range)) return -EFAULT;
    Gatherer gatherer(task.mm(), ranges, reading ? mm::Access::write : mm::Access::read);
    if (total_of(ranges) == 0) return host_call(task, file, {}, direction, offset);

    std::uint64_t total = 0;
    while (!gatherer.at_end() && total < kMaxBytes) {
        const std::size_t held = gatherer.gather();
        if (held == 0 && total == 0) {
            return reading && is_at_end(file.host_fd(), offset) ? 0 : -EFAULT;
        }
        if (held == 0) return static_cast<SysResult>(total);
        const long moved = host_call(task, file, gatherer.pieces(), direction, offset);
        if (moved == -EPIPE || moved == -EFBIG) task.take_raised_signal();
        if (moved <= 0) return total != 0 ? static_cast<SysResult>(total) : moved;
        gatherer.advance(static_cast<std::uint64_t>(moved));
        total += static_cast<std::uint64_t>(moved);
        if (offset) *offset += moved;
        // A write to a pipe goes on until all is written; a read returns what there was.
        const bool short_count = static_cast<std::size_t>(moved) < held;
        if (reading ? (short_count || file.may_block()) : (short_count && !file.may_block())) break;
    }
    return static_cast<SysResult>(total);
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
