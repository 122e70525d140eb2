#include "linux/loader/load.hpp"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "linux/files/file_backing.hpp"
#include "linux/loader/stack_image.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

namespace uapi = mm::uapi;

constexpr std::uint64_t kPage = arch::kPageSize;
// Linux's stack_expand: a new stack is this much larger than its contents.
constexpr std::uint64_t kStackRoom = 128ULL << 10;
constexpr std::uint64_t kInitialFlags = 0x202;

LoadFailure refuse(int status, std::string reason) { return {status, std::move(reason)}; }

/// As many bytes as there are, up to the buffer's size. @return how many
std::size_t read_at(int fd, std::span<std::byte> out, std::uint64_t offset) {
    const ssize_t n = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    return n < 0 ? 0 : static_cast<std::size_t>(n);
}

LoadFailure read_image(Executable& executable, std::uint64_t file_bytes) {
    std::array<std::byte, kElfHeaderBytes> buffer{};
    const auto head = std::span(buffer).first(read_at(executable.fd, buffer, 0));
    if (head.size() >= 2 && std::memcmp(head.data(), "#!", 2) == 0) {
        return refuse(126, "a script: run its interpreter instead");
    }
    const ElfHeader header = parse_elf_header(head, file_bytes);
    if (!header.phdr_offset) return refuse(126, std::string(header.reason));
    std::vector<std::byte> phdrs(header.phdr_bytes);
    phdrs.resize(read_at(executable.fd, phdrs, *header.phdr_offset));
    ElfParse parsed = parse_elf(head, phdrs, file_bytes);
    if (parsed.dynamically_linked && parsed.reason == "dynamically linked") {
        return refuse(126, "dynamically linked: not supported yet; link with -static");
    }
    if (!parsed.image) return refuse(126, std::string(parsed.reason));
    executable.image = std::move(*parsed.image);
    return {};
}

/// Maps [segment's file pages] and zero pages behind them.
Result<void> map_segment(mm::Mm& mm, vma::Backing& file, const ElfSegment& segment,
                         std::uint64_t bias) {
    const std::uint64_t start = align_down(segment.va, kPage) + bias;
    const std::uint64_t file_end = segment.va + segment.file_bytes + bias;
    const std::uint64_t end = align_up(segment.end() + bias, kPage);
    std::uint64_t mapped = start;
    if (segment.file_bytes != 0) {
        mapped = align_up(file_end, kPage);
        const auto done = mm::mmap(mm, {.addr = VirtAddr(start),
                                        .length = mapped - start,
                                        .prot = segment.prot,
                                        .flags = uapi::MAP_PRIVATE | uapi::MAP_FIXED_NOREPLACE,
                                        .backing = &file,
                                        .offset = align_down(segment.file_offset, kPage)});
        if (!done) return done.error();
        // The tail of the last page: zero as part of .bss, or left as in the file if read-only.
        if (segment.memory_bytes > segment.file_bytes && (segment.prot & uapi::PROT_WRITE)) {
            const std::vector<std::byte> zeros(std::min(mapped, segment.end() + bias) - file_end);
            if (mm::copy_to_user(mm, VirtAddr(file_end), zeros) != zeros.size()) {
                return Errno::nomem;
            }
        }
    }
    if (end <= mapped) return {};
    const auto done = mm::mmap(
        mm, {.addr = VirtAddr(mapped),
             .length = end - mapped,
             .prot = segment.prot,
             .flags = uapi::MAP_PRIVATE | uapi::MAP_ANONYMOUS | uapi::MAP_FIXED_NOREPLACE});
    if (!done) return done.error();
    return {};
}

/// Where a static-pie goes: two thirds up, as in Linux without randomisation.
std::uint64_t bias_of(const mm::Mm& mm, const ElfImage& image) {
    if (!image.position_independent) return 0;
    const std::uint64_t base = mm.options.task_size.raw() / 3 * 2;
    return align_up(base, image.alignment) - align_down(image.start(), image.alignment);
}

Result<void> map_image(mm::Mm& mm, const Executable& executable, std::uint64_t bias) {
    const auto file = FileBacking::open(executable.fd, executable.path);
    if (!file) return file.error();
    Result<void> done;
    for (const ElfSegment& segment : executable.image.segments) {
        done = map_segment(mm, **file, segment, bias);
        if (!done) break;
    }
    (*file)->put();
    if (!done) return done;
    const VirtAddr brk(executable.image.end() + bias);
    mm.start_brk.set(brk);
    mm.brk.set(brk);
    return {};
}

