#include "engine/memory/names.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace surefoot::checker::engine {

std::string Names::of(Address address) const {
    for (std::size_t i = ranges_.size(); i-- > 0;) {
        const auto& [begin, bytes, name] = ranges_[i];
        if (address - begin >= bytes) continue;
        return address == begin ? name : fmt::format("{}+{}", name, address - begin);
    }
    return fmt::format("{:#x}", address);
}

std::string text_of(const void* pc) {
    if (pc == nullptr) return {};
    Dl_info info{};
    if (dladdr(pc, &info) == 0) return fmt::format("{}", fmt::ptr(pc));
    const auto behind = [pc](const void* begin) {
        return reinterpret_cast<Address>(pc) - reinterpret_cast<Address>(begin);
    };
    if (info.dli_sname != nullptr) {
        const std::unique_ptr<char, void (*)(void*)> readable(
            abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, nullptr), std::free);
        return fmt::format("{}+{:#x}", readable != nullptr ? readable.get() : info.dli_sname,
                           behind(info.dli_saddr));
    }
    // A program that is not relocated has its addresses in the file.
    const bool relocated = static_cast<const ElfW(Ehdr)*>(info.dli_fbase)->e_type == ET_DYN;
    if (!relocated) return fmt::format("{}", fmt::ptr(pc));
    const std::string_view path = info.dli_fname;
    return fmt::format("{}+{:#x}", path.substr(path.rfind('/') + 1), behind(info.dli_fbase));
}

std::string wait_of(const Op& op, const Names& names, const std::string& who) {
    switch (op.kind) {
        case Kind::await:
            return "waits for a value of " + names.of(op.address);
        case Kind::lock:
        case Kind::lock_shared:
            return fmt::format("waits for lock {}{}", names.of(op.address),
                               who.empty() ? "" : " (held by " + who + ")");
        case Kind::wake_up:
            return fmt::format("sleeps on {} (lost wake-up?)", names.of(op.address));
        case Kind::grace_start:
        case Kind::grace_end:
            return "waits for a grace period";
        case Kind::irq_wait:
            return "waits for an interrupt to be handled";
        case Kind::join:
            return "waits for " + who + " to end";
        default:
            return "waits";
    }
}

}  // namespace surefoot::checker::engine
