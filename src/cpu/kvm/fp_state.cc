// Vector and x87 state of a guest thread: KVM keeps it, in the standard format of XSAVE.

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/kvm/vcpu.hpp"
#include "cpu/xsave.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

namespace {

constexpr std::size_t kLegacyBytes = 512;
constexpr std::size_t kHeaderBytes = 64;
/// Of the header, the part after the bit map of features is reserved.
constexpr std::size_t kReservedOffset = kLegacyBytes + 8;

/// KVM looks at the bit map and at MXCSR itself.
bool reserved_bytes_are_zero(std::span<const std::byte> area) {
    const auto reserved = area.subspan(kReservedOffset, kHeaderBytes - 8);
    return std::all_of(reserved.begin(), reserved.end(),
                       [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::size_t KvmVcpu::fp_state_size() const noexcept { return machine_.facts().fp_bytes; }

void KvmVcpu::save_fp_state(std::span<std::byte> out) noexcept {
    std::vector<std::byte> buffer(machine_.facts().xsave_bytes);
    const int e = sf_kvm_get_fp(processor_->fd(), buffer.data(), buffer.size());
    SF_ASSERT(e == 0);
    std::memcpy(out.data(), buffer.data(), std::min(out.size(), fp_state_size()));
}

Result<void> KvmVcpu::load_fp_state(std::span<const std::byte> in) noexcept {
    const bool legacy = in.size() == kLegacyBytes;
    if (!legacy && in.size() < fp_state_size()) return Errno::inval;
    if (!legacy && !reserved_bytes_are_zero(in)) return Errno::inval;
    std::vector<std::byte> buffer(machine_.facts().xsave_bytes);
    std::memcpy(buffer.data(), in.data(), std::min(in.size(), fp_state_size()));
    if (legacy) store_at(buffer, kLegacyBytes, kLegacyFeatures);
    const auto features = load_at<std::uint64_t>(buffer, kLegacyBytes);
    if ((features & ~machine_.facts().fp_features) != 0) return Errno::inval;
    if (sf_kvm_set_fp(processor_->fd(), buffer.data()) < 0) return Errno::inval;
    return {};
}

void KvmVcpu::reset_fp_state() noexcept {
    std::vector<std::byte> buffer(machine_.facts().xsave_bytes);
    store_at(buffer, 0, kInitialControlWord);
    store_at(buffer, kMxcsrOffset, kInitialMxcsr);
    store_at(buffer, kLegacyBytes, kLegacyFeatures);
    const int e = sf_kvm_set_fp(processor_->fd(), buffer.data());
    SF_ASSERT(e == 0);
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
