#include "api/callback_file.hpp"

#include <algorithm>

namespace surefoot::inline SF_BUILD::api {

Result<void> CallbackFile::read_page(std::uint64_t index, std::span<std::byte> out) {
    const std::int64_t filled = options_.read_page(options_.context, index, out.data());
    if (filled == -ENXIO) return Errno::nxio;
    if (filled == -ENOMEM) return Errno::nomem;
    if (filled < 0 || static_cast<std::uint64_t>(filled) > out.size()) return Errno::io;
    std::fill(out.begin() + filled, out.end(), std::byte{0});
    return {};
}

void CallbackFile::release() noexcept {
    const auto told = options_.release;
    void* const context = options_.context;
    delete this;
    if (told != nullptr) told(context);
}

}  // namespace surefoot::inline SF_BUILD::api
