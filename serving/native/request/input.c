#include "input.h"

#include <string.h>

Error* read_properties(Request* request, uint32_t i, Properties* found) {
    Error* error = TRITONBACKEND_RequestInputByIndex(request, i, &found->input);
    if (error) return error;
    return TRITONBACKEND_InputProperties(found->input, &found->name, &found->type, &found->shape, &found->dims, &found->bytes,
                                         &found->buffers);
}

bool copy_input(Input* input, uint32_t buffers, uint64_t bytes, char* target) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < buffers; i++) {
        const void* piece;
        uint64_t size;
        int memory = MEMORY_CPU;
        int64_t device = 0;
        Error* error = TRITONBACKEND_InputBuffer(input, i, &piece, &size, &memory, &device);
        if (error) return TRITONSERVER_ErrorDelete(error), false;
        if (memory == MEMORY_GPU || size > bytes - at) return false;
        if (size) memcpy(target + at, piece, size);
        at += size;
    }
    return at == bytes;
}

bool is_utf8(const unsigned char* text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        if (i + 8 <= bytes) {  // eight ASCII characters at once
            uint64_t eight;
            memcpy(&eight, text + i, 8);
            if (!(eight & 0x8080808080808080u)) {
                i += 8;
                continue;
            }
        }
        unsigned char c = text[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        size_t more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        if (c < 0xC2 || c > 0xF4 || i + more >= bytes) return false;
        unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (text[i + 1] < low || text[i + 1] > high) return false;
        for (size_t k = 2; k <= more; k++)
            if ((text[i + k] & 0xC0) != 0x80) return false;
        i += more + 1;
    }
    return true;
}
