// An arm: a release of the store, opened beside others to answer requests, and closed as a whole.

#pragma once

#include "../careful/careful.h"
#include "../counters.h"
#include "../graph.h"
#include "../journal/journal.h"
#include "../journal/record.h"
#include "../rows.h"
#include "../settings.h"
#include "../triton.h"
#include "layout.h"
#include "pending.h"

// What a thread needs to answer a batch with a release; lent by the release, one thread's at a time.
typedef struct Worker {
    struct Worker* next;
    Rows rows;
    Joined* joined;  // the requests of the batch
    size_t joined_room;
    Writer* writer;  // NULL: no journal is kept
} Worker;

typedef struct {
    Settings settings;
    Graph* graph;
    Counters* counters;
    Careful* careful;
    Journal* journal;         // NULL: none is kept
    char* schema;             // journal.json; NULL if the release was exported before there was a journal
    Layout* layout;           // where it finds its columns in requests; NULL: where they are
    const char* declaration;  // the one that requests may say: that of the release that Triton loaded
    int64_t version;
    bool is_stopped;       // its graph does not answer any more; the door's thread's
    pthread_mutex_t lock;  // of `idle`
    Worker* idle;
} Arm;

// Where a release is, and what it shares with the others.
typedef struct {
    const char *model, *repository;  // name of the model, and its folder
    Server* server;
    Pending* pending;
    const Arm* own;  // the release that Triton loaded, for which requests are made; NULL: this is it
} Place;

// NULL, or a sentence that says why there is no such arm (kept until the next call of this thread).
const char* open_arm(const Place* place, int64_t version, Arm** arm);
void close_arm(Arm* arm);  // nobody uses it any more; NULL is none

Form form_of(const Arm* arm);

Worker* take_worker(Arm* arm);  // NULL if there is no memory; called from any thread, as the other
void give_back_worker(Arm* arm, Worker* worker);
