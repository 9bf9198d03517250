// routing/door.c, tables.c, route_file.c, fuse.c, seat.c: who answers, by the route's file as it is and as it changes.

#include "routed_model.h"
#include "version_folder.h"

#include "routing/routed.h"

#include <sys/stat.h>
#include <unistd.h>

#define BROKEN "adclick_route_broken_total"

static int asked(const char* user) {
    Request request = asked_of(user);
    int release = answered_by(&request);
    forget_answer(&request);
    return release;
}

static void finish(void) {
    unload_routed();
    remove_store();
}

static void rest_ms(int ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL); }

TEST(without_the_variable_nothing_is_routed) {
    make_store();
    unsetenv("ADCLICK_ROUTE");
    PUT_ROUTE(.champion = 8, .challenger = -1);
    load_routed();
    rest_ms(250);
    CHECK_NUMBER(asked("somebody"), 7);
    unload_routed();
    CHECK(routed_counted("adclick_routed_total", "arm=none") == 0 && events_with("opened") == 0);
    CHECK(records_with(ANSWERED, NO_EXPERIMENT, 7) == 1);
    remove_store();
}

TEST(without_a_file_the_release_that_was_loaded_answers_until_there_is_one) {
    make_store();
    load_routed();
    rest_ms(250);
    CHECK_NUMBER(asked("somebody"), 7);
    CHECK_NUMBER(routed_counted(BROKEN, ""), 0);
    wait_for_route(PUT_ROUTE(.champion = 8, .challenger = -1), false);
    CHECK_NUMBER(asked("somebody"), 8);
    wait_for_route(PUT_ROUTE(.champion = 7, .challenger = -1), false);
    CHECK_NUMBER(asked("somebody"), 7);
    unload_routed();
    CHECK(events_with("\"event\": \"opened\"") == 2 && events_with("\"event\": \"closed\"") >= 1);
    CHECK(events_with("\"champion\": 8, \"challenger\": 0, \"mode\": \"off\"") == 1);
    CHECK_NUMBER(routed_counted("adclick_routed_total", "arm=none"), 2);
    remove_store();
}

TEST(the_route_is_in_force_before_the_first_request) {
    make_store();
    PUT_ROUTE(.champion = 8, .challenger = -1);
    load_routed();
    CHECK_NUMBER(asked("somebody"), 8);
    finish();
}

TEST(a_broken_file_keeps_the_route_before_and_is_counted_once) {
    make_store();
    Route route = PUT_ROUTE(.share = "100");
    load_routed();
    wait_for_route(route, true);
    write_route("format 1\nchampion 7\nmode off\n");
    WAIT_FOR(routed_counted(BROKEN, "") == 1);
    CHECK(was_logged("is not in force, the one before goes on: line 4: expected 'end', and nothing behind it, got ''"));
    rest_ms(300);
    CHECK(routed_counted(BROKEN, "") == 1 && asked("somebody") == 8);
    write_route("\xff\n");
    WAIT_FOR(routed_counted(BROKEN, "") == 2);
    char path[300], large[5000];
    memset(large, 'x', sizeof large), large[sizeof large - 1] = 0;
    write_route(large);
    WAIT_FOR(was_logged("a route has at most 4096 bytes"));
    snprintf(path, sizeof path, "%s/route", store);
    CHECK(!unlink(path));
    CHECK(routed_counted(BROKEN, "") == 3 && asked("somebody") == 8);
    CHECK(!mkdir(path, 0700));
    WAIT_FOR(routed_counted(BROKEN, "") == 4);
    CHECK(was_logged("Is a directory") && !rmdir(path));
    unload_routed();
    CHECK_NUMBER(events_with("\"event\": \"broken_route\""), 4);
    remove_store();
}

TEST(a_champion_that_cannot_be_opened_leaves_the_route_before) {
    make_store();
    load_routed();
    PUT_ROUTE(.champion = 12, .challenger = -1);
    WAIT_FOR(routed_counted(BROKEN, "") == 1);
    CHECK(was_logged("release 12 cannot be opened: package.json is missing; export the model again"));
    rest_ms(250);
    CHECK(routed_counted(BROKEN, "") == 1 && asked("somebody") == 7);
    wait_for_route(PUT_ROUTE(.champion = 8, .challenger = -1), false);
    PUT_ROUTE(.champion = 12, .challenger = 9);
    WAIT_FOR(routed_counted(BROKEN, "") == 2);
    CHECK_NUMBER(asked("somebody"), 8);
    finish();
}

