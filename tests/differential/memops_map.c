#include "memops_ops.h"

#include <string.h>

enum { kSlots = 16 };

/* Mappings whose place the kernel chose, oldest first to go. */
static struct target slots[kSlots];

void forget_mappings(void) { memset(slots, 0, sizeof slots); }

static uint64_t small_size(struct memops_state* s) {
    const uint64_t most = random_below(s, 4) == 0 ? 40 : 8;
    return 1 + random_below(s, most);
}

static struct target in_arena(struct memops_state* s) {
    const uint64_t span = random_below(s, kSpans) * kSpanPages;
    if (random_below(s, 16) == 0) {
        // Some hundred pages anywhere.
        const uint64_t start = random_below(s, (kSpans - 1) * kSpanPages);
        const struct target wide = {s->base + start * kPage, 1 + random_below(s, kSpanPages)};
        return wide;
    }
    const struct target t = {s->base + (span + random_below(s, 64)) * kPage, small_size(s)};
    return t;
}

struct target pick_target(struct memops_state* s) {
    const uint64_t where = random_below(s, 32);
    if (where < 2) {
        const struct target heap = {s->brk_base + random_below(s, 24) * kPage, small_size(s)};
        return heap;
    }
    const struct target slot = slots[random_below(s, kSlots)];
    if (where < 8 && slot.pages != 0) {
        const uint64_t from = random_below(s, slot.pages);
        const uint64_t room = slot.pages - from;
        const uint64_t pages = room < 40 ? room : small_size(s);
        const struct target t = {slot.addr + from * kPage, pages};
        return where == 2 ? slot : t;
    }
    return in_arena(s);
}

struct target* drop_slot(struct memops_state* s) {
    struct target* slot = &slots[random_below(s, kSlots)];
    if (slot->pages != 0) port_munmap(slot->addr, slot->pages * kPage);
    slot->pages = 0;
    return slot;
}

void log_target(const struct memops_state* s, struct target t) {
    log_text(" ");
    log_address(s, t.addr);
    log_text("*");
    log_number((long)t.pages);
}

void finish(struct memops_state* s, const char* variant, long result) {
    log_text(" ");
    log_text(variant);
    log_text(" = ");
    if (result < 0 && result > -4096) {
        log_number(result);
    } else {
        log_address(s, (uint64_t)result);
    }
    count_result(s, variant, result);
    log_end(s);
    next_operation(s);
}

static uint32_t pick_prot(struct memops_state* s) {
    static const uint32_t some[] = {MEM_READ | MEM_WRITE, MEM_READ | MEM_WRITE,
                                    MEM_READ | MEM_WRITE, MEM_READ, MEM_NONE,
                                    MEM_READ | MEM_WRITE | MEM_EXEC, MEM_WRITE};
    return some[random_below(s, sizeof some / sizeof *some)];
}

static uint32_t pick_flags(struct memops_state* s) {
    static const uint32_t more[] = {MEM_NORESERVE, MEM_POPULATE, MEM_LOCKED, MEM_STACK,
                                    MEM_POPULATE | MEM_NONBLOCK};
    uint32_t flags = MEM_ANONYMOUS | (random_below(s, 5) == 0 ? MEM_SHARED : MEM_PRIVATE);
    if (random_below(s, 4) == 0) flags |= more[random_below(s, sizeof more / sizeof *more)];
    return flags;
}

static void begin_map(struct memops_state* s, struct target t, uint32_t prot, uint32_t flags) {
    log_number((long)s->operation);
    log_text(" mmap");
    log_target(s, t);
    log_text(" ");
    log_hex(prot);
    log_text(" ");
    log_hex(flags);
}

void op_map_fixed(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint32_t prot = pick_prot(s);
    const int replaces = random_below(s, 4) != 0;
    const uint32_t flags = pick_flags(s) | (replaces ? MEM_FIXED : MEM_FIXED_NOREPLACE);
    begin_map(s, t, prot, flags);
    finish(s, replaces ? "mmap:fixed" : "mmap:noreplace",
           port_mmap(t.addr, t.pages * kPage, prot, flags, -1, 0));
}

