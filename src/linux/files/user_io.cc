#include "linux/files/user_io.hpp"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

// What Linux moves at most in one call.
constexpr std::uint64_t kMaxBytes = 0x7fff'f000;
constexpr std::size_t kMaxPieces = 256;
// Frames are held while the host call runs; one call holds at most these.
constexpr std::size_t kMaxHolds = 16;

/// Goes through a list of ranges and hands out pieces of frames.
class Gatherer {
  public:
    Gatherer(mm::Mm& mm, std::span<const UserRange> ranges, mm::Access access)
        : mm_(mm), ranges_(ranges), access_(access) {
        holds_.reserve(kMaxHolds);
    }

    bool at_end() const { return index_ >= ranges_.size(); }

    /// Holds the next frames. @return bytes held; 0 at the end or where memory is not accessible
    std::size_t gather() {
        holds_.clear();
        pieces_.clear();
        std::size_t bytes = 0;
        // The position moves on a copy: `advance` says how much was used.
        std::size_t index = index_;
        std::uint64_t done = done_;
        while (index < ranges_.size() && holds_.size() < kMaxHolds) {
            const UserRange& range = ranges_[index];
            if (range.length > done) {
                auto pages =
                    mm::UserPages::get(mm_, range.start + done, range.length - done, access_);
                if (pages.bytes() == 0 || pieces_.size() + pages.pieces().size() > kMaxPieces)
                    break;
                bytes += pages.bytes();
                done += pages.bytes();
                holds_.push_back(std::move(pages));
                for (const auto piece : holds_.back().pieces()) {
                    pieces_.push_back({piece.data(), piece.size()});
                }
            }
            if (done < range.length) continue;
            ++index;
            done = 0;
        }
        return bytes;
    }

    std::span<const iovec> pieces() const { return pieces_; }

    void advance(std::uint64_t bytes) {
        done_ += bytes;
        while (index_ < ranges_.size() && done_ >= ranges_[index_].length) {
            done_ -= ranges_[index_++].length;
        }
    }

  private:
    mm::Mm& mm_;
    std::span<const UserRange> ranges_;
    mm::Access access_;
    std::size_t index_ = 0;
    std::uint64_t done_ = 0;
    std::vector<mm::UserPages> holds_;
    std::vector<iovec> pieces_;
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
