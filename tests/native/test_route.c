// routing/route.c and buckets.c: the text of a route in its one spelling, its digest, and where a key stands.

#include "check.h"

#include "routing/buckets.h"
#include "routing/route.h"

#define SALT_AND_UNTIL "salt 9f86d081884c7d65\nvalid_until 1764460800000\n"
static const char A_ROUTE[] = "format 1\nchampion 12\nchallenger 13\nmode canary\nshare 5\nshadow 100\n" SALT_AND_UNTIL
                              "timeout_ms 100\nmax_p99_ms 50\nmax_error_share 0.02\nmax_timeout_share 0.02\nmax_mean_ratio 1.5\n"
                              "min_distinct_ratio 0.2\nmax_slowdown 3\nend\n";
static const char OFF[] = "format 1\nchampion 12\nmode off\nend\n";
static const char EXTREME[] =
    "format 1\nchampion 999999999999999999\nchallenger 1\nmode shadow\nshare 0\nshadow 12.3456\n"
    "salt 0000000000000000000000000000000000000000000000000000000000000000\nvalid_until 0\n"
    "timeout_ms 1\nmax_p99_ms 3600000\nmax_error_share 0\nmax_timeout_share 1\nmax_mean_ratio 1000\n"
    "min_distinct_ratio 0.123456789\nmax_slowdown 1\nend\n";

static Route route;

static const char* read(const char* text) { return read_route(text, strlen(text), &route); }

// The text with `line` in the place of the one that begins so; NULL: without it.
static const char* replaced(const char* text, const char* begins, const char* line) {
    static char changed[8192];
    const char* start = strstr(text, begins);
    CHECK(start && (start == text || start[-1] == '\n'));
    const char* end = strchr(start, '\n') + 1;
    snprintf(changed, sizeof changed, "%.*s%s%s%s", (int)(start - text), text, line ? line : "", line ? "\n" : "", end);
    return changed;
}

TEST(a_route_says_who_answers_and_what_the_challenger_gets) {
    CHECK_NOTHING_SAID(read(A_ROUTE));
    CHECK(route.champion == 12 && route.challenger == 13 && route.mode == MODE_CANARY &&
          !strcmp(mode_name(route.mode), "canary"));
    CHECK(route.share_ppm == 50000 && route.shadow_ppm == 1000000 && !strcmp(route.salt, "9f86d081884c7d65"));
    CHECK(route.valid_until_ms == 1764460800000 && route.limits.timeout_ms == 100 && route.limits.max_p99_ms == 50);
    CHECK(route.limits.max_error_share == 0.02 && route.limits.max_timeout_share == 0.02 && route.limits.max_mean_ratio == 1.5);
    CHECK(route.limits.min_distinct_ratio == 0.2 && route.limits.max_slowdown == 3);
    CHECK(route.digest == 0xd0dc0f3727f349e2u);  // as contracts/serving/route.py prints it, here and below
    CHECK_NOTHING_SAID(read(OFF));
    CHECK(route.champion == 12 && !route.challenger && route.mode == MODE_OFF && route.digest == 0xab88375448883557u);
    CHECK_NOTHING_SAID(read(EXTREME));
    CHECK(route.champion == 999999999999999999 && route.mode == MODE_SHADOW && !route.share_ppm && route.shadow_ppm == 123456);
    CHECK(strlen(route.salt) == 64 && route.digest == 0x338ceab08e34103bu);
}

TEST(the_digest_is_of_all_but_how_long_it_is_valid) {
    CHECK_NOTHING_SAID(read(replaced(A_ROUTE, "valid_until", "valid_until 1")));
    CHECK(route.digest == 0xd0dc0f3727f349e2u && route.valid_until_ms == 1);
    static const char* const LINES[][2] = {
        {"champion", "champion 14"},     {"challenger", "challenger 14"},     {"mode", "mode ab"},
        {"share", "share 5.0001"},       {"shadow", "shadow 99.9"},           {"salt", "salt 00000000"},
        {"max_p99_ms", "max_p99_ms 51"}, {"max_slowdown", "max_slowdown 3.1"}};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        CHECK_NOTHING_SAID(read(replaced(A_ROUTE, LINES[i][0], LINES[i][1])));
        CHECK(route.digest != 0xd0dc0f3727f349e2u && route.digest != NO_ROUTE);
    }
}

