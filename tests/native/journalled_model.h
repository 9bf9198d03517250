// A model of tests that keeps a journal, and what is in that.

#pragma once

#include "fake_inner.h"
#include "fake_ort.h"
#include "version_folder.h"

#include "journal/frame.h"

#define SCHEMA "{\"ids\": []}"

extern Model model;
extern Instance instance;
extern char *version, *kept, repository[512];  // folders: of the model, of the journal

// Prepare a model with a journal in a folder of its own, as `form` says it in the environment, with the folder for its %s.
void load_with(const char* form);
void load(const char* form);  // and load it
void let_go(void);            // unload it
void forget(void);            // remove its folders

Input a_tensor(const char* name, int type, int64_t columns, const void* data, uint64_t bytes);
Request one_row(const char* strings, uint64_t bytes);  // its strings, each behind its length
void ask(Request* request);
// The frames of all segments, by kind, each with a right checksum; `payload` gets the last one of `kind`.
int count_frames(uint32_t kind, char payload[4096]);
double counted_of(const char* family, const char* what);
void rest(void);  // until what could not be written is tried again
