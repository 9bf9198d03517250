// Triton as the backend sees it, in a process of tests: requests made by hand, answers to be looked at, inner requests that end
// as a test wants. Whatever the backend makes here and does not give back is a leak, which the sanitizer reports; a request that
// it uses after its release ends the test.

#pragma once

#include "check.h"
#include "triton.h"

#include <stdatomic.h>

enum { MOST_PIECES = 4, MOST_TENSORS = 4 };

// A tensor of a request, in pieces.
struct TRITONBACKEND_Input {
    const char* name;
    int type;
    int64_t shape[3];
    uint32_t dims;
    uint64_t bytes;
    const void* pieces[MOST_PIECES];
    uint64_t piece_bytes[MOST_PIECES];
    int memory;
    uint32_t pieces_count;
};

typedef struct {
    const char* key;
    int type;
    const void* value;
} Given;

// A tensor of an answer.
struct TRITONBACKEND_Output {
    char name[32];
    int type;
    int64_t shape[3];
    uint32_t dims;
    void* data;
    size_t bytes;
};

struct TRITONBACKEND_Request {
    const char* id;
    Input inputs[MOST_TENSORS];
    uint32_t inputs_count;
    Given parameters[MOST_TENSORS];
    uint32_t parameters_count;
    const char* outputs[MOST_TENSORS];
    uint32_t outputs_count;
    // what became of it; `code` is that of the error that it was answered with, or NO_ERROR
    Output sent[MOST_TENSORS];
    uint32_t sent_count;
    int answers, released, reports, code;
    bool success;  // as it was reported last
    char text[256];
    void* dies[MOST_TENSORS];  // what Triton frees when it is released: texts that nobody may read then
};

enum { NO_ERROR = -1, NO_ANSWER = -2 };

struct TRITONBACKEND_Model {
    const char *name, *repository;
    uint64_t version;
    void* state;
};

struct TRITONBACKEND_ModelInstance {
    Model* model;
    void* state;
    uint64_t batches, rows;
};

Request a_request(void);               // with nothing in it, asking for `probability` and `model_version`
void forget_answer(Request* request);  // frees what it was sent, and makes it fresh

// Until it is released, for ten seconds.
void wait_for_release(Request* request);

// The last sentence that was logged; and was one with these words logged, since that was forgotten. The second of any thread.
extern char logged[512];
bool was_logged(const char* words);
void forget_log(void);

// Does the server say that `ctr_careful` is ready, whatever its version; true unless a test says otherwise.
extern atomic_bool careful_is_ready;

// Text that Triton's metrics consist of.
extern const char* metrics_text;

// What was counted in a series, by family and labels as "model=ctr,version=1,outcome=failed".
double counted(const char* family, const char* labels);
void forget_counts(void);
