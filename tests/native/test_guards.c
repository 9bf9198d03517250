// routing/guard.c: just below a limit nothing is found, just above it is; what is past is forgotten.

#include "check.h"

#include "routing/guard.h"

#include <math.h>

static const Limits LIMITS = {.timeout_ms = 100,
                              .max_p99_ms = 50,
                              .max_error_share = 0.1,
                              .max_timeout_share = 0.1,
                              .max_mean_ratio = 1.5,
                              .min_distinct_ratio = 0.5,
                              .max_slowdown = 3};
enum { FAST_NS = 1000000, MOST_NS = 50000000 };
static Finding finding;

// How many of `count` such outcomes pass before something is found; all of them if nothing is.
static int give(Guard* guard, Outcome outcome, uint64_t took_ns, int count) {
    finding = (Finding){0};
    for (int i = 0; i < count; i++)
        if (judge_outcome(guard, outcome, took_ns, &finding)) return i;
    return count;
}

static void expect(const char* reason, const char* evidence) {
    CHECK_SAYS(finding.reason, reason);
    CHECK(!strcmp(finding.reason, reason));
    CHECK_SAYS(finding.evidence, evidence);
    CHECK(strlen(finding.evidence) < sizeof finding.evidence - 1);
}

TEST(errors_count_from_three_of_twenty_on_and_beyond_their_share) {
    Guard* guard = open_guard(&LIMITS);
    CHECK_NUMBER(give(guard, WRONG, FAST_NS, 19), 19);  // too few to say anything
    CHECK_NUMBER(give(guard, IN_TIME, FAST_NS, 1), 0);
    expect("errors", "\"errors\": 19, \"requests\": 20, \"limit\": 0.1");
    close_guard(guard);
    guard = open_guard(&LIMITS);
    CHECK_NUMBER(give(guard, WRONG, FAST_NS, 2), 2);
    CHECK_NUMBER(give(guard, IN_TIME, FAST_NS, 17), 17);
    CHECK_NUMBER(give(guard, IN_TIME, FAST_NS, 1), 1);  // 2 of 20 is a tenth, and less than three
    CHECK_NUMBER(give(guard, IN_TIME, FAST_NS, 10), 10);
    CHECK_NUMBER(give(guard, WRONG, FAST_NS, 1), 1);  // 3 of 31
    CHECK_NUMBER(give(guard, WRONG, FAST_NS, 1), 0);  // 4 of 32
    expect("errors", "\"errors\": 4, \"requests\": 32, \"limit\": 0.1");
    close_guard(guard);
}

TEST(timeouts_have_a_share_of_their_own) {
    Limits limits = LIMITS;
    limits.max_p99_ms = 1000000, limits.max_error_share = 0;
    Guard* guard = open_guard(&limits);
    CHECK(give(guard, IN_TIME, FAST_NS, 27) == 27 && give(guard, LATE, FAST_NS, 3) == 3);  // 3 of 30 are a tenth
    CHECK(give(guard, LATE, FAST_NS, 1) == 0);
    expect("timeouts", "\"timeouts\": 4, \"requests\": 31, \"limit\": 0.1");
    close_guard(guard);
}

TEST(five_in_a_row_that_are_late_hang) {
    Guard* guard = open_guard(&LIMITS);
    CHECK(give(guard, LATE, FAST_NS, 4) == 4 && give(guard, IN_TIME, FAST_NS, 1) == 1 && give(guard, LATE, FAST_NS, 4) == 4);
    CHECK(give(guard, WRONG, FAST_NS, 1) == 1 && give(guard, LATE, FAST_NS, 4) == 4);  // an error is a sign of life, too
    CHECK_NUMBER(give(guard, LATE, FAST_NS, 1), 0);
    expect("hang", "\"late_in_a_row\": 5");
    close_guard(guard);
}

