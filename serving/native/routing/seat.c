#include "../answer.h"
#include "../request/input.h"
#include "../reply.h"
#include "buckets.h"
#include "door_parts.h"
#include "trial.h"

#include <stdio.h>
#include <string.h>

#define OVERLOADED \
    "overloaded: too many requests are waiting, at most %u may (serving.repository.max_queue_size); try again later"

// A text in a request.
typedef struct {
    const char* at;
    size_t bytes;
} Text;

// The string of a column in the first row of a request, if it lies in the tensor's first piece, as all do that Triton takes in at
// once; else none.
static Text first_text(Request* request, uint32_t column) {
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        const void* data;
        uint64_t size;
        int memory = MEMORY_CPU;
        int64_t device = 0;
        error = read_properties(request, i, &tensor);
        if (error || strcmp(tensor.name, "categorical") != 0 || tensor.type != TYPE_BYTES || !tensor.buffers) continue;
        error = TRITONBACKEND_InputBuffer(tensor.input, 0, &data, &size, &memory, &device);
        if (error || memory == MEMORY_GPU) break;
        const char *at = data, *end = at + size;
        for (uint32_t length, c = 0; (size_t)(end - at) >= PREFIX; c++, at += length) {
            memcpy(&length, at, PREFIX);
            at += PREFIX;
            if (length > (size_t)(end - at)) break;
            if (c == column) return (Text){at, length};
        }
        break;
    }
    drop(error);
    return (Text){NULL, 0};
}

// The arm of a request. True if that is the challenger, whether by its key or because it was asked for.
static bool choose_arm(const Table* table, bool takes_part, Request* request, Routed* routed) {
    *routed = NOT_ROUTED;
    if (!table->route.challenger) return false;
    const Settings* settings = &table->door->own->settings;  // requests come as that release takes them
    Sent sent;
    bool is_plain = read_parameters(request, settings->declaration, &sent);  // else `ctr_careful` says what is wrong
    if (!is_plain || sent.release) {
        routed->flags = RELEASE_ASKED_FOR;
        return takes_part && is_plain && sent.release == table->challenger->version;
    }
    bool is_sent = sent.routing_key;
    Text key = {sent.routing_key, is_sent ? strlen(sent.routing_key) : 0};
    if (!is_sent && settings->entity >= 0) key = first_text(request, (uint32_t)settings->entity);
    KeyBuckets buckets;
    if (!takes_part) routed->flags = CHALLENGER_OFF;
    if (!key.bytes || !find_buckets(table->route.salt, key.at, key.bytes, &buckets)) return false;
    routed->flags |= is_sent ? KEY_BY_PARAMETER : 0;
    routed->bucket = buckets.arm;
    if (!takes_part) return false;
    routed->shadow_bucket = buckets.shadow;
    bool is_challengers = buckets.arm < table->route.share_ppm;
    routed->arm = is_challengers ? CHALLENGER_ARM : CHAMPION_ARM;
    return is_challengers;
}

// Each request to its arm: those of the champion are taken to the batch.
static void part(Table* table, Seat* seat, Batch* batch, Instance* instance, Request** requests, uint32_t count) {
    bool part = takes_part(table);
    if (!part) batch->shadow = NULL;
    for (uint32_t i = 0; i < count; i++) {
        Routed routed;
        bool is_challengers = choose_arm(table, part, requests[i], &routed);
        if (table->route.digest != NO_ROUTE) count_routed(seat->door->counts, &routed);
        if (is_challengers && offer(table->trial, requests[i], instance, &routed, batch->start_ns)) continue;
        if (is_challengers) routed.status = FALLBACK;  // there was no memory to hand it over
        add_to_batch(batch, requests[i], instance, &routed, NULL, batch->start_ns);
    }
}

static void fail_all(Arm* arm, Instance* instance, Request** requests, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) send_error(instance, requests[i], INTERNAL, "out of memory");
    count_failed(arm->counters, count);
}

static void take_all(Batch* batch, Instance* instance, Request** requests, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) add_to_batch(batch, requests[i], instance, &NOT_ROUTED, NULL, batch->start_ns);
}

static void answer_warm_up(Seat* seat, Batch* batch, Instance* instance, Request** requests, uint32_t count) {
    batch->is_warm_up = true;
    take_all(batch, instance, requests, count);
    answer_batch(batch);
    seat->warmups_left--;
}

// They are not looked at, only told of.
static void refuse_overload(Arm* arm, Batch* batch, Instance* instance, Request** requests, uint32_t count) {
    char sentence[256];
    snprintf(sentence, sizeof sentence, OVERLOADED, arm->settings.max_waiting);
    for (uint32_t i = 0; i < count; i++)
        batch->worker->joined[batch->count++] =
            (Joined){.request = requests[i], .instance = instance, .routed = NOT_ROUTED, .start_ns = batch->start_ns};
    refuse_all(batch, "overloaded", UNAVAILABLE, sentence);
    count_overloaded(arm->counters, count);
}

void answer_requests(Seat* seat, Instance* instance, Request** requests, uint32_t count) {
    Door* door = seat->door;
    uint64_t start_ns = now_ns();
    atomic_fetch_add_explicit(&door->busy, 1, memory_order_relaxed);
    Table* table = hold_table_in_force(door);
    Arm* arm = seat->warmups_left ? door->own : table->champion;
    Worker* worker = take_worker(arm);
    Batch batch = {.arm = arm,
                   .worker = worker,
                   .route = table->route.digest,
                   .open = table->open,
                   .shadow = table->shadow,
                   .start_ns = start_ns};
    if (!worker || !begin_batch(&batch, count)) {
        fail_all(arm, instance, requests, count);
    } else if (seat->warmups_left) {
        answer_warm_up(seat, &batch, instance, requests, count);
    } else if (too_long(door->backlog, &seat->turn, start_ns)) {
        refuse_overload(arm, &batch, instance, requests, count);
    } else {
        part(table, seat, &batch, instance, requests, count);
        answer_batch(&batch);
    }
    if (worker) give_back_worker(arm, worker);
    drop_table(table);
    atomic_fetch_sub_explicit(&door->busy, 1, memory_order_relaxed);
}
