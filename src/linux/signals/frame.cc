#include "linux/signals/frame.hpp"

#include <cpuid.h>

#include <cstring>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::uint64_t kRedZone = 128;
constexpr std::uint64_t kFpAlign = 64;
constexpr std::uint64_t kAmx = (1ULL << 17) | (1ULL << 18);

}  // namespace

bool is_on_stack(std::uint64_t rsp, const StackT& stack) {
    if (static_cast<std::uint32_t>(stack.flags) & kSsAutodisarm) return false;
    return rsp > stack.sp && rsp - stack.sp <= stack.size;
}

FramePlace place_frame(std::uint64_t rsp, const StackT& stack, bool wants_stack,
                       std::size_t xsave_bytes) {
    FramePlace place;
    const bool already_there = is_on_stack(rsp, stack);
    std::uint64_t sp = rsp - kRedZone;
    if (wants_stack && stack.size != 0 && !already_there) {
        sp = stack.sp + stack.size;
        place.on_stack = true;
    }
    place.fpstate = align_down(sp - (xsave_bytes + sizeof kFpMagic2), kFpAlign);
    place.sp = align_down(place.fpstate - sizeof(RtSigframe), 16) - 8;
    const bool bounded = place.on_stack || already_there;
    place.overflow = bounded && (place.sp <= stack.sp || place.sp - stack.sp > stack.size);
    return place;
}

std::uint64_t fp_features() {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    if (__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx) == 0) return 3;
    return ((std::uint64_t{edx} << 32) | eax) & ~kAmx;
}

void mark_fp_area(std::span<std::byte> area) {
    const std::size_t xsave_bytes = area.size() - sizeof kFpMagic2;
    FpSoftwareBytes software{};
    software.magic1 = kFpMagic1;
    software.extended_size = static_cast<std::uint32_t>(area.size());
    software.features = fp_features();
    software.state_size = static_cast<std::uint32_t>(xsave_bytes);
    std::memcpy(area.data() + kFpSoftwareOffset, &software, sizeof software);
    std::memcpy(area.data() + xsave_bytes, &kFpMagic2, sizeof kFpMagic2);
}

bool has_extended_state(std::span<const std::byte> head, std::size_t xsave_bytes) {
    FpSoftwareBytes software{};
    std::memcpy(&software, head.data() + kFpSoftwareOffset, sizeof software);
    return software.magic1 == kFpMagic1 && software.state_size == xsave_bytes &&
           software.extended_size == xsave_bytes + sizeof kFpMagic2;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
