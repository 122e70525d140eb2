// Which pages are resident after a few writes to fresh memory.
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

enum { kPage = 4096, kPages = 64 };

int main(void) {
    // Aligned to its size, which is less than a huge page.
    const uintptr_t size = kPages * kPage;
    char *room = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return 1;
    char *memory = (char *)(((uintptr_t)room + size - 1) & ~(size - 1));
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) return 1;

    const int written[] = {0, 1, 2, 4, 8, 40};
    for (unsigned i = 0; i < sizeof written / sizeof *written; ++i) memory[written[i] * kPage] = 1;

    unsigned char resident[kPages];
    if (mincore(memory, size, resident) != 0) return 1;
    for (int i = 0; i < kPages; ++i) putchar(resident[i] & 1 ? '#' : '.');
    putchar('\n');
    return 0;
}
