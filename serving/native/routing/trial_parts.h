// What a trial is made of, for the files that it is made of.

#pragma once

#include "trial.h"

#include <pthread.h>

enum { MOST_THREADS = 8 };
enum { OPEN, READING, CLAIMED };  // state of a task

struct Trial {
    Table* table;
    pthread_mutex_t lock;
    pthread_cond_t work, tick;     // for the threads that compute; for the one that keeps time
    Task *waiting, **waiting_end;  // for the challenger
    Task *due, **due_end;          // all, in the order in which they have to be done; each held for that
    Task *fallen, **fallen_end;    // for the champion; held
    uint64_t waiting_count, waiting_rows;
    atomic_bool is_over;
    bool is_closing;
    unsigned threads_count, ended;
    pthread_t thread[MOST_THREADS], keeper;
};

int try_to_claim(Task* task);  // the state before; it was claimed if that was OPEN
