// What is written of a batch: its rows as they came, what the graph saw and said of them, and which of its requests are answered
// with that. docs/journal.md says where each byte stands.

#pragma once

#include "../graph.h"
#include "../routing/routed.h"
#include "../rows.h"
#include "writer.h"

// A request of a batch that was joined.
typedef struct {
    Request* request;    // NULL: it is not this batch's any more
    Instance* instance;  // that Triton gave it to
    struct Task* task;   // of a request that waits for the challenger; else NULL
    uint64_t start_ns;   // when it was taken from Triton
    Routed routed;
    size_t end;         // within the batch's rows; a request begins where the one before ends, and has none if it is not plain
    bool is_handed_on;  // its answer comes from elsewhere, though its rows are here
    Sent sent;
    unsigned char id[ID_BYTES];  // of its answer
} Joined;

// Who computed, and by which route: NO_ROUTE if there is none.
typedef struct {
    uint32_t number;
    uint64_t route;
} Release;

// Write the batch, and draw an id for each request that is answered; what is computed only to
// compare has the id of the answer already. May the answers leave?
bool write_answers(Writer* writer, const Settings* settings, Release release, const Rows* rows, const Answer* answer,
                   Joined* requests, uint32_t count);

// Write that something happened: a JSON object.
void write_event(Writer* writer, const char* json);
