// One batch of a release: its plain requests joined into one call of the graph, each request's share of the answer, and what
// becomes of those that are not plain.

#pragma once

#include "routing/arm.h"

// Who answers, and how. Made anew for each batch.
typedef struct {
    Arm* arm;
    Worker* worker;         // borrowed of the arm
    uint64_t route;         // digest of the route, or NO_ROUTE
    const char* open;       // the releases that may be asked for
    struct Shadow* shadow;  // whom the answers are shown to, NULL: nobody
    uint64_t start_ns;
    uint32_t count;
    bool is_warm_up;       // nobody's requests: neither counted nor written down
    const Answer* answer;  // while it is there
    struct Item* shown;    // what is to be computed by the champion too; see pair_batch
    uint64_t graph_ns;     // of the thread's time, that it took; measured if there is a `shadow`
} Batch;

// Begin with room for `count` requests; false if there is no memory.
bool begin_batch(Batch* batch, uint32_t count);

// Take a request to the batch. A task is claimed when its answer is there; the batch holds it until then.
void add_to_batch(Batch* batch, Request* request, Instance* instance, const Routed* routed, Task* task, uint64_t start_ns);

// Answer and release all, now or, those that are not plain, later. Of tasks: those that can be claimed.
void answer_batch(Batch* batch);

void refuse_all(Batch* batch, const char* rule, int code, const char* text);  // all that were taken to it
