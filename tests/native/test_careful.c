// careful.c and relay.c: a request that is handed over is answered once and released once, in whatever order its ends come.

#include "careful/careful.h"
#include "fake_inner.h"
#include "version_folder.h"

#include <pthread.h>
#include <unistd.h>

static Settings settings;
static Counters* counters;
static Careful* careful;
static Model model = {.name = "ctr", .repository = "", .version = 7};
static Instance instance = {.model = &model};
static Pending pending;
static Form form;

static void ask(Request* request) {
    ask_careful(careful,
                &(Handed){.request = request, .instance = &instance, .start_ns = 1, .routed = NOT_ROUTED, .form = &form});
}

static void begin(void) {
    forget_counts();
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    CHECK_NOTHING_SAID(open_counters(&settings, "ctr", 7, &counters));
    form = (Form){.settings = &settings, .declaration = settings.declaration};
    begin_pending(&pending);
    Error* error = open_careful((Server*)&model, 7, counters, NULL, &pending, &careful);
    CHECK(!error);
}

// How many were counted as failed.
static double finish(void) {
    close_careful(careful);
    CHECK_NUMBER(pending.count, 0);
    end_pending(&pending);
    close_counters(counters);
    return counted("adclick_requests_total", "model=ctr,version=7,outcome=failed");
}

// What happens to an inner request, a letter a step: `a`nswer, `e`rror, `n`othing (no content); a capital is the last one.
// `r`eleased.
static const char* steps;
static const Request* client;

static void play(InnerRequest* inner) {
    InnerRequest ends = *inner;  // the backend deletes it when it is released
    for (const char* step = steps; *step; step++) {
        uint32_t flags = *step < 'a' ? RESPONSE_FINAL : 0;
        bool last_step = !step[1];
        if (*step == 'a' || *step == 'A') ends.answered(an_answer(&ends, 0.75f, 7), flags, ends.answered_user);
        if (*step == 'e' || *step == 'E') ends.answered(an_error(UNAVAILABLE, "somebody says no"), flags, ends.answered_user);
        if (*step == 'n' || *step == 'N') ends.answered(NULL, flags, ends.answered_user);
        if (*step == 'r') ends.released(inner, RELEASE_ALL, ends.released_user);
        if (*step == 's') ends.released(inner, 2, ends.released_user);  // it is to be scheduled again
        CHECK(client->released == last_step);
    }
}

static Request asked(const char* what_happens) {
    Request request = a_request();
    steps = what_happens, client = &request, on_infer = play;
    ask(&request);
    await_none_pending(&pending);
    CHECK(request.answers == 1 && request.released == 1 && request.reports == 1);
    return request;
}

TEST(an_answer_reaches_the_client_in_whatever_order_it_ends) {
    static const char* const ORDERS[] = {"Ar",   "rA",  "aNr", "arN",  "raN", "anNr", "aaNr",
                                         "anrN", "aAr", "aEr", "raaN", "sAr", "asrN"};
    begin();
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        Request request = asked(ORDERS[i]);
        CHECK(request.code == NO_ERROR && request.success && request.sent_count == 2);
        CHECK(!strcmp(request.sent[0].name, "probability") && *(float*)request.sent[0].data == 0.75f);
        CHECK(!strcmp(request.sent[1].name, "model_version") && *(int64_t*)request.sent[1].data == 7);
        CHECK(request.sent[0].shape[0] == 1 && request.sent[0].dims == 2 && request.sent[0].bytes == sizeof(float));
        forget_answer(&request);
    }
    CHECK_NUMBER(finish(), 0);
}

TEST(an_error_reaches_the_client_in_whatever_order_it_ends) {
    static const char* const ORDERS[] = {"Er", "rE", "eNr", "erN", "eAr"};
    begin();
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        Request request = asked(ORDERS[i]);
        CHECK(request.code == UNAVAILABLE && !request.success && !strcmp(request.text, "somebody says no"));
        forget_answer(&request);
    }
    CHECK_NUMBER(finish(), 5);
}

TEST(no_answer_at_all_is_told_as_that) {
    static const char* const ORDERS[] = {"Nr", "rN", "nNr", "nrN"};
    begin();
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        Request request = asked(ORDERS[i]);
        CHECK(request.code == INTERNAL && !strcmp(request.text, "ctr_careful gave no answer"));
    }
    CHECK_NUMBER(finish(), 4);
}

