// A figure of Triton's metrics.

#pragma once

#include "triton.h"

#include <stddef.h>

typedef const char* Pair[2];  // name and value of a label

// The figure with these labels. What has the same name and labels is one figure, whoever makes it; that of Triton's own metrics
// too (Triton's tests say so: TestDupeMetricLabels and TestCoreMetricAccess of metrics_api_test.cc). So it is never deleted: it
// would go from the metrics, for its other owners as well.
Error* make_metric(int kind, const char* family, const char* help, const Pair* labels, size_t count, Metric** metric);
