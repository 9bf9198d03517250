// Any two journal.json as the columns of two releases, and any bytes as rows: they are refused, or stay within their room and are
// the same rows when they are arranged back.

#include "fuzz.h"

#include "check.h"
#include "request/input.h"
#include "routing/layout.h"

#include <math.h>

// What the input says, and then the two texts and the rows.
typedef struct {
    uint8_t categorical[2], numeric[2];  // columns of the two releases
    uint8_t required, nullable;          // of the first eight of the second
    uint8_t rows, same;
    uint16_t first, second;  // bytes of the texts
} Head;

static Settings from, to;

static char* take_text(const uint8_t** data, size_t* size, size_t bytes) {
    if (bytes > *size) bytes = *size;
    char* text = a_block(bytes + 1);
    memcpy(text, *data, bytes);
    *data += bytes, *size -= bytes;
    return text;
}

static void set_columns(Settings* settings, const Head* head, int i) {
    settings->categorical = head->categorical[i] % 6, settings->numeric = head->numeric[i] % 6;
    snprintf(settings->declaration, sizeof settings->declaration, "%d", head->same % 4 ? i : 0);
    for (int c = 0; c < 8; c++) settings->required[c] = head->required >> c & 1, settings->nullable[c] = head->nullable >> c & 1;
}

static void check_layout(const Layout* layout) {
    CHECK(layout->categorical == from.categorical && layout->numeric == from.numeric);
    for (uint32_t c = 0; c < to.categorical; c++) {
        CHECK(layout->text[c] >= ABSENT && layout->text[c] < (int32_t)from.categorical);
        CHECK(layout->text[c] != ABSENT || !to.required[c]);
        for (uint32_t d = 0; d < c; d++) CHECK(layout->text[c] == ABSENT || layout->text[c] != layout->text[d]);
    }
    for (uint32_t j = 0; j < to.numeric; j++) {
        CHECK(layout->number[j] >= ABSENT && layout->number[j] < (int32_t)from.numeric);
        CHECK(layout->number[j] != ABSENT || to.nullable[j]);
    }
}

// String `c` of row `row` of a text of `columns` strings a row, which is one.
static const char* string_at(const char* text, size_t columns, size_t row, size_t c, uint32_t* length) {
    for (size_t i = 0;; i++) {
        memcpy(length, text, PREFIX);
        if (i == row * columns + c) return text + PREFIX;
        text += PREFIX + *length;
    }
}

static void try_rows(const Layout* layout, const uint8_t* data, size_t size, size_t rows) {
    char* into = a_block(size + PREFIX * rows * to.categorical);
    size_t bytes = rearrange_text(layout, &to, (const char*)data, size, rows, into);
    CHECK(bytes <= size + PREFIX * rows * to.categorical);
    for (size_t row = 0; bytes && row < rows; row++)
        for (uint32_t c = 0; c < to.categorical; c++) {
            uint32_t found, expected = 0;
            const char *there = string_at(into, to.categorical, row, c, &found), *here = "";
            if (layout->text[c] >= 0)
                here = string_at((const char*)data, from.categorical, row, (size_t)layout->text[c], &expected);
            CHECK(found == expected && !memcmp(there, here, found));
        }
    free(into);
    if (size < rows * from.numeric * sizeof(float)) return;
    float *x = a_block(rows * from.numeric * sizeof *x), *y = a_block(rows * to.numeric * sizeof *y);
    memcpy(x, data, rows * from.numeric * sizeof *x);
    rearrange_numbers(layout, &to, x, rows, y);
    for (size_t i = 0; i < rows * to.numeric; i++) {
        int32_t place = layout->number[i % to.numeric];
        CHECK(place >= 0 ? !memcmp(&y[i], &x[i / to.numeric * from.numeric + (size_t)place], sizeof *y) : isnan(y[i]));
    }
    free(x), free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Head head;
    if (size < sizeof head) return 0;
    memcpy(&head, data, sizeof head);
    data += sizeof head, size -= sizeof head;
    char *first = take_text(&data, &size, head.first % 2048), *second = take_text(&data, &size, head.second % 2048);
    set_columns(&from, &head, 0), set_columns(&to, &head, 1);
    Layout* layout;
    const char* wrong = find_layout((Columns){&from, head.same & 64 ? NULL : first}, (Columns){&to, second}, &layout);
    CHECK(!wrong || !layout);
    if (layout) {
        check_layout(layout);
        try_rows(layout, data, size, head.rows % 5 + 1u);
    }
    free(layout), free(first), free(second);
    return 0;
}
