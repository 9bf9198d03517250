// A block of bytes that grows: where a frame is put together before it is written. All numbers are little-endian, as the
// processor has them.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Begins as zeros; one thread's at a time. `failed` stays true once there was no memory: what was put in then is not whole.
typedef struct {
    char* at;
    size_t size, room;
    bool failed;
} Bytes;

void free_bytes(Bytes* bytes);
void empty_bytes(Bytes* bytes);

// Room for so many bytes behind the others, which then belong to it; NULL if there is no memory.
char* add_room(Bytes* bytes, size_t size);
void add_bytes(Bytes* bytes, const void* from, size_t size);
void add_u16(Bytes* bytes, uint16_t value);
void add_u32(Bytes* bytes, uint32_t value);
void add_u64(Bytes* bytes, uint64_t value);

enum { LONGEST_NUMBER = 10 };  // bytes of a number that is written by put_number

// LEB128: seven bits a byte, the lowest first; a byte whose highest bit is set is not the last. Returns the place behind it.
// Here, because most numbers are one byte, and a row has some forty.
static inline char* put_number(char* at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}
