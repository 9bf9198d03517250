#include "rows.h"

#include "request/input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PREFIX == sizeof((Settings*)0)->mark[0], "a column's mark in a text stands where the length stood in a tensor");

void empty_rows(Rows* rows) {
    rows->text_bytes = rows->rows = 0;
    empty_bytes(&rows->keys);
}

void free_rows(Rows* rows) {
    free(rows->text);
    free(rows->lengths);
    if (rows->came != rows->numbers) free(rows->came);
    free(rows->numbers);
    free_bytes(&rows->keys);
    free_bytes(&rows->aside);
    memset(rows, 0, sizeof *rows);
}

const char* whole_text(Rows* rows) {
    rows->text[rows->text_bytes] = 0;
    return rows->text;
}

// Room for `count` values of `size` bytes in each of `room` rows; what `pointer` points to stays if there is no memory.
static bool grow(void* pointer, size_t room, size_t count, size_t size) {
    void *before, *found;
    memcpy(&before, pointer, sizeof before);
    found = realloc(before, room * count * size + 1);
    if (found) memcpy(pointer, &found, sizeof found);
    return found;
}

static bool make_room(Rows* rows, const Settings* s, size_t bytes, size_t count) {
    if (rows->text_bytes + bytes + 1 > rows->text_room) {
        size_t room = (rows->text_bytes + bytes + 1) * 3 / 2;
        if (!grow(&rows->text, room, 1, 1)) return false;
        rows->text_room = room;
    }
    if (rows->rows + count > rows->rows_room) {
        size_t room = (rows->rows + count) * 3 / 2;
        bool is_same = !s->marker_count;
        if (!grow(&rows->lengths, room, s->categorical, sizeof *rows->lengths)) return false;
        if (!is_same && !grow(&rows->came, room, s->numeric, sizeof *rows->came)) return false;
        if (!grow(&rows->numbers, room, s->numeric, sizeof *rows->numbers)) return false;
        if (is_same) rows->came = rows->numbers;
        rows->rows_room = room;
    }
    return true;
}

static bool means_missing(const char* value, uint32_t length, uint32_t column, const Settings* s) {
    for (uint32_t i = 0; i < s->missing_count; i++)
        if (s->missing_column[i] == column && s->missing_length[i] == length && !memcmp(s->missing[i], value, length))
            return true;
    return false;
}

// Put marks where the lengths stand, and these to `lengths`, and look at each string; false if one has to be looked at more
// closely.
static bool mark_strings(char* text, size_t bytes, size_t rows, const Settings* s, uint32_t* lengths) {
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
            *lengths++ = length;
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

typedef struct {
    Input* input;
    uint64_t bytes;
    uint32_t buffers;
    size_t rows;
} Tensor;

// Columns of the two tensors of a request.
static uint32_t texts_of(const Form* form) { return form->layout ? form->layout->categorical : form->settings->categorical; }

static uint32_t numbers_of(const Form* form) { return form->layout ? form->layout->numeric : form->settings->numeric; }

// The two tensors, and the one of keys if there is one; false if one of them is missing or misshapen, or there is another.
static bool find_tensors(Request* request, const Form* form, Tensor* strings, Tensor* numbers, Tensor* keys) {
    uint32_t categorical = texts_of(form), numeric = numbers_of(form);
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        error = read_properties(request, i, &tensor);
        if (error) break;
        bool is_strings = !strcmp(tensor.name, "categorical") && tensor.type == TYPE_BYTES,
             is_numbers = !strcmp(tensor.name, "numeric") && tensor.type == TYPE_FP32,
             is_keys = !strcmp(tensor.name, "key") && tensor.type == TYPE_BYTES;
        if (!is_strings && !is_numbers && !is_keys) return false;
        if (tensor.dims != 2 || tensor.shape[1] != (int64_t)(is_strings ? categorical : is_numbers ? numeric : 1)) return false;
        if (tensor.shape[0] < 1 || tensor.shape[0] > (int64_t)form->settings->max_rows)
            return false;  // so nothing below leaves 64 bits
        Tensor* target = is_strings ? strings : is_numbers ? numbers : keys;
        *target = (Tensor){tensor.input, tensor.bytes, tensor.buffers, (size_t)tensor.shape[0]};
    }
    if (error) return TRITONSERVER_ErrorDelete(error), false;
    if (!strings->input != !categorical || !numbers->input != !numeric) return false;
    if (strings->input && numbers->input && strings->rows != numbers->rows) return false;
    return !keys->input || keys->rows == (strings->input ? strings : numbers)->rows;
}

// Bytes that the strings of `count` rows may take here: what the release has and the requests have not takes its length.
static size_t most_text(const Form* form, size_t bytes, size_t count) {
    return bytes + (form->layout ? PREFIX * count * form->settings->categorical : 0);
}

// Strings and numbers, as they lie in `raw`, to their places behind the rows that are there; how many bytes the strings are.
// False if `raw` holds no such strings.
static bool put_raw(Rows* rows, const Form* form, const Raw* raw, size_t* text_bytes) {
    const Settings* s = form->settings;
    char* text = rows->text + rows->text_bytes;
    float* x = rows->numbers + rows->rows * s->numeric;
    *text_bytes = raw->text_bytes;
    if (!form->layout) {
        if (raw->text_bytes) memcpy(text, raw->text, raw->text_bytes);
        if (s->numeric) memcpy(x, raw->numbers, raw->rows * s->numeric * sizeof *x);
        return true;
    }
    rearrange_numbers(form->layout, s, raw->numbers, raw->rows, x);
    if (!s->categorical) return *text_bytes = 0, true;
    return (*text_bytes = rearrange_text(form->layout, s, raw->text, raw->text_bytes, raw->rows, text));
}

