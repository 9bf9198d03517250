#include "counters.h"

#include "metric.h"
#include "waiting.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN, MISSING, SPECIAL };  // ids of cat_idx that the encoder gives to no value
static const double EDGES[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0};
#define BUCKETS (sizeof EDGES / sizeof *EDGES)

// A counter of a family. Families of one name are one to Prometheus, whoever makes them. It is made when it first counts.
typedef struct {
    const char *family, *help, *label, *value;  // the last two: a label of its own, or NULL
    Metric* metric;
    double pending;
    bool from_zero;  // it is there before it counts: what a figure begins with is no rise to Prometheus
} Series;

struct Counters {
    const Settings* settings;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool closing;
    char model[NAME_SIZE], version[24], edge[BUCKETS + 1][16];
    Series answered, overloaded, failed, unwritten, rows, known, strange, sum, count, bucket[BUCKETS + 1];
    Series kept_requests, kept_rows, kept_bytes, lost_requests, lost_rows;
    Series (*special)[SPECIAL];  // [fields]
};

static void name_series(Counters* c) {
    const char* requests = "Requests by outcome: answered, refused, overloaded, failed, unwritten (on_error: refuse)";
    const char* kept = "Answers that were written to the journal: requests, rows";
    const char* lost = "Answers that are not in the journal, because it could not be written: requests, rows";
    const char* creatives = "Rows by what was known of their creative: known, image (sent along), unknown";
    c->answered = (Series){"adclick_requests_total", requests, "outcome", "answered", NULL, 0, true};
    c->overloaded = (Series){"adclick_requests_total", requests, "outcome", "overloaded", NULL, 0, true};
    c->failed = (Series){"adclick_requests_total", requests, "outcome", "failed", NULL, 0, true};
    c->unwritten = (Series){"adclick_requests_total", requests, "outcome", "unwritten", NULL, 0, true};
    c->kept_requests = (Series){"adclick_journal_total", kept, "what", "requests", NULL, 0, false};
    c->kept_rows = (Series){"adclick_journal_total", kept, "what", "rows", NULL, 0, false};
    c->kept_bytes = (Series){"adclick_journal_bytes_total", "Bytes of the journal's frames", NULL, NULL, NULL, 0, false};
    c->lost_requests = (Series){"adclick_journal_lost_total", lost, "what", "requests", NULL, 0, false};
    c->lost_rows = (Series){"adclick_journal_lost_total", lost, "what", "rows", NULL, 0, false};
    c->rows = (Series){"adclick_rows_total", "Rows that were answered", NULL, NULL, NULL, 0, false};
    c->known = (Series){"adclick_creatives_total", creatives, "kind", "known", NULL, 0, false};
    c->strange = (Series){"adclick_creatives_total", creatives, "kind", "unknown", NULL, 0, false};
    c->sum = (Series){"adclick_predicted_probability_sum", "Sum of the answered probabilities", NULL, NULL, NULL, 0, false};
    c->count =
        (Series){"adclick_predicted_probability_count", "Number of the answered probabilities", NULL, NULL, NULL, 0, false};
    for (size_t i = 0; i <= BUCKETS; i++) {
        snprintf(c->edge[i], sizeof c->edge[i], i < BUCKETS ? "%g" : "+Inf", i < BUCKETS ? EDGES[i] : 0.0);
        c->bucket[i] = (Series){"adclick_predicted_probability_bucket",
                                "Answered rows with a probability of at most le",
                                "le",
                                c->edge[i],
                                NULL,
                                0,
                                false};
    }
    for (uint32_t f = 0; f < c->settings->fields; f++) {
        const char* column = c->settings->field[f];
        c->special[f][UNKNOWN] = (Series){"adclick_unknown_values_total",
                                          "Values that training has not seen often enough, by column",
                                          "column",
                                          column,
                                          NULL,
                                          0,
                                          false};
        c->special[f][MISSING] =
            (Series){"adclick_missing_values_total", "Missing values, by column", "column", column, NULL, 0, false};
    }
}

static void hand_on(const Counters* c, Series* series) {
    if (series->pending <= 0 && !(series->from_zero && !series->metric)) return;
    const Pair labels[] = {{"model", c->model}, {"version", c->version}, {series->label, series->value}};
    size_t count = series->label ? 3 : 2;
    Error* error =
        series->metric ? NULL : make_metric(KIND_COUNTER, series->family, series->help, labels, count, &series->metric);
    if (!error) error = TRITONSERVER_MetricIncrement(series->metric, series->pending);
    series->pending = 0;
    if (!error) return;
    TRITONSERVER_ErrorDelete(TRITONSERVER_LogMessage(LOG_ERROR, __FILE__, __LINE__, TRITONSERVER_ErrorMessage(error)));
    TRITONSERVER_ErrorDelete(error);
}

