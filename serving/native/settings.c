#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

static _Thread_local char problem[512];

static const char* broken(const char* path, const char* what) {
    snprintf(problem, sizeof problem, "%s: %s; export the model again", path, what);
    return problem;
}

// One line "key value ..."; false if it is none that this version knows.
static bool take(Settings* s, char* line) {
    char key[32], rest[NAME_SIZE];
    if (sscanf(line, "%31s %255[^\n]", key, rest) != 2) return false;
    uint32_t place = 0;
    int32_t field = 0;
    int used = 0;
    if (!strcmp(key, "declaration")) return sscanf(rest, "%64s", s->declaration) == 1;
    if (!strcmp(key, "separator")) return s->separator = (char)atoi(rest), s->separator > 0;
    if (!strcmp(key, "max_request_bytes")) return s->max_request_bytes = strtoull(rest, NULL, 10), true;
    if (!strcmp(key, "creative")) return s->has_creative = atoi(rest), true;
    if (!strcmp(key, "feeds_text")) return s->feeds_text = atoi(rest), true;
    if (!strcmp(key, "feeds_numeric")) return s->feeds_numeric = atoi(rest), true;
    if (!strcmp(key, "threads")) return s->threads = (uint32_t)atoi(rest), s->threads > 0;
    if (!strcmp(key, "max_waiting")) return s->max_waiting = (uint32_t)atoi(rest), s->max_waiting > 0;
    if (!strcmp(key, "max_rows")) return s->max_rows = (uint32_t)atoi(rest), s->max_rows > 0;
    if (!strcmp(key, "warmups")) return s->warmups = (uint32_t)atoi(rest), true;
    if (!strcmp(key, "interval_s")) return s->interval_s = strtod(rest, NULL), s->interval_s > 0;
    if (!strcmp(key, "string")) {  // mark as 8 hexadecimal digits, required, longest
        uint32_t mark[4], required, c = s->categorical;
        if (c == MAX_COLUMNS ||
            sscanf(rest, "%2x%2x%2x%2x %u %u", mark, mark + 1, mark + 2, mark + 3, &required, &s->longest[c]) != 6)
            return false;
        for (int i = 0; i < 4; i++) s->mark[c][i] = (char)mark[i];
        s->required[c] = required;
        return s->categorical++, true;
    }
    if (!strcmp(key, "missing")) {  // column, text as hexadecimal digits
        uint32_t i = s->missing_count, length = 0, byte;
        if (i == MAX_COLUMNS || sscanf(rest, "%u %n", &s->missing_column[i], &used) != 1) return false;
        for (const char* at = rest + used; sscanf(at, "%2x", &byte) == 1; at += 2) s->missing[i][length++] = (char)byte;
        s->missing_length[i] = length;
        return s->missing_count++, length > 0;
    }
    if (!strcmp(key, "read")) {
        if (s->read_count == MAX_COLUMNS || sscanf(rest, "%d", &field) != 1) return false;
        return s->read_field[s->read_count++] = field, true;
    }
    if (!strcmp(key, "number")) {  // lowest, highest, nullable, whole
        uint32_t nullable, whole, j = s->numeric;
        if (j == MAX_COLUMNS || sscanf(rest, "%f %f %u %u", &s->low[j], &s->high[j], &nullable, &whole) != 4) return false;
        s->nullable[j] = nullable, s->whole[j] = whole;
        return s->numeric++, true;
    }
    if (!strcmp(key, "marker")) {
        uint32_t i = s->marker_count;
        if (i == MAX_COLUMNS || sscanf(rest, "%u %n", &place, &used) != 1 || place >= s->numeric) return false;
        s->marker_column[i] = place, s->marker[i] = strtof(rest + used, NULL);
        return s->marker_count++, true;
    }
    if (!strcmp(key, "field")) {
        if (s->fields == MAX_COLUMNS) return false;
        return strcpy(s->field[s->fields++], rest), true;
    }
    return false;
}

const char* read_settings(const char* path, Settings* settings) {
    memset(settings, 0, sizeof *settings);
    FILE* file = fopen(path, "r");
    if (!file) return broken(path, strerror(errno));
    char line[2 * NAME_SIZE];
    int format = 0;
    bool known = fgets(line, sizeof line, file) && sscanf(line, "format %d", &format) == 1 && format == FORMAT;
    while (known && fgets(line, sizeof line, file)) known = take(settings, line);
    fclose(file);
    if (!known) return broken(path, format == FORMAT ? "a line is not understood" : "another format than this server reads");
    if (!settings->max_rows || !settings->threads) return broken(path, "it ends too early");
    for (uint32_t i = 0; i < settings->read_count; i++) {
        int32_t field = settings->read_field[i];
        if (field < 0 ? !settings->has_creative : field >= (int32_t)settings->fields)
            return broken(path, "it reads no such field");
    }
    return NULL;
}
