#include "privacy.h"

#include "../words.h"
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };
#define NOT_UNDERSTOOD \
    PRIVACY_VARIABLE   \
    " is not understood: expected 'CALLER_KEY COUNT [NAME HIDING]... KEY_FILE'; start Triton as `make serve` does"

static _Thread_local char problem[PATH_SIZE + NAME_SIZE + 256];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

static const char* const WORDS[] = {[AS_IS] = "as_is", [DROP] = "drop", [KEYED_HASH] = "keyed_hash"};

static bool take_hiding(Words* words, Hiding* hiding) {
    for (*hiding = AS_IS; *hiding <= KEYED_HASH; (*hiding)++)
        if (take_key(words, WORDS[*hiding])) return true;
    return false;
}

// What is to become of the column in each of the lists that it is in.
static const char* hide(Privacy* privacy, const char* schema, const char* name, Hiding hiding) {
    int text = find_name(schema, "categorical", 4, 1, name), number = find_name(schema, "numeric", 4, 1, name);
    int id = find_name(schema, "ids", 1, 0, name);
    if (text >= MAX_COLUMNS || number >= MAX_COLUMNS || id > MAX_COLUMNS) return "journal.json has too many columns";
    if (text < 0 && number < 0 && id < 0)
        return PROBLEM("serving.journal.columns names '%s', and this release takes no such column; correct it in conf/serving",
                       name);
    if (text < 0 && hiding == KEYED_HASH)
        return PROBLEM("serving.journal.columns: '%s' is not sent as text and cannot be a keyed_hash; drop it", name);
    if (text >= 0) privacy->text[text] = (unsigned char)hiding, privacy->hides_text = true;
    if (number >= 0) privacy->number[number] = (unsigned char)hiding, privacy->hides_numbers = true;
    if (id >= 0) privacy->id[id] = (unsigned char)hiding, privacy->hides_ids = true;
    return NULL;
}

static const char* read_key(const char* path, Privacy* privacy) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return PROBLEM("the journal's key cannot be read from %s: %s", path, strerror(errno));
    ssize_t size = read(file, privacy->key, SECRET_SIZE);
    close(file);
    if (size < 0 || size == SECRET_SIZE)
        return PROBLEM("%s holds no key of the journal: at most %d bytes", path, SECRET_SIZE - 1);
    while (size && memchr(" \t\r\n", privacy->key[size - 1], 4)) size--;
    privacy->key_bytes = (size_t)size;
    return size ? NULL : PROBLEM("%s holds no key of the journal: it is empty", path);
}

static void tell(Privacy* privacy, const char* text) { add_bytes(&privacy->told, text, strlen(text)); }

static void tell_all(Privacy* privacy, const char* name, Hiding hiding, bool is_first) {
    tell(privacy, is_first ? "\"" : ", \"");
    tell(privacy, name);
    tell(privacy, "\": \"");
    tell(privacy, WORDS[hiding]);
    tell(privacy, "\"");
}

// The end of what is told: which key it was, as far as that may be known.
static const char* tell_key(Privacy* privacy) {
    char digits[PSEUDONYM];
    if (privacy->key_bytes) {
        Pseudonyms* pseudonyms = open_pseudonyms(privacy->key, privacy->key_bytes);
        bool is_made = pseudonyms && put_pseudonym(pseudonyms, FINGERPRINTED, strlen(FINGERPRINTED), digits);
        close_pseudonyms(pseudonyms);
        if (!is_made) return "no hash can be made of the journal's key";
        tell(privacy, ", \"key_fingerprint\": \"");
        add_bytes(&privacy->told, digits, FINGERPRINT);
        tell(privacy, "\"");
    }
    add_bytes(&privacy->told, "", 1);
    return privacy->told.failed ? "out of memory" : NULL;
}

const char* read_privacy(const char* text, const char* schema, Privacy* privacy) {
    Words words = {text, text + strlen(text)};
    int64_t count;
    char path[PATH_SIZE];
    if (!take_hiding(&words, &privacy->caller_key) || !take_whole(&words, 0, 3 * MAX_COLUMNS, &count)) return NOT_UNDERSTOOD;
    bool hashes = privacy->caller_key == KEYED_HASH;
    tell(privacy, ", \"columns\": {");
    for (int64_t i = 0; i < count; i++) {
        char name[6 * NAME_SIZE + 1];  // a character may be six in JSON
        size_t length;
        Hiding hiding;
        if (!take_bytes(&words, 1, sizeof name - 1, name, &length) || memchr(name, 0, length)) return NOT_UNDERSTOOD;
        name[length] = 0;
        if (!take_hiding(&words, &hiding)) return NOT_UNDERSTOOD;
        const char* failed = hide(privacy, schema, name, hiding);
        if (failed) return failed;
        hashes |= hiding == KEYED_HASH;
        tell_all(privacy, name, hiding, !i);
    }
    tell(privacy, "}, \"caller_key\": \"");
    tell(privacy, WORDS[privacy->caller_key]);
    tell(privacy, "\"");
    if (!take_rest(&words, sizeof path - 1, path)) return NOT_UNDERSTOOD;
    const char* failed = hashes ? read_key(path, privacy) : NULL;
    return failed ? failed : tell_key(privacy);
}

void free_privacy(Privacy* privacy) {
    free_bytes(&privacy->told);
    explicit_bzero(privacy, sizeof *privacy);  // no key is left in memory that somebody else gets
}
