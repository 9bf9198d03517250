// SHA-256 as FIPS 180-4 defines it.

#pragma once

#include <stdbool.h>

#define SHA256_HEX 65  // 64 hexadecimal digits and a NUL

// The digest of a file's content; false if it cannot be read.
bool sha256_file(const char* path, char hex[SHA256_HEX]);
