// The door: model `ctr` as Triton knows it. It holds the release that Triton loaded and those that the route names beside it, and
// looks at the route's file with a thread of its own.

#pragma once

#include "../backlog.h"
#include "table.h"

typedef struct Door Door;

// Open the release that Triton loaded and, if there is a route, what it says. NULL, or a sentence (kept until the next call of
// this thread).
const char* open_door(Server* server, const char* model, const char* repository, int64_t version, Door** door);
void close_door(Door* door);  // its instances are gone; NULL is none

const Arm* own_arm(const Door* door);
const char* add_instance(Door* door);  // NULL, or why its waiting requests cannot be bounded
void await_requests(Door* door);       // until every request that was taken is released

// What an instance has for itself. `warmups_left`: Triton runs each warm-up sample as one batch, before anything else; they are
// nobody's requests.
typedef struct {
    Door* door;
    Turn turn;
    uint32_t warmups_left;
} Seat;

// Answer and release all requests, now or later.
void answer_requests(Seat* seat, Instance* instance, Request** requests, uint32_t count);
