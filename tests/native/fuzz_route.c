// Any text as a route: it is refused in a sentence, or it is one that is the same text when it is written down again.

#include "fuzz.h"

#include "check.h"
#include "routing/route.h"

static char text[MOST_ROUTE_BYTES + 1];
static size_t used;

#define WRITE(...) (used += (size_t)snprintf(text + used, sizeof text - used, __VA_ARGS__))

// As short as it can be: one spelling each.
static void write_number(const char* key, double number, int decimals) {
    WRITE("%s %.*f", key, decimals, number);
    while (strchr(text + used - (size_t)decimals - 1, '.') && (text[used - 1] == '0' || text[used - 1] == '.')) {
        bool was_point = text[--used] == '.';
        text[used] = 0;
        if (was_point) break;
    }
    WRITE("\n");
}

static void write_down(const Route* route) {
    const Limits* limits = &route->limits;
    used = 0;
    WRITE("format 1\nchampion %lld\n", (long long)route->champion);
    if (route->challenger) WRITE("challenger %lld\n", (long long)route->challenger);
    WRITE("mode %s\n", mode_name(route->mode));
    if (route->challenger) {
        write_number("share", route->share_ppm / 10000.0, 4), write_number("shadow", route->shadow_ppm / 10000.0, 4);
        WRITE("salt %s\nvalid_until %lld\ntimeout_ms %lld\nmax_p99_ms %lld\n", route->salt, (long long)route->valid_until_ms,
              (long long)limits->timeout_ms, (long long)limits->max_p99_ms);
        write_number("max_error_share", limits->max_error_share, 9);
        write_number("max_timeout_share", limits->max_timeout_share, 9);
        write_number("max_mean_ratio", limits->max_mean_ratio, 9);
        write_number("min_distinct_ratio", limits->min_distinct_ratio, 9);
        write_number("max_slowdown", limits->max_slowdown, 9);
    }
    WRITE("end\n");
}

static void check_bounds(const Route* route) {
    const Limits* limits = &route->limits;
    CHECK(route->champion >= 1 && route->champion != route->challenger && route->digest != NO_ROUTE);
    CHECK((route->mode == MODE_OFF) == !route->challenger);
    if (!route->challenger) return;
    CHECK(route->challenger >= 1 && route->share_ppm <= BUCKETS && route->shadow_ppm <= BUCKETS && route->valid_until_ms >= 0);
    CHECK(route->mode != MODE_SHADOW || !route->share_ppm);
    CHECK(strlen(route->salt) >= 8 && strspn(route->salt, "0123456789abcdef") == strlen(route->salt));
    CHECK(limits->timeout_ms >= 1 && limits->max_p99_ms >= 1 && limits->max_mean_ratio >= 1 && limits->max_slowdown >= 1);
    CHECK(limits->max_error_share >= 0 && limits->max_error_share <= 1 && limits->max_timeout_share <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Route route, again;
    const char* wrong = read_route((const char*)data, size, &route);
    if (wrong) {
        CHECK(strlen(wrong) > 10 && strlen(wrong) < 256);
        for (const char* at = wrong; *at; at++) CHECK(*at >= ' ' && *at <= '~');
        return 0;
    }
    check_bounds(&route);
    write_down(&route);
    CHECK(used == size && !memcmp(text, data, size));
    CHECK_NOTHING_SAID(read_route(text, used, &again));
    CHECK(route.digest == again.digest);
    return 0;
}
