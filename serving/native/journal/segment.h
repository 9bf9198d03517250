// One file of the journal: opened under a lock, appended to, closed. It is its writer's; the caller sees to it that one thread
// uses it at a time.

#pragma once

#include "bytes.h"
#include "options.h"

#include <sys/uio.h>

enum { SEGMENT_NAME = 80 };

// What was written to it. Begins with `file` at -1: none is open.
typedef struct {
    int file;
    bool is_dirty, is_new;  // since the last commit to the disk: bytes, its name
    uint64_t size, frames, requests, rows, refused;
    uint64_t opened_ns;  // of the clock by which Triton measures
} Segment;

// Make `folder`/segments/`name` with these first bytes. It gets its name when its lock is held and they are in it: whoever sees
// a segment whose lock is free may read it to its end. NULL, or a sentence (kept until the next call of this thread).
const char* open_segment(Segment* segment, const char* folder, const char* name, const Bytes* first, uint64_t now_ns);

// Append all of it or nothing: what was written in part is cut off again. If that fails too, the segment is closed as it is.
const char* append(Segment* segment, struct iovec* pieces, int count);

bool is_removed(const Segment* segment);  // has it no name any more
void close_segment(Segment* segment);
