#include "shadow.h"

#include "../reply.h"
#include "shadow_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHORTEST_HANG_NS 1000000000u
#define LONGEST_HANG_NS 2000000000u
#define LONGEST_REST_NS 100000000u
enum { CALM_NS = 200000, HANG_AFTER = 20, LOWEST_PPM = 1000, HOUR_MS = 3600000 };
enum { FEW_ROWS = 8, MANY_ROWS = 32, REST = 3 };                   // of a call; its time, after it
enum { SHALLOW = MOST_QUEUED / 16, UNHURRIED = MOST_QUEUED / 4 };  // bytes that wait: from there on, calls are larger; no rest

// The next that wait, as many as go into one call of the graph, of `waiting` bytes; NULL if the shadow is closing.
static Item* next_items(Shadow* shadow, size_t* waiting) {
    pthread_mutex_lock(&shadow->lock);
    while (!shadow->first && !shadow->is_closing) pthread_cond_wait(&shadow->work, &shadow->lock);
    *waiting = shadow->queued;
    size_t most = *waiting < SHALLOW ? FEW_ROWS : MANY_ROWS;
    Item *first = shadow->is_closing ? NULL : shadow->first, *last = NULL;
    for (size_t rows = 0; first && shadow->first && (!last || rows + shadow->first->raw.rows <= most);) {
        last = shadow->first;
        rows += last->raw.rows, shadow->queued -= last->bytes;
        shadow->first = last->next;
    }
    if (last) last->next = NULL;
    if (!shadow->first) shadow->end = &shadow->first;
    pthread_mutex_unlock(&shadow->lock);
    return first;
}

static void free_items(Item* item) {
    for (Item* next; item; item = next) next = item->next, free(item);
}

// Until nobody is being answered: what is begun then is short, so that those who come meanwhile hardly wait. (A thread that runs
// only when nobody else does would be put off while it holds what they need: the process's memory map, a piece of malloc's. With
// that, users waited several times as long.)
static void await_calm(const Shadow* shadow) {
    while (is_busy(shadow->table) && !atomic_load(&shadow->is_over)) nanosleep(&(struct timespec){.tv_nsec = CALM_NS}, NULL);
}

// Leave the processor to those who answer: after a call this thread rests for three times as long as that took, and for less, the
// more waits, so that all keys are computed while that can be. Where it cannot, it rests the more, the fewer keys are left.
static void rest(const Shadow* shadow, size_t waiting, uint64_t worked_ns) {
    uint64_t level = atomic_load(&shadow->level_ppm), ns = worked_ns * REST;
    if (level < BUCKETS)
        ns = ns * (BUCKETS - level) / BUCKETS / 2;
    else
        ns = waiting < UNHURRIED ? ns * (UNHURRIED - waiting) / UNHURRIED : 0;
    if (ns > LONGEST_REST_NS) ns = LONGEST_REST_NS;
    if (ns && !atomic_load(&shadow->is_over)) nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
}

static uint32_t requests_of(const Item* items) {
    uint32_t count = 0;
    for (const Item* item = items; item; item = item->next) count += item->count;
    return count;
}

// Join the rows of those that the arm can read; how many requests these are.
static uint32_t join(const Form* form, Worker* worker, Item* items) {
    uint32_t count = 0;
    for (Item* item = items; item; item = item->next) {
        size_t end = worker->rows.rows;
        item->is_computed = append_raw(&worker->rows, form, &item->raw);
        for (uint32_t i = 0; item->is_computed && i < item->count; i++) {
            const Shown* shown = &item->shown[i];
            const Sent sent = {.id = shown->request_id,
                               .event_ns = shown->event_ns,
                               .routing_key = shown->has_routing_key ? shown->routing_key : NULL};
            worker->joined[count] = (Joined){.routed = shown->routed, .end = end += shown->rows, .sent = sent};
            memcpy(worker->joined[count++].id, shown->id, ID_BYTES);
        }
    }
    return count;
}

static void judge_item(const Shadow* shadow, const Item* item, const float* p_click, uint64_t graph_ns) {
    const float *challenger = p_click, *champion = item->p_click;
    uint64_t times[2] = {graph_ns, item->graph_ns};
    if (item->by_challenger) challenger = item->p_click, champion = p_click, times[0] = item->graph_ns, times[1] = graph_ns;
    if (!item->is_whole || !graph_ns) times[0] = times[1] = 0;
    Finding finding;
    if (judge_pairs(shadow->table->guard, challenger, champion, item->raw.rows, times[0], times[1], &finding))
        blow_fuse(shadow->table, &finding);
}

// The time of a call says something of the speed if it was of the same rows.
static void judge(const Shadow* shadow, const Item* items, const Answer* answer, uint64_t graph_ns) {
    size_t row = 0;
    for (const Item* item = items; item; item = item->next) {
        if (!item->is_computed) continue;
        judge_item(shadow, item, answer->p_click + row, items->next ? 0 : graph_ns);
        row += item->raw.rows;
    }
}

