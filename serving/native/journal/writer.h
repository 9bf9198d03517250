// Who writes to the journal: an instance of the model, and whoever else has something to say. Each has segments of its own.
//
// A writer is one thread's; the journal's own thread beside it closes segments that have grown old and commits them to the disk.

#pragma once

#include "../counters.h"
#include "frame.h"
#include "options.h"
#include "prediction_id.h"
#include "segment.h"

#include <pthread.h>
#include <stdatomic.h>

// What the writers of a model share. It outlives them.
typedef struct {
    JournalOptions options;
    Counters* counters;
    atomic_bool is_full;  // the folder holds as much as it may: nothing more is written
    char* about;          // what every segment of them says of itself, as the inside of a JSON object; NULL: none can be written
} Desk;

// What a frame holds.
typedef struct {
    uint64_t requests, rows, refused;
} Written;

typedef struct Writer {
    struct Writer* next;  // the journal's
    const Desk* desk;
    IdSource ids;
    Bytes frame;           // that the thread puts together
    pthread_mutex_t lock;  // of all below
    Segment segment;
    Bytes aside;  // frames that the writer adds by itself
    uint64_t number, again_ns, lost_requests, lost_rows;
    int64_t lost_since_ns;
    bool failing;
} Writer;

Writer* make_writer(const Desk* desk);  // NULL if there is no memory or no random bytes
void free_writer(Writer* writer);       // closes its segment

// Write the frame that is in `writer->frame`. May the answers in it leave: it is written, or they may without.
bool write_frame(Writer* writer, uint32_t kind, Written what);

// For the journal's thread: close a segment that is old, notice one that was removed, commit what was written since the last
// time.
void look_after(Writer* writer, bool commit);
