#include "pagecache/shmem.hpp"

namespace surefoot::inline SF_BUILD::pagecache {
namespace {

using sync::Order;

constexpr unsigned kFanout = arch::kPageSize / sizeof(std::uint64_t);
constexpr unsigned kFanoutBits = arch::kPageShift - 3;

std::uint64_t* words_of(const phys::FrameAllocator& frames, Pfn node) {
    return reinterpret_cast<std::uint64_t*>(frames.arena().address(node));
}

// A word holds a frame number plus one; zero is empty.
std::uint64_t encode(Pfn pfn) { return std::uint64_t{pfn.raw()} + 1; }
Pfn decode(std::uint64_t word) { return Pfn(static_cast<std::uint32_t>(word - 1)); }

}  // namespace

void ShmemObject::init(ShmemProvider& owner, std::uint64_t nr_pages, std::uint64_t inode) {
    revive();
    owner_ = &owner;
    nr_pages_ = nr_pages;
    inode_ = inode;
    height_ = 1;
    while (height_ * kFanoutBits < 64 && nr_pages >> (height_ * kFanoutBits) != 0) ++height_;
    sync::Guard guard(i_pages_);
    root_ = Pfn::none();
}

std::uint64_t* ShmemObject::slot(std::uint64_t index, bool create) {
    phys::FrameAllocator& frames = owner_->frames_;
    if (!root_ && create) root_ = frames.alloc(phys::Fill::zero);
    Pfn node = root_;
    for (unsigned level = height_; node; --level) {
        const unsigned shift = (level - 1) * kFanoutBits;
        std::uint64_t* word = words_of(frames, node) + ((index >> shift) & (kFanout - 1));
        if (level == 1) return word;
        node = *word != 0 ? decode(*word) : Pfn::none();
        if (!node && create) {
            node = frames.alloc(phys::Fill::zero);
            if (node) *word = encode(node);
        }
    }
    return nullptr;
}

Result<Pfn> ShmemObject::shared_frame(std::uint64_t index) {
    if (index >= nr_pages_) return Errno::nxio;
    phys::FrameAllocator& frames = owner_->frames_;
    {
        sync::Guard guard(i_pages_);
        const std::uint64_t* word = slot(index, false);
        if (word != nullptr && *word != 0) {
            frames.arena().frame(decode(*word)).refcount.inc();
            return decode(*word);
        }
    }
    // Zeroed outside the lock; whoever comes first keeps his.
    const Pfn fresh = frames.alloc(phys::Fill::zero);
    if (!fresh) return Errno::nomem;
    frames.arena().frame(fresh).set_kind(phys::FrameFlags::kShmem, 0);
    Pfn found = Pfn::none();
    {
        sync::Guard guard(i_pages_);
        if (std::uint64_t* word = slot(index, true)) {
            // One reference for the object, one for the caller.
            if (*word == 0) *word = encode(fresh);
            found = decode(*word);
            frames.arena().frame(found).refcount.inc();
        }
    }
    if (found != fresh) frames.put(fresh);
    if (!found) return Errno::nomem;
    return found;
}

bool ShmemObject::is_cached(std::uint64_t index) {
    if (index >= nr_pages_) return false;
    sync::Guard guard(i_pages_);
    const std::uint64_t* word = slot(index, false);
    return word != nullptr && *word != 0;
}

void ShmemObject::free_node(Pfn node, unsigned height) noexcept {
    for (unsigned i = 0; i < kFanout; ++i) {
        const std::uint64_t word = words_of(owner_->frames_, node)[i];
        if (word == 0) continue;
        if (height > 1) {
            free_node(decode(word), height - 1);
        } else {
            owner_->frames_.put(decode(word));
        }
    }
    owner_->frames_.put(node);
}

void ShmemObject::release() noexcept {
    Pfn root;
    {
        sync::Guard guard(i_pages_);
        root = root_;
        root_ = Pfn::none();
    }
    if (root) free_node(root, height_);
    owner_->objects_.free(this);
}

Result<vma::Backing*> ShmemProvider::create(std::uint64_t bytes) {
    ShmemObject* object = objects_.alloc();
    if (object == nullptr) return Errno::nomem;
    object->init(*this, bytes >> arch::kPageShift, next_inode_.fetch_add(1, Order::relaxed));
    return object;
}

}  // namespace surefoot::inline SF_BUILD::pagecache
