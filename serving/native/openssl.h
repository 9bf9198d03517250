// What the backend uses of OpenSSL's libcrypto, which Triton's program is linked to: its HTTP and gRPC front ends need it. So it
// is there wherever this backend can be loaded, and it has the fastest code for whatever processor that is.

#pragma once

#include <stddef.h>

#define SHA256_BYTES 32

// The digest of `data`, written to `digest` [SHA256_BYTES]; returns `digest`.
unsigned char* SHA256(const unsigned char* data, size_t bytes, unsigned char* digest);