void op_map_anywhere(struct memops_state* s) {
    struct target t = pick_target(s);
    const uint32_t prot = pick_prot(s);
    uint32_t flags = pick_flags(s);
    const char* variant = "mmap:hint";
    const uint64_t kind = random_below(s, 8);
    if (kind < 4) {
        t.addr = 0;
        variant = "mmap:anywhere";
    } else if (kind == 4) {
        t.addr = random_below(s, 2) * kPage + random_below(s, 2) * 24;
        variant = "mmap:low hint";
        // There is some room below the program.
        t.pages = 1 + t.pages % 32;
    } else if (kind == 5) {
        t.addr = 0;
        flags |= MEM_32BIT;
        variant = "mmap:32bit";
    }
    const int room = t.addr == 0 || t.addr >= s->base;
    if (room && kind != 4 && random_below(s, 16) == 0) t.pages = kSpanPages * (1 + random_below(s, 2));
    struct target* slot = drop_slot(s);
    begin_map(s, t, prot, flags);
    // An offset means nothing for anonymous memory.
    const uint64_t offset = random_below(s, 8) == 0 ? -(uint64_t)kPage : 0;
    const long made = port_mmap(t.addr, t.pages * kPage, prot, flags, -1, offset);
    slot->addr = (uint64_t)made;
    slot->pages = made < 0 ? 0 : t.pages;
    finish(s, variant, made);
}

void op_map_refused(struct memops_state* s) {
    struct target t = pick_target(s);
    uint32_t flags = MEM_PRIVATE | MEM_ANONYMOUS | MEM_FIXED;
    uint32_t prot = MEM_READ | MEM_WRITE;
    uint64_t length = t.pages * kPage;
    uint64_t offset = 0;
    const char* variant = "mmap:no type";
    switch (random_below(s, 11)) {
        case 0:
            flags &= ~(uint32_t)MEM_PRIVATE;
            break;
        case 1:
            flags |= MEM_VALIDATE;
            variant = "mmap:validated anonymous";
            break;
        case 2:
            length = 0;
            variant = "mmap:no length";
            break;
        case 3:
            t.addr += 8;
            variant = "mmap:unaligned";
            break;
        case 4:
            offset = 8;
            variant = "mmap:unaligned offset";
            break;
        case 5:
            length = 1ULL << 48;
            variant = "mmap:too big";
            break;
        case 6:
            length = -(uint64_t)100;
            variant = "mmap:length wraps";
            break;
        case 7:
            flags ^= MEM_FIXED;
            length = 1ULL << 43;
            variant = "mmap:more than there is";
            break;
        case 8:
            t.addr = 0;
            variant = "mmap:low";
            break;
        case 9:
            flags = MEM_SHARED | MEM_ANONYMOUS | MEM_FIXED | MEM_GROWSDOWN;
            variant = "mmap:shared stack";
            break;
        default:
            t.addr = 1ULL << 48;
            variant = "mmap:beyond the end";
            break;
    }
    begin_map(s, t, prot, flags);
    finish(s, variant, port_mmap(t.addr, length, prot, flags, -1, offset));
}

void op_unmap(struct memops_state* s) {
    const struct target t = pick_target(s);
    log_number((long)s->operation);
    log_text(" munmap");
    log_target(s, t);
    const uint64_t cut = random_below(s, 8) == 0 ? 100 : 0;
    finish(s, "munmap", port_munmap(t.addr, t.pages * kPage - cut));
}

void op_unmap_refused(struct memops_state* s) {
    struct target t = pick_target(s);
    uint64_t length = t.pages * kPage;
    const char* variant = "munmap:unaligned";
    switch (random_below(s, 4)) {
        case 0:
            t.addr += 8;
            break;
        case 1:
            length = 0;
            variant = "munmap:no length";
            break;
        case 2:
            length = 1ULL << 48;
            variant = "munmap:too long";
            break;
        default:
            t.addr = 1ULL << 48;
            variant = "munmap:beyond the end";
            break;
    }
    log_number((long)s->operation);
    log_text(" munmap");
    log_target(s, t);
    finish(s, variant, port_munmap(t.addr, length));
}

