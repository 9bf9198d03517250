// Where a routing key stands among all keys, by which its arm is chosen; contracts/serving/route.py computes the same.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Two numbers from 0 to BUCKETS - 1 of a key, always the same under a salt: by `arm` its arm is chosen, by `shadow` whether the
// other arm computes too. Neither says anything of the other.
typedef struct {
    uint32_t arm, shadow;
} KeyBuckets;

// False if libcrypto has no memory. Called from any thread.
bool find_buckets(const char* salt, const char* key, size_t bytes, KeyBuckets* buckets);