TEST(a_challenger_that_cannot_be_opened_is_left_out_and_said_once) {
    make_store();
    load_routed();
    Route route = PUT_ROUTE(.champion = 8, .challenger = 12);
    wait_for_route(route, false);
    CHECK(was_logged("release 12 cannot be opened") && asked("somebody") == 8);
    rest_ms(250);
    CHECK_NUMBER(routed_counted(BROKEN, ""), 1);
    char text[4096];
    strcpy(text, NATIVE_TEXT), memcpy(strstr(text, "max_rows 64"), "max_rows 32", 11);
    change_release(9, text, "{}");
    route = PUT_ROUTE(.champion = 8, .challenger = 9);
    wait_for_route(route, false);
    CHECK(was_logged("release 9 cannot be opened: it takes fewer rows a request than the release that is loaded"));
    CHECK(asked("somebody") == 8 && routed_counted(BROKEN, "") == 2);
    char folder[300], name[212];
    memset(name, 'x', sizeof name), name[sizeof name - 1] = 0;
    snprintf(folder, sizeof folder, "%s/models/9", store);
    write_text(folder, name, "");
    PUT_ROUTE(.champion = 8, .challenger = 9, .salt = "fedcba9876543210");
    WAIT_FOR(routed_counted(BROKEN, "") == 3);
    unload_routed();
    CHECK(events_with("\"event\": \"broken_route\"") == 3 && events_with("xx\"}") == 1);  // cut, and JSON all the same
    remove_store();
}

TEST(a_challenger_takes_part_when_its_careful_model_is_ready) {
    make_store();
    careful_is_ready = false;
    Route route = PUT_ROUTE(.share = "100");
    load_routed();
    wait_for_route(route, false);
    CHECK_NUMBER(asked("somebody"), 7);
    rest_ms(250);
    CHECK(asked("somebody") == 7 && routed_counted(BROKEN, "") == 0);
    careful_is_ready = true;
    wait_for_route(route, true);
    CHECK_NUMBER(asked("somebody"), 8);
    unload_routed();
    CHECK_NUMBER(events_with("\"challenger\": 0, \"mode\": \"canary\""), 1);
    CHECK_NUMBER(events_with("\"challenger\": 8, \"mode\": \"canary\""), 1);
    CHECK_NUMBER(records_with(ANSWERED, NO_EXPERIMENT, 7), 2);
    remove_store();
}

TEST(while_a_challenger_is_not_ready_a_broken_file_is_counted_once_and_it_comes_all_the_same) {
    make_store();
    careful_is_ready = false;
    Route route = PUT_ROUTE(.share = "100");
    load_routed();
    wait_for_route(route, false);
    write_route("format 2\n");
    WAIT_FOR(routed_counted(BROKEN, "") == 1);
    rest_ms(350);
    CHECK_NUMBER(routed_counted(BROKEN, ""), 1);
    PUT_ROUTE(.champion = 12, .challenger = -1);
    WAIT_FOR(routed_counted(BROKEN, "") == 2);
    rest_ms(350);
    CHECK_NUMBER(routed_counted(BROKEN, ""), 2);
    careful_is_ready = true;
    wait_for_route(route, true);
    CHECK_NUMBER(asked("somebody"), 8);
    finish();
}

TEST(a_challenger_lapses_and_is_renewed_by_a_later_line) {
    make_store();
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    Route route = PUT_ROUTE(.share = "100", .valid_until_ms = now_ms + 2500);
    load_routed();
    wait_for_route(route, true);
    CHECK_NUMBER(asked("somebody"), 8);
    wait_for_route(route, false);
    CHECK(asked("somebody") == 7 && !has_fuse(route, ""));
    Route renewed = PUT_ROUTE(.share = "100", .valid_until_ms = now_ms + 600000);
    CHECK(renewed.digest == route.digest);
    wait_for_route(route, true);
    CHECK_NUMBER(asked("somebody"), 8);
    unload_routed();
    CHECK(events_with("\"event\": \"lapsed\"") == 1 && events_with("\"event\": \"renewed\"") == 1);
    CHECK(events_with("\"challenger\": 8, \"mode\"") == 1 && records_with(ANSWERED, NO_EXPERIMENT, 7) == 1);
    remove_store();
}

TEST(a_route_that_was_over_before_the_start_has_no_experiment) {
    make_store();
    Route route = PUT_ROUTE(.share = "100", .valid_until_ms = 1000);
    load_routed();
    wait_for_route(route, false);
    WAIT_FOR(was_logged("is in force: champion 7, challenger 8 (open)"));
    CHECK_NUMBER(asked("somebody"), 7);
    finish();
}

static void write_fuse(Route route) {
    char folder[300], path[400];
    snprintf(folder, sizeof folder, "%s/fuses", store);
    mkdir(folder, 0700);
    snprintf(path, sizeof path, "%s/%016llx.json", folder, (unsigned long long)route.digest);
    FILE* file = fopen(path, "w");
    CHECK(file && fputs("{\"reason\": \"crash\"}", file) > 0 && !fclose(file));
}

