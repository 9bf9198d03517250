// Which columns are not written as they came: what the server says in the environment variable ADCLICK_JOURNAL_PRIVACY
// (serving/journal/privacy.py).

#pragma once

#include "../settings.h"
#include "bytes.h"
#include "pseudonym.h"

#define PRIVACY_VARIABLE "ADCLICK_JOURNAL_PRIVACY"

enum { SECRET_SIZE = 256 };                       // bytes of the key's file, its end of line among them
typedef enum { AS_IS, DROP, KEYED_HASH } Hiding;  // a text that is dropped is empty, a number NaN

// Of a model's journal; all zeros: everything as it came. Columns are those of the two tensors and of the ids, in their order.
typedef struct {
    bool hides_text, hides_numbers, hides_ids;  // one of them
    unsigned char text[MAX_COLUMNS], number[MAX_COLUMNS], id[MAX_COLUMNS + 1];
    Hiding caller_key;
    char key[SECRET_SIZE];  // of the hashes
    size_t key_bytes;       // 0: there is none
    Bytes told;             // what segments say of it, as the end of the inside of a JSON object, with a NUL
} Privacy;

// `text` is "CALLER_KEY COUNT [NAME HIDING]*COUNT KEY_FILE": a NAME is that of a column as `schema`, the text of journal.json,
// writes it, in pairs of hexadecimal digits; KEY_FILE is - where nothing is hashed. NULL, or a sentence (kept until the next call
// of this thread). What it took, `free_privacy` frees, also after a failure.
const char* read_privacy(const char* text, const char* schema, Privacy* privacy);
void free_privacy(Privacy* privacy);

// Bytes of a text that has `length`, as it is written.
static inline uint32_t hidden_length(Hiding hiding, uint32_t length) {
    return hiding == AS_IS ? length : hiding == KEYED_HASH && length ? PSEUDONYM : 0;
}
