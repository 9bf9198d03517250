// All of serving/native/routing/ while memory, threads, Triton and ONNX Runtime fail, one step after the other: every request is
// answered at most once and released once, and nothing is left behind.

#include "routed_model.h"

#include "routing/buckets.h"
#include "routing/task.h"

#include <pthread.h>

TEST(a_routed_model_whose_load_fails_anywhere_leaves_nothing_behind) {
    int n = 0;
    make_store();
    PUT_ROUTE(.champion = 8, .challenger = 9);
    for (bool failed = true; failed;) {
        forget_counts();
        fail_at(++n);
        Error* error = TRITONBACKEND_ModelInitialize(&routed_model);
        failed = has_failed();
        fail_at(0);
        CHECK(failed || !error);  // a champion, or a challenger, that finds no memory is left out
        if (error) TRITONSERVER_ErrorDelete(error);
        CHECK(!error == !!routed_model.state);
        if (!error) CHECK(!TRITONBACKEND_ModelFinalize(&routed_model));
        routed_model.state = NULL;
        CHECK_NUMBER(fake_ort.alive, 0);
    }
    CHECK(n > 200);
    remove_store();
}

static void load_with(Said said) {
    make_store();
    Route route = put_route(said);
    load_routed();
    wait_for_route(route, true);
}

// A batch in which each thing fails that this thread asks for: some requests are plain, some are not, some ask for a release.
static int fail_in_batches(void) {
    enum { TOGETHER = 4 };
    int n = 0;
    int64_t release = 8;
    for (bool failed = true; failed;) {
        Request requests[TOGETHER] = {a_row_of("user 1"), a_row_of("\xff"), a_row_of("user 2"), a_row_of("user 3")};
        requests[2].parameters[0] = (Given){"release", PARAMETER_INT, &release}, requests[2].parameters_count = 1;
        add_text(&requests[3], "routing_key", "somebody");
        Request* batch[TOGETHER] = {&requests[0], &requests[1], &requests[2], &requests[3]};
        fail_at(++n);
        CHECK(!TRITONBACKEND_ModelInstanceExecute(&routed_instance, batch, TOGETHER));
        failed = has_failed();
        fail_at(0);
        for (int i = 0; i < TOGETHER; i++) {
            wait_for_release(&requests[i]);
            CHECK(requests[i].released == 1 && requests[i].answers <= 1 && requests[i].reports == 1);
            CHECK(failed || answered_by(&requests[i]));
        }
        forget_answers(requests, TOGETHER);
    }
    return n;
}

TEST(whatever_fails_where_requests_are_handed_over_each_is_released) {
    load_with((Said){.share = "100", .shadow = "100"});
    CHECK(fail_in_batches() > 10);
    unload_routed();
    remove_store();
}

TEST(whatever_fails_where_the_champion_answers_each_is_released) {
    load_with((Said){.share = "0", .shadow = "100"});
    CHECK(fail_in_batches() > 50);
    unload_routed();
    remove_store();
}

// Each step of the threads behind, the challenger's, the shadow's and the one that keeps time, fails once.
TEST(whatever_fails_where_the_challenger_computes_each_is_released) {
    enum { TOGETHER = 3, STEPS = 120 };
    int reached = 0;
    load_with((Said){.share = "100", .shadow = "100"});
    for (int n = 1; n <= STEPS; n++) {
        Request requests[TOGETHER] = {a_row_of("user 1"), a_row_of("\xff"), a_row_of("user 3")};
        fail_elsewhere_at(n);
        execute(requests, TOGETHER);
        for (int i = 0; i < TOGETHER; i++) wait_for_release(&requests[i]);
        reached += has_failed_elsewhere();
        fail_elsewhere_at(0);
        for (int i = 0; i < TOGETHER; i++) CHECK(requests[i].answers <= 1 && requests[i].reports == 1);
        forget_answers(requests, TOGETHER);
    }
    CHECK(reached > 50);
    unload_routed();
    remove_store();
}

TEST(whatever_fails_while_a_route_comes_into_force_leaves_nothing_behind) {
    enum { STEPS = 150, EACH = 3 };
    int reached = 0;
    make_store();
    load_routed();
    for (int n = 1; n <= STEPS; n += EACH) {
        fail_elsewhere_at(n);
        bool is_shadow = n % 4 > 1;
        PUT_ROUTE(.challenger = 8 + n % 2, .mode = is_shadow ? "shadow" : "ab", .share = is_shadow ? "0" : "50");
        nanosleep(&(struct timespec){.tv_nsec = 130000000}, NULL);
        reached += has_failed_elsewhere();
        fail_elsewhere_at(0);
        Request request = a_row_of("user 1");
        execute(&request, 1);
        await_all(&request, 1);
        CHECK(answered_by(&request));
        forget_answer(&request);
    }
    CHECK(reached > 15);
    unload_routed();
    remove_store();
}

