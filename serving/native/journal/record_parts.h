// A record while it is put together, for the files that do that.

#pragma once

#include "record.h"

// A batch on its way into a frame.
typedef struct {
    Bytes* frame;
    const Settings* settings;
    const Rows* rows;
    const Answer* answer;
    const Joined* requests;
    Release release;
    uint32_t count;
    uint32_t joined;                                               // of the `count` requests
    bool has_ids, has_event_times, has_routing, has_routing_keys;  // has one of them
    const Privacy* privacy;
    Pseudonyms* pseudonyms;
} Batch;

static inline size_t rows_of(const Joined* requests, uint32_t i) { return requests[i].end - (i ? requests[i - 1].end : 0); }

void add_number(const Batch* batch, uint64_t value);
void put_hidden(const Batch* batch, Hiding hiding, const char* text, uint32_t length);  // a text as it is to be written

// The sections of the route, and of the keys that came as a parameter: their lengths, or their bytes.
void put_routing(const Batch* batch);
void put_routing_keys(const Batch* batch, bool as_lengths);
