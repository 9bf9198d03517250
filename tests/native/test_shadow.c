// routing/shadow.c: what one arm answered the other computes too, later; what is too much is dropped, by the users' keys.

#include "journalled.h"
#include "routed_model.h"
#include "version_folder.h"

#include "journal/frame.h"
#include "routing/buckets.h"
#include "routing/routed.h"

enum { SOME = 8 };
#define LIMITS \
    "max_p99_ms 100000\nmax_error_share 1\nmax_timeout_share 1\nmax_mean_ratio 1000\nmin_distinct_ratio 0\nmax_slowdown 1000\n"
#define DONE routed_counted("adclick_shadow_total", "outcome=done")
#define NOT_DONE routed_counted("adclick_shadow_total", "outcome=failed")
#define BY_KEY routed_counted("adclick_shadow_total", "outcome=dropped_by_key")
#define FULL routed_counted("adclick_shadow_total", "outcome=dropped_full")

static Request requests[SOME];
static Route route;
static int number_of_users;

static void begin(Said said) {
    make_store();
    route = put_route(said);
    load_routed();
    wait_for_route(route, true);
}

// So many, of users who differ, in batches; by which release they are answered.
static void ask_for(int count, int release) {
    char user[24];
    for (int i = 0; i < count; i += SOME) {
        for (int k = 0; k < SOME; k++) snprintf(user, sizeof user, "user %d", number_of_users++), requests[k] = a_row_of(user);
        execute(requests, SOME);
        await_all(requests, SOME);
        for (int k = 0; k < SOME; k++) CHECK_NUMBER(answered_by(&requests[k]), release);
        forget_answers(requests, SOME);
    }
}

static void finish(void) {
    unload_routed();
    remove_store();
}

typedef struct {
    int answers, shadows;
    char answered[400][16], shadowed[400][16];
} Ids;

static void take_ids(uint32_t kind, const char* payload, uint32_t bytes, void* user) {
    Ids* ids = user;
    uint16_t sections;
    uint32_t count;
    if (kind != FRAME_ANSWERS) return;
    memcpy(&sections, payload, 2), memcpy(&count, payload + 8, 4);
    const char* at = payload + 32 + 6 * sections;
    for (uint32_t i = 0; i < count; i++, at += 28) {
        bool is_shadow = at[24] == SHADOW;
        CHECK(ids->answers < 400 && ids->shadows < 400);
        memcpy(is_shadow ? ids->shadowed[ids->shadows++] : ids->answered[ids->answers++], at, 16);
    }
}

static int compare_ids(const void* a, const void* b) { return memcmp(a, b, 16); }

// Each shadow has the id of an answer, and no two the same.
static void check_ids(int answers, int shadows) {
    static Ids ids;
    ids = (Ids){0};
    each_frame(take_ids, &ids);
    CHECK(ids.answers == answers && ids.shadows == shadows);
    qsort(ids.answered, (size_t)answers, 16, compare_ids);
    qsort(ids.shadowed, (size_t)shadows, 16, compare_ids);
    for (int i = 0; i < shadows; i++) {
        CHECK(bsearch(ids.shadowed[i], ids.answered, (size_t)answers, 16, compare_ids));
        CHECK(!i || memcmp(ids.shadowed[i - 1], ids.shadowed[i], 16) < 0);
    }
}

TEST(a_challenger_in_the_shadow_computes_what_the_champion_answered) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "100"});
    ask_for(80, 7);
    WAIT_FOR(DONE == 80);
    unload_routed();
    CHECK(records_with(ANSWERED, CHAMPION_ARM, 7) == 80 && records_with(SHADOW, CHAMPION_ARM, 8) == 80);
    check_ids(80, 80);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=8,outcome=answered"), 0);  // nobody was sent this
    CHECK_NUMBER(counted("adclick_journal_total", "model=ctr,version=8,what=rows"), 0);
    CHECK(events_with("\"event\": \"shadow_hour\"") == 1 && NOT_DONE == 0 && BY_KEY == 0 && FULL == 0);
    CHECK_NUMBER(events_with("\"done\": 80, \"failed\": 0, \"dropped_by_key\": 0, \"dropped_full\": 0"), 1);
    remove_store();
}

