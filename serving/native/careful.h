// Requests that are not plain are handed to the Python model `ctr_careful`, which knows all rules and words refusals.

#pragma once

#include "counters.h"
#include "journal/journal.h"
#include "triton.h"

#define CAREFUL "ctr_careful"

typedef struct Careful Careful;

// NULL, or an error.
Error* open_careful(Server* server, uint64_t version, Counters* counters, Journal* journal, Careful** careful);

void await_careful(Careful* careful);  // until every request that was handed over is answered
void close_careful(Careful* careful);

// Answer `request` with what `ctr_careful` of the same version says, later, and release it then. That model counts what it
// answers and refuses, and writes it to the journal; what does not get to it, or is lost on the way, is counted and written here.
void ask_careful(Careful* careful, Instance* instance, Request* request, uint64_t start_ns);