TEST(a_fuse_that_is_there_keeps_the_challenger_off) {
    make_store();
    Route route = PUT_ROUTE(.share = "100"), other;
    write_fuse(route);
    load_routed();
    wait_for_route(route, false);
    WAIT_FOR(was_logged("is in force"));
    CHECK_NUMBER(asked("somebody"), 7);
    other = PUT_ROUTE(.share = "100", .salt = "fedcba9876543210");  // of another rollout it says nothing
    wait_for_route(other, true);
    CHECK_NUMBER(asked("somebody"), 8);
    write_fuse(other);
    wait_for_route(other, false);
    CHECK(was_logged("the fuse of the route in force is blown") && asked("somebody") == 7);
    CHECK(has_fuse(other, "{\"reason\": \"crash\"}"));  // as somebody else wrote it
    unload_routed();
    CHECK(routed_counted("adclick_guard_trips_total", "guard=hang") == 0 && events_with("\"event\": \"fuse\"") == 0);
    remove_store();
}

// One that ends badly blows its fuse; what came of it then, is not what becomes of its release.
static Route blow(void) {
    Route route = PUT_ROUTE(.share = "100");
    wait_for_route(route, true);
    eight->p_click = 2;
    CHECK_NUMBER(asked("somebody"), 7);
    wait_for_route(route, false);
    CHECK(has_fuse(route, "non_finite"));
    eight->p_click = 0.5f;
    return route;
}

TEST(a_release_whose_fuse_blew_may_be_champion_or_be_tried_again) {
    make_store();
    load_routed();
    Route route = blow();
    wait_for_route(route, false);
    Route again = PUT_ROUTE(.share = "100", .salt = "fedcba9876543210");
    wait_for_route(again, true);
    rest_ms(1300);  // the table before is given up meanwhile
    for (int i = 0; i < 30; i++) CHECK_NUMBER(asked("somebody"), 8);
    CHECK(!has_fuse(again, ""));
    wait_for_route(PUT_ROUTE(.champion = 8, .challenger = -1), false);
    rest_ms(300);
    CHECK_NUMBER(asked("somebody"), 8);
    finish();
}

TEST(a_challenger_that_hangs_is_ended_and_opened_anew_when_it_is_tried_again) {
    make_store();
    load_routed();
    Route route = PUT_ROUTE(.share = "100", .timeout_ms = 20);
    wait_for_route(route, true);
    eight->does = HANGS_UNTIL_TERMINATED;
    Request requests[6];
    for (int i = 0; i < 6; i++) requests[i] = a_row_of("somebody");
    execute(requests, 6);
    await_all(requests, 6);
    for (int i = 0; i < 6; i++) CHECK_NUMBER(answered_by(&requests[i]), 7);
    WAIT_FOR(has_fuse(route, "\"reason\": \"hang\""));
    WAIT_FOR(eight->ended == eight->calls);  // though its route is still in force: it would take the processor from the champion
    forget_answers(requests, 6);
    wait_for_route(PUT_ROUTE(.challenger = -1), false);
    eight->does = GIVES_ANSWERS;
    rest_ms(300);
    eight->does = HANGS_UNTIL_TERMINATED;
    Route again = PUT_ROUTE(.share = "100", .salt = "fedcba9876543210");
    wait_for_route(again, true);
    eight->does = GIVES_ANSWERS;
    CHECK_NUMBER(asked("somebody"), 8);
    finish();
}

TEST(a_model_is_unloaded_while_a_challenger_hangs) {
    make_store();
    load_routed();
    Route route = PUT_ROUTE(.share = "100", .timeout_ms = 20);
    wait_for_route(route, true);
    eight->does = HANGS_UNTIL_TERMINATED;
    CHECK_NUMBER(asked("somebody"), 7);
    finish();
}

TEST(routes_that_come_one_after_the_other_leave_no_request_behind) {
    enum { ASKED = 400, TOGETHER = 8 };
    static Request requests[ASKED];
    static const Said SAID[] = {{.share = "50"},
                                {.challenger = -1},
                                {.champion = 8, .challenger = 7},
                                {.champion = 8, .challenger = -1},
                                {.champion = 9, .challenger = 8, .share = "30", .shadow = "100"}};
    make_store();
    eight->slow_ms = 2;
    load_routed();
    char user[24];
    for (int i = 0; i < ASKED; i += TOGETHER) {
        if (i % 40 == 0) put_route(SAID[i / 40 % 5]);
        for (int k = i; k < i + TOGETHER; k++) snprintf(user, sizeof user, "user %d", k), requests[k] = a_row_of(user);
        execute(requests + i, TOGETHER);
        rest_ms(12);
    }
    await_all(requests, ASKED);
    for (int i = 0; i < ASKED; i++) CHECK(answered_by(&requests[i]));
    forget_answers(requests, ASKED);
    unload_routed();
    CHECK_NUMBER(routed_counted(BROKEN, ""), 0);
    remove_store();
}
