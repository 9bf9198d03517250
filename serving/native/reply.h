// What a client is sent.

#pragma once

#include "triton.h"

#include <stddef.h>

uint64_t now_ns(void);     // of the clock by which Triton measures
uint64_t thread_ns(void);  // that this thread has computed
void drop(Error* error);

// Say a sentence in the log.
#define SAY(level, text) drop(TRITONSERVER_LogMessage(level, __FILE__, __LINE__, text))

#define PREDICTION_ID "prediction_id"  // an output

bool is_asked_for(Request* request, const char* output);

// Answer with probabilities, those outputs of them that were asked for; false if that failed. The request stays ours. `id` is
// that of the answer, as text; NULL if it has none.
bool send_rows(Request* request, const float* p_click, size_t rows, int64_t version, const char* id);

// Answer with an error; the request stays ours.
void reply_error(Request* request, int code, const char* text);

// Answer with an error and release the request.
void send_error(Instance* instance, Request* request, int code, const char* text);
