/* A C program that knows the checker by its C header alone. */

#include "store_buffering.h"

void store_buffering_left(void* memory) {
    struct store_buffering* const sb = memory;
    sfc_store(&sb->x, sizeof sb->x, 1, SFC_RELAXED, NULL);
    sb->r0 = (int)sfc_load(&sb->y, sizeof sb->y, SFC_RELAXED, NULL);
}

void store_buffering_right(void* memory) {
    struct store_buffering* const sb = memory;
    sfc_store(&sb->y, sizeof sb->y, 1, SFC_RELAXED, NULL);
    sb->r1 = (int)sfc_load(&sb->x, sizeof sb->x, SFC_RELAXED, NULL);
}
