// journal/: what frames are made of: checksums, numbers, ids; and how the environment says that a journal is kept.

#include "check.h"

#include "journal/bytes.h"
#include "journal/clock.h"
#include "journal/crc32.h"
#include "journal/options.h"
#include "journal/prediction_id.h"

TEST(the_checksum_is_that_of_zlib_whatever_the_pieces) {
    char bytes[100];
    CHECK_NUMBER(crc32_of(0, "123456789", 9), 0xCBF43926u);
    CHECK_NUMBER(crc32_of(0, "", 0), 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 37);
    uint32_t whole = crc32_of(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++)
        CHECK_NUMBER(crc32_of(crc32_of(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

// Bit by bit, as the polynomial says.
static uint32_t slow_crc(const char* bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

TEST(the_checksum_is_the_same_for_every_size_and_place) {
    enum { MOST = 400 };
    char bytes[MOST + 3];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * i * 37 + 11);
    for (size_t size = 0; size <= MOST; size++)
        for (size_t place = 0; place < 3; place++) CHECK_NUMBER(crc32_of(0, bytes + place, size), slow_crc(bytes + place, size));
}

TEST(numbers_have_seven_bits_a_byte) {
    char at[LONGEST_NUMBER];
    CHECK_NUMBER(put_number(at, 127) - at, 1);
    CHECK(put_number(at, 300) - at == 2 && at[0] == '\xAC' && at[1] == 2);
    CHECK_NUMBER(put_number(at, UINT64_MAX) - at, LONGEST_NUMBER);
}

TEST(ids_grow_though_the_clock_jumps_back_and_no_two_writers_share_one) {
    IdSource one, other;
    unsigned char before[ID_BYTES] = {0}, id[ID_BYTES];
    char text[ID_TEXT + 1], later[ID_TEXT + 1];
    CHECK(draw_writer(&one) && draw_writer(&other) && one.writer >> 2 != other.writer >> 2);
    static const int64_t TIMES[] = {1000000000000000000, 1000000000000000000, 1000000000000000100, 5, -3, 1000000001000000000};
    for (size_t i = 0; i < sizeof TIMES / sizeof *TIMES; i++) {
        next_id(&one, TIMES[i], id);
        CHECK(memcmp(before, id, ID_BYTES) < 0 && id[6] >> 4 == 7 && id[8] >> 6 == 2);
        spell_id(before, text), spell_id(id, later);
        CHECK(strcmp(text, later) < 0 && strlen(later) == ID_TEXT && later[8] == '-' && later[14] == '7');
        memcpy(before, id, ID_BYTES);
    }
    next_id(&other, 1234567890123000000, id);
    spell_id(id, text);
    CHECK(!strncmp(text, "011f71fb-04cb-7000-", 19));  // 1,234,567,890,123 ms
}

TEST(the_clock_is_the_machines_or_a_simulated_one_that_is_a_function_of_it) {
    Clock machine, fast, late;
    CHECK_NOTHING_SAID(read_clock(NULL, &machine));
    int64_t from_ns = unix_ns(&machine);
    CHECK(from_ns > 1700000000000000000);
    char text[100];
    snprintf(text, sizeof text, "1000000000000000000 %lld 1000000", (long long)from_ns);
    CHECK_NOTHING_SAID(read_clock(text, &fast));
    int64_t before_ns = unix_ns(&machine), simulated_ns = unix_ns(&fast), after_ns = unix_ns(&machine);
    CHECK(simulated_ns >= 1000000000000000000 + (before_ns - from_ns) * 1000000);
    CHECK(simulated_ns <= 1000000000000000000 + (after_ns - from_ns) * 1000000);
    CHECK_NOTHING_SAID(read_clock("9000000000000000000 0 10000000", &late));
    CHECK_NUMBER(unix_ns(&late), 9000000000000000000);
    static const char* const BAD[] = {"", "1 2", "1 2 0", "1 2 3 4", "x 2 3", "-1 2 3", "1 2 10000001", "1 2 3 "};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) CHECK_SAYS(read_clock(BAD[i], &fast), "is not understood");
}

TEST(the_environment_says_how_it_is_kept) {
    JournalOptions options;
    CHECK_NOTHING_SAID(read_options("67108864 60.5 1000 refuse /a folder/of its own", &options));
    CHECK(options.segment_bytes == 67108864 && options.segment_s == 60.5 && options.sync_ms == 1000 && options.refuses);
    CHECK(!strcmp(options.folder, "/a folder/of its own"));
    CHECK_NOTHING_SAID(read_options("1 1e-3 0 answer /x", &options));
    CHECK(!options.refuses && !options.sync_ms);
    static const char* const BAD[] = {"",
                                      "1",
                                      "0 1 0 answer /x",
                                      "1 0 0 answer /x",
                                      "1 1 -1 answer /x",
                                      "1 1 0 perhaps /x",
                                      "1 1 0 answer",
                                      "1 1 0 answer ",
                                      "x 1 0 answer /x"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) CHECK_SAYS(read_options(BAD[i], &options), "is not understood");
    char long_folder[FOLDER_SIZE + 32] = "1 1 0 answer ";
    memset(long_folder + 13, 'x', FOLDER_SIZE);
    CHECK_SAYS(read_options(long_folder, &options), "is not understood");
}
