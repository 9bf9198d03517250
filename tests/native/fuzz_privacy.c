// Any bytes as the environment's word on hidden columns, and as a journal.json: taken within their bounds, or not at all.

#include "check.h"
#include "fuzz.h"

#include "journal/privacy.h"

static const char SCHEMA[] =
    "{\"categorical\": [{\"name\": \"site\", \"dtype\": \"string\"}], \"numeric\": [{\"name\": \"age\", \"dtype\": \"float\"}], "
    "\"ids\": [\"site\", \"creative_image\"], \"outputs\": [\"probability\"]}";

static char* text_of(const uint8_t* data, size_t size) {
    char* text = a_block(size + 1);
    memcpy(text, data, size);
    return text;
}

static void hide(const char* text, const char* schema) {
    Privacy privacy = {0};
    if (!read_privacy(text, schema, &privacy)) {
        CHECK(privacy.caller_key <= KEYED_HASH && privacy.told.at && !privacy.told.at[privacy.told.size - 1]);
        CHECK(strlen(privacy.told.at) + 1 == privacy.told.size && privacy.key_bytes < SECRET_SIZE);
        for (size_t i = 0; i < MAX_COLUMNS; i++)
            CHECK(privacy.text[i] <= KEYED_HASH && privacy.number[i] <= DROP && privacy.id[i] <= KEYED_HASH);
    }
    free_privacy(&privacy);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (!size) return 0;
    char* text = text_of(data + 1, size - 1);
    if (data[0] & 1)
        hide(text, SCHEMA);
    else
        hide("drop 2 73697465 keyed_hash 616765 drop /dev/null", text);
    free(text);
    return 0;
}
