// A thread that rests until something happens or some time has passed, by a clock that nobody sets.

#pragma once

#include <pthread.h>
#include <stdint.h>

void make_condition(pthread_cond_t* condition);
void rest_on(pthread_cond_t* condition, pthread_mutex_t* lock, uint64_t most_ns);  // `lock` is held
