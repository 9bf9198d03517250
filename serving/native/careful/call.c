#include "../journal/refusals.h"
#include "../reply.h"
#include "../routing/shadow.h"
#include "parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTED_SIZE = 128 };

static void release_request(const Call* call) {
    const Handed* handed = &call->handed;
    uint64_t now = now_ns();
    drop(TRITONBACKEND_ModelInstanceReportStatistics(handed->instance, handed->request, call->success, handed->start_ns,
                                                     handed->start_ns, now, now));
    drop(TRITONBACKEND_RequestRelease(handed->request, RELEASE_ALL));
}

static bool is_challengers(const Handed* handed) { return handed->task && handed->routed.status != FALLBACK; }

static void free_call(Call* call) {
    if (!call) return;
    if (call->inner) drop(TRITONSERVER_InferenceRequestDelete(call->inner));
    for (int i = 0; i < MOST_COPIES; i++) free_bytes(&call->copies[i]);
    free(call);
}

static void finish(Call* call) {
    if (call->shown) (call->success && *call->id ? begin_shown(call->shown, call->id) : drop_shown(call->shown));
    if (call->is_shown) {
        note_shown(call->handed.shadow, call->success);
    } else if (call->handed.task) {
        Task* task = call->handed.task;
        if (!is_challengers(&call->handed)) task->success = call->success, done_with_request(task);
        drop_task(task);
    } else {
        release_request(call);
    }
    free_call(call);
}

// One of the two ends of a call; after the second the client's request is released.
static void end(Call* call) {
    Careful* careful = call->careful;
    Pending* pending = careful->pending;
    pthread_mutex_lock(&careful->lock);
    bool last = --call->left == 0;
    pthread_mutex_unlock(&careful->lock);
    if (!last) return;
    finish(call);
    pthread_mutex_lock(&careful->lock);
    if (--careful->under_way == 0) pthread_cond_broadcast(&careful->idle);
    pthread_mutex_unlock(&careful->lock);
    remove_pending(pending);
}

// Did the model itself give this error, and count it: a refusal, too much to do, or its own failure.
static bool is_its_own(Error* error) {
    const char* text = TRITONSERVER_ErrorMessage(error);
    return TRITONSERVER_ErrorCode(error) == INVALID_ARG || !strncmp(text, "overloaded: ", 12) ||
           !strncmp(text, "the model ", 10) || !strncmp(text, "the answer ", 11);
}

// A request that the model neither answered nor refused.
static void note_failed(Careful* careful, Request* request) {
    count_failed(careful->counters, 1);
    if (!careful->writer) return;
    Unanswered found = describe_unanswered(request, "failed");
    pthread_mutex_lock(&careful->lock);
    begin_refusals(careful->writer);
    add_refusal(careful->writer, (uint32_t)careful->version, &found);
    write_refusals(careful->writer, 1);
    pthread_mutex_unlock(&careful->lock);
}

static Error* outcome(Call* call, InnerResponse* inner, Response* response) {
    Error* theirs = inner ? TRITONSERVER_InferenceResponseError(inner) : NULL;
    if (!inner || (theirs && !is_its_own(theirs))) note_failed(call->careful, call->handed.request);
    if (!inner) return TRITONSERVER_ErrorNew(INTERNAL, CAREFUL " gave no answer");
    if (theirs) return TRITONSERVER_ErrorNew(TRITONSERVER_ErrorCode(theirs), TRITONSERVER_ErrorMessage(theirs));
    return response ? copy_outputs(inner, call->handed.request, response, call->id) : NULL;
}

// Is it this answer that the client gets: the first with content, or, if none had any, the last.
static bool is_to_be_sent(Call* call, bool has_content, bool last) {
    pthread_mutex_lock(&call->careful->lock);
    bool now = !call->sent && (has_content || last);
    if (now) call->sent = true;
    pthread_mutex_unlock(&call->careful->lock);
    return now;
}

static void send_answer(Call* call, InnerResponse* inner) {
    Response* response = NULL;
    drop(TRITONBACKEND_ResponseNew(&response, call->handed.request));
    Error* error = outcome(call, inner, response);
    call->success = !error && response;
    if (response) drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
}

// The challenger's: what is no answer is not sent, the champion answers then.
static void send_or_fall_back(Call* call, InnerResponse* inner) {
    Task* task = call->handed.task;
    Error* error = inner ? TRITONSERVER_InferenceResponseError(inner) : NULL;
    if (!claim(task)) return;
    if (!inner || error) {
        fall_back(task, error && TRITONSERVER_ErrorCode(error) == INVALID_ARG ? REFUSED_THERE : FAILED_THERE);
        return;
    }
    send_answer(call, inner);
    task->success = call->success;
    if (task->success) note_answered(task);
    done_with_request(task);
}

