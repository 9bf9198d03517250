#include "metric.h"

#define MOST_LABELS 6

Error* make_metric(int kind, const char* family, const char* help, const Pair* labels, size_t count, Metric** metric) {
    const Label* made[MOST_LABELS];
    MetricFamily* found = NULL;
    if (count > MOST_LABELS) return TRITONSERVER_ErrorNew(INTERNAL, "too many labels");
    for (size_t i = 0; i < count; i++) made[i] = TRITONSERVER_ParameterNew(labels[i][0], PARAMETER_STRING, labels[i][1]);
    Error* error = TRITONSERVER_MetricFamilyNew(&found, kind, family, help);
    if (!error) error = TRITONSERVER_MetricNew(metric, found, made, count);
    for (size_t i = 0; i < count; i++) TRITONSERVER_ParameterDelete((Label*)made[i]);
    return error;
}
