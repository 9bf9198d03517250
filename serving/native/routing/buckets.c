#include "buckets.h"

#include "../openssl.h"
#include "route.h"

#include <string.h>

static uint32_t bucket_of(const unsigned char* eight) {
    uint64_t drawn = 0;
    for (int i = 0; i < 8; i++) drawn = drawn << 8 | eight[i];
    return (uint32_t)((unsigned __int128)drawn * BUCKETS >> 64);
}

bool find_buckets(const char* salt, const char* key, size_t bytes, KeyBuckets* buckets) {
    unsigned char digest[SHA256_BYTES];
    unsigned int size;
    EVP_MD_CTX* hash = EVP_MD_CTX_new();
    bool made = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) && EVP_DigestUpdate(hash, salt, strlen(salt) + 1) &&
                EVP_DigestUpdate(hash, key, bytes) && EVP_DigestFinal_ex(hash, digest, &size);
    EVP_MD_CTX_free(hash);
    if (made) *buckets = (KeyBuckets){.arm = bucket_of(digest), .shadow = bucket_of(digest + 8)};
    return made;
}
