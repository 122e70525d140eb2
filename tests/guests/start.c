// What a program finds when it starts: arguments, environment, auxiliary vector, stack.
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
static int in_data = 5;
static int in_bss[5000];

int main(int argc, char **argv) {
    for (int i = 0; i < argc; ++i) printf("argument %d: %s\n", i, argv[i]);
    printf("end of arguments: %d\n", argv[argc] == NULL);
    for (char **e = environ; *e != NULL; ++e) {
        if (strncmp(*e, "GUEST_", 6) == 0) printf("environment: %s\n", *e);
    }
    printf("page size %lu, clock ticks %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK));
    printf("headers %lu x %lu\n", getauxval(AT_PHENT), getauxval(AT_PHNUM));
    printf("platform %s, file %s\n", (char *)getauxval(AT_PLATFORM),
           (char *)getauxval(AT_EXECFN));
    printf("ids %d %d, secure %lu\n", getauxval(AT_UID) == getuid(), getauxval(AT_GID) == getgid(),
           getauxval(AT_SECURE));
    printf("capabilities %lx %lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
    const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
    int different = 0;
    for (int i = 1; i < 16; ++i) different |= random[i] != random[0];
    printf("random bytes differ: %d\n", different);
    printf("argv above argc and aligned: %d\n", (((uintptr_t)argv - 8) & 15) == 0);
    int sum = 0;
    for (int i = 0; i < 5000; ++i) sum += in_bss[i];
    printf("data %d bss %d\n", in_data, sum);
    return 0;
}
