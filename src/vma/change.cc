// Preparing changes: which regions survive, move their ends, appear or vanish.

#include "vma/change.hpp"

#include <algorithm>

#include "vma/merge_rules.hpp"
#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma {

VmaChange::~VmaChange() {
    for (const Part& part : parts_) {
        if (part.fresh) VmaAccess::free(space_, *part.entry.vma);
    }
    if (anon_heir_ != nullptr) space_.hooks().unlink_anon(space_, *anon_heir_);
}

/// Puts one change together. Every step that can fail is here.
class ChangeBuilder {
  public:
    using Doomed = VmaChange::Doomed;

    /// @param steps  Result<void>(ChangeBuilder&)
    template <class Steps>
    static Result<VmaChange> build(const MmapWriteGuard& mmap, Steps&& steps) {
        SF_ASSERT(mmap.is_exclusive());
        Result<VmaChange> change(tl::in_place, VmaChange::Key(), mmap.space());
        ChangeBuilder builder(mmap, *change);
        Result<void> built = steps(builder);
        if (built) built = builder.set_nodes_aside();
        if (!built) change = Failure(built.error());
        return change;
    }

    /// An existing VMA with the bounds and flags it will have.
    void keep(const Vma& vma, VaRange range, VmaFlags flags) {
        const std::uint64_t pages = (range.start - vma.start()) >> arch::kPageShift;
        const std::uint64_t down = (vma.start() - range.start) >> arch::kPageShift;
        const std::uint64_t pgoff =
            range.start >= vma.start() ? vma.pgoff() + pages : vma.pgoff() - down;
        Vma& kept = const_cast<Vma&>(vma);
        add(kept, {range, pgoff}, flags, false);
        replace(kept);
    }
    void keep_rest(const Vma& vma, VaRange range) { keep(vma, range, vma.flags()); }

    /// A new VMA; it shares the anon_vma of `anon`, if there is one.
    Result<void> make(VmaBounds bounds, VmaFlags flags, Backing* backing, UserfaultCtx* uffd,
                      const Vma* anon) {
        Vma* vma = VmaAccess::make(space_, bounds, flags, backing, uffd);
        if (vma == nullptr) return Errno::nomem;
        add(*vma, bounds, flags, true);
        if (anon == nullptr || anon->anon_vma() == nullptr) return {};
        return space_.hooks().clone_anon(space_, *anon, *vma);
    }
    Result<void> make(const Region& r) {
        return make({r.range, r.pgoff}, r.flags, r.backing, r.uffd, r.anon);
    }
    /// The part of `vma` in `range`, as a new VMA.
    Result<void> split_off(const Vma& vma, VaRange range) {
        return make({range, vma.page_index(range.start)}, vma.flags(), vma.backing(), vma.uffd(),
                    &vma);
    }

    void absorb(const Vma& vma) {
        Vma& absorbed = const_cast<Vma&>(vma);
        change_.absorbed_.push_back(&absorbed);
        replace(absorbed);
    }
    /// `heir` takes pages of `from` over. (dup_anon_vma)
    Result<void> inherit_anon(const Vma& heir, const Vma* from) {
        if (heir.anon_vma() != nullptr) return {};
        if (from == nullptr || from->anon_vma() == nullptr) return {};
        Vma& to = const_cast<Vma&>(heir);
        vma_start_write(mmap_, to);
        Result<void> cloned = space_.hooks().clone_anon(space_, *from, to);
        if (cloned) change_.anon_heir_ = &to;
        return cloned;
    }

    void result(unsigned part, Merged merged) {
        change_.result_ = part;
        change_.merged_ = merged;
    }
    void set_uffd(UserfaultCtx* uffd) { change_.new_uffd_ = uffd; }
    /// What lies in the range goes. No VMA may lie across its ends.
    const VmaTree::Around& doom(VaRange range) {
        const VmaTree::Around& around = mmap_.around(range);
        const auto& [below, first, above] = around;
        SF_ASSERT(above.vma == nullptr || above.range.start >= range.end);
        if (first.vma == above.vma) return around;
        SF_ASSERT(first.range.start >= range.start);
        Doomed& doomed = change_.doomed_;
        doomed.first = first.vma;
        doomed.range = range;
        doomed.floor = below.vma == nullptr ? VirtAddr(0) : below.range.end;
        doomed.ceiling = above.vma == nullptr ? VirtAddr(0) : above.range.start;
        return around;
    }
    /// The tree replaces at least this.
    void include(VaRange range) {
        VaRange& span = change_.span_;
        const bool first = span.empty();
        span.start = first ? range.start : std::min(span.start, range.start);
        span.end = first ? range.end : std::max(span.end, range.end);
    }

