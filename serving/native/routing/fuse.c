#include "../reply.h"
#include "door_parts.h"
#include "trial.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TEXT = 1024 };

// The folder of fuses, or one of them, beside the route.
static void name_fuse(const Door* door, const Route* route, const char* before, char path[FUSE_PATH]) {
    const char* end = strrchr(door->path, '/');
    int length = end ? (int)(end - door->path) + 1 : 0;
    if (route)
        snprintf(path, FUSE_PATH, "%.*sfuses/%s%016" PRIx64 ".json", length, door->path, before, route->digest);
    else
        snprintf(path, FUSE_PATH, "%.*sfuses", length, door->path);
}

bool is_fuse_blown(const Door* door, const Route* route) {
    char path[FUSE_PATH];
    if (!route->challenger) return false;
    name_fuse(door, route, "", path);
    return !access(path, F_OK);
}

// The fuse's file, whole or not at all; one that is there stays as it is. Without it the challenger is off as long as this
// process lives.
static bool write_fuse(const Door* door, const Route* route, const char* text) {
    char folder[FUSE_PATH], made[FUSE_PATH], named[FUSE_PATH], before[48];
    snprintf(before, sizeof before, ".%d.%ld.", (int)getpid(), syscall(SYS_gettid));
    name_fuse(door, NULL, "", folder);
    name_fuse(door, route, before, made);
    name_fuse(door, route, "", named);
    mkdir(folder, 0755);
    int file = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return false;
    bool whole = write(file, text, strlen(text)) == (ssize_t)strlen(text) && !fsync(file);
    close(file);
    bool named_now = whole && (!link(made, named) || !access(named, F_OK));
    unlink(made);
    return named_now;
}

void tell_event(const Table* table, const char* event, const char* more) {
    Door* door = table->door;
    char json[TEXT];
    if (!door->events) return;
    snprintf(json, sizeof json, "{\"at_ns\": %" PRId64 ", \"event\": \"%s\", \"route\": \"%016" PRIx64 "\"%s%s}",
             unix_ns(&door->clock), event, table->route.digest, *more ? ", " : "", more);
    pthread_mutex_lock(&door->events_lock);
    write_event(door->events, json);
    pthread_mutex_unlock(&door->events_lock);
}

void blow_fuse(Table* table, const Finding* finding) {
    char text[TEXT];
    Door* door = table->door;
    if (atomic_exchange(&table->is_blown, true)) return;
    end_trial(table->trial);
    count_trip(door->counts, finding->reason);
    snprintf(text, sizeof text,
             "{\"route\": \"%016" PRIx64 "\", \"reason\": \"%s\", \"at\": %" PRId64 ", \"evidence\": {\"champion\": %" PRId64
             ", \"challenger\": %" PRId64 ", %s}}\n",
             table->route.digest, finding->reason, unix_ns(&door->clock), table->route.champion, table->route.challenger,
             finding->evidence);
    bool written = write_fuse(door, &table->route, text);
    char more[TEXT];
    snprintf(more, sizeof more, "\"reason\": \"%s\", \"evidence\": {%s}", finding->reason, finding->evidence);
    tell_event(table, "fuse", more);
    char said[TEXT + 128];
    snprintf(said, sizeof said, "the challenger's fuse has blown, the champion answers alone: %.*s%s", (int)strcspn(text, "\n"),
             text, written ? "" : " (its file could not be written: it holds as long as this process lives)");
    SAY(LOG_ERROR, said);
}
