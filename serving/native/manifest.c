#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#define NOT_JSON "is not the list of files that the export writes"

typedef struct {
    const char *at, *end;
} Cursor;

static bool at_end(Cursor* cursor) {  // but for blanks, which it skips
    while (cursor->at < cursor->end && memchr(" \t\r\n", *cursor->at, 4)) cursor->at++;
    return cursor->at == cursor->end;
}

static bool take(Cursor* cursor, char expected) {
    if (at_end(cursor) || *cursor->at != expected) return false;
    cursor->at++;
    return true;
}

// A string without escapes.
static bool take_string(Cursor* cursor, const char** text, size_t* bytes) {
    if (!take(cursor, '"')) return false;
    *text = cursor->at;
    while (cursor->at < cursor->end && (unsigned char)*cursor->at >= ' ' && *cursor->at != '"' && *cursor->at != '\\')
        cursor->at++;
    *bytes = (size_t)(cursor->at - *text);
    return cursor->at < cursor->end && *cursor->at++ == '"';
}

static bool is_digest(const char* text, size_t bytes) {
    if (bytes != SHA256_HEX) return false;
    for (size_t i = 0; i < bytes; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f')) return false;
    return true;
}

static bool is_named(const Listed* file, const char* name, size_t bytes) {
    return file->name_bytes == bytes && !memcmp(file->name, name, bytes);
}

static bool make_room(Manifest* manifest) {
    if (manifest->count < manifest->room) return true;
    size_t room = manifest->room ? 2 * manifest->room : 64;
    Listed* files = realloc(manifest->files, room * sizeof *files);
    if (!files) return false;
    manifest->files = files, manifest->room = room;
    return true;
}

static const char* take_file(Cursor* cursor, Manifest* manifest) {
    Listed file = {0};
    size_t digest_bytes;
    if (!take_string(cursor, &file.name, &file.name_bytes) || !take(cursor, ':')) return NOT_JSON;
    if (!take_string(cursor, &file.digest, &digest_bytes)) return NOT_JSON;
    if (!is_digest(file.digest, digest_bytes)) return NOT_JSON;
    for (size_t i = 0; i < manifest->count; i++)
        if (is_named(&manifest->files[i], file.name, file.name_bytes)) return "lists a file twice";
    if (!make_room(manifest)) return "lists more files than there is memory for";
    manifest->files[manifest->count++] = file;
    return NULL;
}

const char* parse_manifest(const char* text, size_t bytes, Manifest* manifest) {
    Cursor cursor = {text, text + bytes};
    const char* key;
    size_t key_bytes;
    memset(manifest, 0, sizeof *manifest);
    if (!take(&cursor, '{') || !take_string(&cursor, &key, &key_bytes)) return NOT_JSON;
    if (key_bytes != 5 || memcmp(key, "files", 5) || !take(&cursor, ':') || !take(&cursor, '{')) return NOT_JSON;
    if (take(&cursor, '}')) return "lists no file";
    do {
        const char* wrong = take_file(&cursor, manifest);
        if (wrong) return wrong;
    } while (take(&cursor, ','));
    return take(&cursor, '}') && take(&cursor, '}') && at_end(&cursor) ? NULL : NOT_JSON;
}

Listed* find_listed(const Manifest* manifest, const char* name) {
    for (size_t i = 0; i < manifest->count; i++)
        if (is_named(&manifest->files[i], name, strlen(name))) return &manifest->files[i];
    return NULL;
}
