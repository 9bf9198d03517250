#include "answer.h"

#include "journal/refusals.h"
#include "reply.h"
#include "routing/shadow.h"

#include <math.h>
#include <stdlib.h>

#define FAILED "the model could not answer this request; the server's log says why"
#define UNWRITTEN \
    "the answer could not be written to the journal, and serving.journal.on_error is refuse; the server's log says why"

bool begin_batch(Batch* batch, uint32_t count) {
    Worker* worker = batch->worker;
    empty_rows(&worker->rows);
    if (count <= worker->joined_room) return true;
    Joined* joined = realloc(worker->joined, count * sizeof *joined);
    if (!joined) return false;
    worker->joined = joined, worker->joined_room = count;
    return true;
}

// Is it a task that the challenger shall answer, and not one that fell back.
static bool is_challengers(const Joined* joined) { return joined->task && joined->routed.status != FALLBACK; }

// Does a request ask for a release that is not this one. What fell back has asked for the challenger, and gets the champion.
static bool asks_elsewhere(const Batch* batch, const Sent* sent, const Routed* routed) {
    return sent->release && sent->release != batch->arm->version && routed->status != FALLBACK;
}

static Handed handed_of(const Batch* batch, const Joined* joined, const Form* form) {
    return (Handed){.request = joined->request,
                    .instance = joined->instance,
                    .task = joined->task,
                    .start_ns = joined->start_ns,
                    .route = batch->route,
                    .routed = joined->routed,
                    .open = asks_elsewhere(batch, &joined->sent, &joined->routed) ? batch->open : NULL,
                    .form = form};
}

// A task that waits for the challenger is being read; that ends on the way.
static void hand_on(const Batch* batch, Joined* joined) {
    Form form = form_of(batch->arm);
    Handed handed = handed_of(batch, joined, &form);
    if (batch->shadow && !joined->task && wants_handed(batch->shadow, &joined->routed)) handed.shadow = batch->shadow;
    joined->request = NULL;
    ask_careful(batch->arm->careful, &handed);
}

// A warm-up that is not plain gets any answer, nobody reads it: `ctr_careful` may not be there yet.
static void skip_warm_up(const Batch* batch, Joined* joined) {
    const float nothing = 0;
    bool sent = send_rows(joined->request, &nothing, 1, batch->arm->version, NULL);
    uint64_t start_ns = joined->start_ns, now = now_ns();
    drop(TRITONBACKEND_ModelInstanceReportStatistics(joined->instance, joined->request, sent, start_ns, start_ns, now, now));
    drop(TRITONBACKEND_RequestRelease(joined->request, RELEASE_ALL));
    joined->request = NULL;
}

