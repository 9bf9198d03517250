#include "route.h"

#include "../openssl.h"
#include "../words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 18, DECIMALS = 9, PPM_DECIMALS = 4, SHOWN = 60, LONGEST_MS = 3600000 };
static const char* const MODES[] = {"off", "shadow", "canary", "ab"};

static _Thread_local char problem[256];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

// A text that is read line by line, and where its line `valid_until` stands.
typedef struct {
    const char *text, *at, *end, *until, *until_end;
    unsigned line;
} Lines;

// A number as Python writes it: one spelling each, since the digest is of the text.
static bool is_spelt(const char* at, const char* end, size_t decimals) {
    const char* point = memchr(at, '.', (size_t)(end - at));
    const char* whole = point ? point : end;
    if (at == whole || whole - at > DIGITS || (*at == '0' && whole - at > 1)) return false;
    for (const char* digit = at; digit < end; digit++)
        if (digit != point && (*digit < '0' || *digit > '9')) return false;
    return !point || (end - point > 1 && (size_t)(end - point - 1) <= decimals && end[-1] != '0');
}

// The value of the next line if its key is this one, and goes behind the line; false leaves the place where it is.
static bool take(Lines* lines, const char* key, Words* value) {
    size_t length = strlen(key);
    const char* end = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    if (!end || (size_t)(end - lines->at) < length + 2 || memcmp(lines->at, key, length) || lines->at[length] != ' ')
        return false;
    *value = (Words){lines->at + length + 1, end};
    lines->at = end + 1;
    lines->line++;
    return true;
}

static bool take_number(Lines* lines, const char* key, size_t decimals, double low, double high, double* number) {
    Words value;
    Lines before = *lines;
    char digits[DIGITS + DECIMALS + 2];
    if (!take(lines, key, &value) || !is_spelt(value.at, value.end, decimals)) return *lines = before, false;
    size_t length = (size_t)(value.end - value.at);
    memcpy(digits, value.at, length), digits[length] = 0;
    *number = strtod(digits, NULL);
    return *number >= low && *number <= high ? true : (*lines = before, false);
}

static bool take_whole_number(Lines* lines, const char* key, int64_t low, int64_t high, int64_t* number) {
    Words value;
    Lines before = *lines;
    if (take(lines, key, &value) && is_spelt(value.at, value.end, 0) && take_whole(&value, low, high, number)) return true;
    return *lines = before, false;
}

// Percent with four decimals, as millionths.
static bool take_share(Lines* lines, const char* key, uint32_t* ppm) {
    double percent;
    if (!take_number(lines, key, PPM_DECIMALS, 0, 100, &percent)) return false;
    *ppm = (uint32_t)(percent * 10000 + 0.5);
    return true;
}

static bool take_mode(Lines* lines, Mode* mode) {
    Words value;
    Lines before = *lines;
    if (take(lines, "mode", &value))
        for (int i = MODE_OFF; i <= MODE_AB; i++)
            if (strlen(MODES[i]) == (size_t)(value.end - value.at) && !memcmp(MODES[i], value.at, strlen(MODES[i])))
                return *mode = (Mode)i, true;
    return *lines = before, false;
}

static bool take_salt(Lines* lines, char salt[SALT_SIZE]) {
    Words value;
    Lines before = *lines;
    if (!take(lines, "salt", &value)) return false;
    size_t length = (size_t)(value.end - value.at), fits = strspn(value.at, "0123456789abcdef");
    if (length < 8 || length >= SALT_SIZE || fits < length) return *lines = before, false;
    memcpy(salt, value.at, length), salt[length] = 0;
    return true;
}

static bool take_until(Lines* lines, int64_t* valid_until_ms) {
    lines->until = lines->at;
    if (!take_whole_number(lines, "valid_until", 0, INT64_MAX, valid_until_ms)) return false;
    lines->until_end = lines->at;
    return true;
}

static const char* wrong(const Lines* lines, const char* expected) {
    char shown[SHOWN + 1] = "";
    for (int i = 0; i < SHOWN && lines->at + i < lines->end && lines->at[i] != '\n'; i++)
        shown[i] = lines->at[i] >= ' ' && lines->at[i] <= '~' ? lines->at[i] : '?', shown[i + 1] = 0;
    return PROBLEM("line %u: expected %s, got '%s'", lines->line + 1, expected, shown);
}

