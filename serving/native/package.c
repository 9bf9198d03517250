#include "package.h"

#include "sha256.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MANIFEST "package.json"

static _Thread_local char problem[1024];

static const char* check_file(const char* folder, const char* name, const char* expected) {
    char path[1600], found[SHA256_HEX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!sha256_file(path, found))
        snprintf(problem, sizeof problem, "%s is missing, though " MANIFEST " lists it; export the model again", name);
    else if (strcmp(found, expected))
        snprintf(problem, sizeof problem,
                 "%s was changed after the export: its sha-256 is %.12s, " MANIFEST " says %.12s; export the model again", name,
                 found, expected);
    else
        return NULL;
    return problem;
}

// The manifest is written by the export: {"files": {"name": "sha-256", ...}}. Of its strings, each that is a digest belongs to
// the one before.
const char* check_package(const char* folder) {
    char path[1600], text[512], name[512] = "";
    const char* wrong = NULL;
    int files = 0;
    snprintf(path, sizeof path, "%s/" MANIFEST, folder);
    FILE* manifest = fopen(path, "r");
    if (!manifest) return MANIFEST " is missing; export the model again";
    while (!wrong && fscanf(manifest, "%*[^\"]\"%511[^\"]\"", text) == 1) {
        if (strlen(text) == SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == SHA256_HEX - 1) {
            wrong = check_file(folder, name, text);
            files++;
        }
        strcpy(name, text);
    }
    fclose(manifest);
    return !wrong && !files ? MANIFEST " lists no file; export the model again" : wrong;
}
