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

// The list's first character behind its bracket; NULL if there is no such list.
static const char* find_list(const char* schema, const char* list) {
    char begin[64];  // cannot stand within a string: a quote is written \" there
    snprintf(begin, sizeof begin, "\"%s\": [", list);
    const char* at = strstr(schema, begin);
    return at ? at + strlen(begin) : NULL;
}

// The next string of a list, and goes to its end; NULL if the list ends before.
static const char* next_string(const char** at, size_t* length) {
    for (; **at && **at != ']'; (*at)++) {
        if (**at != '"') continue;
        const char *start = *at + 1, *end = string_end(start);
        if (!*end) return NULL;
        *length = (size_t)(end - start), *at = end + 1;
        return start;
    }
    return NULL;
}

int find_name(const char* schema, const char* list, size_t step, size_t place, const char* name) {
    const char* at = find_list(schema, list);
    size_t length;
    for (size_t strings = 0; at; strings++) {
        const char* found = next_string(&at, &length);
        if (!found) return -1;
        if (strings % step == place && length == strlen(name) && !memcmp(found, name, length))
            return strings / step <= INT_MAX ? (int)(strings / step) : -1;
    }
    return -1;
}

bool name_at(const char* schema, const char* list, size_t step, size_t place, size_t i, char* name, size_t size) {
    const char* at = find_list(schema, list);
    size_t length;
    for (size_t strings = 0; at; strings++) {
        const char* found = next_string(&at, &length);
        if (!found) return false;
        if (strings != i * step + place) continue;
        if (length >= size) return false;
        memcpy(name, found, length), name[length] = 0;
        return true;
    }
    return false;
}
