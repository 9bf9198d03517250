// The journal of a model: its writers, and the thread that looks after their segments.

#pragma once

#include "writer.h"

typedef struct Journal Journal;

// What every segment says of who wrote it. `graph` is the sha-256 of the graph's file in hexadecimal digits. `schema` is the JSON
// of `journal.json`, which the export writes; NULL if the model was exported before there was a journal: then nothing can be
// written.
typedef struct {
    const char *model, *schema, *onnxruntime, *graph;
    uint64_t release;
    uint32_t threads;
} About;

// The journal that the environment asks for; NULL in `journal` if it asks for none. NULL, or a sentence that says why it cannot
// be kept (kept until the next call of this thread).
const char* open_journal(const About* about, Counters* counters, Journal** journal);
void close_journal(Journal* journal);  // its writers are gone; NULL is none

// A writer of the journal; NULL if there is no memory. Called from any thread, as the other.
Writer* add_writer(Journal* journal);
void remove_writer(Journal* journal, Writer* writer);
