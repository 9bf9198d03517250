// A request that waits for the challenger, and who may answer it: whoever claims it, once.

#pragma once

#include "../triton.h"
#include "routed.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum { TOO_LATE, FAILED_THERE, REFUSED_THERE, TOO_MANY, FALL_REASONS } FallReason;

typedef struct Task {
    struct Task *next, *next_due, *next_fallen;  // the trial's three lists: a task may be in all of them
    struct Trial* trial;
    Request* request;
    Instance* instance;
    uint64_t start_ns, due_ns, rows;  // the last: as its first tensor says
    Routed routed;
    atomic_int state, holds;
    bool success, is_late, is_refused;
} Task;

// A task's request is read by one thread: nobody can claim it meanwhile, since then it might be answered and released.
bool begin_reading(Task* task);  // false if it was claimed
void end_reading(Task* task);
bool claim(Task* task);  // true once, to one caller, who sees that it is answered

// Whoever holds a task may look at it, but not at its request: that is released by whoever claimed it, when it is answered.
void hold_task(Task* task);
void drop_task(Task* task);
void done_with_request(Task* task);  // it is answered; once

// Of a task that the caller has claimed: the challenger answered it; or it did not, and the champion shall, who
// releases it. What the champion refuses as well is no fault of the challenger.
void note_answered(Task* task);
void fall_back(Task* task, FallReason reason);

void note_no_probability(Task* task);  // the challenger's answer is none: its fuse blows
