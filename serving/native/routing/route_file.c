#include "../reply.h"
#include "door_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char problem[1400];

// The file's content; -1 and errno if it cannot be read, or is larger than a route may be.
static ssize_t read_file(const char* path, char text[MOST_ROUTE_BYTES + 2]) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = 0;
    if (file < 0) return -1;
    while (size <= MOST_ROUTE_BYTES) {
        ssize_t more = read(file, text + size, (size_t)(MOST_ROUTE_BYTES + 1 - size));
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) size = -1;
        if (more <= 0) break;
        size += more;
    }
    close(file);
    if (size >= 0) text[size] = 0;
    return size;
}

static void refuse(Door* door, const char* why) {
    char text[1600], json[256];
    snprintf(text, sizeof text, "the route %s is not in force, the one before goes on: %s", door->path, why);
    SAY(LOG_ERROR, text);
    count_broken_route(door->counts);
    size_t length = strcspn(why, "\"\\\n"), most = sizeof json - 32;
    snprintf(json, sizeof json, "\"reason\": \"%.*s\"", (int)(length < most ? length : most), why);
    tell_event(door->table, "broken_route", json);
}

static Arm* find_open(const Door* door, int64_t version) {
    if (door->own->version == version) return door->own;
    for (const OpenArm* open = door->arms; open; open = open->next)
        if (open->arm->version == version && !open->arm->is_stopped) return open->arm;
    return NULL;
}

// A release, opened if it is not open yet. NULL, or why it is not.
static const char* find_arm(Door* door, int64_t version, Arm** arm) {
    if ((*arm = find_open(door, version))) return NULL;
    const Place place = place_of(door);
    OpenArm* open = malloc(sizeof *open);
    const char* failed = open ? open_arm(&place, version, arm) : "out of memory";
    if (failed) {
        snprintf(problem, sizeof problem, "release %" PRId64 " cannot be opened: %s", version, failed);
        return free(open), problem;
    }
    *open = (OpenArm){door->arms, *arm};
    door->arms = open;
    return NULL;
}

static void tell_in_force(const Door* door, const Table* table) {
    char text[256];
    const Route* route = &table->route;
    snprintf(text, sizeof text, "route %016" PRIx64 " is in force: champion %" PRId64 ", challenger %" PRId64 " (%s), mode %s",
             route->digest, route->champion, route->challenger,
             !route->challenger  ? "none"
             : table->challenger ? "open"
                                 : "not open",
             mode_name(route->mode));
    SAY(LOG_INFO, text);
    snprintf(text, sizeof text, "\"champion\": %" PRId64 ", \"challenger\": %" PRId64 ", \"mode\": \"%s\"", route->champion,
             table->challenger ? route->challenger : 0, mode_name(route->mode));
    tell_event(table, "opened", text);
    show_route(door->counts, route, takes_part(table));
}

// Its challenger takes part when it is open as a whole, with the model that looks closely. One that cannot be opened is left out,
// and said.
static Arm* find_challenger(Door* door, const Route* route) {
    Arm* arm = NULL;
    door->is_pending = false;
    if (!route->challenger) return NULL;
    const char* failed = find_arm(door, route->challenger, &arm);
    if (failed) return refuse(door, failed), NULL;
    door->is_pending = !is_careful_ready(arm->careful) || !door->instances;
    return door->is_pending ? NULL : arm;
}

static void put_in_force(Door* door, const Route* route) {
    Arm* champion;
    const char* failed = find_arm(door, route->champion, &champion);
    if (failed) {
        refuse(door, failed);
        return;
    }
    Arm* challenger = find_challenger(door, route);
    bool is_in_force = door->table->route.digest == route->digest, was_open = is_in_force && door->table->challenger;
    if (door->is_pending && is_in_force) return;  // without it
    failed = set_table(door, route, champion, challenger);
    if (failed && challenger) refuse(door, failed), failed = set_table(door, route, champion, NULL);
    if (failed)
        refuse(door, failed);
    else if (!was_open)
        tell_in_force(door, door->table);
}

// Does a challenger that answers compute with fewer threads than there are instances now.
static bool is_short(const Door* door) {
    const Table* table = door->table;
    return table->challenger && table->instances < door->instances && !atomic_load(&table->is_blown);
}

// The route in force once more: is its challenger ready now, or are there more instances. The file may have become another one
// that is broken.
static void put_in_force_again(Door* door) {
    Route route = door->table->route;
    route.valid_until_ms = atomic_load(&door->table->valid_until_ms);
    put_in_force(door, &route);
}

void look_at_route(Door* door) {
    char text[MOST_ROUTE_BYTES + 2];
    Route route;
    ssize_t size = read_file(door->path, text);
    if (size < 0 && errno == ENOENT) return;  // there is none yet: the release that Triton loaded answers
    bool is_same = size == door->looked_size && (size < 0 || !memcmp(text, door->looked_at, (size_t)size));
    if (is_same && (door->is_pending || is_short(door))) put_in_force_again(door);
    if (is_same) return;
    door->looked_size = size;
    if (size > 0) memcpy(door->looked_at, text, (size_t)size);
    const char* wrong = size < 0 ? strerror(errno) : read_route(text, (size_t)size, &route);
    if (wrong) {
        refuse(door, wrong);
        return;
    }
    bool in_force = route.digest == door->table->route.digest;
    if (in_force) atomic_store(&door->table->valid_until_ms, route.valid_until_ms);
    if (!in_force || door->is_pending) put_in_force(door, &route);
}
