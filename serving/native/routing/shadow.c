#include "shadow.h"

#include "../reply.h"
#include "shadow_parts.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NICE = 19, HANG_AFTER = 20, LOWEST_PPM = 1000, HOUR_MS = 3600000 };

// The next that waits, when the one before it is finished; NULL if the shadow is closing.
static Item* next_item(Shadow* shadow, Item* finished) {
    pthread_mutex_lock(&shadow->lock);
    if (finished) finished->next = shadow->finished, shadow->finished = finished;
    while (!shadow->first && !shadow->is_closing) pthread_cond_wait(&shadow->work, &shadow->lock);
    Item* item = shadow->is_closing ? NULL : shadow->first;
    if (item) {
        shadow->first = item->next;
        if (!shadow->first) shadow->end = &shadow->first;
        shadow->queued -= item->bytes;
    }
    pthread_mutex_unlock(&shadow->lock);
    return item;
}

// While the graph computes, only when nobody else wants to; not so where a lock is held that somebody else may want. False if it
// may not come back from that.
static bool yield_to_all(bool yields) {
    const struct sched_param none = {0};
    return !pthread_setschedparam(pthread_self(), yields ? SCHED_IDLE : SCHED_OTHER, &none);
}

static void write_down(const Shadow* shadow, Arm* arm, Worker* worker, const Item* item, const Answer* answer) {
    size_t end = 0;
    if (!worker->writer) return;
    for (uint32_t i = 0; i < item->count; i++) {
        const Shown* shown = &item->shown[i];
        const Sent sent = {.id = shown->request_id,
                           .event_ns = shown->event_ns,
                           .routing_key = shown->has_routing_key ? shown->routing_key : NULL};
        worker->joined[i] = (Joined){.routed = shown->routed, .end = end += shown->rows, .sent = sent};
        memcpy(worker->joined[i].id, shown->id, ID_BYTES);
    }
    const Release release = {(uint32_t)arm->version, shadow->table->route.digest};
    write_answers(worker->writer, &arm->settings, release, &worker->rows, answer, worker->joined, item->count);
}

static void judge(const Shadow* shadow, const Item* item, const Answer* answer, uint64_t graph_ns) {
    const float *challenger = answer->p_click, *champion = item->p_click;
    uint64_t times[2] = {graph_ns, item->graph_ns};
    if (item->by_challenger)
        challenger = item->p_click, champion = answer->p_click, times[0] = item->graph_ns, times[1] = graph_ns;
    if (!item->is_whole) times[0] = times[1] = 0;
    Finding finding;
    if (judge_pairs(shadow->table->guard, challenger, champion, item->raw.rows, times[0], times[1], &finding))
        blow_fuse(shadow->table, &finding);
}

// What the arm that did not answer says of the same rows; false if it could not say anything.
static bool compute(Shadow* shadow, Arm* arm, Worker* worker, const Item* item) {
    Batch batch = {.arm = arm, .worker = worker};
    const Layout* layout = item->by_challenger ? shadow->table->to_champion : shadow->table->to_challenger;
    const Form form = {.settings = &arm->settings, .layout = layout, .declaration = arm->declaration};
    Answer answer;
    if (!begin_batch(&batch, item->count) || !append_raw(&worker->rows, &form, &item->raw)) return false;
    bool yields = shadow->can_yield && !item->by_challenger;
    if (!item->by_challenger) atomic_store(&shadow->since_ns, now_ns());
    if (yields) yield_to_all(true);
    uint64_t graph_ns = thread_ns();
    const char* failed = run_graph(arm->graph, whole_text(&worker->rows), worker->rows.numbers, worker->rows.rows, &answer);
    graph_ns = thread_ns() - graph_ns;
    if (yields) yield_to_all(false);
    if (!item->by_challenger) atomic_store(&shadow->since_ns, 0);
    if (failed) return false;
    write_down(shadow, arm, worker, item, &answer);
    judge(shadow, item, &answer, graph_ns);
    release_answer(arm->graph, &answer);
    return true;
}

void work_on(Shadow* shadow, Worker* worker, const Item* item) {
    Table* table = shadow->table;
    Arm* arm = item->by_challenger ? table->champion : table->challenger;
    bool done = compute(shadow, arm, worker, item);
    count_ends(shadow, done ? SHADOWED : NOT_SHADOWED, item->count);
    Finding finding;
    if (!done && !item->by_challenger && judge_outcome(table->guard, WRONG, 0, &finding)) blow_fuse(table, &finding);
}

