// What a request may say beside its rows: of which declaration it is, when the event was, by which key a row is found again.

#pragma once

#include "../journal/bytes.h"
#include "input.h"

#define NOT_SENT INT64_MIN
enum { LONGEST_KEY = 256 };  // bytes

typedef struct {
    const char* id;         // of the request, the client's own; lives as long as the request
    int64_t event_ns;       // since 1970, or NOT_SENT
    size_t keys, keys_end;  // where its keys stand among those of the batch; the same place if it has none
} Sent;

// Its parameters and id; false if they are not plain: another declaration, or a time that is no whole number.
bool read_parameters(Request* request, const char* declaration, Sent* sent);

// Append the strings of tensor `key` to `keys`, each behind its length; false if they are not plain: not one a row, too long, no
// UTF-8.
bool append_keys(Bytes* keys, Input* input, uint32_t buffers, uint64_t bytes, size_t rows, Sent* sent);
