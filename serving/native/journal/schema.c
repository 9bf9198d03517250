#include "schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

// The end of the string whose first character is `at`: its closing quote, or the text's end.
static const char* string_end(const char* at) {
    for (; *at && *at != '"'; at++)
        if (*at == '\\' && at[1]) at++;
    return at;
}

int find_name(const char* schema, const char* list, size_t step, size_t place, const char* name) {
    char begin[64];  // cannot stand within a string: a quote is written \" there
    snprintf(begin, sizeof begin, "\"%s\": [", list);
    const char* at = strstr(schema, begin);
    if (!at) return -1;
    size_t strings = 0;
    for (at += strlen(begin); *at && *at != ']'; at++) {
        if (*at != '"') continue;
        const char* end = string_end(++at);
        if (strings % step == place && (size_t)(end - at) == strlen(name) && !memcmp(at, name, strlen(name)))
            return strings / step <= INT_MAX ? (int)(strings / step) : -1;
        if (!*end) return -1;
        strings++, at = end;
    }
    return -1;
}
