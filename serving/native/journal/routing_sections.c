#include "record_parts.h"

#include <string.h>

void put_routing(const Batch* batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!rows_of(batch->requests, i)) continue;
        add_u32(batch->frame, batch->requests[i].routed.bucket);
        add_bytes(batch->frame, (unsigned char[]){batch->requests[i].routed.flags, 0, 0, 0}, 4);
    }
}

// The keys that came as a parameter, as numbers of `length + 1` and as bytes; 0 of a request without one.
void put_routing_keys(const Batch* batch, bool as_lengths) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const char* key = batch->requests[i].sent.routing_key;
        if (!rows_of(batch->requests, i)) continue;
        uint32_t length = key ? (uint32_t)strlen(key) : 0;
        if (as_lengths)
            add_number(batch, key ? hidden_length(batch->privacy->caller_key, length) + 1 : 0);
        else if (key)
            put_hidden(batch, batch->privacy->caller_key, key, length);
    }
}

void write_event(Writer* writer, const char* json) {
    begin_frame(&writer->frame);
    add_bytes(&writer->frame, json, strlen(json));
    write_frame(writer, FRAME_EVENT, (Written){0});
}
