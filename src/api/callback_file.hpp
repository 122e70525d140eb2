#pragma once

// A file whose pages an embedder's function delivers, for private mappings.

#include <memory>
#include <string>

#include "mm/mm.hpp"
#include "surefoot/surefoot.hpp"

namespace surefoot::inline SF_BUILD::api {

class CallbackFile final : public vma::Backing {
  public:
    explicit CallbackFile(const FileOptions& options) : options_(options) {}

    std::string_view name() const override { return options_.name; }
    vma::BackingId id() const override { return {.inode = options_.inode}; }
    Result<void> read_page(std::uint64_t index, std::span<std::byte> out) override;
    /// There is no page cache that spaces could share.
    Result<Pfn> shared_frame(std::uint64_t) override { return Errno::nodev; }

  private:
    void release() noexcept override;

    FileOptions options_;
};

struct DropBacking {
    void operator()(vma::Backing* backing) const noexcept { backing->put(); }
};
/// One reference.
using FileRef = std::unique_ptr<CallbackFile, DropBacking>;

}  // namespace surefoot::inline SF_BUILD::api
