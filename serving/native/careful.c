#include "careful.h"

#include "reply.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct Careful {
    Server* server;
    Allocator* allocator;
    int64_t version;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    uint64_t under_way;
};

typedef struct {
    Careful* careful;
    Instance* instance;
    Request* request;
    uint64_t start_ns;
    bool success;
    int left;  // of answer and inner request, which end in any order
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

Error* open_careful(Server* server, uint64_t version, Careful** careful) {
    *careful = calloc(1, sizeof **careful);
    if (!*careful) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    (*careful)->server = server, (*careful)->version = (int64_t)version;
    pthread_mutex_init(&(*careful)->lock, NULL);
    pthread_cond_init(&(*careful)->idle, NULL);
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
    drop(TRITONSERVER_ResponseAllocatorDelete(careful->allocator));
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

static Error* copy_outputs(InnerResponse* inner, Response* response) {
    uint32_t count = 0;
    Error* error = TRITONSERVER_InferenceResponseOutputCount(inner, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* name;
        const int64_t* shape;
        const void* data;
        void *user, *target;
        int type, memory;
        int64_t device;
        uint64_t dims;
        size_t bytes;
        Output* output;
        error =
            TRITONSERVER_InferenceResponseOutput(inner, i, &name, &type, &shape, &dims, &data, &bytes, &memory, &device, &user);
        if (!error) error = TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, (uint32_t)dims);
        memory = MEMORY_CPU, device = 0;
        if (!error) error = TRITONBACKEND_OutputBuffer(output, &target, bytes, &memory, &device);
        if (!error && memory == MEMORY_GPU) error = TRITONSERVER_ErrorNew(UNSUPPORTED, "outputs go to memory of the host only");
        if (!error) memcpy(target, data, bytes);
    }
    return error;
}

static void answered(InnerResponse* inner, uint32_t flags, void* user) {
    Call* call = user;
    if (!inner) return;
    Response* response = NULL;
    drop(TRITONBACKEND_ResponseNew(&response, call->request));
    Error* theirs = TRITONSERVER_InferenceResponseError(inner);  // belongs to `inner`
    Error* error = theirs     ? TRITONSERVER_ErrorNew(TRITONSERVER_ErrorCode(theirs), TRITONSERVER_ErrorMessage(theirs))
                   : response ? copy_outputs(inner, response)
                              : NULL;
    call->success = !error && response;
    if (response) drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
    drop(TRITONSERVER_InferenceResponseDelete(inner));
    end(call);
}

static void released(InnerRequest* inner, uint32_t flags, void* user) {
    drop(TRITONSERVER_InferenceRequestDelete(inner));
    end(user);
}

// The inner request reads the client's tensors where they lie.
static Error* copy_inputs(Request* request, InnerRequest* inner) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Input* input;
        const char* name;
        const int64_t* shape;
        int type;
        uint32_t dims, buffers;
        uint64_t bytes;
        error = TRITONBACKEND_RequestInputByIndex(request, i, &input);
        if (!error) error = TRITONBACKEND_InputProperties(input, &name, &type, &shape, &dims, &bytes, &buffers);
        if (!error) error = TRITONSERVER_InferenceRequestAddInput(inner, name, type, shape, dims);
        for (uint32_t k = 0; !error && k < buffers; k++) {
            const void* data;
            int memory = MEMORY_CPU;
            int64_t device = 0;
            error = TRITONBACKEND_InputBuffer(input, k, &data, &bytes, &memory, &device);
            if (!error) error = TRITONSERVER_InferenceRequestAppendInputData(inner, name, data, bytes, memory, device);
        }
    }
    return error;
}

static Error* copy_parameters(Request* request, InnerRequest* inner) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestParameterCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* key;
        const void* value;
        int type;
        error = TRITONBACKEND_RequestParameter(request, i, &key, &type, &value);
        if (error) break;
        if (type == PARAMETER_STRING) error = TRITONSERVER_InferenceRequestSetStringParameter(inner, key, value);
        if (type == PARAMETER_INT) error = TRITONSERVER_InferenceRequestSetIntParameter(inner, key, *(const int64_t*)value);
        if (type == PARAMETER_BOOL) error = TRITONSERVER_InferenceRequestSetBoolParameter(inner, key, *(const bool*)value);
    }
    return error;
}

static Error* copy_request(Request* request, InnerRequest* inner) {
    const char *id, *name;
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestId(request, &id);
    if (!error) error = TRITONSERVER_InferenceRequestSetId(inner, id);
    if (!error) error = copy_inputs(request, inner);
    if (!error) error = copy_parameters(request, inner);
    if (!error) error = TRITONBACKEND_RequestOutputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        error = TRITONBACKEND_RequestOutputName(request, i, &name);
        if (!error) error = TRITONSERVER_InferenceRequestAddRequestedOutput(inner, name);
    }
    return error;
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
        *call = (Call){careful, instance, request, start_ns, false, 2};
        pthread_mutex_lock(&careful->lock);
        careful->under_way++;
        pthread_mutex_unlock(&careful->lock);
        error = TRITONSERVER_ServerInferAsync(careful->server, inner, NULL);
        if (!error) return;
        pthread_mutex_lock(&careful->lock);
        careful->under_way--;
        pthread_mutex_unlock(&careful->lock);
    }
    send_error(instance, request, TRITONSERVER_ErrorCode(error), TRITONSERVER_ErrorMessage(error));
    drop(error);
    if (inner) drop(TRITONSERVER_InferenceRequestDelete(inner));
    free(call);
}
