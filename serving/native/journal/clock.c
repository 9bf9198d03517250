#include "clock.h"

#include "../words.h"

#include <string.h>
#include <time.h>

#define LATEST_NS 9000000000000000000
enum { FASTEST = 10000000 };

const char* read_clock(const char* text, Clock* clock) {
    static const char NOT_UNDERSTOOD[] = CLOCK_VARIABLE " is not understood: expected 'START_NS FROM_NS RATE'";
    *clock = (Clock){0};
    if (!text) return NULL;
    Words words = {text, text + strlen(text)};
    if (!take_whole(&words, 0, LATEST_NS, &clock->start_ns) || !take_whole(&words, 0, LATEST_NS, &clock->from_ns))
        return NOT_UNDERSTOOD;
    if (!take_whole(&words, 1, FASTEST, &clock->rate) || !took_all(&words)) return NOT_UNDERSTOOD;
    return NULL;
}

int64_t unix_ns(const Clock* clock) {
    struct timespec now;
    int64_t passed, simulated;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (!clock->rate) return ns;
    bool is_late = __builtin_mul_overflow(ns - clock->from_ns, clock->rate, &passed) ||
                   __builtin_add_overflow(clock->start_ns, passed, &simulated) || simulated > LATEST_NS;
    return is_late ? LATEST_NS : simulated;
}
