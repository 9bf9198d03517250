#include "relay.h"

#include "request/input.h"

#include <string.h>

static Error* copy_inputs(Request* request, InnerRequest* inner) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        error = read_properties(request, i, &tensor);
        if (!error) error = TRITONSERVER_InferenceRequestAddInput(inner, tensor.name, tensor.type, tensor.shape, tensor.dims);
        for (uint32_t k = 0; !error && k < tensor.buffers; k++) {
            const void* data;
            uint64_t bytes;
            int memory = MEMORY_CPU;
            int64_t device = 0;
            error = TRITONBACKEND_InputBuffer(tensor.input, k, &data, &bytes, &memory, &device);
            if (!error) error = TRITONSERVER_InferenceRequestAppendInputData(inner, tensor.name, data, bytes, memory, device);
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
        if (type == PARAMETER_DOUBLE) error = TRITONSERVER_InferenceRequestSetDoubleParameter(inner, key, *(const double*)value);
    }
    return error;
}

Error* copy_request(Request* request, InnerRequest* inner) {
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
