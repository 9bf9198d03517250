// rows.c: the rows of plain requests side by side, and nothing of any other.

#include "fake_triton.h"
#include "rows.h"
#include "version_folder.h"

#include <math.h>

static Settings settings;
static Form form;
static Rows rows;

// Two rows of three strings, as a client sends them and as the graph gets them.
static const char STRINGS[] =
    "\6\0\0\0site 1\0\0\0\0\1\0\0\0x"
    "\6\0\0\0site 2\5\0\0\0phone\0\0\0\0";
static const char TEXT[] =
    "\x1f\x1f!!site 1\x1f\x1f!\"\x1f\x1f!#x"
    "\x1f\x1f!!site 2\x1f\x1f!\"phone\x1f\x1f!#";
static const float NUMBERS[] = {999, 7, 120, -3};
enum { STRINGS_BYTES = sizeof STRINGS - 1, TEXT_BYTES = sizeof TEXT - 1 };

static Input a_tensor(const char* name, int type, int64_t rows_count, int64_t columns, const void* data, uint64_t bytes) {
    return (Input){.name = name,
                   .type = type,
                   .shape = {rows_count, columns},
                   .dims = 2,
                   .bytes = bytes,
                   .pieces = {data},
                   .piece_bytes = {bytes},
                   .pieces_count = 1};
}

static Request two_rows(void) {
    Request request = a_request();
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 2, 3, STRINGS, STRINGS_BYTES);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 2, 2, NUMBERS, sizeof NUMBERS);
    request.inputs_count = 2;
    return request;
}

static void begin(void) {
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    form = (Form){.settings = &settings, .declaration = settings.declaration};
    free_rows(&rows);
    empty_rows(&rows);
}

// Not plain: nothing is appended, and nothing was asked for that is much larger than what came.
static void is_not_plain(Request* request) {
    size_t before = rows.rows, bytes = rows.text_bytes;
    CHECK_NUMBER(append_request(&rows, &form, request), 0);
    CHECK(rows.rows == before && rows.text_bytes == bytes && rows.text_room < 10000 && rows.rows_room < 1000);
}

TEST(plain_rows_stand_side_by_side) {
    Request request = two_rows();
    begin();
    CHECK_NUMBER(append_request(&rows, &form, &request), 2);
    CHECK_NUMBER(rows.text_bytes, TEXT_BYTES);
    CHECK(!memcmp(whole_text(&rows), TEXT, TEXT_BYTES + 1));
    CHECK(isnan(rows.numbers[0]) && rows.numbers[1] == 7 && rows.numbers[2] == 120 && rows.numbers[3] == -3);
    CHECK_NUMBER(append_request(&rows, &form, &request), 2);
    CHECK(rows.rows == 4 && rows.text_bytes == 2 * TEXT_BYTES && !memcmp(whole_text(&rows) + TEXT_BYTES, TEXT, TEXT_BYTES + 1));
    CHECK(isnan(rows.numbers[4]) && rows.numbers[7] == -3);
    free_rows(&rows);
}

TEST(tensors_may_come_in_pieces) {
    Request request = two_rows();
    begin();
    Input* strings = &request.inputs[0];
    for (uint64_t cut = 0; cut <= STRINGS_BYTES; cut++) {
        strings->pieces[1] = STRINGS + cut, strings->pieces[2] = NULL, strings->pieces_count = 3;
        strings->piece_bytes[0] = cut, strings->piece_bytes[1] = STRINGS_BYTES - cut, strings->piece_bytes[2] = 0;
        empty_rows(&rows);
        CHECK_NUMBER(append_request(&rows, &form, &request), 2);
        CHECK(!memcmp(whole_text(&rows), TEXT, TEXT_BYTES + 1));
    }
    strings->piece_bytes[1]--;
    is_not_plain(&request);
    strings->pieces_count = 1, strings->piece_bytes[0] = STRINGS_BYTES + 1;
    is_not_plain(&request);
    free_rows(&rows);
}

