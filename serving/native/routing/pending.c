#include "pending.h"

void begin_pending(Pending* pending) {
    pthread_mutex_init(&pending->lock, NULL);
    pthread_cond_init(&pending->none, NULL);
    pending->count = 0;
}

void end_pending(Pending* pending) {
    pthread_cond_destroy(&pending->none);
    pthread_mutex_destroy(&pending->lock);
}

void add_pending(Pending* pending) {
    pthread_mutex_lock(&pending->lock);
    pending->count++;
    pthread_mutex_unlock(&pending->lock);
}

void remove_pending(Pending* pending) {
    pthread_mutex_lock(&pending->lock);
    if (!--pending->count) pthread_cond_broadcast(&pending->none);
    pthread_mutex_unlock(&pending->lock);
}

void await_none_pending(Pending* pending) {
    pthread_mutex_lock(&pending->lock);
    while (pending->count) pthread_cond_wait(&pending->none, &pending->lock);
    pthread_mutex_unlock(&pending->lock);
}