static void hand_on_all(Counters* c) {
    Series* single[] = {&c->answered,   &c->overloaded,    &c->failed,    &c->unwritten,     &c->rows,
                        &c->known,      &c->strange,       &c->sum,       &c->kept_requests, &c->kept_rows,
                        &c->kept_bytes, &c->lost_requests, &c->lost_rows, &c->count};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++) hand_on(c, single[i]);
    for (size_t i = 0; i <= BUCKETS; i++) hand_on(c, &c->bucket[i]);
    for (uint32_t f = 0; f < c->settings->fields; f++)
        for (int kind = 0; kind < SPECIAL; kind++) hand_on(c, &c->special[f][kind]);
}

static void* keep_handing_on(void* user) {
    Counters* c = user;
    pthread_mutex_lock(&c->lock);
    while (!c->closing) {
        rest_on(&c->wake, &c->lock, (uint64_t)(c->settings->interval_s * 1e9));
        hand_on_all(c);
    }
    hand_on_all(c);  // it may have been closed before this thread looked
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

const char* open_counters(const Settings* settings, const char* model, uint64_t version, Counters** counters) {
    Counters* c = *counters = calloc(1, sizeof *c);
    if (!c) return "out of memory";
    c->closing = true;  // until there is a thread
    c->special = calloc(settings->fields + 1, sizeof *c->special);
    if (!c->special) return "out of memory";
    c->settings = settings;
    snprintf(c->model, sizeof c->model, "%s", model);
    snprintf(c->version, sizeof c->version, "%llu", (unsigned long long)version);
    make_condition(&c->wake);
    pthread_mutex_init(&c->lock, NULL);
    name_series(c);
    c->closing = false;
    if (!pthread_create(&c->thread, NULL, keep_handing_on, c)) return NULL;
    c->closing = true;
    return "no thread for the counters";
}

void close_counters(Counters* c) {
    if (!c) return;
    if (!c->closing) {
        pthread_mutex_lock(&c->lock);
        c->closing = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        hand_on_all(c);  // the thread may not have begun yet
    }
    free(c->special);
    free(c);
}

void count_answered(Counters* c, const Answer* answer, size_t start, size_t end) {
    uint32_t fields = c->settings->fields;
    double sum = 0;
    uint64_t bucket[BUCKETS + 1] = {0}, strange = 0;
    for (size_t row = start; row < end; row++) {
        double p = answer->p_click[row];
        size_t place = 0;
        while (place < BUCKETS && p > EDGES[place]) place++;
        bucket[place]++;
        sum += p;
        if (answer->creative_idx) strange += answer->creative_idx[row] == UNKNOWN;
    }
    pthread_mutex_lock(&c->lock);
    for (size_t row = start; row < end; row++)
        for (uint32_t f = 0; f < fields; f++) {
            int64_t id = answer->cat_idx[row * fields + f];
            if (id >= 0 && id < SPECIAL) c->special[f][id].pending++;
        }
    uint64_t upto = 0;
    for (size_t i = 0; i <= BUCKETS; i++) c->bucket[i].pending += (double)(upto += bucket[i]);
    c->sum.pending += sum;
    c->count.pending += (double)(end - start);
    c->rows.pending += (double)(end - start);
    c->strange.pending += (double)strange;
    if (answer->creative_idx) c->known.pending += (double)(end - start - strange);
    c->answered.pending++;
    pthread_mutex_unlock(&c->lock);
}

static void count(Counters* c, Series* series, uint64_t number) {
    pthread_mutex_lock(&c->lock);
    series->pending += (double)number;
    pthread_mutex_unlock(&c->lock);
}

void count_overloaded(Counters* c, uint64_t requests) { count(c, &c->overloaded, requests); }

void count_failed(Counters* c, uint64_t requests) { count(c, &c->failed, requests); }

void count_refused_for_journal(Counters* c, uint64_t requests) { count(c, &c->unwritten, requests); }

void count_journalled(Counters* c, uint64_t requests, uint64_t rows, uint64_t bytes) {
    pthread_mutex_lock(&c->lock);
    c->kept_requests.pending += (double)requests, c->kept_rows.pending += (double)rows, c->kept_bytes.pending += (double)bytes;
    pthread_mutex_unlock(&c->lock);
}

void begin_loss_at_zero(Counters* c) {
    pthread_mutex_lock(&c->lock);
    c->lost_requests.from_zero = c->lost_rows.from_zero = true;
    pthread_mutex_unlock(&c->lock);
}

void count_lost(Counters* c, uint64_t requests, uint64_t rows) {
    count(c, &c->lost_requests, requests);
    count(c, &c->lost_rows, rows);
}
