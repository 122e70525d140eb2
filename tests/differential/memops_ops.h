/* The operations of memops, and Linux's numbers: this header stands in for <sys/mman.h>, so that
 * the same source is compiled into a test of C++ code that has names of its own for them. */
#pragma once

#include "memops_log.h"

enum {
    MEM_NONE = 0,
    MEM_READ = 1,
    MEM_WRITE = 2,
    MEM_EXEC = 4,
    MEM_SHARED = 1,
    MEM_PRIVATE = 2,
    MEM_VALIDATE = 3,
    MEM_FIXED = 0x10,
    MEM_ANONYMOUS = 0x20,
    MEM_32BIT = 0x40,
    MEM_GROWSDOWN = 0x100,
    MEM_LOCKED = 0x2000,
    MEM_NORESERVE = 0x4000,
    MEM_POPULATE = 0x8000,
    MEM_NONBLOCK = 0x10000,
    MEM_STACK = 0x20000,
    MEM_UNKNOWN = 0x200000, /* not MAP_SYNC, which some file systems know */
    MEM_FIXED_NOREPLACE = 0x100000,
    /* of mremap */
    MEM_MAYMOVE = 1,
    MEM_MOVE_TO = 2,
    MEM_DONTUNMAP = 4
};

uint64_t random_below(struct memops_state* s, uint64_t n);
/* Ends one operation, whose line was logged. */
void next_operation(struct memops_state* s);

/* Some pages, mapped or not. */
struct target {
    uint64_t addr;
    uint64_t pages;
};
struct target pick_target(struct memops_state* s);
/* Unmaps one of the mappings whose place the kernel chose; another may take its entry. */
struct target* drop_slot(struct memops_state* s);
void log_target(const struct memops_state* s, struct target t);
/* Logs `result`, counts it under `variant`, and ends the operation. */
void finish(struct memops_state* s, const char* variant, long result);

/* memops_map.c */
void forget_mappings(void);
void op_map_fixed(struct memops_state* s);
void op_map_anywhere(struct memops_state* s);
void op_map_refused(struct memops_state* s);
void op_unmap(struct memops_state* s);
void op_unmap_refused(struct memops_state* s);
void op_break(struct memops_state* s);
void op_limited(struct memops_state* s);
void op_file(struct memops_state* s);
/* As many mappings as Linux allows, and what each call says then. */
void fill_the_map_count(struct memops_state* s);

/* memops_change.c */
void op_protect(struct memops_state* s);
void op_protect_refused(struct memops_state* s);
void op_advise(struct memops_state* s);
void op_advise_refused(struct memops_state* s);
void op_sync(struct memops_state* s);
void op_mincore(struct memops_state* s);
void op_mincore_refused(struct memops_state* s);
void op_lock(struct memops_state* s);
void op_lock_refused(struct memops_state* s);
void op_lock_all(struct memops_state* s);

/* memops_move.c */
/* mremap, or nothing (0) where the kernel's answers are those of an older Linux. */
long call_mremap(const struct memops_state* s, uint64_t addr, uint64_t old_length,
                 uint64_t new_length, uint32_t flags, uint64_t new_addr);
void op_remap(struct memops_state* s);
void op_remap_refused(struct memops_state* s);

/* memops_touch.c */
void op_store(struct memops_state* s);
void op_load(struct memops_state* s);
void op_call(struct memops_state* s);
void op_grow_stack(struct memops_state* s);
