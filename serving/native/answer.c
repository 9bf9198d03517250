#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED "the model could not answer this request; the server's log says why"
#define OVERLOADED \
    "overloaded: too many requests are waiting, at most %u may (serving.repository.max_queue_size); try again later"

static void drop(Error* error) {
    if (error) TRITONSERVER_ErrorDelete(error);
}

static bool is_asked_for(Request* request, const char* output) {
    uint32_t count = 0;
    drop(TRITONBACKEND_RequestOutputCount(request, &count));
    for (uint32_t i = 0; i < count; i++) {
        const char* name = "";
        drop(TRITONBACKEND_RequestOutputName(request, i, &name));
        if (!strcmp(name, output)) return true;
    }
    return false;
}

static Error* add_output(Response* response, const char* name, int type, size_t rows, size_t size, void** data) {
    const int64_t shape[] = {(int64_t)rows, 1};
    Output* output;
    int memory = MEMORY_CPU;
    int64_t device = 0;
    Error* error = TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, 2);
    if (!error) error = TRITONBACKEND_OutputBuffer(output, data, rows * size, &memory, &device);
    if (!error && memory == MEMORY_GPU) error = TRITONSERVER_ErrorNew(UNSUPPORTED, "outputs go to memory of the host only");
    return error;
}

// Answer one request with its rows' probabilities; false if it could not be.
static bool send(const Shared* shared, Request* request, const float* p_click, size_t rows) {
    Response* response;
    void* data;
    Error* error = TRITONBACKEND_ResponseNew(&response, request);
    if (error) return drop(error), false;
    if (is_asked_for(request, "probability")) {
        error = add_output(response, "probability", TYPE_FP32, rows, sizeof(float), &data);
        if (!error) memcpy(data, p_click, rows * sizeof(float));
    }
    if (!error && is_asked_for(request, "model_version")) {
        error = add_output(response, "model_version", TYPE_INT64, rows, sizeof(int64_t), &data);
        for (size_t row = 0; !error && row < rows; row++) ((int64_t*)data)[row] = shared->version;
    }
    bool sent = !error;
    drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
    return sent;
}

// Does a row hold a string that the vocabulary does not know in a column whose strings stand for something?
static bool has_to_be_read(const Settings* s, const Answer* answer, size_t start, size_t end) {
    for (uint32_t i = 0; i < s->read_count; i++) {
        int32_t field = s->read_field[i];
        for (size_t row = start; row < end; row++)
            if ((field < 0 ? answer->creative_idx[row] : answer->cat_idx[row * s->fields + (uint32_t)field]) == 0) return true;
    }
    return false;
}

static bool make_room(Worker* worker, uint32_t count) {
    if (count <= worker->ends_room) return true;
    size_t* ends = realloc(worker->ends, count * sizeof *ends);
    if (!ends) return false;
    worker->ends = ends, worker->ends_room = count;
    return true;
}

static void refuse_all(Worker* worker, Instance* instance, Request** requests, uint32_t count) {
    char sentence[256];
    snprintf(sentence, sizeof sentence, OVERLOADED, worker->shared->settings.max_waiting);
    for (uint32_t i = 0; i < count; i++) {
        if (!requests[i]) continue;
        send_error(instance, requests[i], UNAVAILABLE, sentence);
        count_overloaded(worker->shared->counters, 1);
    }
}

// Join the plain requests; the others go to `ctr_careful` at once, and their places in `requests` become NULL. True if
// there are more plain ones than may wait.
static bool join(Worker* worker, Instance* instance, Request** requests, uint32_t count, uint64_t start_ns) {
    const Shared* shared = worker->shared;
    size_t plain = 0, largest = 0;
    empty_rows(&worker->rows);
    for (uint32_t i = 0; i < count; i++) {
        size_t rows = append_request(&worker->rows, &shared->settings, requests[i]);
        worker->ends[i] = worker->rows.rows;
        if (rows) {
            plain++;
            if (rows > largest) largest = rows;
            continue;
        }
        ask_careful(shared->careful, instance, requests[i], start_ns);
        requests[i] = NULL;
    }
    return too_long(shared->backlog, plain, worker->rows.rows, largest);
}

// Answer the joined requests from the graph's answer, or with an error if it has none.
static void answer_each(Worker* worker, Instance* instance, Request** requests, uint32_t count, const Answer* answer,
                        const uint64_t times_ns[3]) {
    Shared* shared = worker->shared;
    for (uint32_t i = 0; i < count; i++) {
        if (!requests[i]) continue;
        size_t start = i ? worker->ends[i - 1] : 0, end = worker->ends[i];
        if (!answer) {
            send_error(instance, requests[i], INTERNAL, FAILED);
            count_failed(shared->counters, 1);
            continue;
        }
        if (has_to_be_read(&shared->settings, answer, start, end)) {
            ask_careful(shared->careful, instance, requests[i], times_ns[0]);
            continue;
        }
        bool sent = send(shared, requests[i], answer->p_click + start, end - start);
        if (sent && !worker->warmups_left) count_answered(shared->counters, answer, start, end);
        if (!sent) count_failed(shared->counters, 1);
        drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[i], sent, times_ns[0], times_ns[1], times_ns[2], now_ns()));
        drop(TRITONBACKEND_RequestRelease(requests[i], RELEASE_ALL));
    }
}

static void answer_plain(Worker* worker, Instance* instance, Request** requests, uint32_t count, uint64_t start_ns) {
    const Shared* shared = worker->shared;
    size_t rows = worker->rows.rows;
    Answer answer;
    uint64_t times_ns[3] = {start_ns, now_ns()};
    const char* failed = run_graph(shared->graph, worker->rows.text, worker->rows.numbers, rows, &answer);
    times_ns[2] = now_ns();
    if (failed) drop(TRITONSERVER_LogMessage(LOG_ERROR, __FILE__, __LINE__, failed));
    answer_each(worker, instance, requests, count, failed ? NULL : &answer, times_ns);
    if (!failed) release_answer(shared->graph, &answer);
    drop(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, rows, start_ns, times_ns[1], times_ns[2], now_ns()));
}

void answer_batch(Worker* worker, Instance* instance, Request** requests, uint32_t count) {
    uint64_t start_ns = now_ns();
    if (!make_room(worker, count)) {
        for (uint32_t i = 0; i < count; i++) send_error(instance, requests[i], INTERNAL, "out of memory");
        return;
    }
    if (join(worker, instance, requests, count, start_ns))
        refuse_all(worker, instance, requests, count);
    else if (worker->rows.rows)
        answer_plain(worker, instance, requests, count, start_ns);
    if (worker->warmups_left) worker->warmups_left--;
}
