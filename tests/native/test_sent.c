// request/sent.c: what a request may say beside its rows.

#include "fake_triton.h"

#include "request/sent.h"

static Sent sent;

static bool takes(const char* key, int type, const void* value) {
    Request request = a_request();
    request.id = "id";
    request.parameters[0] = (Given){key, type, value}, request.parameters_count = 1;
    return read_parameters(&request, "declared", &sent);
}

static bool takes_key(const char* key) { return takes("routing_key", PARAMETER_STRING, key); }

static bool takes_release(int64_t release) { return takes("release", PARAMETER_INT, &release); }

TEST(a_request_that_says_nothing_is_plain) {
    Request request = a_request();
    CHECK(read_parameters(&request, "declared", &sent));
    CHECK(!strcmp(sent.id, "") && sent.event_ns == NOT_SENT && !sent.routing_key && !sent.release && sent.keys == sent.keys_end);
    CHECK(takes("colour", PARAMETER_STRING, "red"));
}

TEST(routing_keys_are_texts_of_1_to_256_bytes) {
    char text[258];
    memset(text, 'k', sizeof text), text[256] = 0;
    CHECK(takes_key("user 1") && !strcmp(sent.routing_key, "user 1") && takes_key(text) && sent.routing_key == text);
    text[256] = 'k', text[257] = 0;
    CHECK(!takes_key(text) && !takes_key(""));
    CHECK(takes_key("\xc3\xbc") && !takes_key("\xc3") && !takes_key("\xff") && !takes_key("a\xed\xa0\x80"));
    int64_t number = 5;
    bool yes = true;
    CHECK(!takes("routing_key", PARAMETER_INT, &number) && !takes("routing_key", PARAMETER_BOOL, &yes));
}

TEST(releases_are_whole_numbers_from_1_on) {
    CHECK(takes_release(1) && sent.release == 1 && takes_release(INT64_MAX) && sent.release == INT64_MAX);
    CHECK(!takes_release(0) && !takes_release(-1) && !takes_release(INT64_MIN));
    double whole = 7;
    CHECK(!takes("release", PARAMETER_STRING, "7") && !takes("release", PARAMETER_DOUBLE, &whole));
}

TEST(event_times_are_those_of_64_bits_in_nanoseconds) {
    int64_t ms = 1700000000000, late = INT64_MAX / 1000000 + 1, early = -late;
    CHECK(takes("event_time_ms", PARAMETER_INT, &ms) && sent.event_ns == ms * 1000000);
    CHECK(!takes("event_time_ms", PARAMETER_INT, &late) && !takes("event_time_ms", PARAMETER_INT, &early));
    CHECK(!takes("event_time_ms", PARAMETER_STRING, "1700000000000"));
}
