// Committing a prepared change: lock readers out, change, publish, let go.

#include "vma/change.hpp"
#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma {

class Committer {
  public:
    Committer(const MmapWriteGuard& mmap, VmaChange& change)
        : mmap_(mmap), space_(mmap.space()), change_(change) {
        SF_ASSERT(mmap.is_exclusive());
        SF_ASSERT(&change.space_ == &space_);
        SF_ASSERT(change.generation_ == space_.tree().generation());
    }

    void run(Committed& done) {
        lock_out_readers(done.detached);
        if (only_attributes()) {
            apply();
        } else {
            space_.hooks().adjust_begin(existing());
            split_pages();
            apply();
            publish();
        }
        let_go(done.detached);
        report(done);
    }

  private:
    using Part = VmaChange::Part;
    static constexpr unsigned kMaxParts = VmaChange::kMaxParts;

    std::span<const Part> parts() const { return change_.parts_; }
    std::span<Vma* const> existing() const { return change_.existing_; }
    std::span<Vma* const> absorbed() const { return change_.absorbed_; }

    Vma& result() const { return *parts()[change_.result_].entry.vma; }

    bool only_attributes() const {
        if (parts().size() != 1 || existing().size() != 1) return false;
        const Part& part = parts()[0];
        return change_.doomed_.first == nullptr && !part.fresh &&
               part.entry.vma->range() == part.entry.range;
    }

    /// From here on no VMA reader looks at what changes.
    void lock_out_readers(DetachedVmas& gone) {
        for (Vma* vma : existing())
            vma_start_write(mmap_, *vma);
        const VmaChange::Doomed& doomed = change_.doomed_;
        gone.floor = doomed.floor;
        gone.ceiling = doomed.ceiling;
        Vma* vma = doomed.first;
        while (vma != nullptr) {
            vma_start_write(mmap_, *vma);
            VmaAccess::push(gone, *vma);
            // Usually there is one: no search for the end.
            const VaRange rest{vma->end(), doomed.range.end};
            vma = rest.empty() ? nullptr : mmap_.find_intersection(rest);
        }
    }

    bool a_part_starts_at(VirtAddr at) const {
        for (const Part& part : parts()) {
            if (part.entry.range.start == at) return true;
        }
        return false;
    }

    /// Huge pages across a boundary that is about to appear, while no walk can see them.
    void split_pages() {
        for (Vma* vma : existing()) {
            const VaRange old = vma->range();
            for (const Part& part : parts()) {
                const auto [start, end] = part.entry.range;
                if (old.start < start && start < old.end) space_.hooks().split_at(*vma, start);
                if (old.start < end && end < old.end && !a_part_starts_at(end)) {
                    space_.hooks().split_at(*vma, end);
                }
            }
        }
    }

    void apply() {
        for (const Part& part : parts()) {
            if (part.fresh) continue;  // was made with them
            part.entry.vma->set_bounds({part.entry.range, part.pgoff});
            part.entry.vma->set_flags(part.flags);
        }
        if (change_.new_uffd_) result().set_uffd(*change_.new_uffd_);
    }

    /// A new VMA is attached, hence write-locked, before it can be found.
    void publish() {
        FixedVector<TreeEntry, kMaxParts> entries;
        FixedVector<Vma*, kMaxParts> live;
        for (const Part& part : parts()) {
            if (part.fresh) VmaAccess::attach(space_, *part.entry.vma);
            entries.push_back(part.entry);
            live.push_back(part.entry.vma);
        }
        VmaAccess::tree(space_).replace(change_.span_, entries);
        space_.hooks().adjust_end(live);
    }

    /// What is no longer in the tree loses its readers for good.
    void let_go(const DetachedVmas& gone) {
        gone.for_each([](Vma& vma) { VmaAccess::detach(vma); });
        for (Vma* vma : absorbed()) {
            VmaAccess::detach(*vma);
            VmaAccess::free(space_, *vma);
        }
        const auto lost = static_cast<std::int64_t>(gone.size() + existing().size());
        VmaAccess::add_map_count(space_, static_cast<std::int64_t>(parts().size()) - lost);
    }

    void report(Committed& done) {
        if (!parts().empty()) done.vma = &result();
        if (parts().size() == 2) done.other = parts()[1 - change_.result_].entry.vma;
        done.merged = change_.merged_;
        change_.forget();
    }

    const MmapWriteGuard& mmap_;
    VmaSpace& space_;
    VmaChange& change_;
};

Committed commit(const MmapWriteGuard& mmap, VmaChange&& change) noexcept {
    Committed done;
    Committer(mmap, change).run(done);
    return done;
}

DetachedVmas detach_all(const MmapWriteGuard& mmap) noexcept {
    VmaSpace& space = mmap.space();
    DetachedVmas gone;
    mmap.for_each({VirtAddr(0), VirtAddr(TreeNode::kNoKey)}, [&](Vma& vma) {
        vma_start_write(mmap, vma);
        VmaAccess::push(gone, vma);
    });
    VmaAccess::tree(space).clear();
    gone.for_each([](Vma& vma) { VmaAccess::detach(vma); });
    VmaAccess::add_map_count(space, -static_cast<std::int64_t>(gone.size()));
    return gone;
}

}  // namespace surefoot::inline SF_BUILD::vma