// The graph's answer to the joined rows, and how long this thread computed.
static const char* compute(Shadow* shadow, Arm* arm, Worker* worker, bool by_challenger, Answer* answer, uint64_t* graph_ns) {
    if (!by_challenger) atomic_store(&shadow->since_ns, now_ns());
    uint64_t began_ns = thread_ns();
    const char* failed = run_graph(arm->graph, whole_text(&worker->rows), worker->rows.numbers, worker->rows.rows, answer);
    *graph_ns = thread_ns() - began_ns;
    if (!by_challenger) atomic_store(&shadow->since_ns, 0);
    return failed;
}

// What the arm that did not answer says of the same rows; how many requests it said it of.
static uint32_t answer_items(Shadow* shadow, Arm* arm, Worker* worker, Item* items) {
    Batch batch = {.arm = arm, .worker = worker};
    const Layout* layout = items->by_challenger ? shadow->table->to_champion : shadow->table->to_challenger;
    const Form form = {.settings = &arm->settings, .layout = layout, .declaration = arm->declaration};
    Answer answer;
    uint64_t graph_ns;
    uint32_t count = begin_batch(&batch, requests_of(items)) ? join(&form, worker, items) : 0;
    if (!count || compute(shadow, arm, worker, items->by_challenger, &answer, &graph_ns)) return 0;
    const Release release = {(uint32_t)arm->version, shadow->table->route.digest};
    if (worker->writer) write_answers(worker->writer, &arm->settings, release, &worker->rows, &answer, worker->joined, count);
    judge(shadow, items, &answer, graph_ns);
    release_answer(arm->graph, &answer);
    return count;
}

void work_on(Shadow* shadow, Worker* worker, Item* items) {
    Table* table = shadow->table;
    Arm* arm = items->by_challenger ? table->champion : table->challenger;
    uint32_t all = requests_of(items), done = answer_items(shadow, arm, worker, items);
    count_ends(shadow, SHADOWED, done), count_ends(shadow, NOT_SHADOWED, all - done);
    Finding finding;
    for (uint32_t i = done; i < all && !items->by_challenger; i++)
        if (judge_outcome(table->guard, WRONG, 0, &finding)) blow_fuse(table, &finding);
}

static void* keep_working(void* user) {
    Shadow* shadow = user;
    Arm* arm = shadow->table->challenger;
    Worker* worker = take_worker(arm);
    size_t waiting;
    for (Item* items; (items = next_items(shadow, &waiting)); free_items(items)) {
        await_calm(shadow);
        uint64_t began_ns = now_ns();
        if (worker && !atomic_load(&shadow->table->is_blown)) work_on(shadow, worker, items);
        if (!worker) count_ends(shadow, NOT_SHADOWED, requests_of(items));
        rest(shadow, waiting, now_ns() - began_ns);
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
    bool shrinks = queued + queued / 32 < shadow->queued_before;
    shadow->queued_before = queued;
    if (queued > MOST_QUEUED / 2 && !shrinks && level > LOWEST_PPM) atomic_store(&shadow->level_ppm, level / 10 * 8);
    if (queued < MOST_QUEUED / 4 && level < BUCKETS)
        atomic_store(&shadow->level_ppm, level + level / 20 < BUCKETS ? level + level / 20 + 1 : BUCKETS);
    if (hour_of(shadow) != shadow->hour) tell_hour(shadow);
    uint64_t since_ns = atomic_load(&shadow->since_ns), now = now_ns();
    uint64_t most_ns = (uint64_t)shadow->table->route.limits.timeout_ms * 1000000 * HANG_AFTER;
    if (most_ns < SHORTEST_HANG_NS) most_ns = SHORTEST_HANG_NS;
    if (most_ns > LONGEST_HANG_NS) most_ns = LONGEST_HANG_NS;
    if (!since_ns || now < since_ns || now - since_ns < most_ns) return;
    const Finding finding = {"hang", "\"in\": \"shadow\""};
    blow_fuse(shadow->table, &finding);
}

bool close_shadow(Shadow* shadow) {
    if (!shadow) return true;
    atomic_store(&shadow->is_over, true);
    pthread_mutex_lock(&shadow->lock);
    shadow->is_closing = true;
    pthread_cond_signal(&shadow->work);
    bool ended = shadow->has_ended;
    pthread_mutex_unlock(&shadow->lock);
    if (!ended) return false;
    pthread_join(shadow->thread, NULL);
    for (const Item* item = shadow->first; item; item = item->next) count_ends(shadow, DROPPED_FULL, item->count);
    tell_hour(shadow);
    free_items(shadow->first);
    pthread_cond_destroy(&shadow->work);
    pthread_mutex_destroy(&shadow->lock);
    free(shadow);
    return true;
}