TEST(half_a_route_is_refused_wherever_it_was_cut) {
    for (size_t cut = 0; cut < strlen(A_ROUTE); cut++) CHECK(read_route(A_ROUTE, cut, &route));
    for (size_t cut = 0; cut < strlen(OFF); cut++) CHECK(read_route(OFF, cut, &route));
    CHECK_SAYS(read(replaced(A_ROUTE, "end", "end\nend")), "line 16: expected 'end', and nothing behind it, got 'end'");
    CHECK_SAYS(read_route(A_ROUTE, strlen(A_ROUTE) + 1, &route), "'end', and nothing behind it");
    CHECK_SAYS(read(replaced(A_ROUTE, "end", NULL)), "line 16: expected 'end'");
}

TEST(lines_stand_in_their_order_each_once) {
    static const char* const LINES[] = {"format",      "champion",    "mode",       "share",        "shadow",
                                        "salt",        "valid_until", "timeout_ms", "max_p99_ms",   "max_error_share",
                                        "max_timeout", "max_mean",    "min_dist",   "max_slowdown", "end"};
    char twice[200], line[128];
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        CHECK(read(replaced(A_ROUTE, LINES[i], NULL)));
        const char* start = strstr(A_ROUTE, LINES[i]);
        snprintf(line, sizeof line, "%.*s", (int)strcspn(start, "\n"), start);
        snprintf(twice, sizeof twice, "%s\n%s", line, line);
        CHECK(read(replaced(A_ROUTE, LINES[i], twice)));
        snprintf(twice, sizeof twice, "colour 1\n%s", line);
        CHECK(read(replaced(A_ROUTE, LINES[i], twice)));
    }
    CHECK_SAYS(read(replaced(A_ROUTE, "challenger", NULL)), "a route has a challenger if its mode is not off");
    CHECK_SAYS(read(replaced(OFF, "mode", "mode shadow")), "a route has a challenger if its mode is not off");
    CHECK_SAYS(read(replaced(A_ROUTE, "mode", "mode off")), "and none if it is");
    CHECK_SAYS(read(replaced(OFF, "mode", "mode off\nvalid_until 1")), "line 4: expected 'end'");
}

TEST(what_does_not_fit_together_is_refused) {
    CHECK_SAYS(read(replaced(A_ROUTE, "challenger", "challenger 12")), "champion and challenger are the same release");
    CHECK_SAYS(read(replaced(A_ROUTE, "mode", "mode shadow")), "in mode shadow the challenger answers nobody: share has to be 0");
    char large[MOST_ROUTE_BYTES + 2];
    memset(large, 'x', sizeof large);
    CHECK_SAYS(read_route(large, sizeof large, &route), "a route has at most 4096 bytes");
    CHECK_SAYS(read_route(large, MOST_ROUTE_BYTES, &route), "line 1: expected 'format 1', got 'xxxxx");
    CHECK_SAYS(read_route("form\1\n", 6, &route), "got 'form?'");
}

