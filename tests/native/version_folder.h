// A version folder of tests: settings, a graph and the manifest of both, below a temporary folder.

#pragma once

#include "check.h"

#define A_DECLARATION "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Three string columns, two numbers, three fields and a creative.
extern const char* const NATIVE_TEXT;
extern const char* const GRAPH;

// A new folder with what a version has. Returns its path, which `remove_folder` frees.
char* make_version(const char* native_text);
void remove_folder(char* folder);

void write_file(const char* folder, const char* name, const void* bytes, size_t size);
void write_text(const char* folder, const char* name, const char* text);

// `package.json` of these files as they are: names, ended by NULL.
void write_manifest(const char* folder, const char* const* names);
void add_digest(char* text, size_t room, const char* name, const void* bytes,
                size_t size);  // `"name": "digest"`, at the text's end
