#include "../reply.h"
#include "shadow_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HANDED = 32, FIRST_ROWS = 4096, PAIR_EVERY_NS = 20000000 };

void count_ends(Shadow* shadow, ShadowEnd end, uint64_t requests) {
    atomic_fetch_add(&shadow->ends[end], requests);
    count_shadow(counts_of(shadow->table), end, requests);
}

// Is what the challenger answers to be computed by the champion too: the guards live on it. All of its first rows are, and then
// so many batches a second, beside those that the route asks for.
static bool is_pair_due(Shadow* shadow) {
    unsigned long long now = now_ns(), due = atomic_load(&shadow->again_ns);
    if (atomic_load(&shadow->paired) < FIRST_ROWS) return true;
    return now >= due && atomic_compare_exchange_strong(&shadow->again_ns, &due, now + PAIR_EVERY_NS);
}

// Is a request to be computed by the other arm, whether because all of its batch is, or by its key.
static bool is_wanted(Shadow* shadow, const Joined* joined, bool by_challenger, bool all, size_t rows) {
    if (!joined->request || joined->is_handed_on || !rows || joined->routed.shadow_bucket == NO_BUCKET) return false;
    if (all) return true;
    if (joined->routed.shadow_bucket >= shadow->table->route.shadow_ppm) return false;
    if (by_challenger || joined->routed.shadow_bucket < atomic_load(&shadow->level_ppm)) return true;
    count_ends(shadow, DROPPED_BY_KEY, 1);
    return false;
}

static void show(Shown* shown, const Joined* joined, size_t rows) {
    *shown = (Shown){.rows = (uint32_t)rows, .routed = joined->routed, .event_ns = joined->sent.event_ns};
    shown->routed.status = SHADOW;
    memcpy(shown->id, joined->id, ID_BYTES);
    snprintf(shown->request_id, sizeof shown->request_id, "%s", joined->sent.id);
    shown->has_routing_key = joined->sent.routing_key;
    if (shown->has_routing_key) snprintf(shown->routing_key, sizeof shown->routing_key, "%s", joined->sent.routing_key);
}

static Item* make_item(const Batch* batch, const bool* wanted, uint32_t count, size_t rows, size_t text_bytes) {
    const Settings* s = &batch->arm->settings;
    size_t head = sizeof(Item) + count * sizeof(Shown), numbers = rows * s->numeric * sizeof(float), p = rows * sizeof(float);
    Item* item = malloc(head + numbers + p + text_bytes + 1);
    if (!item) return NULL;
    char* at = (char*)item + head;
    *item = (Item){.bytes = head + numbers + p + text_bytes, .graph_ns = batch->graph_ns};
    item->raw = (Raw){.numbers = (float*)(void*)at, .text = at + numbers + p, .text_bytes = text_bytes, .rows = rows};
    item->p_click = (float*)(void*)(at + numbers);
    const Worker* worker = batch->worker;
    size_t row = 0, text = 0, from_text = 0, start = 0;
    for (uint32_t i = 0; i < batch->count; start = worker->joined[i++].end) {
        size_t end = worker->joined[i].end, bytes = raw_bytes(&worker->rows, s, start, end);
        if (wanted[i]) {
            copy_raw(&worker->rows, s, start, end, from_text, (char*)item->raw.text + text,
                     (float*)item->raw.numbers + row * s->numeric);
            memcpy(item->p_click + row, batch->answer->p_click + start, (end - start) * sizeof(float));
            show(&item->shown[item->count++], &worker->joined[i], end - start);
            row += end - start, text += bytes;
        }
        from_text += bytes;
    }
    return item;
}

static bool put_in_queue(Shadow* shadow, Item* item) {
    pthread_mutex_lock(&shadow->lock);
    bool fits = shadow->queued + item->bytes <= MOST_QUEUED && !shadow->is_closing;
    if (fits) {
        item->next = NULL;
        *shadow->end = item, shadow->end = &item->next;
        shadow->queued += item->bytes;
        pthread_cond_signal(&shadow->work);
    }
    pthread_mutex_unlock(&shadow->lock);
    return fits;
}

// What is wanted of a batch, in one block; NULL if nothing is, or there is no memory.
static Item* take_item(Shadow* shadow, const Batch* batch, bool by_challenger, uint32_t* count) {
    bool few[256], *wanted = batch->count > 256 ? malloc(batch->count * sizeof *wanted) : few;
    bool all = by_challenger && is_pair_due(shadow);
    size_t rows = 0, text_bytes = 0, start = 0;
    for (uint32_t i = 0; wanted && i < batch->count; start = batch->worker->joined[i++].end) {
        const Joined* joined = &batch->worker->joined[i];
        wanted[i] = is_wanted(shadow, joined, by_challenger, all, joined->end - start);
        if (!wanted[i]) continue;
        (*count)++, rows += joined->end - start;
        text_bytes += raw_bytes(&batch->worker->rows, &batch->arm->settings, start, joined->end);
    }
    Item* item = *count ? make_item(batch, wanted, *count, rows, text_bytes) : NULL;
    if (item) item->by_challenger = by_challenger, item->is_whole = rows == batch->worker->rows.rows;
    if (wanted != few) free(wanted);
    return item;
}

void show_batch(Shadow* shadow, Batch* batch) {
    bool by_challenger = batch->arm == shadow->table->challenger;
    uint32_t count = 0;
    if (!takes_part(shadow->table)) return;
    Item* item = take_item(shadow, batch, by_challenger, &count);
    if (item && by_challenger)
        batch->shown = item;
    else if (count && (!item || !put_in_queue(shadow, item)))
        count_ends(shadow, DROPPED_FULL, count), free(item);
}

void pair_batch(Shadow* shadow, Batch* batch) {
    Item* item = batch->shown;
    if (!item) return;
    Arm* champion = shadow->table->champion;
    Worker* worker = take_worker(champion);
    atomic_fetch_add(&shadow->paired, (long long)item->raw.rows);
    if (worker) work_on(shadow, worker, item), give_back_worker(champion, worker);
    free(item);
    batch->shown = NULL;
}

bool wants_handed(Shadow* shadow, const Routed* routed) {
    if (routed->shadow_bucket == NO_BUCKET || routed->arm != CHAMPION_ARM || !takes_part(shadow->table)) return false;
    if (routed->shadow_bucket >= shadow->table->route.shadow_ppm) return false;
    if (routed->shadow_bucket >= atomic_load(&shadow->level_ppm)) return count_ends(shadow, DROPPED_BY_KEY, 1), false;
    hold_table(shadow->table);
    return true;
}

Call* show_handed(Shadow* shadow, const Handed* handed) {
    Table* table = shadow->table;
    const Form form = form_of(table->challenger);
    Handed shown = *handed;
    shown.form = &form;
    bool is_full = atomic_fetch_add(&shadow->handed, 1) >= MOST_HANDED;
    Call* call = is_full ? NULL : prepare_shown(table->challenger->careful, &shown);
    if (call) return call;
    if (is_full) count_ends(shadow, DROPPED_FULL, 1);
    atomic_fetch_sub(&shadow->handed, 1);
    drop_table(table);
    return NULL;
}

void drop_shadow(Shadow* shadow) { drop_table(shadow->table); }

void note_shown(Shadow* shadow, bool success) {
    count_ends(shadow, success ? SHADOWED : NOT_SHADOWED, 1);
    atomic_fetch_sub(&shadow->handed, 1);
    drop_table(shadow->table);
}
