#include "routed_model.h"

#include "journalled.h"
#include "version_folder.h"

#include "journal/frame.h"
#include "routing/routed.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define A_SCHEMA                                                                                                         \
    "{\"categorical\": [{\"name\": \"site\", \"dtype\": \"string\"}, {\"name\": \"device\", \"dtype\": \"string\"}, "    \
    "{\"name\": \"hour\", \"dtype\": \"string\"}], \"numeric\": [{\"name\": \"age\", \"dtype\": \"float\"}, {\"name\": " \
    "\"count\", \"dtype\": \"float\"}], \"ids\": [\"site\"]}"
enum { FIRST = 7, LAST = 9, MOST_WAITING = 64 };

Model routed_model;
Instance routed_instance;
FakeSession *seven, *eight, *nine;
char store[256];
atomic_int careful_does;
static char models[300], journal[300];
static const char* const GRAPHS[] = {"graph of 7", "graph of 8", "graph of 9"};

void change_release(int number, const char* native_text, const char* its_schema) {
    char folder[400];
    snprintf(folder, sizeof folder, "%s/%d", models, number);
    mkdir(folder, 0700);
    write_text(folder, "native.txt", native_text);
    write_text(folder, "ctr_packed.onnx", GRAPHS[number - FIRST]);
    write_text(folder, "journal.json", its_schema);
    write_manifest(folder, (const char*[]){"native.txt", "ctr_packed.onnx", "journal.json", NULL});
}

// Those that wait.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static InnerRequest* waiting[MOST_WAITING];
static int waiting_count;

static void end_inner(InnerRequest* inner, InnerResponse* response) {
    InnerRequest ends = *inner;
    ends.answered(response, 0, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
    ends.answered(NULL, RESPONSE_FINAL, ends.answered_user);
}

static void be_careful(InnerRequest* inner) {
    int does = careful_does;
    bool is_others = inner->version != FIRST;
    if (does == BOTH_REFUSE || (is_others && does == CAREFUL_REFUSES)) {
        end_inner(inner, an_error(INVALID_ARG, "site: not so"));
    } else if (is_others && does == CAREFUL_FAILS) {
        end_inner(inner, an_error(INTERNAL, "Stub process is not healthy."));
    } else if (is_others && does == CAREFUL_WAITS) {
        pthread_mutex_lock(&lock);
        CHECK(waiting_count < MOST_WAITING);
        waiting[waiting_count++] = inner;
        pthread_mutex_unlock(&lock);
    } else {
        end_inner(inner, an_answer(inner, 0.75f, inner->version));
    }
}

void end_waiting(void) {
    InnerRequest* all[MOST_WAITING];
    pthread_mutex_lock(&lock);
    int count = waiting_count;
    memcpy(all, waiting, sizeof all);
    waiting_count = 0;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < count; i++) end_inner(all[i], an_answer(all[i], 0.75f, all[i]->version));
}

