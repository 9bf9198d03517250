#include "relay.h"

#include "request/input.h"

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

// One of the two packed tensors as the release takes it. What is not as it should be is lent as it is: that model says so.
static Error* rearrange_input(const Properties* tensor, InnerRequest* inner, const Changed* changed) {
    const Layout* layout = changed->form->layout;
    const Settings* to = changed->form->settings;
    bool is_text = !strcmp(tensor->name, "categorical");
    uint32_t from_columns = is_text ? layout->categorical : layout->numeric, columns = is_text ? to->categorical : to->numeric;
    if (tensor->dims != 2 || tensor->shape[0] < 1 || tensor->shape[0] > (int64_t)to->max_rows ||
        tensor->shape[1] != (int64_t)from_columns)
        return lend_input(tensor, inner);
    size_t rows = (size_t)tensor->shape[0], bytes = is_text ? tensor->bytes + PREFIX * rows * columns : rows * columns * 4;
    if (!is_text && tensor->bytes != rows * from_columns * 4) return lend_input(tensor, inner);
    char* from = malloc(tensor->bytes + 1);
    if (!from || !copy_input(tensor->input, tensor->buffers, tensor->bytes, from)) return free(from), lend_input(tensor, inner);
    char* into = malloc(bytes + 1);
    if (into && is_text) bytes = rearrange_text(layout, to, from, tensor->bytes, rows, into);
    if (into && !is_text) rearrange_numbers(layout, to, (const float*)(void*)from, rows, (float*)(void*)into);
    free(from);
    if (!into || !bytes) return free(into), lend_input(tensor, inner);
    changed->aside[!is_text] = (Bytes){.at = into, .size = bytes, .room = bytes};
    const int64_t shape[] = {tensor->shape[0], columns};
    Error* error = TRITONSERVER_InferenceRequestAddInput(inner, tensor->name, tensor->type, shape, 2);
    if (error) return error;
    return TRITONSERVER_InferenceRequestAppendInputData(inner, tensor->name, into, bytes, MEMORY_CPU, 0);
}

static Error* copy_inputs(Request* request, InnerRequest* inner, const Changed* changed) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        error = read_properties(request, i, &tensor);
        if (error) break;
        bool is_packed = !strcmp(tensor.name, "categorical") || !strcmp(tensor.name, "numeric");
        error = changed->form->layout && is_packed ? rearrange_input(&tensor, inner, changed) : lend_input(&tensor, inner);
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
    return error;
}

Error* copy_outputs(InnerResponse* inner, Response* response) {
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
        if (!error && bytes) memcpy(target, data, bytes);
    }
    return error;
}
