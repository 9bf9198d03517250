// The table in force: a route with its releases opened, and who watches over the challenger. It is never changed; another route
// is another table. Whoever answers a request holds it until that is done.

#pragma once

#include "../journal/clock.h"
#include "arm.h"
#include "counts.h"
#include "guard.h"
#include "route.h"

#include <stdatomic.h>

enum { FUSE_PATH = 1200 };

typedef struct Table {
    struct Table* next;  // the door's
    Route route;         // all but `valid_until_ms`, which is beside; digest NO_ROUTE: nothing is routed
    atomic_llong valid_until_ms;
    atomic_bool is_blown;                 // its fuse
    Arm *champion, *challenger;           // the second NULL: none is open
    Layout *to_champion, *to_challenger;  // where the one finds its columns in the other's; NULL: where they are
    Guard* guard;                         // NULL without a challenger, as what follows
    struct Trial* trial;
    struct Shadow* shadow;
    struct Door* door;
    char open[64];       // releases that may be asked for, "12, 13"
    int holders;         // the door's, as what follows
    unsigned instances;  // of the model, when it was put in force
    int looks;           // at it since it is not in force any more
    bool took_part, has_lapsed;
} Table;

// Does the challenger take part: it is open, its fuse is whole and the route is valid.
bool takes_part(const Table* table);

// All to the champion from now on, for good: write the fuse's file, tell it in journal, metrics and log. Once; called from any
// thread.
void blow_fuse(Table* table, const Finding* finding);

bool is_busy(const Table* table);  // does a thread of the door answer now
Pending* pending_of(const Table* table);
const Clock* clock_of(const Table* table);
RoutedCounts* counts_of(const Table* table);
void tell_event(const Table* table, const char* event, const char* more);  // in the journal; `more`: the inside of a JSON object

void hold_table(Table* table);
void drop_table(Table* table);