void make_store(void) {
    const char* base = getenv("TMPDIR");
    char path[400], told[400];
    reset_ort(), forget_counts(), forget_log();
    fake_ort.rows = 0;
    seven = session_of(GRAPHS[0]), eight = session_of(GRAPHS[1]), nine = session_of(GRAPHS[2]);
    seven->p_click = 0.25f;
    eight->p_click = 0.5f;
    nine->p_click = 0.75f;
    snprintf(store, sizeof store, "%s/store.XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(store));
    snprintf(models, sizeof models, "%s/models", store);
    snprintf(journal, sizeof journal, "%s/journal", store);
    snprintf(path, sizeof path, "%s/segments", journal);
    CHECK(!mkdir(models, 0700) && !mkdir(journal, 0700) && !mkdir(path, 0700));
    for (int number = FIRST; number <= LAST; number++) change_release(number, NATIVE_TEXT, A_SCHEMA);
    snprintf(path, sizeof path, "%s/route", store);
    snprintf(told, sizeof told, "1000000 600 0 answer %s", journal);
    CHECK(!setenv("ADCLICK_ROUTE", path, 1) && !setenv("ADCLICK_JOURNAL", told, 1));
    metrics_text = "nv_inference_pending_request_count{model=\"ctr\",version=\"7\"} 0\n";
    routed_model = (Model){.name = "ctr", .repository = models, .version = FIRST};
    routed_instance = (Instance){.model = &routed_model};
    kept = journal;
    on_infer = be_careful;
    careful_does = CAREFUL_ANSWERS;
    careful_is_ready = true;
}

void load_routed(void) {
    Error* error = TRITONBACKEND_ModelInitialize(&routed_model);
    if (error) fprintf(stderr, "%s\n", TRITONSERVER_ErrorMessage(error));
    CHECK(!error && !TRITONBACKEND_ModelInstanceInitialize(&routed_instance));
}

void unload_routed(void) {
    CHECK(!TRITONBACKEND_ModelInstanceFinalize(&routed_instance) && !TRITONBACKEND_ModelFinalize(&routed_model));
    CHECK_NUMBER(fake_ort.alive, 0);
}

void remove_store(void) {
    unsetenv("ADCLICK_ROUTE"), unsetenv("ADCLICK_JOURNAL"), unsetenv("ADCLICK_CLOCK");
    kept = NULL;
    remove_folder(strcpy(a_block(sizeof store), store));
}

void write_route(const char* text) {
    char made[400], named[400];
    write_text(store, ".route.new", text);
    snprintf(made, sizeof made, "%s/.route.new", store);
    snprintf(named, sizeof named, "%s/route", store);
    CHECK(!rename(made, named));
}

#define OR(value, other) ((value) ? (value) : (other))

Route put_route(Said said) {
    static const char LIMITS[] =
        "max_p99_ms 100000\nmax_error_share 1\nmax_timeout_share 1\nmax_mean_ratio 1000\nmin_distinct_ratio 0\nmax_slowdown "
        "1000\n";
    char text[2048];
    Route route;
    int used = snprintf(text, sizeof text, "format 1\nchampion %d\n", OR(said.champion, FIRST));
    if (said.challenger < 0)
        snprintf(text + used, sizeof text - (size_t)used, "mode off\nend\n");
    else
        snprintf(text + used, sizeof text - (size_t)used,
                 "challenger %d\nmode %s\nshare %s\nshadow %s\nsalt %s\nvalid_until %lld\ntimeout_ms %lld\n%send\n",
                 OR(said.challenger, 8), OR(said.mode, "canary"), OR(said.share, "100"), OR(said.shadow, "0"),
                 OR(said.salt, "0123456789abcdef"), (long long)OR(said.valid_until_ms, 9000000000000),
                 (long long)OR(said.timeout_ms, 1000), OR(said.limits, LIMITS));
    CHECK_NOTHING_SAID(read_route(text, strlen(text), &route));
    write_route(text);
    return route;
}

static double route_info(Route route) {
    char labels[256], challenger[24] = "";
    if (route.challenger) snprintf(challenger, sizeof challenger, "%lld", (long long)route.challenger);
    snprintf(labels, sizeof labels, "model=ctr,version=7,route=%016llx,champion=%lld,challenger=%s,mode=%s",
             (unsigned long long)route.digest, (long long)route.champion, challenger, mode_name(route.mode));
    return counted("adclick_route_info", labels);
}

void wait_for_route(Route route, bool is_open) {
    WAIT_FOR(route_info(route) == 1 && counted("adclick_challenger_open", "model=ctr,version=7") == is_open);
}

static char* a_copy(Request* request, const void* text, size_t bytes) {
    int place = 0;
    while (request->dies[place]) CHECK(++place < MOST_TENSORS);
    return memcpy(request->dies[place] = a_block(bytes), text, bytes);
}

Request a_row_of(const char* user) {
    static const float TWENTY[] = {20, 7};
    char strings[300];
    Request request = a_request();
    uint32_t length = (uint32_t)strlen(user);
    memcpy(strings, &length, 4), memcpy(strings + 4, user, length), memcpy(strings + 4 + length, "\0\0\0\0\1\0\0\0c", 9);
    request.id = a_copy(&request, "mine", 5);
    request.outputs[request.outputs_count++] = "prediction_id";
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 3, a_copy(&request, strings, 13 + length), 13 + length);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 2, a_copy(&request, TWENTY, sizeof TWENTY), sizeof TWENTY);
    request.inputs_count = 2;
    return request;
}