TEST(shapes_whose_products_leave_64_bits_are_not_multiplied) {
    static const int64_t WIDE[] = {
        65, (int64_t)1 << 31, (int64_t)1 << 32, (int64_t)1 << 61, ((int64_t)1 << 62) / 3 + 1, (int64_t)1 << 62, INT64_MAX, 0,
        -1, INT64_MIN};
    begin();
    for (size_t i = 0; i < sizeof WIDE / sizeof *WIDE; i++)
        for (int k = 0; k < 4; k++) {
            Request request = two_rows();
            if (k != 1) request.inputs[0].shape[0] = WIDE[i];
            if (k != 0) request.inputs[1].shape[0] = WIDE[i];
            if (k == 3) request.inputs[0].bytes = request.inputs[0].piece_bytes[0] = 0, request.inputs[1].bytes = 0;
            is_not_plain(&request);
        }
    free_rows(&rows);
}

TEST(sixty_four_rows_are_taken_as_max_rows_says_and_no_more) {
    static char strings[65 * 3 * 5];
    static float numbers[65 * 2];
    begin();
    for (int i = 0; i < 65 * 3; i++) memcpy(strings + 5 * i, "\1\0\0\0a", 5);
    Request request = a_request();
    request.inputs_count = 2;
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 64, 3, strings, 64 * 3 * 5);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 64, 2, numbers, 64 * 2 * sizeof *numbers);
    CHECK_NUMBER(append_request(&rows, &form, &request), 64);
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 65, 3, strings, sizeof strings);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 65, 2, numbers, sizeof numbers);
    is_not_plain(&request);
    free_rows(&rows);
}

TEST(what_a_rule_has_to_look_at_is_not_plain) {
    static const struct {
        const char* strings;  // one row
        size_t bytes;
        float numbers[2];
        size_t rows;  // 1: plain after all
    } CASES[] = {
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {0, 0}, 1},
        {"\0\0\0\0\1\0\0\0b\1\0\0\0c", 14, {0, 0}, 0},           // empty, and must not be
        {"\1\0\0\0a\6\0\0\0bbbbbb\1\0\0\0c", 20, {0, 0}, 0},     // too long
        {"\1\0\0\0a\2\0\0\0NA\1\0\0\0c", 16, {0, 0}, 0},         // a marker that means missing
        {"\2\0\0\0NA\1\0\0\0b\1\0\0\0c", 16, {0, 0}, 1},         // but not of this column
        {"\1\0\0\0\x1f\1\0\0\0b\1\0\0\0c", 15, {0, 0}, 0},       // the separator
        {"\1\0\0\0\0\1\0\0\0b\1\0\0\0c", 15, {0, 0}, 0},         // NUL
        {"\1\0\0\0\xff\1\0\0\0b\1\0\0\0c", 15, {0, 0}, 0},       // not UTF-8
        {"\2\0\0\0\xc3\xa9\1\0\0\0b\1\0\0\0c", 16, {0, 0}, 1},   // UTF-8
        {"\1\0\0\0a\1\0\0\0b\2\0\0\0c", 15, {0, 0}, 0},          // longer than what is left
        {"\1\0\0\0a\1\0\0\0b\377\377\377\377c", 15, {0, 0}, 0},  // by far
        {"\1\0\0\0a\1\0\0\0b\1\0\0", 13, {0, 0}, 0},             // half a length
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0cd", 16, {0, 0}, 0},         // a byte too many
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {120.5f, 0}, 0},     // too large
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {-0.5f, 0}, 0},      // too small
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {NAN, 0}, 1},        // may be missing
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {0, NAN}, 0},        // may not
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {0, 0.5f}, 0},       // not whole
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {0, INFINITY}, 0},   // infinite
        {"\1\0\0\0a\1\0\0\0b\1\0\0\0c", 15, {0, 999}, 1},        // a marker of another column
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Request request = a_request();
        begin();
        request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 1, 3, CASES[i].strings, CASES[i].bytes);
        request.inputs[1] = a_tensor("numeric", TYPE_FP32, 1, 2, CASES[i].numbers, sizeof CASES[i].numbers);
        request.inputs_count = 2;
        if (append_request(&rows, &form, &request) != CASES[i].rows) fprintf(stderr, "case %zu\n", i);
        CHECK(rows.rows == CASES[i].rows);
    }
    free_rows(&rows);
}

