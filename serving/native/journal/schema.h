// Where a column stands in journal.json, which the export writes: JSON in one line, as Python's json.dumps has it.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// The place of `name` in the list `list` of `schema`, -1 if it is not there. Both are written as in JSON, without quotes. `step`
// strings are an entry of the list, and the name is at `place` among them.
int find_name(const char* schema, const char* list, size_t step, size_t place, const char* name);

// The name of entry `i` of that list, as it is written there, with a NUL; false if there is none or `size` bytes are too few.
bool name_at(const char* schema, const char* list, size_t step, size_t place, size_t i, char* name, size_t size);
