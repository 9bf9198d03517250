// routing/trial.c: whatever the challenger does, every request is answered once, in time, and released once.

#include "routed_model.h"

#include "routing/routed.h"

#include <unistd.h>

enum { SOME = 8, MORE = 20 };  // the first: as many as may wait

static Request requests[MORE];
static Route route;

static void begin(Said said) {
    make_store();
    route = put_route(said);
    load_routed();
    wait_for_route(route, true);
}

static void ask_some(void) {
    char user[24];
    for (int i = 0; i < SOME; i++) snprintf(user, sizeof user, "user %d", i), requests[i] = a_row_of(user);
    execute(requests, SOME);
}

static void finish(void) {
    forget_answers(requests, SOME);
    unload_routed();
    remove_store();
}

static void all_by(int release) {
    await_all(requests, SOME);
    for (int i = 0; i < SOME; i++) CHECK_NUMBER(answered_by(&requests[i]), release);
}

TEST(the_challenger_answers_its_requests_in_time) {
    begin((Said){.share = "100"});
    ask_some();
    all_by(8);
    for (int i = 0; i < SOME; i++) CHECK(requests[i].success && requests[i].sent_count == 3);
    unload_routed();
    CHECK_NUMBER(routed_counted("adclick_routed_total", "arm=challenger"), SOME);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=8,outcome=answered"), SOME);
    CHECK(records_with(ANSWERED, CHALLENGER_ARM, 8) == SOME && records_with(ANSWERED, CHAMPION_ARM, 7) == 0);
    forget_answers(requests, SOME);
    remove_store();
}

TEST(a_challenger_is_open_before_the_first_request_with_a_thread_for_each_instance) {
    Instance second = {.model = &routed_model};
    make_store();
    PUT_ROUTE(.timeout_ms = 60000);
    load_routed();
    CHECK(!TRITONBACKEND_ModelInstanceInitialize(&second));
    eight->does = HANGS;
    for (int i = 0; i < 2; i++) {
        requests[i] = a_row_of("somebody");
        execute(&requests[i], 1);
        WAIT_FOR(eight->calls == i + 1);
    }
    eight->does = GIVES_ANSWERS;
    await_all(requests, 2);
    CHECK(answered_by(&requests[0]) == 8 && answered_by(&requests[1]) == 8);
    forget_answers(requests, 2);
    CHECK(!TRITONBACKEND_ModelInstanceFinalize(&second));
    unload_routed();
    CHECK_NUMBER(events_with("\"challenger\": 8, \"mode\""), 1);  // told once
    remove_store();
}

TEST(one_that_is_too_slow_is_answered_by_the_champion_when_its_time_is_over) {
    begin((Said){.timeout_ms = 60,
                 .limits = "max_p99_ms 100000\nmax_error_share 1\nmax_timeout_share 1\nmax_mean_ratio 1000\n"
                           "min_distinct_ratio 0\nmax_slowdown 1000\n"});
    eight->does = HANGS;
    requests[0] = a_row_of("somebody");
    execute(requests, 1);
    WAIT_FOR(routed_counted("adclick_fallback_total", "reason=timeout") == 1);
    WAIT_FOR(seven->calls == 1);
    eight->does = GIVES_ANSWERS;
    await_all(requests, 1);
    CHECK(answered_by(&requests[0]) == 7 && requests[0].success);
    forget_answers(requests, 1);
    unload_routed();
    CHECK(records_with(FALLBACK, CHALLENGER_ARM, 7) == 1 && records_with(ANSWERED, CHALLENGER_ARM, 8) == 0);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=answered"), 1);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=8,outcome=answered"), 0);
    remove_store();
}

TEST(an_answered_request_is_released_though_the_challenger_goes_on_computing) {
    begin((Said){.timeout_ms = 30});
    eight->does = HANGS;
    ask_some();
    all_by(7);  // among them those that the hanging call holds
    eight->does = GIVES_ANSWERS;
    finish();
}

