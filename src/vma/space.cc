#include "vma/space.hpp"

#include "vma/merge_rules.hpp"
#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma {

using sync::Order;

VmaSpace::VmaSpace(VmaCaches& caches, const VmaSpaceOptions& options)
    : tree_(caches.nodes, options.tree),
      caches_(caches),
      hooks_(options.hooks == nullptr ? &default_hooks_ : options.hooks),
      options_(options) {}

VmaSpace::~VmaSpace() { SF_ASSERT(map_count() == 0); }

void VmaSpace::free_detached(DetachedVmas&& vmas) noexcept {
    while (Vma* vma = VmaAccess::pop(vmas))
        VmaAccess::free(*this, *vma);
}

Result<void> VmaHooks::clone_anon(VmaSpace&, const Vma& from, Vma& to) {
    from.anon_vma()->get();
    to.set_anon_vma(from.anon_vma(), from.anon_vma_links());
    return {};
}

void VmaHooks::unlink_anon(VmaSpace& space, Vma& vma) noexcept {
    AnonVma* anon_vma = vma.anon_vma();
    if (anon_vma == nullptr) return;
    vma.set_anon_vma(nullptr, 0);
    if (anon_vma->put()) space.caches().anon_vmas.free(anon_vma);
}

void VmaHooks::unlink_file(VmaSpace&, Vma&) noexcept {}
void VmaHooks::adjust_begin(std::span<Vma* const>) noexcept {}
void VmaHooks::split_at(Vma&, VirtAddr) noexcept {}
void VmaHooks::adjust_end(std::span<Vma* const>) noexcept {}

// Birth and death of VMAs.

Vma* VmaAccess::make(VmaSpace& space, VmaBounds bounds, VmaFlags flags, Backing* backing,
                     UserfaultCtx* uffd) {
    Vma* vma = space.caches().vmas.alloc();
    if (vma == nullptr) return nullptr;
    SF_DEBUG_ASSERT(!vma->is_attached());
    // Relaxed: `attach` publishes. A late reader of the object's last life fails on its count.
    vma->set_bounds(bounds);
    vma->set_flags(flags);
    vma->set_uffd(uffd);
    vma->set_anon_vma(nullptr, 0);
    vma->backing_.store(backing, Order::relaxed);
    vma->space_.store(&space, Order::relaxed);
    vma->next_detached_.set(nullptr);
    vma->rmap_links.set(nullptr);
    if (backing != nullptr) backing->get();
    return vma;
}

void VmaAccess::free(VmaSpace& space, Vma& vma) {
    SF_ASSERT(!vma.is_attached());
    space.hooks().unlink_file(space, vma);
    space.hooks().unlink_anon(space, vma);
    Backing* backing = vma.backing();
    vma.backing_.store(nullptr, Order::relaxed);
    space.caches().vmas.free(&vma);
    if (backing != nullptr) backing->put();
}

void Vma::set_bounds(VmaBounds b) {
    SF_DEBUG_ASSERT(!is_attached() || is_write_locked());
    SF_DEBUG_ASSERT(!b.range.empty());
    start_.store(b.range.start.raw(), Order::relaxed);
    end_.store(b.range.end.raw(), Order::relaxed);
    pgoff_.store(b.pgoff, Order::relaxed);
}

void Vma::set_flags(VmaFlags flags) {
    SF_DEBUG_ASSERT(!is_attached() || is_write_locked());
    flags_.store(flags.raw(), Order::relaxed);
}

void Vma::set_uffd(UserfaultCtx* ctx) {
    SF_DEBUG_ASSERT(!is_attached() || is_write_locked());
    uffd_.store(ctx, Order::relaxed);
}

