#include "frame.h"

#include "crc32.h"

#include <string.h>

const char SEGMENT_MAGIC[8] = {'a', 'd', 'c', 'l', 'j', 'r', 'n', 'l'};
const char FRAME_MAGIC[4] = {'\xF7', 'J', 'R', '\n'};  // not to be found in UTF-8, so seldom in what it marks

uint16_t short_bytes(const char* text) {
    size_t length = strlen(text);
    return length < UINT16_MAX ? (uint16_t)length : UINT16_MAX;
}

void begin_frame(Bytes* frame) {
    empty_bytes(frame);
    add_room(frame, FRAME_HEAD);
}

void end_frame(Bytes* frame, uint32_t kind) {
    size_t payload = frame->size - FRAME_HEAD;
    if (payload > UINT32_MAX) frame->failed = true;
    if (frame->failed) return;
    uint32_t size = (uint32_t)payload;
    memcpy(frame->at, FRAME_MAGIC, 4);
    memcpy(frame->at + 4, &size, 4);
    memcpy(frame->at + 8, &kind, 4);
    uint32_t crc = crc32_of(crc32_of(0, frame->at + 4, 8), frame->at + FRAME_HEAD, payload);
    memcpy(frame->at + 12, &crc, 4);
}
