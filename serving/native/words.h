// The words of a line, one blank between each two. Every function here takes the next word, or says false if that is not what it
// has to be; how far it came then does not matter.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *at, *end;  // what is left of the line
} Words;

bool take_key(Words* words, const char* key);
bool take_whole(Words* words, int64_t low, int64_t high, int64_t* value);  // digits, perhaps behind a minus
bool take_flag(Words* words, bool* value);                                 // 0 or 1
bool take_float(Words* words, float* value);    // decimal; infinite if it is too large for a float, never NaN
bool take_double(Words* words, double* value);  // the same
bool take_bytes(Words* words, size_t fewest, size_t most, char* bytes, size_t* count);  // written as pairs of hexadecimal digits
bool take_rest(Words* words, size_t most, char* text);  // all of the line, 1 to `most` bytes, of which none is a NUL; adds a NUL
bool took_all(const Words* words);
