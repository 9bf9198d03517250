// The fake Triton's metrics: series that add up or are set, one of a name and labels whoever makes it, and a text for whoever
// reads them all.

#include "fake_triton.h"

#include <pthread.h>

enum { MOST_SERIES = 512 };

struct TRITONSERVER_Parameter {
    char name[32], value[300];
};

struct TRITONSERVER_MetricFamily {
    char name[64];
};

struct TRITONSERVER_Metric {
    char family[64], labels[512];
    double value;
};

const char* metrics_text = "";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Metric series[MOST_SERIES];
static MetricFamily families[MOST_SERIES];
static int series_count, families_count;

#define MAY_FAIL                                                                             \
    do {                                                                                     \
        if (fails()) return TRITONSERVER_ErrorNew(INTERNAL, "metrics: it was made to fail"); \
    } while (0)

Label* TRITONSERVER_ParameterNew(const char* name, int type, const void* value) {
    Label* label = a_block(sizeof *label);
    CHECK(type == PARAMETER_STRING);
    snprintf(label->name, sizeof label->name, "%s", name);
    snprintf(label->value, sizeof label->value, "%s", (const char*)value);
    return label;
}

void TRITONSERVER_ParameterDelete(Label* label) { free(label); }

Error* TRITONSERVER_MetricFamilyNew(MetricFamily** family, int kind, const char* name, const char* description) {
    MAY_FAIL;
    pthread_mutex_lock(&lock);
    CHECK(kind == KIND_COUNTER || kind == KIND_GAUGE);
    int i = 0;
    while (i < families_count && strcmp(families[i].name, name)) i++;
    CHECK(i < MOST_SERIES);
    if (i == families_count) snprintf(families[families_count++].name, sizeof families->name, "%s", name);
    *family = &families[i];
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONSERVER_MetricNew(Metric** metric, MetricFamily* family, const Label** labels, uint64_t count) {
    MAY_FAIL;
    char told[sizeof series->labels] = "";
    size_t used = 0;
    for (uint64_t i = 0; i < count; i++)
        used += (size_t)snprintf(told + used, sizeof told - used, "%s%s=%s", i ? "," : "", labels[i]->name, labels[i]->value);
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < series_count && (strcmp(series[i].family, family->name) || strcmp(series[i].labels, told))) i++;
    CHECK(i < MOST_SERIES);
    *metric = &series[i];
    if (i == series_count) {
        snprintf(series[i].family, sizeof series->family, "%s", family->name);
        snprintf(series[i].labels, sizeof series->labels, "%s", told);
        series_count++;
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONSERVER_MetricIncrement(Metric* metric, double value) {
    MAY_FAIL;
    pthread_mutex_lock(&lock);
    metric->value += value;
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONSERVER_MetricSet(Metric* metric, double value) {
    MAY_FAIL;
    pthread_mutex_lock(&lock);
    metric->value = value;
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONSERVER_MetricValue(Metric* metric, double* value) {
    MAY_FAIL;
    pthread_mutex_lock(&lock);
    *value = metric->value;
    pthread_mutex_unlock(&lock);
    return NULL;
}

Error* TRITONSERVER_ServerMetrics(Server* server, Metrics** metrics) {
    *metrics = (Metrics*)&metrics_text;
    return NULL;
}

Error* TRITONSERVER_MetricsFormatted(Metrics* metrics, int format, const char** text, size_t* bytes) {
    *text = metrics_text, *bytes = strlen(metrics_text);
    return NULL;
}

Error* TRITONSERVER_MetricsDelete(Metrics* metrics) { return NULL; }

double counted(const char* family, const char* labels) {
    double sum = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < series_count; i++)
        if (!strcmp(series[i].family, family) && !strcmp(series[i].labels, labels)) sum += series[i].value;
    pthread_mutex_unlock(&lock);
    return sum;
}

void forget_counts(void) {
    pthread_mutex_lock(&lock);
    memset(series, 0, sizeof series);
    series_count = families_count = 0;
    pthread_mutex_unlock(&lock);
}
