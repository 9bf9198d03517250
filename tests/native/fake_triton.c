#include "fake_triton.h"

#include <pthread.h>
#include <time.h>

struct TRITONSERVER_Error {
    int code;
    char text[256];
};

struct TRITONBACKEND_Response {
    Request* request;
    Output outputs[MOST_TENSORS];
    uint32_t outputs_count;
};

enum { MOST_LOGGED = 64 };

char logged[512];
static char log_lines[MOST_LOGGED][512];
static int log_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of the log, of what became of requests, of instances
atomic_bool careful_is_ready = true;

Error* TRITONSERVER_ErrorNew(int code, const char* text) {
    Error* error = a_block(sizeof *error);
    error->code = code;
    snprintf(error->text, sizeof error->text, "%s", text);
    return error;
}

void TRITONSERVER_ErrorDelete(Error* error) { free(error); }
int TRITONSERVER_ErrorCode(Error* error) { return error->code; }
const char* TRITONSERVER_ErrorMessage(Error* error) { return error->text; }

static Error* a_fault(void) {
    if (!fails()) return NULL;
    return TRITONSERVER_ErrorNew(INTERNAL, "it was made to fail");
}

#define MAY_FAIL                  \
    do {                          \
        Error* fault = a_fault(); \
        if (fault) return fault;  \
    } while (0)

Error* TRITONSERVER_LogMessage(int level, const char* file, int line, const char* text) {
    pthread_mutex_lock(&lock);
    snprintf(logged, sizeof logged, "%s", text);
    snprintf(log_lines[log_count++ % MOST_LOGGED], sizeof *log_lines, "%s", text);
    pthread_mutex_unlock(&lock);
    return NULL;
}

bool was_logged(const char* words) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST_LOGGED; i++) found |= strstr(log_lines[i], words) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

void forget_log(void) {
    pthread_mutex_lock(&lock);
    memset(log_lines, 0, sizeof log_lines);
    log_count = 0, logged[0] = 0;
    pthread_mutex_unlock(&lock);
}

Error* TRITONSERVER_ServerModelIsReady(Server* server, const char* model, int64_t version, bool* ready) {
    MAY_FAIL;
    CHECK(!strcmp(model, "ctr_careful"));
    *ready = careful_is_ready;
    return NULL;
}

Error* TRITONBACKEND_ApiVersion(uint32_t* major, uint32_t* minor) {
    MAY_FAIL;
    *major = TRITON_API_MAJOR, *minor = 19;
    return NULL;
}

Error* TRITONBACKEND_ModelName(Model* model, const char** name) {
    MAY_FAIL;
    *name = model->name;
    return NULL;
}

Error* TRITONBACKEND_ModelVersion(Model* model, uint64_t* version) {
    MAY_FAIL;
    *version = model->version;
    return NULL;
}

Error* TRITONBACKEND_ModelRepository(Model* model, int* artifact, const char** folder) {
    MAY_FAIL;
    *artifact = 0, *folder = model->repository;
    return NULL;
}

Error* TRITONBACKEND_ModelServer(Model* model, Server** server) {
    MAY_FAIL;
    *server = (Server*)model;
    return NULL;
}

Error* TRITONBACKEND_ModelState(Model* model, void** state) {
    *state = model->state;
    return NULL;
}

Error* TRITONBACKEND_ModelSetState(Model* model, void* state) {
    MAY_FAIL;
    model->state = state;
    return NULL;
}

Error* TRITONBACKEND_ModelInstanceModel(Instance* instance, Model** model) {
    MAY_FAIL;
    *model = instance->model;
    return NULL;
}

Error* TRITONBACKEND_ModelInstanceState(Instance* instance, void** state) {
    *state = instance->state;
    return NULL;
}

Error* TRITONBACKEND_ModelInstanceSetState(Instance* instance, void* state) {
    MAY_FAIL;
    instance->state = state;
    return NULL;
}

