#include "bytes.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the journal's numbers are little-endian");

void free_bytes(Bytes* bytes) {
    free(bytes->at);
    memset(bytes, 0, sizeof *bytes);
}

void empty_bytes(Bytes* bytes) {
    bytes->size = 0;
    bytes->failed = false;
}

char* add_room(Bytes* bytes, size_t size) {
    if (bytes->failed) return NULL;
    if (bytes->size + size > bytes->room) {
        size_t room = (bytes->size + size) * 3 / 2 + 64;
        char* at = realloc(bytes->at, room);
        if (!at) return bytes->failed = true, NULL;
        bytes->at = at, bytes->room = room;
    }
    char* here = bytes->at + bytes->size;
    bytes->size += size;
    return here;
}

void add_bytes(Bytes* bytes, const void* from, size_t size) {
    char* here = add_room(bytes, size);
    if (here && size) memcpy(here, from, size);
}

void add_u16(Bytes* bytes, uint16_t value) { add_bytes(bytes, &value, sizeof value); }
void add_u32(Bytes* bytes, uint32_t value) { add_bytes(bytes, &value, sizeof value); }
void add_u64(Bytes* bytes, uint64_t value) { add_bytes(bytes, &value, sizeof value); }
