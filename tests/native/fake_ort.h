// ONNX Runtime as the backend sees it, in the process of tests itself: a session whose tensors, declared and given, are whatever
// a test wants. The environment variable that names the library is empty then, which means this program to `dlopen`.

#pragma once

#include "check.h"
#include "ort.h"

#include <stdatomic.h>

enum { MOST_FAKES = 4 };
enum { GIVES_ANSWERS, GIVES_ERRORS, HANGS_UNTIL_TERMINATED, HANGS };  // what calls of a session do; the last until it is another

typedef struct {
    const char* name;
    int type;  // 0: it is no tensor
    size_t dims;
    int64_t shape[4];  // -1: the number of rows
} FakeTensor;

// Sessions that are made of this text answer so, and those of any other as `fake_ort` says. May be changed while they run.
typedef struct {
    const char* graph;                       // NULL: none
    atomic_int does, slow_ms, calls, ended;  // the last two: of its calls
    _Atomic float p_click;
    _Atomic float step;  // added for each row of a call, so that its answers differ
    char text[512];      // that it was fed last; of `last_text`
} FakeSession;

typedef struct {
    FakeTensor inputs[MOST_FAKES], outputs[MOST_FAKES];
    size_t inputs_count, outputs_count;
    FakeTensor given[MOST_FAKES];  // shapes of the answer, where they differ from those that are declared; by name
    int64_t rows;                  // of an answer; 0: as many as it was fed
    float p_click;                 // of every row
    int64_t id, creative_idx;      // all of them
    atomic_int alive;              // sessions, environments and options that were not released
    char text[4096];               // that it was fed last
    float numbers[64];
    FakeSession session[MOST_FAKES];
} FakeOrt;

extern FakeOrt fake_ort;

// A session for the columns of `native_text.h`: its text, two numbers; three fields and a creative.
void reset_ort(void);

// The session's of this graph, for ever: it is made if it is not there.
FakeSession* session_of(const char* graph);
void last_text(FakeSession* session, char text[512]);  // of any thread