TEST(the_champion_computes_what_the_challenger_answered_whatever_the_share_of_shadows) {
    begin((Said){.share = "100", .shadow = "0"});
    ask_for(40, 8);
    WAIT_FOR(DONE == 40);
    unload_routed();
    CHECK(records_with(ANSWERED, CHALLENGER_ARM, 8) == 40 && records_with(SHADOW, CHALLENGER_ARM, 7) == 40);
    check_ids(40, 40);
    remove_store();
}

TEST(without_a_share_of_shadows_the_champions_answers_are_nobodys_work) {
    begin((Said){.share = "0", .shadow = "0"});
    ask_for(40, 7);
    unload_routed();
    CHECK(DONE == 0 && eight->calls == 0 && records_with(SHADOW, CHAMPION_ARM, 8) == 0);
    remove_store();
}

TEST(a_share_of_the_keys_is_drawn) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "25"});
    int first = number_of_users, expected = 0;
    ask_for(400, 7);
    for (int i = first; i < first + 400; i++) {
        char user[24];
        KeyBuckets buckets;
        CHECK(find_buckets("0123456789abcdef", user, (size_t)snprintf(user, sizeof user, "user %d", i), &buckets));
        expected += buckets.shadow < 250000;
    }
    WAIT_FOR(DONE == expected);
    unload_routed();
    CHECK(DONE == expected && expected > 60 && expected < 140 && BY_KEY == 0);
    remove_store();
}

TEST(requests_without_a_key_are_not_computed_again) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "100"});
    int64_t release = 7;
    Request request = a_row_of("somebody");
    request.parameters[0] = (Given){"release", PARAMETER_INT, &release}, request.parameters_count = 1;
    execute(&request, 1);
    await_all(&request, 1);
    CHECK_NUMBER(answered_by(&request), 7);
    forget_answer(&request);
    unload_routed();
    CHECK(DONE == 0 && records_with(ANSWERED, NO_EXPERIMENT, 7) == 1);
    remove_store();
}

TEST(a_challenger_that_fails_in_the_shadow_is_found) {
    begin((Said){.mode = "shadow",
                 .share = "0",
                 .shadow = "100",
                 .limits = "max_p99_ms 100000\nmax_error_share 0.5\nmax_timeout_share 1\nmax_mean_ratio 1000\nmin_distinct_ratio "
                           "0\nmax_slowdown 1000\n"});
    eight->does = GIVES_ERRORS;
    for (int i = 0; i < 40; i++) ask_for(SOME, 7);
    WAIT_FOR(has_fuse(route, "\"reason\": \"errors\""));
    ask_for(SOME, 7);
    finish();
}

TEST(a_challenger_that_answers_otherwise_in_the_shadow_is_found) {
    begin((Said){.mode = "shadow",
                 .share = "0",
                 .shadow = "100",
                 .limits = "max_p99_ms 100000\nmax_error_share 1\nmax_timeout_share 1\nmax_mean_ratio 1.9\nmin_distinct_ratio "
                           "0\nmax_slowdown 1000\n"});
    for (int i = 0; i < 40 && !has_fuse(route, ""); i++) ask_for(SOME, 7);
    WAIT_FOR(has_fuse(route, "\"reason\": \"mean\""));
    CHECK(has_fuse(route, "\"challenger_mean\": 0.5, \"champion_mean\": 0.25"));
    finish();
}

TEST(one_that_hangs_in_the_shadow_is_noticed_and_nobody_waits_for_it) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "100", .timeout_ms = 20});
    eight->does = HANGS_UNTIL_TERMINATED;
    ask_for(SOME, 7);
    WAIT_FOR(has_fuse(route, "\"reason\": \"hang\""));
    CHECK(has_fuse(route, "\"in\": \"shadow\""));
    WAIT_FOR(eight->ended == eight->calls);
    ask_for(SOME, 7);
    finish();
}

