#include "waiting.h"

#include <time.h>

void make_condition(pthread_cond_t* condition) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void rest_on(pthread_cond_t* condition, pthread_mutex_t* lock, uint64_t most_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(most_ns / 1000000000), until.tv_nsec += (long)(most_ns % 1000000000);
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    pthread_cond_timedwait(condition, lock, &until);
}