Error* TRITONBACKEND_ModelInstanceReportStatistics(Instance* instance, Request* request, bool success, uint64_t start_ns,
                                                   uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns) {
    CHECK(!request->released);
    request->reports++, request->success = success;
    return NULL;
}

Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(Instance* instance, uint64_t rows, uint64_t start_ns,
                                                        uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns) {
    pthread_mutex_lock(&lock);
    instance->batches++, instance->rows += rows;
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONBACKEND_RequestId(Request* request, const char** id) {
    CHECK(!request->released);
    MAY_FAIL;
    *id = request->id;
    return NULL;
}

Error* TRITONBACKEND_RequestInputCount(Request* request, uint32_t* count) {
    CHECK(!request->released);
    MAY_FAIL;
    *count = request->inputs_count;
    return NULL;
}

Error* TRITONBACKEND_RequestInputByIndex(Request* request, uint32_t index, Input** input) {
    CHECK(!request->released && index < request->inputs_count);
    MAY_FAIL;
    *input = &request->inputs[index];
    return NULL;
}

Error* TRITONBACKEND_InputProperties(Input* input, const char** name, int* type, const int64_t** shape, uint32_t* dims,
                                     uint64_t* bytes, uint32_t* buffers) {
    MAY_FAIL;
    *name = input->name, *type = input->type, *shape = input->shape, *dims = input->dims, *bytes = input->bytes;
    *buffers = input->pieces_count;
    return NULL;
}

Error* TRITONBACKEND_InputBuffer(Input* input, uint32_t index, const void** data, uint64_t* bytes, int* memory, int64_t* device) {
    CHECK(index < input->pieces_count);
    MAY_FAIL;
    *data = input->pieces[index], *bytes = input->piece_bytes[index], *memory = input->memory, *device = 0;
    return NULL;
}

Error* TRITONBACKEND_RequestOutputCount(Request* request, uint32_t* count) {
    CHECK(!request->released);
    *count = request->outputs_count;
    return NULL;
}

Error* TRITONBACKEND_RequestOutputName(Request* request, uint32_t index, const char** name) {
    CHECK(!request->released && index < request->outputs_count);
    *name = request->outputs[index];
    return NULL;
}

Error* TRITONBACKEND_RequestParameterCount(Request* request, uint32_t* count) {
    CHECK(!request->released);
    MAY_FAIL;
    *count = request->parameters_count;
    return NULL;
}

Error* TRITONBACKEND_RequestParameter(Request* request, uint32_t index, const char** key, int* type, const void** value) {
    CHECK(!request->released && index < request->parameters_count);
    MAY_FAIL;
    const Given* given = &request->parameters[index];
    *key = given->key, *type = given->type, *value = given->value;
    return NULL;
}

Error* TRITONBACKEND_RequestRelease(Request* request, uint32_t flags) {
    pthread_mutex_lock(&lock);
    CHECK(!request->released && flags == RELEASE_ALL);
    for (int i = 0; i < MOST_TENSORS; i++) free(request->dies[i]), request->dies[i] = NULL;
    request->released++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

void wait_for_release(Request* request) {
    for (int i = 0, released = 0; !released; i++) {
        CHECK(i < 10000);
        pthread_mutex_lock(&lock);
        released = request->released;
        pthread_mutex_unlock(&lock);
        if (!released) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

Error* TRITONBACKEND_ResponseNew(Response** response, Request* request) {
    CHECK(!request->released);
    MAY_FAIL;
    *response = a_block(sizeof **response);
    (*response)->request = request;
    return NULL;
}

Error* TRITONBACKEND_ResponseOutput(Response* response, Output** output, const char* name, int type, const int64_t* shape,
                                    uint32_t dims) {
    MAY_FAIL;
    CHECK(response->outputs_count < MOST_TENSORS && dims <= 3);
    Output* made = *output = &response->outputs[response->outputs_count++];
    snprintf(made->name, sizeof made->name, "%s", name);
    memcpy(made->shape, shape, dims * sizeof *shape);
    made->type = type, made->dims = dims;
    return NULL;
}

Error* TRITONBACKEND_OutputBuffer(Output* output, void** data, uint64_t bytes, int* memory, int64_t* device) {
    MAY_FAIL;
    *data = output->data = a_block(bytes + 1);
    output->bytes = bytes, *memory = MEMORY_CPU, *device = 0;
    return NULL;
}

Error* TRITONBACKEND_ResponseSend(Response* response, uint32_t flags, Error* error) {
    Request* request = response->request;
    CHECK(!request->released && flags == RESPONSE_FINAL && !request->answers);
    request->answers++, request->code = error ? error->code : NO_ERROR;
    if (error) snprintf(request->text, sizeof request->text, "%s", error->text);
    memcpy(request->sent, response->outputs, sizeof request->sent);
    request->sent_count = response->outputs_count;
    free(response);
    return NULL;
}

Error* TRITONBACKEND_ResponseDelete(Response* response) {
    for (uint32_t i = 0; i < response->outputs_count; i++) free(response->outputs[i].data);
    free(response);
    return NULL;
}

Request a_request(void) {
    return (Request){.id = "", .outputs = {"probability", "model_version"}, .outputs_count = 2, .code = NO_ANSWER};
}

void forget_answer(Request* request) {
    for (uint32_t i = 0; i < request->sent_count; i++) free(request->sent[i].data);
    memset(request->sent, 0, sizeof request->sent);
    request->sent_count = 0, request->answers = request->released = request->reports = 0, request->code = NO_ANSWER;
}
