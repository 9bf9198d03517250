// Any bytes as the tensors of a request, of any shape: it is appended as it has to be, or nothing is.

#include "fuzz.h"

#include "fake_triton.h"
#include "rows.h"
#include "version_folder.h"

#include <math.h>

static Settings settings;
static Form form;

// What the input says, and then the two tensors' bytes.
typedef struct {
    int64_t rows[2];      // as the shapes say; 0 to 15 mean themselves, others too
    uint8_t columns[2];   // added to the right number, 128 is nothing
    uint16_t numbers_at;  // where the numbers begin
    uint16_t cut_at;      // where the strings are cut in two pieces
    uint8_t dims[2], types[2];
    uint8_t twice;   // the same request is appended behind itself
    uint8_t layout;  // odd: it was made for another release
} Head;

// Requests whose strings come in another order, one of them is not taken; of the numbers the first is not there.
static const Layout LAYOUT = {.categorical = 4, .numeric = 2, .text = {3, ABSENT, 0}, .number = {ABSENT, 1}};

static Input a_tensor(const Head* head, int i, const uint8_t* data, size_t size, size_t cut) {
    Input input = {.name = i ? "numeric" : "categorical", .dims = head->dims[i] % 4, .bytes = size, .pieces_count = 2};
    input.type = head->types[i] == 255 ? TYPE_INT64 : i ? TYPE_FP32 : TYPE_BYTES;
    input.shape[0] = head->rows[i];
    int64_t columns = form.layout ? (i ? LAYOUT.numeric : LAYOUT.categorical) : (i ? settings.numeric : settings.categorical);
    input.shape[1] = columns + (int64_t)head->columns[i] - 128;
    input.pieces[0] = data, input.pieces[1] = data + cut;
    input.piece_bytes[0] = cut, input.piece_bytes[1] = size - cut;
    return input;
}

// The strings behind their marks and the numbers within their bounds, looked at from the outside.
static void check_rows(Rows* rows, size_t count) {
    const char* text = whole_text(rows);
    CHECK(strlen(text) == rows->text_bytes);
    size_t at = 0;
    for (size_t row = 0; row < count; row++)
        for (uint32_t c = 0; c < settings.categorical; c++) {
            CHECK(!memcmp(text + at, settings.mark[c], 4));
            const char* value = text + (at += 4);
            size_t length = strcspn(value, "\x1f");
            CHECK(length <= settings.longest[c] && (length || !settings.required[c]));
            CHECK(!(c == 1 && length == 2 && !memcmp(value, "NA", 2)));
            at += length;
        }
    CHECK(at == rows->text_bytes);
    for (size_t i = 0; i < count * settings.numeric; i++) {
        uint32_t j = (uint32_t)(i % settings.numeric);
        float x = rows->numbers[i];
        CHECK(isnan(x) ? settings.nullable[j] : x >= settings.low[j] && x <= settings.high[j]);
        CHECK(isnan(x) || !settings.whole[j] || x == truncf(x));
        CHECK(j || x != 999);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Head head;
    if (size < sizeof head) return 0;
    if (!settings.threads) CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    form = (Form){.settings = &settings, .declaration = settings.declaration};
    memcpy(&head, data, sizeof head);
    form.layout = head.layout & 1 ? &LAYOUT : NULL;
    data += sizeof head, size -= sizeof head;
    size_t strings = head.numbers_at < size ? head.numbers_at : size, cut = head.cut_at < strings ? head.cut_at : strings;
    Request request = a_request();
    request.inputs[0] = a_tensor(&head, 0, data, strings, cut);
    request.inputs[1] = a_tensor(&head, 1, data + strings, size - strings, 0);
    request.inputs_count = 2;
    Rows rows = {0};
    size_t total = 0;
    for (int i = 0; i < 1 + (head.twice & 1); i++) {
        size_t bytes = rows.text_bytes, found = append_request(&rows, &form, &request);
        CHECK(form.layout ? rows.text_bytes <= bytes + strings + 4 * 3 * found
                          : rows.text_bytes == bytes + (found ? strings : 0));
        CHECK(rows.rows == total + found);
        CHECK(!found || ((int64_t)found == head.rows[0] && (int64_t)found == head.rows[1] && found <= settings.max_rows));
        total += found;
    }
    if (total) check_rows(&rows, total);
    CHECK(rows.text_room < 100000 && rows.rows_room < 1000);
    free_rows(&rows);
    return 0;
}
