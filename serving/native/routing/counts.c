#include "counts.h"

#include "../metric.h"
#include "../reply.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256, NUMBER = 24 };
static const char* const REASONS[] = {"non_finite", "errors", "timeouts", "p99", "mean", "distinct", "slowdown", "hang"};
enum { REASONS_COUNT = sizeof REASONS / sizeof *REASONS };
static const struct {
    const char *family, *help, *label, *value;
} SERIES[] = {
    {"adclick_routed_total", "Requests by the arm that the route assigned", "arm", "none"},
    {"adclick_routed_total", "Requests by the arm that the route assigned", "arm", "champion"},
    {"adclick_routed_total", "Requests by the arm that the route assigned", "arm", "challenger"},
    {"adclick_unkeyed_total", "Requests without a routing key while there was a challenger", NULL, NULL},
    {"adclick_route_broken_total", "Route files that could not be read, or opened", NULL, NULL},
    {"adclick_fallback_total", "Requests of the challenger that the champion answered", "reason", "timeout"},
    {"adclick_fallback_total", "Requests of the challenger that the champion answered", "reason", "error"},
    {"adclick_fallback_total", "Requests of the challenger that the champion answered", "reason", "refused"},
    {"adclick_fallback_total", "Requests of the challenger that the champion answered", "reason", "full"},
    {"adclick_shadow_total", "Requests that the other arm computed, or did not", "outcome", "done"},
    {"adclick_shadow_total", "Requests that the other arm computed, or did not", "outcome", "failed"},
    {"adclick_shadow_total", "Requests that the other arm computed, or did not", "outcome", "dropped_by_key"},
    {"adclick_shadow_total", "Requests that the other arm computed, or did not", "outcome", "dropped_full"},
};
enum { ARMS = 0, UNKEYED = 3, BROKEN, FALLBACKS, SHADOWS = FALLBACKS + FALL_REASONS, TRIPS = SHADOWS + SHADOW_ENDS };
enum { COUNTS = TRIPS + REASONS_COUNT };
_Static_assert(sizeof SERIES / sizeof *SERIES == TRIPS, "the guards' trips stand behind these");

struct RoutedCounts {
    char model[NAME], version[NUMBER];
    atomic_ullong pending[COUNTS];
    Metric *metric[COUNTS], *route, *open;
};

static void say(Error* error) {
    if (error) SAY(LOG_ERROR, TRITONSERVER_ErrorMessage(error));
    drop(error);
}

RoutedCounts* open_routed_counts(const char* model, uint64_t version) {
    RoutedCounts* counts = calloc(1, sizeof *counts);
    if (!counts) return NULL;
    snprintf(counts->model, sizeof counts->model, "%s", model);
    snprintf(counts->version, sizeof counts->version, "%" PRIu64, version);
    return counts;
}

void close_routed_counts(RoutedCounts* counts) {
    if (counts) hand_on_routed_counts(counts);
    free(counts);
}

static void count(RoutedCounts* counts, int place, uint64_t number) {
    atomic_fetch_add_explicit(&counts->pending[place], number, memory_order_relaxed);
}

void count_routed(RoutedCounts* counts, const Routed* routed) {
    count(counts, ARMS + routed->arm, 1);
    if (routed->bucket == NO_BUCKET && !(routed->flags & (RELEASE_ASKED_FOR | CHALLENGER_OFF))) count(counts, UNKEYED, 1);
}

void count_fallback(RoutedCounts* counts, FallReason reason) { count(counts, FALLBACKS + (int)reason, 1); }

void count_shadow(RoutedCounts* counts, ShadowEnd end, uint64_t requests) { count(counts, SHADOWS + (int)end, requests); }

void count_broken_route(RoutedCounts* counts) { count(counts, BROKEN, 1); }

void count_trip(RoutedCounts* counts, const char* reason) {
    for (int i = 0; i < REASONS_COUNT; i++)
        if (!strcmp(REASONS[i], reason)) count(counts, TRIPS + i, 1);
}

static void make_series(RoutedCounts* counts, int place) {
    bool is_trip = place >= TRIPS;
    const char* label = is_trip ? "guard" : SERIES[place].label;
    const Pair labels[] = {
        {"model", counts->model}, {"version", counts->version}, {label, is_trip ? REASONS[place - TRIPS] : SERIES[place].value}};
    const char *family = is_trip ? "adclick_guard_trips_total" : SERIES[place].family,
               *help = is_trip ? "Fuses that blew, by the limit that the challenger passed" : SERIES[place].help;
    say(make_metric(KIND_COUNTER, family, help, labels, label ? 3 : 2, &counts->metric[place]));
}

// Each is there from zero on: what a counter begins with is no rise to Prometheus.
void hand_on_routed_counts(RoutedCounts* counts) {
    for (int i = 0; i < COUNTS; i++) {
        if (!counts->metric[i]) make_series(counts, i);
        uint64_t number = atomic_exchange_explicit(&counts->pending[i], 0, memory_order_relaxed);
        if (number && counts->metric[i]) say(TRITONSERVER_MetricIncrement(counts->metric[i], (double)number));
    }
}

void show_route(RoutedCounts* counts, const Route* route, bool is_open) {
    char digest[NUMBER], champion[NUMBER], challenger[NUMBER] = "";
    snprintf(digest, sizeof digest, "%016" PRIx64, route->digest);
    snprintf(champion, sizeof champion, "%" PRId64, route->champion);
    if (route->challenger) snprintf(challenger, sizeof challenger, "%" PRId64, route->challenger);
    const Pair labels[] = {{"model", counts->model}, {"version", counts->version}, {"route", digest},
                           {"champion", champion},   {"challenger", challenger},   {"mode", mode_name(route->mode)}};
    if (counts->route) say(TRITONSERVER_MetricSet(counts->route, 0));
    counts->route = NULL;
    say(make_metric(KIND_GAUGE, "adclick_route_info", "The route in force", labels, 6, &counts->route));
    if (counts->route) say(TRITONSERVER_MetricSet(counts->route, 1));
    if (!counts->open)
        say(make_metric(KIND_GAUGE, "adclick_challenger_open", "Does a challenger take part", labels, 2, &counts->open));
    if (counts->open) say(TRITONSERVER_MetricSet(counts->open, is_open));
}