void op_break(struct memops_state* s) {
    uint64_t wanted = s->brk_base + random_below(s, 24) * kPage + random_below(s, 3) * 700;
    const char* variant = "brk";
    if (random_below(s, 8) == 0) {
        const int below = random_below(s, 2) == 0;
        wanted = below ? 4096 : s->brk_base + (1ULL << 43);
        variant = below ? "brk:below" : "brk:more than there is";
    }
    log_number((long)s->operation);
    log_text(" brk ");
    log_number((long)(wanted - s->brk_base) < 0 ? -1 : (long)(wanted - s->brk_base));
    const uint64_t got = port_brk(wanted);
    log_text(" -> ");
    log_address(s, got);
    finish(s, variant, got == wanted ? 0 : -12);
}

static void limited_lock(struct memops_state* s, struct target t) {
    const uint64_t pages = random_below(s, 2) * 2;
    const uint64_t kind = random_below(s, 6);
    const uint32_t flags = MEM_PRIVATE | MEM_ANONYMOUS | MEM_FIXED;
    t.pages += 2;
    const uint64_t far = pick_target(s).addr;
    begin_map(s, t, (uint32_t)pages, (uint32_t)kind);
    if (kind == 5) port_mlock2(t.addr, kPage, 1);
    port_limit(LIMIT_MEMLOCK, pages * kPage);
    long result;
    const char* variant = "mlock:limit";
    if (kind == 0) {
        result = port_mlock2(t.addr, t.pages * kPage, 0);
    } else if (kind == 1) {
        result = port_mlock2(t.addr, t.pages * kPage, 1);
    } else if (kind == 2) {
        variant = "mmap:lock limit";
        result = port_mmap(t.addr, t.pages * kPage, MEM_READ, flags | MEM_LOCKED, -1, 0);
    } else if (kind == 3) {
        variant = "munlock:limit";
        result = port_munlock(t.addr, t.pages * kPage);
    } else if (kind == 4) {
        variant = "mlockall:limit";
        result = port_mlockall(1);
    } else {
        variant = "mremap:lock limit";
        result = call_mremap(s, t.addr, kPage, 3 * kPage, MEM_MAYMOVE | MEM_MOVE_TO, far);
    }
    port_limit(LIMIT_MEMLOCK, ~0ULL);
    finish(s, variant, result);
}

static void limited_size(struct memops_state* s, struct target t) {
    const enum memops_limit limit = random_below(s, 2) == 0 ? LIMIT_AS : LIMIT_DATA;
    const uint32_t flags = MEM_ANONYMOUS | (random_below(s, 2) == 0 ? MEM_PRIVATE : MEM_SHARED);
    const uint64_t kind = random_below(s, 6);
    const uint64_t far = pick_target(s).addr;
    begin_map(s, t, (uint32_t)limit, flags + ((uint32_t)kind << 8));
    // What is left of locked memory would stay counted (remap_and_keep).
    if (kind == 4) port_munlock(t.addr, kPage);
    port_limit(limit, kPage);
    long result;
    const char* variant = "mmap:size limit";
    if (kind == 0) {
        result = port_mmap(t.addr, t.pages * kPage, MEM_READ | MEM_WRITE, flags | MEM_FIXED, -1, 0);
    } else if (kind == 1) {
        result = port_mmap(0, t.pages * kPage, MEM_READ, flags, -1, 0);
        if (result > 0) port_munmap((uint64_t)result, t.pages * kPage);
    } else if (kind == 2) {
        variant = "mprotect:size limit";
        result = port_mprotect(t.addr, t.pages * kPage, MEM_READ | MEM_WRITE);
    } else if (kind == 3) {
        variant = "mremap:size limit";
        result = call_mremap(s, t.addr, kPage, 3 * kPage, 0, 0);
    } else if (kind == 4) {
        variant = "mremap:size limit, dontunmap";
        result = call_mremap(s, t.addr, kPage, kPage, MEM_MAYMOVE | MEM_MOVE_TO | MEM_DONTUNMAP,
                             far);
    } else {
        variant = "brk:size limit";
        const uint64_t wanted = s->brk_base + 32 * kPage;
        result = port_brk(wanted) == wanted ? 0 : -12;
    }
    port_limit(limit, ~0ULL);
    finish(s, variant, result);
}

