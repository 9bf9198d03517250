// journal/: what is written of batches that a model answers, on a disk that takes it and on others.

#include "fake_ort.h"
#include "journalled.h"
#include "version_folder.h"

#include "journal/frame.h"
#include "journal/prediction_id.h"
#include "journal/processor.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(what_is_answered_is_written_before_with_the_id_that_the_client_gets) {
    char payload[4096], id[ID_TEXT + 1], kind[PROCESSOR_SIZE];
    load("1000000 60 5 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    int64_t ms = 1700000000000;
    plain.parameters[0] = (Given){"event_time_ms", PARAMETER_INT, &ms}, plain.parameters_count = 1;
    plain.inputs[2] = a_tensor("key", TYPE_BYTES, 1, "\3\0\0\0key", 7);
    plain.inputs_count = 3;
    ask(&plain);
    CHECK(plain.code == NO_ERROR && plain.sent_count == 3 && plain.sent[2].bytes == 4 + ID_TEXT);
    CHECK_NUMBER(count_frames(FRAME_OPENED, payload), 1);
    CHECK(strstr(payload, "\"schema\": " SCHEMA) && strstr(payload, "\"release\": 7") && strstr(payload, "\"1.2.3\""));
    describe_processor(kind);
    CHECK(strstr(payload, kind) && strstr(payload, "\"graph\": \""));
    CHECK_NUMBER(strspn(strstr(payload, "\"graph\": \"") + 10, "0123456789abcdef"), 64);
    CHECK_NUMBER(count_frames(FRAME_ANSWERS, payload), 1);
    CHECK(payload[0] == 10 && payload[4] == 1 && payload[8] == 1);  // sections, rows, requests
    const char* request = payload + 32 + 10 * 6;
    spell_id((const unsigned char*)request, id);
    CHECK(!memcmp(id, (char*)plain.sent[2].data + 4, ID_TEXT));
    CHECK(!memcmp(request + 16, "\1\0\0\0\7\0\0\0\0\0\4\0mine", 16));
    const char* rest = request + 28 + 4;
    int64_t event_ns;
    memcpy(&event_ns, rest, 8);
    CHECK(event_ns == ms * 1000000 && !memcmp(rest + 8, "\4key\1\0\1ac", 9));
    forget_answer(&plain);
    let_go();
    CHECK_NUMBER(count_frames(FRAME_CLOSED, payload), 1);
    CHECK(payload[0] == 1 && payload[8] == 1 && payload[16] == 1);
    CHECK(counted_of("adclick_journal_total", "rows") == 1 && counted_of("adclick_journal_lost_total", "rows") == 0);
    forget();
}

static void answer_075(InnerRequest* inner) {
    InnerRequest ends = *inner;
    ends.answered(an_answer(&ends, 0.75f, 7), 0, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
    ends.answered(NULL, RESPONSE_FINAL, ends.answered_user);
}

static void fail_inner(InnerRequest* inner) {
    InnerRequest ends = *inner;
    ends.answered(an_error(INTERNAL, "Stub process is not healthy."), RESPONSE_FINAL, ends.answered_user);
    ends.released(inner, RELEASE_ALL, ends.released_user);
}

TEST(what_another_model_answers_is_left_to_it_and_what_nobody_answers_is_noted) {
    char payload[4096];
    load("1000000 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14), other = one_row("\1\0\0\0\xff\0\0\0\0\1\0\0\0c", 14);
    on_infer = answer_075;
    ask(&other);
    CHECK_NUMBER(count_frames(FRAME_ANSWERS, payload), 0);
    Request* both[] = {&plain, &other};
    fake_ort.rows = 1;
    forget_answer(&other);
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, both, 2));
    CHECK(count_frames(FRAME_ANSWERS, payload) == 1 && payload[8] == 1);
    on_infer = fail_inner;
    ask(&other);
    CHECK_NUMBER(count_frames(FRAME_REFUSALS, payload), 1);
    CHECK(payload[8] == 22 && payload[16] == 1 && payload[20] == 7 && !memcmp(payload + 24, "\6\0\4\0failedmine", 14));
    fake_ort.id = -3;
    ask(&plain);
    CHECK(plain.code == INTERNAL && count_frames(FRAME_REFUSALS, payload) == 2);
    forget_answer(&plain), forget_answer(&other);
    let_go();
    forget();
}