TEST(tensors_that_are_not_the_two_are_not_plain) {
    begin();
    for (int i = 0; i < 11; i++) {
        Request request = two_rows();
        if (i == 0) request.inputs_count = 1;
        if (i == 1) request.inputs[0] = request.inputs[1], request.inputs_count = 1;
        if (i == 2) request.inputs_count = 0;
        if (i == 3) request.inputs[request.inputs_count++] = a_tensor("creative_image", TYPE_BYTES, 2, 1, "", 0);
        if (i == 4) request.inputs[0].type = TYPE_FP32;
        if (i == 5) request.inputs[1].dims = 1;
        if (i == 6) request.inputs[1].dims = 3;
        if (i == 7) request.inputs[0].shape[1] = 2;
        if (i == 8) request.inputs[1].shape[0] = 1;
        if (i == 9) request.inputs[1].memory = MEMORY_GPU;
        if (i == 10) request.inputs[1].bytes--, request.inputs[1].piece_bytes[0]--;
        is_not_plain(&request);
    }
    free_rows(&rows);
}

TEST(another_declaration_is_not_plain) {
    Request request = two_rows();
    int64_t number = 7;
    begin();
    request.parameters[0] = (Given){"declaration", PARAMETER_STRING, A_DECLARATION}, request.parameters_count = 1;
    CHECK_NUMBER(append_request(&rows, &form, &request), 2);
    request.parameters[0].value = "abc";
    is_not_plain(&request);
    request.parameters[0] = (Given){"declaration", PARAMETER_INT, &number};
    is_not_plain(&request);
    free_rows(&rows);
}

TEST(a_request_that_cannot_be_read_is_not_plain) {
    Request request = two_rows();
    int n = 0;
    for (bool failed = true; failed;) {
        begin();
        fail_at(++n);
        size_t found = append_request(&rows, &form, &request);
        failed = has_failed();
        fail_at(0);
        CHECK(found == (failed ? 0 : 2) && rows.rows == found);
    }
    CHECK(n > 8);
    free_rows(&rows);
}

static bool is_taken(const unsigned char* text, size_t bytes) {
    char strings[64] = {(char)bytes};
    memcpy(strings + 4, text, bytes);
    memcpy(strings + 4 + bytes, "\0\0\0\0\0\0\0\0", 8);
    Request request = a_request();
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 1, 3, strings, 12 + bytes);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 1, 2, (float[]){0, 0}, 8);
    request.inputs_count = 2;
    empty_rows(&rows);
    return append_request(&rows, &form, &request);
}

// UTF-8 by its definition: what the code point encodes to is what stands there.
static size_t encoded(uint32_t c, unsigned char* text) {
    if (c < 0x80) return text[0] = (unsigned char)c, 1;
    if (c < 0x800) return text[0] = (unsigned char)(0xC0 | c >> 6), text[1] = (unsigned char)(0x80 | (c & 63)), 2;
    size_t length = c < 0x10000 ? 3 : 4;
    text[0] = (unsigned char)((length == 3 ? 0xE0 : 0xF0) | c >> (6 * (length - 1)));
    for (size_t i = 1; i < length; i++) text[i] = (unsigned char)(0x80 | (c >> (6 * (length - 1 - i)) & 63));
    return length;
}

TEST(every_code_point_is_text_and_surrogates_are_not) {
    unsigned char text[12];
    begin();
    for (uint32_t c = 1; c <= 0x10FFFF; c += c < 0x3000 || c > 0x10FF00 ? 1 : 7) {
        size_t length = encoded(c, text);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        CHECK(is_taken(text, length) == (c != 0x1f && !surrogate));
        memcpy(text + length, "12345678", 8 - length);  // within eight bytes that are looked at together
        CHECK(is_taken(text, 8) == (c != 0x1f && !surrogate));
        if (length > 1) CHECK(!is_taken(text, length - 1));
    }
    CHECK(!is_taken((const unsigned char*)"\xf4\x90\x80\x80", 4) && !is_taken((const unsigned char*)"\xc0\xaf", 2));
    CHECK(!is_taken((const unsigned char*)"\xe0\x80\xaf", 3) && !is_taken((const unsigned char*)"\xf0\x80\x80\xaf", 4));
    free_rows(&rows);
}
