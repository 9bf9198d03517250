#include "careful.h"

#include "journal/refusals.h"
#include "relay.h"
#include "reply.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct Careful {
    Server* server;
    Counters* counters;
    Journal* journal;
    Writer* writer;  // NULL: no journal is kept; `lock` is held while it is used
    Allocator* allocator;
    int64_t version;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    uint64_t under_way;
};

// A request that was handed over. It ends twice, in any order: Triton says of an answer that it is the last, which may be one
// more than the one with the content, or none, and it gives back the inner request.
typedef struct {
    Careful* careful;
    Instance* instance;
    Request* request;
    uint64_t start_ns;
    bool sent, success;
    int left;  // of the two ends
} Call;

static Error* allocate(Allocator* allocator, const char* name, size_t bytes, int memory, int64_t device, void* user, void** data,
                       void** data_user, int* actual_memory, int64_t* actual_device) {
    *data = malloc(bytes + 1);
    *data_user = NULL, *actual_memory = MEMORY_CPU, *actual_device = 0;
    return *data ? NULL : TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
}

static Error* give_back(Allocator* allocator, void* data, void* data_user, size_t bytes, int memory, int64_t device) {
    free(data);
    return NULL;
}

Error* open_careful(Server* server, uint64_t version, Counters* counters, Journal* journal, Careful** careful) {
    *careful = calloc(1, sizeof **careful);
    if (!*careful) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    (*careful)->server = server, (*careful)->counters = counters, (*careful)->version = (int64_t)version;
    pthread_mutex_init(&(*careful)->lock, NULL);
    pthread_cond_init(&(*careful)->idle, NULL);
    (*careful)->journal = journal;
    if (journal && !((*careful)->writer = add_writer(journal)))
        return TRITONSERVER_ErrorNew(INTERNAL, "no writer for the journal: out of memory");
    return TRITONSERVER_ResponseAllocatorNew(&(*careful)->allocator, allocate, give_back, NULL);
}

void await_careful(Careful* careful) {
    pthread_mutex_lock(&careful->lock);
    while (careful->under_way) pthread_cond_wait(&careful->idle, &careful->lock);
    pthread_mutex_unlock(&careful->lock);
}

void close_careful(Careful* careful) {
    if (!careful) return;
    await_careful(careful);
    if (careful->writer) remove_writer(careful->journal, careful->writer);
    if (careful->allocator) drop(TRITONSERVER_ResponseAllocatorDelete(careful->allocator));
    pthread_cond_destroy(&careful->idle);
    pthread_mutex_destroy(&careful->lock);
    free(careful);
}

// One of the two ends of a call; after the second the client's request is released.
static void end(Call* call) {
    Careful* careful = call->careful;
    pthread_mutex_lock(&careful->lock);
    bool last = --call->left == 0;
    pthread_mutex_unlock(&careful->lock);
    if (!last) return;
    uint64_t now = now_ns();
    drop(TRITONBACKEND_ModelInstanceReportStatistics(call->instance, call->request, call->success, call->start_ns, call->start_ns,
                                                     now, now));
    drop(TRITONBACKEND_RequestRelease(call->request, RELEASE_ALL));
    free(call);
    pthread_mutex_lock(&careful->lock);
    if (--careful->under_way == 0) pthread_cond_broadcast(&careful->idle);
    pthread_mutex_unlock(&careful->lock);
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
    if (!inner || (theirs && !is_its_own(theirs))) note_failed(call->careful, call->request);
    if (!inner) return TRITONSERVER_ErrorNew(INTERNAL, CAREFUL " gave no answer");
    if (theirs) return TRITONSERVER_ErrorNew(TRITONSERVER_ErrorCode(theirs), TRITONSERVER_ErrorMessage(theirs));
    return response ? copy_outputs(inner, response) : NULL;
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
    drop(TRITONBACKEND_ResponseNew(&response, call->request));
    Error* error = outcome(call, inner, response);
    call->success = !error && response;
    if (response) drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
}

static void answered(InnerResponse* inner, uint32_t flags, void* user) {
    Call* call = user;
    bool last = flags & RESPONSE_FINAL;
    if (is_to_be_sent(call, inner, last)) send_answer(call, inner);
    if (inner) drop(TRITONSERVER_InferenceResponseDelete(inner));
    if (last) end(call);
}

static void released(InnerRequest* inner, uint32_t flags, void* user) {
    if (!(flags & RELEASE_ALL)) return;  // it goes on, and is released again
    drop(TRITONSERVER_InferenceRequestDelete(inner));
    end(user);
}

void ask_careful(Careful* careful, Instance* instance, Request* request, uint64_t start_ns) {
    InnerRequest* inner = NULL;
    Call* call = malloc(sizeof *call);
    Error* error = call ? TRITONSERVER_InferenceRequestNew(&inner, careful->server, CAREFUL, careful->version)
                        : TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    if (!error) error = copy_request(request, inner);
    if (!error) error = TRITONSERVER_InferenceRequestSetReleaseCallback(inner, released, call);
    if (!error) error = TRITONSERVER_InferenceRequestSetResponseCallback(inner, careful->allocator, NULL, answered, call);
    if (!error) {
        *call = (Call){careful, instance, request, start_ns, false, false, 2};
        pthread_mutex_lock(&careful->lock);
        careful->under_way++;
        pthread_mutex_unlock(&careful->lock);
        error = TRITONSERVER_ServerInferAsync(careful->server, inner, NULL);
        if (!error) return;
        pthread_mutex_lock(&careful->lock);
        careful->under_way--;
        pthread_mutex_unlock(&careful->lock);
    }
    note_failed(careful, request);
    send_error(instance, request, TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error));
    drop(error);
    if (inner) drop(TRITONSERVER_InferenceRequestDelete(inner));
    free(call);
}
