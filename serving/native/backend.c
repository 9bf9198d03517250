// Triton backend `adclick`: model `ctr` without a Python process between Triton and ONNX Runtime.
//
// A batch's plain requests are joined into one call of the graph. Whatever is not plain goes to the Python model
// `ctr_careful`: what is wrong with a request, and in what words it is told, is written down once, there.

#include "answer.h"
#include "package.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The schema's `bytes` are NULL if the model was exported before there was a journal.
static const char* begin_journal(Shared* shared, const char* name, const Content* graph, const Content* schema) {
    About about = {.model = name,
                   .schema = schema->bytes,
                   .onnxruntime = graph_runtime(shared->graph),
                   .graph = graph->digest,
                   .release = (uint64_t)shared->version,
                   .threads = shared->settings.threads};
    return open_journal(&about, shared->counters, &shared->journal);
}

static const char* load(Shared* shared, const char* name, const char* folder) {
    enum { SETTINGS, GRAPH, SCHEMA, FILES };
    Content files[FILES] = {[SETTINGS] = {.name = "native.txt"},
                            [GRAPH] = {.name = "ctr_packed.onnx"},
                            [SCHEMA] = {.name = "journal.json", .is_optional = true}};
    const char* failed = read_package(folder, files, FILES);
    if (failed) return failed;
    failed = read_settings(files[SETTINGS].name, files[SETTINGS].bytes, files[SETTINGS].size, &shared->settings);
    if (!failed) failed = open_graph(files[GRAPH].bytes, files[GRAPH].size, &shared->settings, &shared->graph);
    if (!failed) failed = open_counters(&shared->settings, name, (uint64_t)shared->version, &shared->counters);
    if (!failed) failed = begin_journal(shared, name, &files[GRAPH], &files[SCHEMA]);
    free_contents(files, FILES);
    return failed;
}

static void unload(Shared* shared) {
    if (!shared) return;
    close_backlog(shared->backlog);
    close_careful(shared->careful);
    close_journal(shared->journal);
    close_counters(shared->counters);
    close_graph(shared->graph);
    free(shared);
}

Error* TRITONBACKEND_ModelInitialize(Model* model) {
    const char *name, *repository;
    char folder[1024];
    uint32_t major, minor;
    uint64_t version;
    int artifact;
    Server* server;
    Error* error = TRITONBACKEND_ApiVersion(&major, &minor);
    if (!error && major != TRITON_API_MAJOR) error = TRITONSERVER_ErrorNew(UNSUPPORTED, "this Triton has another backend API");
    if (!error) error = TRITONBACKEND_ModelName(model, &name);
    if (!error) error = TRITONBACKEND_ModelVersion(model, &version);
    if (!error) error = TRITONBACKEND_ModelRepository(model, &artifact, &repository);
    if (!error) error = TRITONBACKEND_ModelServer(model, &server);
    if (error) return error;
    Shared* shared = calloc(1, sizeof *shared);
    if (!shared) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    shared->version = (int64_t)version;
    int length = snprintf(folder, sizeof folder, "%s/%llu", repository, (unsigned long long)version);
    bool fits = length > 0 && (size_t)length < sizeof folder;
    const char* failed = fits ? load(shared, name, folder) : "the path of the model's folder is too long";
    error = failed ? TRITONSERVER_ErrorNew(INVALID_ARG, failed)
                   : open_careful(server, version, shared->counters, shared->journal, &shared->careful);
    if (!error) error = TRITONBACKEND_ModelSetState(model, shared);
    if (error) unload(shared);
    return error;
}

Error* TRITONBACKEND_ModelFinalize(Model* model) {
    void* shared = NULL;
    Error* error = TRITONBACKEND_ModelState(model, &shared);
    unload(shared);
    return error;
}

// Triton begins to count a model's waiting requests after TRITONBACKEND_ModelInitialize.
static Error* watch_queue(Shared* shared, Model* model) {
    const char *name, *failed = NULL;
    Server* server;
    if (shared->backlog) return NULL;
    Error* error = TRITONBACKEND_ModelName(model, &name);
    if (!error) error = TRITONBACKEND_ModelServer(model, &server);
    if (!error) failed = open_backlog(&shared->settings, server, name, (uint64_t)shared->version, &shared->backlog);
    return failed ? TRITONSERVER_ErrorNew(INTERNAL, failed) : error;
}

Error* TRITONBACKEND_ModelInstanceInitialize(Instance* instance) {
    Model* model;
    void* shared;
    Error* error = TRITONBACKEND_ModelInstanceModel(instance, &model);
    if (!error) error = TRITONBACKEND_ModelState(model, &shared);
    if (!error) error = watch_queue(shared, model);
    if (error) return error;
    Worker* worker = calloc(1, sizeof *worker);
    if (!worker) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    worker->shared = shared;
    worker->warmups_left = worker->shared->settings.warmups;
    Journal* journal = worker->shared->journal;
    if (journal && !(worker->writer = add_writer(journal)))
        error = TRITONSERVER_ErrorNew(INTERNAL, "no writer for the journal: out of memory");
    if (!error) error = TRITONBACKEND_ModelInstanceSetState(instance, worker);
    if (!error) return NULL;
    if (journal) remove_writer(journal, worker->writer);
    free(worker);
    return error;
}

Error* TRITONBACKEND_ModelInstanceFinalize(Instance* instance) {
    void* state = NULL;
    Error* error = TRITONBACKEND_ModelInstanceState(instance, &state);
    Worker* worker = state;
    if (!worker) return error;
    await_careful(worker->shared->careful);  // answers that are still to come belong to this instance
    if (worker->writer) remove_writer(worker->shared->journal, worker->writer);
    free_rows(&worker->rows);
    free(worker->joined);
    free(worker);
    return error;
}

Error* TRITONBACKEND_ModelInstanceExecute(Instance* instance, Request** requests, uint32_t count) {
    void* worker;
    Error* error = TRITONBACKEND_ModelInstanceState(instance, &worker);
    if (error) return error;
    answer_batch(worker, instance, requests, count);
    return NULL;
}