TEST(numbers_have_one_spelling) {
    static const char* const BAD[][2] = {
        {"format", "format 2"},
        {"format", "format 01"},
        {"format", "format"},
        {"champion", "champion 0"},
        {"champion", "champion -1"},
        {"champion", "champion +12"},
        {"champion", "champion 012"},
        {"champion", "champion 12 "},
        {"champion", "champion  12"},
        {"champion", "champion 12.0"},
        {"champion", "champion 1e1"},
        {"champion", "champion 1000000000000000000"},
        {"champion", "champion 12\r"},
        {"champion", "Champion 12"},
        {"champion", " champion 12"},
        {"challenger", "challenger 0"},
        {"challenger", "challenger x"},
        {"mode", "mode Canary"},
        {"mode", "mode canary "},
        {"mode", "mode can"},
        {"mode", "mode"},
        {"share", "share 5.0"},
        {"share", "share 05"},
        {"share", "share .5"},
        {"share", "share 5."},
        {"share", "share 5.00001"},
        {"share", "share 100.0001"},
        {"share", "share -1"},
        {"share", "share 1e1"},
        {"share", "share 5%"},
        {"share", "share nan"},
        {"share", "share 0x5"},
        {"shadow", "shadow 101"},
        {"shadow", "shadow inf"},
        {"salt", "salt 9f86d08"},
        {"salt", "salt 9F86D081884C7D65"},
        {"salt", "salt 9f86d081884c7d6g"},
        {"valid_until", "valid_until -1"},
        {"valid_until", "valid_until 1.5"},
        {"timeout_ms", "timeout_ms 0"},
        {"max_p99_ms", "max_p99_ms 0"},
        {"max_p99_ms", "max_p99_ms 3600001"},
        {"max_p99_ms", "max_p99_ms 50.5"},
        {"max_error_share", "max_error_share 1.1"},
        {"max_error_share", "max_error_share 0.020"},
        {"max_timeout_share", "max_timeout_share 2"},
        {"max_mean_ratio", "max_mean_ratio 0.9"},
        {"max_mean_ratio", "max_mean_ratio 1000.1"},
        {"max_mean_ratio", "max_mean_ratio 1.1234567891"},
        {"min_distinct_ratio", "min_distinct_ratio 1.5"},
        {"max_slowdown", "max_slowdown 0.5"},
        {"max_slowdown", "max_slowdown 1000.5"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (!read(replaced(A_ROUTE, BAD[i][0], BAD[i][1]))) fprintf(stderr, "taken: '%s'\n", BAD[i][1]);
        CHECK(read(replaced(A_ROUTE, BAD[i][0], BAD[i][1])));
    }
    static const char* const GOOD[][2] = {{"share", "share 100"},     {"share", "share 0.0001"},
                                          {"share", "share 99.9999"}, {"shadow", "shadow 0"},
                                          {"mode", "mode ab"},        {"max_mean_ratio", "max_mean_ratio 1"},
                                          {"salt", "salt 01234567"},  {"timeout_ms", "timeout_ms 3600000"}};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) CHECK_NOTHING_SAID(read(replaced(A_ROUTE, GOOD[i][0], GOOD[i][1])));
    char salt[80] = "salt ";
    memset(salt + 5, '0', 65);
    CHECK_SAYS(read(replaced(A_ROUTE, "salt", salt)), "line 7: expected 'salt' and 8 to 64 hexadecimal digits, got 'salt 0000");
}

TEST(each_share_is_the_millionths_that_its_text_says) {
    char line[40];
    for (uint32_t ppm = 0; ppm <= BUCKETS; ppm += ppm < 1000 || ppm > 999000 ? 1 : 37) {
        int length = snprintf(line, sizeof line, "share %u.%04u", ppm / 10000, ppm % 10000);
        while (line[length - 1] == '0') line[--length] = 0;
        if (line[length - 1] == '.') line[--length] = 0;
        CHECK_NOTHING_SAID(read(replaced(A_ROUTE, "share", line)));
        CHECK_NUMBER(route.share_ppm, ppm);
    }
}

TEST(a_key_stands_where_python_says) {
    static const struct {
        const char* key;
        uint32_t arm, shadow, other;  // the last: the first under another salt
    } KEYS[] = {
        {"a", 664909, 363990, 738178},
        {"user 1", 417826, 714998, 887774},
        {"user 2", 204530, 653002, 689983},
        {"b2d9b3ac-1", 133628, 895390, 745043},
        {"\u00fcml\u00e4ut", 293931, 286037, 569944},
        {"0", 793311, 78705, 924741},
        {" ", 217961, 77056, 433117},
        {"key\twith tab", 187952, 576802, 877358},
        {"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu", 222770, 19167, 166768},
    };
    char zeros[65];
    memset(zeros, '0', 64), zeros[64] = 0;
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        KeyBuckets found, other;
        CHECK(find_buckets("9f86d081884c7d65", KEYS[i].key, strlen(KEYS[i].key), &found));
        CHECK(find_buckets(zeros, KEYS[i].key, strlen(KEYS[i].key), &other));
        CHECK(found.arm == KEYS[i].arm && found.shadow == KEYS[i].shadow && other.arm == KEYS[i].other);
    }
}

TEST(keys_are_spread_evenly_and_shadows_are_drawn_apart) {
    enum { KEYS = 20000 };
    int arm = 0, shadow = 0, both = 0;
    for (int i = 0; i < KEYS; i++) {
        char key[24];
        KeyBuckets found;
        CHECK(find_buckets("9f86d081884c7d65", key, (size_t)snprintf(key, sizeof key, "user %d", i), &found));
        CHECK(found.arm < BUCKETS && found.shadow < BUCKETS);
        arm += found.arm < 100000, shadow += found.shadow < 100000, both += found.arm < 100000 && found.shadow < 100000;
    }
    CHECK(abs(arm - KEYS / 10) < 170 && abs(shadow - KEYS / 10) < 170 && abs(both - KEYS / 100) < 60);  // four deviations
}
