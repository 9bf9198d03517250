#include "relay.h"

#include "../journal/prediction_id.h"
#include "../reply.h"
#include "../request/input.h"

#include <stdlib.h>
#include <string.h>

static Error* lend_input(const Properties* tensor, InnerRequest* inner) {
    Error* error = TRITONSERVER_InferenceRequestAddInput(inner, tensor->name, tensor->type, tensor->shape, tensor->dims);
    for (uint32_t k = 0; !error && k < tensor->buffers; k++) {
        const void* data;
        uint64_t bytes;
        int memory = MEMORY_CPU;
        int64_t device = 0;
        error = TRITONBACKEND_InputBuffer(tensor->input, k, &data, &bytes, &memory, &device);
        if (!error) error = TRITONSERVER_InferenceRequestAppendInputData(inner, tensor->name, data, bytes, memory, device);
    }
    return error;
}

// A place for a copy, with room for so many bytes, which belongs to the inner request then; NULL if there is no memory.
static Bytes* find_copy(const Changed* changed, size_t bytes) {
    for (int i = 0; i < MOST_COPIES; i++)
        if (!changed->copies[i].at) return add_room(&changed->copies[i], bytes + 1) ? &changed->copies[i] : NULL;
    return NULL;
}

static Error* give_input(const Properties* tensor, int64_t columns, InnerRequest* inner, const char* data, size_t bytes) {
    int64_t shape[8];
    if (tensor->dims > sizeof shape / sizeof *shape)
        return TRITONSERVER_ErrorNew(INVALID_ARG, "a tensor has too many dimensions");
    memcpy(shape, tensor->shape, tensor->dims * sizeof *shape);
    if (columns) shape[1] = columns;
    Error* error = TRITONSERVER_InferenceRequestAddInput(inner, tensor->name, tensor->type, shape, tensor->dims);
    if (error) return error;
    return TRITONSERVER_InferenceRequestAppendInputData(inner, tensor->name, data, bytes, MEMORY_CPU, 0);
}

static Error* copy_input_apart(const Properties* tensor, InnerRequest* inner, const Changed* changed) {
    Bytes* copy = find_copy(changed, tensor->bytes);
    if (!copy || !copy_input(tensor->input, tensor->buffers, tensor->bytes, copy->at))
        return TRITONSERVER_ErrorNew(INTERNAL, "a tensor could not be copied");
    return give_input(tensor, 0, inner, copy->at, tensor->bytes);
}

static Error* hand_over(const Properties* tensor, InnerRequest* inner, const Changed* changed) {
    return changed->is_apart ? copy_input_apart(tensor, inner, changed) : lend_input(tensor, inner);
}

// One of the two packed tensors as the release takes it. What is not as it should be is handed over as it is: that model says so.
static Error* rearrange_input(const Properties* tensor, InnerRequest* inner, const Changed* changed) {
    const Layout* layout = changed->form->layout;
    const Settings* to = changed->form->settings;
    bool is_text = !strcmp(tensor->name, "categorical");
    uint32_t from_columns = is_text ? layout->categorical : layout->numeric, columns = is_text ? to->categorical : to->numeric;
    if (tensor->dims != 2 || tensor->shape[0] < 1 || tensor->shape[0] > (int64_t)to->max_rows ||
        tensor->shape[1] != (int64_t)from_columns)
        return hand_over(tensor, inner, changed);
    size_t rows = (size_t)tensor->shape[0], bytes = is_text ? tensor->bytes + PREFIX * rows * columns : rows * columns * 4;
    if (!is_text && tensor->bytes != rows * from_columns * 4) return hand_over(tensor, inner, changed);
    char* from = malloc(tensor->bytes + 1);
    Bytes* copy = from ? find_copy(changed, bytes) : NULL;
    bool is_whole = copy && copy_input(tensor->input, tensor->buffers, tensor->bytes, from);
    if (is_whole && is_text) bytes = rearrange_text(layout, to, from, tensor->bytes, rows, copy->at);
    if (is_whole && !is_text) rearrange_numbers(layout, to, (const float*)(void*)from, rows, (float*)(void*)copy->at);
    free(from);
    if (is_whole && bytes) return give_input(tensor, columns, inner, copy->at, bytes);
    if (copy) free_bytes(copy);
    return hand_over(tensor, inner, changed);
}

