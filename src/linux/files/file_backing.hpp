#pragma once

// A host file behind a private mapping: its pages are read when they are first touched.

#include <string>

#include "mm/mm.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class FileBacking final : public vma::Backing {
  public:
    /// With one reference, which the caller drops by `put`. Duplicates `host_fd`.
    /// @param name  as /proc/PID/maps shows it; empty: asks the host
    /// Fails with what the host says, nodev for what can't be mapped.
    static Result<FileBacking*> open(int host_fd, std::string name = {});

    std::string_view name() const override { return name_; }
    vma::BackingId id() const override { return id_; }
    Result<void> read_page(std::uint64_t index, std::span<std::byte> out) override;
    Result<Pfn> shared_frame(std::uint64_t index) override;
    /// Every page of the file is taken to be in the host's cache.
    bool is_cached(std::uint64_t index) override;

  private:
    FileBacking(int fd, std::string name, vma::BackingId id)
        : fd_(fd), name_(std::move(name)), id_(id) {}
    ~FileBacking() override;
    void release() noexcept override;

    int fd_;
    std::string name_;
    vma::BackingId id_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
