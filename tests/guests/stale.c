// Changes a page that it has written, then looks whether the processor still uses the old mapping.
// Exit status: 0 no, 1 yes. What a stale mapping shows is of no account: the frame may be anybody's.
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum { kPage = 4096 };

static sigjmp_buf faulted;

static void on_fault(int signal) { siglongjmp(faulted, signal); }

/* -1 if the page is not there. */
static int load(volatile char *page) {
    return sigsetjmp(faulted, 1) == 0 ? *(volatile unsigned char *)page : -1;
}

static int can_store(volatile char *page) {
    if (sigsetjmp(faulted, 1) != 0) return 0;
    *page = 42;
    return 1;
}

int main(int argc, char **argv) {
    const char *operation = argc > 1 ? argv[1] : "";
    signal(SIGSEGV, on_fault);
    char *page = mmap(NULL, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || !can_store(page) || load(page) != 42) return 2;
    if (strcmp(operation, "munmap") == 0) return munmap(page, kPage) != 0 ? 2 : load(page) >= 0;
    if (strcmp(operation, "mprotect") == 0) {
        return mprotect(page, kPage, PROT_READ) != 0 ? 2 : can_store(page);
    }
    if (strcmp(operation, "dontneed") == 0) {
        return madvise(page, kPage, MADV_DONTNEED) != 0 ? 2 : load(page) != 0;
    }
    return 2;
}