DetachedVmas::DetachedVmas(DetachedVmas&& other) noexcept
    : floor(other.floor),
      ceiling(other.ceiling),
      head_(std::exchange(other.head_, nullptr)),
      tail_(std::exchange(other.tail_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Vma* DetachedVmas::next(const Vma& vma) const { return vma.next_detached_.get(); }

void VmaAccess::push(DetachedVmas& list, Vma& vma) {
    vma.next_detached_.set(nullptr);
    if (list.tail_ == nullptr) {
        list.head_ = &vma;
    } else {
        list.tail_->next_detached_.set(&vma);
    }
    list.tail_ = &vma;
    ++list.size_;
}

Vma* VmaAccess::pop(DetachedVmas& list) {
    Vma* vma = list.head_;
    if (vma == nullptr) return nullptr;
    list.head_ = vma->next_detached_.get();
    if (list.head_ == nullptr) list.tail_ = nullptr;
    --list.size_;
    return vma;
}

// Under the mmap lock.

Vma* MmapHeld::find_intersection(VaRange range) const {
    const TreeEntry found = space_.tree().find(range.start);
    return found.vma != nullptr && found.range.start < range.end ? found.vma : nullptr;
}

VmaKey MmapHeld::key_of(const Vma& vma, VaRange needed) const {
    SF_ASSERT(vma.range().contains(needed));
    return {.space = &space_,
            .range = needed,
            .flags = vma.flags(),
            .backing = vma.backing(),
            .uffd = vma.uffd(),
            .pgoff = vma.page_index(needed.start),
            .anon_vma = vma.anon_vma()};
}

Revalidated MmapHeld::revalidate(const VmaKey& key) const {
    SF_ASSERT(key.space == &space_);
    // Every check anew, even if the object is the same one: it may have been freed and reused.
    Vma* vma = lookup(key.range.start);
    if (vma == nullptr) return {Revalidation::gone, nullptr};
    if (!vma->range().contains(key.range)) return {Revalidation::shrunk, nullptr};
    if (!flags_mergeable(vma->flags(), key.flags)) return {Revalidation::flags_changed, nullptr};
    if (vma->uffd() != key.uffd) return {Revalidation::flags_changed, nullptr};
    if (vma->backing() != key.backing || vma->page_index(key.range.start) != key.pgoff) {
        return {Revalidation::backing_changed, nullptr};
    }
    if (vma->anon_vma() != key.anon_vma) return {Revalidation::anon_vma_changed, nullptr};
    return {Revalidation::same, vma};
}

AnonVma* MmapHeld::find_mergeable_anon_vma(const Vma& vma) const {
    const Vma* above = find(vma.end());
    if (AnonVma* found = reusable_anon_vma(above, &vma, above)) return found;
    const Vma* below = find_prev(vma.start());
    return reusable_anon_vma(below, below, &vma);
}

// Guards. Their definitions hide one lock of the class, which the analysis can't name.

MmapReadGuard::MmapReadGuard(VmaSpace& space) SF_CONTEXT_UNSAFE("factory: locks by class")
    : MmapHeld(space) {
    VmaAccess::mmap_lock(space).lock_shared();
}

MmapReadGuard::~MmapReadGuard() SF_CONTEXT_UNSAFE("factory: locks by class") {
    if (held_) VmaAccess::mmap_lock(space_).unlock_shared();
}

void MmapReadGuard::drop() SF_CONTEXT_UNSAFE("factory: locks by class") {
    SF_ASSERT(held_);
    held_ = false;
    VmaAccess::mmap_lock(space_).unlock_shared();
}

MmapTryReadGuard::MmapTryReadGuard(VmaSpace& space) SF_CONTEXT_UNSAFE("may be empty")
    : MmapHeld(space), held_(VmaAccess::mmap_lock(space).try_lock_shared()) {}

MmapTryReadGuard::~MmapTryReadGuard() SF_CONTEXT_UNSAFE("may be empty") {
    if (held_) VmaAccess::mmap_lock(space_).unlock_shared();
}

MmapWriteGuard::MmapWriteGuard(VmaSpace& space) SF_CONTEXT_UNSAFE("factory: locks by class")
    : MmapHeld(space) {
    VmaAccess::mmap_lock(space).lock();
    VmaAccess::begin_write_section(space);
}

MmapWriteGuard::MmapWriteGuard(VmaSpace& space, NestedSpace) SF_CONTEXT_UNSAFE("second of a class")
    : MmapHeld(space) {
    const bool locked = VmaAccess::mmap_lock(space).try_lock();
    SF_ASSERT(locked);  // nobody else knows the space
    VmaAccess::begin_write_section(space);
}

MmapWriteGuard::~MmapWriteGuard() SF_CONTEXT_UNSAFE("factory: locks by class") {
    if (state_ != State::none) drop();
}

void MmapWriteGuard::drop() SF_CONTEXT_UNSAFE("factory: locks by class") {
    SF_ASSERT(state_ != State::none);
    if (state_ == State::write) {
        VmaAccess::end_write_section(space_);
        VmaAccess::mmap_lock(space_).unlock();
    } else {
        VmaAccess::mmap_lock(space_).unlock_shared();
    }
    state_ = State::none;
}

void MmapWriteGuard::downgrade() {
    SF_ASSERT(state_ == State::write);
    VmaAccess::end_write_section(space_);
    VmaAccess::mmap_lock(space_).downgrade();
    state_ = State::read;
}

void VmaAccess::begin_write_section(VmaSpace& space) {
    const std::uint32_t seq = space.mm_lock_seq();
    SF_DEBUG_ASSERT(seq % 2 == 0);
    // Relaxed: a VMA becomes write-locked only when the new value is stored in it, and that is
    // ordered by its count.
    space.mm_lock_seq_.store(seq + 1, Order::relaxed);
}

void VmaAccess::end_write_section(VmaSpace& space) {
    const std::uint32_t seq = space.mm_lock_seq();
    SF_DEBUG_ASSERT(seq % 2 == 1);
    // Release: pairs with the acquire in `mm_lock_seq_acquire`: a reader that no longer sees the
    // epoch of the write lock sees everything done under it.
    space.mm_lock_seq_.store(seq + 1, Order::release);
}

const VmaTree::Around& MmapWriteGuard::around(VaRange range) const {
    SF_DEBUG_ASSERT(is_exclusive());
    return VmaAccess::tree(space_).seek(range);
}

}  // namespace surefoot::inline SF_BUILD::vma
