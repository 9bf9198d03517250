// The route: which release answers, and what a challenger beside it gets. contracts/serving/route.py writes the file and takes
// the same digest of it.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define ROUTE_VARIABLE "ADCLICK_ROUTE"  // where the file is; without it nothing is routed
enum { MOST_ROUTE_BYTES = 4096, SALT_SIZE = 65, BUCKETS = 1000000, NO_ROUTE = 0 };
typedef enum { MODE_OFF, MODE_SHADOW, MODE_CANARY, MODE_AB } Mode;

// What a challenger may do before its fuse blows. Ratios are of challenger by champion, on the same rows.
typedef struct {
    int64_t timeout_ms;                         // a request waits no longer for it
    int64_t max_p99_ms;                         // from being handed over to its answer
    double max_error_share, max_timeout_share;  // 0 to 1, of its requests
    double max_mean_ratio, min_distinct_ratio, max_slowdown;
} Limits;

typedef struct {
    int64_t champion, challenger;  // releases; 0: there is no challenger, and nothing below but `digest`
    Mode mode;
    uint32_t share_ppm, shadow_ppm;  // of BUCKETS
    char salt[SALT_SIZE];
    int64_t valid_until_ms;  // since 1970
    Limits limits;
    uint64_t digest;  // of the text without the line `valid_until`; never NO_ROUTE
} Route;

// NULL, or what is wrong with the text (kept until the next call of this thread).
const char* read_route(const char* text, size_t bytes, Route* route);

const char* mode_name(Mode mode);