TEST(a_model_is_unloaded_while_the_shadow_hangs) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "100"});
    eight->does = HANGS_UNTIL_TERMINATED;
    ask_for(SOME, 7);
    WAIT_FOR(eight->calls > 0);
    finish();
}

// A request by somebody whose third string is so long.
static void ask_large(int number, uint32_t length) {
    char user[24];
    uint32_t bytes = (uint32_t)snprintf(user, sizeof user, "large %d", number), size = 12 + bytes + length;
    char* strings = a_block(size);
    memcpy(strings, &bytes, 4), memcpy(strings + 4, user, bytes), memcpy(strings + 8 + bytes, &length, 4);
    memset(strings + 12 + bytes, 'x', length);
    Request request = a_row_of("nobody");
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 3, strings, size);
    execute(&request, 1);
    await_all(&request, 1);
    CHECK_NUMBER(answered_by(&request), 7);
    forget_answer(&request);
    free(strings);
}

static void allow_large(void) {
    static char text[4096];
    strcpy(text, NATIVE_TEXT);
    char* at = strstr(text, "max_request_bytes 1000");
    memmove(at + 27, at + 22, strlen(at + 22) + 1), memcpy(at, "max_request_bytes 100000000", 27);
    for (int number = 7; number < 9; number++) change_release(number, text, "{}");
}

TEST(what_is_too_much_is_dropped_and_then_by_the_keys) {
    make_store();
    allow_large();
    unsetenv("ADCLICK_JOURNAL");
    route = PUT_ROUTE(.mode = "shadow", .share = "0", .shadow = "100", .timeout_ms = 60000);
    load_routed();
    wait_for_route(route, true);
    ask_large(0, 5 << 20);
    WAIT_FOR(FULL == 1);
    eight->does = HANGS;
    int asked = 1;
    for (; asked < 2000 && BY_KEY < 3; asked++) ask_large(asked, 56000);  // the level is lowered when half of the room is taken
    CHECK(BY_KEY >= 3);
    eight->does = GIVES_ANSWERS;
    WAIT_FOR(DONE + BY_KEY + FULL == asked);
    CHECK(NOT_DONE == 0 && DONE >= 36);  // 2 MiB
    double before = -1;
    for (int rounds = 0; before != BY_KEY; rounds++) {  // it rises again, by a twentieth a look
        CHECK(rounds < 300);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        before = BY_KEY;
        for (int i = 0; i < 40; i++) ask_large(i, 10);
        asked += 40;
        WAIT_FOR(DONE + BY_KEY + FULL == asked);
    }
    finish();
}

TEST(what_was_not_computed_at_the_end_is_counted) {
    begin((Said){.mode = "shadow", .share = "0", .shadow = "100"});
    eight->does = HANGS_UNTIL_TERMINATED;
    for (int i = 0; i < 3; i++) ask_for(SOME, 7);
    WAIT_FOR(eight->calls == 1);
    unload_routed();
    CHECK(DONE == 0 && NOT_DONE + FULL == 3 * SOME);
    CHECK(events_with("\"event\": \"shadow_hour\"") == 1);
    remove_store();
}

TEST(shadows_are_told_hour_by_hour) {
    struct timespec now;
    char clock[100];
    clock_gettime(CLOCK_REALTIME, &now);  // ten minutes a second: 12:58 of a day long ago
    snprintf(clock, sizeof clock, "1500037080000000000 %lld%09ld 600", (long long)now.tv_sec, now.tv_nsec);
    CHECK(!setenv("ADCLICK_CLOCK", clock, 1));
    make_store();
    route = PUT_ROUTE(.mode = "shadow", .share = "0", .shadow = "100");
    load_routed();
    wait_for_route(route, true);
    ask_for(SOME, 7);
    WAIT_FOR(DONE == SOME);
    nanosleep(&(struct timespec){.tv_sec = 7}, NULL);
    ask_for(SOME, 7);
    WAIT_FOR(DONE == 2 * SOME);
    unload_routed();
    CHECK_NUMBER(events_with("\"event\": \"shadow_hour\""), 2);
    CHECK(events_with("\"done\": 8,") == 2 && events_with("\"hour\": \"2017-07-14T1") == 2);
    remove_store();
}
