/* Store buffering, run by the engine: which of the four outcomes of
 *     x = 1; r0 = y  |  y = 1; r1 = x
 * it finds. The two bodies come from the program that includes this. */
#ifndef STORE_BUFFERING_H
#define STORE_BUFFERING_H

#include <stdio.h>

#include "surefoot/checker/engine.h"

struct store_buffering {
    int x, y, r0, r1;
};

void store_buffering_left(void* shared);
void store_buffering_right(void* shared);

static struct store_buffering* shared;
static unsigned found[4]; /* by 2 * r0 + r1 */

static void set_up(void* context) {
    (void)context;
    shared = sfc_alloc(sizeof *shared, sizeof(long), NULL);
    *shared = (struct store_buffering){.r0 = 2, .r1 = 2};
    sfc_spawn(store_buffering_left, shared, SFC_ANY_CPU, "left");
    sfc_spawn(store_buffering_right, shared, SFC_ANY_CPU, "right");
}

static void count_outcome(void* context) {
    (void)context;
    ++found[2 * shared->r0 + shared->r1];
}

static int expect_outcomes(sfc_model model, const char* name, unsigned both_zero) {
    const sfc_program program = {.name = "SB", .setup = set_up, .finish = count_outcome};
    sfc_options options = sfc_default_options();
    sfc_result result;
    options.model = model;
    for (int i = 0; i < 4; ++i)
        found[i] = 0;
    sfc_run(&program, &options, &result);
    const int right = result.verdict == SFC_HOLDS && result.complete == 3 + both_zero &&
                      found[0] == both_zero && found[1] == 1 && found[2] == 1 && found[3] == 1;
    printf("%s: %s, 0,0 %u times, 0,1 %u, 1,0 %u, 1,1 %u %s\n", name, right ? "right" : "WRONG",
           found[0], found[1], found[2], found[3], result.message);
    sfc_result_free(&result);
    return right;
}

int main(void) {
    const int sc = expect_outcomes(SFC_SC, "sc", 0);
    const int tso = expect_outcomes(SFC_TSO, "tso", 1);
    return sc && tso ? 0 : 1;
}

#endif
