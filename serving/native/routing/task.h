// A request that waits for the challenger, and who may answer it: whoever claims it, once.

#pragma once

#include "../triton.h"
#include "routed.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum { TOO_LATE, FAILED_THERE, REFUSED_THERE, TOO_MANY, FALL_REASONS } FallReason;

typedef struct Task {
    struct Task *next, *next_due;  // the trial's
    struct Trial* trial;
    Request* request;
    Instance* instance;
    uint64_t start_ns, due_ns;
    Routed routed;
    atomic_int state, holds;
    bool success;
} Task;

// A task is read by one thread: nobody can claim it meanwhile, since then its request might be released.
bool begin_reading(Task* task);  // false if it was claimed
void end_reading(Task* task);
bool claim(Task* task);  // true once, to one caller, who sees that it is answered

void hold_task(Task* task);
void drop_task(Task* task);  // the last one releases the request

// Of a task that the caller has claimed: the challenger answered it; or it did not, and the champion shall.
void note_answered(Task* task);
void fall_back(Task* task, FallReason reason);

void note_no_probability(Task* task);  // the challenger's answer is none: its fuse blows
