// journal/: when a segment ends, and what becomes of it and its rows.

#include "journalled_model.h"

#include <dirent.h>
#include <unistd.h>

TEST(nothing_is_written_while_the_folder_is_marked_as_full) {
    char payload[4096], path[700];
    load("1000000 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    ask(&plain);
    snprintf(path, sizeof path, "%s/full", kept);
    write_text(kept, "full", "");
    for (int i = 0; i < 3; i++) rest();
    ask(&plain), ask(&plain);
    CHECK_SAYS(logged, "the journal cannot be written: its folder holds as much as it may (serving.journal.max_gib); answers go");
    CHECK(plain.code == NO_ERROR && count_frames(FRAME_ANSWERS, payload) == 1);
    CHECK(!unlink(path));
    for (int i = 0; i < 3; i++) rest();
    ask(&plain);
    CHECK(count_frames(FRAME_ANSWERS, payload) == 2 && count_frames(FRAME_LOSS, payload) == 1 && payload[0] == 2);
    forget_answer(&plain);
    let_go();
    CHECK(counted_of("adclick_journal_lost_total", "requests") == 2);
    forget();
}

TEST(what_is_written_has_the_time_of_the_simulated_clock) {
    char payload[4096];
    int64_t answered_ns;
    CHECK(!setenv("ADCLICK_CLOCK", "1000000000000000000 0 1", 1));
    load("1000000 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    ask(&plain);
    CHECK_NUMBER(count_frames(FRAME_ANSWERS, payload), 1);
    memcpy(&answered_ns, payload + 16, sizeof answered_ns);
    CHECK(answered_ns > 2700000000000000000);  // from 2001 on, as long again as since 1970
    forget_answer(&plain);
    let_go();
    forget();
    CHECK(!setenv("ADCLICK_CLOCK", "soon", 1));
    load_with("1000000 60 0 answer %s");
    Error* error = TRITONBACKEND_ModelInitialize(&model);
    CHECK(error);
    CHECK_SAYS(TRITONSERVER_ErrorMessage(error), "ADCLICK_CLOCK is not understood: expected 'START_NS FROM_NS RATE'");
    TRITONSERVER_ErrorDelete(error);
    unsetenv("ADCLICK_CLOCK"), unsetenv("ADCLICK_JOURNAL");
    forget();
}

TEST(a_segment_that_is_removed_takes_its_rows_along_and_they_are_counted) {
    char payload[4096], path[700];
    load("1000000 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    ask(&plain), ask(&plain);
    snprintf(path, sizeof path, "%s/segments", kept);
    DIR* folder = opendir(path);
    for (struct dirent* entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') CHECK(!unlinkat(dirfd(folder), entry->d_name, 0));
    closedir(folder);
    for (int i = 0; i < 100 && counted_of("adclick_journal_lost_total", "rows") < 2; i++) rest();
    ask(&plain);
    CHECK(count_frames(FRAME_ANSWERS, payload) == 1 && count_frames(FRAME_LOSS, payload) == 1 && payload[0] == 2);
    forget_answer(&plain);
    let_go();
    CHECK(counted_of("adclick_journal_lost_total", "rows") == 2 && counted_of("adclick_journal_total", "rows") == 3);
    forget();
}

TEST(segments_end_when_they_are_large_or_old) {
    char payload[4096];
    load("400 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    for (int i = 0; i < 5; i++) ask(&plain);
    CHECK(count_frames(FRAME_OPENED, payload) > 1 && count_frames(FRAME_ANSWERS, payload) == 5);
    let_go();
    forget();
    load("1000000 0.05 0 answer %s");
    ask(&plain);
    for (int i = 0; i < 100 && !count_frames(FRAME_CLOSED, payload); i++) rest();  // nobody asks, and it ends
    CHECK_NUMBER(count_frames(FRAME_CLOSED, payload), 1);
    forget_answer(&plain);
    let_go();
    forget();
}
