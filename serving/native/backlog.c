#include "backlog.h"

#include "metric.h"
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PENDING "nv_inference_pending_request_count"
#define MOST_NS 1000000000  // an instance refuses no longer than this at a stretch
#define NOT_COUNTED                                                                                                        \
    "Triton counts waiting requests under other labels than model and version, so what waits could not be bounded; start " \
    "Triton as `make serve` does"

struct Backlog {
    Metric* waiting;
    double max_waiting;
};

// Does a line of Triton's metrics begin so. True also if there are none: Triton counts all the same.
static bool is_told(Server* server, const char* start) {
    Metrics* metrics = NULL;
    const char* text = NULL;
    size_t bytes = 0;
    Error* error = TRITONSERVER_ServerMetrics(server, &metrics);
    if (!error) error = TRITONSERVER_MetricsFormatted(metrics, FORMAT_PROMETHEUS, &text, &bytes);
    char* copy = error ? NULL : strndup(text, bytes);  // the text need not end with a NUL
    bool told = !copy;
    for (const char* at = copy; !told && (at = strstr(at, start)); at++) told = at == copy || at[-1] == '\n';
    free(copy);
    if (metrics) drop(TRITONSERVER_MetricsDelete(metrics));
    drop(error);
    return told;
}

const char* open_backlog(const Settings* settings, Server* server, const char* model, uint64_t version, Backlog** backlog) {
    char start[NAME_SIZE + 96], number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)version);
    snprintf(start, sizeof start, PENDING "{model=\"%s\",version=\"%s\"} ", model, number);
    if (!is_told(server, start)) return NOT_COUNTED;
    const Pair labels[] = {{"model", model}, {"version", number}};
    Metric* waiting;
    Error* error = make_metric(KIND_GAUGE, PENDING, PENDING, labels, 2, &waiting);
    if (error) return drop(error), NOT_COUNTED;
    *backlog = malloc(sizeof **backlog);
    if (!*backlog) return "out of memory";
    **backlog = (Backlog){waiting, settings->max_waiting};
    return NULL;
}

void close_backlog(Backlog* backlog) { free(backlog); }

static double waiting_requests(const Backlog* backlog) {
    double found = 0;
    drop(TRITONSERVER_MetricValue(backlog->waiting, &found));
    return found;
}

bool too_long(const Backlog* backlog, Turn* turn, uint64_t now_ns) {
    int64_t passed_ns = (int64_t)(now_ns - turn->since_ns), left_ns = MOST_NS;
    if (passed_ns < MOST_NS) left_ns = turn->left_ns + (turn->refused ? -passed_ns : passed_ns);
    turn->left_ns = left_ns < 0 ? 0 : left_ns > MOST_NS ? MOST_NS : left_ns;
    turn->since_ns = now_ns;
    return turn->refused = turn->left_ns > 0 && waiting_requests(backlog) > backlog->max_waiting;
}
