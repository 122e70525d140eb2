#include "memops_ops.h"

static void touched(struct memops_state* s, struct memops_fault fault) {
    ++s->faults;
    ++s->window_faults;
    log_fault(s, fault);
}

static void end_touch(struct memops_state* s) {
    log_end(s);
    next_operation(s);
}

/* Up to eight pages of a target, some way apart. */
static uint64_t stride_of(struct memops_state* s, struct target t) {
    return t.pages <= 8 ? 1 : t.pages / (1 + random_below(s, 8));
}

static void begin(struct memops_state* s, const char* what) {
    log_number((long)s->operation);
    log_text(what);
}

void op_store(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint64_t stride = stride_of(s, t);
    begin(s, " store");
    log_target(s, t);
    for (uint64_t page = 0; page < t.pages; page += stride) {
        const uint64_t addr = t.addr + page * kPage + random_below(s, 4) * 1000;
        const uint8_t value = (uint8_t)(1 + random_below(s, 250));
        const struct memops_fault fault = port_store(addr, value);
        log_text(" ");
        if (fault.signal != 0) touched(s, fault);
    }
    end_touch(s);
}

void op_load(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint64_t stride = stride_of(s, t);
    begin(s, " load");
    log_target(s, t);
    for (uint64_t page = 0; page < t.pages; page += stride) {
        uint8_t value = 0;
        const uint64_t addr = t.addr + page * kPage + random_below(s, 4) * 1000;
        const struct memops_fault fault = port_load(addr, &value);
        log_text(" ");
        if (fault.signal != 0) {
            touched(s, fault);
        } else {
            log_number(value);
        }
    }
    end_touch(s);
}

/* Code is never run but for a `ret` of our own. */
void op_call(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint8_t ret = 0xc3;
    begin(s, " call");
    log_target(s, t);
    struct memops_fault fault = port_store(t.addr, ret);
    uint8_t found = ret;
    if (fault.signal != 0) {
        touched(s, fault);
        if (port_load(t.addr, &found).signal != 0) found = ret;
    }
    if (found == ret) {
        fault = port_call(t.addr);
        log_text(" ");
        if (fault.signal != 0) touched(s, fault);
    }
    end_touch(s);
}

/* A stack of a few pages, and accesses below it. */
void op_grow_stack(struct memops_state* s) {
    const struct target t = pick_target(s);
    const uint64_t top = t.addr + 4 * kPage;
    if (t.addr < s->base || top > arena_end(s)) return;
    begin(s, " stack");
    log_target(s, t);
    const uint32_t fixed = random_below(s, 4) == 0 ? MEM_FIXED : MEM_FIXED_NOREPLACE;
    const long made =
        port_mmap(top - kPage, kPage, MEM_READ | MEM_WRITE,
                  MEM_PRIVATE | MEM_ANONYMOUS | MEM_GROWSDOWN | fixed, -1, 0);
    log_text(" ");
    log_number(made < 0 ? made : 0);
    for (int i = 0; i < 3; ++i) {
        const uint64_t addr = top - 1 - random_below(s, 6) * kPage;
        uint8_t value = 0;
        const struct memops_fault fault = random_below(s, 2) == 0
                                              ? port_store(addr, (uint8_t)(7 + i))
                                              : port_load(addr, &value);
        log_text(" ");
        if (fault.signal != 0) {
            touched(s, fault);
        } else {
            log_number(value);
        }
    }
    end_touch(s);
}
