#include "answer.h"

#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED "the model could not answer this request; the server's log says why"
#define OVERLOADED \
    "overloaded: too many requests are waiting, at most %u may (serving.repository.max_queue_size); try again later"

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
    for (uint32_t i = 0; i < count; i++) send_error(instance, requests[i], UNAVAILABLE, sentence);
    count_overloaded(worker->shared->counters, count);
}

// A warm-up that is not plain gets any answer, nobody reads it: `ctr_careful` may not be there yet.
static void skip_warm_up(Worker* worker, Instance* instance, Request* request, uint64_t start_ns) {
    const float nothing = 0;
    bool sent = send_rows(request, &nothing, 1, worker->shared->version);
    uint64_t now = now_ns();
    drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, sent, start_ns, start_ns, now, now));
    drop(TRITONBACKEND_RequestRelease(request, RELEASE_ALL));
}

// Join the plain requests; the others go to `ctr_careful` at once, and their places in `requests` become NULL.
static void join(Worker* worker, Instance* instance, Request** requests, uint32_t count, uint64_t start_ns) {
    const Shared* shared = worker->shared;
    empty_rows(&worker->rows);
    for (uint32_t i = 0; i < count; i++) {
        size_t rows = append_request(&worker->rows, &shared->settings, requests[i]);
        worker->ends[i] = worker->rows.rows;
        if (rows) continue;
        if (worker->warmups_left)
            skip_warm_up(worker, instance, requests[i], start_ns);
        else
            ask_careful(shared->careful, instance, requests[i], start_ns);
        requests[i] = NULL;
    }
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
        if (!worker->warmups_left && has_to_be_read(&shared->settings, answer, start, end)) {
            ask_careful(shared->careful, instance, requests[i], times_ns[0]);
            continue;
        }
        bool sent = send_rows(requests[i], answer->p_click + start, end - start, shared->version);
        if (sent && !worker->warmups_left) count_answered(shared->counters, answer, start, end);
        if (!sent) count_failed(shared->counters, 1);
        drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[i], sent, times_ns[0], times_ns[1], times_ns[2],
                                                         now_ns()));
        drop(TRITONBACKEND_RequestRelease(requests[i], RELEASE_ALL));
    }
}

static void answer_plain(Worker* worker, Instance* instance, Request** requests, uint32_t count, uint64_t start_ns) {
    const Shared* shared = worker->shared;
    size_t rows = worker->rows.rows;
    Answer answer;
    uint64_t times_ns[3] = {start_ns, now_ns()};
    const char* failed = run_graph(shared->graph, whole_text(&worker->rows), worker->rows.numbers, rows, &answer);
    times_ns[2] = now_ns();
    if (failed) drop(TRITONSERVER_LogMessage(LOG_ERROR, __FILE__, __LINE__, failed));
    answer_each(worker, instance, requests, count, failed ? NULL : &answer, times_ns);
    if (!failed) release_answer(shared->graph, &answer);
    drop(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, rows, start_ns, times_ns[1], times_ns[2], now_ns()));
}

void answer_batch(Worker* worker, Instance* instance, Request** requests, uint32_t count) {
    uint64_t start_ns = now_ns();
    if (!worker->warmups_left && too_long(worker->shared->backlog, &worker->turn, start_ns)) {
        refuse_all(worker, instance, requests, count);
        return;
    }
    if (!make_room(worker, count)) {
        for (uint32_t i = 0; i < count; i++) send_error(instance, requests[i], INTERNAL, "out of memory");
        count_failed(worker->shared->counters, count);
        return;
    }
    join(worker, instance, requests, count, start_ns);
    if (worker->rows.rows) answer_plain(worker, instance, requests, count, start_ns);
    if (worker->warmups_left) worker->warmups_left--;
}
