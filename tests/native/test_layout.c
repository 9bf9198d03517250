// routing/layout.c, and rows.c by it: a release finds its columns in requests that were made for another one.

#include "fake_triton.h"
#include "rows.h"
#include "version_folder.h"

#include <math.h>

#define COLUMN(name) "{\"name\": \"" name "\", \"dtype\": \"string\"}"
#define NUMBER(name) "{\"name\": \"" name "\", \"dtype\": \"float\"}"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEAD(declaration)                                                                                                       \
    "format 2\ndeclaration " declaration                                                                                        \
    "\nseparator 31\nmax_request_bytes 1000\ncreative 0\nfeeds_text 1\nfeeds_numeric 1\nthreads 1\nmax_waiting 8\nmax_rows 8\n" \
    "warmups 0\ninterval_s 0.5\n"

// The requests' release: site (required), device, hour; age, count.
static const char FROM[] = HEAD(A_DECLARATION) "string 41414141 1 20\nstring 41414142 0 20\nstring 41414143 0 20\n"
                                               "number 0 120 1 0\nnumber 0 1000 0 0\nend\n";
static const char FROM_SCHEMA[] = "{\"categorical\": [" COLUMN("site") ", " COLUMN("device") ", " COLUMN(
    "hour") "], \"numeric\": [" NUMBER("age") ", " NUMBER("count") "], \"ids\": [\"site\"]}";

// Another one: hour, a new column, site; a new number, count.
static const char TO[] = HEAD(OTHER) "string 42424241 0 20\nstring 42424242 0 20\nstring 42424243 1 20\n"
                                     "number 0 10 1 0\nnumber 0 1000 0 0\nend\n";
static const char TO_SCHEMA[] = "{\"categorical\": [" COLUMN("hour") ", " COLUMN("more") ", " COLUMN(
    "site") "], \"numeric\": [" NUMBER("new") ", " NUMBER("count") "], \"ids\": [\"site\"]}";

static Settings from, to;
static Layout* layout;

static const char* find(const char* from_schema, const char* to_text, const char* to_schema) {
    CHECK_NOTHING_SAID(read_settings("native.txt", FROM, strlen(FROM), &from));
    CHECK_NOTHING_SAID(read_settings("native.txt", to_text, strlen(to_text), &to));
    return find_layout((Columns){&from, from_schema}, (Columns){&to, to_schema}, &layout);
}

TEST(columns_are_found_by_their_names) {
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    CHECK(layout->categorical == 3 && layout->numeric == 2);
    CHECK(layout->text[0] == 2 && layout->text[1] == ABSENT && layout->text[2] == 0);
    CHECK(layout->number[0] == ABSENT && layout->number[1] == 1);
    free(layout);
}

TEST(nothing_is_rearranged_where_columns_stand_where_they_are) {
    CHECK_NOTHING_SAID(find(NULL, FROM, NULL));  // of one declaration, whatever the names
    CHECK(!layout);
    char same[sizeof FROM];
    strcpy(same, FROM), memcpy(strstr(same, A_DECLARATION), OTHER, 64);
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, same, FROM_SCHEMA));
    CHECK(!layout);
}

TEST(a_release_that_cannot_read_the_requests_says_why) {
    CHECK_SAYS(find(NULL, TO, TO_SCHEMA), "it has another declaration and does not say its columns' names; export it again");
    CHECK_SAYS(find(FROM_SCHEMA, TO, NULL), "does not say its columns' names");
    CHECK_SAYS(find(FROM_SCHEMA, TO, "{}"), "its columns have no names");
    CHECK_SAYS(find(FROM_SCHEMA, TO, "{\"categorical\": [" COLUMN("hour") "]}"), "its columns have no names");
    char text[sizeof TO];
    strcpy(text, TO), strstr(text, "42424242 0")[9] = '1';
    CHECK_SAYS(find(FROM_SCHEMA, text, TO_SCHEMA), "column 'more' must not be missing, and requests do not have it");
    strcpy(text, TO), strstr(text, "10 1 0")[3] = '0';
    CHECK_SAYS(find(FROM_SCHEMA, text, TO_SCHEMA), "column 'new' must not be missing, and requests do not have it");
    CHECK(!layout);
    static const char MANY[] = "{\"categorical\": [" COLUMN("a") ", " COLUMN("b") ", " COLUMN("c") ", " COLUMN(
        "hour") ", " COLUMN("site") "], \"numeric\": [" NUMBER("age") ", " NUMBER("count") "]}";
    CHECK_SAYS(find(MANY, TO, TO_SCHEMA), "its columns have other names than it says");
}

