#include "words.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 40  // characters of a number: Python writes at most 24

// Step behind the next word, and the blank after it.
static bool take(Words* words, const char** word, size_t* length) {
    const char* blank = memchr(words->at, ' ', (size_t)(words->end - words->at));
    *word = words->at;
    *length = (size_t)((blank ? blank : words->end) - words->at);
    words->at = blank ? blank + 1 : words->end;
    return *length && !(blank && words->at == words->end);  // a line does not end with a blank
}

bool take_key(Words* words, const char* key) {
    const char* word;
    size_t length;
    Words rest = *words;
    if (!take(&rest, &word, &length) || length != strlen(key) || memcmp(word, key, length)) return false;
    *words = rest;
    return true;
}

// The next word with a NUL behind it, if only these characters are in it.
static bool take_only(Words* words, const char* allowed, char text[LONGEST + 1]) {
    const char* word;
    size_t length;
    if (!take(words, &word, &length) || length > LONGEST) return false;
    memcpy(text, word, length);
    text[length] = 0;
    return strspn(text, allowed) == length;
}

bool take_whole(Words* words, int64_t low, int64_t high, int64_t* value) {
    char text[LONGEST + 1];
    if (!take_only(words, "-0123456789", text)) return false;
    const char* digits = text + (text[0] == '-');
    if (!*digits || strspn(digits, "0123456789") != strlen(digits)) return false;
    *value = strtoll(text, NULL, 10);  // the nearest there is, if it does not fit
    return *value >= low && *value <= high;
}

bool take_flag(Words* words, bool* value) {
    int64_t whole;
    if (!take_whole(words, 0, 1, &whole)) return false;
    *value = whole;
    return true;
}

// Nobody in this process calls `setlocale`, so a decimal point is a point.
bool take_float(Words* words, float* value) {
    char text[LONGEST + 1], *end;
    if (!take_only(words, "+-.0123456789e", text)) return false;
    *value = strtof(text, &end);
    return !*end;
}

bool take_double(Words* words, double* value) {
    char text[LONGEST + 1], *end;
    if (!take_only(words, "+-.0123456789e", text)) return false;
    *value = strtod(text, &end);
    return !*end;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool take_bytes(Words* words, size_t fewest, size_t most, char* bytes, size_t* count) {
    const char* word;
    size_t length;
    if (!take(words, &word, &length) || length % 2 || length / 2 < fewest || length / 2 > most) return false;
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit(word[2 * i]), low = digit(word[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        bytes[i] = (char)(high * 16 + low);
    }
    *count = length / 2;
    return true;
}

bool take_rest(Words* words, size_t most, char* text) {
    size_t length = (size_t)(words->end - words->at);
    if (!length || length > most || memchr(words->at, 0, length)) return false;
    memcpy(text, words->at, length);
    text[length] = 0;
    words->at = words->end;
    return true;
}

bool took_all(const Words* words) { return words->at == words->end; }