TEST(one_in_a_hundred_may_be_slow) {
    Guard* guard = open_guard(&LIMITS);
    CHECK(give(guard, IN_TIME, MOST_NS, 98) == 98);  // exactly as slow as they may be
    CHECK(give(guard, IN_TIME, MOST_NS + 1, 1) == 1 && give(guard, IN_TIME, FAST_NS, 100) == 100);
    CHECK(give(guard, IN_TIME, MOST_NS + 1, 1) == 1);  // 2 of 200
    CHECK(give(guard, IN_TIME, MOST_NS + 1, 1) == 0);
    expect("p99", "\"slower\": 3, \"requests\": 200, \"limit_ms\": 50");
    close_guard(guard);
    guard = open_guard(&LIMITS);
    CHECK(give(guard, IN_TIME, MOST_NS + 1, 99) == 99 && give(guard, IN_TIME, FAST_NS, 1) == 0);  // not before there are 100
    close_guard(guard);
}

TEST(what_was_200_requests_ago_is_forgotten) {
    Limits limits = LIMITS;
    limits.max_error_share = 0.02, limits.max_p99_ms = 1000000;
    Guard* guard = open_guard(&limits);
    for (int round = 0; round < 20; round++) {
        CHECK(give(guard, IN_TIME, FAST_NS, 196) == 196);
        CHECK(give(guard, WRONG, FAST_NS, 4) == 4);  // 4 of 200, always
    }
    CHECK(give(guard, WRONG, FAST_NS, 1) == 0);
    expect("errors", "\"errors\": 5, \"requests\": 200, \"limit\": 0.02");
    close_guard(guard);
}

// Rows of which the challenger's cycle through `distinct` values around `mean`; the champion's have 50 around 0.25.
static bool pair(Guard* guard, int rows, float mean, int distinct) {
    float challenger[256], champion[256];
    CHECK(rows <= 256);
    for (int i = 0; i < rows; i++) {
        challenger[i] = mean + (float)(i % distinct - distinct / 2) * 1e-4f;
        champion[i] = 0.25f + (float)(i % 50 - 25) * 1e-4f;
    }
    finding = (Finding){0};
    return judge_pairs(guard, challenger, champion, (size_t)rows, 0, 0, &finding);
}

TEST(means_are_compared_both_ways_from_a_hundred_rows_on) {
    Guard* guard = open_guard(&LIMITS);
    CHECK(!pair(guard, 99, 0.9f, 50));
    CHECK(pair(guard, 1, 0.9f, 50));
    expect("mean", "\"challenger_mean\": 0.899901, \"champion_mean\": 0.249901");
    CHECK(strstr(finding.evidence, "\"rows\": 100, \"limit\": 1.5"));
    close_guard(guard);
    static const struct {
        float mean;
        bool found;
    } CASES[] = {{0.37f, false}, {0.38f, true}, {0.17f, false}, {0.16f, true}, {0.25f, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        guard = open_guard(&LIMITS);
        CHECK(pair(guard, 200, CASES[i].mean, 50) == CASES[i].found);
        close_guard(guard);
    }
    guard = open_guard(&LIMITS);  // nobody can be compared with nothing, but nothing with somebody
    const float zeros[128] = {0};
    CHECK(!judge_pairs(guard, zeros, zeros, 128, 0, 0, &finding));
    CHECK(pair(guard, 128, 0.25f, 50) == false);
    close_guard(guard);
}

TEST(few_distinct_answers_are_found_where_the_champion_has_many) {
    Guard* guard = open_guard(&LIMITS);
    CHECK(!pair(guard, 200, 0.25f, 25));
    close_guard(guard);
    guard = open_guard(&LIMITS);
    CHECK(pair(guard, 200, 0.25f, 24));
    expect("distinct", "\"challenger_distinct\": 24, \"champion_distinct\": 50, \"rows\": 200, \"limit\": 0.5");
    close_guard(guard);
    guard = open_guard(&LIMITS);  // a champion that has few itself says nothing
    float few[128], one[128];
    for (int i = 0; i < 128; i++) few[i] = 0.25f + (float)(i % 15) * 1e-4f, one[i] = 0.25f;
    CHECK(!judge_pairs(guard, one, few, 128, 0, 0, &finding));
    close_guard(guard);
}

TEST(rows_of_long_ago_are_forgotten) {
    Guard* guard = open_guard(&LIMITS);
    for (int i = 0; i < 4; i++) CHECK(!pair(guard, 256, 0.37f, 50));
    for (int i = 0; i < 100; i++) CHECK(!pair(guard, 256, 0.2f, 50));
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) found = pair(guard, 256, 0.5f, 50);
    CHECK(found);  // within the last 1024
    close_guard(guard);
}

