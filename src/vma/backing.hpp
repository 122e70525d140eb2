#pragma once

// What stands behind a region: a Backing (a file or shared memory) and, once it has private
// pages, an AnonVma. Their interval trees belong to `rmap`; here are identity, lifetime and locks.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/base.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::vma {

/// As /proc/<pid>/maps shows it.
struct BackingId {
    std::uint32_t dev_major = 0;
    std::uint32_t dev_minor = 0;
    std::uint64_t inode = 0;
};

/// A file or a shared memory object, mapped by VMAs of any number of spaces. Each VMA holds a
/// reference. Linux: struct file and address_space, as far as a mapping needs them.
class Backing {
  public:
    Backing() = default;
    Backing(const Backing&) = delete;
    Backing& operator=(const Backing&) = delete;

    void get() { refs_.inc(); }
    /// The last one calls `release`.
    void put() {
        if (refs_.dec_and_test()) release();
    }

    virtual std::string_view name() const = 0;
    virtual BackingId id() const = 0;

    /// Fills one page of a private mapping; the tail past the end of the file reads zero.
    /// Locks: may sleep. Fails: `nxio` past the end (the caller raises SIGBUS), `io`.
    virtual Result<void> read_page(std::uint64_t index, std::span<std::byte> out) = 0;
    /// The frame of a shared mapping, which stays the same for every space until truncation; it
    /// is made at the first request, and comes with a reference for the caller.
    /// Locks: may sleep. Fails: `nxio` past the end, `nomem`, `nodev` where not offered.
    virtual Result<Pfn> shared_frame(std::uint64_t index) = 0;

    /// A page that no entry maps is in memory all the same: what mincore shows. A file answers for
    /// the host, whose cache it is; by default it takes every page to be there.
    virtual bool is_cached(std::uint64_t /*index*/) { return true; }

    /// mapping->i_mmap_rwsem: the tree of VMAs that map this. Take it by Rmap{Read,Write}Guard.
    sync::RwSem<sync::LockId::i_mmap>& i_mmap_lock() { return i_mmap_lock_; }

  protected:
    virtual ~Backing() = default;
    /// Nobody refers to it any more. The owner decides what that means.
    virtual void release() noexcept = 0;
    /// For an object that is used again: one reference, the caller's.
    void revive() { refs_.set(1); }

  private:
    sync::RefCount refs_{1};
    sync::RwSem<sync::LockId::i_mmap> i_mmap_lock_;
};

/// The root through which private pages of related regions are found. Type-stable under RCU.
/// The lock of a whole fork family is the root's.
class AnonVma {
  public:
    /// @param root null: this one
    void init(AnonVma* root, AnonVma* parent) {
        root_.store(root == nullptr ? this : root, sync::Order::relaxed);
        parent_.set(parent);
        num_children.set(0);
        num_active_vmas.set(0);
        refs_.set(1);  // release: whoever wins get_unless_zero reads what was set above
    }

    /// Written once while nobody knows the object; constant for its life.
    AnonVma& root() { return *root_.load(sync::Order::relaxed); }
    AnonVma* parent() const { return parent_.get(); }

    void get() { refs_.inc(); }
    bool get_unless_zero() { return refs_.inc_not_zero(); }
    /// @return true: the last reference; the caller frees it
    bool put() { return refs_.dec_and_test(); }

    /// Take it by Rmap{Read,Write}Guard, which lock the root's.
    sync::RwSem<sync::LockId::anon_vma>& rwsem() { return rwsem_; }

    // Both under the root's lock W.
    sync::Shared<std::uint32_t> num_children;
    sync::Shared<std::uint32_t> num_active_vmas;
    /// For `rmap`: its interval tree hangs here, under the root's lock.
    sync::Shared<void*> rmap_tree;

  private:
    sync::RefCount refs_;
    sync::Atomic<AnonVma*> root_{nullptr};
    sync::Shared<AnonVma*> parent_;
    sync::RwSem<sync::LockId::anon_vma> rwsem_;
};

/// Reverse-map walkers hold it: VMAs found through the tree keep existing. One type for both
/// kinds of tree, as the rights tokens ask for "an rmap lock". Locks: takes i_mmap R or anon_vma R.
class SF_SCOPED_GUARD RmapReadGuard {
  public:
    explicit RmapReadGuard(Backing& backing) SF_ACQUIRES_SHARED(sync::lc::i_mmap);
    explicit RmapReadGuard(AnonVma& anon_vma) SF_ACQUIRES_SHARED(sync::lc::anon_vma);
    ~RmapReadGuard() SF_RELEASES_ANY();
    RmapReadGuard(const RmapReadGuard&) = delete;
    RmapReadGuard& operator=(const RmapReadGuard&) = delete;

  private:
    Backing* backing_ = nullptr;
    AnonVma* root_ = nullptr;
};

/// No walk through that tree is in progress. Locks: takes i_mmap W or anon_vma W.
class SF_SCOPED_GUARD RmapWriteGuard {
  public:
    explicit RmapWriteGuard(Backing& backing) SF_ACQUIRES(sync::lc::i_mmap);
    explicit RmapWriteGuard(AnonVma& anon_vma) SF_ACQUIRES(sync::lc::anon_vma);
    ~RmapWriteGuard() SF_RELEASES();
    RmapWriteGuard(const RmapWriteGuard&) = delete;
    RmapWriteGuard& operator=(const RmapWriteGuard&) = delete;

  private:
    Backing* backing_ = nullptr;
    AnonVma* root_ = nullptr;
};

}  // namespace surefoot::inline SF_BUILD::vma
