#include "answer.h"

#include "journal/refusals.h"
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED "the model could not answer this request; the server's log says why"
#define OVERLOADED \
    "overloaded: too many requests are waiting, at most %u may (serving.repository.max_queue_size); try again later"
#define UNWRITTEN \
    "the answer could not be written to the journal, and serving.journal.on_error is refuse; the server's log says why"

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
    if (count <= worker->joined_room) return true;
    Joined* joined = realloc(worker->joined, count * sizeof *joined);
    if (!joined) return false;
    worker->joined = joined, worker->joined_room = count;
    return true;
}

// Tell the journal that requests, those that are not NULL, get no answer.
static void note_unanswered(Worker* worker, Request** requests, uint32_t count, const char* rule) {
    uint64_t noted = 0;
    if (!worker->writer || worker->warmups_left) return;
    begin_refusals(worker->writer);
    for (uint32_t i = 0; i < count; i++) {
        if (!requests[i]) continue;
        Unanswered found = describe_unanswered(requests[i], rule);
        add_refusal(worker->writer, (uint32_t)worker->shared->version, &found);
        noted++;
    }
    if (noted) write_refusals(worker->writer, noted);
}

// Answer all requests that are not NULL with one error.
static void fail_all(Worker* worker, Instance* instance, Request** requests, uint32_t count, int code, const char* text) {
    for (uint32_t i = 0; i < count; i++)
        if (requests[i]) send_error(instance, requests[i], code, text);
}

static void refuse_all(Worker* worker, Instance* instance, Request** requests, uint32_t count) {
    char sentence[256];
    snprintf(sentence, sizeof sentence, OVERLOADED, worker->shared->settings.max_waiting);
    note_unanswered(worker, requests, count, "overloaded");
    fail_all(worker, instance, requests, count, UNAVAILABLE, sentence);
    count_overloaded(worker->shared->counters, count);
}

// A warm-up that is not plain gets any answer, nobody reads it: `ctr_careful` may not be there yet.
static void skip_warm_up(Worker* worker, Instance* instance, Request* request, uint64_t start_ns) {
    const float nothing = 0;
    bool sent = send_rows(request, &nothing, 1, worker->shared->version, NULL);
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
        worker->joined[i] = (Joined){.end = worker->rows.rows, .sent = worker->rows.sent};
        if (rows) continue;
        if (worker->warmups_left)
            skip_warm_up(worker, instance, requests[i], start_ns);
        else
            ask_careful(shared->careful, instance, requests[i], start_ns);
        requests[i] = NULL;
    }
}

// Which requests are answered with what the graph says of them; the others are handed on when that is written.
static void choose(Worker* worker, uint32_t count, const Answer* answer) {
    size_t start = 0;
    for (uint32_t i = 0; i < count; start = worker->joined[i++].end) {
        Joined* request = &worker->joined[i];
        request->is_handed_on = !worker->warmups_left && has_to_be_read(&worker->shared->settings, answer, start, request->end);
    }
}

// Write the answers down before any of them leaves. May they?
static bool write_down(Worker* worker, uint32_t count, const Answer* answer) {
    const Shared* shared = worker->shared;
    if (!worker->writer || worker->warmups_left) return true;
    return write_answers(worker->writer, &shared->settings, (uint32_t)shared->version, &worker->rows, answer, worker->joined,
                         count);
}

static void send_answer(Worker* worker, Instance* instance, Request* request, const Joined* joined, size_t start,
                        const Answer* answer, const uint64_t times_ns[3]) {
    Shared* shared = worker->shared;
    char id[ID_TEXT + 1];
    bool has_id = worker->writer && !worker->warmups_left;
    if (has_id) spell_id(joined->id, id);
    bool sent = send_rows(request, answer->p_click + start, joined->end - start, shared->version, has_id ? id : NULL);
    if (sent && !worker->warmups_left) count_answered(shared->counters, answer, start, joined->end);
    if (!sent) count_failed(shared->counters, 1);
    drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, sent, times_ns[0], times_ns[1], times_ns[2], now_ns()));
    drop(TRITONBACKEND_RequestRelease(request, RELEASE_ALL));
}

// Answer the joined requests from the graph's answer, or, if they could not be written down, with an error.
static void answer_each(Worker* worker, Instance* instance, Request** requests, uint32_t count, const Answer* answer,
                        const uint64_t times_ns[3]) {
    Shared* shared = worker->shared;
    choose(worker, count, answer);
    bool may_leave = write_down(worker, count, answer);
    for (uint32_t i = 0; i < count; i++) {
        const Joined* joined = &worker->joined[i];
        if (!requests[i]) continue;
        if (joined->is_handed_on)
            ask_careful(shared->careful, instance, requests[i], times_ns[0]);
        else if (may_leave)
            send_answer(worker, instance, requests[i], joined, i ? worker->joined[i - 1].end : 0, answer, times_ns);
        else {
            send_error(instance, requests[i], UNAVAILABLE, UNWRITTEN);
            count_refused_for_journal(shared->counters, 1);
        }
    }
}

// The graph gave no answer, and the log says why.
static void fail_joined(Worker* worker, Instance* instance, Request** requests, uint32_t count, const char* reason) {
    uint64_t failed = 0;
    drop(TRITONSERVER_LogMessage(LOG_ERROR, __FILE__, __LINE__, reason));
    for (uint32_t i = 0; i < count; i++) failed += requests[i] != NULL;
    note_unanswered(worker, requests, count, "failed");
    fail_all(worker, instance, requests, count, INTERNAL, FAILED);
    count_failed(worker->shared->counters, failed);
}

static void answer_plain(Worker* worker, Instance* instance, Request** requests, uint32_t count, uint64_t start_ns) {
    const Shared* shared = worker->shared;
    size_t rows = worker->rows.rows;
    Answer answer;
    uint64_t times_ns[3] = {start_ns, now_ns()};
    const char* failed = run_graph(shared->graph, whole_text(&worker->rows), worker->rows.numbers, rows, &answer);
    times_ns[2] = now_ns();
    if (failed) {
        fail_joined(worker, instance, requests, count, failed);
    } else {
        answer_each(worker, instance, requests, count, &answer, times_ns);
        release_answer(shared->graph, &answer);
    }
    drop(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, rows, start_ns, times_ns[1], times_ns[2], now_ns()));
}

void answer_batch(Worker* worker, Instance* instance, Request** requests, uint32_t count) {
    uint64_t start_ns = now_ns();
    if (!worker->warmups_left && too_long(worker->shared->backlog, &worker->turn, start_ns)) {
        refuse_all(worker, instance, requests, count);
        return;
    }
    if (!make_room(worker, count)) {
        fail_all(worker, instance, requests, count, INTERNAL, "out of memory");
        count_failed(worker->shared->counters, count);
        return;
    }
    join(worker, instance, requests, count, start_ns);
    if (worker->rows.rows) answer_plain(worker, instance, requests, count, start_ns);
    if (worker->warmups_left) worker->warmups_left--;
}
