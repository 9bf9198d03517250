// The id of an answer: a UUID of version 7 (RFC 9562), so that ids sort by time, as bytes and as text.
//
// Its 60 bits of time are milliseconds since 1970 and 4096ths of one (method 3 of section 6.2); they only ever grow, also if the
// clock jumps back. The 62 bits behind them are the writer's, drawn by the kernel when it is opened. So an id is unique among
// the threads, restarts and replicas, and one writer's ids are in the order of its answers.

#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { ID_BYTES = 16, ID_TEXT = 36 };

// Begins with `draw_writer`; one thread's at a time.
typedef struct {
    uint64_t writer, last;
} IdSource;

bool draw_writer(IdSource* source);  // false if the kernel gives no random bytes
void next_id(IdSource* source, int64_t unix_ns, unsigned char id[ID_BYTES]);
void spell_id(const unsigned char id[ID_BYTES], char text[ID_TEXT + 1]);
