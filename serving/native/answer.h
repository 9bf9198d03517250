// One batch: which of its requests are plain, the graph's answer to those, and each request's share of it.

#pragma once

#include "backlog.h"
#include "careful.h"
#include "counters.h"
#include "graph.h"
#include "journal/journal.h"
#include "journal/record.h"
#include "rows.h"
#include "settings.h"
#include "triton.h"

// What the instances of a model share.
typedef struct {
    Settings settings;
    Graph* graph;
    Counters* counters;
    Backlog* backlog;
    Careful* careful;
    Journal* journal;  // NULL: none is kept
    int64_t version;
} Shared;

// What an instance has for itself. `warmups_left`: Triton runs each warm-up sample as one batch, before anything else;
// they are nobody's requests.
typedef struct {
    Shared* shared;
    Turn turn;
    Rows rows;
    Joined* joined;  // the requests of the batch
    size_t joined_room;
    Writer* writer;  // NULL: no journal is kept
    uint32_t warmups_left;
} Worker;

// Answer and release all requests, now or, those that are not plain, later.
void answer_batch(Worker* worker, Instance* instance, Request** requests, uint32_t count);
