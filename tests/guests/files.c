// Files: copying, descriptors, directories, links, pipes; and the errors that Linux gives.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/// Never mapped; volatile, so that the compiler does not know it.
static char *volatile nowhere = (char *)16;

static void show(const char *what, long result) {
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

static void test_copy(void) {
    int out = open("big", O_RDWR | O_CREAT | O_TRUNC, 0644);
    static char block[300000];
    for (size_t i = 0; i < sizeof block; ++i) block[i] = (char)(i * 7);
    for (int i = 0; i < 5; ++i) show("write", write(out, block, sizeof block));
    lseek(out, 0, SEEK_SET);
    int copy = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    static char buffer[70000];
    long total = 0, n;
    while ((n = read(out, buffer, sizeof buffer)) > 0) total += write(copy, buffer, (size_t)n);
    printf("copied %ld, end %ld\n", total, (long)lseek(copy, 0, SEEK_END));
    struct iovec v[3] = {{buffer, 10}, {buffer + 100, 0}, {buffer + 200, 20}};
    lseek(copy, 0, SEEK_SET);
    show("readv", readv(copy, v, 3));
    printf("bytes %d %d\n", buffer[9], buffer[219]);
    show("pread", pread(copy, buffer, 100, 1499990));
    show("pwrite", pwrite(copy, "xyz", 3, 1500000));
    struct stat status;
    fstat(copy, &status);
    printf("size %ld mode %o\n", (long)status.st_size, status.st_mode);
    show("ftruncate", ftruncate(copy, 10));
    show("rename", rename("copy", "moved"));
    show("stat of the old name", stat("copy", &status));
    show("access", access("moved", R_OK));
    close(out);
    close(copy);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void test_directory(void) {
    show("mkdir", mkdir("sub", 0755));
    show("mkdir again", mkdir("sub", 0755));
    show("symlink", symlink("big", "link"));
    char target[100] = {0};
    show("readlink", readlink("link", target, sizeof target));
    puts(target);
    DIR *directory = opendir(".");
    char *names[20];
    int count = 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;) names[count++] = strdup(e->d_name);
    closedir(directory);
    qsort(names, (size_t)count, sizeof *names, by_name);
    for (int i = 0; i < count; ++i) puts(names[i]);
    show("chdir", chdir("sub"));
    char *path = getcwd(NULL, 0);
    puts(strrchr(path, '/'));
    show("chdir back", chdir(".."));
    show("rmdir", rmdir("sub"));
    show("unlink", unlink("link") | unlink("big") | unlink("moved"));
}

static void test_descriptors(void) {
    int fds[2];
    show("pipe", pipe(fds));
    printf("numbers %d %d\n", fds[0], fds[1]);
    int copy = dup(fds[0]);
    int high = fcntl(fds[1], F_DUPFD_CLOEXEC, 100);
    printf("dup %d, from 100 %d, flags %d %d\n", copy, high, fcntl(copy, F_GETFD), fcntl(high, F_GETFD));
    show("dup2", dup2(fds[1], 50));
    show("dup2 of a closed one", dup2(77, 51));
    show("write", write(50, "hello", 5));
    struct pollfd p[2] = {{copy, POLLIN, 0}, {99, POLLIN, 0}};
    show("poll", poll(p, 2, 0));
    printf("events %x %x\n", p[0].revents, p[1].revents);
    char buffer[10] = {0};
    show("read", read(copy, buffer, sizeof buffer));
    puts(buffer);
    fcntl(copy, F_SETFL, O_NONBLOCK);
    show("empty", read(copy, buffer, sizeof buffer));
    show("bad descriptor", read(1000, buffer, 1));
    show("negative", read(-1, buffer, 1));
    show("bad buffer", write(fds[1], nowhere, 5));
    show("read of a write end", read(fds[1], buffer, 1));
    show("no such file", open("/nonexistent/file", O_RDONLY));
    show("bad path", open(nowhere, O_RDONLY));
    show("close", close(copy));
    show("close again", close(copy));
    show("seek in a pipe", lseek(fds[0], 0, SEEK_SET));
    close(fds[1]);
    close(high);
    close(50);
    show("end of file", read(fds[0], buffer, 1));
    FILE *self = fopen("/proc/self/cmdline", "r");
    show("cmdline", self != NULL && fgets(buffer, sizeof buffer, self) != NULL);
    show("isatty", isatty(fds[0]));
}

int main(void) {
    char directory[] = "/tmp/surefoot-files-XXXXXX";
    if (mkdtemp(directory) == NULL || chdir(directory) != 0) return 1;
    test_copy();
    test_directory();
    test_descriptors();
    return chdir("/") == 0 ? rmdir(directory) : 1;
}
