// Memory and threads that can be refused: the linker puts these in the place of the real ones (--wrap).

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

static _Thread_local int steps_left;
static _Thread_local bool failed, is_exempt;
static atomic_int elsewhere_left;
static atomic_bool failed_elsewhere;

void fail_at(int n) { steps_left = n, failed = false; }
bool has_failed(void) { return failed; }

void fail_elsewhere_at(int n) {
    is_exempt = true;
    failed_elsewhere = false;
    elsewhere_left = n;
}
bool has_failed_elsewhere(void) { return failed_elsewhere; }

bool fails(void) {
    if (!is_exempt && elsewhere_left > 0 && atomic_fetch_sub(&elsewhere_left, 1) == 1) return failed_elsewhere = true;
    if (!steps_left || --steps_left) return false;
    return failed = true;
}

void* __real_malloc(size_t bytes);
void* __real_calloc(size_t count, size_t bytes);
void* __real_realloc(void* memory, size_t bytes);
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* user);

void* a_block(size_t bytes) {
    void* block = __real_calloc(1, bytes ? bytes : 1);
    CHECK(block);
    return block;
}

void* __wrap_malloc(size_t bytes) { return fails() ? NULL : __real_malloc(bytes); }
void* __wrap_calloc(size_t count, size_t bytes) { return fails() ? NULL : __real_calloc(count, bytes); }
void* __wrap_realloc(void* memory, size_t bytes) { return fails() ? NULL : __real_realloc(memory, bytes); }

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* user) {
    return fails() ? 11 : __real_pthread_create(thread, attributes, run, user);
}