static const char* take_limits(Lines* lines, Limits* limits) {
    if (!take_whole_number(lines, "timeout_ms", 1, LONGEST_MS, &limits->timeout_ms))
        return wrong(lines, "'timeout_ms' and 1 to 3600000");
    if (!take_whole_number(lines, "max_p99_ms", 1, LONGEST_MS, &limits->max_p99_ms))
        return wrong(lines, "'max_p99_ms' and 1 to 3600000");
    const struct {
        const char* key;
        double low, high, *number;
    } ratios[] = {{"max_error_share", 0, 1, &limits->max_error_share},
                  {"max_timeout_share", 0, 1, &limits->max_timeout_share},
                  {"max_mean_ratio", 1, 1000, &limits->max_mean_ratio},
                  {"min_distinct_ratio", 0, 1, &limits->min_distinct_ratio},
                  {"max_slowdown", 1, 1000, &limits->max_slowdown}};
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "'%s' and a number from %g to %g", ratios[i].key, ratios[i].low, ratios[i].high);
        if (!take_number(lines, ratios[i].key, DECIMALS, ratios[i].low, ratios[i].high, ratios[i].number))
            return wrong(lines, expected);
    }
    return NULL;
}

static const char* take_trial(Lines* lines, Route* route) {
    if (!take_share(lines, "share", &route->share_ppm)) return wrong(lines, "'share' and a percentage with at most 4 decimals");
    if (!take_share(lines, "shadow", &route->shadow_ppm))
        return wrong(lines, "'shadow' and a percentage with at most 4 decimals");
    if (!take_salt(lines, route->salt)) return wrong(lines, "'salt' and 8 to 64 hexadecimal digits");
    if (!take_until(lines, &route->valid_until_ms)) return wrong(lines, "'valid_until' and milliseconds since 1970");
    if (route->mode == MODE_SHADOW && route->share_ppm) return "in mode shadow the challenger answers nobody: share has to be 0";
    return take_limits(lines, &route->limits);
}

static const char* take_digest(const Lines* lines, Route* route) {
    unsigned char digest[SHA256_BYTES];
    unsigned int size = 0;
    const char *end = lines->until ? lines->until : lines->end, *again = lines->until ? lines->until_end : lines->end;
    EVP_MD_CTX* hash = EVP_MD_CTX_new();
    bool made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(hash, lines->text, (size_t)(end - lines->text)) &&
                EVP_DigestUpdate(hash, again, (size_t)(lines->end - again)) && EVP_DigestFinal_ex(hash, digest, &size);
    EVP_MD_CTX_free(hash);
    if (!made) return "out of memory";
    for (int i = 0; i < 8; i++) route->digest = route->digest << 8 | digest[i];
    return route->digest == NO_ROUTE ? "its digest is 0; choose another salt" : NULL;
}

const char* read_route(const char* text, size_t bytes, Route* route) {
    Lines lines = {.text = text, .at = text, .end = text + bytes};
    int64_t format;
    memset(route, 0, sizeof *route);
    if (bytes > MOST_ROUTE_BYTES) return "a route has at most 4096 bytes";
    if (!take_whole_number(&lines, "format", 1, 1, &format)) return wrong(&lines, "'format 1'");
    if (!take_whole_number(&lines, "champion", 1, INT64_MAX, &route->champion)) return wrong(&lines, "'champion' and a release");
    bool has_challenger = take_whole_number(&lines, "challenger", 1, INT64_MAX, &route->challenger);
    if (!take_mode(&lines, &route->mode)) return wrong(&lines, "'mode off|shadow|canary|ab'");
    if (has_challenger != (route->mode != MODE_OFF)) return "a route has a challenger if its mode is not off, and none if it is";
    if (route->champion == route->challenger) return "champion and challenger are the same release";
    const char* failed = has_challenger ? take_trial(&lines, route) : NULL;
    if (failed) return failed;
    if (lines.end - lines.at != 4 || memcmp(lines.at, "end\n", 4)) return wrong(&lines, "'end', and nothing behind it");
    return take_digest(&lines, route);
}

const char* mode_name(Mode mode) { return MODES[mode]; }