static Error* copy_inputs(Request* request, InnerRequest* inner, const Changed* changed) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        error = read_properties(request, i, &tensor);
        if (error) break;
        bool is_packed = !strcmp(tensor.name, "categorical") || !strcmp(tensor.name, "numeric");
        error =
            changed->form->layout && is_packed ? rearrange_input(&tensor, inner, changed) : hand_over(&tensor, inner, changed);
    }
    return error;
}

// The declaration that requests are made for may be another than the release's, also where its columns stand in the same places.
static const char* declaration_for(const Changed* changed, const char* sent) {
    const Form* form = changed->form;
    return !strcmp(sent, form->declaration) ? form->settings->declaration : sent;
}

static bool is_own(const char* key) {
    return !strncmp(key, OWN_PARAMETERS, strlen(OWN_PARAMETERS)) && strcmp(key, INNER_CALL) != 0;
}

static Error* copy_parameters(Request* request, InnerRequest* inner, const Changed* changed) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestParameterCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* key;
        const void* value;
        int type;
        error = TRITONBACKEND_RequestParameter(request, i, &key, &type, &value);
        if (error) break;
        if (is_own(key)) continue;
        if (type == PARAMETER_STRING && !strcmp(key, "declaration")) value = declaration_for(changed, value);
        if (type == PARAMETER_STRING) error = TRITONSERVER_InferenceRequestSetStringParameter(inner, key, value);
        if (type == PARAMETER_INT) error = TRITONSERVER_InferenceRequestSetIntParameter(inner, key, *(const int64_t*)value);
        if (type == PARAMETER_BOOL) error = TRITONSERVER_InferenceRequestSetBoolParameter(inner, key, *(const bool*)value);
        if (type == PARAMETER_DOUBLE) error = TRITONSERVER_InferenceRequestSetDoubleParameter(inner, key, *(const double*)value);
    }
    return error;
}

Error* copy_request(Request* request, InnerRequest* inner, const Changed* changed) {
    const char *id, *name;
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestId(request, &id);
    if (!error) error = TRITONSERVER_InferenceRequestSetId(inner, id);
    if (!error) error = copy_inputs(request, inner, changed);
    if (!error) error = copy_parameters(request, inner, changed);
    if (!error) error = TRITONBACKEND_RequestOutputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        error = TRITONBACKEND_RequestOutputName(request, i, &name);
        if (!error) error = TRITONSERVER_InferenceRequestAddRequestedOutput(inner, name);
    }
    if (!error && changed->wants_id && !is_asked_for(request, PREDICTION_ID))
        error = TRITONSERVER_InferenceRequestAddRequestedOutput(inner, PREDICTION_ID);
    return error;
}

// The digits of an id that came as one string, behind its length.
static void read_id(const void* data, size_t bytes, char id[33]) {
    const char* text = (const char*)data + PREFIX;
    size_t digits = 0;
    if (bytes != PREFIX + ID_TEXT) return;
    for (size_t i = 0; i < ID_TEXT && digits < 32; i++)
        if (text[i] != '-') id[digits++] = text[i];
    id[digits] = 0;
}

static Error* copy_output(Response* response, const char* name, int type, const int64_t* shape, uint64_t dims, const void* data,
                          size_t bytes) {
    Output* output;
    void* target;
    int memory = MEMORY_CPU;
    int64_t device = 0;
    Error* error = TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, (uint32_t)dims);
    if (!error) error = TRITONBACKEND_OutputBuffer(output, &target, bytes, &memory, &device);
    if (!error && memory == MEMORY_GPU) error = TRITONSERVER_ErrorNew(UNSUPPORTED, "outputs go to memory of the host only");
    if (!error && bytes) memcpy(target, data, bytes);
    return error;
}

Error* copy_outputs(InnerResponse* inner, Request* request, Response* response, char id[33]) {
    uint32_t count = 0;
    Error* error = TRITONSERVER_InferenceResponseOutputCount(inner, &count);
    id[0] = 0;
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* name;
        const int64_t* shape;
        const void* data;
        void* user;
        int type, memory;
        int64_t device;
        uint64_t dims;
        size_t bytes;
        error =
            TRITONSERVER_InferenceResponseOutput(inner, i, &name, &type, &shape, &dims, &data, &bytes, &memory, &device, &user);
        if (error) break;
        if (!strcmp(name, PREDICTION_ID)) read_id(data, bytes, id);
        if (is_asked_for(request, name)) error = copy_output(response, name, type, shape, dims, data, bytes);
    }
    return error;
}
