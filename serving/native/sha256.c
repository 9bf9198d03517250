#include "sha256.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    uint32_t state[8], round[64];
    unsigned char block[64];
    size_t filled;
    uint64_t bytes;
} Digest;

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

// The first 32 bits of the fractional part of a root (4.2.2 and 5.3.3 of the standard).
static uint32_t fraction(long double root) { return (uint32_t)((root - floorl(root)) * 4294967296.0L); }

static void begin(Digest* d) {
    memset(d, 0, sizeof *d);
    int found = 0;
    for (int n = 2; found < 64; n++) {
        bool prime = true;
        for (int k = 2; k * k <= n; k++) prime = prime && n % k;
        if (!prime) continue;
        if (found < 8) d->state[found] = fraction(sqrtl(n));
        d->round[found++] = fraction(cbrtl(n));
    }
}

static void add_block(Digest* d) {
    uint32_t w[64], s[8];
    for (int t = 0; t < 16; t++) {
        const unsigned char* b = d->block + 4 * t;
        w[t] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int t = 16; t < 64; t++) {
        uint32_t low = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t high = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = high + w[t - 7] + low + w[t - 16];
    }
    memcpy(s, d->state, sizeof s);
    for (int t = 0; t < 64; t++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + d->round[t] + w[t];
        uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[0] = first + second;
        s[4] += first;
    }
    for (int i = 0; i < 8; i++) d->state[i] += s[i];
    d->filled = 0;
}

static void add(Digest* d, const unsigned char* data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        d->block[d->filled++] = data[i];
        if (d->filled == 64) add_block(d);
    }
}

static void finish(Digest* d, char hex[SHA256_HEX]) {
    static const unsigned char ONE = 0x80, ZERO = 0;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(d->bytes * 8 >> (56 - 8 * i));
    add(d, &ONE, 1);
    while (d->filled != 56) add(d, &ZERO, 1);
    add(d, length, 8);
    for (int i = 0; i < 8; i++) sprintf(hex + 8 * i, "%08x", d->state[i]);
}

bool sha256_file(const char* path, char hex[SHA256_HEX]) {
    FILE* file = fopen(path, "rb");
    if (!file) return false;
    Digest digest;
    unsigned char chunk[65536];
    size_t got;
    begin(&digest);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        add(&digest, chunk, got);
        digest.bytes += got;
    }
    bool whole = !ferror(file);
    fclose(file);
    finish(&digest, hex);
    return whole;
}
