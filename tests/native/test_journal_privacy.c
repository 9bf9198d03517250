// journal/privacy.c, pseudonym.c, schema.c: which columns are not written as they came, and what is written instead.

#include "journalled.h"
#include "version_folder.h"

#include "journal/frame.h"
#include "journal/privacy.h"
#include "journal/schema.h"

#include <unistd.h>

#define A_SCHEMA                                                                                                       \
    "{\"declaration\": \"0\", \"categorical\": [{\"name\": \"site\", \"dtype\": \"string\"}, {\"name\": \"a]\\\"b\", " \
    "\"dtype\": \"int\"}], \"numeric\": [{\"name\": \"age\", \"dtype\": \"float\"}, {\"name\": \"name\", \"dtype\": "  \
    "\"int\"}], \"ids\": [\"a]\\\"b\", \"site\", \"creative_image\"], \"outputs\": [\"probability\"]}"

static char path[] = "/tmp/adclick-key-XXXXXX";

static void make_key(const char* content, size_t size) {
    strcpy(path + strlen(path) - 6, "XXXXXX");
    int file = mkstemp(path);
    CHECK(file >= 0 && write(file, content, size) == (ssize_t)size && !close(file));
}

static const char* read_told(const char* words, Privacy* privacy) {
    char text[1024];
    memset(privacy, 0, sizeof *privacy);
    snprintf(text, sizeof text, "%s %s", words, path);
    return read_privacy(text, A_SCHEMA, privacy);
}

TEST(a_pseudonym_is_half_of_an_hmac) {
    char out[PSEUDONYM];  // of RFC 4231, test case 2
    Pseudonyms* pseudonyms = open_pseudonyms("Jefe", 4);
    for (int i = 0; i < 2; i++) {
        CHECK(put_pseudonym(pseudonyms, "what do ya want for nothing?", 28, out));
        CHECK(!memcmp(out, "5bdcc146bf60754e6a042426089575c7", PSEUDONYM));
    }
    close_pseudonyms(pseudonyms), close_pseudonyms(NULL);
    CHECK(!open_pseudonyms("", 0));
}

TEST(columns_are_found_by_the_names_that_they_have_in_json) {
    CHECK_NUMBER(find_name(A_SCHEMA, "categorical", 4, 1, "site"), 0);
    CHECK_NUMBER(find_name(A_SCHEMA, "categorical", 4, 1, "a]\\\"b"), 1);
    CHECK_NUMBER(find_name(A_SCHEMA, "categorical", 4, 1, "string"), -1);  // a dtype, no name
    CHECK_NUMBER(find_name(A_SCHEMA, "categorical", 4, 1, "age"), -1);
    CHECK_NUMBER(find_name(A_SCHEMA, "numeric", 4, 1, "name"), 1);
    CHECK_NUMBER(find_name(A_SCHEMA, "ids", 1, 0, "creative_image"), 2);
    static const char* const CUT[] = {
        "", "{", "\"ids\": [", "\"ids\": [\"", "\"ids\": [\"\\", "\"ids\": [\"a", "\"ids\": [\"a\", \"sit"};
    for (size_t i = 0; i < sizeof CUT / sizeof *CUT; i++) CHECK_NUMBER(find_name(CUT[i], "ids", 1, 0, "site"), -1);
}

TEST(the_environment_says_what_is_hidden) {
    Privacy privacy;
    make_key("Jefe\n", 5);
    CHECK_NOTHING_SAID(
        read_told("keyed_hash 4 73697465 keyed_hash 615d5c2262 drop 616765 drop 63726561746976655f696d616765 drop", &privacy));
    CHECK(privacy.hides_text && privacy.text[0] == KEYED_HASH && privacy.text[1] == DROP);
    CHECK(privacy.hides_numbers && privacy.number[0] == DROP && privacy.number[1] == AS_IS);
    CHECK(privacy.hides_ids && privacy.id[0] == DROP && privacy.id[1] == KEYED_HASH && privacy.id[2] == DROP);
    CHECK(privacy.caller_key == KEYED_HASH && privacy.key_bytes == 4 && !memcmp(privacy.key, "Jefe", 4));
    CHECK_SAYS(privacy.told.at, ", \"columns\": {\"site\": \"keyed_hash\", \"a]\\\"b\": \"drop\", \"age\": \"drop\", ");
    CHECK_SAYS(privacy.told.at, "\"creative_image\": \"drop\"}, \"caller_key\": \"keyed_hash\", \"key_fingerprint\": \"");
    free_privacy(&privacy);
    CHECK(!privacy.key_bytes && !memcmp(privacy.key, "\0\0\0\0", 4));
    CHECK_NOTHING_SAID(read_privacy("drop 0 -", A_SCHEMA, &privacy));
    CHECK(privacy.caller_key == DROP && !privacy.hides_text && !privacy.hides_numbers && !privacy.hides_ids &&
          !privacy.key_bytes);
    CHECK(!strcmp(privacy.told.at, ", \"columns\": {}, \"caller_key\": \"drop\""));
    free_privacy(&privacy);
    CHECK(hidden_length(KEYED_HASH, 0) == 0 && hidden_length(KEYED_HASH, 7) == PSEUDONYM && hidden_length(DROP, 7) == 0);
    unlink(path);
}