TEST(a_request_is_released_when_it_is_answered_and_not_when_its_time_is_over) {
    begin((Said){.timeout_ms = 60000});
    ask_some();
    all_by(8);
    finish();
}

TEST(whoever_waits_when_the_route_changes_gets_the_challenger_that_goes_on_and_the_champion_when_it_does_not) {
    begin((Said){.timeout_ms = 60000});
    eight->does = HANGS;
    ask_some();
    WAIT_FOR(eight->calls);
    wait_for_route(PUT_ROUTE(.timeout_ms = 60000, .share = "90"), true);
    eight->does = GIVES_ANSWERS;
    all_by(8);
    forget_answers(requests, SOME);
    wait_for_route(PUT_ROUTE(.timeout_ms = 60000), true);
    eight->does = HANGS;
    int calls = eight->calls;
    ask_some();
    WAIT_FOR(eight->calls > calls);
    wait_for_route(PUT_ROUTE(.timeout_ms = 60000, .share = "90"), true);
    wait_for_route(PUT_ROUTE(.challenger = -1), false);
    all_by(7);  // also those of two routes ago
    eight->does = GIVES_ANSWERS;
    finish();
}

TEST(whoever_waits_for_a_challenger_that_becomes_the_champion_gets_its_answer) {
    begin((Said){.timeout_ms = 60000});
    eight->does = HANGS;
    ask_some();
    WAIT_FOR(eight->calls);
    wait_for_route(PUT_ROUTE(.champion = 8, .challenger = -1), false);
    eight->does = GIVES_ANSWERS;
    all_by(8);
    finish();
}

TEST(errors_are_answered_by_the_champion) {
    begin((Said){0});
    eight->does = GIVES_ERRORS;
    ask_some();
    all_by(7);
    unload_routed();
    CHECK_NUMBER(routed_counted("adclick_fallback_total", "reason=error"), SOME);
    CHECK_NUMBER(records_with(FALLBACK, CHALLENGER_ARM, 7), SOME);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=answered"), SOME);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=failed"), 0);
    forget_answers(requests, SOME);
    remove_store();
}

TEST(what_is_no_probability_is_not_sent_and_blows_the_fuse) {
    begin((Said){0});
    eight->p_click = 1.5f;
    ask_some();
    all_by(7);
    WAIT_FOR(has_fuse(route, "\"reason\": \"non_finite\""));
    CHECK(has_fuse(route, "{\"champion\": 7, \"challenger\": 8, \"answer\": \"no probability\"}}\n"));
    eight->p_click = 0.5f;
    forget_answers(requests, SOME);
    ask_some();
    all_by(7);
    WAIT_FOR(was_logged("the challenger's fuse has blown, the champion answers alone: {\"route\""));
    unload_routed();
    CHECK_NUMBER(routed_counted("adclick_guard_trips_total", "guard=non_finite"), 1);
    CHECK_NUMBER(events_with("\"event\": \"fuse\""), 1);
    CHECK(records_with(FALLBACK, CHALLENGER_ARM, 7) <= SOME && records_with(ANSWERED, NO_EXPERIMENT, 7) == SOME);
    forget_answers(requests, SOME);
    remove_store();
}

// A string that no rule of native.txt takes.
static void ask_carefully(void) {
    for (int i = 0; i < SOME; i++) requests[i] = a_row_of("\xff");
    execute(requests, SOME);
}

TEST(what_is_not_plain_is_answered_by_the_careful_model_of_the_challenger) {
    begin((Said){0});
    ask_carefully();
    all_by(8);
    CHECK(*(float*)requests[3].sent[0].data == 0.75f);
    finish();
}

TEST(refusals_and_failures_of_the_careful_model_are_answered_by_the_champion) {
    begin((Said){0});
    careful_does = CAREFUL_REFUSES;
    ask_carefully();
    all_by(7);
    WAIT_FOR(routed_counted("adclick_fallback_total", "reason=refused") == SOME);
    careful_does = CAREFUL_FAILS;
    forget_answers(requests, SOME);
    ask_carefully();
    all_by(7);
    WAIT_FOR(routed_counted("adclick_fallback_total", "reason=error") == SOME);
    finish();
}

