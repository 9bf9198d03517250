#include "trial.h"

#include "../answer.h"
#include "../reply.h"
#include "../waiting.h"
#include "shadow.h"
#include "trial_parts.h"

#include <stdlib.h>

enum { MOST_TOGETHER = 64, ENOUGH_ROWS = 32, RECHECK_NS = 1000000, LONG_NS = 1000000000 };

// Those that wait, or a thread's part of them where that is enough for a call; NULL if the trial is closing.
static Task* take_some(Trial* trial) {
    pthread_mutex_lock(&trial->lock);
    while (!trial->waiting && !trial->is_closing) pthread_cond_wait(&trial->work, &trial->lock);
    Task *first = trial->waiting, **end = &first;
    uint64_t part = trial->waiting_rows / trial->threads_count, most = part > ENOUGH_ROWS ? part : ENOUGH_ROWS, rows = 0;
    for (unsigned count = 0; *end && count < MOST_TOGETHER && rows < most; count++, end = &(*end)->next)
        rows += (*end)->rows, trial->waiting_count--;
    trial->waiting_rows -= rows;
    trial->waiting = *end, *end = NULL;
    if (!trial->waiting) trial->waiting_end = &trial->waiting;
    pthread_mutex_unlock(&trial->lock);
    return first;
}

static bool fits(const Batch* batch) { return batch->worker->rows.rows < batch->arm->settings.max_rows / 2; }

// Compute the first of them, as many as go into one call, and return the others.
static Task* compute(Trial* trial, Task* task) {
    Table* table = trial->table;
    Arm* arm = table->challenger;
    Worker* worker = take_worker(arm);
    Batch batch = {.arm = arm,
                   .worker = worker,
                   .route = table->route.digest,
                   .open = table->open,
                   .shadow = table->shadow,
                   .start_ns = now_ns()};
    if (!worker || !begin_batch(&batch, MOST_TOGETHER)) {
        if (claim(task)) fall_back(task, FAILED_THERE);
        Task* next = task->next;
        drop_task(task);
        if (worker) give_back_worker(arm, worker);
        return next;
    }
    for (Task* next; task && fits(&batch); task = next) {
        next = task->next;
        if (!begin_reading(task)) {
            drop_task(task);
            continue;
        }
        add_to_batch(&batch, task->request, task->instance, &task->routed, task, task->start_ns);
    }
    answer_batch(&batch);
    give_back_worker(arm, worker);
    pair_batch(table->shadow, &batch);
    return task;
}

static void* keep_computing(void* user) {
    Trial* trial = user;
    for (Task* task; (task = take_some(trial));)
        while (task) task = compute(trial, task);
    pthread_mutex_lock(&trial->lock);
    trial->ended++;
    pthread_cond_signal(&trial->tick);
    pthread_mutex_unlock(&trial->lock);
    return NULL;
}

// The champion answers them.
static void answer_fallen(Trial* trial, Task* task) {
    Table* table = trial->table;
    Arm* arm = table->champion;
    while (task) {
        Worker* worker = take_worker(arm);
        Batch batch = {.arm = arm, .worker = worker, .route = table->route.digest, .open = table->open, .start_ns = now_ns()};
        bool ready = worker && begin_batch(&batch, MOST_TOGETHER);
        for (Task* next; task && (!ready || (fits(&batch) && batch.count < MOST_TOGETHER)); task = next) {
            next = task->next_fallen;
            Routed routed = task->routed;
            routed.status = FALLBACK;
            if (ready) {
                add_to_batch(&batch, task->request, task->instance, &routed, task, task->start_ns);
            } else {
                reply_error(task->request, INTERNAL, "out of memory");
                done_with_request(task), drop_task(task);
            }
        }
        if (ready) answer_batch(&batch);
        if (worker) give_back_worker(arm, worker);
    }
}

// Those that are late, or all if the trial is over, from the list of those that are due; those of them that can be claimed are,
// and marked. After how many nanoseconds to look again.
static uint64_t look_at_due(Trial* trial, uint64_t now, Task** late) {
    Task** late_end = late;
    while (trial->due && (trial->is_over || trial->due->due_ns <= now)) {
        Task* task = trial->due;
        int before = try_to_claim(task);
        if (before == READING) return RECHECK_NS;
        task->is_late = before == OPEN;
        trial->due = task->next_due;
        if (!trial->due) trial->due_end = &trial->due;
        task->next_due = NULL;
        *late_end = task, late_end = &task->next_due;
    }
    return trial->due ? trial->due->due_ns - now : LONG_NS;
}

static void fall_back_all(Trial* trial, Task* late) {
    for (Task* next; late; late = next) {
        next = late->next_due;
        if (late->is_late) fall_back(late, trial->is_over ? FAILED_THERE : TOO_LATE);
        drop_task(late);
    }
}

static void* keep_time(void* user) {
    Trial* trial = user;
    pthread_mutex_lock(&trial->lock);
    while (!trial->is_closing || trial->fallen || trial->due) {
        Task *late = NULL, *fallen = trial->fallen;
        uint64_t pause_ns = look_at_due(trial, now_ns(), &late);
        trial->fallen = NULL, trial->fallen_end = &trial->fallen;
        if (!late && !fallen) {
            rest_on(&trial->tick, &trial->lock, pause_ns);
            continue;
        }
        pthread_mutex_unlock(&trial->lock);
        fall_back_all(trial, late);
        answer_fallen(trial, fallen);
        pthread_mutex_lock(&trial->lock);
    }
    trial->ended++;
    pthread_mutex_unlock(&trial->lock);
    return NULL;
}

const char* open_trial(Table* table, unsigned threads, Trial** out) {
    Trial* trial = calloc(1, sizeof *trial);
    if (!trial) return "out of memory";
    trial->table = table;
    trial->waiting_end = &trial->waiting, trial->due_end = &trial->due, trial->fallen_end = &trial->fallen;
    pthread_mutex_init(&trial->lock, NULL);
    pthread_cond_init(&trial->work, NULL);
    make_condition(&trial->tick);
    *out = trial;
    threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    bool keeps = !pthread_create(&trial->keeper, NULL, keep_time, trial);
    while (keeps && trial->threads_count < threads &&
           !pthread_create(&trial->thread[trial->threads_count], NULL, keep_computing, trial))
        trial->threads_count++;
    if (keeps && trial->threads_count) return NULL;
    pthread_mutex_lock(&trial->lock);
    trial->is_closing = true;
    pthread_cond_signal(&trial->tick);
    pthread_mutex_unlock(&trial->lock);
    if (keeps) pthread_join(trial->keeper, NULL);
    free(trial);
    *out = NULL;
    return "no threads for a challenger";
}

void end_trial(Trial* trial) {
    pthread_mutex_lock(&trial->lock);
    trial->is_over = true;
    pthread_cond_signal(&trial->tick);
    pthread_mutex_unlock(&trial->lock);
}

bool close_trial(Trial* trial) {
    if (!trial) return true;
    pthread_mutex_lock(&trial->lock);
    trial->is_closing = true;
    pthread_cond_broadcast(&trial->work);
    pthread_cond_signal(&trial->tick);
    bool ended = trial->ended == trial->threads_count + 1;  // and the one that keeps time
    pthread_mutex_unlock(&trial->lock);
    if (!ended) return false;
    pthread_join(trial->keeper, NULL);
    for (unsigned i = 0; i < trial->threads_count; i++) pthread_join(trial->thread[i], NULL);
    pthread_cond_destroy(&trial->work);
    pthread_cond_destroy(&trial->tick);
    pthread_mutex_destroy(&trial->lock);
    free(trial);
    return true;
}
