/* The log of memops: every operation is one line, which is hashed and, in a window, printed. */
#pragma once

#include "memops_port.h"

enum { kPage = 4096, kSpanPages = 512, kSpans = 8 };

struct memops_state {
    const struct memops_options* options;
    uint64_t random;
    uint64_t operation;  /* index of the current one */
    uint64_t base;       /* the first mapping: kSpans spans to play in, and one as a lid */
    uint64_t brk_base;
    uint64_t hash;
    int crowded; /* so many mappings that they are not listed */
    uint64_t window_errors;
    uint64_t window_faults;
    uint64_t faults;
};

/* The end of the last of the spans to play in. */
static inline uint64_t arena_end(const struct memops_state* s) {
    return s->base + (uint64_t)kSpans * kSpanPages * kPage;
}

/* A run starts with an empty table. */
void log_start(void);
void log_text(const char* text);
void log_number(long value);
void log_hex(uint64_t value);
/* Relative to the first mapping, or to the first break, or as it is. */
void log_address(const struct memops_state* s, uint64_t addr);
void log_fault(const struct memops_state* s, struct memops_fault fault);
/* Ends the line: hashes it, and prints it if the operation is in the window. */
void log_end(struct memops_state* s);
/* Prints a line that is not hashed. */
void log_print(void);
/* Hashes the mappings; prints them if asked. */
void log_maps(struct memops_state* s, int print);

/* What one operation was and how it ended, for the table at the end. */
void count_result(struct memops_state* s, const char* variant, long result);
/* Prints the table. Returns how many (variant, errno) pairs that were met at all, or are wanted,
 * were met less often than `require`. */
int print_counts(const struct memops_state* s);
