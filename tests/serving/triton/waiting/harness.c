// Drives serving/native's answer.c, backlog.c, counters.c, reply.c and routing/seat.c without Triton: stands in for what they call, in virtual
// time, and notes what becomes of each request. One thread.

#include "answer.h"
#include "journal/refusals.h"
#include "routing/buckets.h"
#include "routing/door_parts.h"
#include "routing/shadow.h"
#include "routing/trial.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct TRITONBACKEND_Request {
    uint32_t rows;
    uint32_t answered, refused, released;
};
struct TRITONSERVER_Metric {
    double value;
    char label[16];  // the value of the last one
};
struct TRITONSERVER_Parameter {
    char value[16];
};

static double now_s, row_s, batch_s, refusal_s;
static Metric metrics[64], *waiting;
static size_t metric_count;
static const char* page;
static Arm arm;
static Table table;
static Door door;
static Worker worker;
static Seat* seats;
static uint32_t instance_count;
static Request* requests;
static int failure;  // stands for any error
static char sentence[256];

// End; what is left is handed on to the metrics.
void finish(void) {
    close_counters(arm.counters), close_backlog(door.backlog);
    free(worker.joined), free(seats), free(requests);
    worker.joined = NULL, worker.joined_room = 0, seats = NULL, requests = NULL;
}

// Begin anew; the metrics' page is `text`. NULL, or why the model would not load.
const char* begin(uint32_t max_waiting, uint32_t instances, uint32_t number, const uint32_t* rows, const double* costs,
                  const char* text) {
    if (seats) finish();
    now_s = 0, row_s = costs[0], batch_s = costs[1], refusal_s = costs[2], page = text;
    memset(metrics, 0, sizeof metrics), metric_count = 0, waiting = NULL;
    memset(&arm, 0, sizeof arm), memset(&door, 0, sizeof door), memset(&table, 0, sizeof table);
    arm.settings.max_waiting = max_waiting, arm.settings.interval_s = 3600, arm.version = 7;
    table.champion = &arm, table.door = &door, door.own = &arm, door.table = &table;
    instance_count = instances;
    seats = calloc(instances, sizeof *seats);
    requests = calloc(number, sizeof *requests);
    for (uint32_t i = 0; i < instances; i++) seats[i].door = &door;
    for (uint32_t i = 0; i < number; i++) requests[i].rows = rows[i];
    const char* failed = open_counters(&arm.settings, "ctr", 7, &arm.counters);
    return failed ? failed : open_backlog(&arm.settings, NULL, "ctr", 7, &door.backlog);
}

// Take a batch: `count` requests from number `first` on, while so many wait behind them. When it is done.
double run(uint32_t instance, uint32_t first, uint32_t count, double start_s, double behind) {
    Request** batch = malloc(count * sizeof *batch);
    for (uint32_t i = 0; i < count; i++) batch[i] = requests + first + i;
    now_s = start_s, waiting->value = behind;
    answer_requests(seats + instance, NULL, batch, count);
    free(batch);
    return now_s;
}

bool was_answered(uint32_t number) { return requests[number].answered; }

void outcomes(uint32_t number, uint32_t* answered, uint32_t* refused, uint32_t* released) {
    for (uint32_t i = 0; i < number; i++)
        answered[i] = requests[i].answered, refused[i] = requests[i].refused, released[i] = requests[i].released;
}

const char* last_sentence(void) { return sentence; }

// After the end: requests that the counters counted as `outcome`.
double counted(const char* outcome) {
    for (size_t i = 0; i < metric_count; i++)
        if (!strcmp(metrics[i].label, outcome)) return metrics[i].value;
    return 0;
}

// The clock of reply.c.
int virtual_clock(clockid_t clock, struct timespec* now) {
    now->tv_sec = (time_t)now_s, now->tv_nsec = (long)((now_s - (double)(time_t)now_s) * 1e9);
    return 0;
}

// The parts of the backend that are not driven: nothing is routed, every request is plain, and the graph takes its time.
Table* hold_table_in_force(Door* door) { return door->table; }
void drop_table(Table* table) {}
bool takes_part(const Table* table) { return false; }
Form form_of(const Arm* arm) { return (Form){.settings = &arm->settings}; }
Worker* take_worker(Arm* arm) { return &worker; }
void give_back_worker(Arm* arm, Worker* worker) {}
void count_routed(RoutedCounts* counts, const Routed* routed) { abort(); }
bool offer(Trial* trial, Request* request, Instance* instance, const Routed* routed, uint64_t start_ns) { abort(); }
bool read_parameters(Request* request, const char* declaration, Sent* sent) { abort(); }
bool find_buckets(const char* salt, const char* key, size_t bytes, KeyBuckets* buckets) { abort(); }
Error* read_properties(Request* request, uint32_t i, Properties* found) { abort(); }
bool is_utf8(const unsigned char* text, size_t bytes) { abort(); }
bool begin_reading(Task* task) { abort(); }
void end_reading(Task* task) { abort(); }
bool claim(Task* task) { abort(); }
void drop_task(Task* task) { abort(); }
void done_with_request(Task* task) { abort(); }
void note_answered(Task* task) { abort(); }
void fall_back(Task* task, FallReason reason) { abort(); }
void note_no_probability(Task* task) { abort(); }
bool wants_handed(Shadow* shadow, const Routed* routed) { abort(); }
void show_batch(Shadow* shadow, Batch* batch) { abort(); }
void ask_careful(Careful* careful, const Handed* handed) { abort(); }
void drop_last_rows(Rows* rows, const Settings* settings, size_t count) { abort(); }
void empty_rows(Rows* rows) { rows->rows = 0; }
const char* whole_text(Rows* rows) { return ""; }
size_t append_request(Rows* rows, const Form* form, Request* request) { return rows->rows += request->rows, request->rows; }
// No journal is kept.
bool write_answers(Writer* writer, const Settings* settings, Release release, const Rows* rows, const Answer* answer,
                   Joined* requests, uint32_t count) {
    abort();
}
void spell_id(const unsigned char id[ID_BYTES], char text[ID_TEXT + 1]) { abort(); }
Unanswered describe_unanswered(Request* request, const char* rule) { return (Unanswered){.rule = rule, .id = ""}; }
void begin_refusals(Writer* writer) { abort(); }
void add_refusal(Writer* writer, uint32_t release, const Unanswered* request) { abort(); }
void write_refusals(Writer* writer, uint64_t count) { abort(); }
void release_answer(const Graph* graph, Answer* answer) { free((void*)answer->p_click); }
const char* run_graph(const Graph* graph, const char* text, float* numbers, size_t rows, Answer* answer) {
    *answer = (Answer){.p_click = calloc(rows, sizeof(float))};
    now_s += batch_s + (double)rows * row_s;
    return NULL;
}

