#include "layout.h"

#include "../journal/schema.h"
#include "../request/input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRINGS_OF_ENTRY = 4, NAME_AT = 1 };  // "name", its value, "dtype", its value

static _Thread_local char problem[NAME_SIZE + 256];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

// Places in `from` of the columns of one tensor of `to`; are they all where they are in `to`.
static const char* find_places(Columns from, Columns to, const char* list, uint32_t from_count, uint32_t count, int32_t* places,
                               bool* is_same) {
    *is_same = *is_same && from_count == count;
    for (uint32_t c = 0; c < count; c++) {
        char name[4 * NAME_SIZE];
        if (!name_at(to.schema, list, STRINGS_OF_ENTRY, NAME_AT, c, name, sizeof name)) return "its columns have no names";
        places[c] = find_name(from.schema, list, STRINGS_OF_ENTRY, NAME_AT, name);
        if (places[c] >= (int32_t)from_count) return "its columns have other names than it says";
        bool may_be_missing = *list == 'c' ? !to.settings->required[c] : to.settings->nullable[c];
        if (places[c] < 0 && !may_be_missing)
            return PROBLEM("column '%.200s' must not be missing, and requests do not have it", name);
        for (uint32_t before = 0; places[c] >= 0 && before < c; before++)
            if (places[before] == places[c]) return PROBLEM("it names column '%.200s' twice; export it again", name);
        *is_same = *is_same && places[c] == (int32_t)c;
    }
    return NULL;
}

const char* find_layout(Columns from, Columns to, Layout** layout) {
    *layout = NULL;
    if (!strcmp(from.settings->declaration, to.settings->declaration)) return NULL;
    if (!from.schema || !to.schema) return "it has another declaration and does not say its columns' names; export it again";
    Layout* found = malloc(sizeof *found);
    if (!found) return "out of memory";
    bool is_same = true;
    found->categorical = from.settings->categorical, found->numeric = from.settings->numeric;
    const char* wrong = find_places(from, to, "categorical", found->categorical, to.settings->categorical, found->text, &is_same);
    if (!wrong) wrong = find_places(from, to, "numeric", found->numeric, to.settings->numeric, found->number, &is_same);
    if (wrong || is_same) return free(found), wrong;
    return *layout = found, NULL;
}

size_t rearrange_text(const Layout* layout, const Settings* to, const char* from, size_t bytes, size_t rows, char* into) {
    const char *place[MAX_COLUMNS], *end = from + bytes;
    char* target = into;
    for (size_t row = 0; row < rows; row++) {
        uint32_t length;
        for (uint32_t c = 0; c < layout->categorical; c++) {
            place[c] = from;
            if ((size_t)(end - from) < PREFIX) return 0;
            memcpy(&length, from, PREFIX);
            from += PREFIX;
            if (length > (size_t)(end - from)) return 0;
            from += length;
        }
        for (uint32_t c = 0; c < to->categorical; c++) {
            length = 0;
            if (layout->text[c] >= 0) memcpy(&length, place[layout->text[c]], PREFIX);
            memcpy(target, &length, PREFIX);
            if (length) memcpy(target + PREFIX, place[layout->text[c]] + PREFIX, length);
            target += PREFIX + length;
        }
    }
    return from == end ? (size_t)(target - into) : 0;
}

void rearrange_numbers(const Layout* layout, const Settings* to, const float* from, size_t rows, float* into) {
    for (size_t row = 0; row < rows; row++, from += layout->numeric)
        for (uint32_t j = 0; j < to->numeric; j++) *into++ = layout->number[j] < 0 ? NAN : from[layout->number[j]];
}
