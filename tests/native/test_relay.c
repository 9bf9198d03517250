// relay.c and careful.c: what another model is asked of a request that was made for another release, and how it was routed.

#include "careful/careful.h"
#include "fake_inner.h"
#include "careful/relay.h"
#include "version_folder.h"

#include <math.h>

#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static Settings settings;
static Bytes aside[MOST_COPIES];
static InnerRequest* inner;

// The release has the columns of NATIVE_TEXT and another declaration; of the requests' two strings the second is its first.
static const Layout LAYOUT = {.categorical = 2, .numeric = 1, .text = {1, ABSENT, 0}, .number = {ABSENT, 0}};
static Form form;

static void begin(const Layout* layout) {
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    form = (Form){.settings = &settings, .layout = layout, .declaration = OTHER};
    memset(aside, 0, sizeof aside);
    CHECK(!TRITONSERVER_InferenceRequestNew(&inner, NULL, "ctr_careful", 8));
}

static void finish(void) {
    for (int i = 0; i < MOST_COPIES; i++) free_bytes(&aside[i]);
    TRITONSERVER_InferenceRequestDelete(inner);
}

static void copy(Request* request) {
    Error* error = copy_request(request, inner, &(Changed){.form = &form, .copies = aside});
    CHECK(!error);
}

static const char STRINGS[] = "\1\0\0\0a\2\0\0\0bc\0\0\0\0\1\0\0\0d";
enum { BYTES = sizeof STRINGS - 1 };
static const float NUMBERS[] = {7, 8};

static Request two_rows(void) {
    Request request = a_request();
    request.inputs[0] = (Input){"categorical", TYPE_BYTES, {2, 2}, 2, BYTES, {STRINGS, STRINGS + 3}, {3, BYTES - 3}, 0, 2};
    request.inputs[1] = (Input){"numeric", TYPE_FP32, {2, 1}, 2, 8, {NUMBERS}, {8}, 0, 1};
    request.inputs[2] = (Input){"creative_image", TYPE_BYTES, {2, 1}, 2, 8, {"\0\0\0\0\0\0\0"}, {8}, 0, 1};
    request.inputs_count = 3;
    return request;
}

TEST(tensors_are_rearranged_for_the_other_model) {
    static const char REARRANGED[] = "\2\0\0\0bc\0\0\0\0\1\0\0\0a\1\0\0\0d\0\0\0\0\0\0\0";
    Request request = two_rows();
    begin(&LAYOUT);
    copy(&request);
    CHECK(inner->inputs_count == 3 && inner->inputs[0].shape[0] == 2 && inner->inputs[0].shape[1] == 3);
    CHECK(inner->inputs[0].bytes == sizeof REARRANGED && !memcmp(inner->inputs[0].pieces[0], REARRANGED, sizeof REARRANGED));
    const float* numbers = inner->inputs[1].pieces[0];
    CHECK(inner->inputs[1].shape[1] == 2 && inner->inputs[1].bytes == 16);
    CHECK(isnan(numbers[0]) && numbers[1] == 7 && isnan(numbers[2]) && numbers[3] == 8);
    CHECK(inner->inputs[2].pieces[0] == request.inputs[2].pieces[0]);
    CHECK(aside[0].at == inner->inputs[0].pieces[0] && aside[1].at == inner->inputs[1].pieces[0]);
    finish();
}

TEST(tensors_that_are_not_as_they_should_be_are_lent_as_they_are) {
    for (int i = 0; i < 8; i++) {
        Request request = two_rows();
        Input *strings = &request.inputs[0], *numbers = &request.inputs[1];
        if (i == 0) strings->shape[1] = 3, numbers->shape[1] = 2;
        if (i == 1) strings->dims = numbers->dims = 1;
        if (i == 2) strings->shape[0] = 0, numbers->shape[0] = -1;
        if (i == 3) strings->shape[0] = 65, numbers->shape[0] = (int64_t)1 << 62;
        if (i == 4) strings->bytes--, strings->piece_bytes[1]--, numbers->bytes--, numbers->piece_bytes[0]--;
        if (i == 5) strings->shape[0] = 1, numbers->shape[0] = 1;
        if (i == 6) strings->memory = numbers->memory = MEMORY_GPU;
        if (i == 7) strings->piece_bytes[1]--, numbers->piece_bytes[0]--;
        begin(&LAYOUT);
        copy(&request);
        CHECK(inner->inputs[0].pieces[0] == strings->pieces[0] && inner->inputs[0].shape[0] == strings->shape[0]);
        CHECK(inner->inputs[1].pieces[0] == numbers->pieces[0] && inner->inputs[1].dims == numbers->dims);
        CHECK(!aside[0].at && !aside[1].at);
        finish();
    }
}

