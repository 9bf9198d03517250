// routing/seat.c: the arm of each request, by its key or by the release that it asks for.

#include "journalled.h"
#include "routed_model.h"
#include "version_folder.h"

#include "journal/frame.h"
#include "routing/buckets.h"
#include "routing/routed.h"

static Route route;

static void begin(Said said) {
    make_store();
    route = put_route(said);
    load_routed();
    wait_for_route(route, true);
}

static void finish(void) {
    unload_routed();
    remove_store();
}

static int by(Request* request) {
    execute(request, 1);
    await_all(request, 1);
    int release = answered_by(request);
    forget_answer(request);
    return release;
}

static bool is_challengers(const char* key, uint32_t share_ppm) {
    KeyBuckets buckets;
    CHECK(find_buckets(route.salt, key, strlen(key), &buckets));
    return buckets.arm < share_ppm;
}

TEST(each_key_is_answered_by_its_arm) {
    enum { KEYS = 64 };
    begin((Said){.share = "40"});
    int challengers = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[24];
        snprintf(key, sizeof key, "user %d", i);
        int expected = is_challengers(key, 400000) ? 8 : 7;
        Request by_entity = a_row_of(key), by_parameter = a_row_of("somebody else");
        add_text(&by_parameter, "routing_key", key);
        CHECK(by(&by_entity) == expected && by(&by_parameter) == expected);
        challengers += expected == 8;
    }
    CHECK(challengers > 12 && challengers < 39);
    unload_routed();
    CHECK_NUMBER(routed_counted("adclick_routed_total", "arm=challenger"), 2 * challengers);
    CHECK_NUMBER(routed_counted("adclick_routed_total", "arm=champion"), 2 * (KEYS - challengers));
    CHECK(routed_counted("adclick_routed_total", "arm=none") == 0 && routed_counted("adclick_unkeyed_total", "") == 0);
    remove_store();
}

TEST(the_first_row_says_whose_request_it_is) {
    static const char STRINGS[] = "\1\0\0\0a\0\0\0\0\1\0\0\0c\6\0\0\0user 3\0\0\0\0\1\0\0\0c";
    static const float NUMBERS[] = {20, 7, 20, 7};
    begin((Said){.share = "40"});
    Request request = a_row_of("");
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 3, STRINGS, sizeof STRINGS - 1);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 2, NUMBERS, sizeof NUMBERS);
    request.inputs[0].shape[0] = request.inputs[1].shape[0] = 2;
    CHECK_NUMBER(by(&request), is_challengers("a", 400000) ? 8 : 7);
    Input strings = request.inputs[0];
    request = a_row_of("");
    request.inputs[0] = request.inputs[1], request.inputs[1] = strings;  // tensors come in any order
    request.inputs[1].shape[0] = 1, request.inputs[1].bytes = request.inputs[1].piece_bytes[0] = 14;
    CHECK_NUMBER(by(&request), is_challengers("a", 400000) ? 8 : 7);
    finish();
}

TEST(without_a_key_the_champion_answers_in_no_experiment) {
    begin((Said){.share = "100"});
    Request empty = a_row_of("");  // and required: `ctr_careful` says so
    Request none = a_row_of("somebody");
    none.inputs[0].pieces_count = 0;
    Request numbers_only = a_row_of("somebody");
    numbers_only.inputs[0] = numbers_only.inputs[1], numbers_only.inputs_count = 1;
    Request cut = a_row_of("somebody");
    cut.inputs[0].bytes = cut.inputs[0].piece_bytes[0] = 7;
    CHECK(by(&empty) == 7 && by(&none) == 7 && by(&numbers_only) == 7 && by(&cut) == 7);
    unload_routed();
    CHECK(routed_counted("adclick_unkeyed_total", "") == 4 && routed_counted("adclick_routed_total", "arm=none") == 4);
    remove_store();
}

static Request asking(const char* user, int64_t* release) {
    Request request = a_row_of(user);
    request.parameters[request.parameters_count++] = (Given){"release", PARAMETER_INT, release};
    return request;
}

static char told[8][128];
static int told_count;

