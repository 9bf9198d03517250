#include "../reply.h"
#include "door_parts.h"
#include "shadow.h"
#include "trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANGS "a challenger's thread hangs in its graph; it is left behind with the memory of its release until it ends"
enum { LOOKS_TO_STOP = 10, LOOKS_OF_A_HANG = 30, LOOK_AGAIN_NS = 10000000, LAST_LOOKS = 300 };

Place place_of(const Door* door) {
    return (Place){.model = door->model,
                   .repository = door->repository,
                   .server = door->server,
                   .pending = (Pending*)&door->pending,
                   .own = door->own};
}

static Columns columns_of(const Arm* arm) { return (Columns){&arm->settings, arm->schema}; }

// False as long as a thread of its trial has not ended.
static bool free_table(Table* table) {
    if (close_shadow(table->shadow)) table->shadow = NULL;
    if (close_trial(table->trial)) table->trial = NULL;
    if (table->shadow || table->trial) return false;
    close_guard(table->guard);
    free(table->to_champion);
    free(table->to_challenger);
    free(table);
    return true;
}

static const char* begin_trial(Table* table, unsigned threads) {
    Columns champion = columns_of(table->champion), challenger = columns_of(table->challenger);
    const char* failed = find_layout(champion, challenger, &table->to_challenger);
    if (!failed) failed = find_layout(challenger, champion, &table->to_champion);
    for (uint32_t c = 0; !failed && table->to_champion && c < champion.settings->categorical; c++)
        if (table->to_champion->text[c] == ABSENT) failed = "it has not all columns of the champion";
    for (uint32_t j = 0; !failed && table->to_champion && j < champion.settings->numeric; j++)
        if (table->to_champion->number[j] == ABSENT) failed = "it has not all columns of the champion";
    if (!failed && !(table->guard = open_guard(&table->route.limits))) failed = "out of memory";
    if (!failed) failed = open_trial(table, threads, &table->trial);
    if (!failed) failed = open_shadow(table, &table->shadow);
    return failed;
}

// Nobody waits for a challenger that is given up. For one that goes on, or has become the champion, they do: it is theirs,
// whatever else the route says now.
static void end_trials(const Door* door, const Table* now) {
    const Arm* goes_on = atomic_load(&now->is_blown) ? NULL : now->challenger;
    for (const Table* table = door->retired; table; table = table->next)
        if (table->trial && table->challenger != goes_on && table->challenger != now->champion) end_trial(table->trial);
}

const char* set_table(Door* door, const Route* route, Arm* champion, Arm* challenger) {
    Table* table = calloc(1, sizeof *table);
    if (!table) return "out of memory";
    table->route = *route, table->door = door, table->champion = champion, table->challenger = challenger, table->holders = 1;
    table->instances = door->instances;
    atomic_store(&table->valid_until_ms, route->valid_until_ms);
    atomic_store(&table->is_blown, is_fuse_blown(door, route));
    const char* failed = challenger ? begin_trial(table, door->instances) : NULL;
    if (failed) {  // its threads may have begun
        table->holders = 0, table->next = door->retired, door->retired = table;
        return failed;
    }
    int length = snprintf(table->open, sizeof table->open, "%" PRId64, champion->version);
    if (challenger) snprintf(table->open + length, sizeof table->open - (size_t)length, ", %" PRId64, challenger->version);
    pthread_mutex_lock(&door->lock);
    Table* before = door->table;
    door->table = table;
    if (before) before->holders--;
    pthread_mutex_unlock(&door->lock);
    if (before) before->next = door->retired, door->retired = before;
    end_trials(door, table);
    return NULL;
}

static bool is_in_use(const Door* door, const Arm* arm) {
    if (arm == door->table->champion || arm == door->table->challenger) return true;
    for (const Table* table = door->retired; table; table = table->next)
        if (arm == table->champion || arm == table->challenger) return true;
    return false;
}

