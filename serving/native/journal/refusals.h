// That requests are not answered: when, why, how large they were, and nothing of what was in them.

#pragma once

#include "../triton.h"
#include "writer.h"

// A request that is not answered.
typedef struct {
    const char *rule, *id;  // what it broke, a word; the client's own id of it
    uint64_t bytes;         // of all its tensors
    uint32_t rows;          // 0 if that is not known
} Unanswered;

Unanswered describe_unanswered(Request* request, const char* rule);

// Those of a batch in one frame: begin, add each, write.
void begin_refusals(Writer* writer);
void add_refusal(Writer* writer, uint32_t release, const Unanswered* request);
void write_refusals(Writer* writer, uint64_t count);
