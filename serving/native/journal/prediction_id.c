#include "prediction_id.h"

#include <sys/random.h>

static const char DIGITS[] = "0123456789abcdef";
enum { TICKS_PER_MS = 4096, NS_PER_MS = 1000000 };

bool draw_writer(IdSource* source) {
    source->last = 0;
    return getrandom(&source->writer, sizeof source->writer, 0) == (ssize_t)sizeof source->writer;
}

void next_id(IdSource* source, int64_t unix_ns, unsigned char id[ID_BYTES]) {
    uint64_t ns = unix_ns > 0 ? (uint64_t)unix_ns : 0;
    uint64_t tick = ns / NS_PER_MS * TICKS_PER_MS + ns % NS_PER_MS * TICKS_PER_MS / NS_PER_MS;
    if (tick <= source->last) tick = source->last + 1;
    source->last = tick;
    uint64_t high = tick >> 12 << 16 | 7u << 12 | (tick & 0xFFF), low = source->writer >> 2 | (uint64_t)2 << 62;
    for (int i = 0; i < 8; i++) {
        id[i] = (unsigned char)(high >> (56 - 8 * i));
        id[8 + i] = (unsigned char)(low >> (56 - 8 * i));
    }
}

void spell_id(const unsigned char id[ID_BYTES], char text[ID_TEXT + 1]) {
    for (int i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *text++ = '-';
        *text++ = DIGITS[id[i] >> 4];
        *text++ = DIGITS[id[i] & 15];
    }
    *text = 0;
}
