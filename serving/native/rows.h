// The rows of all requests of a batch side by side: their strings as one text for the graph, their numbers as one matrix.

#pragma once

#include "request/sent.h"
#include "settings.h"
#include "triton.h"

#include <stddef.h>

typedef struct {
    char* text;         // see whole_text
    uint32_t* lengths;  // [rows, categorical]: bytes of each string
    float* numbers;     // [rows, numeric]
    float* came;        // the same before missing markers became NaN; `numbers` itself where columns have none
    size_t text_bytes, text_room, rows, rows_room;
    Bytes keys;
    Sent sent;  // with the request that was appended last
} Rows;

void empty_rows(Rows* rows);
void free_rows(Rows* rows);

// The text of the rows that were appended, with a NUL behind it: what was tried and not appended may have left bytes there.
// Not before a row was appended.
const char* whole_text(Rows* rows);

// Append a request's rows and say how many. 0, and nothing appended, if there is anything about it that is not plain: an
// image, another declaration, tensors that are missing or misshapen, a value that a column's rule refuses or has to look at.
size_t append_request(Rows* rows, const Settings* settings, Request* request);
