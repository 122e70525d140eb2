// The files of the own process in /proc, by every spelling that Linux resolves to them. `refused`:
// those that surefoot refuses.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const refused[] = {"mem", "pagemap", "clear_refs", "smaps_rollup", "auxv", "numa_maps",
                                      "syscall", "stack", "map_files"};

/// Opens `name` of the own process in a certain way.
static int open_as(const char *way, const char *name) {
    char path[200];
    int folder = AT_FDCWD;
    if (strcmp(way, "descriptor") == 0) {
        folder = open("/proc/self", O_RDONLY | O_DIRECTORY);
        snprintf(path, sizeof path, "%s", name);
    } else if (strcmp(way, "directory") == 0) {
        if (chdir("/proc/self") != 0) return -1;
        snprintf(path, sizeof path, "%s", name);
    } else if (strcmp(way, "link") == 0 || strcmp(way, "relative link") == 0) {
        char target[200];
        const char *up = strcmp(way, "link") == 0 ? "" : "../..";
        snprintf(target, sizeof target, "%s/proc/self/%s", up, name);
        unlink("link");
        if (symlink(target, "link") != 0) return -1;
        snprintf(path, sizeof path, "link");
    } else if (strcmp(way, "number") == 0) {
        snprintf(path, sizeof path, "/proc/%d/%s", (int)getpid(), name);
    } else {
        snprintf(path, sizeof path, "%s/%s", way, name);
    }
    const int fd = openat(folder, path, O_RDONLY);
    const int error = errno;
    if (folder >= 0) close(folder);
    errno = error;
    return fd;
}

static const char *const ways[] = {"/proc/self",   "/proc/thread-self", "/proc/self/cwd/proc/self",
                                   "/proc//./self", "/proc/self/task/../../self", "descriptor",
                                   "directory",    "link",              "relative link", "number"};
static char scratch[] = "/tmp/surefoot-proc-XXXXXX";

static int open_way(const char *way, const char *name) {
    if (chdir(strstr(way, "cwd") != NULL ? "/" : scratch) != 0) return -1;
    return open_as(way, name);
}

static void show_text(const char *way, const char *name) {
    char text[200] = {0};
    const int fd = open_way(way, name);
    const long n = read(fd, text, sizeof text - 1);
    for (long i = 0; i < n; ++i)
        if (text[i] == 0) text[i] = ' ';
    // What follows the name of `stat` changes from run to run, as does the number before it.
    char *const end = strchr(text, ')');
    if (end != NULL) end[1] = 0;
    printf("%s %s: %s\n", way, name, end != NULL ? strchr(text, '(') : text);
    close(fd);
}

static int maps_have(const char *way, const void *address) {
    const int fd = open_way(way, "maps");
    FILE *const file = fd < 0 ? NULL : fdopen(fd, "r");
    unsigned long start, end;
    int found = 0;
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%lx-%lx", &start, &end) == 2)
            found |= start <= (unsigned long)address && (unsigned long)address < end;
    if (file != NULL) fclose(file);
    return found;
}

/// The widest name of smaps.
static void show_smaps_line(void) {
    FILE *const file = fopen("/proc/self/smaps", "r");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Private_Hugetlb:", 16) == 0) break;
    printf("smaps: %s", line);
    if (file != NULL) fclose(file);
}

static void show_exe(const char *way, const struct stat *self) {
    struct stat status = {0};
    const int fd = open_way(way, "exe");
    printf("%s exe: %s\n", way,
           fstat(fd, &status) == 0 && status.st_ino == self->st_ino ? "this program" : "another");
    close(fd);
}

static void show_descriptors(void) {
    char text[10] = {0}, path[30], target[100] = {0};
    chdir(scratch);
    const int first = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    const int fd = fcntl(first, F_DUPFD, 200);
    printf("write %ld\n", (long)write(fd, "file", 4));
    const char *const places[] = {"/proc/self/fd", "/dev/fd", "/proc/thread-self/fd", "."};
    for (int i = 0; i < 4; ++i) {
        if (i == 3) chdir("/proc/self/fd");
        snprintf(path, sizeof path, "%s/%d", places[i], fd);
        memset(text, 0, sizeof text);
        const long n = read(open(path, O_RDONLY), text, sizeof text - 1);
        printf("%s: %ld %s\n", path, n, text);
        printf("link: %d\n", readlink(path, target, sizeof target - 1) > 0 &&
                                 strcmp(strrchr(target, '/'), "/file") == 0);
        snprintf(path, sizeof path, "%s/%d", places[i], 777);
        const int closed = open(path, O_RDONLY);
        printf("closed: %d %s\n", closed, strerror(errno));
    }
    chdir(scratch);
    memset(target, 0, sizeof target);
    printf("%ld ", (long)readlink("/dev/stdin", target, sizeof target - 1));
    puts(target);
    unlink("file");
}

int main(int argc, char **argv) {
    struct stat self, link;
    if (stat(argv[0], &self) != 0 || mkdtemp(scratch) == NULL) return 1;
    if (argc > 1 && strcmp(argv[1], "refused") == 0) {
        for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i)
            for (size_t w = 0; w < sizeof ways / sizeof *ways; ++w) {
                const int fd = open_way(ways[w], refused[i]);
                if (fd >= 0 || errno != EACCES) printf("%s %s: %d\n", ways[w], refused[i], fd);
            }
        puts("all refused");
    } else {
        for (size_t w = 0; w < sizeof ways / sizeof *ways; ++w) {
            show_text(ways[w], "cmdline");
            show_text(ways[w], "comm");
            show_text(ways[w], "stat");
            printf("%s maps: %d %d\n", ways[w], maps_have(ways[w], (void *)main),
                   maps_have(ways[w], &self));
            show_exe(ways[w], &self);
        }
        open_way("link", "maps");
        printf("lstat %d: ", lstat("link", &link));
        printf("a link %d\n", S_ISLNK(link.st_mode));
        printf("no follow %d ", open("link", O_RDONLY | O_NOFOLLOW));
        puts(strerror(errno));
        show_smaps_line();
        show_descriptors();
    }
    chdir(scratch);
    unlink("link");
    chdir("/");
    return rmdir(scratch);
}
