// The challenger's own threads: requests wait for them no longer than the route says; then, and whenever the challenger gives no
// answer that may leave, the champion answers. So nothing that the challenger does holds up who did not ask it.

#pragma once

#include "table.h"
#include "task.h"

typedef struct Trial Trial;

// NULL, or why there is none. `threads` compute.
const char* open_trial(Table* table, unsigned threads, Trial** trial);

// Its tasks are done: end its threads. False as long as one of them is in the graph; to be called again then, and nothing that it
// uses may be closed before.
bool close_trial(Trial* trial);

// Hand a request over; false if there is no memory, and it stays the caller's. Called from any thread.
bool offer(Trial* trial, Request* request, Instance* instance, const Routed* routed, uint64_t start_ns);

// All that wait fall back at once.
void end_trial(Trial* trial);