static void* keep_working(void* user) {
    Shadow* shadow = user;
    Arm* arm = shadow->table->challenger;
    Worker* worker = take_worker(arm);
    shadow->can_yield = yield_to_all(true) && yield_to_all(false);
    if (!shadow->can_yield) setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);  // of this thread, for good
    for (Item* item = NULL; (item = next_item(shadow, item));) {
        bool is_whole = worker && !atomic_load(&shadow->table->is_blown);
        if (is_whole) work_on(shadow, worker, item);
        if (!worker) count_ends(shadow, NOT_SHADOWED, item->count);
    }
    if (worker) give_back_worker(arm, worker);
    pthread_mutex_lock(&shadow->lock);
    shadow->has_ended = true;
    pthread_mutex_unlock(&shadow->lock);
    return NULL;
}

static int64_t hour_of(const Shadow* shadow) { return unix_ns(clock_of(shadow->table)) / 1000000 / HOUR_MS; }

const char* open_shadow(Table* table, Shadow** out) {
    Shadow* shadow = calloc(1, sizeof *shadow);
    if (!shadow) return "out of memory";
    shadow->table = table, shadow->end = &shadow->first;
    shadow->hour = hour_of(shadow);
    atomic_store(&shadow->level_ppm, BUCKETS);
    pthread_mutex_init(&shadow->lock, NULL);
    pthread_cond_init(&shadow->work, NULL);
    *out = shadow;
    if (!pthread_create(&shadow->thread, NULL, keep_working, shadow)) return NULL;
    free(shadow);
    *out = NULL;
    return "no thread for shadow work";
}

static void tell_hour(Shadow* shadow) {
    unsigned long long number[SHADOW_ENDS], sum = 0;
    for (int i = 0; i < SHADOW_ENDS; i++) sum += number[i] = atomic_exchange(&shadow->ends[i], 0);
    time_t began_s = (time_t)(shadow->hour * (HOUR_MS / 1000));
    struct tm utc;
    char more[256];
    shadow->hour = hour_of(shadow);
    if (!sum) return;
    gmtime_r(&began_s, &utc);
    snprintf(
        more, sizeof more,
        "\"hour\": \"%04d-%02d-%02dT%02d\", \"done\": %llu, \"failed\": %llu, \"dropped_by_key\": %llu, \"dropped_full\": %llu",
        utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, number[SHADOWED], number[NOT_SHADOWED],
        number[DROPPED_BY_KEY], number[DROPPED_FULL]);
    tell_event(shadow->table, "shadow_hour", more);
}

void look_after_shadow(Shadow* shadow) {
    pthread_mutex_lock(&shadow->lock);
    size_t queued = shadow->queued;
    pthread_mutex_unlock(&shadow->lock);
    unsigned level = atomic_load(&shadow->level_ppm);
    if (queued > MOST_QUEUED / 2 && level > LOWEST_PPM) atomic_store(&shadow->level_ppm, level / 10 * 8);
    if (queued < MOST_QUEUED / 10 && level < BUCKETS)
        atomic_store(&shadow->level_ppm, level + level / 20 < BUCKETS ? level + level / 20 + 1 : BUCKETS);
    if (hour_of(shadow) != shadow->hour) tell_hour(shadow);
    uint64_t since_ns = atomic_load(&shadow->since_ns), now = now_ns();
    uint64_t most_ns = (uint64_t)shadow->table->route.limits.timeout_ms * 1000000 * HANG_AFTER;
    if (!since_ns || now < since_ns || now - since_ns < (most_ns < 1000000000u ? 1000000000u : most_ns)) return;
    const Finding finding = {"hang", "\"in\": \"shadow\""};
    blow_fuse(shadow->table, &finding);
}

bool close_shadow(Shadow* shadow) {
    if (!shadow) return true;
    pthread_mutex_lock(&shadow->lock);
    shadow->is_closing = true;
    pthread_cond_signal(&shadow->work);
    bool ended = shadow->has_ended;
    pthread_mutex_unlock(&shadow->lock);
    if (!ended) return false;
    pthread_join(shadow->thread, NULL);
    for (const Item* item = shadow->first; item; item = item->next) count_ends(shadow, DROPPED_FULL, item->count);
    tell_hour(shadow);
    for (Item *item = shadow->first, *next; item; item = next) next = item->next, free(item);
    for (Item *item = shadow->finished, *next; item; item = next) next = item->next, free(item);
    pthread_cond_destroy(&shadow->work);
    pthread_mutex_destroy(&shadow->lock);
    free(shadow);
    return true;
}
