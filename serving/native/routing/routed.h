// What the route said of a request, as the journal keeps it.

#pragma once

#include <stdint.h>

#define NO_BUCKET UINT32_MAX
enum { NO_EXPERIMENT, CHAMPION_ARM, CHALLENGER_ARM };                      // the arm that a request was assigned to
enum { ANSWERED, HANDED_ON, SHADOW, FALLBACK };                            // status of a request in a record
enum { KEY_BY_PARAMETER = 1, RELEASE_ASKED_FOR = 2, CHALLENGER_OFF = 4 };  // flags

// Begins as NOT_ROUTED.
typedef struct {
    unsigned char arm, status, flags;
    uint32_t bucket, shadow_bucket;  // of its routing key; NO_BUCKET without one
} Routed;

#define NOT_ROUTED ((Routed){NO_EXPERIMENT, ANSWERED, 0, NO_BUCKET, NO_BUCKET})
