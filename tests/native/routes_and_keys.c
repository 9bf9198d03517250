// Says of each line of its input, to be held against what Python says: "key SALT KEY", in hexadecimal digits, by two buckets;
// "route TEXT", the same, by the digest and what was read, or by "wrong".

#include "routing/buckets.h"
#include "routing/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 16384 };

static size_t take_bytes(const char* digits, char* bytes) {
    size_t count = 0;
    for (unsigned value; sscanf(digits, "%2x", &value) == 1; digits += 2) bytes[count++] = (char)value;
    bytes[count] = 0;
    return count;
}

static void tell_key(const char* salt, const char* digits) {
    char key[LONGEST];
    KeyBuckets buckets;
    if (!find_buckets(salt, key, take_bytes(digits, key), &buckets)) abort();
    printf("%" PRIu32 " %" PRIu32 "\n", buckets.arm, buckets.shadow);
}

static void tell_route(const char* digits) {
    char text[LONGEST];
    Route route;
    const char* wrong = read_route(text, take_bytes(digits, text), &route);
    if (wrong)
        printf("wrong\n");
    else
        printf("%016" PRIx64 " %" PRId64 " %" PRId64 " %s %" PRIu32 " %" PRIu32 " %" PRId64 "\n", route.digest, route.champion,
               route.challenger, mode_name(route.mode), route.share_ppm, route.shadow_ppm, route.valid_until_ms);
}

int main(void) {
    static char line[4 * LONGEST], salt[LONGEST], digits[2 * LONGEST];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "key %s %s", salt, digits) == 2)
            tell_key(salt, digits);
        else if (sscanf(line, "route %s", digits) == 1)
            tell_route(digits);
        else
            abort();
    }
    return 0;
}
