// What the careful model's callers are made of, for the files that they are made of.

#pragma once

#include "careful.h"
#include "relay.h"

#include <pthread.h>

struct Careful {
    Server* server;
    Counters* counters;
    Journal* journal;
    Writer* writer;  // NULL: no journal is kept; `lock` is held while it is used
    Allocator* allocator;
    Pending* pending;
    int64_t version;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    uint64_t under_way;
};

// A request that was handed over. It ends twice, in any order: Triton says of an answer that it is the last, which may be one
// more than the one with the content, or none, and it gives back the inner request.
struct Call {
    Careful* careful;
    Handed handed;
    InnerRequest* inner;  // until it begins
    Call* shown;          // what begins when this one was answered; NULL: nothing
    Bytes copies[MOST_COPIES];
    char id[33];  // of the answer
    bool is_shown, sent, success;
    int left;  // of the two ends
};