void op_limited(struct memops_state* s) {
    const struct target t = pick_target(s);
    if (random_below(s, 2) == 0) return limited_lock(s, t);
    limited_size(s, t);
}

/* It goes at once: Linux gives it, unlike a writable one, no object, and so another offset. */
static void file_stays_read_only(struct memops_state* s, struct target t) {
    const uint32_t flags = MEM_SHARED | MEM_FIXED;
    begin_map(s, t, MEM_READ, flags);
    const long made = port_mmap(t.addr, t.pages * kPage, MEM_READ, flags, MEMOPS_ZERO, 0);
    const long changed = port_mprotect(t.addr, t.pages * kPage, MEM_READ | MEM_WRITE);
    log_text(made < 0 ? " refused" : " made");
    if (made > 0) port_munmap(t.addr, t.pages * kPage);
    finish(s, "mprotect:read-only file", changed);
}

static void populate_past_the_end(struct memops_state* s, struct target t) {
    const uint32_t flags = MEM_PRIVATE | MEM_FIXED;
    begin_map(s, t, MEM_READ, flags);
    const long made =
        port_mmap(t.addr, t.pages * kPage, MEM_READ, flags, MEMOPS_READABLE, 1ULL << 40);
    log_text(made < 0 ? " refused" : " made");
    finish(s, "madvise:past the end", port_madvise(t.addr, t.pages * kPage, 22));
}

/* Descriptors: what guest_port.c opened. */
void op_file(struct memops_state* s) {
    if (!s->options->files) return;
    const struct target t = pick_target(s);
    uint32_t flags = MEM_PRIVATE | MEM_FIXED;
    uint64_t offset = random_below(s, 4) * kPage;
    int fd = MEMOPS_READABLE;
    const char* variant = "mmap:file";
    switch (random_below(s, 8)) {
        case 6:
            return file_stays_read_only(s, t);
        case 7:
            return populate_past_the_end(s, t);
        case 0:
            fd = -1;
            variant = "mmap:no file";
            break;
        case 1:
            fd = MEMOPS_WRITE_ONLY;
            variant = "mmap:unreadable file";
            break;
        case 2:
            fd = MEMOPS_PIPE;
            variant = "mmap:pipe";
            break;
        case 3:
            offset = 0x7ffffffffffff000ULL;
            variant = "mmap:beyond any file";
            break;
        case 4:
            flags = MEM_VALIDATE | MEM_FIXED | MEM_UNKNOWN;
            variant = "mmap:unknown flag";
            break;
        default:
            break;
    }
    begin_map(s, t, MEM_READ, flags);
    // Where the file and a limit both forbid it, which of them is named is left open.
    port_munlockall();
    finish(s, variant, port_mmap(t.addr, t.pages * kPage, MEM_READ, flags, fd, offset));
}

/* --- the limit of mappings -------------------------------------------------------------------- */

static void full_operation(struct memops_state* s, uint64_t region, uint64_t middle) {
    const uint64_t wide = region + middle * 16 * kPage;
    const uint32_t flags = MEM_PRIVATE | MEM_ANONYMOUS | MEM_NORESERVE;
    const struct target none = {0, middle};
    begin_map(s, none, 0, 0);
    switch (middle % 12) {
        case 0:
            return finish(s, "mmap:full", port_mmap(0, kPage, MEM_READ, flags, -1, 0));
        case 1:
            return finish(s, "munmap:full", port_munmap(wide + 4 * kPage, kPage));
        case 2:
            return finish(s, "mprotect:full", port_mprotect(wide + 4 * kPage, kPage, MEM_NONE));
        case 3:
            return finish(s, "madvise:full", port_madvise(wide + 4 * kPage, kPage, 1));
        case 4:
            return finish(s, "mlock:full", port_mlock2(wide + 4 * kPage, kPage, 1));
        case 5:
            return finish(s, "munmap:full, head", port_munmap(wide, kPage));
        case 6:
            return finish(s, "munmap:full, tail", port_munmap(wide + 15 * kPage, kPage));
        case 7:
            return finish(s, "mremap:full", call_mremap(s, wide + 4 * kPage, kPage, 2 * kPage,
                                                        MEM_MAYMOVE, 0));
        case 8:
            return finish(s, "mremap:full, shrink", call_mremap(s, wide + 4 * kPage, 4 * kPage,
                                                                2 * kPage, 0, 0));
        case 9:
            return finish(s, "mremap:full, fixed",
                          call_mremap(s, wide + 4 * kPage, kPage, kPage,
                                      MEM_MAYMOVE | MEM_MOVE_TO, wide + 6 * kPage));
        case 10:
            return finish(s, "mremap:full, of nothing",
                          call_mremap(s, kPage, kPage, kPage, MEM_MAYMOVE | MEM_MOVE_TO,
                                      wide + 6 * kPage));
        default:
            return finish(s, "mmap:full, inside", port_mmap(wide + 4 * kPage, kPage, MEM_READ,
                                                            flags | MEM_FIXED, -1, 0));
    }
}

