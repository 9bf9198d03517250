#include "backlog.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PENDING "nv_inference_pending_request_count{"
#define LOOK_EVERY_US 50000
#define SIGN 4  // a batch of a fourth of the allowed requests is a sign of a long queue

struct Backlog {
    Server* server;
    char label[NAME_SIZE + 16];  // model="..."
    uint32_t max_waiting, max_rows;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool look, closing, refused;  // refused: the last batch was
    int64_t excess;               // requests yet to be refused
};

// Requests that wait for any version of the model, as Triton's metrics say; 0 if they do not say it.
static int64_t waiting_requests(const Backlog* backlog) {
    Metrics* metrics = NULL;
    const char* text = NULL;
    size_t bytes = 0;
    int64_t found = 0;
    Error* error = TRITONSERVER_ServerMetrics(backlog->server, &metrics);
    if (!error) error = TRITONSERVER_MetricsFormatted(metrics, FORMAT_PROMETHEUS, &text, &bytes);
    char* copy = error ? NULL : strndup(text, bytes);  // the text need not end with a NUL
    char* rest = copy;
    for (char* line; rest && (line = strsep(&rest, "\n"));) {
        char* value = strrchr(line, ' ');
        if (value && !strncmp(line, PENDING, strlen(PENDING)) && strstr(line, backlog->label)) found += (int64_t)atof(value);
    }
    free(copy);
    if (error) TRITONSERVER_ErrorDelete(error);
    if (metrics) TRITONSERVER_MetricsDelete(metrics);
    return found;
}

static void* keep_looking(void* user) {
    Backlog* backlog = user;
    pthread_mutex_lock(&backlog->lock);
    while (true) {
        while (!backlog->look && !backlog->closing) pthread_cond_wait(&backlog->wake, &backlog->lock);
        if (backlog->closing) break;
        backlog->look = false;
        pthread_mutex_unlock(&backlog->lock);
        int64_t excess = waiting_requests(backlog) - backlog->max_waiting;
        pthread_mutex_lock(&backlog->lock);
        backlog->excess = excess;
        pthread_mutex_unlock(&backlog->lock);
        usleep(LOOK_EVERY_US);
        pthread_mutex_lock(&backlog->lock);
    }
    pthread_mutex_unlock(&backlog->lock);
    return NULL;
}

const char* open_backlog(const Settings* settings, Server* server, const char* model, Backlog** out) {
    Backlog* backlog = *out = calloc(1, sizeof *backlog);
    if (!backlog) return "out of memory";
    backlog->server = server, backlog->max_waiting = settings->max_waiting, backlog->max_rows = settings->max_rows;
    snprintf(backlog->label, sizeof backlog->label, "model=\"%s\"", model);
    pthread_mutex_init(&backlog->lock, NULL);
    pthread_cond_init(&backlog->wake, NULL);
    if (!pthread_create(&backlog->thread, NULL, keep_looking, backlog)) return NULL;
    backlog->closing = true;
    return "no thread to watch the queue";
}

void close_backlog(Backlog* backlog) {
    if (!backlog) return;
    if (!backlog->closing) {
        pthread_mutex_lock(&backlog->lock);
        backlog->closing = true;
        pthread_cond_signal(&backlog->wake);
        pthread_mutex_unlock(&backlog->lock);
        pthread_join(backlog->thread, NULL);
    }
    free(backlog);
}

bool too_long(Backlog* backlog, size_t requests, size_t rows, size_t largest) {
    bool refuse = false;
    pthread_mutex_lock(&backlog->lock);
    if (requests <= backlog->max_waiting / SIGN && rows + largest <= backlog->max_rows) {
        backlog->excess = 0, backlog->refused = false;  // Triton had no more for us: what waited has been worked off
    } else {
        backlog->look = true;
        pthread_cond_signal(&backlog->wake);
        refuse = backlog->excess > 0 && !backlog->refused;  // of two batches one is answered, however many knock
        backlog->refused = refuse;
        if (refuse) backlog->excess -= (int64_t)requests;
    }
    pthread_mutex_unlock(&backlog->lock);
    return refuse;
}
