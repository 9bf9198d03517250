// A model that keeps a journal in a folder of its own, requests to it, and what is in its segments.

#pragma once

#include "fake_inner.h"

#define SCHEMA "{\"ids\": []}"

extern Model model;
extern Instance instance;
extern const char* schema;    // what journal.json says; SCHEMA unless a test says otherwise
extern char *version, *kept;  // the model's folder and the journal's

void load_with(const char* form);  // makes the folders; `form` is what the environment says, with the journal's folder as %s
void load(const char* form);       // and the model and an instance of it
void let_go(void);                 // of model and instance
void forget(void);                 // the folders

Input a_tensor(const char* name, int type, int64_t columns, const void* data, uint64_t bytes);
Request one_row(const char* strings, uint64_t bytes);
void ask(Request* request);

// The frames of all segments, by kind, each with a right checksum; `payload` gets the last one of `kind`.
int count_frames(uint32_t kind, char payload[4096]);

// Each frame of all segments, in the order of a writer; its payload has a NUL behind it.
void each_frame(void (*look)(uint32_t kind, const char* payload, uint32_t bytes, void* user), void* user);
double counted_of(const char* family, const char* what);
void rest(void);  // until what could not be written is tried again
