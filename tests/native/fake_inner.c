#include "fake_inner.h"

enum { MOST_BYTES = 64 };

struct TRITONSERVER_ResponseAllocator {
    AllocateFn allocate;
    FreeFn give_back;
};

struct TRITONSERVER_InferenceResponse {
    Allocator* allocator;
    Error* error;
    Output outputs[2];
    uint32_t outputs_count;
};

void (*on_infer)(InnerRequest* inner);

#define MAY_FAIL                                                                              \
    do {                                                                                      \
        if (fails()) return TRITONSERVER_ErrorNew(UNAVAILABLE, "inner: it was made to fail"); \
    } while (0)

Error* TRITONSERVER_ResponseAllocatorNew(Allocator** allocator, AllocateFn allocate, FreeFn give_back, void* start) {
    MAY_FAIL;
    *allocator = a_block(sizeof **allocator);
    **allocator = (Allocator){allocate, give_back};
    return NULL;
}

Error* TRITONSERVER_ResponseAllocatorDelete(Allocator* allocator) {
    free(allocator);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestNew(InnerRequest** inner, Server* server, const char* model, int64_t version) {
    MAY_FAIL;
    *inner = a_block(sizeof **inner);
    snprintf((*inner)->model, sizeof(*inner)->model, "%s", model);
    (*inner)->version = version;
    return NULL;
}

Error* TRITONSERVER_InferenceRequestDelete(InnerRequest* inner) {
    free(inner);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetId(InnerRequest* inner, const char* id) {
    MAY_FAIL;
    snprintf(inner->id, sizeof inner->id, "%s", id);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestAddInput(InnerRequest* inner, const char* name, int type, const int64_t* shape,
                                             uint64_t dims) {
    MAY_FAIL;
    CHECK(inner->inputs_count < MOST_TENSORS && dims <= 3);
    Input* input = &inner->inputs[inner->inputs_count++];
    input->name = name, input->type = type, input->dims = (uint32_t)dims;
    memcpy(input->shape, shape, dims * sizeof *shape);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestAppendInputData(InnerRequest* inner, const char* name, const void* data, size_t bytes,
                                                    int memory, int64_t device) {
    MAY_FAIL;
    Input* input = &inner->inputs[inner->inputs_count - 1];
    CHECK(!strcmp(input->name, name) && input->pieces_count < MOST_PIECES);
    input->pieces[input->pieces_count] = data, input->piece_bytes[input->pieces_count++] = bytes;
    input->memory = memory, input->bytes += bytes;
    return NULL;
}

Error* TRITONSERVER_InferenceRequestAddRequestedOutput(InnerRequest* inner, const char* name) {
    MAY_FAIL;
    CHECK(inner->outputs_count < MOST_TENSORS);
    snprintf(inner->outputs[inner->outputs_count++], sizeof inner->outputs[0], "%s", name);
    return NULL;
}

static char* next_parameter(InnerRequest* inner) {
    CHECK(inner->parameters_count < 2 * MOST_TENSORS);
    return inner->parameters[inner->parameters_count++];
}

Error* TRITONSERVER_InferenceRequestSetStringParameter(InnerRequest* inner, const char* key, const char* value) {
    MAY_FAIL;
    snprintf(next_parameter(inner), sizeof inner->parameters[0], "%s=%s", key, value);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetIntParameter(InnerRequest* inner, const char* key, int64_t value) {
    MAY_FAIL;
    snprintf(next_parameter(inner), sizeof inner->parameters[0], "%s=%lld", key, (long long)value);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetBoolParameter(InnerRequest* inner, const char* key, bool value) {
    MAY_FAIL;
    snprintf(next_parameter(inner), sizeof inner->parameters[0], "%s=%s", key, value ? "true" : "false");
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetDoubleParameter(InnerRequest* inner, const char* key, double value) {
    MAY_FAIL;
    snprintf(next_parameter(inner), sizeof inner->parameters[0], "%s=%g", key, value);
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetReleaseCallback(InnerRequest* inner, ReleasedFn released, void* user) {
    MAY_FAIL;
    inner->released = released, inner->released_user = user;
    return NULL;
}

Error* TRITONSERVER_InferenceRequestSetResponseCallback(InnerRequest* inner, Allocator* allocator, void* allocator_user,
                                                        AnsweredFn answered, void* user) {
    MAY_FAIL;
    inner->allocator = allocator, inner->answered = answered, inner->answered_user = user;
    return NULL;
}

Error* TRITONSERVER_ServerInferAsync(Server* server, InnerRequest* inner, Trace* trace) {
    MAY_FAIL;
    on_infer(inner);
    return NULL;
}

// What the allocator says if it has no memory becomes the answer's error.
static void add_output(InnerResponse* answer, const char* name, int type, const void* value, size_t bytes) {
    void *data, *data_user;
    int memory = 0;
    int64_t device = 0;
    if (!answer->error)
        answer->error =
            answer->allocator->allocate(answer->allocator, name, bytes, MEMORY_CPU, 0, NULL, &data, &data_user, &memory, &device);
    if (answer->error) return;
    Output* output = &answer->outputs[answer->outputs_count++];
    *output = (Output){.type = type, .shape = {1, 1}, .dims = 2, .bytes = bytes, .data = data};
    snprintf(output->name, sizeof output->name, "%s", name);
    memcpy(data, value, bytes);
}

InnerResponse* an_answer(const InnerRequest* inner, float p_click, int64_t version) {
    InnerResponse* answer = a_block(sizeof *answer);
    answer->allocator = inner->allocator;
    add_output(answer, "probability", TYPE_FP32, &p_click, sizeof p_click);
    add_output(answer, "model_version", TYPE_INT64, &version, sizeof version);
    return answer;
}

InnerResponse* an_error(int code, const char* text) {
    InnerResponse* answer = a_block(sizeof *answer);
    answer->error = TRITONSERVER_ErrorNew(code, text);
    return answer;
}

Error* TRITONSERVER_InferenceResponseError(InnerResponse* answer) { return answer->error; }

Error* TRITONSERVER_InferenceResponseOutputCount(InnerResponse* answer, uint32_t* count) {
    MAY_FAIL;
    *count = answer->outputs_count;
    return NULL;
}

Error* TRITONSERVER_InferenceResponseOutput(InnerResponse* answer, uint32_t index, const char** name, int* type,
                                            const int64_t** shape, uint64_t* dims, const void** data, size_t* bytes, int* memory,
                                            int64_t* device, void** user) {
    MAY_FAIL;
    Output* output = &answer->outputs[index];
    *name = output->name, *type = output->type, *shape = output->shape, *dims = output->dims, *data = output->data;
    *bytes = output->bytes, *memory = MEMORY_CPU, *device = 0, *user = NULL;
    return NULL;
}

Error* TRITONSERVER_InferenceResponseDelete(InnerResponse* answer) {
    for (uint32_t i = 0; i < answer->outputs_count; i++)
        answer->allocator->give_back(answer->allocator, answer->outputs[i].data, NULL, answer->outputs[i].bytes, MEMORY_CPU, 0);
    if (answer->error) TRITONSERVER_ErrorDelete(answer->error);
    free(answer);
    return NULL;
}
