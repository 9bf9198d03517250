// A model of three releases, of which Triton loaded 7, with a route and a journal in a store of its own; requests whose memory
// goes with them when they are released; and what became of all that.

#pragma once

#include "fake_inner.h"
#include "fake_ort.h"

#include "routing/route.h"

#include <time.h>

extern Model routed_model;
extern Instance routed_instance;
extern FakeSession *seven, *eight, *nine;  // their graphs, which answer 0.25, 0.5 and 0.75
extern char store[256];                    // `route`, `fuses` and `models` are in it

void make_store(void);     // no route yet
void load_routed(void);    // the model and an instance
void unload_routed(void);  // them again
void remove_store(void);   // and see that nothing was left behind

// What native.txt and journal.json of a release say, before the model is loaded.
void change_release(int number, const char* native_text, const char* schema);

// Where all is as it was: challenger 8 beside 7, canary with share 100, timeout 1 s, limits that nothing passes.
typedef struct {
    int champion, challenger;  // 0: 7 and 8; -1: none
    const char *mode, *share, *shadow, *salt, *limits;
    int64_t timeout_ms, valid_until_ms;
} Said;
Route put_route(Said said);
#define PUT_ROUTE(...) put_route((Said){__VA_ARGS__})
void write_route(const char* text);  // another file in its place, as one who writes it does
void wait_for_route(Route route, bool is_open);

// A row by somebody. Answered if that is in time; asked of the model, alone or with others.
Request a_row_of(const char* user);
void add_text(Request* request, const char* key, const char* value);  // a parameter; the value dies with the request
void execute(Request* requests, int count);
void await_all(Request* requests, int count);  // each released once and answered once
Request asked_of(const char* user);            // one, awaited; its answer is to be forgotten

int answered_by(const Request* request);  // the release; 0: an error
void forget_answers(Request* requests, int count);

bool has_fuse(Route route, const char* words);  // is it there, with these words in it
double routed_counted(const char* family, const char* label);
int events_with(const char* words);  // in the journal of a model that was unloaded
int records_with(int status, int arm, int release);

// What `ctr_careful` does: 7 answers 0.75, 8 as this says.
enum { CAREFUL_ANSWERS, CAREFUL_REFUSES, CAREFUL_FAILS, CAREFUL_WAITS, BOTH_REFUSE };
extern atomic_int careful_does;
void end_waiting(void);  // those that wait are answered now

#define WAIT_FOR(condition)                                                                             \
    do {                                                                                                \
        for (int tries_ = 0; !(condition); tries_++) {                                                  \
            if (tries_ == 10000) fprintf(stderr, "%s:%d: never: %s\n", __FILE__, __LINE__, #condition); \
            if (tries_ == 10000) abort();                                                               \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                                    \
        }                                                                                               \
    } while (0)
