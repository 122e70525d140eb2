/* quiet_exec PROGRAM ARGS...: runs a program where only what it does itself decides about its
 * address space: no randomisation, no huge pages of the kernel's own accord, fixed limits, and
 * without the privileges that hide the limits (CAP_IPC_LOCK, CAP_SYS_RAWIO). The program finds a
 * file of a few hundred pages at MEMOPS_READABLE. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memops_port.h"

/* In memory: pages of a file on a disk leave the kernel's cache at any time, and mincore says so. */
static int lend_file(void) {
    enum { kWords = 400 * 512 + 100 }; /* the last page is a part of one */
    const int file = memfd_create("memops", 0);
    for (uint64_t i = 0; i < kWords; ++i) {
        const uint64_t word = i * 0x9e3779b97f4a7c15ULL;
        if (write(file, &word, sizeof word) != sizeof word) return -1;
    }
    return dup2(file, MEMOPS_READABLE) == MEMOPS_READABLE && close(file) == 0 ? 0 : -1;
}

static void limit(int resource, rlim_t most) {
    struct rlimit l;
    getrlimit((__rlimit_resource_t)resource, &l);
    l.rlim_cur = l.rlim_max < most ? l.rlim_max : most;
    setrlimit((__rlimit_resource_t)resource, &l);
}

static int drop(unsigned capability) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}};
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    const unsigned bit = 1U << capability;
    if ((data[0].permitted & bit) == 0) return 0;
    // What a program of the superuser gets comes from the bounding set.
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    data[0].permitted &= ~bit;
    data[0].effective &= ~bit;
    data[0].inheritable &= ~bit;
    return (int)syscall(SYS_capset, &header, data);
}

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    limit(RLIMIT_STACK, 8UL << 20);
    struct rlimit lock = {1UL << 30, 1UL << 30};
    if (setrlimit(RLIMIT_MEMLOCK, &lock) != 0) limit(RLIMIT_MEMLOCK, 1UL << 30);
    if (lend_file() != 0 || drop(CAP_IPC_LOCK) != 0 || drop(CAP_SYS_RAWIO) != 0 ||
        personality(ADDR_NO_RANDOMIZE) == -1 || prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) {
        perror("quiet_exec");
        return 125;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