// An error that `ctr_careful` words itself, it has counted itself.
static void refuse(InnerRequest* inner) {
    InnerRequest ends = *inner;
    ends.answered(an_error(INVALID_ARG, "age: -1 is below 0"), RESPONSE_FINAL, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
}

TEST(a_refusal_is_not_counted_twice) {
    Request request = a_request();
    begin();
    on_infer = refuse;
    ask(&request);
    await_none_pending(&pending);
    CHECK(request.code == INVALID_ARG && !strcmp(request.text, "age: -1 is below 0"));
    CHECK_NUMBER(finish(), 0);
}

static InnerRequest seen;

static void look(InnerRequest* inner) {
    seen = *inner;
    seen.answered(NULL, RESPONSE_FINAL, seen.answered_user);
    seen.released(inner, RELEASE_ALL, seen.released_user);
}

TEST(the_inner_request_is_the_clients) {
    Request request = a_request();
    int64_t whole = -5;
    bool yes = true;
    double half = 0.5;
    begin();
    request.id = "id 1";
    request.inputs[0] = (Input){.name = "categorical",
                                .type = TYPE_BYTES,
                                .shape = {2, 3},
                                .dims = 2,
                                .bytes = 5,
                                .pieces = {"abc", "de"},
                                .piece_bytes = {3, 2},
                                .pieces_count = 2};
    request.inputs_count = 1;
    request.parameters[0] = (Given){"text", PARAMETER_STRING, "value"};
    request.parameters[1] = (Given){"whole", PARAMETER_INT, &whole};
    request.parameters[2] = (Given){"yes", PARAMETER_BOOL, &yes};
    request.parameters[3] = (Given){"half", PARAMETER_DOUBLE, &half};
    request.parameters_count = 4, request.outputs_count = 1;
    on_infer = look;
    ask(&request);
    CHECK(!strcmp(seen.model, "ctr_careful") && seen.version == 7 && !strcmp(seen.id, "id 1"));
    CHECK(seen.inputs_count == 1 && seen.inputs[0].shape[1] == 3 && seen.inputs[0].pieces_count == 2);
    CHECK(seen.inputs[0].pieces[1] == request.inputs[0].pieces[1] && seen.inputs[0].bytes == 5);
    CHECK(!strcmp(seen.parameters[0], "text=value") && !strcmp(seen.parameters[1], "whole=-5"));
    CHECK(!strcmp(seen.parameters[2], "yes=true") && !strcmp(seen.parameters[3], "half=0.5"));
    CHECK(seen.outputs_count == 1 && !strcmp(seen.outputs[0], "probability"));
    CHECK_NUMBER(finish(), 1);
}

TEST(whatever_fails_on_the_way_is_told_and_released) {
    int n = 0;
    for (bool failed = true; failed;) {
        Request request = a_request();
        begin();
        steps = "arN", client = &request, on_infer = play;
        fail_at(++n);
        ask(&request);
        failed = has_failed();
        fail_at(0);
        CHECK(request.released == 1);
        CHECK(request.answers <= 1 && (failed || request.code == NO_ERROR));
        forget_answer(&request);
        finish();
    }
    CHECK(n > 10);
}

TEST(a_careful_that_cannot_be_opened_leaves_nothing_behind) {
    int n = 0;
    for (bool failed = true; failed;) {
        fail_at(++n);
        Error* error = open_careful((Server*)&model, 7, NULL, NULL, &pending, &careful);
        failed = has_failed();
        fail_at(0);
        CHECK(!error == !failed);
        if (error) TRITONSERVER_ErrorDelete(error);
        close_careful(careful);
    }
    CHECK_NUMBER(n, 3);
}

// Two threads bring the two ends, as Triton's do.
static void* release_it(void* inner) {
    InnerRequest* request = inner;
    request->released(request, RELEASE_ALL, request->released_user);
    return NULL;
}

static void* answer_it(void* copy) {
    InnerRequest* ends = copy;
    ends->answered(an_answer(ends, 0.5f, 7), 0, ends->answered_user);
    ends->answered(NULL, RESPONSE_FINAL, ends->answered_user);
    free(copy);
    return NULL;
}

enum { ASKED = 200 };
static pthread_t threads[2 * ASKED];
static int started;

static void play_in_threads(InnerRequest* inner) {
    InnerRequest* ends = a_block(sizeof *ends);
    *ends = *inner;
    CHECK(!pthread_create(&threads[started++], NULL, answer_it, ends));
    CHECK(!pthread_create(&threads[started++], NULL, release_it, inner));
}

TEST(ends_that_come_in_two_threads_are_two_ends) {
    static Request requests[ASKED];
    begin();
    on_infer = play_in_threads, started = 0;
    for (int i = 0; i < ASKED; i++) {
        requests[i] = a_request();
        ask(&requests[i]);
    }
    await_none_pending(&pending);
    for (int i = 0; i < ASKED; i++) {
        CHECK(requests[i].answers == 1 && requests[i].released == 1 && requests[i].code == NO_ERROR);
        forget_answer(&requests[i]);
    }
    CHECK_NUMBER(finish(), 0);
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}
