// Four threads that work on memory of their own: numbers are made, sorted and summed, small blocks
// come and go.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kThreads = 4, kRounds = 8, kNumbers = 200000, kBlocks = 2000 };

static int compare(const void *left, const void *right) {
    const unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

static unsigned long use_blocks(const unsigned *numbers) {
    unsigned char *blocks[kBlocks];
    unsigned long sum = 0;
    for (int i = 0; i < kBlocks; ++i) {
        blocks[i] = malloc(16 + (numbers[i] & 255));
        memset(blocks[i], i, 16);
    }
    for (int i = 0; i < kBlocks; ++i) {
        sum += blocks[i][15];
        free(blocks[i]);
    }
    return sum;
}

static void *work(void *argument) {
    unsigned long *const result = argument;
    unsigned state = (unsigned)*result;
    unsigned long sum = 0;
    for (int round = 0; round < kRounds; ++round) {
        unsigned *numbers = malloc(kNumbers * sizeof *numbers);
        for (int i = 0; i < kNumbers; ++i) {
            state = state * 1103515245 + 12345;
            numbers[i] = state >> 8;
        }
        qsort(numbers, kNumbers, sizeof *numbers, compare);
        for (int i = 0; i < kNumbers; ++i) sum = sum * 31 + numbers[i];
        sum += use_blocks(numbers);
        free(numbers);
    }
    *result = sum;
    return NULL;
}

int main(void) {
    pthread_t threads[kThreads];
    unsigned long results[kThreads];
    for (unsigned long i = 0; i < kThreads; ++i) {
        results[i] = i + 1;
        if (pthread_create(&threads[i], NULL, work, &results[i]) != 0) return 1;
    }
    for (int i = 0; i < kThreads; ++i) {
        pthread_join(threads[i], NULL);
        printf("%d %lu\n", i, results[i]);
    }
    return 0;
}