static void answered(InnerResponse* inner, uint32_t flags, void* user) {
    Call* call = user;
    bool last = flags & RESPONSE_FINAL;
    if (call->is_shown)
        call->success |= inner && !TRITONSERVER_InferenceResponseError(inner);
    else if (is_to_be_sent(call, inner, last))
        (is_challengers(&call->handed) ? send_or_fall_back : send_answer)(call, inner);
    if (inner) drop(TRITONSERVER_InferenceResponseDelete(inner));
    if (last) end(call);
}

static void released(InnerRequest* inner, uint32_t flags, void* user) {
    if (!(flags & RELEASE_ALL)) return;  // it goes on, and is released again
    drop(TRITONSERVER_InferenceRequestDelete(inner));
    end(user);
}

// What the other model has to know of the route. `id` is that of the answer that it is shown, as 32 digits.
static Error* tell_route(const Handed* handed, const char* id, InnerRequest* inner) {
    char text[ROUTED_SIZE];
    const Routed* routed = &handed->routed;
    Error* error = NULL;
    snprintf(text, sizeof text, "%u %u %" PRIu32 " %u %016" PRIx64 " %s", routed->arm, routed->status, routed->bucket,
             routed->flags, handed->route, id);
    if (handed->route) error = TRITONSERVER_InferenceRequestSetStringParameter(inner, OWN_PARAMETERS "routed", text);
    if (error || !handed->open) return error;
    return TRITONSERVER_InferenceRequestSetStringParameter(inner, OWN_PARAMETERS "open", handed->open);
}

// A call that could not begin: the client is told, or the champion answers.
static void give_up(Careful* careful, const Handed* handed, Error* error) {
    if (is_challengers(handed)) {
        if (claim(handed->task)) fall_back(handed->task, FAILED_THERE);
        drop_task(handed->task);
        return;
    }
    note_failed(careful, handed->request);
    if (handed->task) {
        reply_error(handed->request, TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error));
        done_with_request(handed->task), drop_task(handed->task);
        return;
    }
    send_error(handed->instance, handed->request, TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error));
}

static Error* prepare(Call* call) {
    const Handed* handed = &call->handed;
    const Changed changed = {.form = handed->form,
                             .copies = call->copies,
                             .is_apart = is_challengers(handed) || call->is_shown,
                             .wants_id = handed->shadow && !call->is_shown};
    Error* error = TRITONSERVER_InferenceRequestNew(&call->inner, call->careful->server, CAREFUL, call->careful->version);
    if (!error) error = copy_request(handed->request, call->inner, &changed);
    if (!error) error = TRITONSERVER_InferenceRequestSetReleaseCallback(call->inner, released, call);
    if (!error)
        error = TRITONSERVER_InferenceRequestSetResponseCallback(call->inner, call->careful->allocator, NULL, answered, call);
    return error;
}

static void count_call(Careful* careful, int more) {
    pthread_mutex_lock(&careful->lock);
    careful->under_way += (uint64_t)(int64_t)more;
    if (!careful->under_way) pthread_cond_broadcast(&careful->idle);
    pthread_mutex_unlock(&careful->lock);
    (more > 0 ? add_pending : remove_pending)(careful->pending);
}

// Whatever ends the call may come before this returns.
static Error* begin(Call* call) {
    Careful* careful = call->careful;
    InnerRequest* inner = call->inner;
    call->inner = NULL;
    count_call(careful, 1);
    Error* error = TRITONSERVER_ServerInferAsync(careful->server, inner, NULL);
    if (!error) return NULL;
    count_call(careful, -1);
    call->inner = inner;
    return error;
}

void ask_careful(Careful* careful, const Handed* handed) {
    Call* call = malloc(sizeof *call);
    if (call) *call = (Call){.careful = careful, .handed = *handed, .left = 2};
    Error* error = call ? prepare(call) : TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    if (is_challengers(handed)) end_reading(handed->task);  // or its answer could not be claimed
    if (!error) error = tell_route(handed, "-", call->inner);
    if (handed->shadow && error) drop_shadow(handed->shadow);
    if (handed->shadow && !error) call->shown = show_handed(handed->shadow, handed);
    if (!error && !(error = begin(call))) return;
    give_up(careful, handed, error);
    drop(error);
    if (call && call->shown) drop_shown(call->shown);
    free_call(call);
}

Call* prepare_shown(Careful* careful, const Handed* handed) {
    Call* call = malloc(sizeof *call);
    if (!call) return NULL;
    *call = (Call){.careful = careful, .handed = *handed, .left = 2, .is_shown = true};
    call->handed.routed.status = SHADOW, call->handed.open = NULL;
    Error* error = prepare(call);
    if (!error) return call;
    drop(error);
    return free_call(call), NULL;
}

void begin_shown(Call* call, const char* id) {
    Error* error = tell_route(&call->handed, id, call->inner);
    if (!error && !(error = begin(call))) return;
    drop(error);
    drop_shown(call);
}

void drop_shown(Call* call) {
    note_shown(call->handed.shadow, false);
    free_call(call);
}
