// What the export says of a model: `native.txt` in its version folder.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_COLUMNS 1024
#define MAX_ROWS 65536  // of a request, and of a batch
#define NAME_SIZE 256

typedef struct {
    uint32_t categorical, numeric, fields;  // columns of the two tensors, columns of cat_idx
    char declaration[65];
    char mark[MAX_COLUMNS][4];      // before a string of this column
    char separator;                 // in no string
    bool required[MAX_COLUMNS];     // a string of this column must not be empty
    uint32_t longest[MAX_COLUMNS];  // bytes of a string that are surely not too long
    uint64_t max_request_bytes;     // of all strings of a request
    int32_t entity;                 // the column of strings that routing keys are taken from, -1: none
    uint32_t missing_count;         // texts that mean a missing value
    uint32_t missing_column[MAX_COLUMNS], missing_length[MAX_COLUMNS];
    char missing[MAX_COLUMNS][NAME_SIZE];
    uint32_t read_count;              // columns whose unknown strings have to be read: their fields,
    int32_t read_field[MAX_COLUMNS];  // -1 for the creative
    float low[MAX_COLUMNS], high[MAX_COLUMNS];
    bool nullable[MAX_COLUMNS], whole[MAX_COLUMNS];
    uint32_t marker_count;  // numbers that mean a missing value
    uint32_t marker_column[MAX_COLUMNS];
    float marker[MAX_COLUMNS];
    char field[MAX_COLUMNS][NAME_SIZE];
    bool has_creative;               // the graph says which creatives it knows
    bool feeds_text, feeds_numeric;  // inputs that the graph has: it may use none of the strings, or numbers
    uint32_t threads, max_waiting, max_rows, warmups;
    double interval_s;  // between two additions to the counters
} Settings;

// NULL, or a sentence that says what is wrong with the text of `name` (kept until the next call of this thread). Whatever it
// accepts is within the bounds above, so that nothing that is indexed or multiplied by it leaves its array or its 64 bits.
const char* read_settings(const char* name, const char* text, size_t bytes, Settings* settings);
