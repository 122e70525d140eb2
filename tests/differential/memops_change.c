#include "memops_ops.h"

static uint32_t pick_prot(struct memops_state* s) {
    // Execute-only memory is a matter of protection keys: left out.
    static const uint32_t some[] = {MEM_NONE, MEM_READ, MEM_READ | MEM_WRITE,
                                    MEM_READ | MEM_WRITE, MEM_READ | MEM_EXEC,
                                    MEM_READ | MEM_WRITE | MEM_EXEC, MEM_WRITE};
    return some[random_below(s, sizeof some / sizeof *some)];
}

static void begin(struct memops_state* s, const char* what, struct target t, uint64_t argument) {
    log_number((long)s->operation);
    log_text(what);
    log_target(s, t);
    log_text(" ");
    log_hex(argument);
}

void op_protect(struct memops_state* s) {
    const struct target t = pick_target(s);
    uint32_t prot = pick_prot(s);
    const char* variant = "mprotect";
    if (random_below(s, 16) == 0) {
        prot |= 0x01000000;
        variant = "mprotect:growsdown";
    }
    begin(s, " mprotect", t, prot);
    finish(s, variant, port_mprotect(t.addr, t.pages * kPage, prot));
}

void op_protect_refused(struct memops_state* s) {
    struct target t = pick_target(s);
    uint64_t length = t.pages * kPage;
    uint32_t prot = MEM_READ;
    const char* variant = "mprotect:unaligned";
    switch (random_below(s, 6)) {
        case 0:
            t.addr += 8;
            break;
        case 1:
            prot = 0x40;
            variant = "mprotect:bad prot";
            break;
        case 2:
            prot |= 0x03000000;
            variant = "mprotect:grows both ways";
            break;
        case 3:
            prot |= 0x02000000;
            variant = "mprotect:grows up";
            break;
        case 4:
            length = -t.addr;
            variant = "mprotect:wraps";
            break;
        default:
            length = 0;
            variant = "mprotect:nothing";
            break;
    }
    begin(s, " mprotect", t, prot);
    finish(s, variant, port_mprotect(t.addr, length, prot));
}

/* Not MADV_PAGEOUT: which pages the kernel finds worth dropping is its own affair. */
void op_advise(struct memops_state* s) {
    static const struct {
        int advice;
        const char* variant;
    } some[] = {{4, "madvise:dontneed"},       {4, "madvise:dontneed"},
                {4, "madvise:dontneed"},       {24, "madvise:dontneed locked"},
                {22, "madvise:populate read"}, {23, "madvise:populate write"},
                {0, "madvise:normal"},         {1, "madvise:random"},
                {2, "madvise:sequential"},     {3, "madvise:willneed"},
                {10, "madvise:dontfork"},      {11, "madvise:dofork"},
                {14, "madvise:hugepage"},      {15, "madvise:nohugepage"},
                {16, "madvise:dontdump"},      {17, "madvise:dodump"},
                {18, "madvise:wipeonfork"},    {19, "madvise:keeponfork"},
                {20, "madvise:cold"}};
    struct target t = pick_target(s);
    const uint64_t which = random_below(s, sizeof some / sizeof *some);
    if (some[which].advice == 4 && random_below(s, 4) == 0 && t.addr >= s->base) {
        // A whole table.
        t.addr = s->base + random_below(s, kSpans) * kSpanPages * kPage;
        t.pages = kSpanPages;
    }
    begin(s, " madvise", t, (uint64_t)some[which].advice);
    finish(s, some[which].variant, port_madvise(t.addr, t.pages * kPage, some[which].advice));
}

void op_advise_refused(struct memops_state* s) {
    struct target t = pick_target(s);
    uint64_t length = t.pages * kPage;
    int advice = 4;
    const char* variant = "madvise:unaligned";
    switch (random_below(s, 5)) {
        case 0:
            t.addr += 8;
            break;
        case 1:
            advice = 77;
            variant = "madvise:unknown";
            break;
        case 2:
            length = -(uint64_t)100;
            variant = "madvise:length wraps";
            break;
        case 3:
            length = -t.addr - kPage;
            length += (uint64_t)2 * kPage;
            variant = "madvise:end wraps";
            break;
        default:
            length = 0;
            variant = "madvise:nothing";
            break;
    }
    begin(s, " madvise", t, (uint64_t)advice);
    finish(s, variant, port_madvise(t.addr, length, advice));
}