/// Of the largest signal frame: ours is laid out as the host's, for the same processor.
std::uint64_t signal_frame_bytes() {
    constexpr std::uint64_t kWithoutExtensions = 2048;
    const std::uint64_t host = getauxval(AT_MINSIGSTKSZ);
    return host != 0 ? host : kWithoutExtensions;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> auxiliary_vector(const ElfImage& image,
                                                                      std::uint64_t bias) {
    return {{AT_HWCAP, getauxval(AT_HWCAP)},
            {AT_PAGESZ, kPage},
            {AT_CLKTCK, static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK))},
            {AT_PHDR, image.phdr_va != 0 ? image.phdr_va + bias : 0},
            {AT_PHENT, sizeof(Elf64_Phdr)},
            {AT_PHNUM, image.phdr_count},
            {AT_BASE, 0},
            {AT_FLAGS, 0},
            {AT_ENTRY, image.entry + bias},
            {AT_UID, getuid()},
            {AT_EUID, geteuid()},
            {AT_GID, getgid()},
            {AT_EGID, getegid()},
            {AT_SECURE, 0},
            {AT_HWCAP2, getauxval(AT_HWCAP2)},
            {AT_MINSIGSTKSZ, signal_frame_bytes()}};
}

Result<VaRange> map_stack(mm::Mm& mm, const StackImage& image, bool executable) {
    const VirtAddr top = mm.options.task_size;
    const VirtAddr bottom = image.sp.align_down(kPage) - kStackRoom;
    std::uint32_t prot = uapi::PROT_READ | uapi::PROT_WRITE;
    if (executable) prot |= uapi::PROT_EXEC;
    const auto done = mm::mmap(mm, {.addr = bottom,
                                    .length = top - bottom,
                                    .prot = prot,
                                    .flags = uapi::MAP_PRIVATE | uapi::MAP_ANONYMOUS |
                                             uapi::MAP_FIXED_NOREPLACE | uapi::MAP_GROWSDOWN});
    if (!done) return done.error();
    if (mm::copy_to_user(mm, image.sp, image.bytes) != image.bytes.size()) return Errno::nomem;
    return VaRange{bottom, top};
}

}  // namespace

LoadFailure open_executable(const std::string& path, Executable& executable) {
    // Not to wait for the writer of a FIFO; it means nothing for a regular file.
    executable.fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (executable.fd < 0) {
        return refuse(errno == ENOENT || errno == ENOTDIR ? 127 : 126, std::strerror(errno));
    }
    struct stat status{};
    if (fstat(executable.fd, &status) != 0) return refuse(126, std::strerror(errno));
    if (S_ISDIR(status.st_mode)) return refuse(126, std::strerror(EISDIR));
    if (!S_ISREG(status.st_mode)) return refuse(126, "not a regular file");
    if (access(path.c_str(), X_OK) != 0) return refuse(126, std::strerror(errno));
    char* const real = realpath(path.c_str(), nullptr);
    executable.path = real != nullptr ? real : path;
    std::free(real);
    return read_image(executable, static_cast<std::uint64_t>(status.st_size));
}

Result<LoadedProgram> load_program(mm::Mm& mm, const Executable& executable,
                                   const StartRequest& request) {
    const ElfImage& image = executable.image;
    const std::uint64_t bias = bias_of(mm, image);
    if (const auto mapped = map_image(mm, executable, bias); !mapped) return mapped.error();

    const StackImage stack = build_stack_image({.top = mm.options.task_size,
                                                .arguments = request.arguments,
                                                .environment = request.environment,
                                                .file_name = request.file_name,
                                                .random = request.random,
                                                .auxv = auxiliary_vector(image, bias)});
    // As Linux: a quarter of the stack's limit.
    if (stack.bytes.size() > mm.options.limits.stack / 4) return Errno::toobig;
    const auto range = map_stack(mm, stack, image.executable_stack);
    if (!range) return range.error();
    LoadedProgram program;
    program.stack = *range;
    program.regs.rip = image.entry + bias;
    program.regs.rsp = stack.sp.raw();
    program.regs.rflags = kInitialFlags;
    return program;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
