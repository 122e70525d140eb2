/* Random memory calls from one seed, with a log of everything a program can see of them. Run it on
 * two memory managers and compare. No allocation, no stdio: nothing but the operations themselves
 * changes the address space. */
#include "memops_ops.h"

#include <string.h>

enum { kDigestEvery = 256 };

static const struct {
    void (*run)(struct memops_state* s);
    unsigned weight;
} operations[] = {
    {op_map_fixed, 90},   {op_map_anywhere, 40}, {op_map_refused, 20},  {op_unmap, 50},
    {op_unmap_refused, 6}, {op_protect, 110},     {op_protect_refused, 8}, {op_advise, 80},
    {op_remap, 70},        {op_remap_refused, 12}, {op_sync, 30},
    {op_advise_refused, 8}, {op_mincore, 40},     {op_mincore_refused, 6}, {op_lock, 40},
    {op_lock_refused, 10}, {op_lock_all, 6},      {op_break, 20},        {op_store, 200},
    {op_load, 120},        {op_call, 12},         {op_grow_stack, 10},   {op_limited, 24},
    {op_file, 12}};

enum { kOperations = sizeof operations / sizeof *operations };

uint64_t random_below(struct memops_state* s, uint64_t n) {
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (s->random * 0x2545f4914f6cdd1dULL >> 11) % n;
}

static void run_one(struct memops_state* s) {
    unsigned sum = 0;
    for (int i = 0; i < kOperations; ++i) sum += operations[i].weight;
    unsigned pick = (unsigned)random_below(s, sum);
    int i = 0;
    while (pick >= operations[i].weight) pick -= operations[i++].weight;
    operations[i].run(s);
}

static void digest(struct memops_state* s) {
    log_maps(s, 0);
    log_text("digest ");
    log_number((long)s->operation);
    log_text(" ");
    log_hex(s->hash);
    log_text(" errors ");
    log_number((long)s->window_errors);
    log_text(" faults ");
    log_number((long)s->window_faults);
    log_print();
    s->window_errors = s->window_faults = 0;
}

void next_operation(struct memops_state* s) {
    const int shown = s->operation >= s->options->from && s->operation < s->options->to;
    if (shown && s->options->maps) log_maps(s, 1);
    ++s->operation;
    if (s->operation % kDigestEvery == 0) digest(s);
}

/* The arena, with a lid that no operation touches (and more than may be locked); what lies above it
 * is filled up, so that searches for room see the same from here on, whatever else the process has mapped. */
static int lay_out(struct memops_state* s) {
    const uint64_t bytes = (uint64_t)2 * kSpans * kSpanPages * kPage;
    const long base = port_mmap(0, bytes, MEM_NONE, MEM_PRIVATE | MEM_ANONYMOUS, -1, 0);
    if (base < 0) return 1;
    s->base = (uint64_t)base;
    for (;;) {
        const long plug = port_mmap(0, kPage, MEM_NONE, MEM_PRIVATE | MEM_ANONYMOUS, -1, 0);
        if (plug < 0) return 1;
        if ((uint64_t)plug > s->base) continue;
        port_munmap((uint64_t)plug, kPage);
        break;
    }
    port_mmap(arena_end(s), bytes / 2, MEM_NONE, MEM_SHARED | MEM_FIXED | MEM_ANONYMOUS, -1, 0);
    port_munmap(s->base, bytes / 2);

    const uint64_t first_break = (port_brk(0) + kPage - 1) & ~(uint64_t)(kPage - 1);
    s->brk_base = first_break + kPage;
    if (port_brk(s->brk_base) != s->brk_base) return 1;
    // What lies below the heap of the operations has an anon_vma in every run.
    return port_store(first_break, 1).signal;
}

int memops_run(const struct memops_options* options) {
    struct memops_state s;
    memset(&s, 0, sizeof s);
    s.options = options;
    s.random = options->seed * 0x9e3779b97f4a7c15ULL + 0x1234567;
    s.hash = 0xcbf29ce484222325ULL;
    log_start();
    forget_mappings();
    log_text("seed ");
    log_number((long)options->seed);
    log_text(" operations ");
    log_number((long)options->operations);
    log_print();
    if (lay_out(&s) != 0) {
        log_text("no room");
        log_print();
        return 2;
    }
    const uint64_t full_at = options->operations / 2;
    int was_full = 0;
    while (s.operation < options->operations) {
        if (options->operations >= 200000 && !was_full && s.operation >= full_at) {
            was_full = 1;
            fill_the_map_count(&s);
        } else {
            run_one(&s);
        }
    }
    digest(&s);
    return print_counts(&s) == 0 ? 0 : 1;
}

static uint64_t parse_number(const char* text) {
    uint64_t value = 0;
    while (*text >= '0' && *text <= '9') value = value * 10 + (uint64_t)(*text++ - '0');
    return value;
}

int memops_parse(int argc, char** argv, struct memops_options* o) {
    memset(o, 0, sizeof *o);
    o->files = o->remap = o->residency = 1;
    if (argc < 3) return 2;
    o->seed = parse_number(argv[1]);
    o->operations = parse_number(argv[2]);
    for (int i = 3; i < argc; ++i) {
        const char* value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--maps") == 0) {
            o->maps = 1;
        } else if (strcmp(argv[i], "--no-files") == 0) {
            o->files = 0;
        } else if (strcmp(argv[i], "--no-remap") == 0) {
            o->remap = 0;
        } else if (strcmp(argv[i], "--no-residency") == 0) {
            o->residency = 0;
        } else if (strcmp(argv[i], "--from") == 0) {
            o->from = parse_number(value);
            ++i;
        } else if (strcmp(argv[i], "--to") == 0) {
            o->to = parse_number(value);
            ++i;
        } else if (strcmp(argv[i], "--require") == 0) {
            o->require = (int)parse_number(value);
            ++i;
        } else {
            return 2;
        }
    }
    return 0;
}