TEST(a_careful_model_that_takes_its_time_is_not_waited_for) {
    begin((Said){.timeout_ms = 40});
    careful_does = CAREFUL_WAITS;
    for (int i = 0; i < 4; i++) requests[i] = a_row_of("\xff");
    execute(requests, 4);
    WAIT_FOR(routed_counted("adclick_fallback_total", "reason=timeout") == 4);
    end_waiting();  // too late, but not before their tensors are read no more
    await_all(requests, 4);
    for (int i = 0; i < 4; i++) CHECK(answered_by(&requests[i]) == 7 && requests[i].success);
    CHECK_NUMBER(counted("adclick_requests_total", "model=ctr,version=7,outcome=failed"), 0);
    forget_answers(requests, 4);
    unload_routed();
    remove_store();
}

// More than 2 in 100 requests end badly.
#define STRICT                                                                                                               \
    "max_p99_ms 100000\nmax_error_share 0.02\nmax_timeout_share 1\nmax_mean_ratio 1000\nmin_distinct_ratio 0\nmax_slowdown " \
    "1000\n"

TEST(what_the_champion_refuses_too_is_no_fault_of_the_challenger) {
    begin((Said){.limits = STRICT});
    careful_does = BOTH_REFUSE;
    for (int i = 0; i < 5; i++) {
        ask_carefully();
        all_by(0);
        for (int k = 0; k < SOME; k++) CHECK(requests[k].code == INVALID_ARG && !strcmp(requests[k].text, "site: not so"));
        forget_answers(requests, SOME);
    }
    CHECK(!has_fuse(route, ""));
    careful_does = CAREFUL_REFUSES;
    for (int i = 0; i < 3; i++) {
        ask_carefully();
        all_by(7);
        if (i < 2) forget_answers(requests, SOME);
    }
    WAIT_FOR(has_fuse(route, "\"reason\": \"errors\""));
    finish();
}

TEST(more_than_may_wait_are_answered_by_the_champion_at_once) {
    begin((Said){.timeout_ms = 60000});
    eight->does = HANGS;
    requests[0] = a_row_of("first");
    execute(requests, 1);
    WAIT_FOR(eight->calls == 1);
    for (int i = 1; i < MORE; i++) requests[i] = a_row_of("somebody");
    Request* batch[MORE];
    for (int i = 1; i < MORE; i++) batch[i] = &requests[i];
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&routed_instance, batch + 1, MORE - 1));
    WAIT_FOR(routed_counted("adclick_fallback_total", "reason=full") == MORE - 1 - 8);  // max_waiting 8
    eight->does = GIVES_ANSWERS;
    await_all(requests, MORE);
    for (int i = 0; i < MORE; i++) CHECK_NUMBER(answered_by(&requests[i]), i < 9 ? 8 : 7);
    forget_answers(requests, MORE);
    unload_routed();
    remove_store();
}

TEST(those_that_wait_are_answered_when_another_route_comes) {
    begin((Said){.timeout_ms = 60000});
    eight->does = HANGS;
    requests[0] = a_row_of("first");
    execute(requests, 1);
    WAIT_FOR(eight->calls == 1);
    for (int i = 1; i < 6; i++) requests[i] = a_row_of("somebody");
    Request* batch[] = {&requests[1], &requests[2], &requests[3], &requests[4], &requests[5]};
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&routed_instance, batch, 5));
    wait_for_route(PUT_ROUTE(.challenger = -1), false);
    await_all(requests + 1, 5);
    for (int i = 1; i < 6; i++) CHECK_NUMBER(answered_by(&requests[i]), 7);
    eight->does = GIVES_ANSWERS;
    await_all(requests, 1);
    CHECK(answered_by(&requests[0]) == 7);
    forget_answers(requests, 6);
    unload_routed();
    remove_store();
}
