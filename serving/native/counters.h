// What the model tells Prometheus. A batch is added up here; a thread beside the requests hands the sums on, once an interval.

#pragma once

#include "graph.h"
#include "settings.h"
#include "triton.h"

typedef struct Counters Counters;

// Triton's own objects are never deleted: those of a version that is loaded again are the same to Prometheus, and would go with
// the older ones. So a version's figures stay after it was let go.

// NULL, or why there are none (kept until the next call of this thread).
const char* open_counters(const Settings* settings, const char* model, uint64_t version, Counters** counters);
void close_counters(Counters* counters);  // hands on what is left

// Rows `start` to `end` of an answer went to a client. Called from any thread.
void count_answered(Counters* counters, const Answer* answer, size_t start, size_t end);
void count_overloaded(Counters* counters, uint64_t requests);
void count_failed(Counters* counters, uint64_t requests);
void count_refused_for_journal(Counters* counters, uint64_t requests);  // they would have been answered, could they be written

// Answers that are in the journal, and those that are not though they may have left.
void count_journalled(Counters* counters, uint64_t requests, uint64_t rows, uint64_t bytes);
void begin_loss_at_zero(Counters* counters);  // from now on it is said that there is none
void count_lost(Counters* counters, uint64_t requests, uint64_t rows);
