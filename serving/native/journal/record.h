// What is written of a batch: its rows as they came, what the graph saw and said of them, and which of its requests are answered
// with that. docs/journal.md says where each byte stands.

#pragma once

#include "../graph.h"
#include "../rows.h"
#include "writer.h"

// A request of a batch that was joined.
typedef struct {
    size_t end;         // within the batch's rows; a request begins where the one before ends, and has none if it is not plain
    bool is_handed_on;  // its answer comes from elsewhere, though its rows are here
    Sent sent;
    unsigned char id[ID_BYTES];  // of its answer
} Joined;

// Write the batch, and draw an id for each request that is answered. May the answers leave?
bool write_answers(Writer* writer, const Settings* settings, uint32_t release, const Rows* rows, const Answer* answer,
                   Joined* requests, uint32_t count);
