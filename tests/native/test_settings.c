// settings.c and words.c: every line of native.txt means what it says, or is refused in a sentence that shows it.

#include "settings.h"
#include "version_folder.h"

#include <math.h>

static Settings settings;

static const char* read(const char* text) { return read_settings("native.txt", text, strlen(text), &settings); }

// The text with `line` instead of the one that begins like it, or instead of `before`.
static const char* replaced(const char* before, const char* line) {
    static char text[8192];
    const char* start = strstr(NATIVE_TEXT, before);
    CHECK(start);
    const char* end = strchr(start, '\n');
    snprintf(text, sizeof text, "%.*s%s%s", (int)(start - NATIVE_TEXT), NATIVE_TEXT, line, end);
    return text;
}

TEST(every_line_is_read_as_it_was_meant) {
    CHECK_NOTHING_SAID(read(NATIVE_TEXT));
    const Settings* s = &settings;
    CHECK(!strcmp(s->declaration, A_DECLARATION) && s->separator == 31 && s->max_request_bytes == 1000);
    CHECK(s->has_creative && s->feeds_text && s->feeds_numeric && s->threads == 1 && s->max_waiting == 8 && s->max_rows == 64);
    CHECK(s->warmups == 0 && s->interval_s == 0.5 && s->categorical == 3 && s->numeric == 2 && s->fields == 3);
    CHECK(!memcmp(s->mark[0], "\x1f\x1f!!", 4) && !memcmp(s->mark[2], "\x1f\x1f!#", 4));
    CHECK(s->required[0] && !s->required[1] && s->longest[0] == 20 && s->longest[1] == 5 && s->longest[2] == UINT32_MAX);
    CHECK(s->entity == 0);
    CHECK(s->missing_count == 1 && s->missing_column[0] == 1 && s->missing_length[0] == 2 && !memcmp(s->missing[0], "NA", 2));
    CHECK(s->read_count == 2 && s->read_field[0] == 2 && s->read_field[1] == -1);
    CHECK(s->low[0] == 0 && s->high[0] == 120 && s->nullable[0] && !s->whole[0]);
    CHECK(s->low[1] == -3.4028234663852886e+38f && s->high[1] == 3.4028234663852886e+38f && !s->nullable[1] && s->whole[1]);
    CHECK(s->marker_count == 1 && s->marker_column[0] == 0 && s->marker[0] == 999);
    CHECK(!strcmp(s->field[0], "site") && !strcmp(s->field[1], "device type") && !strcmp(s->field[2], "hour"));
}

TEST(no_line_says_that_no_column_holds_routing_keys) {
    CHECK_NOTHING_SAID(read(replaced("entity", "read 0")));
    CHECK_NUMBER(settings.entity, -1);
    CHECK_NOTHING_SAID(read(replaced("entity", "entity 2")));
    CHECK_NUMBER(settings.entity, 2);
}

TEST(half_a_file_is_refused_wherever_it_was_cut) {
    for (size_t cut = 0; cut < strlen(NATIVE_TEXT); cut++) CHECK(read_settings("native.txt", NATIVE_TEXT, cut, &settings));
    CHECK_SAYS(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT) - 1, &settings),
               "native.txt: it ends too early, there is no line 'end'; export the model again");
    CHECK_SAYS(read(replaced("end", "end\nend")), "native.txt: it goes on after its end");
    CHECK_SAYS(read(""), "another format");
}

