#include "graph.h"

#include "tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Graph {
    const OrtApi* api;
    const char* version;
    OrtEnv* environment;
    OrtSession* session;
    OrtRunOptions* options;  // of every call
    OrtMemoryInfo* memory;
    OrtAllocator* allocator;
    GraphTensor inputs[MOST_INPUTS], outputs[MOST_OUTPUTS];
    size_t inputs_count, outputs_count;
};

_Static_assert(MOST_OUTPUTS == sizeof((Answer*)0)->values / sizeof(void*), "an answer holds all outputs");

static _Thread_local char problem[256];

static const char* create_session(Graph* graph, const OrtSessionOptions* options, const void* model, size_t bytes) {
    TRY(graph->api, CreateSessionFromArray(graph->environment, model, bytes, options, &graph->session));
    return NULL;
}

static const char* set_options(const OrtApi* api, OrtSessionOptions* options, uint32_t threads) {
    TRY(api, SetSessionLogSeverityLevel(options, ORT_ERROR));
    TRY(api, SetIntraOpNumThreads(options, (int)threads));
    TRY(api, SetInterOpNumThreads(options, 1));
    return NULL;
}

static const char* start_session(Graph* graph, const void* model, size_t bytes, const Settings* settings) {
    OrtSessionOptions* options;
    TRY(graph->api, CreateEnv(ORT_ERROR, "adclick", &graph->environment));
    TRY(graph->api, CreateCpuMemoryInfo(ORT_DEVICE_ALLOCATOR, ORT_DEFAULT_MEMORY, &graph->memory));
    TRY(graph->api, GetAllocatorWithDefaultOptions(&graph->allocator));
    TRY(graph->api, CreateRunOptions(&graph->options));
    TRY(graph->api, CreateSessionOptions(&options));
    const char* failed = set_options(graph->api, options, settings->threads);
    if (!failed) failed = create_session(graph, options, model, bytes);
    graph->api->ReleaseSessionOptions(options);
    return failed ? failed : check_session(graph->api, graph->session, graph->allocator, settings);
}

const char* open_graph(const void* model, size_t bytes, const Settings* settings, Graph** out) {
    Graph* graph = *out = calloc(1, sizeof *graph);
    if (!graph) return "out of memory";
    graph->inputs_count = expected_inputs(settings, graph->inputs);
    graph->outputs_count = expected_outputs(settings, graph->outputs);
    const char* failed = open_onnxruntime(&graph->api, &graph->version);
    if (!failed) failed = start_session(graph, model, bytes, settings);
    if (!failed) return NULL;
    close_graph(graph);
    *out = NULL;
    return failed;
}

const char* graph_runtime(const Graph* graph) { return graph->version; }

void stop_graph(const Graph* graph) {
    OrtStatus* status = graph->api->RunOptionsSetTerminate(graph->options);
    if (status) graph->api->ReleaseStatus(status);
}

void close_graph(Graph* graph) {
    if (!graph) return;
    if (graph->options) graph->api->ReleaseRunOptions(graph->options);
    if (graph->session) graph->api->ReleaseSession(graph->session);
    if (graph->memory) graph->api->ReleaseMemoryInfo(graph->memory);
    if (graph->environment) graph->api->ReleaseEnv(graph->environment);
    free(graph);
}

static const char* make_input(const Graph* graph, const GraphTensor* input, const char* text, float* numbers, size_t rows,
                              OrtValue** value) {
    if (input->type == ORT_STRING) {
        TRY(graph->api, CreateTensorAsOrtValue(graph->allocator, input->shape, input->dims, ORT_STRING, value));
        TRY(graph->api, FillStringTensor(*value, &text, 1));
        return NULL;
    }
    const int64_t shape[] = {(int64_t)rows, input->shape[1]};
    size_t bytes = rows * (size_t)input->shape[1] * sizeof *numbers;
    TRY(graph->api, CreateTensorWithDataAsOrtValue(graph->memory, numbers, bytes, shape, 2, ORT_FLOAT, value));
    return NULL;
}

// Ids are places in tables: a graph that gives one below 0 is broken, and read one from the end of its own.
static const char* check_ids(const int64_t* ids, size_t count, const char* name) {
    int64_t signs = 0;
    for (size_t i = 0; i < count; i++) signs |= ids[i];
    if (signs >= 0) return NULL;
    snprintf(problem, sizeof problem, "ctr_packed.onnx gave an id below 0 in %s", name);
    return problem;
}

static const char* read_output(const Graph* graph, size_t i, size_t rows, Answer* answer) {
    void* data;
    const GraphTensor* output = &graph->outputs[i];
    const char* wrong = check_value(graph->api, answer->values[i], output, rows);
    if (wrong) return wrong;
    TRY(graph->api, GetTensorMutableData(answer->values[i], &data));
    if (i == 0) answer->p_click = data;
    if (i == 1) answer->cat_idx = data;
    if (i == 2) answer->creative_idx = data;
    if (output->type != ORT_INT64) return NULL;
    return check_ids(data, rows * (output->dims == 2 ? (size_t)output->shape[1] : 1), output->name);
}

static const char* run(const Graph* graph, const char* text, float* numbers, size_t rows, OrtValue** inputs, Answer* answer) {
    const char *names[MOST_INPUTS], *wanted[MOST_OUTPUTS], *failed = NULL;
    for (size_t i = 0; i < graph->inputs_count && !failed; i++) {
        names[i] = graph->inputs[i].name;
        failed = make_input(graph, &graph->inputs[i], text, numbers, rows, &inputs[i]);
    }
    if (failed) return failed;
    for (size_t i = 0; i < graph->outputs_count; i++) wanted[i] = graph->outputs[i].name;
    TRY(graph->api, Run(graph->session, graph->options, names, (const OrtValue* const*)inputs, graph->inputs_count, wanted,
                        graph->outputs_count, (OrtValue**)answer->values));
    for (size_t i = 0; i < graph->outputs_count && !failed; i++) failed = read_output(graph, i, rows, answer);
    return failed;
}

const char* run_graph(const Graph* graph, const char* text, float* numbers, size_t rows, Answer* answer) {
    OrtValue* inputs[MOST_INPUTS] = {NULL};
    memset(answer, 0, sizeof *answer);
    const char* failed = run(graph, text, numbers, rows, inputs, answer);
    for (size_t i = 0; i < MOST_INPUTS; i++)
        if (inputs[i]) graph->api->ReleaseValue(inputs[i]);
    if (failed) release_answer(graph, answer);
    return failed;
}

void release_answer(const Graph* graph, Answer* answer) {
    for (size_t i = 0; i < MOST_OUTPUTS; i++)
        if (answer->values[i]) graph->api->ReleaseValue(answer->values[i]);
    memset(answer, 0, sizeof *answer);
}