// Look at what was put behind the rows, and take it to them if all of it is plain.
static bool take_in(Rows* rows, const Settings* s, size_t text_bytes, size_t count) {
    char* text = rows->text + rows->text_bytes;
    float* x = rows->numbers + rows->rows * s->numeric;
    if (s->categorical && !mark_strings(text, text_bytes, count, s, rows->lengths + rows->rows * s->categorical)) return false;
    if (rows->came != rows->numbers && s->numeric)
        memcpy(rows->came + rows->rows * s->numeric, x, count * s->numeric * sizeof *x);
    if (s->numeric && !check_numbers(x, count, s)) return false;
    rows->text_bytes += text_bytes;
    rows->rows += count;
    return true;
}

// The same of tensors whose columns have to be rearranged.
static bool put_tensors_aside(Rows* rows, const Form* form, const Tensor* strings, const Tensor* numbers, size_t count,
                              size_t* text_bytes) {
    empty_bytes(&rows->aside);
    char* at = add_room(&rows->aside, numbers->bytes + strings->bytes);
    if (!at) return rows->aside.failed = false;
    Raw raw = {.numbers = (const float*)(void*)at, .text = at + numbers->bytes, .text_bytes = strings->bytes, .rows = count};
    if (numbers->input && !copy_input(numbers->input, numbers->buffers, numbers->bytes, at)) return false;
    if (strings->input && !copy_input(strings->input, strings->buffers, strings->bytes, at + numbers->bytes)) return false;
    return put_raw(rows, form, &raw, text_bytes);
}

static bool put_tensors(Rows* rows, const Form* form, const Tensor* strings, const Tensor* numbers, size_t count,
                        size_t* text_bytes) {
    char *text = rows->text + rows->text_bytes, *x = (char*)(rows->numbers + rows->rows * form->settings->numeric);
    if (form->layout) return put_tensors_aside(rows, form, strings, numbers, count, text_bytes);
    *text_bytes = strings->bytes;
    if (strings->input && !copy_input(strings->input, strings->buffers, strings->bytes, text)) return false;
    return !numbers->input || copy_input(numbers->input, numbers->buffers, numbers->bytes, x);
}

size_t append_request(Rows* rows, const Form* form, Request* request) {
    const Settings* s = form->settings;
    Tensor strings = {0}, numbers = {0}, keys = {0};
    size_t text_bytes;
    if (!read_parameters(request, form->declaration, &rows->sent)) return 0;
    if (!find_tensors(request, form, &strings, &numbers, &keys)) return 0;
    size_t count = strings.input ? strings.rows : numbers.rows;
    uint64_t lengths = (uint64_t)PREFIX * count * texts_of(form);
    if (strings.bytes < lengths || strings.bytes - lengths > s->max_request_bytes) return 0;
    if (numbers.bytes != count * numbers_of(form) * sizeof(float)) return 0;
    if (!make_room(rows, s, most_text(form, strings.bytes, count), count)) return 0;
    if (!put_tensors(rows, form, &strings, &numbers, count, &text_bytes)) return 0;
    size_t keys_before = rows->keys.size;
    if (keys.input && !append_keys(&rows->keys, keys.input, keys.buffers, keys.bytes, count, &rows->sent)) return 0;
    if (take_in(rows, s, text_bytes, count)) return count;
    rows->keys.size = keys_before;
    return 0;
}

size_t raw_bytes(const Rows* rows, const Settings* s, size_t start, size_t end) {
    size_t bytes = 0;
    for (size_t i = start * s->categorical; i < end * s->categorical; i++) bytes += PREFIX + rows->lengths[i];
    return bytes;
}

void drop_last_rows(Rows* rows, const Settings* s, size_t count) {
    rows->text_bytes -= raw_bytes(rows, s, rows->rows - count, rows->rows);  // a mark is as long as a length
    rows->rows -= count;
    if (rows->sent.keys_end > rows->sent.keys) rows->keys.size = rows->sent.keys;
}

bool append_raw(Rows* rows, const Form* form, const Raw* raw) {
    size_t text_bytes;
    if (!make_room(rows, form->settings, most_text(form, raw->text_bytes, raw->rows), raw->rows)) return false;
    return put_raw(rows, form, raw, &text_bytes) && take_in(rows, form->settings, text_bytes, raw->rows);
}

void copy_raw(const Rows* rows, const Settings* s, size_t start, size_t end, size_t text_start, char* text, float* numbers) {
    const char* from = rows->text + text_start;
    for (size_t i = start * s->categorical; i < end * s->categorical; i++) {
        uint32_t length = rows->lengths[i];
        memcpy(text, &length, PREFIX);
        memcpy(text + PREFIX, from + PREFIX, length);
        from += PREFIX + length, text += PREFIX + length;
    }
    if (s->numeric) memcpy(numbers, rows->came + start * s->numeric, (end - start) * s->numeric * sizeof *numbers);
}