    /// Room for the new ones under the limit of mappings.
    bool may_grow(unsigned by) const {
        return space_.map_count() + by <= space_.options().max_map_count;
    }

  private:
    ChangeBuilder(const MmapWriteGuard& mmap, VmaChange& change)
        : mmap_(mmap), space_(mmap.space()), change_(change) {
        change_.generation_ = space_.tree().generation();
    }

    void add(Vma& vma, const VmaBounds& bounds, VmaFlags flags, bool fresh) {
        VmaChange::Part& part = change_.parts_.add();
        part.entry.range = bounds.range;
        part.entry.vma = &vma;
        part.pgoff = bounds.pgoff;
        part.flags = flags;
        part.fresh = fresh;
        include(bounds.range);
    }
    void replace(Vma& existing) {
        change_.existing_.push_back(&existing);
        include(existing.range());
    }
    Result<void> set_nodes_aside() {
        const auto nr_fresh = static_cast<unsigned>(change_.parts_.size());
        return VmaAccess::tree(space_).prepare(change_.span_, nr_fresh);
    }

    const MmapWriteGuard& mmap_;
    VmaSpace& space_;
    VmaChange& change_;
};

namespace {

constexpr VmaFlags keep_sticky(VmaFlags mine, VmaFlags others) {
    return mine | (others & kVmaIgnoredByMerge);
}

/// The neighbours that a region can become one with, of those that are offered.
struct Neighbours {
    const Vma* prev = nullptr;
    const Vma* next = nullptr;

    Neighbours(const Region& region, const Vma* below, const Vma* above) {
        // Usually they do not even touch.
        if (below != nullptr && below->end() == region.range.start &&
            can_merge(Region::of(*below), region)) {
            prev = below;
        }
        if (above != nullptr && above->start() == region.range.end &&
            can_merge(region, Region::of(*above))) {
            next = above;
        }
        if (prev == nullptr || next == nullptr) return;
        // Each fits, both together do not: the lower one wins.
        if (!anon_vmas_compatible(Region::of(*prev), Region::of(*next))) next = nullptr;
    }
    Merged merged() const {
        if (prev != nullptr) return next != nullptr ? Merged::both : Merged::prev;
        return next != nullptr ? Merged::next : Merged::none;
    }
};

const Vma* first_faulted(const Vma* a, const Vma* b) {
    if (a != nullptr && a->anon_vma() != nullptr) return a;
    return b;
}

Result<void> build_insert(ChangeBuilder& builder, const Region& region, const Neighbours& near) {
    builder.result(0, near.merged());
    if (near.prev != nullptr) {
        const Vma& prev = *near.prev;
        VirtAddr end = region.range.end;
        VmaFlags flags = keep_sticky(prev.flags(), region.flags);
        if (near.next != nullptr) {
            end = near.next->end();
            flags = keep_sticky(flags, near.next->flags());
            builder.absorb(*near.next);
        }
        builder.keep(prev, {prev.start(), end}, flags);
        return builder.inherit_anon(prev, first_faulted(region.anon, near.next));
    }
    if (near.next != nullptr) {
        const Vma& next = *near.next;
        builder.keep(next, {region.range.start, next.end()},
                     keep_sticky(next.flags(), region.flags));
        return builder.inherit_anon(next, region.anon);
    }
    return builder.make(region);
}

/// All of `vma` becomes part of a neighbour, or of both.
Result<void> build_whole_merge(ChangeBuilder& builder, const Vma& vma, const Region& region,
                               const Neighbours& near) {
    builder.result(0, near.merged());
    builder.absorb(vma);
    const Vma& heir = near.prev != nullptr ? *near.prev : *near.next;
    VaRange range{std::min(heir.start(), vma.start()), std::max(heir.end(), vma.end())};
    VmaFlags flags = keep_sticky(heir.flags(), region.flags);
    if (near.merged() == Merged::both) {
        range.end = near.next->end();
        flags = keep_sticky(flags, near.next->flags());
        builder.absorb(*near.next);
    }
    builder.keep(heir, range, flags);
    return builder.inherit_anon(heir, first_faulted(&vma, near.next));
}

/// The boundary to a neighbour moves into `vma`.
Result<void> build_boundary_move(ChangeBuilder& builder, const Vma& vma, const Region& region,
                                 const Neighbours& near) {
    if (near.prev != nullptr) {
        const Vma& prev = *near.prev;
        builder.keep(prev, {prev.start(), region.range.end},
                     keep_sticky(prev.flags(), region.flags));
        builder.keep_rest(vma, {region.range.end, vma.end()});
        builder.result(0, Merged::prev);
        return builder.inherit_anon(prev, &vma);
    }
    const Vma& next = *near.next;
    builder.keep_rest(vma, {vma.start(), region.range.start});
    builder.keep(next, {region.range.start, next.end()}, keep_sticky(next.flags(), region.flags));
    builder.result(1, Merged::next);
    return builder.inherit_anon(next, &vma);
}

/// `vma` shrinks to the middle; what is left and right of it becomes new VMAs.
Result<void> build_isolated(ChangeBuilder& builder, const Vma& vma, const Region& region) {
    const bool head = vma.start() < region.range.start;
    const bool tail = region.range.end < vma.end();
    if (!builder.may_grow((head ? 1U : 0U) + (tail ? 1U : 0U)) && (head || tail)) {
        return Errno::nomem;
    }
    if (head) {
        Result<void> made = builder.split_off(vma, {vma.start(), region.range.start});
        if (!made) return made;
    }
    builder.keep(vma, region.range, region.flags);
    builder.result(head ? 1 : 0, Merged::none);
    if (!tail) return {};
    return builder.split_off(vma, {region.range.end, vma.end()});
}

}  // namespace

