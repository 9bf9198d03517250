#include "crc32.h"

#include <pthread.h>
#include <string.h>

enum { SLICES = 16 };  // bytes a step; each has a table of its own, as far from the end as it is

static uint32_t table[SLICES][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < SLICES; slice++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = table[slice - 1][byte];
            table[slice][byte] = before >> 8 ^ table[0][before & 0xFF];
        }
}

// What four bytes add that stand `after` bytes before the end of a step.
static uint32_t four(uint32_t word, int after) {
    return table[after + 3][word & 0xFF] ^ table[after + 2][word >> 8 & 0xFF] ^ table[after + 1][word >> 16 & 0xFF] ^
           table[after][word >> 24];
}

uint32_t crc32_of(uint32_t crc, const void* bytes, size_t size) {
    const unsigned char* at = bytes;
    pthread_once(&made, make_table);
    crc = ~crc;
    for (; size >= SLICES; at += SLICES, size -= SLICES) {
        uint32_t word[4];
        memcpy(word, at, sizeof word);
        crc = four(word[0] ^ crc, 12) ^ four(word[1], 8) ^ four(word[2], 4) ^ four(word[3], 0);
    }
    for (; size; at++, size--) crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xFF];
    return ~crc;
}
