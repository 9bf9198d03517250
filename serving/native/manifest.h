// `package.json` of a version folder: {"files": {"name": "sha-256", ...}}, as the export writes it.

#pragma once

#include "openssl.h"

#include <stdbool.h>
#include <stddef.h>

#define MANIFEST "package.json"
#define SHA256_HEX (2 * SHA256_BYTES)

// A listed file. Both strings lie in the manifest's text; neither ends with a NUL.
typedef struct {
    const char *name, *digest;  // `digest` has SHA256_HEX digits
    size_t name_bytes;
    bool seen;
} Listed;

typedef struct {
    Listed* files;
    size_t count, room;
} Manifest;

// NULL, or what is wrong with the text (a constant). `text` has to outlive the manifest, whose `files` the caller frees, also
// after an error. What JSON allows and the export never writes, such as an escape in a name, is refused too.
const char* parse_manifest(const char* text, size_t bytes, Manifest* manifest);

// NULL if the manifest does not list it.
Listed* find_listed(const Manifest* manifest, const char* name);
