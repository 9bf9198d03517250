// The files of a released version: each is read once, and what is loaded is what was hashed.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// A file that is to be loaded. `bytes` [size] belong to the caller, who frees them; NULL before they are read.
typedef struct {
    const char* name;
    char* bytes;
    size_t size;
    bool is_optional;  // the version may be without it
    char digest[65];   // sha-256, once it is read
} Content;

// Read all files of the version folder and hold them against its manifest, `package.json`; of those that are wanted, keep what
// was read. NULL, or a sentence that names what is missing, changed or not listed (kept until the next call of this thread); then
// nothing is kept. Files that the manifest does not list are neither read nor loaded.
const char* read_package(const char* folder, Content* wanted, size_t count);
void free_contents(Content* wanted, size_t count);
