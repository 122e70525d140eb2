#include "linux/files/paths.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "linux/files/file_handle.hpp"
#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr int kMaxLinks = 40;  // as Linux

/// The whole of `text` as a number, or -1.
int to_number(std::string_view text) {
    int number = -1;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
    return end.ec == std::errc{} && end.ptr == text.data() + text.size() ? number : -1;
}

/// @return what the link names; empty: not a link
std::string read_link(int directory, const std::string& name) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlinkat(directory, name.c_str(), target.data(), target.size());
    return {target.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

/// The absolute name of the folder `fd`, if it lies in a procfs; else empty.
std::string name_in_proc(int fd) {
    struct statfs status{};
    if (fstatfs(fd, &status) != 0 || status.f_type != PROC_SUPER_MAGIC) return {};
    return read_link(AT_FDCWD, "/proc/self/fd/" + std::to_string(fd));
}

/// The part of `path` after the number of one of the server's threads, and after `task/N`.
std::string after_own_number(std::string_view path) {
    std::string rest;
    bool own = false;
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const int number = to_number(path.substr(0, slash));
        path.remove_prefix(std::min(slash + 1, path.size()));
        if (number < 0) continue;
        // A host thread of ours: its process is this one.
        own = access(("/proc/self/task/" + std::to_string(number)).c_str(), F_OK) == 0;
        break;
    }
    if (!own) return {};
    if (path.starts_with("task/")) {
        const std::size_t end = path.find('/', 5);
        path = end == std::string_view::npos ? std::string_view{} : path.substr(end + 1);
    }
    return std::string(path);
}

/// Follows the links that `name` ends in up to a procfs: the links of `/proc/self` itself (`exe`,
/// `fd/N`) would lead to the server's files.
std::string find_own_proc_name(int directory, std::string name, Follow follow) {
    for (int links = 0; links < kMaxLinks; ++links) {
        const std::size_t slash = name.rfind('/');
        const std::string parent = slash == std::string::npos ? "./" : name.substr(0, slash + 1);
        const std::string leaf = name.substr(slash + 1);
        const FileHandle folder(
            openat(directory, parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (folder.get() < 0) return {};  // The host's call says why.
        const std::string place = name_in_proc(folder.get());
        if (!place.empty()) return after_own_number(place + "/" + leaf);
        const std::string target =
            follow == Follow::yes ? read_link(folder.get(), leaf) : std::string{};
        if (target.empty()) return {};
        name = target.starts_with('/') ? target : parent + target;
    }
    return {};
}

/// The host's name of the guest's file, where one exists.
void translate_own(Process& process, HostPath& path, Follow follow) {
    const std::string& own = path.own_proc_name;
    if (own == "exe" && follow == Follow::yes) path.name = process.program().path;
    const int fd = own.starts_with("fd/") ? to_number(own.substr(3)) : -1;
    if (fd < 0) return;
    const auto file = process.files().get(fd);
    path.name = "/proc/self/fd/" + (file ? std::to_string((*file)->host_fd()) : "closed");
}

}  // namespace

Result<HostPath> resolve_path(Task& task, int guest_directory, VirtAddr name, Follow follow) {
    auto text = mm::strncpy_from_user(task.mm(), name, PATH_MAX);
    if (!text) return text.error();
    HostPath result{
        .directory = AT_FDCWD, .name = std::move(*text), .hold = nullptr, .own_proc_name = {}};
    // Linux looks at the descriptor only if the name is relative.
    if (guest_directory != AT_FDCWD && !result.name.starts_with('/')) {
        auto directory = task.process().files().get(guest_directory);
        if (!directory) return directory.error();
        result.hold = std::move(*directory);
        result.directory = result.hold->host_fd();
    }
    result.own_proc_name = find_own_proc_name(result.directory, result.name, follow);
    translate_own(task.process(), result, follow);
    return result;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
