#include "linux/loader/stack_image.hpp"

#include <elf.h>

#include <cstring>
#include <span>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// Lays strings out from low to high addresses. @return their total size
std::size_t size_of_strings(const std::vector<std::string>& strings) {
    std::size_t bytes = 0;
    for (const std::string& s : strings)
        bytes += s.size() + 1;
    return bytes;
}

/// Writes upwards into [base, top) of the image.
class Writer {
  public:
    Writer(std::span<std::byte> bytes, VirtAddr base) : bytes_(bytes), base_(base) {}

    VirtAddr here() const { return base_ + at_; }
    void move_to(VirtAddr va) { at_ = va - base_; }

    VirtAddr put(const void* data, std::size_t n) {
        SF_ASSERT(at_ + n <= bytes_.size());
        const VirtAddr start = here();
        std::memcpy(bytes_.data() + at_, data, n);
        at_ += n;
        return start;
    }
    VirtAddr put_string(const std::string& s) { return put(s.c_str(), s.size() + 1); }
    void put_word(std::uint64_t word) { put(&word, sizeof word); }

  private:
    std::span<std::byte> bytes_;
    VirtAddr base_;
    std::size_t at_ = 0;
};

struct Strings {
    std::vector<VirtAddr> arguments;
    std::vector<VirtAddr> environment;
    VirtAddr file_name;
    VirtAddr platform;
    VirtAddr random;
};

Strings put_strings(Writer& writer, const StackRequest& request, StackImage& image) {
    Strings at;
    at.random = writer.put(request.random.data(), request.random.size());
    at.platform = writer.put_string(request.platform);
    image.arguments.start = writer.here();
    for (const std::string& s : request.arguments)
        at.arguments.push_back(writer.put_string(s));
    image.arguments.end = image.environment.start = writer.here();
    for (const std::string& s : request.environment)
        at.environment.push_back(writer.put_string(s));
    image.environment.end = writer.here();
    at.file_name = writer.put_string(request.file_name);
    return at;
}

void put_vectors(Writer& writer, const StackRequest& request, const Strings& at) {
    writer.put_word(at.arguments.size());
    for (const VirtAddr va : at.arguments)
        writer.put_word(va.raw());
    writer.put_word(0);
    for (const VirtAddr va : at.environment)
        writer.put_word(va.raw());
    writer.put_word(0);
    for (const auto& [type, value] : request.auxv) {
        writer.put_word(type);
        writer.put_word(value);
    }
    for (const auto& [type, va] :
         {std::pair{AT_RANDOM, at.random}, std::pair{AT_EXECFN, at.file_name},
          std::pair{AT_PLATFORM, at.platform}, std::pair{AT_NULL, VirtAddr()}}) {
        writer.put_word(static_cast<std::uint64_t>(type));
        writer.put_word(va.raw());
    }
}

}  // namespace

StackImage build_stack_image(const StackRequest& request) {
    constexpr std::uint64_t kEndMarker = 8;
    const std::size_t strings = request.random.size() + request.platform.size() + 1 +
                                size_of_strings(request.arguments) +
                                size_of_strings(request.environment) + request.file_name.size() + 1;
    const VirtAddr strings_start = (request.top - kEndMarker - strings).align_down(16);
    const std::size_t words = 1 + request.arguments.size() + 1 + request.environment.size() + 1 +
                              2 * (request.auxv.size() + 4);

    StackImage image;
    image.sp = (strings_start - words * sizeof(std::uint64_t)).align_down(16);
    image.bytes.resize(request.top - image.sp);
    Writer writer(image.bytes, image.sp);
    writer.move_to(strings_start);
    const Strings at = put_strings(writer, request, image);
    writer.move_to(image.sp);
    put_vectors(writer, request, at);
    return image;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
