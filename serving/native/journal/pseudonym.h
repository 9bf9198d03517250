// What is written instead of a text that is to be a keyed hash: 32 hexadecimal digits, the first half of its HMAC-SHA256. The
// same text has the same pseudonym under the same key; serving/triton/journal/privacy.py makes the same.

#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { PSEUDONYM = 32 };                     // characters; there is no NUL behind them
enum { FINGERPRINT = 16 };                   // hexadecimal digits by which two keys can be told apart
#define FINGERPRINTED "adclick journal key"  // whose pseudonym begins with them

typedef struct hmac_ctx_st Pseudonyms;  // one thread's at a time

Pseudonyms* open_pseudonyms(const char* key, size_t bytes);  // NULL if there is no memory; closed by the caller
void close_pseudonyms(Pseudonyms* pseudonyms);               // NULL is none
bool put_pseudonym(Pseudonyms* pseudonyms, const char* text, size_t bytes, char out[PSEUDONYM]);
