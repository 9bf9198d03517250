// The guards: what a challenger did last, held against the route's limits. They need no labels, and judge on the machine itself.

#pragma once

#include "route.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct Guard Guard;
typedef enum { IN_TIME, WRONG, LATE, OUTCOMES } Outcome;  // answered; an error, or a refusal; no answer in time

// Which limit was passed, and the figures, as the inside of a JSON object.
typedef struct {
    const char* reason;
    char evidence[256];
} Finding;

Guard* open_guard(const Limits* limits);  // NULL if there is no memory
void close_guard(Guard* guard);

// How one of its requests ended, and after how long. True if a limit is passed. Called from any thread.
bool judge_outcome(Guard* guard, Outcome outcome, uint64_t took_ns, Finding* finding);

// The answers of both arms to the same rows, and how long both computed; 0: that says nothing of the speed.
bool judge_pairs(Guard* guard, const float* challenger, const float* champion, size_t rows, uint64_t challenger_ns,
                 uint64_t champion_ns, Finding* finding);
