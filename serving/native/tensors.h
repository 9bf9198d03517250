// The tensors of `ctr_packed.onnx`, as `native.txt` implies them: held against the graph when it is opened, and against every
// answer of it before anybody reads from that.

#pragma once

#include "ort.h"
#include "settings.h"

enum { MOST_INPUTS = 2, MOST_OUTPUTS = 3 };
enum { ROWS = -1 };  // a dimension that is the number of rows

typedef struct {
    const char* name;
    int type;
    size_t dims;
    int64_t shape[2];
} GraphTensor;

// How many there are, in the order in which the backend feeds and reads them.
size_t expected_inputs(const Settings* settings, GraphTensor tensors[MOST_INPUTS]);
size_t expected_outputs(const Settings* settings, GraphTensor tensors[MOST_OUTPUTS]);

// NULL, or a sentence that says what does not fit (kept until the next call of this thread).
const char* check_session(const OrtApi* api, const OrtSession* session, OrtAllocator* allocator, const Settings* settings);
const char* check_value(const OrtApi* api, const OrtValue* value, const GraphTensor* expected, size_t rows);