// One of three calls of another model fails.
static atomic_int every;

static void fail_now_and_then(InnerRequest* inner) {
    InnerRequest ends = *inner;
    bool fails_now = atomic_fetch_add(&every, 1) % 3 == 0;
    if (fails_now) {
        ends.answered(an_error(INTERNAL, "now and then"), RESPONSE_FINAL, ends.answered_user);
        ends.released(inner, RELEASE_ALL, ends.released_user);
        return;
    }
    ends.released(inner, RELEASE_ALL, ends.released_user);
    ends.answered(an_answer(&ends, 0.75f, ends.version), RESPONSE_FINAL, ends.answered_user);
}

enum { ASKERS = 3, ASKED = 60 };
static Instance instances[ASKERS];

static void* keep_asking(void* user) {
    static _Thread_local Request requests[ASKED];
    Instance* instance = user;
    char name[24];
    for (int i = 0; i < ASKED; i++) {
        snprintf(name, sizeof name, i % 5 ? "user %d" : "\xff%d", i);
        requests[i] = a_row_of(name);
        Request* batch[] = {&requests[i]};
        CHECK(!TRITONBACKEND_ModelInstanceExecute(instance, batch, 1));
    }
    for (int i = 0; i < ASKED; i++) {
        wait_for_release(&requests[i]);
        CHECK(requests[i].answers == 1 && requests[i].reports == 1);
        forget_answer(&requests[i]);
    }
    return NULL;
}

TEST(several_instances_ask_while_a_challenger_is_slow_fails_and_is_replaced) {
    pthread_t askers[ASKERS];
    make_store();
    Route route = PUT_ROUTE(.share = "60", .shadow = "50", .timeout_ms = 8);
    load_routed();
    for (int i = 0; i < ASKERS; i++) {
        instances[i] = (Instance){.model = &routed_model};
        CHECK(!TRITONBACKEND_ModelInstanceInitialize(&instances[i]));
    }
    wait_for_route(route, true);
    on_infer = fail_now_and_then;
    for (int round = 0; round < 4; round++) {
        eight->slow_ms = round % 2 ? 15 : 2;
        eight->does = round == 2 ? GIVES_ERRORS : GIVES_ANSWERS;
        for (int i = 0; i < ASKERS; i++) CHECK(!pthread_create(&askers[i], NULL, keep_asking, &instances[i]));
        PUT_ROUTE(.share = "60", .shadow = "50", .timeout_ms = 8, .salt = round % 2 ? "0123456789abcdef" : "fedcba9876543210");
        for (int i = 0; i < ASKERS; i++) pthread_join(askers[i], NULL);
    }
    for (int i = 0; i < ASKERS; i++) CHECK(!TRITONBACKEND_ModelInstanceFinalize(&instances[i]));
    unload_routed();
    remove_store();
}

// Who claims a task is one.
enum { CLAIMERS = 4, TASKS = 20000 };
static Task tasks[TASKS];
static atomic_int claimed[TASKS];

static void* keep_claiming(void* user) {
    bool reads = user;
    for (int i = 0; i < TASKS; i++) {
        if (reads && begin_reading(&tasks[i])) end_reading(&tasks[i]);
        if (claim(&tasks[i])) claimed[i]++;
    }
    return NULL;
}

TEST(a_task_is_claimed_once) {
    pthread_t claimers[CLAIMERS];
    memset(tasks, 0, sizeof tasks), memset(claimed, 0, sizeof claimed);
    for (int i = 0; i < CLAIMERS; i++) CHECK(!pthread_create(&claimers[i], NULL, keep_claiming, i % 2 ? &tasks : NULL));
    for (int i = 0; i < CLAIMERS; i++) pthread_join(claimers[i], NULL);
    int lost = 0;
    for (int i = 0; i < TASKS; i++) CHECK(claimed[i] <= 1);
    for (int i = 0; i < TASKS; i++) lost += !claimed[i];
    CHECK(lost < TASKS);  // all may have come while it was read
    CHECK(begin_reading(&tasks[0]) == !claimed[0]);
}

TEST(a_bucket_without_memory_is_none) {
    KeyBuckets buckets;
    fail_at(1);
    bool found = find_buckets("0123456789abcdef", "a", 1, &buckets);
    CHECK(found != has_failed());
    fail_at(0);
}
