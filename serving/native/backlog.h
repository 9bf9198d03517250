// Do more requests wait for the model than may: then it refuses them instead of answering ever later. Why Triton's own
// limit of a queue is not used, and how this one works, is told in serving/triton/backlog.py, which does the same.

#pragma once

#include "settings.h"
#include "triton.h"

#include <stddef.h>

typedef struct Backlog Backlog;

// NULL, or why there is none.
const char* open_backlog(const Settings* settings, Server* server, const char* model, Backlog** backlog);
void close_backlog(Backlog* backlog);

// Shall this batch be refused: so many requests, so many rows together, the largest request of so many. Cheap.
bool too_long(Backlog* backlog, size_t requests, size_t rows, size_t largest);
