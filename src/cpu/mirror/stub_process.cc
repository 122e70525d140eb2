#include "cpu/mirror/stub_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <new>

extern "C" char** environ;

namespace surefoot::inline SF_BUILD::cpu::mirror {

namespace {

Errno last_error() { return static_cast<Errno>(errno); }

Result<Descriptor> own(int fd) {
    if (fd < 0) return last_error();
    return Descriptor(fd);
}

Descriptor open_pidfd(pid_t pid) {
    return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

/// @return bytes; the descriptor that came with them goes to `received`
ssize_t receive(int socket, ZygoteReply& reply, Descriptor& received) {
    iovec part{&reply, sizeof reply};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t n = 0;
    do {
        n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    if (n > 0 && rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
        received = Descriptor(fd);
    }
    return n;
}

bool send(int socket, ZygoteRequest request, int descriptor) {
    iovec part{&request, sizeof request};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    return ::sendmsg(socket, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof request);
}

/// Returns when the process has ended, whoever reaps it.
void await_end(int pidfd) {
    pollfd wanted{pidfd, POLLIN, 0};
    while (::poll(&wanted, 1, -1) < 0 && errno == EINTR) {
    }
}

/// A copy above the numbers that the zygote's descriptors get, so that placing one does not
/// overwrite another.
Result<Descriptor> out_of_the_way(int fd) {
    return own(::fcntl(fd, F_DUPFD_CLOEXEC, kZygoteServer + 1));
}

class SpawnActions {
public:
    SpawnActions() {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        // A session of its own, so that signals of the terminal reach the server alone.
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
        sigset_t none;
        sigemptyset(&none);
        posix_spawnattr_setsigmask(&attributes_, &none);
    }
    ~SpawnActions() {
        posix_spawn_file_actions_destroy(&actions_);
        posix_spawnattr_destroy(&attributes_);
    }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;

    void place(const Descriptor& fd, int at) {
        posix_spawn_file_actions_adddup2(&actions_, fd.get(), at);
    }
    /// @return an error number, or 0
    int spawn(const std::string& path, pid_t& pid) {
        std::string name = "surefoot-zygote";
        char* arguments[] = {name.data(), nullptr};
        return ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments, environ);
    }

private:
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

Result<ControlMemory> map_control(int memory) {
    void* start =
        ::mmap(nullptr, kControlBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (start == MAP_FAILED) return last_error();
    // The memory is zero, as the words must be: making the objects changes no byte of it but
    // those that are set here.
    auto* bytes = static_cast<std::byte*>(start);
    auto& space = *reinterpret_cast<SpaceControl*>(bytes);
    space.agent_call.set(AgentCall::boot);
    space.agent_state.store(kStubOwns, sync::Order::relaxed);
    return ControlMemory(bytes);
}

bool executable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

}  // namespace

// Both sides place their own types over the control memory.
static_assert(sizeof(sync::Atomic<std::uint32_t>) == 4 && sizeof(sync::Atomic<std::uint64_t>) == 8);
static_assert(sizeof(sync::Shared<std::uint32_t>) == 4 && sizeof(sync::Shared<VaRange>) == 16);
static_assert(sizeof(SpaceControl) <= kSpaceBlocks * kBlockBytes);
static_assert(sizeof(Slot) <= 2048, "a starting thread's stack is the rest of the page");

ControlMemory::~ControlMemory() {
    if (start_ != nullptr) ::munmap(start_, kControlBytes);
}

void StubProcess::kill() noexcept {
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void StubProcess::kill_and_wait() noexcept {
    kill();
    await_end(pidfd_.get());
}

Result<std::unique_ptr<Zygote>> Zygote::start(const Options& options) noexcept {
    int pair[2];
    if (sync::should_fail(options.fail)) return Errno::nomem;
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return last_error();
    Descriptor ours(pair[0]);
    Descriptor theirs(pair[1]);

    Result<Descriptor> socket = out_of_the_way(theirs.get());
    Result<Descriptor> arena = out_of_the_way(options.arena_fd);
    Result<Descriptor> self = out_of_the_way(open_pidfd(::getpid()).get());
    if (!socket) return socket.error();
    if (!arena) return arena.error();
    if (!self) return self.error();
    SpawnActions actions;
    actions.place(*socket, kZygoteSocket);
    actions.place(*arena, kZygoteArena);
    actions.place(*self, kZygoteServer);
    pid_t pid = 0;
    if (sync::should_fail(options.fail)) return Errno::again;
    if (const int e = actions.spawn(options.path, pid); e != 0) return static_cast<Errno>(e);
    auto zygote = std::make_unique<Zygote>(pid, open_pidfd(pid), std::move(ours), options.fail);

    socket = Descriptor();  // so that the zygote's end of the socket ends with the zygote
    theirs = Descriptor();
    Descriptor none;
    ZygoteReply reply{};
    if (!send(zygote->socket_.get(), {.arena_bytes = options.arena_bytes}, -1) ||
        receive(zygote->socket_.get(), reply, none) != sizeof reply) {
        return Errno::io;
    }
    if (reply.error != 0) return static_cast<Errno>(reply.error);
    return zygote;
}

Zygote::~Zygote() {
    // Stubs that are left, by an error path, die with the zygote.
    socket_ = Descriptor();
    if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
}

Result<std::unique_ptr<StubProcess>> Zygote::spawn() noexcept {
    if (sync::should_fail(fail_)) return Errno::mfile;
    Result<Descriptor> memory = own(::memfd_create("surefoot-control", MFD_CLOEXEC));
    if (!memory) return memory.error();
    if (::ftruncate(memory->get(), static_cast<off_t>(kControlBytes)) != 0) return last_error();
    if (sync::should_fail(fail_)) return Errno::nomem;
    Result<ControlMemory> control = map_control(memory->get());
    if (!control) return control.error();
    if (sync::should_fail(fail_)) return Errno::again;
    return request(*memory, std::move(*control));
}

Result<std::unique_ptr<StubProcess>> Zygote::request(const Descriptor& memory,
                                                     ControlMemory control) noexcept {
    sync::Guard guard(mutex_);
    Descriptor pidfd;
    ZygoteReply reply{};
    if (!send(socket_.get(), {.arena_bytes = 0}, memory.get()) ||
        receive(socket_.get(), reply, pidfd) != sizeof reply) {
        return Errno::io;
    }
    if (reply.error != 0) return static_cast<Errno>(reply.error);
    if (!pidfd) return Errno::mfile;
    return std::make_unique<StubProcess>(reply.pid, std::move(pidfd), std::move(control));
}

Result<std::string> find_zygote(const std::string& option) {
    if (!option.empty()) {
        if (!executable(option)) return Errno::noent;
        return option;
    }
    if (const char* named = std::getenv("SUREFOOT_ZYGOTE"); named != nullptr && *named != 0) {
        if (!executable(named)) return Errno::noent;
        return std::string(named);
    }
    char self[PATH_MAX];
    const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self);
    if (n <= 0 || n == static_cast<ssize_t>(sizeof self)) return Errno::noent;
    const std::string program(self, static_cast<std::size_t>(n));
    const std::string folder = program.substr(0, program.rfind('/'));
    // Beside the program (a build tree's bin), installed, and for programs of a build's tests.
    for (const char* place : {"/", "/../libexec/surefoot/", "/../bin/"}) {
        std::string path = folder + place + "surefoot-zygote";
        if (executable(path)) return path;
    }
    return Errno::noent;
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