TEST(what_is_no_probability_is_found_at_once) {
    static const float BAD[] = {NAN, INFINITY, -INFINITY, -0.001f, 1.0001f};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Guard* guard = open_guard(&LIMITS);
        float challenger[] = {0.1f, BAD[i]}, champion[] = {0.1f, 0.1f};
        CHECK(judge_pairs(guard, challenger, champion, 2, 0, 0, &finding));
        expect("non_finite", "\"answer\": \"");
        CHECK(!judge_pairs(guard, champion, (float[]){0, 1}, 2, 0, 0, &finding));
        close_guard(guard);
    }
}

TEST(what_the_champion_answers_is_not_laid_at_the_challengers_door) {
    static const float BAD[] = {NAN, INFINITY, -INFINITY, 2};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        Guard* guard = open_guard(&LIMITS);
        float champion[200], challenger[200];
        for (int row = 0; row < 200; row++) challenger[row] = 0.25f, champion[row] = row % 2 ? BAD[i] : 0.25f;
        for (int turn = 0; turn < 5; turn++) CHECK(!judge_pairs(guard, challenger, champion, 200, 0, 0, &finding));
        close_guard(guard);
    }
}

// Batches whose challenger took `times` as long.
static bool slower(Guard* guard, int batches, double times) {
    const float p = 0.25f;
    bool found = false;
    for (int i = 0; i < batches && !found; i++) found = judge_pairs(guard, &p, &p, 1, (uint64_t)(times * 1000), 1000, &finding);
    return found;
}

TEST(the_median_of_what_it_takes_longer_is_limited) {
    Guard* guard = open_guard(&LIMITS);
    CHECK(!slower(guard, 31, 9));  // not before there are thirty, and every eight
    CHECK(slower(guard, 1, 9));
    expect("slowdown", "\"median\": 9, \"batches\": 32, \"limit\": 3");
    close_guard(guard);
    guard = open_guard(&LIMITS);
    CHECK(!slower(guard, 200, 3));
    CHECK(!slower(guard, 31, 100));  // less than half of the last 64
    CHECK(slower(guard, 9, 100));
    close_guard(guard);
    guard = open_guard(&LIMITS);
    const float p = 0.25f;
    for (int i = 0; i < 200; i++) CHECK(!judge_pairs(guard, &p, &p, 1, i % 2 ? 0 : 1000, i % 2 ? 1000 : 0, &finding));
    close_guard(guard);
}

// Evidence is the inside of an object: what json.loads would take, as far as these numbers and names go.
static void check_json(const char* at) {
    for (bool more = true; more;) {
        CHECK(*at == '"');
        at += 1 + strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_0123456789");
        CHECK(!strncmp(at, "\": ", 3));
        at += 3;
        if (*at == '"') {
            at += 1 + strspn(at + 1, "abcdefghijklmnopqrstuvwxyz-+.0123456789 ");
            CHECK(*at++ == '"');
        } else {
            char* end;
            CHECK(strchr("-0123456789", *at) && isfinite(strtod(at, &end)));
            at = end;
        }
        more = !strncmp(at, ", ", 2);
        at += more ? 2 : 0;
    }
    CHECK(!*at);
}

TEST(evidence_is_json_whatever_the_numbers) {
    Limits limits = LIMITS;
    limits.max_error_share = 0.000000001, limits.max_p99_ms = 999999999999999, limits.max_mean_ratio = 1000;
    Guard* guard = open_guard(&limits);
    CHECK(give(guard, WRONG, FAST_NS, 100) < 100);
    check_json(finding.evidence);
    const float tiny = 1e-38f, half = 0.5f, bad = NAN;
    bool found = false;
    for (int i = 0; i < 200 && !found; i++) found = judge_pairs(guard, &tiny, &half, 1, UINT64_MAX, 1, &finding);
    CHECK(found);
    check_json(finding.evidence);
    CHECK(judge_pairs(guard, &bad, &half, 1, 0, 0, &finding));
    check_json(finding.evidence);
    close_guard(guard), close_guard(NULL);
}
