// What time it is: the machine's, or the simulated one of contracts/clock.py, by which months pass in minutes.

#pragma once

#include <stdint.h>

#define CLOCK_VARIABLE "ADCLICK_CLOCK"

// Begins as zeros: the machine's. Else it was `start_ns` when the machine's said `from_ns`, and goes `rate` times as fast.
typedef struct {
    int64_t start_ns, from_ns, rate;
} Clock;

// NULL, or what is wrong with the text (a constant): "START_NS FROM_NS RATE". No text is the machine's.
const char* read_clock(const char* text, Clock* clock);

int64_t unix_ns(const Clock* clock);  // nanoseconds since 1970. It may jump, as the machine's does
