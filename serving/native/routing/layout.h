// Where a release finds its columns in requests that were made for another one: their order may differ, and columns that the
// release has and the requests do not are missing in every row.

#pragma once

#include "../settings.h"

#include <stdbool.h>
#include <stddef.h>

enum { ABSENT = -1 };

typedef struct {
    uint32_t categorical, numeric;                   // columns of the requests' two tensors
    int32_t text[MAX_COLUMNS], number[MAX_COLUMNS];  // of each column of the release: its place there, or ABSENT
} Layout;

// What is asked to name columns: the settings and the journal.json (NULL: it has none) of a release.
typedef struct {
    const Settings* settings;
    const char* schema;
} Columns;

// The layout by which `to` reads requests made for `from`; the caller frees it. NULL in `layout` if nothing has to be rearranged.
// NULL, or why it cannot read them (kept until the next call of this thread): a column that must not be missing, or names that
// are not known.
const char* find_layout(Columns from, Columns to, Layout** layout);

// The strings of `rows` rows, each behind its length in 4 bytes, rearranged; how many bytes that are, which `most` has to have
// room for: those of `from` and 4 for each absent string. 0 if `from` is no such text.
size_t rearrange_text(const Layout* layout, const Settings* to, const char* from, size_t bytes, size_t rows, char* into);
void rearrange_numbers(const Layout* layout, const Settings* to, const float* from, size_t rows, float* into);
