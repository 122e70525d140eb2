#include "memops_ops.h"

long call_mremap(const struct memops_state* s, uint64_t addr, uint64_t old_length,
                 uint64_t new_length, uint32_t flags, uint64_t new_addr) {
    if (!s->options->remap) return 0;
    return port_mremap(addr, old_length, new_length, flags, new_addr);
}

static void begin(struct memops_state* s, struct target from, struct target to, uint32_t flags) {
    log_number((long)s->operation);
    log_text(" mremap");
    log_target(s, from);
    log_text(" to");
    log_target(s, to);
    log_text(" ");
    log_hex(flags);
}

static void remap(struct memops_state* s, const char* variant, struct target from,
                  struct target to, uint32_t flags, uint64_t cut) {
    begin(s, from, to, flags);
    finish(s, variant, call_mremap(s, from.addr, from.pages * kPage - cut,
                                   to.pages * kPage - cut, flags, to.addr));
}

/* Where the kernel chooses the place: remembered, so that it goes again. */
static void remap_anywhere(struct memops_state* s, const char* variant, struct target from,
                           struct target to, uint32_t flags) {
    struct target* slot = drop_slot(s);
    begin(s, from, to, flags);
    const long moved =
        call_mremap(s, from.addr, from.pages * kPage, to.pages * kPage, flags, to.addr);
    if (moved > 0 && (uint64_t)moved != from.addr) {
        slot->addr = (uint64_t)moved;
        slot->pages = to.pages;
    }
    finish(s, variant, moved);
}

/* Not of locked memory: Linux goes on to count the old place as locked (locked_vm), for good. */
static void remap_and_keep(struct memops_state* s, struct target from, struct target to) {
    const uint32_t flags = MEM_MAYMOVE | MEM_DONTUNMAP;
    to.pages = from.pages;
    if (port_munlock(from.addr, from.pages * kPage) != 0) return;
    if (random_below(s, 2) == 0) {
        return remap(s, "mremap:dontunmap fixed", from, to, flags | MEM_MOVE_TO, 0);
    }
    if (random_below(s, 2) == 0) to.addr = 0;
    remap_anywhere(s, "mremap:dontunmap", from, to, flags);
}

void op_remap(struct memops_state* s) {
    struct target from = pick_target(s);
    struct target to = pick_target(s);
    switch (random_below(s, 12)) {
        case 0:
        case 1:
            return remap(s, "mremap:in place", from, to, 0, random_below(s, 4) == 0 ? 100 : 0);
        case 2:
        case 3:
            return remap_anywhere(s, "mremap:may move", from, to, MEM_MAYMOVE);
        case 4:
        case 5:
            return remap(s, "mremap:fixed", from, to, MEM_MAYMOVE | MEM_MOVE_TO, 0);
        case 6:
        case 7:
        case 8:
            to.pages = from.pages;
            return remap(s, "mremap:move only", from, to, MEM_MAYMOVE | MEM_MOVE_TO, 0);
        case 9:
        case 10:
            return remap_and_keep(s, from, to);
        default:
            from.pages = 0;
            if (random_below(s, 2) == 0) {
                return remap(s, "mremap:second mapping", from, to, MEM_MAYMOVE | MEM_MOVE_TO, 0);
            }
            return remap_anywhere(s, "mremap:second mapping", from, to, MEM_MAYMOVE);
    }
}

/* Without a charge there is room for it; where, a file system may have a say in. */
static void remap_too_far(struct memops_state* s, struct target from) {
    const struct target to = {0, 1ULL << 31};
    begin(s, from, to, MEM_MAYMOVE);
    const long moved =
        call_mremap(s, from.addr, from.pages * kPage, to.pages * kPage, MEM_MAYMOVE, 0);
    if (moved > 0) port_munmap((uint64_t)moved, to.pages * kPage);
    finish(s, "mremap:more than there is", moved > 0 ? 0 : moved);
}

void op_remap_refused(struct memops_state* s) {
    struct target from = pick_target(s);
    struct target to = pick_target(s);
    uint32_t flags = MEM_MAYMOVE | MEM_MOVE_TO;
    if (random_below(s, 2) == 0) {
        flags = MEM_MAYMOVE | MEM_DONTUNMAP;
        to.pages = from.pages;
    }
    const char* variant = "mremap:unaligned";
    switch (random_below(s, 10)) {
        case 0:
            from.addr += 8;
            break;
        case 1:
            to.addr += 8;
            variant = "mremap:unaligned place";
            break;
        case 2:
            to.pages = 0;
            variant = "mremap:no length";
            break;
        case 3:
            flags |= 8;
            variant = "mremap:bad flags";
            break;
        case 4:
            flags &= ~(uint32_t)MEM_MAYMOVE;
            variant = "mremap:may not move";
            break;
        case 5:
            flags |= MEM_DONTUNMAP;
            to.pages = from.pages + 1;
            variant = "mremap:dontunmap grows";
            break;
        case 6:
            to.addr = from.addr + random_below(s, from.pages) * kPage;
            variant = "mremap:overlap";
            break;
        case 7:
            to.addr = 1ULL << 48;
            variant = "mremap:beyond the end";
            break;
        case 8:
            flags = MEM_MAYMOVE;
            to.pages = 1ULL << 36;
            variant = "mremap:too big";
            break;
        default:
            return remap_too_far(s, from);
    }
    remap(s, variant, from, to, flags, 0);
}
