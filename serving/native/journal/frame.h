// A frame of a segment: what stands in it is told byte by byte in docs/journal.md.

#pragma once

#include "bytes.h"

enum { JOURNAL_FORMAT = 1, FRAME_HEAD = 16 };
enum { FRAME_OPENED = 1, FRAME_ANSWERS, FRAME_REFUSALS, FRAME_LOSS, FRAME_CLOSED, FRAME_EVENT };

extern const char SEGMENT_MAGIC[8];
extern const char FRAME_MAGIC[4];

void begin_frame(Bytes* frame);               // empties it and leaves room for the head
uint16_t short_bytes(const char* text);       // of a text whose length has 16 bits; what is beyond is not written
void end_frame(Bytes* frame, uint32_t kind);  // writes the head; `failed` if the payload is too long for it
