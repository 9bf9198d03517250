// counters.c: what was answered adds up, whoever counts, and no id leads anywhere.

#include "counters.h"
#include "fake_triton.h"
#include "version_folder.h"

#include <pthread.h>

static Settings settings;
static Counters* counters;

static void begin(void) {
    forget_counts();
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    CHECK_NOTHING_SAID(open_counters(&settings, "ctr", 7, &counters));
}

static double of(const char* family, const char* more) {
    char labels[128];
    snprintf(labels, sizeof labels, "model=ctr,version=7%s%s", *more ? "," : "", more);
    return counted(family, labels);
}

TEST(an_answers_rows_are_counted) {
    const float p[] = {0.001f, 0.002f, 0.25f, 0.75f};
    const int64_t ids[] = {0, 1, 2, 5, 0, 0, 0, 3, 1, 1, 1, 1}, creatives[] = {0, 3, 0, 0};
    Answer answer = {.p_click = p, .cat_idx = ids, .creative_idx = creatives};
    begin();
    count_answered(counters, &answer, 1, 4);  // rows 1 to 3: ids 5 0 0 | 0 3 1 | 1 1 1
    count_failed(counters, 2);
    count_overloaded(counters, 3);
    close_counters(counters);
    CHECK_NUMBER(of("adclick_rows_total", ""), 3);
    CHECK_NUMBER(of("adclick_requests_total", "outcome=answered"), 1);
    CHECK_NUMBER(of("adclick_requests_total", "outcome=failed"), 2);
    CHECK_NUMBER(of("adclick_requests_total", "outcome=overloaded"), 3);
    CHECK_NUMBER(of("adclick_unknown_values_total", "column=site"), 1);
    CHECK_NUMBER(of("adclick_unknown_values_total", "column=device type"), 1);
    CHECK_NUMBER(of("adclick_unknown_values_total", "column=hour"), 1);
    CHECK_NUMBER(of("adclick_missing_values_total", "column=site"), 1);
    CHECK_NUMBER(of("adclick_missing_values_total", "column=device type"), 1);
    CHECK_NUMBER(of("adclick_missing_values_total", "column=hour"), 2);
    CHECK_NUMBER(of("adclick_creatives_total", "kind=known"), 1);
    CHECK_NUMBER(of("adclick_creatives_total", "kind=unknown"), 2);
    CHECK_NUMBER(of("adclick_predicted_probability_count", ""), 3);
    CHECK_NUMBER(of("adclick_predicted_probability_sum", ""), (double)0.002f + 0.25 + 0.75);
    CHECK_NUMBER(of("adclick_predicted_probability_bucket", "le=0.002"), 0);  // 0.002f is a little more
    CHECK_NUMBER(of("adclick_predicted_probability_bucket", "le=0.005"), 1);
    CHECK_NUMBER(of("adclick_predicted_probability_bucket", "le=0.3"), 2);
    CHECK_NUMBER(of("adclick_predicted_probability_bucket", "le=+Inf"), 3);
}

TEST(ids_that_are_no_places_are_not_counted) {
    const float p[] = {0.5f};
    const int64_t ids[] = {-1, INT64_MIN, INT64_MAX};
    Answer answer = {.p_click = p, .cat_idx = ids};
    begin();
    count_answered(counters, &answer, 0, 1);
    close_counters(counters);
    CHECK_NUMBER(of("adclick_rows_total", ""), 1);
    CHECK_NUMBER(of("adclick_unknown_values_total", "column=site") + of("adclick_missing_values_total", "column=site"), 0);
}

enum { THREADS = 4, TIMES = 500 };

static void* count_many(void* unused) {
    const float p[] = {0.5f};
    const int64_t ids[] = {0, 0, 0};
    Answer answer = {.p_click = p, .cat_idx = ids};
    for (int i = 0; i < TIMES; i++) {
        count_answered(counters, &answer, 0, 1);
        count_failed(counters, 1);
    }
    return unused;
}

TEST(what_several_threads_count_adds_up) {
    pthread_t threads[THREADS];
    begin();
    for (int i = 0; i < THREADS; i++) CHECK(!pthread_create(&threads[i], NULL, count_many, NULL));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    close_counters(counters);
    CHECK_NUMBER(of("adclick_rows_total", ""), THREADS * TIMES);
    CHECK_NUMBER(of("adclick_unknown_values_total", "column=hour"), THREADS * TIMES);
    CHECK_NUMBER(of("adclick_requests_total", "outcome=failed"), THREADS * TIMES);
}

TEST(counters_that_cannot_be_opened_leave_nothing_behind) {
    int n = 0;
    CHECK_NOTHING_SAID(read_settings("native.txt", NATIVE_TEXT, strlen(NATIVE_TEXT), &settings));
    for (bool failed = true; failed;) {
        fail_at(++n);
        const char* wrong = open_counters(&settings, "ctr", 7, &counters);
        failed = has_failed();
        fail_at(0);
        CHECK(!wrong == !failed);
        close_counters(counters);
    }
    CHECK_NUMBER(n, 4);  // two pieces of memory, a thread, and then none
}
