#include "vma/backing.hpp"

namespace surefoot::inline SF_BUILD::vma {

RmapReadGuard::RmapReadGuard(Backing& backing) SF_CONTEXT_UNSAFE("factory: locks by class")
    : backing_(&backing) {
    backing.i_mmap_lock().lock_shared();
}

RmapReadGuard::RmapReadGuard(AnonVma& anon_vma) SF_CONTEXT_UNSAFE("factory: locks by class")
    : root_(&anon_vma.root()) {
    root_->rwsem().lock_shared();
}

RmapReadGuard::~RmapReadGuard() SF_CONTEXT_UNSAFE("factory: locks by class") {
    if (backing_ != nullptr) {
        backing_->i_mmap_lock().unlock_shared();
    } else {
        root_->rwsem().unlock_shared();
    }
}

RmapWriteGuard::RmapWriteGuard(Backing& backing) SF_CONTEXT_UNSAFE("factory: locks by class")
    : backing_(&backing) {
    backing.i_mmap_lock().lock();
}

RmapWriteGuard::RmapWriteGuard(AnonVma& anon_vma) SF_CONTEXT_UNSAFE("factory: locks by class")
    : root_(&anon_vma.root()) {
    root_->rwsem().lock();
}

RmapWriteGuard::~RmapWriteGuard() SF_CONTEXT_UNSAFE("factory: locks by class") {
    if (backing_ != nullptr) {
        backing_->i_mmap_lock().unlock();
    } else {
        root_->rwsem().unlock();
    }
}

}  // namespace surefoot::inline SF_BUILD::vma