TEST(the_servers_own_parameters_are_not_taken_of_a_client) {
    Request request = two_rows();
    int64_t one = 1;
    begin(NULL);
    request.parameters[0] = (Given){"adclick_routed", PARAMETER_STRING, "1 3 5 0 0123456789abcdef -"};
    request.parameters[1] = (Given){"adclick_inner_call", PARAMETER_INT, &one};
    request.parameters[2] = (Given){"adclick_open", PARAMETER_INT, &one};
    request.parameters[3] = (Given){"adclic", PARAMETER_STRING, "x"};
    request.parameters_count = 4;
    copy(&request);
    CHECK(inner->parameters_count == 2 && !strcmp(inner->parameters[0], "adclick_inner_call=1"));
    CHECK(!strcmp(inner->parameters[1], "adclic=x"));
    finish();
}

TEST(the_other_model_is_told_its_own_declaration) {
    for (int i = 0; i < 2; i++) {  // also where columns stand in the same places
        Request request = two_rows();
        begin(i ? &LAYOUT : NULL);
        request.parameters[0] = (Given){"declaration", PARAMETER_STRING, OTHER}, request.parameters_count = 1;
        copy(&request);
        CHECK(!strcmp(inner->parameters[0], "declaration=" A_DECLARATION));
        finish();
        begin(i ? &LAYOUT : NULL);
        request.parameters[0].value = "quite another";
        copy(&request);
        CHECK(!strcmp(inner->parameters[0], "declaration=quite another"));
        finish();
    }
}

TEST(a_copy_that_fails_leaves_nothing_behind) {
    int n = 0;
    for (bool failed = true; failed;) {
        Request request = two_rows();
        begin(&LAYOUT);
        fail_at(++n);
        Error* error = copy_request(&request, inner, &(Changed){.form = &form, .copies = aside});
        failed = has_failed();
        fail_at(0);
        CHECK(failed || !error);  // without memory to rearrange it, a tensor is lent
        if (error) TRITONSERVER_ErrorDelete(error);
        finish();
    }
    CHECK(n > 20);
}

static InnerRequest seen;

static void look(InnerRequest* request) {
    seen = *request;
    seen.answered(an_answer(&seen, 0.5f, 8), RESPONSE_FINAL, seen.answered_user);
    seen.released(request, RELEASE_ALL, seen.released_user);
}

TEST(the_other_model_is_told_how_a_request_was_routed) {
    static const struct {
        Routed routed;
        uint64_t route;
        const char *open, *told, *told_open;
    } CASES[] = {
        {{NO_EXPERIMENT, ANSWERED, 0, NO_BUCKET, NO_BUCKET}, 0, NULL, NULL, NULL},
        {{CHALLENGER_ARM, FALLBACK, KEY_BY_PARAMETER, 999999, 5},
         0xd0dc0f3727f349e2u,
         NULL,
         "adclick_routed=2 3 999999 1 d0dc0f3727f349e2 -",
         NULL},
        {{NO_EXPERIMENT, ANSWERED, RELEASE_ASKED_FOR, NO_BUCKET, NO_BUCKET},
         1,
         "12, 13",
         "adclick_routed=0 0 4294967295 2 0000000000000001 -",
         "adclick_open=12, 13"},
        {{CHAMPION_ARM, ANSWERED, 7, 0, 0}, UINT64_MAX, NULL, "adclick_routed=1 0 0 7 ffffffffffffffff -", NULL},
    };
    static Model model;
    static Instance instance = {.model = &model};
    Pending pending;
    Counters* counters;
    Careful* careful;
    begin(NULL);
    finish();
    begin_pending(&pending);
    CHECK_NOTHING_SAID(open_counters(&settings, "ctr", 8, &counters));
    CHECK(!open_careful((Server*)&model, 8, counters, NULL, &pending, &careful));
    careful_is_ready = false;
    CHECK(!is_careful_ready(careful));
    careful_is_ready = true;
    CHECK(is_careful_ready(careful));
    on_infer = look;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        Request request = two_rows();
        Handed handed = {.request = &request,
                         .instance = &instance,
                         .route = CASES[i].route,
                         .routed = CASES[i].routed,
                         .open = CASES[i].open,
                         .form = &form};
        ask_careful(careful, &handed);
        await_none_pending(&pending);
        CHECK(request.released == 1 && request.code == NO_ERROR && seen.version == 8);
        CHECK_NUMBER(seen.parameters_count, (CASES[i].told != NULL) + (CASES[i].told_open != NULL));
        CHECK(!CASES[i].told || !strcmp(seen.parameters[0], CASES[i].told));
        CHECK(!CASES[i].told_open || !strcmp(seen.parameters[1], CASES[i].told_open));
        forget_answer(&request);
    }
    close_careful(careful), close_counters(counters), end_pending(&pending);
}
