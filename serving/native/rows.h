// The rows of all requests of a batch side by side: their strings as one text for the graph, their numbers as one matrix.

#pragma once

#include "request/sent.h"
#include "routing/layout.h"
#include "settings.h"
#include "triton.h"

#include <stddef.h>

// How requests come to a release.
typedef struct {
    const Settings* settings;  // the release's
    const Layout* layout;      // where it finds its columns in them; NULL: where they are
    const char* declaration;   // the one that they may say they were made for
} Form;

// Rows as tensors hold them: strings row by row, each behind its length in 4 bytes, and numbers.
typedef struct {
    const char* text;
    const float* numbers;
    size_t text_bytes, rows;
} Raw;

typedef struct {
    char* text;         // see whole_text
    uint32_t* lengths;  // [rows, categorical]: bytes of each string
    float* numbers;     // [rows, numeric]
    float* came;        // the same before missing markers became NaN; `numbers` itself where columns have none
    size_t text_bytes, text_room, rows, rows_room;
    Bytes keys, aside;
    Sent sent;  // with the request that was appended last
} Rows;

void empty_rows(Rows* rows);
void free_rows(Rows* rows);

// The text of the rows that were appended, with a NUL behind it: what was tried and not appended may have left bytes there.
// Not before a row was appended.
const char* whole_text(Rows* rows);

// Append a request's rows and say how many. 0, and nothing appended, if there is anything about it that is not plain: an
// image, another declaration, tensors that are missing or misshapen, a value that a column's rule refuses or has to look at.
size_t append_request(Rows* rows, const Form* form, Request* request);

void drop_last_rows(Rows* rows, const Settings* settings, size_t count);  // of the request that was appended last

// The same of rows that were copied; false if they are not plain to this release.
bool append_raw(Rows* rows, const Form* form, const Raw* raw);

// Rows `start` to `end` as tensors hold them, whose strings begin at `text_start` of the text: how many bytes these have, and a
// copy. `numbers` is [end - start, numeric].
size_t raw_bytes(const Rows* rows, const Settings* settings, size_t start, size_t end);
void copy_raw(const Rows* rows, const Settings* settings, size_t start, size_t end, size_t text_start, char* text,
              float* numbers);
