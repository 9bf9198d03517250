// Any bytes as the tensor of a request's keys, and as what the environment says of the journal: taken as they have to be, or not
// at all.

#include "fuzz.h"

#include "fake_triton.h"
#include "journal/options.h"
#include "request/sent.h"

static void try_keys(const uint8_t* data, size_t size) {
    if (size < 4) return;
    size_t rows = data[0] % 8 + 1u, cut = data[1], before = data[2] % 3;
    data += 4, size -= 4;
    if (cut > size) cut = size;
    Input input = {.name = "key", .type = TYPE_BYTES, .pieces = {data, data + cut}, .piece_bytes = {cut, size - cut}};
    input.pieces_count = 2;
    Bytes keys = {0};
    Sent sent = {0};
    add_bytes(&keys, "abc", before);
    bool taken = append_keys(&keys, &input, 2, size, rows, &sent);
    CHECK(!keys.failed && keys.size == before + (taken ? size : 0));
    if (taken) {
        size_t at = sent.keys, count = 0;
        CHECK(at == before && sent.keys_end == keys.size);
        for (uint32_t length; at < sent.keys_end; at += PREFIX + length, count++) {
            CHECK(sent.keys_end - at >= PREFIX);
            memcpy(&length, keys.at + at, PREFIX);
            CHECK(length <= LONGEST_KEY && length <= sent.keys_end - at - PREFIX);
            CHECK(is_utf8((unsigned char*)keys.at + at + PREFIX, length));
        }
        CHECK_NUMBER(count, rows);
    }
    free_bytes(&keys);
}

static void try_options(const uint8_t* data, size_t size) {
    char* text = a_block(size + 1);
    memcpy(text, data, size);
    JournalOptions options;
    if (!read_options(text, &options)) {
        CHECK(options.segment_bytes && options.segment_s > 0 && strlen(options.folder) && strlen(options.folder) < FOLDER_SIZE);
        CHECK(!strcmp(text + strlen(text) - strlen(options.folder), options.folder));
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (!size) return 0;
    (data[0] & 1 ? try_keys : try_options)(data + 1, size - 1);
    return 0;
}
