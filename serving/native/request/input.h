// A tensor of a request, which may lie in several pieces, and the text in it.

#pragma once

#include "../triton.h"

#include <stddef.h>

enum { PREFIX = 4 };  // bytes before each string: its length in a tensor

typedef struct {
    Input* input;
    const char* name;
    const int64_t* shape;
    int type;
    uint32_t dims, buffers;
    uint64_t bytes;
} Properties;

// What a request says of its input number `i`.
Error* read_properties(Request* request, uint32_t i, Properties* found);

// Copy all of a tensor of `bytes` bytes to `target`; false if it cannot be read or has another size.
bool copy_input(Input* input, uint32_t buffers, uint64_t bytes, char* target);

// Is it UTF-8 (RFC 3629: shortest forms only, no surrogates, at most U+10FFFF)?
bool is_utf8(const unsigned char* text, size_t bytes);
