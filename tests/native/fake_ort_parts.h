// What the fake ONNX Runtime is made of, for its two files.

#pragma once

#include "fake_ort.h"

struct OrtStatus {
    const char* text;
};

struct OrtValue {
    FakeTensor about;
    void* data;
    bool owned;
};

struct OrtTypeInfo {
    FakeTensor about;
};

struct OrtSession {
    FakeSession* fake;  // NULL: as `fake_ort` says
};

struct OrtRunOptions {
    atomic_bool is_terminated;
};

OrtStatus* a_status(const char* text);
OrtValue* a_value(FakeTensor about, void* data, bool owned);
FakeSession* find_session(const char* graph);  // NULL: as `fake_ort` says

// What was fed last, of any thread.
void note_text(char* target, size_t room, const char* text);
void note_numbers(const void* numbers, size_t bytes);

OrtStatus* run_session(OrtSession* session, const OrtRunOptions* options, const char* const* input_names,
                       const OrtValue* const* inputs, size_t inputs_count, const char* const* output_names, size_t outputs_count,
                       OrtValue** outputs);

#define MAY_FAIL                                                  \
    do {                                                          \
        if (fails()) return a_status("ort: it was made to fail"); \
    } while (0)
