#include "guard.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The last so many are looked at, from so many on: of requests, of rows that both arms computed, of batches whose time is known.
enum { LAST = 200, FROM = 20, LAST_ROWS = 1024, FROM_ROWS = 100, LAST_TIMES = 64, FROM_TIMES = 30 };
enum { FEWEST = 3, IN_A_ROW = 5, P99_FROM = 100, DISTINCT_FROM = 16, EVERY_ROWS = 32, EVERY_TIMES = 8 };

struct Guard {
    Limits limits;
    pthread_mutex_t lock;
    unsigned char outcome[LAST];
    bool is_slow[LAST];
    uint64_t outcomes, number[OUTCOMES], slow, late_in_a_row;
    float row[2][LAST_ROWS];  // challenger's, champion's
    uint64_t rows, judged_rows;
    double slowdown[LAST_TIMES];
    uint64_t times;
};

Guard* open_guard(const Limits* limits) {
    Guard* guard = calloc(1, sizeof *guard);
    if (!guard) return NULL;
    guard->limits = *limits;
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void close_guard(Guard* guard) {
    if (!guard) return;
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

static uint64_t at_most(uint64_t number, uint64_t most) { return number < most ? number : most; }

#define FOUND(name, ...) (finding->reason = (name), snprintf(finding->evidence, sizeof finding->evidence, __VA_ARGS__), true)

static bool is_beyond(uint64_t number, uint64_t of, double share) {
    return of >= FROM && number >= FEWEST && (double)number > share * (double)of;
}

static bool look_at_outcomes(const Guard* g, Finding* finding) {
    uint64_t of = at_most(g->outcomes, LAST);
    unsigned long long wrong = g->number[WRONG], late = g->number[LATE], slow = g->slow, all = of;
    if (g->late_in_a_row >= IN_A_ROW) return FOUND("hang", "\"late_in_a_row\": %llu", (unsigned long long)g->late_in_a_row);
    if (is_beyond(wrong, of, g->limits.max_error_share))
        return FOUND("errors", "\"errors\": %llu, \"requests\": %llu, \"limit\": %g", wrong, all, g->limits.max_error_share);
    if (is_beyond(late, of, g->limits.max_timeout_share))
        return FOUND("timeouts", "\"timeouts\": %llu, \"requests\": %llu, \"limit\": %g", late, all, g->limits.max_timeout_share);
    if (of >= P99_FROM && slow * 100 > of)
        return FOUND("p99", "\"slower\": %llu, \"requests\": %llu, \"limit_ms\": %lld", slow, all,
                     (long long)g->limits.max_p99_ms);
    return false;
}

bool judge_outcome(Guard* g, Outcome outcome, uint64_t took_ns, Finding* finding) {
    bool is_slow = outcome == LATE || took_ns > (uint64_t)g->limits.max_p99_ms * 1000000;
    pthread_mutex_lock(&g->lock);
    size_t at = g->outcomes % LAST;
    if (g->outcomes >= LAST) g->number[g->outcome[at]]--, g->slow -= g->is_slow[at];
    g->outcome[at] = (unsigned char)outcome, g->is_slow[at] = is_slow;
    g->outcomes++, g->number[outcome]++, g->slow += is_slow;
    g->late_in_a_row = outcome == LATE ? g->late_in_a_row + 1 : 0;
    bool found = look_at_outcomes(g, finding);
    pthread_mutex_unlock(&g->lock);
    return found;
}

static int compare_floats(const void* a, const void* b) {
    float x = *(const float*)a, y = *(const float*)b;
    return (x > y) - (x < y);
}

static int compare_doubles(const void* a, const void* b) {
    double x = *(const double*)a, y = *(const double*)b;
    return (x > y) - (x < y);
}

static unsigned count_distinct(const float* values, size_t count) {
    float sorted[LAST_ROWS];
    unsigned distinct = count > 0;
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare_floats);
    for (size_t i = 1; i < count; i++) distinct += sorted[i] != sorted[i - 1];
    return distinct;
}

static bool look_at_rows(Guard* g, Finding* finding) {
    size_t of = at_most(g->rows, LAST_ROWS);
    uint64_t news = g->rows - g->judged_rows;
    if (of < FROM_ROWS || news < EVERY_ROWS || news < of / 4) return false;  // sorting takes its time
    g->judged_rows = g->rows;
    double means[2] = {0};
    for (int arm = 0; arm < 2; arm++)
        for (size_t i = 0; i < of; i++) means[arm] += g->row[arm][i] / (double)of;
    double limit = g->limits.max_mean_ratio;
    if (means[0] > limit * means[1] || means[1] > limit * means[0])
        return FOUND("mean", "\"challenger_mean\": %.6g, \"champion_mean\": %.6g, \"rows\": %zu, \"limit\": %g", means[0],
                     means[1], of, limit);
    unsigned distinct = count_distinct(g->row[0], of), expected = count_distinct(g->row[1], of);
    if (expected >= DISTINCT_FROM && distinct < g->limits.min_distinct_ratio * expected)
        return FOUND("distinct", "\"challenger_distinct\": %u, \"champion_distinct\": %u, \"rows\": %zu, \"limit\": %g", distinct,
                     expected, of, g->limits.min_distinct_ratio);
    return false;
}

static bool look_at_times(const Guard* g, Finding* finding) {
    double sorted[LAST_TIMES];
    size_t of = at_most(g->times, LAST_TIMES);
    if (of < FROM_TIMES || g->times % EVERY_TIMES) return false;
    memcpy(sorted, g->slowdown, of * sizeof *sorted);
    qsort(sorted, of, sizeof *sorted, compare_doubles);
    double median = sorted[of / 2];
    if (median <= g->limits.max_slowdown) return false;
    return FOUND("slowdown", "\"median\": %.3g, \"batches\": %zu, \"limit\": %g", median, of, g->limits.max_slowdown);
}

static bool is_probability(float value) { return value >= 0 && value <= 1; }

// Rows of which the champion itself says nonsense say nothing of the challenger.
bool judge_pairs(Guard* g, const float* challenger, const float* champion, size_t rows, uint64_t challenger_ns,
                 uint64_t champion_ns, Finding* finding) {
    for (size_t i = 0; i < rows; i++)
        if (!is_probability(challenger[i])) return FOUND("non_finite", "\"answer\": \"%g\"", (double)challenger[i]);
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < rows; i++)
        if (is_probability(champion[i]))
            g->row[0][g->rows % LAST_ROWS] = challenger[i], g->row[1][g->rows++ % LAST_ROWS] = champion[i];
    bool found = look_at_rows(g, finding);
    if (challenger_ns && champion_ns) {
        g->slowdown[g->times++ % LAST_TIMES] = (double)challenger_ns / (double)champion_ns;
        found = found || look_at_times(g, finding);
    }
    pthread_mutex_unlock(&g->lock);
    return found;
}