void add_text(Request* request, const char* key, const char* value) {
    CHECK(request->parameters_count < MOST_TENSORS);
    request->parameters[request->parameters_count++] = (Given){key, PARAMETER_STRING, a_copy(request, value, strlen(value) + 1)};
}

void execute(Request* requests, int count) {
    Request* batch[512];
    CHECK(count <= 512);
    for (int i = 0; i < count; i++) batch[i] = &requests[i];
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&routed_instance, batch, (uint32_t)count));
}

void await_all(Request* requests, int count) {
    for (int i = 0; i < count; i++) {
        wait_for_release(&requests[i]);
        CHECK(requests[i].released == 1 && requests[i].answers == 1 && requests[i].reports == 1);
    }
}

Request asked_of(const char* user) {
    static Request request;
    request = a_row_of(user);
    execute(&request, 1);
    await_all(&request, 1);
    return request;
}

int answered_by(const Request* request) {
    if (request->code != NO_ERROR) return 0;
    CHECK(request->sent_count >= 2 && !strcmp(request->sent[1].name, "model_version"));
    int number = (int)*(int64_t*)request->sent[1].data;
    float p = *(float*)request->sent[0].data;
    CHECK(p == 0.75f || p == (number == FIRST ? 0.25f : 0.5f) || number == LAST);
    return number;
}

void forget_answers(Request* requests, int count) {
    for (int i = 0; i < count; i++) forget_answer(&requests[i]);
}

bool has_fuse(Route route, const char* words) {
    char path[400], text[2048] = "";
    snprintf(path, sizeof path, "%s/fuses/%016llx.json", store, (unsigned long long)route.digest);
    FILE* file = fopen(path, "rb");
    if (!file) return false;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return strstr(text, words) != NULL;
}

double routed_counted(const char* family, const char* label) {
    char labels[128];
    snprintf(labels, sizeof labels, "model=ctr,version=7%s%s", *label ? "," : "", label);
    return counted(family, labels);
}

typedef struct {
    const char* words;
    int status, arm, release, found;
} Wanted;

static void look_for_event(uint32_t kind, const char* payload, uint32_t bytes, void* user) {
    Wanted* wanted = user;
    wanted->found += kind == FRAME_EVENT && strlen(payload) == bytes && strstr(payload, wanted->words);
}

int events_with(const char* words) {
    Wanted wanted = {.words = words};
    each_frame(look_for_event, &wanted);
    return wanted.found;
}

static void look_for_record(uint32_t kind, const char* payload, uint32_t bytes, void* user) {
    Wanted* wanted = user;
    uint16_t sections;
    uint32_t requests;
    if (kind != FRAME_ANSWERS) return;
    memcpy(&sections, payload, 2), memcpy(&requests, payload + 8, 4);
    const char* at = payload + 32 + 6 * sections;
    for (uint32_t i = 0; i < requests; i++, at += 28)
        wanted->found += at[24] == wanted->status && at[25] == wanted->arm && at[20] == wanted->release;
}

int records_with(int status, int arm, int release) {
    Wanted wanted = {.status = status, .arm = arm, .release = release};
    each_frame(look_for_record, &wanted);
    return wanted.found;
}
