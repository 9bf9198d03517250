// How the journal is kept: what the server says in the environment variable ADCLICK_JOURNAL (serving/triton/environment.py).

#pragma once

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_VARIABLE "ADCLICK_JOURNAL"
enum { FOLDER_SIZE = 1024 };

// serving.journal of params.yaml.
typedef struct {
    uint64_t segment_bytes;  // a segment that has so many is closed
    double segment_s;        // and one that was opened so long ago
    uint32_t sync_ms;        // between two commits to the disk; 0: the operating system decides
    bool refuses;            // what cannot be written is not answered; else it is answered and counted as lost
    Clock clock;             // of all times that are written
    char folder[FOLDER_SIZE];
} JournalOptions;

// NULL, or what is wrong with the text (a constant). It has five words, "SEGMENT_BYTES SEGMENT_S SYNC_MS answer|refuse FOLDER",
// of which the last may hold blanks.
const char* read_options(const char* text, JournalOptions* options);
