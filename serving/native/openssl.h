// What the backend uses of OpenSSL's libcrypto, which Triton's program is linked to: its HTTP and gRPC front ends need it. So it
// is there wherever this backend can be loaded, and it has the fastest code for whatever processor that is.

#pragma once

#include <stddef.h>

#define SHA256_BYTES 32

typedef struct evp_md_ctx_st EVP_MD_CTX;

// A digest in the making; the caller frees it. NULL if there is no memory.
EVP_MD_CTX* EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX* context);
// Each returns 1, or 0 if it failed. `digest` is [SHA256_BYTES].
int EVP_DigestInit_ex(EVP_MD_CTX* context, const void* algorithm, void* engine);
int EVP_DigestUpdate(EVP_MD_CTX* context, const void* data, size_t bytes);
int EVP_DigestFinal_ex(EVP_MD_CTX* context, unsigned char* digest, unsigned int* bytes);
const void* EVP_sha256(void);
int EVP_Digest(const void* data, size_t count, unsigned char* digest, unsigned int* bytes, const void* algorithm, void* engine);

#define HMAC_KEY_BYTES 256  // the longest key of ours

typedef struct hmac_ctx_st HMAC_CTX;

// A keyed digest in the making; the caller frees it. NULL if there is no memory.
HMAC_CTX* HMAC_CTX_new(void);
void HMAC_CTX_free(HMAC_CTX* context);
// Each returns 1, or 0 if it failed. No key and no algorithm: those of the digest before. `digest` is [SHA256_BYTES].
int HMAC_Init_ex(HMAC_CTX* context, const void* key, int bytes, const void* algorithm, void* engine);
int HMAC_Update(HMAC_CTX* context, const unsigned char* data, size_t bytes);
int HMAC_Final(HMAC_CTX* context, unsigned char* digest, unsigned int* bytes);