TEST(another_format_is_refused_by_name) {
    static const char* const LINES[] = {"format 1", "format 3", "format 20", "format 2 ", " format 2", "format", "formats 2"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
        CHECK_SAYS(read(replaced("format 2", LINES[i])),
                   "native.txt: another format than this server reads, which is 'format 2'; export the model again");
}

TEST(a_line_that_is_not_understood_is_shown) {
    static const struct {
        const char *before, *line, *words;
    } CASES[] = {
        {"interval_s", "interval_s 0",
         "line 12 is not understood: expected seconds from 0.001 to 86400, got 'interval_s 0'; export"},
        {"interval_s", "interval_s -1", "seconds from"},
        {"interval_s", "interval_s nan", "seconds from"},
        {"interval_s", "interval_s 1e999", "seconds from"},
        {"interval_s", "interval_s 1e-9", "seconds from"},
        {"interval_s", "interval_s 0x1p0", "seconds from"},
        {"interval_s", "interval_s 1 ", "seconds from"},
        {"interval_s", "interval_s 1 2", "seconds from"},
        {"threads", "threads 0", "line 8 is not understood: expected a number from 1 to 64, got 'threads 0'"},
        {"threads", "threads 65", "a number from 1 to 64"},
        {"threads", "threads -1", "a number from 1 to 64"},
        {"threads", "threads 1.0", "a number from 1 to 64"},
        {"threads", "threads 18446744073709551617", "a number from 1 to 64"},
        {"threads", "threads +1", "a number from 1 to 64"},
        {"threads", "threads", "a number from 1 to 64, got 'threads'"},
        {"threads", "threads  1", "a number from 1 to 64"},
        {"threads", "threads 1\nthreads 1", "line 9 is not understood: it stands there twice, got 'threads 1'"},
        {"threads", "shape 3", "no such line is known, got 'shape 3'"},
        {"threads", "", "no such line is known, got ''"},
        {"separator", "separator 0", "a number from 1 to 127"},
        {"separator", "separator 128", "a number from 1 to 127"},
        {"max_rows", "max_rows 65537", "a number from 1 to 65536"},
        {"max_waiting", "max_waiting 0", "a number from 1 to 2147483647"},
        {"max_waiting", "max_waiting 4294967296", "a number from 1 to 2147483647"},
        {"max_request_bytes", "max_request_bytes 1099511627777", "a number from 1 to 1099511627776"},
        {"creative", "creative 2", "a number from 0 to 1"},
        {"declaration", "declaration abc", "expected a sha-256, got 'declaration abc'"},
        {"declaration", "declaration A" A_DECLARATION, "expected a sha-256"},
        {"declaration", "declaration " A_DECLARATION "\ndeclaration " A_DECLARATION, "it stands there twice"},
        {"string 1f1f2121", "string 1f1f212 1 20", "expected a column's mark as 8 hexadecimal digits, 0 or 1"},
        {"string 1f1f2121", "string 1f1f21210 1 20", "a column's mark"},
        {"string 1f1f2121", "string 1f1f2100 1 20", "a column's mark"},
        {"string 1f1f2121", "string 1f1f212g 1 20", "a column's mark"},
        {"string 1f1f2121", "string 1f1f2121 2 20", "a column's mark"},
        {"string 1f1f2121", "string 1f1f2121 1 4294967296", "a column's mark"},
        {"string 1f1f2121", "string 1f1f2121 1 -1", "a column's mark"},
        {"string 1f1f2121", "string 1f1f2121 1", "a column's mark"},
        {"entity", "entity 3", "expected the number of a column above, once, got 'entity 3'"},
        {"entity", "entity -1", "the number of a column above, once"},
        {"entity", "entity", "the number of a column above, once"},
        {"entity", "entity 0 1", "the number of a column above, once"},
        {"entity", "entity 0\nentity 0", "line 17 is not understood: expected the number of a column above, once"},
        {"string 1f1f2121", "entity 0", "the number of a column above, once"},
        {"missing", "missing 1 4e4",
         "expected the number of a column above, and at most 255 bytes as pairs of hexadecimal digits"},
        {"missing", "missing 3 4e41", "the number of a column above"},
        {"missing", "missing -1 4e41", "the number of a column above"},
        {"missing", "missing 1 4E41", "the number of a column above"},
        {"missing", "missing 1", "the number of a column above"},
        {"missing", "missing 1 4e41 4e41", "the number of a column above"},
        {"read 2", "read -2", "expected the number of a field, or -1"},
        {"read 2", "read 1024", "the number of a field"},
        {"read 2", "read 3", "native.txt: it reads field 3, which is not there; export the model again"},
        {"creative 1", "creative 0", "native.txt: it reads field -1, which is not there"},
        {"number 0.0", "number 120.0 0.0 1 0", "expected lowest and highest value, 0 or 1, 0 or 1"},
        {"number 0.0", "number 0.0 120.0 1", "lowest and highest value"},
        {"number 0.0", "number inf 120.0 1 0", "lowest and highest value"},
        {"number 0.0", "number 0.0 120.0 1 0 1", "lowest and highest value"},
        {"number 0.0", "number 0.0.0 120.0 1 0", "lowest and highest value"},
        {"marker", "marker 2 999.0", "expected the number of a column above, and a number"},
        {"marker", "marker 0 nan", "the number of a column above, and a number"},
        {"marker", "marker 0", "the number of a column above, and a number"},
        {"field site", "field ", "no such line is known"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char* wrong = read(replaced(CASES[i].before, CASES[i].line));
        CHECK_SAYS(wrong, CASES[i].words);
        CHECK_SAYS(wrong, "native.txt: ");
        CHECK_SAYS(wrong, "; export the model again");
    }
}

TEST(a_line_that_is_missing_is_named) {
    static const char* const KEYS[] = {"separator",   "max_request_bytes", "creative", "feeds_text", "feeds_numeric", "threads",
                                       "max_waiting", "max_rows",          "warmups",  "interval_s", "declaration"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "native.txt: line '%s' is missing; export the model again", KEYS[i]);
        CHECK_SAYS(read(replaced(KEYS[i], "field more")), expected);
    }
}

TEST(what_cannot_be_shown_is_shown_as_something_else) {
    CHECK_SAYS(read(replaced("threads 1", "th\x01reads\t1 \xc3\xa9!")), "got 'th?reads?1 ?\?!'");
    char line[200];
    snprintf(line, sizeof line, "%0100d", 7);
    CHECK_SAYS(read(replaced("threads 1", line)), "got '000000000000000000000000000000000000000000000000000000000000'; export");
}

// `number` lines of a kind behind the one that begins the same.
static char* many(const char* line, int number) {
    char* text = a_block(strlen(NATIVE_TEXT) + (size_t)number * (strlen(line) + 1) + 1);
    const char* end = strstr(NATIVE_TEXT, "end\n");
    memcpy(text, NATIVE_TEXT, (size_t)(end - NATIVE_TEXT));
    for (int i = 0; i < number; i++) strcat(strcat(text, line), "\n");
    strcat(text, "end\n");
    return text;
}

TEST(no_more_columns_or_markers_are_taken_than_there_is_room_for) {
    static const struct {
        const char* line;
        int already;
    } CASES[] = {{"string 1f1f2124 0 9", 3}, {"missing 0 41", 1}, {"read 1", 2},
                 {"number 0 1 0 0", 2},      {"marker 1 5", 1},   {"field x", 3}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char* fits = many(CASES[i].line, MAX_COLUMNS - CASES[i].already);
        CHECK_NOTHING_SAID(read(fits));
        free(fits);
        char* too_many = many(CASES[i].line, MAX_COLUMNS - CASES[i].already + 1);
        CHECK_SAYS(read(too_many), "is not understood: expected");
        free(too_many);
    }
}

TEST(names_and_missing_markers_have_255_bytes_at_most) {
    char line[1024] = "field ";
    memset(line + 6, 'x', 255);
    CHECK_NOTHING_SAID(read(replaced("field site", line)));
    CHECK(strlen(settings.field[0]) == 255);
    line[6 + 255] = 'x';
    CHECK_SAYS(read(replaced("field site", line)), "expected a name of at most 255 bytes");
    memcpy(line, "missing 1 ", 10);
    memset(line + 10, '4', 510), line[520] = 0;
    CHECK_NOTHING_SAID(read(replaced("missing", line)));
    CHECK(settings.missing_length[0] == 255 && settings.missing[0][254] == 'D');
    memset(line + 10, '4', 512), line[522] = 0;
    CHECK_SAYS(read(replaced("missing", line)), "at most 255 bytes");
}

// Settings with so many columns, of which the graph is fed these.
static const char* fed(int text, int numeric, int strings, int numbers) {
    static char found[2048];
    size_t used = (size_t)snprintf(found, sizeof found, "%.*s", (int)(strstr(NATIVE_TEXT, "string") - NATIVE_TEXT), NATIVE_TEXT);
    strstr(found, "feeds_text ")[strlen("feeds_text ")] = (char)('0' + text);
    strstr(found, "feeds_numeric ")[strlen("feeds_numeric ")] = (char)('0' + numeric);
    for (int i = 0; i < strings; i++) used += (size_t)sprintf(found + used, "string 1f1f2121 1 20\n");
    for (int i = 0; i < numbers; i++) used += (size_t)sprintf(found + used, "number 0 1 0 0\n");
    sprintf(found + used, "end\n");
    return found;
}

TEST(a_graph_is_fed_only_what_there_is) {
    CHECK_NOTHING_SAID(read(fed(1, 0, 1, 0)));
    CHECK_NOTHING_SAID(read(fed(0, 0, 1, 1)));
    CHECK_NOTHING_SAID(read(fed(0, 1, 0, 1)));
    CHECK_SAYS(read(fed(1, 0, 0, 1)), "native.txt: the graph is fed columns that are not there; export the model again");
    CHECK_SAYS(read(fed(0, 1, 1, 0)), "the graph is fed columns that are not there");
    CHECK_SAYS(read(fed(0, 0, 0, 0)), "native.txt: it has no column; export the model again");
}

TEST(bounds_beyond_a_float_are_infinite_and_small_ones_are_kept) {
    CHECK_NOTHING_SAID(read(replaced("number 0.0", "number -1e300 1e-40 1 0")));
    CHECK(isinf(settings.low[0]) && settings.low[0] < 0 && settings.high[0] == 1e-40f);
}