Result<VmaChange> prepare_split(const MmapWriteGuard& mmap, Vma& vma, VirtAddr at) {
    const VmaSpace& space = mmap.space();
    if (space.map_count() >= space.options().max_map_count) return Errno::nomem;
    return prepare_split_to_remove(mmap, vma, at);
}

Result<VmaChange> prepare_split_to_remove(const MmapWriteGuard& mmap, Vma& vma, VirtAddr at) {
    SF_ASSERT(vma.start() < at);
    SF_ASSERT(at < vma.end());
    return ChangeBuilder::build(mmap, [&](ChangeBuilder& builder) {
        builder.keep_rest(vma, {vma.start(), at});
        builder.result(0, Merged::none);
        return builder.split_off(vma, {at, vma.end()});
    });
}

Result<VmaChange> prepare_insert(const MmapWriteGuard& mmap, const NewMapping& what) {
    SF_ASSERT(!what.range.empty());
    return ChangeBuilder::build(mmap, [&](ChangeBuilder& builder) {
        const Region region{what.range,   what.flags, what.pgoff,
                            what.backing, what.uffd,  what.source};
        const VmaTree::Around& around = builder.doom(what.range);
        const bool merge = what.merge == NewMapping::Merge::allowed;
        const Neighbours near(region, merge ? around.below.vma : nullptr,
                              merge ? around.above.vma : nullptr);
        return build_insert(builder, region, near);
    });
}

Result<VmaChange> prepare_modify(const MmapWriteGuard& mmap, Vma& vma, VaRange range,
                                 VmaFlags flags) {
    return prepare_modify(mmap, vma, range, flags, vma.uffd());
}

Result<VmaChange> prepare_modify(const MmapWriteGuard& mmap, Vma& vma, VaRange range,
                                 VmaFlags flags, UserfaultCtx* uffd) {
    SF_ASSERT(!range.empty());
    SF_ASSERT(vma.range().contains(range));
    return ChangeBuilder::build(mmap, [&](ChangeBuilder& builder) {
        const Region region{range, flags, vma.page_index(range.start), vma.backing(), uffd, &vma};
        const bool at_start = range.start == vma.start();
        const bool at_end = range.end == vma.end();
        const Vma* prev = at_start ? mmap.around(range).below.vma : nullptr;
        const Vma* next = at_end ? mmap.around(range).above.vma : nullptr;
        const Neighbours near(region, prev, next);
        builder.set_uffd(uffd);
        if (near.merged() == Merged::none) return build_isolated(builder, vma, region);
        return at_start && at_end ? build_whole_merge(builder, vma, region, near)
                                  : build_boundary_move(builder, vma, region, near);
    });
}

Result<VmaChange> prepare_resize(const MmapWriteGuard& mmap, Vma& vma, VaRange range) {
    SF_ASSERT(!range.empty());
    SF_ASSERT(range.overlaps(vma.range()));
    [[maybe_unused]] const Vma* below = mmap.prev(vma);
    [[maybe_unused]] const Vma* above = mmap.next(vma);
    SF_DEBUG_ASSERT(below == nullptr || below->end() <= range.start);
    SF_DEBUG_ASSERT(above == nullptr || range.end <= above->start());
    return ChangeBuilder::build(mmap, [&](ChangeBuilder& builder) {
        builder.keep_rest(vma, range);
        builder.result(0, Merged::none);
        return Result<void>();
    });
}

Result<VmaChange> prepare_erase(const MmapWriteGuard& mmap, VaRange range) {
    SF_ASSERT(!range.empty());
    return ChangeBuilder::build(mmap, [&](ChangeBuilder& builder) {
        builder.doom(range);
        builder.include(range);
        return Result<void>();
    });
}

}  // namespace surefoot::inline SF_BUILD::vma
