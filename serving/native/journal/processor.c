#include "processor.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 8192  // of /proc/cpuinfo; the longest names some 200 instructions
#define NAME_BYTES 128  // of the processor's name that are kept

static const char* const KERNELS[] = {
    "avx",      "avx2",        "fma",         "f16c",        "avx_vnni", "avx512f",  "avx512dq", "avx512bw",
    "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimd",
    "asimdhp",  "asimddp",     "bf16",        "i8mm",        "sve",      "sve2",
};
enum { KERNELS_COUNT = sizeof KERNELS / sizeof *KERNELS };

// The value of a line `key : value`, NULL if it has another key.
static char* value_of(char* line, const char* key) {
    size_t length = strlen(key);
    char* at = line + length;
    if (strncmp(line, key, length)) return NULL;
    while (*at == ' ' || *at == '\t') at++;
    if (*at++ != ':') return NULL;
    while (*at == ' ') at++;
    at[strcspn(at, "\n")] = 0;
    return at;
}

static bool has_word(const char* text, const char* word) {
    size_t length = strlen(word);
    for (const char* at = text; (at = strstr(at, word)); at += length)
        if ((at == text || at[-1] == ' ') && (!at[length] || at[length] == ' ')) return true;
    return false;
}

// Letters that may stand in JSON's strings as they are.
static void put_name(char name[NAME_BYTES + 1], const char* value) {
    size_t count = 0;
    for (; *value && count < NAME_BYTES; value++)
        if (*value >= ' ' && *value <= '~' && *value != '"' && *value != '\\') name[count++] = *value;
    name[count] = 0;
}

static void put_kernels(char kernels[PROCESSOR_SIZE / 2], const char* value) {
    size_t used = 0;
    for (int i = 0; i < KERNELS_COUNT; i++)
        if (has_word(value, KERNELS[i]))
            used += (size_t)snprintf(kernels + used, PROCESSOR_SIZE / 2 - used, "%s%s", used ? " " : "", KERNELS[i]);
}

void describe_processor(char text[PROCESSOR_SIZE]) {
    char line[LINE_SIZE], name[NAME_BYTES + 1] = "", kernels[PROCESSOR_SIZE / 2] = "", *value;
    FILE* file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file) && *line != '\n') {  // the first processor's lines end with an empty one
        if ((value = value_of(line, "model name"))) put_name(name, value);
        if ((value = value_of(line, "flags")) || (value = value_of(line, "Features"))) put_kernels(kernels, value);
    }
    if (file) fclose(file);
    snprintf(text, PROCESSOR_SIZE, "{\"name\": \"%s\", \"kernels\": \"%s\"}", name, kernels);
}
