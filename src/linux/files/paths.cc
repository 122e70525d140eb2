#include "linux/files/paths.hpp"

#include <fcntl.h>
#include <limits.h>

#include <charconv>
#include <string_view>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// The number after `prefix`, if that is all there is.
int number_after(std::string_view path, std::string_view prefix) {
    if (!path.starts_with(prefix)) return -1;
    path.remove_prefix(prefix.size());
    int number = -1;
    const auto end = std::from_chars(path.data(), path.data() + path.size(), number);
    return end.ec == std::errc{} && end.ptr == path.data() + path.size() ? number : -1;
}

}  // namespace

std::string own_proc_name(const Process& process, const std::string& path) {
    for (const std::string& prefix : {std::string("/proc/self/"), std::string("/proc/thread-self/"),
                                      "/proc/" + std::to_string(process.pid()) + "/"}) {
        if (path.starts_with(prefix)) return path.substr(prefix.size());
    }
    return {};
}

std::string translate_fd_path(Process& process, const std::string& path) {
    int fd = number_after(own_proc_name(process, path), "fd/");
    if (fd < 0) fd = number_after(path, "/dev/fd/");
    if (path == "/dev/stdin") fd = 0;
    if (path == "/dev/stdout") fd = 1;
    if (path == "/dev/stderr") fd = 2;
    if (fd < 0) return path;
    const auto file = process.files().get(fd);
    return "/proc/self/fd/" + (file ? std::to_string((*file)->host_fd()) : std::string("closed"));
}

Result<HostPath> resolve_path(Task& task, int guest_directory, VirtAddr name) {
    auto text = mm::strncpy_from_user(task.mm(), name, PATH_MAX);
    if (!text) return text.error();
    HostPath result{
        .directory = AT_FDCWD, .name = translate_fd_path(task.process(), *text), .hold = nullptr};
    // Linux looks at the descriptor only if the name is relative.
    if (guest_directory != AT_FDCWD && !result.name.starts_with('/')) {
        auto directory = task.process().files().get(guest_directory);
        if (!directory) return directory.error();
        result.hold = std::move(*directory);
        result.directory = result.hold->host_fd();
    }
    return result;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
