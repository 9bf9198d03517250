// `ctr_packed.onnx` in this process, through ONNX Runtime.

#pragma once

#include "settings.h"

#include <stddef.h>

typedef struct Graph Graph;

// What the graph says of N rows. Belongs to the caller, who gives it back with `release_answer`.
typedef struct {
    const float* p_click;         // [N]
    const int64_t* cat_idx;       // [N, fields]: 0 unknown, 1 missing, none below 0
    const int64_t* creative_idx;  // [N]: 0 unknown; NULL if the model looks at no creatives
    void* values[3];
} Answer;

// Start a session on the file's content, which is not needed any more then, and see that its tensors are those which the settings
// imply. NULL, or a sentence that says why there is no graph (kept until the next call of this thread).
const char* open_graph(const void* model, size_t bytes, const Settings* settings, Graph** graph);
void close_graph(Graph* graph);
void stop_graph(
    const Graph* graph);  // end the calls that are under way, and all to come, with an error, as soon as ONNX Runtime can
const char* graph_runtime(const Graph* graph);  // the version of ONNX Runtime

// `text` ends with a NUL and has none before; `numbers` float32 [N, numeric]. What it answers has the shapes above. May run in
// several threads at once.
const char* run_graph(const Graph* graph, const char* text, float* numbers, size_t rows, Answer* answer);
void release_answer(const Graph* graph, Answer* answer);
