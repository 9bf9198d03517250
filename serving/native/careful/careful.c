#include "careful.h"

#include "../reply.h"
#include "parts.h"

#include <stdlib.h>

static Error* allocate(Allocator* allocator, const char* name, size_t bytes, int memory, int64_t device, void* user, void** data,
                       void** data_user, int* actual_memory, int64_t* actual_device) {
    *data = malloc(bytes + 1);
    *data_user = NULL, *actual_memory = MEMORY_CPU, *actual_device = 0;
    return *data ? NULL : TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
}

static Error* give_back(Allocator* allocator, void* data, void* data_user, size_t bytes, int memory, int64_t device) {
    free(data);
    return NULL;
}

Error* open_careful(Server* server, uint64_t version, Counters* counters, Journal* journal, Pending* pending, Careful** careful) {
    *careful = calloc(1, sizeof **careful);
    if (!*careful) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    (*careful)->server = server, (*careful)->counters = counters, (*careful)->version = (int64_t)version;
    (*careful)->pending = pending;
    pthread_mutex_init(&(*careful)->lock, NULL);
    pthread_cond_init(&(*careful)->idle, NULL);
    (*careful)->journal = journal;
    if (journal && !((*careful)->writer = add_writer(journal)))
        return TRITONSERVER_ErrorNew(INTERNAL, "no writer for the journal: out of memory");
    return TRITONSERVER_ResponseAllocatorNew(&(*careful)->allocator, allocate, give_back, NULL);
}

void close_careful(Careful* careful) {
    if (!careful) return;
    pthread_mutex_lock(&careful->lock);
    while (careful->under_way) pthread_cond_wait(&careful->idle, &careful->lock);
    pthread_mutex_unlock(&careful->lock);
    if (careful->writer) remove_writer(careful->journal, careful->writer);
    if (careful->allocator) drop(TRITONSERVER_ResponseAllocatorDelete(careful->allocator));
    pthread_cond_destroy(&careful->idle);
    pthread_mutex_destroy(&careful->lock);
    free(careful);
}

bool is_careful_ready(const Careful* careful) {
    bool ready = false;
    drop(TRITONSERVER_ServerModelIsReady(careful->server, CAREFUL, careful->version, &ready));
    return ready;
}