TEST(what_is_not_understood_or_does_not_fit_the_release_is_told) {
    static const char* const BAD[][2] = {{"", "is not understood"},
                                         {"perhaps 0", "is not understood"},
                                         {"drop -1", "is not understood"},
                                         {"drop 1", "is not understood"},
                                         {"drop 1 73697465", "is not understood"},
                                         {"drop 1 736974 65", "is not understood"},
                                         {"drop 1 00 drop", "is not understood"},
                                         {"drop 1 7573 drop", "names 'us', and this release takes no such column"},
                                         {"drop 1 616765 keyed_hash", "'age' is not sent as text and cannot be a keyed_hash"},
                                         {"keyed_hash 0", "the journal's key cannot be read from"}};
    Privacy privacy;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        CHECK_SAYS(read_told(BAD[i][0], &privacy), BAD[i][1]);
        free_privacy(&privacy);
    }
    char large[SECRET_SIZE];
    memset(large, 'k', sizeof large);
    make_key(large, sizeof large);
    CHECK_SAYS(read_told("keyed_hash 0", &privacy), "holds no key of the journal: at most 255 bytes");
    free_privacy(&privacy), unlink(path);
    make_key("\n", 1);
    CHECK_SAYS(read_told("keyed_hash 0", &privacy), "holds no key of the journal: it is empty");
    free_privacy(&privacy), unlink(path);
}

TEST(what_is_hidden_is_not_written) {
    char payload[4096], told[800], key[700];
    schema =
        "{\"categorical\": [{\"name\": \"site\", \"dtype\": \"string\"}, {\"name\": \"b\", \"dtype\": \"string\"}, {\"name\": "
        "\"c\", \"dtype\": \"int\"}], \"numeric\": [{\"name\": \"age\", \"dtype\": \"int\"}], \"ids\": [\"site\"]}";
    load_with("1000000 60 5 answer %s");
    write_text(kept, "key", "Jefe\n");
    snprintf(key, sizeof key, "%s/key", kept);
    snprintf(told, sizeof told, "keyed_hash 3 73697465 keyed_hash 63 drop 616765 drop %s", key);
    CHECK(!setenv("ADCLICK_JOURNAL_PRIVACY", told, 1));
    CHECK(!TRITONBACKEND_ModelInitialize(&model) && !TRITONBACKEND_ModelInstanceInitialize(&instance));
    Request plain = one_row("\1\0\0\0a\0\0\0\0\1\0\0\0c", 14);
    plain.inputs[2] = a_tensor("key", TYPE_BYTES, 1, "\3\0\0\0key", 7), plain.inputs_count = 3;
    ask(&plain);
    CHECK(plain.code == NO_ERROR && count_frames(FRAME_OPENED, payload) == 1);
    CHECK_SAYS(payload,
               "\"columns\": {\"site\": \"keyed_hash\", \"c\": \"drop\", \"age\": \"drop\"}, \"caller_key\": \"keyed_hash\"");
    CHECK(count_frames(FRAME_ANSWERS, payload) == 1 && !strstr(payload, "Jefe"));
    const char* at = payload + 32 + 9 * 6 + 28 + 4;  // behind the request and its id: lengths, keys, lengths, text, numbers, ids
    CHECK(at[0] == 33 && !memcmp(at + 33, "\40\0\0", 3) && memcmp(at + 1, at + 36, PSEUDONYM));
    float numbers[2];
    memcpy(numbers, at + 68, sizeof numbers);
    CHECK(numbers[0] != numbers[0] && numbers[1] == 7 && at[76] == 0);
    forget_answer(&plain);
    let_go();
    unsetenv("ADCLICK_JOURNAL_PRIVACY");
    CHECK(!unlink(key));
    schema = SCHEMA;
    forget();
}
