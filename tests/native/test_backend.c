// backend.c with all behind it: a model that loads or leaves nothing behind, and batches of requests that it answers.

#include "fake_inner.h"
#include "fake_ort.h"
#include "version_folder.h"

#include <sys/stat.h>
#include <unistd.h>

static Model model;
static Instance instance;
static char repository[512];

// A repository whose version 7 is the folder; a link stands for it.
static void begin(const char* folder) {
    char path[600];
    reset_ort();
    forget_counts();
    metrics_text = "nv_inference_pending_request_count{model=\"ctr\",version=\"7\"} 0\n";
    snprintf(repository, sizeof repository, "%s.models", folder);
    snprintf(path, sizeof path, "%s/7", repository);
    CHECK(!mkdir(repository, 0700) && !symlink(folder, path));
    model = (Model){.name = "ctr", .repository = repository, .version = 7};
    instance = (Instance){.model = &model};
}

static void finish(char* folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/7", repository);
    CHECK(!unlink(path) && !rmdir(repository));
    remove_folder(folder);
    CHECK_NUMBER(fake_ort.alive, 0);
}

static void refuses(const char* words) {
    Error* error = TRITONBACKEND_ModelInitialize(&model);
    CHECK(error && TRITONSERVER_ErrorCode(error) == INVALID_ARG && !model.state);
    CHECK_SAYS(TRITONSERVER_ErrorMessage(error), words);
    TRITONSERVER_ErrorDelete(error);
}

TEST(a_version_that_is_not_what_was_exported_is_not_loaded) {
    char* folder = make_version(NATIVE_TEXT);
    begin(folder);
    write_text(folder, "native.txt", "format 2\nend\n");
    refuses("native.txt was changed after the export");
    write_manifest(folder, (const char*[]){"native.txt", "ctr_packed.onnx", NULL});
    refuses("native.txt: line 'separator' is missing; export the model again");
    write_text(folder, "native.txt", NATIVE_TEXT);
    write_text(folder, "ctr_packed.onnx", "nothing");
    write_manifest(folder, (const char*[]){"native.txt", "ctr_packed.onnx", NULL});
    refuses("ONNX Runtime: no graph");
    memset(repository, 'x', sizeof repository - 1);
    char long_path[2000];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = 0, model.repository = long_path;
    refuses("the path of the model's folder is too long");
    snprintf(repository, sizeof repository, "%s.models", folder);
    finish(folder);
}

TEST(a_load_that_fails_anywhere_leaves_nothing_behind) {
    char* folder = make_version(NATIVE_TEXT);
    int n = 0;
    begin(folder);
    for (bool failed = true; failed;) {
        fail_at(++n);
        Error* error = TRITONBACKEND_ModelInitialize(&model);
        failed = has_failed();
        fail_at(0);
        CHECK(!error == !failed);
        if (error) TRITONSERVER_ErrorDelete(error);
        CHECK(!model.state == failed);
        if (failed) CHECK_NUMBER(fake_ort.alive, 0);
    }
    CHECK(n > 60);
    n = 0;
    for (bool failed = true; failed;) {
        fail_at(++n);
        Error* error = TRITONBACKEND_ModelInstanceInitialize(&instance);
        failed = has_failed();
        fail_at(0);
        CHECK(!error == !failed && !instance.state == failed);
        if (error) TRITONSERVER_ErrorDelete(error);
    }
    CHECK(n > 4);
    CHECK(!TRITONBACKEND_ModelInstanceFinalize(&instance) && !TRITONBACKEND_ModelFinalize(&model));
    finish(folder);
}

static const float TWENTY[] = {20, 7};

static Request one_row(const char* strings, uint64_t bytes) {
    Request request = a_request();
    request.inputs[0] = (Input){.name = "categorical",
                                .type = TYPE_BYTES,
                                .shape = {1, 3},
                                .dims = 2,
                                .bytes = bytes,
                                .pieces = {strings},
                                .piece_bytes = {bytes},
                                .pieces_count = 1};
    request.inputs[1] = (Input){.name = "numeric",
                                .type = TYPE_FP32,
                                .shape = {1, 2},
                                .dims = 2,
                                .bytes = 8,
                                .pieces = {TWENTY},
                                .piece_bytes = {8},
                                .pieces_count = 1};
    request.inputs_count = 2;
    return request;
}

static void answer_075(InnerRequest* inner) {
    InnerRequest ends = *inner;
    ends.answered(an_answer(&ends, 0.75f, 7), 0, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
    ends.answered(NULL, RESPONSE_FINAL, ends.answered_user);
}

static float probability(const Request* request) {
    CHECK(request->code == NO_ERROR && request->released == 1 && request->reports == 1 && request->success);
    CHECK(!strcmp(request->sent[0].name, "probability") && *(int64_t*)request->sent[1].data == 7);
    return *(float*)request->sent[0].data;
}

static char* load(void) {
    char* folder = make_version(NATIVE_TEXT);
    begin(folder);
    CHECK(!TRITONBACKEND_ModelInitialize(&model) && !TRITONBACKEND_ModelInstanceInitialize(&instance));
    return folder;
}

static void unload(char* folder) {
    CHECK(!TRITONBACKEND_ModelInstanceFinalize(&instance) && !TRITONBACKEND_ModelFinalize(&model));
    finish(folder);
}

TEST(plain_requests_are_answered_by_the_graph_and_others_by_the_careful_model) {
    char* folder = load();
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14), other = one_row("\1\0\0\0\xff\0\0\0\0\1\0\0\0c", 14);
    on_infer = answer_075;
    for (int i = 0; i < 3; i++) {
        Request* batch[] = {&plain, &other};
        fake_ort.rows = 1;
        CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 2));
        CHECK(probability(&plain) == 0.25f && probability(&other) == 0.75f);
        CHECK(!strcmp(fake_ort.text, "\x1f\x1f!!a\x1f\x1f!\"\x1f\x1f!#c") && fake_ort.numbers[0] == 20);
        forget_answer(&plain), forget_answer(&other);
    }
    fake_ort.creative_idx = 0;  // a creative that the graph does not know has to be read
    Request* batch[] = {&plain};
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 1));
    CHECK(probability(&plain) == 0.75f);
    forget_answer(&plain);
    unload(folder);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=answered"), 3);
}

TEST(a_graph_that_answers_wrongly_fails_the_request_and_says_why_in_the_log) {
    char* folder = load();
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    Request* batch[] = {&plain};
    fake_ort.id = -3;
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 1));
    CHECK(plain.code == INTERNAL && plain.released == 1);
    CHECK_SAYS(plain.text, "the model could not answer this request; the server's log says why");
    CHECK_SAYS(logged, "ctr_packed.onnx gave an id below 0 in cat_idx");
    unload(folder);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=failed"), 1);
}

TEST(whatever_fails_in_a_batch_every_request_is_released) {
    char* folder = load();
    int n = 0;
    on_infer = answer_075;
    for (bool failed = true; failed;) {
        Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14), other = one_row("\1\0\0\0\xff\0\0\0\0\1\0\0\0c", 14);
        Request* batch[] = {&plain, &other};
        fail_at(++n);
        CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 2));
        failed = has_failed();
        fail_at(0);
        CHECK(plain.released == 1 && other.released == 1 && plain.reports == 1 && other.reports == 1);
        CHECK(failed || (probability(&plain) == 0.25f && probability(&other) == 0.75f));
        forget_answer(&plain), forget_answer(&other);
    }
    CHECK(n > 50);
    unload(folder);
}
