#include "arm.h"

#include "../package.h"
#include "../reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char problem[1280];

// The schema's `bytes` are NULL if the model was exported before there was a journal.
static const char* begin_journal(Arm* arm, const char* name, const Content* graph) {
    About about = {.model = name,
                   .schema = arm->schema,
                   .onnxruntime = graph_runtime(arm->graph),
                   .graph = graph->digest,
                   .release = (uint64_t)arm->version,
                   .threads = arm->settings.threads};
    return open_journal(&about, arm->counters, &arm->journal);
}

static const char* fit(Arm* arm, const Arm* own) {
    arm->declaration = own ? own->settings.declaration : arm->settings.declaration;
    if (!own) return NULL;
    if (arm->settings.max_rows < own->settings.max_rows) return "it takes fewer rows a request than the release that is loaded";
    return find_layout((Columns){&own->settings, own->schema}, (Columns){&arm->settings, arm->schema}, &arm->layout);
}

static const char* load(Arm* arm, const Place* place, const char* folder) {
    enum { SETTINGS, GRAPH, SCHEMA, FILES };
    Content files[FILES] = {[SETTINGS] = {.name = "native.txt"},
                            [GRAPH] = {.name = "ctr_packed.onnx"},
                            [SCHEMA] = {.name = "journal.json", .is_optional = true}};
    const char* failed = read_package(folder, files, FILES);
    if (failed) return failed;
    failed = read_settings(files[SETTINGS].name, files[SETTINGS].bytes, files[SETTINGS].size, &arm->settings);
    arm->schema = files[SCHEMA].bytes, files[SCHEMA].bytes = NULL;
    if (!failed) failed = fit(arm, place->own);
    if (!failed) failed = open_graph(files[GRAPH].bytes, files[GRAPH].size, &arm->settings, &arm->graph);
    if (!failed) failed = open_counters(&arm->settings, place->model, (uint64_t)arm->version, &arm->counters);
    if (!failed) failed = begin_journal(arm, place->model, &files[GRAPH]);
    free_contents(files, FILES);
    return failed;
}

static const char* find_careful(Arm* arm, const Place* place) {
    Error* error =
        open_careful(place->server, (uint64_t)arm->version, arm->counters, arm->journal, place->pending, &arm->careful);
    if (!error) return NULL;
    snprintf(problem, sizeof problem, "%s", TRITONSERVER_ErrorMessage(error));
    return drop(error), problem;
}

const char* open_arm(const Place* place, int64_t version, Arm** out) {
    char folder[1024];
    *out = NULL;
    int length = snprintf(folder, sizeof folder, "%s/%lld", place->repository, (long long)version);
    if (length <= 0 || (size_t)length >= sizeof folder) return "the path of the model's folder is too long";
    Arm* arm = calloc(1, sizeof *arm);
    if (!arm) return "out of memory";
    arm->version = version;
    pthread_mutex_init(&arm->lock, NULL);
    const char* failed = load(arm, place, folder);
    if (!failed) failed = find_careful(arm, place);
    if (!failed) return *out = arm, NULL;
    if (failed != problem) snprintf(problem, sizeof problem, "%s", failed);
    close_arm(arm);
    return problem;
}

static void free_worker(Arm* arm, Worker* worker) {
    if (arm->journal) remove_writer(arm->journal, worker->writer);
    free_rows(&worker->rows);
    free(worker->joined);
    free(worker);
}

void close_arm(Arm* arm) {
    if (!arm) return;
    for (Worker *worker = arm->idle, *next; worker; worker = next) next = worker->next, free_worker(arm, worker);
    close_careful(arm->careful);
    close_journal(arm->journal);
    close_counters(arm->counters);
    close_graph(arm->graph);
    pthread_mutex_destroy(&arm->lock);
    free(arm->layout);
    free(arm->schema);
    free(arm);
}

Form form_of(const Arm* arm) {
    return (Form){.settings = &arm->settings, .layout = arm->layout, .declaration = arm->declaration};
}

Worker* take_worker(Arm* arm) {
    pthread_mutex_lock(&arm->lock);
    Worker* worker = arm->idle;
    if (worker) arm->idle = worker->next;
    pthread_mutex_unlock(&arm->lock);
    if (worker) return worker;
    worker = calloc(1, sizeof *worker);
    if (!worker || !arm->journal || (worker->writer = add_writer(arm->journal))) return worker;
    return free(worker), NULL;
}

void give_back_worker(Arm* arm, Worker* worker) {
    pthread_mutex_lock(&arm->lock);
    worker->next = arm->idle;
    arm->idle = worker;
    pthread_mutex_unlock(&arm->lock);
}
