/* A tiny emulator on Surefoot's C ABI: one guest CPU with a software TLB adds up a file that it
 * maps, and keeps the sum in memory of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <surefoot/surefoot.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 8, ENTRIES = 16 };

/* One thread alone uses this space, so its TLB needs no lock. */
struct tlb_entry {
    uint64_t page; /* number + 1; 0: empty */
    unsigned char *bytes;
    int writable;
};
struct guest {
    struct sf_space *space;
    unsigned char *arena;
    struct tlb_entry tlb[ENTRIES];
    unsigned invalidations;
};

static void invalidate(void *context, const struct sf_invalidation *what) {
    struct guest *guest = context;
    ++guest->invalidations;
    for (size_t e = 0; e < ENTRIES; ++e) {
        uint64_t va = (guest->tlb[e].page - 1) * PAGE;
        for (size_t i = 0; i < what->nr_ranges; ++i)
            if (what->ranges[i].start <= va && va < what->ranges[i].end) guest->tlb[e].page = 0;
    }
}

/* The file has PAGES pages, each filled with its number. */
static int64_t read_page(void *context, uint64_t index, void *page) {
    (void)context;
    if (index >= PAGES) return -ENXIO;
    memset(page, (int)index, PAGE);
    return PAGE;
}

/* The byte at `va`, or NULL with the fault in *fault. */
static unsigned char *at(struct guest *guest, uint64_t va, int access, int *fault) {
    struct tlb_entry *entry = &guest->tlb[va / PAGE % ENTRIES];
    while (entry->page != va / PAGE + 1 || (access == SF_WRITE && !entry->writable)) {
        struct sf_translation found = {sizeof found, 0, 0};
        const uint32_t written = SF_PTE_WRITABLE | SF_PTE_DIRTY;
        int usable = sf_translate(guest->space, va / PAGE * PAGE, &found) == 0;
        int writable = usable && (found.bits & written) == written;
        if (usable && (access != SF_WRITE || writable)) {
            *entry = (struct tlb_entry){va / PAGE + 1, guest->arena + found.physical, writable};
            break;
        }
        *fault = sf_fault(guest->space, va, access);
        if (*fault != SF_HANDLED) return NULL;
    }
    return entry->bytes + va % PAGE;
}

int main(void) {
    struct sf_machine_options memory = {.size = sizeof memory, .memory_bytes = 4 << 20};
    struct sf_file_options content = {.size = sizeof content, .read_page = read_page, .name = "data"};
    struct guest guest = {0};
    struct sf_space_options options = {
        .size = sizeof options, .invalidate = invalidate, .invalidate_context = &guest};
    struct sf_machine *machine;
    struct sf_file *file;
    if (sf_machine_create(&memory, &machine) || sf_space_create(machine, &options, &guest.space) ||
        sf_file_create(machine, &content, &file))
        return 1;
    guest.arena = sf_arena_base(machine);

    /* One page more than the file has. */
    int64_t data = sf_mmap(guest.space, 0, (PAGES + 1) * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    int64_t total = sf_mmap(guest.space, 0, PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
    if (data < 0 || total < 0) return 1;
    int fault = SF_HANDLED;
    for (uint64_t i = 0; i < PAGES * PAGE; i += PAGE / 4)
        *at(&guest, (uint64_t)total, SF_WRITE, &fault) +=
            *at(&guest, (uint64_t)data + i, SF_READ, &fault);
    unsigned char sum = 0;
    sf_read(guest.space, &sum, 1, (uint64_t)total);
    printf("sum %d\n", sum);

    at(&guest, (uint64_t)data + PAGES * PAGE, SF_READ, &fault);
    printf("past the end: %s\n", fault == SF_BUS ? "SIGBUS" : "wrong");
    sf_munmap(guest.space, (uint64_t)data, (PAGES + 1) * PAGE);
    at(&guest, (uint64_t)data, SF_READ, &fault);
    printf("unmapped: %s\n", fault == SF_MAPERR && guest.invalidations > 0 ? "SIGSEGV" : "wrong");
    char text[256];
    printf("check %s\n", sf_check(guest.space, text, sizeof text) == 0 ? "ok" : text);

    sf_file_destroy(file);
    sf_space_destroy(guest.space);
    sf_machine_destroy(machine);
    return 0;
}
