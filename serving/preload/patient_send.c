// Loaded into Triton with LD_PRELOAD. Triton's HTTP front end hands a finished response to the thread of its connection as
// a few bytes through a non-blocking Unix socket, and drops the response where that socket is full (277 messages at the
// kernel's default size). Here such a message is kept, and a thread of its own delivers it once there is room. The order of
// a socket's messages stays; nothing that other sockets send is touched.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SHORTEST 8     // bytes: a message holds a pointer at least; the single byte that a signal handler sends takes no lock
#define LONGEST 64     // one of libevhtp has 17; so short a one is sent whole or not at all
#define MAX_QUEUES 64  // sockets that are full at a time: the front end has one for each of its threads
#define LOOK_AGAIN_MS 5

typedef struct Message {
    struct Message* next;
    int flags;
    size_t length;
    char bytes[LONGEST];
} Message;

typedef struct {
    int socket;
    Message *first, *last;
} Queue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of all below
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static Queue queues[MAX_QUEUES];  // none is empty
static nfds_t count;              // of queues; looked at without the lock, too
static bool delivering;

static bool was_full(void) { return errno == EAGAIN || errno == EWOULDBLOCK; }

static bool is_unix(int socket) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX;
}

static Queue* queue_of(int socket) {
    for (nfds_t i = 0; i < count; i++) {
        if (queues[i].socket == socket) return &queues[i];
    }
    return NULL;
}

// Sends of a queue what there is room for; whether that was all. What can never be sent (the reader has closed) is dropped.
static bool emptied(Queue* queue) {
    for (Message* message; (message = queue->first);) {
        int flags = message->flags | MSG_NOSIGNAL;
        if (sendto(queue->socket, message->bytes, message->length, flags, NULL, 0) < 0 && was_full()) return false;
        queue->first = message->next;
        free(message);
    }
    return true;
}

static void* deliver(void* unused) {
    struct pollfd full[MAX_QUEUES];
    pthread_mutex_lock(&lock);
    while (true) {
        while (!count) pthread_cond_wait(&wake, &lock);
        for (nfds_t i = count; i-- > 0;) {
            if (emptied(&queues[i])) {
                queues[i] = queues[count - 1];
                __atomic_store_n(&count, count - 1, __ATOMIC_RELEASE);
            }
        }
        nfds_t waiting = count;
        for (nfds_t i = 0; i < waiting; i++) full[i] = (struct pollfd){.fd = queues[i].socket, .events = POLLOUT};
        pthread_mutex_unlock(&lock);
        if (waiting) poll(full, waiting, LOOK_AGAIN_MS);
        pthread_mutex_lock(&lock);
    }
    return unused;
}

static bool start_delivering(void) {
    pthread_t thread;
    if (!delivering && !pthread_create(&thread, NULL, deliver, NULL)) delivering = !pthread_detach(thread);
    return delivering;
}

// Puts a message at the end of its socket's queue, of a new one if `full`; whether it did. Needs the lock.
static bool keep(int socket, const void* bytes, size_t length, int flags, bool full) {
    Queue* queue = queue_of(socket);
    if (!queue && (!full || count == MAX_QUEUES || !start_delivering())) return false;
    Message* message = malloc(sizeof *message);
    if (!message) return false;
    *message = (Message){.flags = flags, .length = length};
    memcpy(message->bytes, bytes, length);
    if (queue) {
        queue->last = queue->last->next = message;
        return true;
    }
    queues[count] = (Queue){.socket = socket, .first = message, .last = message};
    __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
    pthread_cond_signal(&wake);
    return true;
}

static bool kept(int socket, const void* bytes, size_t length, int flags, bool full) {
    pthread_mutex_lock(&lock);
    bool done = keep(socket, bytes, length, flags, full);
    pthread_mutex_unlock(&lock);
    return done;
}

__attribute__((visibility("default"))) ssize_t send(int socket, const void* bytes, size_t length, int flags) {
    bool is_message = length >= SHORTEST && length <= LONGEST;
    if (is_message && __atomic_load_n(&count, __ATOMIC_ACQUIRE) && kept(socket, bytes, length, flags, false)) {
        return (ssize_t)length;  // behind those that wait already
    }
    ssize_t sent = sendto(socket, bytes, length, flags, NULL, 0);
    if (sent >= 0 || !is_message || !was_full() || !is_unix(socket)) return sent;
    if (kept(socket, bytes, length, flags, true)) return (ssize_t)length;
    errno = EAGAIN;
    return -1;
}

__attribute__((constructor)) static void spare_children(void) { unsetenv("LD_PRELOAD"); }
