#include "pseudonym.h"

#include "../openssl.h"

#include <limits.h>

static const char DIGITS[] = "0123456789abcdef";

Pseudonyms* open_pseudonyms(const char* key, size_t bytes) {
    HMAC_CTX* context = bytes && bytes <= INT_MAX ? HMAC_CTX_new() : NULL;
    if (context && HMAC_Init_ex(context, key, (int)bytes, EVP_sha256(), NULL)) return context;
    HMAC_CTX_free(context);
    return NULL;
}

void close_pseudonyms(Pseudonyms* pseudonyms) { HMAC_CTX_free(pseudonyms); }

bool put_pseudonym(Pseudonyms* pseudonyms, const char* text, size_t bytes, char out[PSEUDONYM]) {
    unsigned char digest[SHA256_BYTES];
    if (!HMAC_Init_ex(pseudonyms, NULL, 0, NULL, NULL)) return false;
    if (!HMAC_Update(pseudonyms, (const unsigned char*)text, bytes)) return false;
    if (!HMAC_Final(pseudonyms, digest, NULL)) return false;
    for (int i = 0; i < PSEUDONYM / 2; i++) {
        *out++ = DIGITS[digest[i] >> 4];
        *out++ = DIGITS[digest[i] & 15];
    }
    return true;
}
