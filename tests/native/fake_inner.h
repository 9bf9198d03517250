// Inner requests of the fake Triton: what the backend asked of another model, and how that ends.

#pragma once

#include "fake_triton.h"

struct TRITONSERVER_InferenceRequest {
    char model[32], id[32];
    int64_t version;
    Input inputs[MOST_TENSORS];
    uint32_t inputs_count, outputs_count, parameters_count;
    char outputs[MOST_TENSORS][32], parameters[2 * MOST_TENSORS][128];  // "key=value"
    ReleasedFn released;
    AnsweredFn answered;
    void *released_user, *answered_user;
    Allocator* allocator;
};

// What happens to an inner request. Runs inside TRITONSERVER_ServerInferAsync; has to see that it ends, at some time.
extern void (*on_infer)(InnerRequest* inner);

// An answer of one row with a probability and a version, or with an error; has to be given to the backend.
InnerResponse* an_answer(const InnerRequest* inner, float p_click, int64_t version);
InnerResponse* an_error(int code, const char* text);
