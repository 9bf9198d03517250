#include "crc32.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { SLICES = 16 };  // bytes a step; each has a table of its own, as far from the end as it is

static uint32_t table[SLICES][256];
static bool multiplies;  // does the processor multiply without carry
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void look_at_processor(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    multiplies = __get_cpuid(1, &a, &b, &c, &d) && c & bit_PCLMUL;
#endif
}

static void make_table(void) {
    look_at_processor();
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

static uint32_t stepped(uint32_t crc, const unsigned char* at, size_t size) {
    for (; size >= SLICES; at += SLICES, size -= SLICES) {
        uint32_t word[4];
        memcpy(word, at, sizeof word);
        crc = four(word[0] ^ crc, 12) ^ four(word[1], 8) ^ four(word[2], 4) ^ four(word[3], 0);
    }
    for (; size; at++, size--) crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
enum { BLOCK = 16, AT_ONCE = 4 * BLOCK };

// What stands in `of`, so many bits farther to the end of the bytes as the constants in `by` are for, added to what is there.
__attribute__((target("pclmul"))) static inline __m128i fold(__m128i of, __m128i by, __m128i there) {
    __m128i low = _mm_clmulepi64_si128(of, by, 0x00), high = _mm_clmulepi64_si128(of, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

static inline __m128i block(const unsigned char* at) { return _mm_loadu_si128((const __m128i*)at); }

// All blocks of `bytes`, at least four, as one that has the same remainder; it begins with `crc` in it. V. Gopal and others,
// Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction, Intel, 2009; its constants for this polynomial.
__attribute__((target("pclmul"))) static void fold_all(uint32_t crc, const unsigned char* at, size_t size,
                                                       unsigned char out[BLOCK]) {
    const __m128i by_four = _mm_set_epi64x(0x1c6e41596, 0x154442bd4), by_one = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i lane[4];
    for (int i = 0; i < 4; i++) lane[i] = block(at + i * BLOCK);
    lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)crc));
    for (at += AT_ONCE, size -= AT_ONCE; size >= AT_ONCE; at += AT_ONCE, size -= AT_ONCE)
        for (int i = 0; i < 4; i++) lane[i] = fold(lane[i], by_four, block(at + i * BLOCK));
    for (int i = 1; i < 4; i++) lane[i] = fold(lane[i - 1], by_one, lane[i]);
    for (; size >= BLOCK; at += BLOCK, size -= BLOCK) lane[3] = fold(lane[3], by_one, block(at));
    _mm_storeu_si128((__m128i*)out, lane[3]);
}

static uint32_t multiplied(uint32_t crc, const unsigned char* at, size_t size) {
    unsigned char rest[BLOCK];
    fold_all(crc, at, size, rest);
    return stepped(stepped(0, rest, BLOCK), at + size / BLOCK * BLOCK, size % BLOCK);
}
#else
enum { AT_ONCE = 1 };
#define multiplied stepped
#endif

uint32_t crc32_of(uint32_t crc, const void* bytes, size_t size) {
    pthread_once(&made, make_table);
    return ~(multiplies && size >= AT_ONCE ? multiplied : stepped)(~crc, bytes, size);
}