TEST(a_column_is_not_taken_twice) {  // what is rearranged would be larger than the room for it
    static const char TWICE[] = "{\"categorical\": [" COLUMN("site") ", " COLUMN("hour") ", " COLUMN(
        "site") "], \"numeric\": [" NUMBER("new") ", " NUMBER("count") "]}";
    CHECK_SAYS(find(FROM_SCHEMA, TO, TWICE), "it names column 'site' twice");
    static const char NUMBERS[] = "{\"categorical\": [" COLUMN("hour") ", " COLUMN("more") ", " COLUMN(
        "site") "], \"numeric\": [" NUMBER("count") ", " NUMBER("count") "]}";
    CHECK_SAYS(find(FROM_SCHEMA, TO, NUMBERS), "it names column 'count' twice");
    CHECK(!layout);
}

TEST(no_memory_for_a_layout_is_said) {
    CHECK_NOTHING_SAID(read_settings("native.txt", FROM, strlen(FROM), &from));
    CHECK_NOTHING_SAID(read_settings("native.txt", TO, strlen(TO), &to));
    fail_at(1);
    CHECK_SAYS(find_layout((Columns){&from, FROM_SCHEMA}, (Columns){&to, TO_SCHEMA}, &layout), "out of memory");
    fail_at(0);
    CHECK(!layout);
}

static const char STRINGS[] =
    "\6\0\0\0site 1\0\0\0\0\2\0\0\00012"
    "\1\0\0\0s\5\0\0\0phone\0\0\0\0";
static const char REARRANGED[] =
    "\2\0\0\00012\0\0\0\0\6\0\0\0site 1"
    "\0\0\0\0\0\0\0\0\1\0\0\0s";
static const float NUMBERS[] = {20, 7, 30, 8};
enum { STRINGS_BYTES = sizeof STRINGS - 1, REARRANGED_BYTES = sizeof REARRANGED - 1 };

TEST(strings_and_numbers_are_rearranged_row_by_row) {
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    char* into = a_block(STRINGS_BYTES + 4 * 2);  // as much as it may take, and not a byte more
    CHECK_NUMBER(rearrange_text(layout, &to, STRINGS, STRINGS_BYTES, 2, into), REARRANGED_BYTES);
    CHECK(!memcmp(into, REARRANGED, REARRANGED_BYTES));
    float numbers[4];
    rearrange_numbers(layout, &to, NUMBERS, 2, numbers);
    CHECK(isnan(numbers[0]) && numbers[1] == 7 && isnan(numbers[2]) && numbers[3] == 8);
    free(into), free(layout);
}

TEST(what_is_no_text_of_so_many_strings_is_not_rearranged) {
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    char* into = a_block(STRINGS_BYTES + 3 * 4 * 3);
    for (size_t bytes = 0; bytes < STRINGS_BYTES; bytes++) {
        char* cut = a_block(bytes);
        memcpy(cut, STRINGS, bytes);
        CHECK_NUMBER(rearrange_text(layout, &to, cut, bytes, 2, into), 0);
        free(cut);
    }
    CHECK_NUMBER(rearrange_text(layout, &to, STRINGS, STRINGS_BYTES, 1, into), 0);
    CHECK_NUMBER(rearrange_text(layout, &to, STRINGS, STRINGS_BYTES, 3, into), 0);
    char wrong[STRINGS_BYTES];
    for (size_t at = 0; at < STRINGS_BYTES; at++) {  // a length that is far too long
        memcpy(wrong, STRINGS, sizeof wrong);
        wrong[at] = '\xff';
        size_t found = rearrange_text(layout, &to, wrong, sizeof wrong, 2, into);
        CHECK(found == 0 || found == REARRANGED_BYTES);
    }
    free(into), free(layout);
}

static Request two_rows(void) {
    Request request = a_request();
    request.inputs[0] = (Input){"categorical", TYPE_BYTES, {2, 3}, 2, STRINGS_BYTES, {STRINGS}, {STRINGS_BYTES}, 0, 1};
    request.inputs[1] = (Input){"numeric", TYPE_FP32, {2, 2}, 2, sizeof NUMBERS, {NUMBERS}, {sizeof NUMBERS}, 0, 1};
    request.inputs_count = 2;
    request.parameters[0] = (Given){"declaration", PARAMETER_STRING, A_DECLARATION}, request.parameters_count = 1;
    return request;
}

