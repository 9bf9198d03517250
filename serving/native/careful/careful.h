// Requests that are not plain are handed to the Python model `ctr_careful`, which knows all rules and words refusals.

#pragma once

#include "../counters.h"
#include "../journal/journal.h"
#include "../routing/pending.h"
#include "../routing/task.h"
#include "../rows.h"
#include "../triton.h"

#define CAREFUL "ctr_careful"

typedef struct Careful Careful;

// NULL, or an error. `pending` counts the requests that are handed over.
Error* open_careful(Server* server, uint64_t version, Counters* counters, Journal* journal, Pending* pending, Careful** careful);
void close_careful(Careful* careful);  // waits for those that are under way; NULL is none
bool is_careful_ready(const Careful* careful);

// A request that is handed over, and what the route says of it.
typedef struct {
    Request* request;
    Instance* instance;
    Task* task;  // of a request that waits for the challenger, held for this and being read, which this ends; NULL of another
    uint64_t start_ns, route;
    Routed routed;
    const char* open;       // the releases that may be asked for, if it asks for another one; else NULL
    const Form* form;       // how requests come to the release
    struct Shadow* shadow;  // held, to which the request is shown too when it is answered; NULL: to nobody
} Handed;

// Answer with what `ctr_careful` of the same version says, later, and release the request then; of a task: if it is not claimed
// meanwhile, and unless that is an error, after which the task falls back. That model counts what it answers and refuses, and
// writes it to the journal; what does not get to it, or is lost on the way, is counted and written here.
void ask_careful(Careful* careful, const Handed* handed);

// A request that is shown: prepared while the client's tensors are there, begun when that one has its answer with this id, as 32
// digits. What is answered then is sent to nobody. NULL if it cannot be prepared; `drop_shown` ends one that was not begun.
typedef struct Call Call;
Call* prepare_shown(Careful* careful, const Handed* handed);
void begin_shown(Call* call, const char* id);
void drop_shown(Call* call);
