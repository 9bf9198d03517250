// Do more requests wait for the model than may: then batches are refused instead of being answered ever later. Why Triton's own
// limit of a queue is not used, and how this one works, is told in serving/triton/backlog.py, which does the same.

#pragma once

#include "settings.h"
#include "triton.h"

typedef struct Backlog Backlog;

// What an instance did since its last batch began, and how long it may still refuse. Begins as zeros; one thread's.
typedef struct {
    uint64_t since_ns;
    int64_t left_ns;
    bool refused;
} Turn;

// NULL, or why the waiting requests cannot be counted. To be called when Triton has set the model up: for its first instance.
const char* open_backlog(const Settings* settings, Server* server, const char* model, uint64_t version, Backlog** backlog);
void close_backlog(Backlog* backlog);

// Shall the batch that begins now be refused, all of it. Cheap, and called from any thread.
bool too_long(const Backlog* backlog, Turn* turn, uint64_t now_ns);
