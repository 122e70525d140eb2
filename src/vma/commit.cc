// Committing a prepared change: lock readers out, change, publish, let go.

#include "vma/change.hpp"
#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma {

class Committer {
  public:
    Committer(const MmapWriteGuard& mmap, VmaChange& change)
        : mmap_(mmap), space_(mmap.space()), change_(change) {
        SF_ASSERT(mmap.is_exclusive());
        SF_ASSERT(change.space_ == &space_);
        SF_ASSERT(change.generation_ == space_.tree().generation());
        for (const Part& part : parts()) {
            live_[nr_live_++] = part.vma;
            if (!part.fresh) existing_[nr_existing_++] = part.vma;
        }
        for (Vma* vma : absorbed())
            existing_[nr_existing_++] = vma;
    }

    void run(Committed& done) {
        lock_out_readers(done.detached);
        if (only_attributes()) {
            apply();
        } else {
            space_.hooks().adjust_begin({existing_.data(), nr_existing_});
            split_pages();
            apply();
            publish();
            space_.hooks().adjust_end({live_.data(), nr_live_});
        }
        let_go(done.detached);
        report(done);
    }

  private:
    using Part = VmaChange::Part;
    static constexpr unsigned kMaxParts = VmaChange::kMaxParts;

    std::span<const Part> parts() const { return {change_.parts_.data(), change_.nr_parts_}; }
    std::span<Vma* const> absorbed() const {
        return {change_.absorbed_.data(), change_.nr_absorbed_};
    }

    bool only_attributes() const {
        return nr_live_ == 1 && nr_existing_ == 1 && change_.doomed_.first == nullptr &&
               existing_[0]->bounds() == parts()[0].bounds;
    }

    /// From here on no VMA reader looks at what changes.
    void lock_out_readers(DetachedVmas& gone) {
        for (unsigned i = 0; i < nr_existing_; ++i)
            vma_start_write(mmap_, *existing_[i]);
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
            if (part.bounds.range.start == at) return true;
        }
        return false;
    }

    /// Huge pages across a boundary that is about to appear, while no walk can see them.
    void split_pages() {
        for (unsigned i = 0; i < nr_existing_; ++i) {
            const VaRange old = existing_[i]->range();
            for (const Part& part : parts()) {
                const auto [start, end] = part.bounds.range;
                if (old.start < start && start < old.end) {
                    space_.hooks().split_at(*existing_[i], start);
                }
                if (old.start < end && end < old.end && !a_part_starts_at(end)) {
                    space_.hooks().split_at(*existing_[i], end);
                }
            }
        }
    }

    void apply() {
        for (const Part& part : parts()) {
            if (part.fresh) continue;  // was made with them
            part.vma->set_bounds(part.bounds);
            part.vma->set_flags(part.flags);
        }
        if (change_.new_uffd_) parts()[change_.result_].vma->set_uffd(*change_.new_uffd_);
    }

    /// A new VMA is attached, hence write-locked, before it can be found.
    void publish() {
        std::array<TreeEntry, kMaxParts> entries;
        for (unsigned i = 0; i < nr_live_; ++i) {
            const Part& part = parts()[i];
            entries[i] = {part.bounds.range, part.vma};
            if (part.fresh) VmaAccess::attach(space_, *part.vma);
        }
        VmaAccess::tree(space_).replace(change_.span_, {entries.data(), nr_live_});
    }

    /// What is no longer in the tree loses its readers for good.
    void let_go(const DetachedVmas& gone) {
        gone.for_each([](Vma& vma) { VmaAccess::detach(vma); });
        for (Vma* vma : absorbed()) {
            VmaAccess::detach(*vma);
            VmaAccess::free(space_, *vma);
        }
        const auto lost = static_cast<std::int64_t>(gone.size() + absorbed().size());
        const auto won = static_cast<std::int64_t>(nr_live_ + absorbed().size()) - nr_existing_;
        VmaAccess::add_map_count(space_, won - lost);
    }

    void report(Committed& done) {
        if (nr_live_ > 0) done.vma = parts()[change_.result_].vma;
        if (nr_live_ == 2) done.other = parts()[1 - change_.result_].vma;
        done.merged = change_.merged_;
        // Nothing is left to undo.
        change_.nr_parts_ = 0;
        change_.anon_heir_ = nullptr;
    }

    const MmapWriteGuard& mmap_;
    VmaSpace& space_;
    VmaChange& change_;
    std::array<Vma*, kMaxParts> live_{};
    unsigned nr_live_ = 0;
    std::array<Vma*, kMaxParts + 2> existing_{};
    unsigned nr_existing_ = 0;
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
