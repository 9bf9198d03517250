// Any text as native.txt: it is refused in a sentence, or it is one that says the same when it is written down again.

#include "fuzz.h"

#include "check.h"
#include "settings.h"

#include <math.h>

static Settings first, again;
static char text[8192];
static size_t used;

#define WRITE(...) (used += (size_t)snprintf(text + used, sizeof text - used, __VA_ARGS__))

static void write_bytes(const char* bytes, size_t count) {
    for (size_t i = 0; i < count; i++) WRITE("%02x", (unsigned char)bytes[i]);
}

// Beyond a float's range there is only infinity, which a number that is large enough means.
static void write_float(float x) {
    if (isinf(x))
        WRITE(" %s1e39", x < 0 ? "-" : "");
    else
        WRITE(" %.9g", (double)x);
}

static void write_down(const Settings* s) {
    used = 0;
    WRITE("format 2\ndeclaration %s\nseparator %d\nmax_request_bytes %llu\n", s->declaration, s->separator,
          (unsigned long long)s->max_request_bytes);
    WRITE("creative %d\nfeeds_text %d\nfeeds_numeric %d\n", s->has_creative, s->feeds_text, s->feeds_numeric);
    WRITE("threads %u\nmax_waiting %u\nmax_rows %u\nwarmups %u\ninterval_s %.17g\n", s->threads, s->max_waiting, s->max_rows,
          s->warmups, s->interval_s);
    for (uint32_t c = 0; c < s->categorical; c++) {
        WRITE("string ");
        write_bytes(s->mark[c], 4);
        WRITE(" %d %u\n", s->required[c], s->longest[c]);
    }
    if (s->entity >= 0) WRITE("entity %d\n", s->entity);
    for (uint32_t i = 0; i < s->missing_count; i++) {
        WRITE("missing %u ", s->missing_column[i]);
        write_bytes(s->missing[i], s->missing_length[i]);
        WRITE("\n");
    }
    for (uint32_t i = 0; i < s->read_count; i++) WRITE("read %d\n", s->read_field[i]);
    for (uint32_t j = 0; j < s->numeric; j++) {
        WRITE("number");
        write_float(s->low[j]);
        write_float(s->high[j]);
        WRITE(" %d %d\n", s->nullable[j], s->whole[j]);
    }
    for (uint32_t i = 0; i < s->marker_count; i++) {
        WRITE("marker %u", s->marker_column[i]);
        write_float(s->marker[i]);
        WRITE("\n");
    }
    for (uint32_t f = 0; f < s->fields; f++) WRITE("field %s\n", s->field[f]);
    WRITE("end\n");
}

static void check_bounds(const Settings* s) {
    CHECK(s->categorical <= MAX_COLUMNS && s->numeric <= MAX_COLUMNS && s->fields <= MAX_COLUMNS && s->categorical + s->numeric);
    CHECK(s->missing_count <= MAX_COLUMNS && s->read_count <= MAX_COLUMNS && s->marker_count <= MAX_COLUMNS);
    CHECK(s->max_rows >= 1 && s->max_rows <= MAX_ROWS && s->threads >= 1 && s->threads <= 64 && s->max_waiting >= 1);
    CHECK(s->interval_s >= 0.001 && s->interval_s <= 86400 && s->separator > 0 && strlen(s->declaration) == 64);
    CHECK(s->entity >= -1 && s->entity < (int64_t)s->categorical);
    for (uint32_t i = 0; i < s->missing_count; i++)
        CHECK(s->missing_column[i] < s->categorical && s->missing_length[i] < NAME_SIZE);
    for (uint32_t i = 0; i < s->marker_count; i++) CHECK(s->marker_column[i] < s->numeric);
    for (uint32_t i = 0; i < s->read_count; i++)
        CHECK(s->read_field[i] < (int64_t)s->fields && (s->read_field[i] >= 0 || s->has_creative));
    for (uint32_t f = 0; f < s->fields; f++) CHECK(strlen(s->field[f]) >= 1 && strlen(s->field[f]) < NAME_SIZE);
    for (uint32_t j = 0; j < s->numeric; j++) CHECK(s->low[j] <= s->high[j]);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const char* wrong = read_settings("native.txt", (const char*)data, size, &first);
    if (wrong) {
        CHECK(!strncmp(wrong, "native.txt: ", 12) && strstr(wrong, "; export the model again"));
        return 0;
    }
    check_bounds(&first);
    write_down(&first);
    if (used >= sizeof text) return 0;
    CHECK_NOTHING_SAID(read_settings("native.txt", text, used, &again));
    CHECK(!memcmp(&first, &again, sizeof first));
    return 0;
}
