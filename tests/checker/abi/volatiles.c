/* A C program that does not know the checker: its two tasks are compiled with -fsanitize=thread,
 * which announces their accesses. */

#include "store_buffering.h"

void store_buffering_left(void* memory) {
    struct store_buffering* const sb = memory;
    *(volatile int*)&sb->x = 1;
    sb->r0 = *(volatile int*)&sb->y;
}

void store_buffering_right(void* memory) {
    struct store_buffering* const sb = memory;
    *(volatile int*)&sb->y = 1;
    sb->r1 = *(volatile int*)&sb->x;
}
