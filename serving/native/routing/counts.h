// What the door tells Prometheus of its routing. Counted by any thread, handed on by the door's own.

#pragma once

#include "../triton.h"
#include "route.h"
#include "routed.h"
#include "task.h"

typedef enum { SHADOWED, NOT_SHADOWED, DROPPED_BY_KEY, DROPPED_FULL, SHADOW_ENDS } ShadowEnd;  // the second: it failed

typedef struct RoutedCounts RoutedCounts;

// NULL if there is no memory. `version` is the release that Triton loaded. Triton's own objects are never deleted: see
// counters.h.
RoutedCounts* open_routed_counts(const char* model, uint64_t version);
void close_routed_counts(RoutedCounts* counts);

void count_routed(RoutedCounts* counts, const Routed* routed);
void count_fallback(RoutedCounts* counts, FallReason reason);
void count_shadow(RoutedCounts* counts, ShadowEnd end, uint64_t requests);
void count_trip(RoutedCounts* counts, const char* reason);
void count_broken_route(RoutedCounts* counts);

void hand_on_routed_counts(RoutedCounts* counts);  // one thread's, as what follows
void show_route(RoutedCounts* counts, const Route* route, bool is_open);
