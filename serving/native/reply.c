#include "reply.h"

#include <string.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t now_ns(void) { return read_ns(CLOCK_MONOTONIC); }

uint64_t thread_ns(void) { return read_ns(CLOCK_THREAD_CPUTIME_ID); }

void drop(Error* error) {
    if (error) TRITONSERVER_ErrorDelete(error);
}

bool is_asked_for(Request* request, const char* output) {
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

// One string, behind its length.
static Error* add_text(Response* response, const char* name, const char* text) {
    uint32_t length = (uint32_t)strlen(text);
    void* data;
    Error* error = add_output(response, name, TYPE_BYTES, 1, sizeof length + length, &data);
    if (error) return error;
    memcpy(data, &length, sizeof length);
    memcpy((char*)data + sizeof length, text, length);
    return NULL;
}

bool send_rows(Request* request, const float* p_click, size_t rows, int64_t version, const char* id) {
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
        for (size_t row = 0; !error && row < rows; row++) ((int64_t*)data)[row] = version;
    }
    if (!error && id && is_asked_for(request, PREDICTION_ID)) error = add_text(response, PREDICTION_ID, id);
    bool sent = !error;
    drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
    return sent;
}

void reply_error(Request* request, int code, const char* text) {
    Response* response = NULL;
    Error* error = TRITONSERVER_ErrorNew(code, text);
    drop(TRITONBACKEND_ResponseNew(&response, request));
    if (response) drop(TRITONBACKEND_ResponseSend(response, RESPONSE_FINAL, error));
    drop(error);
}

void send_error(Instance* instance, Request* request, int code, const char* text) {
    reply_error(request, code, text);
    drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, request, false, 0, 0, 0, 0));
    drop(TRITONBACKEND_RequestRelease(request, RELEASE_ALL));
}
