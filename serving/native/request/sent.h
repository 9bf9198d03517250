// What a request may say beside its rows: of which declaration it is, when the event was, by which key a row is found again.

#pragma once

#include "../journal/bytes.h"
#include "input.h"

#define NOT_SENT INT64_MIN
enum { LONGEST_KEY = 256, LONGEST_ROUTING_KEY = 256 };  // bytes

typedef struct {
    const char* id;           // of the request, the client's own; lives as long as the request
    int64_t event_ns;         // since 1970, or NOT_SENT
    const char* routing_key;  // by which its arm is chosen, NULL if it says none; lives as long as the request
    int64_t release;          // that it asks for; 0: none
    size_t keys, keys_end;    // where its keys stand among those of the batch; the same place if it has none
} Sent;

// Its parameters and id; false if they are not plain: another declaration, a time or release that is no whole number, a routing
// key that is no text of 1 to 256 bytes.
bool read_parameters(Request* request, const char* declaration, Sent* sent);

// Append the strings of tensor `key` to `keys`, each behind its length; false if they are not plain: not one a row, too long, no
// UTF-8.
bool append_keys(Bytes* keys, Input* input, uint32_t buffers, uint64_t bytes, size_t rows, Sent* sent);
