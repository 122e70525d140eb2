#pragma once

// Shared anonymous memory: an object that maps page indices to frames, so that every address
// space which maps it finds the same ones (Linux: shmem, as MAP_SHARED | MAP_ANONYMOUS uses it).

#include "mm/mm.hpp"

namespace surefoot::inline SF_BUILD::pagecache {

class ShmemProvider;

/// Index to frame: a radix tree whose nodes are frames themselves, so that memory is accounted
/// and an object costs nothing until it is touched.
class ShmemObject final : public vma::Backing {
public:
    std::string_view name() const override { return "/dev/zero (deleted)"; }
    vma::BackingId id() const override { return {.dev_major = 0, .dev_minor = 1, .inode = inode_}; }
    /// Never private.
    Result<void> read_page(std::uint64_t, std::span<std::byte>) override { return Errno::nodev; }
    Result<Pfn> shared_frame(std::uint64_t index) override;
    bool is_cached(std::uint64_t index) override;

private:
    friend class ShmemProvider;
    void init(ShmemProvider& owner, std::uint64_t nr_pages, std::uint64_t inode);
    void release() noexcept override;

    /// The word for `index`, making nodes on the way if asked; null if missing (or no memory).
    std::uint64_t* slot(std::uint64_t index, bool create) SF_MUST_HOLD(i_pages_);
    void free_node(Pfn node, unsigned height) noexcept;

    ShmemProvider* owner_ = nullptr;
    std::uint64_t nr_pages_ = 0;
    std::uint64_t inode_ = 0;
    sync::SpinLock<sync::LockId::i_pages> i_pages_;
    Pfn root_ SF_GUARDED_BY(i_pages_);
    unsigned height_ = 0;
};

class ShmemProvider final : public mm::SharedMemory {
public:
    explicit ShmemProvider(mm::System& system)
        : frames_(system.frames), objects_(system.fail_plan) {}

    Result<vma::Backing*> create(std::uint64_t bytes) override;

private:
    friend class ShmemObject;
    phys::FrameAllocator& frames_;
    sync::ObjectCache<ShmemObject> objects_;
    sync::Atomic<std::uint64_t> next_inode_{1024};
};

}  // namespace surefoot::inline SF_BUILD::pagecache