static void close_unused_arms(Door* door) {
    for (OpenArm** place = &door->arms; *place;) {
        OpenArm* open = *place;
        bool is_wanted = is_in_use(door, open->arm) || door->is_pending;
        if (is_wanted) {
            place = &open->next;
            continue;
        }
        char text[128];
        snprintf(text, sizeof text, "\"release\": %" PRId64, open->arm->version);
        tell_event(door->table, "closed", text);
        *place = open->next;
        close_arm(open->arm);
        free(open);
    }
}

static bool is_held(Door* door, const Table* table) {
    pthread_mutex_lock(&door->lock);
    bool held = table->holders;
    pthread_mutex_unlock(&door->lock);
    return held;
}

// Does a release answer, or compute for others, in any table but that of a challenger whose fuse has blown.
static bool has_more_to_do(const Door* door, const Arm* arm) {
    const Table* now = door->table;
    bool has = arm == door->own || arm == now->champion || (arm == now->challenger && !atomic_load(&now->is_blown));
    for (const Table* table = door->retired; table; table = table->next) has |= arm == table->champion;
    return has;
}

// End what a challenger's threads compute though nobody waits for it: one that hangs takes the processor from those who answer.
// It is not used again.
static void stop_challenger(const Door* door, Arm* arm) {
    if (!arm || arm->is_stopped || has_more_to_do(door, arm)) return;
    arm->is_stopped = true;
    stop_graph(arm->graph);
}

// One whose challenger hangs stays, and is looked at again.
static void free_retired(Door* door) {
    for (Table** place = &door->retired; *place;) {
        Table *table = *place, *next = table->next;
        if (is_held(door, table) || !free_table(table)) {
            table->looks++;
            if (door->table && table->looks == LOOKS_TO_STOP) stop_challenger(door, table->challenger);
            if (table->looks == LOOKS_OF_A_HANG) SAY(LOG_ERROR, HANGS);
            place = &table->next;
        } else {
            *place = next;
        }
    }
}

void look_after_tables(Door* door) {
    Table* table = door->table;  // only this thread replaces it
    if (table->shadow) look_after_shadow(table->shadow);
    if (table->challenger && !atomic_load(&table->is_blown) && is_fuse_blown(door, &table->route)) {
        atomic_store(&table->is_blown, true);
        end_trial(table->trial);
        SAY(LOG_WARN, "the fuse of the route in force is blown: the champion answers alone");
    }
    if (atomic_load(&table->is_blown)) end_trials(door, table), stop_challenger(door, table->challenger);
    bool part = takes_part(table);
    if (table->challenger && part != table->took_part) {
        bool was_renewed = part && table->has_lapsed, has_lapsed = !part && !atomic_load(&table->is_blown);
        if (was_renewed || has_lapsed) tell_event(table, was_renewed ? "renewed" : "lapsed", "");
        table->took_part = part, table->has_lapsed = has_lapsed;
        show_route(door->counts, &table->route, part);
    }
    free_retired(door);
    close_unused_arms(door);
}

// Nobody waits for any release any more.
static void stop_all(const Door* door) {
    for (const Table* table = door->retired; table; table = table->next) {
        if (!table->challenger) continue;
        if (table->trial) end_trial(table->trial);
        stop_graph(table->challenger->graph), stop_graph(table->champion->graph);
    }
}

bool close_tables(Door* door) {
    Table* last = door->table;
    if (last) last->next = door->retired, door->retired = last, door->table = NULL, drop_table(last);
    stop_all(door);
    for (int looks = 0; door->retired && looks < LAST_LOOKS; looks++) {
        free_retired(door);
        if (door->retired) nanosleep(&(struct timespec){.tv_nsec = LOOK_AGAIN_NS}, NULL);
    }
    if (door->retired) return false;
    for (OpenArm *open = door->arms, *next; open; open = next) next = open->next, close_arm(open->arm), free(open);
    return true;
}
