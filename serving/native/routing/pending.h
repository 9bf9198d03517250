// How many requests were taken from Triton and are still to be released: an instance must not end before.

#pragma once

#include <pthread.h>
#include <stdint.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t none;
    uint64_t count;
} Pending;

void begin_pending(Pending* pending);
void end_pending(Pending* pending);
void add_pending(Pending* pending);
void remove_pending(Pending* pending);
void await_none_pending(Pending* pending);
