// Four threads: mutex, condition, barrier, thread-local data, timed waits, many short threads.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kThreads = 4, kRounds = 20000, kItems = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, produced, consumed, sum;
static atomic_long atomic_counter;
static __thread long mine;

static void *work(void *argument) {
    long number = (long)argument;
    for (int i = 0; i < kRounds; ++i) {
        pthread_mutex_lock(&lock);
        ++counter;
        pthread_mutex_unlock(&lock);
        atomic_fetch_add(&atomic_counter, 1);
        ++mine;
    }
    pthread_barrier_wait(&barrier);
    char *memory = malloc(100000);
    for (int i = 0; i < 100000; ++i) memory[i] = (char)(i * number);
    long check = 0;
    for (int i = 0; i < 100000; ++i) check += memory[i];
    free(memory);
    pthread_barrier_wait(&barrier);
    return (void *)(mine + (check == 0 ? 0 : 0));
}

static void *produce(void *argument) {
    (void)argument;
    for (int i = 1; i <= kItems; ++i) {
        pthread_mutex_lock(&lock);
        while (produced != consumed) pthread_cond_wait(&changed, &lock);
        sum += i;
        ++produced;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *consume(void *argument) {
    (void)argument;
    for (int i = 1; i <= kItems; ++i) {
        pthread_mutex_lock(&lock);
        while (produced == consumed) pthread_cond_wait(&changed, &lock);
        ++consumed;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *nothing(void *argument) { return argument; }

int main(void) {
    pthread_t threads[kThreads];
    pthread_barrier_init(&barrier, NULL, kThreads);
    for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < kThreads; ++i) {
        void *result;
        pthread_join(threads[i], &result);
        printf("thread %d did %ld\n", i, (long)result);
    }
    printf("counters %ld %ld, main's own %ld\n", counter, (long)atomic_counter, mine);

    pthread_create(&threads[0], NULL, produce, NULL);
    pthread_create(&threads[1], NULL, consume, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    printf("produced %ld consumed %ld sum %ld\n", produced, consumed, sum);

    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 3000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_nsec -= 1000000000;
        ++when.tv_sec;
    }
    pthread_mutex_lock(&lock);
    int result = pthread_cond_timedwait(&changed, &lock, &when);
    printf("timed wait: %s\n", result == ETIMEDOUT ? "timed out" : "something else");
    pthread_mutex_unlock(&lock);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    printf("semaphore: %d", sem_timedwait(&semaphore, &when));
    printf(" %s\n", errno == ETIMEDOUT ? "timed out" : "something else");

    long joined = 0;
    for (long i = 0; i < 200; ++i) {
        void *value;
        if (pthread_create(&threads[0], NULL, nothing, (void *)i) != 0) break;
        pthread_join(threads[0], &value);
        joined += (long)value == i;
    }
    printf("joined %ld short threads\n", joined);

    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    static pthread_mutex_t robust;
    pthread_mutex_init(&robust, &attributes);
    pthread_create(&threads[0], NULL, (void *(*)(void *))pthread_mutex_lock, &robust);
    pthread_join(threads[0], NULL);
    result = pthread_mutex_lock(&robust);
    printf("robust: %s\n", result == EOWNERDEAD ? "owner died" : "something else");
    return 0;
}
