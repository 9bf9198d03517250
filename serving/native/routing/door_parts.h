// What the door is made of, for the files that it is made of.

#pragma once

#include "door.h"

#include <sys/types.h>

enum { PATH_SIZE = 1024 };

// A release that the route names and that is not the one that Triton loaded.
typedef struct OpenArm {
    struct OpenArm* next;
    Arm* arm;
} OpenArm;

struct Door {
    Server* server;
    char model[NAME_SIZE], repository[PATH_SIZE], path[PATH_SIZE];  // the last: of the route's file; empty: none
    Clock clock;
    Pending pending;
    Arm* own;  // the release that Triton loaded
    RoutedCounts* counts;
    Backlog* backlog;
    pthread_mutex_t lock;  // of all tables' holders, and of what follows
    pthread_cond_t wake, looked;
    unsigned looks_asked, looks_done;  // of the thread, at the route
    Table* table;                      // in force
    atomic_uint instances, busy;       // of the instances
    bool is_closing, has_thread;
    pthread_t thread;
    pthread_mutex_t events_lock;  // of the writer
    Writer* events;               // NULL: no journal is kept
    // the thread's own
    Table* retired;  // those before the one in force, until nobody holds them
    OpenArm* arms;
    char looked_at[MOST_ROUTE_BYTES + 2];  // the file at the last look
    ssize_t looked_size;                   // -1: it could not be read
    bool is_pending;                       // its challenger is not open yet
};

Place place_of(const Door* door);
Table* hold_table_in_force(Door* door);

// Read the route's file if it is another one than at the last look, and put it in force. For the door's thread.
void look_at_route(Door* door);

// NULL, or why it is not in force (kept until the next call of this thread).
const char* set_table(Door* door, const Route* route, Arm* champion, Arm* challenger);

void look_after_tables(Door* door);  // free those that nobody holds, look at fuses and at shadow work
bool close_tables(Door* door);       // nobody holds any. False if a challenger hangs: then nothing may be freed

bool is_fuse_blown(const Door* door, const Route* route);
