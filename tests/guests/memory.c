// brk, mmap and what follows, checked byte by byte; malloc stress; a deep stack.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPage = 4096 };

static uint64_t state = 88172645463325252;
static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void test_brk(void) {
    char *start = sbrk(0);
    printf("grow %d\n", brk(start + 10 * kPage) == 0);
    memset(start, 0xab, 10 * kPage);
    brk(start + 2 * kPage);
    brk(start + 10 * kPage);
    printf("kept %x fresh %x\n", (unsigned char)start[kPage], (unsigned char)start[5 * kPage]);
}

static void test_mappings(void) {
    char *p = mmap(NULL, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 16; ++i) p[i * kPage] = (char)i;
    mprotect(p + 4 * kPage, 4 * kPage, PROT_READ);
    munmap(p + 8 * kPage, 4 * kPage);
    int sum = 0;
    for (int i = 0; i < 16; ++i) {
        if (i < 8 || i >= 12) sum += p[i * kPage];
    }
    printf("sum %d\n", sum);
    unsigned char resident[16] = {0};
    int result = mincore(p, 8 * kPage, resident);
    printf("mincore %d: %d %d\n", result, resident[0] & 1, resident[7] & 1);
    result = mincore(p, 16 * kPage, resident);
    printf("mincore over a hole %d %s\n", result, strerror(errno));
    madvise(p, 4 * kPage, MADV_DONTNEED);
    printf("after dontneed %d %d\n", p[3 * kPage], p[4 * kPage]);
    void *again = mmap(p + 8 * kPage, 4 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("fixed %d zero %d\n", again == p + 8 * kPage, p[9 * kPage]);
    void *taken = mmap(p, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    printf("noreplace %d %s\n", taken == MAP_FAILED, strerror(errno));
    printf("mlock %d munlock %d\n", mlock(p, kPage), munlock(p, kPage));
    printf("munmap unaligned %d", munmap(p + 1, kPage));
    printf(" %s\n", strerror(errno));
    printf("write from a hole %ld", (long)write(1, (char *)0x10000, 4));
    printf(" %s\n", strerror(errno));
    munmap(p, 16 * kPage);
}

static void test_file(const char *self) {
    int fd = open(self, O_RDONLY);
    char *map = mmap(NULL, 8 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char buffer[8 * kPage];
    long n = pread(fd, buffer, sizeof buffer, 0);
    printf("file %d\n", n == (long)sizeof buffer && memcmp(map, buffer, sizeof buffer) == 0);
    map[100] = 'x';
    n = pread(fd, buffer, 200, 0);
    printf("private %d\n", map[100] == 'x' && buffer[100] != 'x');
    munmap(map, 8 * kPage);
    close(fd);
}

static void test_shared(void) {
    char *p = mmap(NULL, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        printf("shared: %s\n", strerror(errno));
        return;
    }
    p[kPage] = 9;
    printf("shared %d %d\n", p[kPage], p[2 * kPage]);
    munmap(p, 4 * kPage);
}

enum { kSlots = 512, kSteps = 20000 };
static unsigned char *slots[kSlots];
static size_t sizes[kSlots];

static void test_malloc(void) {
    uint64_t checksum = 0;
    for (int step = 0; step < kSteps; ++step) {
        size_t i = next_random() % kSlots;
        if (slots[i] != NULL) {
            for (size_t j = 0; j < sizes[i]; j += 97) checksum += slots[i][j];
            if (slots[i][0] != (unsigned char)i) printf("slot %zu is spoilt\n", i);
            free(slots[i]);
            slots[i] = NULL;
            continue;
        }
        sizes[i] = 1 + next_random() % (step % 50 == 0 ? 300000 : 3000);
        slots[i] = malloc(sizes[i]);
        memset(slots[i], (int)i, sizes[i]);
    }
    printf("malloc checksum %lu\n", (unsigned long)checksum);
}

static int deep(int n) {
    volatile char frame[1024];
    memset((void *)frame, n, sizeof frame);
    return n == 0 ? frame[7] : deep(n - 1) + frame[11] * 0;
}

/// What they give depends on what the machine has reserved.
static void ask_for_huge_pages(const char *self) {
    const int fd = open(self, O_RDONLY);
    const size_t length = 2 << 20;
    int flags = MAP_PRIVATE | MAP_HUGETLB;
    void *p = mmap(NULL, length, PROT_READ, flags | MAP_ANONYMOUS, -1, 0);
    printf("anonymous: %s\n", p == MAP_FAILED ? strerrorname_np(errno) : "mapped");
    p = mmap(NULL, length, PROT_READ, flags, fd, 0);
    printf("file: %s\n", p == MAP_FAILED ? strerrorname_np(errno) : "mapped");
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "huge") == 0) {
        ask_for_huge_pages(argv[0]);
        return 0;
    }
    test_brk();
    test_mappings();
    test_file(argv[0]);
    test_shared();
    test_malloc();
    printf("deep %d\n", deep(4000));
    return 0;
}
