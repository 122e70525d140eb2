#include "engine/jobs.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace surefoot::checker::engine {
namespace {

constexpr int kForEver = -1;
constexpr int kMillisecondsBetweenReports = 200;

/// In front of everything that a part tells.
struct Header {
    bool is_end;  // what it counted, else a message
    std::size_t bytes;
};

/// Moves all bytes. @return false at an early end
template <class Move>
bool move_all(Move move, int file, void* bytes, std::size_t count) {
    for (char* at = static_cast<char*>(bytes); count != 0;) {
        const ssize_t moved = move(file, at, count);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        at += moved;
        count -= static_cast<std::size_t>(moved);
    }
    return true;
}

bool send(int file, bool is_end, std::string_view bytes) {
    Header header{is_end, bytes.size()};
    return move_all(write, file, &header, sizeof header) &&
           move_all(write, file, const_cast<char*>(bytes.data()), bytes.size());
}

void make_pipe(int (&ends)[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a job");
}

}  // namespace

Jobs::Jobs(unsigned count, Tally& tally) : tally_(tally) {
    if (count <= 1) return;
    make_pipe(free_);
    fcntl(free_[0], F_SETFL, O_NONBLOCK);
    for (unsigned i = 1; i < count; ++i)
        give_back();
}

/// Parts that are left belong to a search that was given up.
Jobs::~Jobs() {
    for (const Part& part : parts_) {
        kill(part.process, SIGKILL);
        waitpid(part.process, nullptr, 0);
        close(part.from);
    }
    for (const int end : free_)
        if (end >= 0) close(end);
}

bool Jobs::take() {
    char job;
    return free_[0] >= 0 && read(free_[0], &job, 1) == 1;
}

void Jobs::give_back() const { move_all(write, free_[1], const_cast<char*>("+"), 1); }

void Jobs::start(std::uint32_t depth, double share, const std::function<void()>& part) {
    int ends[2];
    make_pipe(ends);
    const pid_t process = fork();
    if (process == 0) {
        close(ends[0]);
        be_part(ends[1], share, part);
    }
    close(ends[1]);
    if (process < 0) {
        close(ends[0]);
        throw std::runtime_error("no process for a job");
    }
    parts_.push_back({process, ends[0], depth, share});
    tally_.give_part(share);
}

void Jobs::be_part(int to, double share, const std::function<void()>& explore) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (const Part& part : parts_)
        close(part.from);
    parts_.clear();
    if (up_ >= 0) close(up_);
    up_ = to;
    tally_.begin_part(share);
    try {
        explore();
        wait(0);
    } catch (const std::exception& error) {
        tally_.wrong({.message = error.what()});
    }
    const bool told = send(up_, true, tally_.part());
    give_back();
    _exit(told ? 0 : 1);
}

void Jobs::tell(std::string_view message) const {
    if (!send(up_, false, message)) _exit(1);
}

bool Jobs::any(std::uint32_t depth) const {
    return std::any_of(parts_.begin(), parts_.end(),
                       [&](const Part& part) { return part.depth >= depth; });
}

void Jobs::listen() {
    if (!parts_.empty()) hear(0);
}

/// Meanwhile another process may have this one's job. The one that has it now may be a part that
/// cannot end before it is heard.
void Jobs::wait(std::uint32_t depth) {
    if (!any(depth)) return;
    give_back();
    while (any(depth)) {
        hear(kMillisecondsBetweenReports);
        tally_.show_progress();
    }
    while (!take())
        hear(kForEver, free_[0]);
}

/// @param other  what ends the waiting, too, or -1, which poll() leaves out
void Jobs::hear(int milliseconds, int other) {
    std::vector<pollfd> from;
    for (const Part& part : parts_)
        from.push_back({part.from, POLLIN, 0});
    from.push_back({other, POLLIN, 0});
    if (poll(from.data(), from.size(), milliseconds) <= 0) return;
    for (std::size_t i = parts_.size(); i-- > 0;) {
        if (from[i].revents == 0 || hear_from(parts_[i])) continue;
        close(parts_[i].from);
        waitpid(parts_[i].process, nullptr, 0);
        parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

/// @return whether there is more to come
bool Jobs::hear_from(const Part& part) {
    Header header{};
    std::string bytes;
    bool heard = move_all(read, part.from, &header, sizeof header);
    if (heard) {
        bytes.resize(header.bytes);
        heard = move_all(read, part.from, bytes.data(), bytes.size());
    }
    if (!heard) {
        tally_.wrong({.message = "a job died"});
        give_back();
        return false;
    }
    if (header.is_end)
        tally_.add_part(bytes, part.share);
    else
        listener_(bytes);
    return !header.is_end;
}

}  // namespace surefoot::checker::engine
