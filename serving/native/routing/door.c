#include "door_parts.h"

#include "../waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_NS = 100000000, MOST_AWAITED = 20, NOT_LOOKED = -2 };  // the first: between two looks at the route

const Arm* own_arm(const Door* door) { return door->own; }

bool is_busy(const Table* table) { return atomic_load_explicit(&table->door->busy, memory_order_relaxed); }

Pending* pending_of(const Table* table) { return &table->door->pending; }

const Clock* clock_of(const Table* table) { return &table->door->clock; }

RoutedCounts* counts_of(const Table* table) { return table->door->counts; }

bool takes_part(const Table* table) {
    return table->challenger && !atomic_load_explicit(&table->is_blown, memory_order_relaxed) &&
           unix_ns(&table->door->clock) / 1000000 < atomic_load_explicit(&table->valid_until_ms, memory_order_relaxed);
}

void hold_table(Table* table) {
    pthread_mutex_lock(&table->door->lock);
    table->holders++;
    pthread_mutex_unlock(&table->door->lock);
}

void drop_table(Table* table) {
    Door* door = table->door;
    pthread_mutex_lock(&door->lock);
    table->holders--;
    pthread_mutex_unlock(&door->lock);
}

Table* hold_table_in_force(Door* door) {
    pthread_mutex_lock(&door->lock);
    Table* table = door->table;
    table->holders++;
    pthread_mutex_unlock(&door->lock);
    return table;
}

static void* keep_looking(void* user) {
    Door* door = user;
    pthread_mutex_lock(&door->lock);
    while (!door->is_closing) {
        if (door->looks_asked == door->looks_done) rest_on(&door->wake, &door->lock, LOOK_NS);
        unsigned asked = door->looks_asked;
        pthread_mutex_unlock(&door->lock);
        look_at_route(door);
        look_after_tables(door);
        hand_on_routed_counts(door->counts);
        pthread_mutex_lock(&door->lock);
        door->looks_done = asked;
        pthread_cond_broadcast(&door->looked);
    }
    pthread_mutex_unlock(&door->lock);
    return NULL;
}

static const char* begin(Door* door) {
    pthread_mutex_init(&door->lock, NULL);
    pthread_mutex_init(&door->events_lock, NULL);
    make_condition(&door->wake);
    make_condition(&door->looked);
    begin_pending(&door->pending);
    door->looked_size = NOT_LOOKED;
    const char* path = getenv(ROUTE_VARIABLE);
    if (path && snprintf(door->path, sizeof door->path, "%s", path) >= (int)sizeof door->path)
        return "the path in " ROUTE_VARIABLE " is too long";
    return read_clock(getenv(CLOCK_VARIABLE), &door->clock);
}

// The release that Triton loaded answers alone, until a route says something else.
static const char* begin_unrouted(Door* door, int64_t version) {
    const Place place = place_of(door);
    const char* failed = open_arm(&place, version, &door->own);
    if (failed) return failed;
    if (door->own->journal && !(door->events = add_writer(door->own->journal))) return "no writer for the journal: out of memory";
    if (!(door->counts = open_routed_counts(door->model, (uint64_t)version))) return "out of memory";
    const Route none = {.champion = version, .digest = NO_ROUTE};
    return set_table(door, &none, door->own, NULL);
}

const char* open_door(Server* server, const char* model, const char* repository, int64_t version, Door** out) {
    Door* door = *out = calloc(1, sizeof *door);
    if (!door) return "out of memory";
    door->server = server;
    snprintf(door->model, sizeof door->model, "%s", model);
    snprintf(door->repository, sizeof door->repository, "%s", repository);
    const char* failed = begin(door);
    if (!failed) failed = begin_unrouted(door, version);
    if (failed) return failed;
    if (!*door->path) return NULL;
    look_at_route(door);
    door->has_thread = !pthread_create(&door->thread, NULL, keep_looking, door);
    return door->has_thread ? NULL : "no thread to look at the route";
}

void close_door(Door* door) {
    if (!door) return;
    if (door->has_thread) {
        pthread_mutex_lock(&door->lock);
        door->is_closing = true;
        pthread_cond_signal(&door->wake);
        pthread_mutex_unlock(&door->lock);
        pthread_join(door->thread, NULL);
    }
    if (!close_tables(door)) return;
    close_routed_counts(door->counts);
    close_backlog(door->backlog);
    if (door->events) remove_writer(door->own->journal, door->events);
    close_arm(door->own);
    end_pending(&door->pending);
    pthread_cond_destroy(&door->wake);
    pthread_cond_destroy(&door->looked);
    pthread_mutex_destroy(&door->events_lock);
    pthread_mutex_destroy(&door->lock);
    free(door);
}

// Wait until the thread has looked at the route with what is there now. Not for long: what it looks at is on a disk.
static void await_look(Door* door) {
    pthread_mutex_lock(&door->lock);
    unsigned asked = ++door->looks_asked;
    pthread_cond_signal(&door->wake);
    for (int tries = 0; tries < MOST_AWAITED && (int)(door->looks_done - asked) < 0; tries++)
        rest_on(&door->looked, &door->lock, LOOK_NS);
    pthread_mutex_unlock(&door->lock);
}

// Triton begins to count a model's waiting requests after the model itself was made: for its first instance. Before an instance
// gets requests, the challenger is open, else its users would be the champion's until the next look.
const char* add_instance(Door* door) {
    const char* failed = NULL;
    if (!door->backlog)
        failed = open_backlog(&door->own->settings, door->server, door->model, (uint64_t)door->own->version, &door->backlog);
    door->instances += !failed;
    if (!failed && door->has_thread) await_look(door);
    return failed;
}

void await_requests(Door* door) { await_none_pending(&door->pending); }
