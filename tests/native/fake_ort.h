// ONNX Runtime as the backend sees it, in the process of tests itself: a session whose tensors, declared and given, are whatever
// a test wants. The environment variable that names the library is empty then, which means this program to `dlopen`.

#pragma once

#include "check.h"
#include "ort.h"

enum { MOST_FAKES = 4 };

typedef struct {
    const char* name;
    int type;  // 0: it is no tensor
    size_t dims;
    int64_t shape[4];  // -1: the number of rows
} FakeTensor;

typedef struct {
    FakeTensor inputs[MOST_FAKES], outputs[MOST_FAKES];
    size_t inputs_count, outputs_count;
    FakeTensor given[MOST_FAKES];  // shapes of the answer, where they differ from those that are declared; by name
    int64_t rows;                  // of an answer
    float p_click;                 // of every row
    int64_t id, creative_idx;      // all of them
    int alive;                     // sessions and environments that were not released
    char text[4096];               // that it was fed last
    float numbers[64];
} FakeOrt;

extern FakeOrt fake_ort;

// A session for the columns of `native_text.h`: its text, two numbers; three fields and a creative.
void reset_ort(void);
