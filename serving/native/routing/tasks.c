#include "../reply.h"
#include "../request/input.h"
#include "trial_parts.h"

#include <stdlib.h>

bool begin_reading(Task* task) {
    int expected = OPEN;
    return atomic_compare_exchange_strong(&task->state, &expected, READING);
}

void end_reading(Task* task) {
    int expected = READING;
    atomic_compare_exchange_strong(&task->state, &expected, OPEN);
}

int try_to_claim(Task* task) {
    int before = OPEN;
    atomic_compare_exchange_strong(&task->state, &before, CLAIMED);
    return before;
}

bool claim(Task* task) { return try_to_claim(task) == OPEN; }

void hold_task(Task* task) { atomic_fetch_add(&task->holds, 1); }

void drop_task(Task* task) {
    if (atomic_fetch_sub(&task->holds, 1) != 1) return;
    Table* table = task->trial->table;
    free(task);
    drop_table(table);
}

static void judge(Trial* trial, Outcome outcome, uint64_t took_ns) {
    Finding finding;
    if (judge_outcome(trial->table->guard, outcome, took_ns, &finding)) blow_fuse(trial->table, &finding);
}

void done_with_request(Task* task) {
    uint64_t now = now_ns();
    drop(TRITONBACKEND_ModelInstanceReportStatistics(task->instance, task->request, task->success, task->start_ns, task->start_ns,
                                                     now, now));
    drop(TRITONBACKEND_RequestRelease(task->request, RELEASE_ALL));
    if (task->is_refused && task->success) judge(task->trial, WRONG, now - task->start_ns);
    remove_pending(pending_of(task->trial->table));
}

// To those whom the champion answers; `lock` is held.
static void append_fallen(Trial* trial, Task* task) {
    task->next_fallen = NULL;
    *trial->fallen_end = task, trial->fallen_end = &task->next_fallen;
    pthread_cond_signal(&trial->tick);
}

void note_answered(Task* task) { judge(task->trial, IN_TIME, now_ns() - task->start_ns); }

void note_no_probability(Task* task) {
    const Finding finding = {"non_finite", "\"answer\": \"no probability\""};
    blow_fuse(task->trial->table, &finding);
}

void fall_back(Task* task, FallReason reason) {
    Trial* trial = task->trial;
    hold_task(task);
    task->is_refused = reason == REFUSED_THERE;
    count_fallback(counts_of(trial->table), reason);
    pthread_mutex_lock(&trial->lock);
    append_fallen(trial, task);
    pthread_mutex_unlock(&trial->lock);
    if (reason == TOO_LATE || reason == FAILED_THERE) judge(trial, reason == TOO_LATE ? LATE : WRONG, now_ns() - task->start_ns);
}

// Of its first tensor; 1 if that does not say.
static uint64_t count_rows(Request* request) {
    Properties tensor;
    Error* error = read_properties(request, 0, &tensor);
    bool is_told = !error && tensor.dims && tensor.shape[0] > 0 && tensor.shape[0] <= MAX_ROWS;
    uint64_t rows = is_told ? (uint64_t)tensor.shape[0] : 1;
    drop(error);
    return rows;
}

bool offer(Trial* trial, Request* request, Instance* instance, const Routed* routed, uint64_t start_ns) {
    Task* task = calloc(1, sizeof *task);
    if (!task) return false;
    task->trial = trial, task->request = request, task->instance = instance, task->routed = *routed;
    task->rows = count_rows(request);
    task->start_ns = start_ns, task->due_ns = start_ns + (uint64_t)trial->table->route.limits.timeout_ms * 1000000;
    atomic_store(&task->holds, 2);  // by the list of those that wait, and by the list of those that are due
    hold_table(trial->table);
    add_pending(pending_of(trial->table));
    pthread_mutex_lock(&trial->lock);
    bool is_full = trial->is_over || trial->waiting_count >= trial->table->champion->settings.max_waiting;
    task->next_due = NULL;
    *trial->due_end = task, trial->due_end = &task->next_due;
    if (is_full) {
        atomic_store(&task->state, CLAIMED);  // and the hold of the list goes to the other one
        append_fallen(trial, task);
    } else {
        *trial->waiting_end = task, trial->waiting_end = &task->next;
        trial->waiting_count++, trial->waiting_rows += task->rows;
        pthread_cond_signal(&trial->work);
        if (trial->due == task) pthread_cond_signal(&trial->tick);
    }
    pthread_mutex_unlock(&trial->lock);
    if (is_full) count_fallback(counts_of(trial->table), TOO_MANY);
    return true;
}