static void look(InnerRequest* inner) {
    InnerRequest ends = *inner;
    told_count = (int)inner->parameters_count;
    for (int i = 0; i < told_count; i++) strcpy(told[i], inner->parameters[i]);
    ends.answered(an_error(INVALID_ARG, "release 9 is not open"), RESPONSE_FINAL, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
}

TEST(a_release_that_is_open_answers_if_it_is_asked_for) {
    begin((Said){.share = "0"});
    int64_t release = 8, own = 7, other = 9;
    Request challenger = asking("somebody", &release), champion = asking("somebody", &own), missing = asking("somebody", &other);
    CHECK(by(&challenger) == 8 && by(&champion) == 7);
    on_infer = look;
    execute(&missing, 1);
    await_all(&missing, 1);
    CHECK(missing.code == INVALID_ARG && told_count == 3 && !strcmp(told[0], "release=9"));
    CHECK(!strncmp(told[1], "adclick_routed=0 0 4294967295 2 ", 32) && !strcmp(told[2], "adclick_open=7, 8"));
    forget_answer(&missing);
    unload_routed();
    CHECK(records_with(ANSWERED, NO_EXPERIMENT, 8) == 1 && records_with(ANSWERED, NO_EXPERIMENT, 7) == 1);
    CHECK(routed_counted("adclick_routed_total", "arm=none") == 3 && routed_counted("adclick_unkeyed_total", "") == 0);
    remove_store();
}

TEST(a_release_that_is_open_looks_closely_if_it_is_asked_for) {
    begin((Said){.share = "0"});
    int64_t release = 8, own = 7;
    Request challenger = asking("\xff", &release), champion = asking("\xff", &own);
    CHECK(by(&challenger) == 8 && by(&champion) == 7);
    Request requests[2] = {asking("\xff", &release), asking("\xff", &own)};
    on_infer = look;
    for (int i = 0; i < 2; i++) {
        execute(&requests[i], 1);
        await_all(&requests[i], 1);
        CHECK(told_count == 2 && !strncmp(told[1], "adclick_routed=0 ", 17));  // and nothing of what is open
        forget_answer(&requests[i]);
    }
    finish();
}

TEST(a_wish_that_is_none_goes_to_the_careful_model_of_the_champion_alone) {
    begin((Said){.share = "100"});
    int64_t zero = 0, below = -8;
    Request requests[6] = {asking("somebody", &zero), asking("somebody", &below), a_row_of("somebody"),
                           a_row_of("somebody"),      a_row_of("somebody"),       a_row_of("somebody")};
    char text[300];
    memset(text, 'k', 257), text[257] = 0;
    add_text(&requests[2], "routing_key", ""), add_text(&requests[3], "routing_key", text),
        add_text(&requests[4], "release", "8");
    add_text(&requests[5], "routing_key", "\xff");
    on_infer = look;
    for (int i = 0; i < 6; i++) {
        told_count = 0;
        execute(&requests[i], 1);
        await_all(&requests[i], 1);
        CHECK(requests[i].code == INVALID_ARG && told_count >= 2);
        CHECK(!strncmp(told[1], "adclick_routed=0 0 4294967295 2 ", 32) || !strncmp(told[1], "adclick_open", 12));
        forget_answer(&requests[i]);
    }
    unload_routed();
    CHECK(eight->calls == 0 && routed_counted("adclick_routed_total", "arm=none") == 6);
    remove_store();
}

TEST(the_release_that_triton_loaded_may_be_the_challenger) {
    begin((Said){.champion = 8, .challenger = 7, .share = "50"});
    for (int i = 0; i < 20; i++) {
        char key[24];
        snprintf(key, sizeof key, "user %d", i);
        Request request = a_row_of(key);
        CHECK_NUMBER(by(&request), is_challengers(key, 500000) ? 7 : 8);
    }
    finish();
}

#define COLUMN(name) "{\"name\": \"" name "\", \"dtype\": \"string\"}"
#define NUMBER(name) "{\"name\": \"" name "\", \"dtype\": \"float\"}"

TEST(a_challenger_of_other_columns_finds_its_own_on_all_ways) {
    static char text[4096], seen[512];
    make_store();
    strcpy(text, NATIVE_TEXT);
    memcpy(strstr(text, "001122"), "ff1122", 6);  // another declaration: hour, a new column, device, site
    char* strings = strstr(text, "string 1f1f2121");
    static const char OWN[] =
        "string 1f1f2121 0 20\nstring 1f1f2122 0 20\nstring 1f1f2123 0 20\nstring 1f1f2124 1 20\nentity 3\n";
    char* behind = strstr(text, "missing 1");
    memmove(strings + sizeof OWN - 1, behind, strlen(behind) + 1), memcpy(strings, OWN, sizeof OWN - 1);
    change_release(8, text,
                   "{\"categorical\": [" COLUMN("hour") ", " COLUMN("new") ", " COLUMN("device") ", " COLUMN(
                       "site") "], \"numeric\": [" NUMBER("age") ", " NUMBER("count") "], \"ids\": [\"site\"]}");
    route = PUT_ROUTE(.share = "50", .shadow = "100");
    load_routed();
    wait_for_route(route, true);
    char other[] = "user 0", own[] = "user 0";
    while (!is_challengers(other, 500000)) other[5]++;
    while (is_challengers(own, 500000)) own[5]++;
    for (int i = 0; i < 2; i++) {
        const char* user = i ? own : other;
        Request request = a_row_of(user);
        CHECK_NUMBER(by(&request), i ? 7 : 8);
        WAIT_FOR(routed_counted("adclick_shadow_total", "outcome=done") == i + 1);
        char expected[128];
        last_text(eight, seen);
        snprintf(expected, sizeof expected, "\x1f\x1f!!c\x1f\x1f!\"\x1f\x1f!#\x1f\x1f!$%s", user);
        CHECK(!strcmp(seen, expected));
        last_text(seven, seen);
        snprintf(expected, sizeof expected, "\x1f\x1f!!%s\x1f\x1f!\"\x1f\x1f!#c", user);
        CHECK(!strcmp(seen, expected));
    }
    finish();
}

TEST(a_challenger_that_lacks_a_column_of_the_champion_is_left_out) {
    static char text[4096];
    make_store();
    strcpy(text, NATIVE_TEXT);
    memcpy(strstr(text, "001122"), "ff1122", 6);
    change_release(8, text,
                   "{\"categorical\": [" COLUMN("site") ", " COLUMN("device") ", " COLUMN("new") "], \"numeric\": [" NUMBER(
                       "age") ", " NUMBER("count") "], \"ids\": [\"site\"]}");
    route = PUT_ROUTE(.share = "100");
    load_routed();
    wait_for_route(route, false);
    WAIT_FOR(was_logged("it has not all columns of the champion"));
    Request request = a_row_of("somebody");
    CHECK_NUMBER(by(&request), 7);
    unload_routed();
    CHECK_NUMBER(routed_counted("adclick_route_broken_total", ""), 1);
    remove_store();
}

// Of the last record that answers: the bytes of section `tag`; how many, -1 if it is not there.
typedef struct {
    int tag, bytes;
    char at[64];
    uint64_t route;
} Section;

static void take_section(uint32_t kind, const char* payload, uint32_t bytes, void* user) {
    Section* section = user;
    uint16_t count;
    memcpy(&count, payload, 2);
    const char *entry = payload + 32, *at = entry + 6 * count;
    if (kind != FRAME_ANSWERS) return;
    memcpy(&section->route, payload + 24, 8);
    section->bytes = -1;
    for (uint16_t i = 0, tag; i < count; i++, entry += 6) {
        uint32_t size;
        memcpy(&tag, entry, 2), memcpy(&size, entry + 2, 4);
        if (tag == section->tag) section->bytes = (int)size, memcpy(section->at, at, size < 64 ? size : 64);
        at += size;
    }
    CHECK(at == payload + bytes);
}

static Section section_of(int tag) {
    Section section = {.tag = tag, .bytes = -2};
    each_frame(take_section, &section);
    return section;
}

TEST(the_record_says_how_each_request_was_routed) {
    begin((Said){.share = "0"});
    int64_t own = 7;
    Request requests[3] = {a_row_of("user 1"), a_row_of("user 2"), asking("user 3", &own)};
    add_text(&requests[1], "routing_key", "k\xc3\xbc");
    execute(requests, 3);
    await_all(requests, 3);
    forget_answers(requests, 3);
    unload_routed();
    KeyBuckets first, second;
    CHECK(find_buckets(route.salt, "user 1", 6, &first) && find_buckets(route.salt, "k\xc3\xbc", 3, &second));
    char expected[24] = {0};
    memcpy(expected, &first.arm, 4), memcpy(expected + 8, &second.arm, 4), memset(expected + 16, 0xFF, 4);
    expected[12] = KEY_BY_PARAMETER, expected[20] = RELEASE_ASKED_FOR;
    Section routing = section_of(17);
    CHECK(routing.bytes == 24 && !memcmp(routing.at, expected, 24) && routing.route == route.digest);
    Section lengths = section_of(18), keys = section_of(19), requests_section = section_of(1);
    CHECK(lengths.bytes == 3 && !memcmp(lengths.at, "\0\4\0", 3) && keys.bytes == 3 && !memcmp(keys.at, "k\xc3\xbc", 3));
    CHECK(requests_section.bytes == 3 * 28 && requests_section.at[25] == CHAMPION_ARM && requests_section.at[24] == ANSWERED);
    remove_store();
}

TEST(routing_keys_are_hidden_as_callers_keys_are) {
    make_store();
    CHECK(!setenv("ADCLICK_JOURNAL_PRIVACY", "drop 0 -", 1));
    route = PUT_ROUTE(.share = "0");
    load_routed();
    wait_for_route(route, true);
    Request request = a_row_of("user 1");
    add_text(&request, "routing_key", "secret");
    CHECK_NUMBER(by(&request), 7);
    unload_routed();
    unsetenv("ADCLICK_JOURNAL_PRIVACY");
    CHECK(section_of(18).bytes == -1 && section_of(19).bytes == -1 && section_of(17).bytes == 8);
    remove_store();
}

TEST(without_a_route_a_record_says_nothing_of_it) {
    make_store();
    load_routed();
    Request request = a_row_of("user 1");
    CHECK_NUMBER(by(&request), 7);
    unload_routed();
    CHECK(section_of(17).bytes == -1 && section_of(17).route == NO_ROUTE);
    remove_store();
}