// From now on no file of this process may grow beyond so many bytes: a write takes what fits, and the next fails.
static void limit_files(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    CHECK(!setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, RLIM_INFINITY}));
}

TEST(what_a_full_disk_takes_in_part_is_cut_off_and_counted_as_lost) {
    char payload[4096];
    load("1000000 60 0 answer %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    ask(&plain);
    limit_files(500);
    for (int i = 0; i < 20; i++) ask(&plain);
    CHECK_NUMBER(plain.code, NO_ERROR);
    CHECK_SAYS(logged, "the journal cannot be written: a segment cannot be written: File too large; answers go on without it");
    int written = count_frames(FRAME_ANSWERS, payload);
    CHECK(written >= 1 && written < 20);
    limit_files(RLIM_INFINITY);
    rest();
    ask(&plain);
    CHECK_SAYS(logged, "the journal is written again");
    CHECK_NUMBER(count_frames(FRAME_ANSWERS, payload), written + 1);
    CHECK_NUMBER(count_frames(FRAME_LOSS, payload), 1);
    CHECK(payload[0] == 21 - written && payload[8] == 21 - written);
    forget_answer(&plain);
    let_go();
    CHECK(counted_of("adclick_journal_total", "rows") == written + 1);
    CHECK(counted_of("adclick_journal_lost_total", "requests") == 21 - written);
    forget();
}

TEST(what_cannot_be_written_is_refused_if_that_is_wanted) {
    char payload[4096], path[700];
    load("1000000 60 0 refuse %s");
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    snprintf(path, sizeof path, "%s/segments", kept);
    CHECK(!rmdir(path));
    ask(&plain);
    CHECK_NUMBER(plain.code, UNAVAILABLE);
    CHECK_SAYS(plain.text, "the answer could not be written to the journal, and serving.journal.on_error is refuse");
    CHECK_SAYS(logged, "no file can be made in");
    CHECK(!mkdir(path, 0700));
    rest();
    ask(&plain);
    CHECK(plain.code == NO_ERROR && count_frames(FRAME_ANSWERS, payload) == 1 && !count_frames(FRAME_LOSS, payload));
    forget_answer(&plain);
    let_go();
    CHECK(counted("adclick_requests_total", "model=ctr,version=7,outcome=unwritten") == 1);
    CHECK(counted_of("adclick_journal_lost_total", "requests") == 0);
    forget();
}

TEST(a_release_without_a_schema_is_served_and_its_answers_are_lost) {
    load_with("1000000 60 0 answer %s");
    write_manifest(version, (const char*[]){"native.txt", "ctr_packed.onnx", NULL});
    char path[700];
    snprintf(path, sizeof path, "%s/journal.json", version);
    CHECK(!unlink(path));
    CHECK(!TRITONBACKEND_ModelInitialize(&model) && !TRITONBACKEND_ModelInstanceInitialize(&instance));
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    ask(&plain);
    CHECK_SAYS(logged, "this release was exported before there was a journal; export the model again");
    forget_answer(&plain);
    let_go();
    CHECK_NUMBER(counted_of("adclick_journal_lost_total", "rows"), 1);
    forget();
}

TEST(whatever_fails_every_request_is_answered_and_what_was_answered_is_written_or_lost) {
    char payload[4096];
    load("1000000 60 0 answer %s");
    int n = 0, answered = 0;
    for (bool failed = true; failed;) {
        Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
        on_infer = answer_075;
        fail_at(++n);
        Request* batch[] = {&plain};
        CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 1));
        failed = has_failed();
        fail_at(0);
        CHECK(plain.released == 1 && plain.reports == 1);
        answered += plain.code == NO_ERROR && *(float*)plain.sent[0].data == 0.25f;
        forget_answer(&plain);
        if (n % 8 == 0) rest();
    }
    let_go();
    double known = count_frames(FRAME_ANSWERS, payload) + counted_of("adclick_journal_lost_total", "rows");
    CHECK(n > 30 && answered >= 2 && known >= answered);
    forget();
}