void add_to_batch(Batch* batch, Request* request, Instance* instance, const Routed* routed, Task* task, uint64_t start_ns) {
    Worker* worker = batch->worker;
    Form form = form_of(batch->arm);
    size_t rows = append_request(&worker->rows, &form, request);
    const Sent* sent = &worker->rows.sent;
    bool is_elsewhere = rows && asks_elsewhere(batch, sent, routed);
    if (is_elsewhere) drop_last_rows(&worker->rows, form.settings, rows);
    Joined* joined = &worker->joined[batch->count++];
    *joined = (Joined){.request = request,
                       .instance = instance,
                       .task = task,
                       .start_ns = start_ns,
                       .routed = *routed,
                       .end = worker->rows.rows,
                       .sent = *sent};
    if (sent->release) joined->routed.flags |= RELEASE_ASKED_FOR;
    if (rows && !is_elsewhere) {
        if (is_challengers(joined)) end_reading(task);
        return;
    }
    (batch->is_warm_up ? skip_warm_up : hand_on)(batch, joined);
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

static bool are_probabilities(const float* p_click, size_t rows) {
    bool are = true;
    for (size_t row = 0; row < rows; row++) are &= p_click[row] >= 0 && p_click[row] <= 1;
    return are;
}

// It is not this batch's any more, nor is what it pointed to; its rows stay.
static void lose(Joined* joined) {
    drop_task(joined->task);
    joined->request = NULL, joined->is_handed_on = true;
    joined->sent.id = "", joined->sent.routing_key = NULL;
}

// Which requests are answered with what the graph says of them; the others are handed on when that is written, or are not this
// batch's any more.
static void choose(Batch* batch, const Answer* answer) {
    const Settings* settings = &batch->arm->settings;
    size_t start = 0;
    for (uint32_t i = 0; i < batch->count; start = batch->worker->joined[i++].end) {
        Joined* joined = &batch->worker->joined[i];
        if (batch->is_warm_up || !joined->request) continue;
        joined->is_handed_on = has_to_be_read(settings, answer, start, joined->end);
        if (!is_challengers(joined)) continue;
        if (!(joined->is_handed_on ? begin_reading : claim)(joined->task)) {
            lose(joined);
        } else if (!joined->is_handed_on && !are_probabilities(answer->p_click + start, joined->end - start)) {
            note_no_probability(joined->task);
            fall_back(joined->task, FAILED_THERE), lose(joined);
        }
    }
}

// Write the answers down before any of them leaves. May they?
static bool write_down(Batch* batch, const Answer* answer) {
    Worker* worker = batch->worker;
    if (!worker->writer || batch->is_warm_up) return true;
    const Release release = {(uint32_t)batch->arm->version, batch->route};
    return write_answers(worker->writer, &batch->arm->settings, release, &worker->rows, answer, worker->joined, batch->count);
}

static void release(const Joined* joined, bool success, const uint64_t times_ns[3]) {
    if (joined->task) {
        joined->task->success = success;
        if (success && is_challengers(joined)) note_answered(joined->task);
        done_with_request(joined->task), drop_task(joined->task);
        return;
    }
    drop(TRITONBACKEND_ModelInstanceReportStatistics(joined->instance, joined->request, success, times_ns[0], times_ns[1],
                                                     times_ns[2], now_ns()));
    drop(TRITONBACKEND_RequestRelease(joined->request, RELEASE_ALL));
}

static void send_answer(Batch* batch, Joined* joined, size_t start, const Answer* answer, const uint64_t times_ns[3]) {
    Arm* arm = batch->arm;
    char id[ID_TEXT + 1];
    bool has_id = batch->worker->writer && !batch->is_warm_up;
    if (has_id) spell_id(joined->id, id);
    bool sent = send_rows(joined->request, answer->p_click + start, joined->end - start, arm->version, has_id ? id : NULL);
    if (sent && !batch->is_warm_up) count_answered(arm->counters, answer, start, joined->end);
    if (!sent) count_failed(arm->counters, 1);
    release(joined, sent, times_ns);
}

static void refuse(Joined* joined, int code, const char* text) {
    if (!joined->task) {
        send_error(joined->instance, joined->request, code, text);
    } else {
        reply_error(joined->request, code, text);
        done_with_request(joined->task), drop_task(joined->task);
    }
    joined->request = NULL;
}

// Answer the joined requests from the graph's answer, or, if they could not be written down, with an error. The requests that
// were shown to `shadow` have to be there still when it looks.
static void answer_each(Batch* batch, const Answer* answer, const uint64_t times_ns[3]) {
    Worker* worker = batch->worker;
    choose(batch, answer);
    bool may_leave = write_down(batch, answer);
    if (batch->shadow && may_leave && !batch->is_warm_up) show_batch(batch->shadow, batch);
    for (uint32_t i = 0; i < batch->count; i++) {
        Joined* joined = &worker->joined[i];
        if (!joined->request) continue;
        if (joined->is_handed_on) {
            hand_on(batch, joined);
        } else if (may_leave) {
            send_answer(batch, joined, i ? worker->joined[i - 1].end : 0, answer, times_ns);
        } else {
            count_refused_for_journal(batch->arm->counters, 1);
            refuse(joined, UNAVAILABLE, UNWRITTEN);
        }
    }
}

// Tell the journal that requests get no answer, and them why; a task falls back instead.
void refuse_all(Batch* batch, const char* rule, int code, const char* text) {
    Writer* writer = batch->is_warm_up ? NULL : batch->worker->writer;
    uint64_t noted = 0;
    if (writer) begin_refusals(writer);
    for (uint32_t i = 0; i < batch->count; i++) {
        Joined* joined = &batch->worker->joined[i];
        if (!joined->request) continue;
        if (is_challengers(joined)) {
            if (claim(joined->task)) fall_back(joined->task, FAILED_THERE);
            drop_task(joined->task), joined->request = NULL;
            continue;
        }
        Unanswered found = describe_unanswered(joined->request, rule);
        if (writer) add_refusal(writer, (uint32_t)batch->arm->version, &found), noted++;
    }
    if (noted) write_refusals(writer, noted);
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->worker->joined[i].request) refuse(&batch->worker->joined[i], code, text);
}

static uint64_t still_here(const Batch* batch) {
    uint64_t number = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        const Joined* joined = &batch->worker->joined[i];
        number += joined->request && !is_challengers(joined);
    }
    return number;
}

void answer_batch(Batch* batch) {
    Worker* worker = batch->worker;
    Arm* arm = batch->arm;
    Instance* instance = batch->count ? worker->joined[0].instance : NULL;
    size_t rows = worker->rows.rows;
    if (!rows) return;
    Answer answer;
    uint64_t times_ns[3] = {batch->start_ns, now_ns()}, cpu_ns = batch->shadow ? thread_ns() : 0;
    const char* failed = run_graph(arm->graph, whole_text(&worker->rows), worker->rows.numbers, rows, &answer);
    times_ns[2] = now_ns();
    if (failed) {
        SAY(LOG_ERROR, failed);
        count_failed(arm->counters, still_here(batch));
        refuse_all(batch, "failed", INTERNAL, FAILED);
    } else {
        batch->answer = &answer, batch->graph_ns = batch->shadow ? thread_ns() - cpu_ns : 0;
        answer_each(batch, &answer, times_ns);
        release_answer(arm->graph, &answer);
    }
    drop(TRITONBACKEND_ModelInstanceReportBatchStatistics(instance, rows, batch->start_ns, times_ns[1], times_ns[2], now_ns()));
}