// Triton: answers,
struct TRITONBACKEND_Response {
    Request* request;
};
Error* TRITONSERVER_ErrorNew(int code, const char* text) {
    strncpy(sentence, text, sizeof sentence - 1);
    return (Error*)&failure;
}
void TRITONSERVER_ErrorDelete(Error* error) {}
const char* TRITONSERVER_ErrorMessage(Error* error) { return sentence; }
Error* TRITONSERVER_LogMessage(int level, const char* file, int line, const char* text) { return NULL; }
Error* TRITONBACKEND_ResponseNew(Response** response, Request* request) {
    *response = malloc(sizeof **response);
    (*response)->request = request;
    return NULL;
}
Error* TRITONBACKEND_ResponseSend(Response* response, uint32_t flags, Error* error) {
    if (error) now_s += refusal_s;
    (*(error ? &response->request->refused : &response->request->answered))++;
    free(response);
    return NULL;
}
Error* TRITONBACKEND_RequestParameterCount(Request* request, uint32_t* count) { abort(); }
Error* TRITONBACKEND_RequestParameter(Request* request, uint32_t index, const char** key, int* type, const void** value) { abort(); }
Error* TRITONBACKEND_RequestInputCount(Request* request, uint32_t* count) { abort(); }
Error* TRITONBACKEND_InputBuffer(Input* input, uint32_t i, const void** data, uint64_t* bytes, int* memory, int64_t* device) {
    abort();
}
int TRITONSERVER_ErrorCode(Error* error) { abort(); }
Error* TRITONBACKEND_RequestOutputCount(Request* request, uint32_t* count) { return *count = 0, NULL; }
Error* TRITONBACKEND_RequestOutputName(Request* request, uint32_t index, const char** name) { abort(); }
Error* TRITONBACKEND_ResponseOutput(Response* response, Output** output, const char* name, int type, const int64_t* shape,
                                    uint32_t dims) {
    abort();
}
Error* TRITONBACKEND_OutputBuffer(Output* output, void** data, uint64_t bytes, int* memory, int64_t* device) { abort(); }
Error* TRITONBACKEND_RequestRelease(Request* request, uint32_t flags) { return request->released++, NULL; }
Error* TRITONBACKEND_ModelInstanceReportStatistics(Instance* instance, Request* request, bool success, uint64_t start_ns,
                                                   uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns) {
    return NULL;
}
Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(Instance* instance, uint64_t rows, uint64_t start_ns,
                                                        uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns) {
    return NULL;
}

// and metrics. The gauge of waiting requests is the one of model ctr, version 7.
Label* TRITONSERVER_ParameterNew(const char* name, int type, const void* value) {
    Label* label = calloc(1, sizeof *label);
    if (value) strncpy(label->value, value, sizeof label->value - 1);
    return label;
}
void TRITONSERVER_ParameterDelete(Label* label) { free(label); }
Error* TRITONSERVER_MetricFamilyNew(MetricFamily** family, int kind, const char* name, const char* description) {
    return *family = (MetricFamily*)(strcmp(name, "nv_inference_pending_request_count") ? NULL : name), NULL;
}
Error* TRITONSERVER_MetricNew(Metric** metric, MetricFamily* family, const Label** labels, uint64_t count) {
    if (metric_count == sizeof metrics / sizeof *metrics) abort();
    *metric = metrics + metric_count++;
    strcpy((*metric)->label, labels[count - 1]->value);
    if (family && !strcmp(labels[0]->value, "ctr") && !strcmp((*metric)->label, "7")) waiting = *metric;
    return NULL;
}
Error* TRITONSERVER_MetricIncrement(Metric* metric, double value) { return metric->value += value, NULL; }
Error* TRITONSERVER_MetricValue(Metric* metric, double* value) { return *value = metric->value, NULL; }
Error* TRITONSERVER_ServerMetrics(Server* server, Metrics** found) {
    return *found = NULL, page ? NULL : TRITONSERVER_ErrorNew(UNSUPPORTED, "metrics not supported");
}
Error* TRITONSERVER_MetricsFormatted(Metrics* found, int format, const char** text, size_t* bytes) {
    return *text = page, *bytes = strlen(page), NULL;
}
Error* TRITONSERVER_MetricsDelete(Metrics* found) { return NULL; }
