#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX 4  // bytes before each string: its length in a tensor, its column's mark in a text

void empty_rows(Rows* rows) { rows->text_bytes = rows->rows = 0; }

void free_rows(Rows* rows) {
    free(rows->text);
    free(rows->numbers);
    memset(rows, 0, sizeof *rows);
}

const char* whole_text(Rows* rows) {
    rows->text[rows->text_bytes] = 0;
    return rows->text;
}

static bool make_room(Rows* rows, const Settings* s, size_t bytes, size_t count) {
    if (rows->text_bytes + bytes + 1 > rows->text_room) {
        size_t room = (rows->text_bytes + bytes + 1) * 3 / 2;
        char* text = realloc(rows->text, room);
        if (!text) return false;
        rows->text = text, rows->text_room = room;
    }
    if (rows->rows + count > rows->rows_room) {
        size_t room = (rows->rows + count) * 3 / 2;
        float* numbers = realloc(rows->numbers, room * s->numeric * sizeof *numbers + 1);
        if (!numbers) return false;
        rows->numbers = numbers, rows->rows_room = room;
    }
    return true;
}

// Copy a tensor, which may lie in several pieces, to `target`.
static bool copy_input(Input* input, uint32_t buffers, uint64_t bytes, char* target) {
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

// Is it UTF-8 (RFC 3629: shortest forms only, no surrogates, at most U+10FFFF)?
static bool is_utf8(const unsigned char* text, size_t bytes) {
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

static bool means_missing(const char* value, uint32_t length, uint32_t column, const Settings* s) {
    for (uint32_t i = 0; i < s->missing_count; i++)
        if (s->missing_column[i] == column && s->missing_length[i] == length && !memcmp(s->missing[i], value, length))
            return true;
    return false;
}

// Put marks where the lengths stand, and look at each string; false if one has to be looked at more closely.
static bool mark_strings(char* text, size_t bytes, size_t rows, const Settings* s) {
    size_t at = 0;
    for (size_t row = 0; row < rows; row++) {
        for (uint32_t c = 0; c < s->categorical; c++) {
            uint32_t length;
            if (bytes - at < PREFIX) return false;
            memcpy(&length, text + at, PREFIX);
            if (length > s->longest[c] || length > bytes - at - PREFIX || (!length && s->required[c])) return false;
            memcpy(text + at, s->mark[c], PREFIX);
            const char* value = text + at + PREFIX;
            if (memchr(value, s->separator, length) || memchr(value, 0, length)) return false;
            if (!is_utf8((const unsigned char*)value, length) || means_missing(value, length, c, s)) return false;
            at += PREFIX + length;
        }
    }
    return at == bytes;
}

// Missing markers become NaN; false if a number is out of its column's range, broken, or missing where it must not be.
static bool check_numbers(float* x, size_t rows, const Settings* s) {
    for (uint32_t i = 0; i < s->marker_count; i++)
        for (size_t row = 0; row < rows; row++) {
            float* value = &x[row * s->numeric + s->marker_column[i]];
            if (*value == s->marker[i]) *value = NAN;
        }
    for (size_t row = 0; row < rows; row++, x += s->numeric)
        for (uint32_t j = 0; j < s->numeric; j++) {
            bool fits = x[j] >= s->low[j] && x[j] <= s->high[j] && (!s->whole[j] || x[j] == floorf(x[j]));
            if (!fits && !(isnan(x[j]) && s->nullable[j])) return false;
        }
    return true;
}

static bool same_declaration(Request* request, const Settings* s) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestParameterCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* key;
        const void* value;
        int type;
        error = TRITONBACKEND_RequestParameter(request, i, &key, &type, &value);
        if (!error && !strcmp(key, "declaration") && (type != PARAMETER_STRING || strcmp(value, s->declaration))) return false;
    }
    if (error) TRITONSERVER_ErrorDelete(error);
    return !error;
}

typedef struct {
    Input* input;
    uint64_t bytes;
    uint32_t buffers;
    size_t rows;
} Tensor;

// The two tensors; false if one of them is missing or misshapen, or there is another.
static bool find_tensors(Request* request, const Settings* s, Tensor* strings, Tensor* numbers) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Tensor tensor;
        const char* name;
        const int64_t* shape;
        int type;
        uint32_t dims;
        error = TRITONBACKEND_RequestInputByIndex(request, i, &tensor.input);
        if (!error)
            error = TRITONBACKEND_InputProperties(tensor.input, &name, &type, &shape, &dims, &tensor.bytes, &tensor.buffers);
        if (error) break;
        bool is_strings = !strcmp(name, "categorical") && type == TYPE_BYTES,
             is_numbers = !strcmp(name, "numeric") && type == TYPE_FP32;
        if (!is_strings && !is_numbers) return false;
        if (dims != 2 || shape[1] != (int64_t)(is_strings ? s->categorical : s->numeric)) return false;
        if (shape[0] < 1 || shape[0] > (int64_t)s->max_rows) return false;  // so nothing below leaves 64 bits
        tensor.rows = (size_t)shape[0];
        *(is_strings ? strings : numbers) = tensor;
    }
    if (error) return TRITONSERVER_ErrorDelete(error), false;
    if (!strings->input != !s->categorical || !numbers->input != !s->numeric) return false;
    return !strings->input || !numbers->input || strings->rows == numbers->rows;
}

size_t append_request(Rows* rows, const Settings* s, Request* request) {
    Tensor strings = {0}, numbers = {0};
    if (!same_declaration(request, s) || !find_tensors(request, s, &strings, &numbers)) return 0;
    size_t count = strings.input ? strings.rows : numbers.rows;
    uint64_t lengths = (uint64_t)PREFIX * count * s->categorical;
    if (strings.bytes < lengths || strings.bytes - lengths > s->max_request_bytes) return 0;
    if (numbers.bytes != count * s->numeric * sizeof(float) || !make_room(rows, s, strings.bytes, count)) return 0;
    char* text = rows->text + rows->text_bytes;
    float* x = rows->numbers + rows->rows * s->numeric;
    if (strings.input && !copy_input(strings.input, strings.buffers, strings.bytes, text)) return 0;
    if (strings.input && !mark_strings(text, strings.bytes, count, s)) return 0;
    if (numbers.input && !copy_input(numbers.input, numbers.buffers, numbers.bytes, (char*)x)) return 0;
    if (numbers.input && !check_numbers(x, count, s)) return 0;
    rows->text_bytes += strings.bytes;
    rows->rows += count;
    return count;
}