/* Each round there is room for one mapping more, and a call that succeeds takes some: each call is
 * made around its own limit. */
static void nearly_full(struct memops_state* s, uint64_t region, uint64_t filler) {
    enum { kRoundsEach = 100, kAllRounds = 3 * kRoundsEach };
    static const uint32_t flags[] = {MEM_MAYMOVE, MEM_MAYMOVE | MEM_MOVE_TO,
                                     MEM_MAYMOVE | MEM_MOVE_TO | MEM_DONTUNMAP};
    for (uint64_t i = 0; i < kAllRounds; ++i) {
        const struct target from = {region + i * 16 * kPage + 4 * kPage, 1};
        const struct target to = {from.addr + 6 * kPage, i < kRoundsEach ? 2 : 1};
        port_munmap(filler + (2 * i + 1) * kPage, kPage);
        begin_map(s, from, 0, flags[i / kRoundsEach]);
        const long moved = call_mremap(s, from.addr, kPage, to.pages * kPage,
                                       flags[i / kRoundsEach], to.addr);
        if (moved > 0 && i < kRoundsEach) port_munmap((uint64_t)moved, to.pages * kPage);
        finish(s, "mremap:nearly full", moved > 0 ? 0 : moved);
    }
}

void fill_the_map_count(struct memops_state* s) {
    enum { kPieces = 4400, kPieceBytes = 16 * kPage, kAtTheLimit = 1600 };
    const uint32_t flags = MEM_PRIVATE | MEM_ANONYMOUS | MEM_NORESERVE;
    const uint64_t fill_bytes = (uint64_t)(1 << 16) * kPage;
    const uint64_t bytes = (uint64_t)kPieces * kPieceBytes;
    port_munlockall();
    const long region = port_mmap(0, bytes, MEM_READ | MEM_WRITE, flags, -1, 0);
    const long filler = port_mmap(0, fill_bytes, MEM_READ | MEM_WRITE, flags, -1, 0);
    if (region < 0 || filler < 0) return;
    s->crowded = 1;
    // Pieces that do not merge, then single pages until no more is to be had.
    for (uint64_t i = 0; i < kPieces; i += 2) {
        port_mprotect((uint64_t)region + i * kPieceBytes, kPieceBytes, MEM_READ);
    }
    uint64_t page = 1;
    while (port_mprotect((uint64_t)filler + page * kPage, kPage, MEM_READ) == 0) page += 2;
    // From the end, one more at a time.
    for (uint64_t last = fill_bytes / kPage - 1; last > page + 2; --last) {
        const uint32_t prot = last % 2 == 0 ? MEM_READ : MEM_NONE;
        if (port_mprotect((uint64_t)filler + last * kPage, kPage, prot) != 0) break;
    }
    while (port_mmap(0, kPage, MEM_READ, MEM_SHARED | MEM_ANONYMOUS, -1, 0) > 0) {
    }
    for (uint64_t i = 0; i < kAtTheLimit; ++i) full_operation(s, (uint64_t)region, i);
    nearly_full(s, (uint64_t)region + kAtTheLimit * kPieceBytes, (uint64_t)filler);
    port_munmap((uint64_t)filler, fill_bytes);
    port_munmap((uint64_t)region, bytes);
    s->crowded = 0;
}
