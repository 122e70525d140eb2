#include "memops_log.h"

#include <string.h>

static char line[4096];
static size_t line_length;
static char maps_text[1 << 20];

void log_text(const char* text) {
    while (*text != 0 && line_length < sizeof line - 1) line[line_length++] = *text++;
}

static void log_digits(uint64_t value, unsigned base) {
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    log_text(digits + at);
}

void log_hex(uint64_t value) { log_digits(value, 16); }

void log_number(long value) {
    if (value < 0) log_text("-");
    log_digits(value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

void log_address(const struct memops_state* s, uint64_t addr) {
    const uint64_t heap_room = 1ULL << 28;
    if (s->base != 0 && addr >= 1ULL << 44 && addr < 1ULL << 47) {
        log_text(addr >= s->base ? "+" : "-");
        log_hex(addr >= s->base ? addr - s->base : s->base - addr);
    } else if (addr >= s->brk_base && addr < s->brk_base + heap_room) {
        log_text("h");
        log_hex(addr - s->brk_base);
    } else {
        log_text("=");
        log_hex(addr);
    }
}

void log_fault(const struct memops_state* s, struct memops_fault fault) {
    log_text("!");
    log_number(fault.signal);
    log_text("/");
    log_number(fault.code);
    log_text("@");
    log_address(s, fault.address);
}

static void hash_bytes(struct memops_state* s, const char* text, size_t length) {
    for (size_t i = 0; i < length; ++i) {
        s->hash = (s->hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
    }
}

void log_print(void) {
    line[line_length++] = '\n';
    port_write(line, line_length);
    line_length = 0;
}

void log_end(struct memops_state* s) {
    hash_bytes(s, line, line_length);
    if (s->operation >= s->options->from && s->operation < s->options->to) {
        log_print();
    }
    line_length = 0;
}

static uint64_t parse_hex(const char** at) {
    uint64_t value = 0;
    for (;; ++*at) {
        const char c = **at;
        if (c >= '0' && c <= '9') {
            value = value * 16 + (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value * 16 + (uint64_t)(c - 'a') + 10;
        } else {
            return value;
        }
    }
}

/* Whether a mapping is one of ours: in the arena or below it, or above the first break. */
static int is_ours(const struct memops_state* s, uint64_t start, uint64_t end) {
    if (start >= 1ULL << 44) return start < arena_end(s);
    return end > s->brk_base;
}

/* One line of /proc/self/maps without what depends on the run: start-end rights offset kind. */
static void log_mapping(const struct memops_state* s, const char* at) {
    uint64_t start = parse_hex(&at);
    ++at;
    const uint64_t end = parse_hex(&at);
    if (!is_ours(s, start, end)) return;
    if (start < 1ULL << 44 && start < s->brk_base) start = s->brk_base;
    const char rights[5] = {at[1], at[2], at[3], at[4], 0};
    at += 6;
    const uint64_t offset = parse_hex(&at);
    const char* name = strchr(at, '/');
    const char* newline = strchr(at, '\n');
    log_text(" ");
    log_address(s, start);
    log_text("-");
    log_address(s, end);
    log_text(" ");
    log_text(rights);
    log_text(" ");
    log_hex(offset);
    if (name != NULL && name < newline) {
        log_text(strncmp(name, "/dev/zero", 9) == 0 ? " shm" : " file");
    }
}

void log_maps(struct memops_state* s, int print) {
    if (s->crowded) return;
    const size_t length = port_maps(maps_text, sizeof maps_text - 1);
    maps_text[length] = 0;
    for (const char* at = maps_text; *at != 0;) {
        log_mapping(s, at);
        hash_bytes(s, line, line_length);
        if (print && line_length > 0) log_print();
        line_length = 0;
        at = strchr(at, '\n');
        if (at == NULL) return;
        ++at;
    }
}

/* --- the table -------------------------------------------------------------------------------- */

static struct {
    const char* variant;
    int error;
    uint64_t count;
} table[512];
static size_t table_size;

static const char* error_name(int error) {
    static const struct {
        int error;
        const char* name;
    } names[] = {{0, "ok"},       {1, "EPERM"},   {9, "EBADF"},   {11, "EAGAIN"},
                 {12, "ENOMEM"},  {13, "EACCES"}, {14, "EFAULT"}, {16, "EBUSY"},   {17, "EEXIST"},
                 {19, "ENODEV"},  {22, "EINVAL"}, {38, "ENOSYS"}, {75, "EOVERFLOW"},
                 {95, "EOPNOTSUPP"}, {133, "EHWPOISON"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        if (names[i].error == error) return names[i].name;
    }
    return "E?";
}

void count_result(struct memops_state* s, const char* variant, long result) {
    const int error = result < 0 && result > -4096 ? (int)-result : 0;
    if (error != 0) ++s->window_errors;
    for (size_t i = 0; i < table_size; ++i) {
        if (table[i].variant == variant && table[i].error == error) {
            ++table[i].count;
            return;
        }
    }
    if (table_size == sizeof table / sizeof *table) return;
    table[table_size].variant = variant;
    table[table_size].error = error;
    table[table_size++].count = 1;
}

/* The name of the call: a variant up to its first colon. */
static size_t call_length(const char* variant) {
    const char* colon = strchr(variant, ':');
    return colon == NULL ? strlen(variant) : (size_t)(colon - variant);
}

void log_start(void) { table_size = 0; }

static uint64_t pair_count(const char* call, int error) {
    uint64_t sum = 0;
    for (size_t i = 0; i < table_size; ++i) {
        const size_t n = call_length(table[i].variant);
        if (table[i].error == error && n == strlen(call) &&
            strncmp(table[i].variant, call, n) == 0) {
            sum += table[i].count;
        }
    }
    return sum;
}

/* What part 7 of the protocol names, for the calls that are there. */
static const struct {
    const char* call;
    int error;
    int files; /* needs the system-call layer */
} wanted[] = {{"mmap", 22, 0},    {"mmap", 17, 0},    {"mmap", 12, 0},     {"mmap", 1, 0},
              {"mmap", 11, 0},    {"mmap", 9, 1},     {"mmap", 13, 1},     {"mmap", 19, 1},
              {"mmap", 75, 1},    {"mmap", 95, 1},    {"munmap", 22, 0},   {"munmap", 12, 0},
              {"mprotect", 22, 0}, {"mprotect", 12, 0}, {"madvise", 22, 0}, {"madvise", 12, 0},
              {"madvise", 11, 0}, {"mincore", 22, 0}, {"mincore", 12, 0},  {"mincore", 14, 1},
              {"mlock", 22, 0},   {"mlock", 12, 0},   {"mlock", 1, 0},     {"munlock", 22, 0},
              {"munlock", 12, 0}, {"mlockall", 22, 0}, {"mlockall", 12, 0}, {"mlockall", 1, 0},
              {"brk", 12, 0},     {"mprotect", 13, 1}, {"madvise", 14, 1}, {"msync", 22, 1},
              {"msync", 12, 1},   {"msync", 16, 1},   {"mremap", 22, 0},  {"mremap", 12, 0},
              {"mremap", 14, 0},  {"mremap", 11, 0}};

/* And what no operation can bring about. */
static const struct {
    const char* call;
    int error;
    const char* reason;
} unreachable[] = {
    {"mlock", 11, "memory has to run out"},
    {"munmap", 1, "needs mseal, which is not built yet"},
    {"mprotect", 1, "needs mseal, which is not built yet"},
    {"mremap", 1, "needs mseal, which is not built yet"},
    {"madvise", 13, "needs MADV_REMOVE, which is not built yet"},
    {"madvise", 133, "no page is ever poisoned"}};

static void print_count(const char* kind, const char* name, size_t length, int error,
                        uint64_t count) {
    char copy[64] = {0};
    memcpy(copy, name, length < sizeof copy ? length : sizeof copy - 1);
    log_text(kind);
    log_text(copy);
    log_text(" ");
    log_text(error_name(error));
    log_text(" ");
    log_number((long)count);
}

int print_counts(const struct memops_state* s) {
    int missing = 0;
    const uint64_t least = (uint64_t)s->options->require;
    for (size_t i = 0; i < table_size; ++i) {
        const char* variant = table[i].variant;
        print_count("variant ", variant, strlen(variant), table[i].error, table[i].count);
        log_print();
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; ++i) {
        const char* call = wanted[i].call;
        if (wanted[i].files && !s->options->files) continue;
        if (strcmp(call, "mremap") == 0 && !s->options->remap) continue;
        const uint64_t count = pair_count(call, wanted[i].error);
        print_count("pair ", call, strlen(call), wanted[i].error, count);
        if (count < least) {
            log_text(" TOO FEW");
            ++missing;
        }
        log_print();
    }
    for (size_t i = 0; i < sizeof unreachable / sizeof *unreachable; ++i) {
        const char* call = unreachable[i].call;
        print_count("pair ", call, strlen(call), unreachable[i].error,
                    pair_count(call, unreachable[i].error));
        log_text(" UNREACHABLE: ");
        log_text(unreachable[i].reason);
        log_print();
    }
    return missing;
}
