#include "graph.h"

#include "ort.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "ADCLICK_ONNXRUNTIME"  // environment variable: path of libonnxruntime.so

struct Graph {
    const OrtApi* api;
    OrtEnv* environment;
    OrtSession* session;
    OrtMemoryInfo* memory;
    OrtAllocator* allocator;
    bool feeds_text, feeds_numeric;
    uint32_t numeric;
    size_t outputs;
};

static _Thread_local char problem[1024];

static const char* said(const Graph* graph, OrtStatus* status) {
    snprintf(problem, sizeof problem, "ONNX Runtime: %s", graph->api->GetErrorMessage(status));
    graph->api->ReleaseStatus(status);
    return problem;
}

// `return` what ONNX Runtime says if a call of it fails
#define TRY(graph, call)                          \
    do {                                          \
        OrtStatus* status_ = (graph)->api->call;  \
        if (status_) return said(graph, status_); \
    } while (0)

static const char* load_library(const OrtApi** api) {
    const char* path = getenv(LIBRARY);
    if (!path) return LIBRARY " is not set: where is libonnxruntime.so?";
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const OrtApiBase* (*base)(void) = NULL;
    if (library) *(void**)&base = dlsym(library, "OrtGetApiBase");
    if (!base) return snprintf(problem, sizeof problem, "ONNX Runtime: %s", dlerror()), problem;
    *api = base()->GetApi(ORT_API);
    return *api ? NULL : "this ONNX Runtime does not know version 1 of its API";
}

static const char* read_whole(const char* path, void** content, size_t* size) {
    FILE* file = fopen(path, "rb");
    if (!file) return snprintf(problem, sizeof problem, "%s: %s", path, strerror(errno)), problem;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    *content = malloc(*size + 1);
    size_t got = *content ? fread(*content, 1, *size, file) : 0;
    fclose(file);
    if (got == *size) return NULL;
    free(*content);
    return snprintf(problem, sizeof problem, "%s: only %zu of %zu bytes could be read", path, got, *size), problem;
}

static const char* start_session(Graph* graph, const char* path, uint32_t threads) {
    OrtSessionOptions* options;
    void* model;
    size_t bytes;
    const char* failed = read_whole(path, &model, &bytes);
    if (failed) return failed;
    TRY(graph, CreateEnv(ORT_ERROR, "adclick", &graph->environment));
    TRY(graph, CreateCpuMemoryInfo(ORT_DEVICE_ALLOCATOR, ORT_DEFAULT_MEMORY, &graph->memory));
    TRY(graph, GetAllocatorWithDefaultOptions(&graph->allocator));
    TRY(graph, CreateSessionOptions(&options));
    TRY(graph, SetSessionLogSeverityLevel(options, ORT_ERROR));
    TRY(graph, SetIntraOpNumThreads(options, (int)threads));
    TRY(graph, SetInterOpNumThreads(options, 1));
    OrtStatus* status = graph->api->CreateSessionFromArray(graph->environment, model, bytes, options, &graph->session);
    graph->api->ReleaseSessionOptions(options);
    free(model);
    return status ? said(graph, status) : NULL;
}

const char* open_graph(const char* path, const Settings* settings, Graph** out) {
    Graph* graph = *out = calloc(1, sizeof *graph);
    if (!graph) return "out of memory";
    graph->feeds_text = settings->feeds_text, graph->feeds_numeric = settings->feeds_numeric;
    graph->numeric = settings->numeric;
    graph->outputs = settings->has_creative ? 3 : 2;
    const char* failed = load_library(&graph->api);
    if (!failed) failed = start_session(graph, path, settings->threads);
    if (!failed) return NULL;
    close_graph(graph);
    *out = NULL;
    return failed;
}

void close_graph(Graph* graph) {
    if (!graph) return;
    if (graph->session) graph->api->ReleaseSession(graph->session);
    if (graph->memory) graph->api->ReleaseMemoryInfo(graph->memory);
    if (graph->environment) graph->api->ReleaseEnv(graph->environment);
    free(graph);
}

static const char* run(const Graph* graph, const char* text, float* numbers, size_t rows, OrtValue** inputs, Answer* answer) {
    static const char* const OUTPUTS[] = {"p_click", "cat_idx", "creative_idx"};
    const char* names[2];
    size_t count = 0;
    if (graph->feeds_text) {
        const int64_t one = 1;
        TRY(graph, CreateTensorAsOrtValue(graph->allocator, &one, 1, ORT_STRING, &inputs[count]));
        TRY(graph, FillStringTensor(inputs[count], &text, 1));
        names[count++] = "text";
    }
    if (graph->feeds_numeric) {
        const int64_t shape[] = {(int64_t)rows, graph->numeric};
        size_t bytes = rows * graph->numeric * sizeof *numbers;
        TRY(graph, CreateTensorWithDataAsOrtValue(graph->memory, numbers, bytes, shape, 2, ORT_FLOAT, &inputs[count]));
        names[count++] = "numeric";
    }
    OrtValue** values = (OrtValue**)answer->values;
    TRY(graph, Run(graph->session, NULL, names, (const OrtValue* const*)inputs, count, OUTPUTS, graph->outputs, values));
    TRY(graph, GetTensorMutableData(values[0], (void**)&answer->p_click));
    TRY(graph, GetTensorMutableData(values[1], (void**)&answer->cat_idx));
    if (graph->outputs == 3) TRY(graph, GetTensorMutableData(values[2], (void**)&answer->creative_idx));
    return NULL;
}

const char* run_graph(const Graph* graph, const char* text, float* numbers, size_t rows, Answer* answer) {
    OrtValue* inputs[2] = {NULL, NULL};
    memset(answer, 0, sizeof *answer);
    const char* failed = run(graph, text, numbers, rows, inputs, answer);
    for (int i = 0; i < 2; i++)
        if (inputs[i]) graph->api->ReleaseValue(inputs[i]);
    if (failed) release_answer(graph, answer);
    return failed;
}

void release_answer(const Graph* graph, Answer* answer) {
    for (int i = 0; i < 3; i++)
        if (answer->values[i]) graph->api->ReleaseValue(answer->values[i]);
    memset(answer->values, 0, sizeof answer->values);
}