TEST(requests_made_for_another_release_are_rows_of_this_one) {
    static const char TEXT[] = "BBBA12BBBBBBBCsite 1BBBABBBBBBBCs";
    Rows rows = {0};
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    const Form form = {.settings = &to, .layout = layout, .declaration = from.declaration};
    Request request = two_rows();
    for (int i = 0; i < 2; i++) {
        CHECK_NUMBER(append_request(&rows, &form, &request), 2);
        CHECK(rows.rows == 2 * (size_t)(i + 1) && !strncmp(whole_text(&rows) + i * (int)strlen(TEXT), TEXT, strlen(TEXT)));
        CHECK(isnan(rows.numbers[4 * i]) && rows.numbers[4 * i + 1] == 7 && rows.numbers[4 * i + 3] == 8);
    }
    request.parameters[0].value = OTHER;  // they say for which release they were made
    CHECK_NUMBER(append_request(&rows, &form, &request), 0);
    request.parameters_count = 0, request.inputs[0].shape[1] = 2;
    CHECK_NUMBER(append_request(&rows, &form, &request), 0);
    request = two_rows(), request.inputs[1].memory = MEMORY_GPU;
    CHECK_NUMBER(append_request(&rows, &form, &request), 0);
    request = two_rows(), request.inputs[0].bytes--, request.inputs[0].piece_bytes[0]--;
    CHECK_NUMBER(append_request(&rows, &form, &request), 0);
    CHECK_NUMBER(rows.rows, 4);
    free_rows(&rows), free(layout);
}

TEST(rows_that_were_copied_are_rows_again_here_and_elsewhere) {
    Rows rows = {0}, again = {0}, other = {0};
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    const Form own = {.settings = &from, .declaration = from.declaration};
    const Form form = {.settings = &to, .layout = layout, .declaration = from.declaration};
    Request request = two_rows();
    CHECK(append_request(&rows, &own, &request) == 2 && append_request(&rows, &own, &request) == 2);
    size_t before = raw_bytes(&rows, &from, 0, 1), bytes = raw_bytes(&rows, &from, 1, 3);
    CHECK(before == 20 && bytes == 18 + 20);  // the second row of the first request and the first of the second
    char* text = a_block(bytes);
    float numbers[4];
    copy_raw(&rows, &from, 1, 3, before, text, numbers);
    CHECK(!memcmp(text, STRINGS + 20, 18) && !memcmp(text + 18, STRINGS, 20) && numbers[0] == 30 && numbers[3] == 7);
    const Raw raw = {.text = text, .numbers = numbers, .text_bytes = bytes, .rows = 2};
    CHECK(append_raw(&again, &own, &raw) && append_raw(&other, &form, &raw));
    CHECK(!strcmp(whole_text(&again), "AAAAsAAABphoneAAACAAAAsite 1AAABAAAC12") && again.numbers[0] == 30);
    CHECK(!strcmp(whole_text(&other), "BBBABBBBBBBCsBBBA12BBBBBBBCsite 1") && other.numbers[1] == 8 && isnan(other.numbers[0]));
    drop_last_rows(&rows, &from, 2);
    CHECK(rows.rows == 2 && rows.text_bytes == strlen("AAAAsite 1AAABAAAC12AAAAsAAABphoneAAAC"));
    free(text), free_rows(&rows), free_rows(&again), free_rows(&other), free(layout);
}

TEST(a_release_without_strings_reads_the_numbers_of_requests_that_have_both) {
    static const char ONLY[] = HEAD(OTHER) "number 0 1000 0 0\nend\n";
    char text[sizeof ONLY];
    Rows rows = {0};
    strcpy(text, ONLY), strstr(text, "feeds_text 1")[11] = '0';
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, text, "{\"categorical\": [], \"numeric\": [" NUMBER("count") "]}"));
    const Form form = {.settings = &to, .layout = layout, .declaration = from.declaration};
    Request request = two_rows();
    CHECK(append_request(&rows, &form, &request) == 2 && rows.numbers[0] == 7 && rows.numbers[1] == 8 && !rows.text_bytes);
    free_rows(&rows), free(layout);
}

TEST(rows_that_find_no_memory_are_not_taken_in_part) {
    CHECK_NOTHING_SAID(find(FROM_SCHEMA, TO, TO_SCHEMA));
    const Form form = {.settings = &to, .layout = layout, .declaration = from.declaration};
    int n = 0;
    for (bool failed = true; failed;) {
        Rows rows = {0};
        Request request = two_rows();
        fail_at(++n);
        size_t found = append_request(&rows, &form, &request);
        failed = has_failed();
        fail_at(0);
        CHECK(found == (failed ? 0 : 2) && rows.rows == found);
        free_rows(&rows);
    }
    CHECK(n > 8);
    free(layout);
}
