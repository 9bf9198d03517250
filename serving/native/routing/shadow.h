// Shadow work: the other arm computes what was answered, later, on a thread that yields to everybody. What is too much is dropped
// by the users' keys, so that those who are left are whole, and counted.

#pragma once

#include "../answer.h"
#include "table.h"

typedef struct Shadow Shadow;

const char* open_shadow(Table* table, Shadow** shadow);  // NULL, or why there is none
bool close_shadow(Shadow* shadow);                       // as close_trial

// Copy what a batch answered, and what it was asked, before its answers leave. Called from any thread. What the champion answered
// waits in a queue; what the challenger did, in `batch->shown`, until `pair_batch` has the champion compute it on this thread.
void show_batch(Shadow* shadow, Batch* batch);
void pair_batch(Shadow* shadow, Batch* batch);

// Requests that the careful models answer. Hold the shadow for one if it is to be shown; false if not.
bool wants_handed(Shadow* shadow, const Routed* routed);

void drop_shadow(Shadow* shadow);  // it is not shown after all

// Prepare to ask the careful model of the challenger; NULL if that cannot be, and the shadow is not held any more.
Call* show_handed(Shadow* shadow, const Handed* handed);

void note_shown(Shadow* shadow, bool success);  // and does not hold it any more

// For the door's thread, now and then: lower or raise the share of keys, tell the counts of an hour that has ended, notice a
// challenger that hangs.
void look_after_shadow(Shadow* shadow);