/* Nothing is dirty against a file: what is left is the check of the arguments. */
void op_sync(struct memops_state* s) {
    if (!s->options->files) return;
    struct target t = pick_target(s);
    const uint32_t flags = (uint32_t)random_below(s, 9); /* ASYNC 1, INVALIDATE 2, SYNC 4 */
    if (random_below(s, 8) == 0) port_mlock2(t.addr, kPage, 1);
    if (random_below(s, 16) == 0) t.addr += 8;
    begin(s, " msync", t, flags);
    finish(s, "msync", port_msync(t.addr, t.pages * kPage, flags));
}

static unsigned char residency[4 * kSpanPages];

/* Run lengths. */
static void log_residency(uint64_t pages) {
    for (uint64_t i = 0; i < pages;) {
        uint64_t n = 1;
        while (i + n < pages && residency[i + n] == residency[i]) ++n;
        log_text(residency[i] != 0 ? "#" : ".");
        if (n > 1) log_number((long)n);
        i += n;
    }
}

void op_mincore(struct memops_state* s) {
    const struct target t = pick_target(s);
    for (uint64_t i = 0; i < t.pages; ++i) residency[i] = 9;
    begin(s, " mincore", t, 0);
    const long result = port_mincore(t.addr, t.pages * kPage, residency);
    log_text(" ");
    if (result == 0 && s->options->residency) log_residency(t.pages);
    finish(s, "mincore", result);
}

void op_mincore_refused(struct memops_state* s) {
    struct target t = pick_target(s);
    uint64_t length = t.pages * kPage;
    const char* variant = "mincore:unaligned";
    unsigned char* vec = residency;
    switch (random_below(s, 4)) {
        case 0:
            t.addr += 8;
            break;
        case 1:
            t.addr = 1ULL << 62;
            variant = "mincore:kernel's";
            t.addr <<= 1;
            break;
        case 2:
            length = 0;
            variant = "mincore:nothing";
            break;
        default:
            if (!s->options->files) return;
            vec = (unsigned char*)(uintptr_t)8;
            variant = "mincore:bad vec";
            break;
    }
    begin(s, " mincore", t, length == 0);
    finish(s, variant, port_mincore(t.addr, length, vec));
}

void op_lock(struct memops_state* s) {
    struct target t = pick_target(s);
    const uint64_t kind = random_below(s, 8);
    const uint64_t inside = random_below(s, 3) == 0 ? random_below(s, kPage) : 0;
    t.addr += inside;
    if (kind < 4) {
        begin(s, " munlock", t, 0);
        finish(s, "munlock", port_munlock(t.addr, t.pages * kPage - inside));
    } else if (kind < 6) {
        begin(s, " mlock", t, 0);
        finish(s, "mlock", port_mlock2(t.addr, t.pages * kPage - inside, 0));
    } else {
        begin(s, " mlock", t, 1);
        finish(s, "mlock:on fault", port_mlock2(t.addr, t.pages * kPage - inside, 1));
    }
}

void op_lock_refused(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint64_t wraps = -t.addr - kPage + (uint64_t)2 * kPage;
    begin(s, " lock refused", t, 0);
    switch (random_below(s, 7)) {
        case 0:
            return finish(s, "mlock:flags", port_mlock2(t.addr, kPage, 2));
        case 1:
            return finish(s, "mlock:wraps", port_mlock2(t.addr, wraps, 0));
        case 2:
            return finish(s, "munlock:wraps", port_munlock(t.addr, wraps));
        case 3:
            return finish(s, "mlockall:no flags", port_mlockall(0));
        case 4:
            return finish(s, "mlockall:on fault alone", port_mlockall(4));
        case 5:
            return finish(s, "mlockall:bad flags", port_mlockall(8 | 1));
        default:
            return finish(s, "mlock:nothing", port_mlock2(t.addr, 0, 0));
    }
}

/* MCL_CURRENT locks what the runs do not have in common, so it is undone at once; MCL_FUTURE
 * stays on for some operations. */
void op_lock_all(struct memops_state* s) {
    const struct target none = {s->base, 0};
    const uint64_t kind = random_below(s, 8);
    begin(s, " lock all", none, kind);
    if (kind == 0) {
        port_limit(LIMIT_MEMLOCK, ~0ULL);
        const long result = port_mlockall(random_below(s, 2) == 0 ? 1 : 5);
        port_munlockall();
        return finish(s, "mlockall:current", result);
    }
    if (kind == 1) return finish(s, "mlockall:future", port_mlockall(2));
    if (kind == 2) return finish(s, "mlockall:future on fault", port_mlockall(6));
    return finish(s, "munlockall", port_munlockall());
}
