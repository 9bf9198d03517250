// Loaded into Triton with LD_PRELOAD. Triton's HTTP front end hands a finished response to the thread of its connection as
// a few bytes through a non-blocking Unix socket, and drops the response where that socket is full (277 messages at the
// kernel's default size). Here such a message is kept, and a thread of its own delivers it once there is room. The order of
// a socket's messages stays; nothing that other sockets send is touched.
//
// Whose queue it is, is told by the socket, never by its number: the number may be closed at any moment, by any call, in any
// thread, and be another socket's at the next. So a queue has a descriptor of its own, which keeps its socket open while messages
// wait, as the kernel keeps what it has taken: after a close they still arrive, and the reader sees the end behind them. They are
// forgotten when there is no way to the reader any more: it has closed, or one of both has shut the connection down.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

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
    int socket;  // our own descriptor of it
    dev_t device;
    ino_t inode;  // no other socket has it while this one is open
    Message *first, *last;
} Queue;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of all below
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static Queue queues[MAX_QUEUES];  // none is empty
static nfds_t count;              // of queues; looked at without the lock, too
static bool delivering;

static bool is_unix(int socket) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX;
}

static Queue* queue_of(const struct stat* about) {
    for (nfds_t i = 0; i < count; i++) {
        if (queues[i].inode == about->st_ino && queues[i].device == about->st_dev) return &queues[i];
    }
    return NULL;
}

// May the same message be sent later?
static bool is_no_room(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

// Sends of a queue what there is room for; whether that was all. What can never be sent is dropped.
static bool emptied(Queue* queue) {
    for (Message* message; (message = queue->first);) {
        int flags = message->flags | MSG_NOSIGNAL | MSG_DONTWAIT;
        if (sendto(queue->socket, message->bytes, message->length, flags, NULL, 0) < 0 && is_no_room(errno)) return false;
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
                close(queues[i].socket);
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
    sigset_t all, before;
    if (delivering) return true;
    sigfillset(&all);  // signals are for the program's own threads
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!pthread_create(&thread, NULL, deliver, NULL)) delivering = !pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return delivering;
}

// A new queue; NULL if there cannot be one. Needs the lock.
static Queue* add_queue(int socket, const struct stat* about) {
    if (count == MAX_QUEUES || !start_delivering()) return NULL;
    int own = fcntl(socket, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (own < 0) return NULL;
    queues[count] = (Queue){.socket = own, .device = about->st_dev, .inode = about->st_ino};
    __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
    pthread_cond_signal(&wake);
    return &queues[count - 1];
}

// Puts a message at the end of its socket's queue, of a new one if `full`; whether it did. Needs the lock.
static bool keep(int socket, const void* bytes, size_t length, int flags, bool full) {
    struct stat about;
    if (fstat(socket, &about)) return false;
    Queue* queue = queue_of(&about);
    if (!queue && !full) return false;
    Message* message = malloc(sizeof *message);
    if (!message) return false;
    if (!queue && !(queue = add_queue(socket, &about))) return free(message), false;
    *message = (Message){.flags = flags, .length = length};
    memcpy(message->bytes, bytes, length);
    if (queue->first)
        queue->last = queue->last->next = message;
    else
        queue->first = queue->last = message;
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
    if (sent >= 0 || !is_message || (errno != EAGAIN && errno != EWOULDBLOCK) || !is_unix(socket)) return sent;
    if (kept(socket, bytes, length, flags, true)) return (ssize_t)length;
    errno = EAGAIN;
    return -1;
}

// A child that is forked has the queues' memory, but not the thread; what waits is its parent's to send.
static void take_lock(void) { pthread_mutex_lock(&lock); }
static void give_lock(void) { pthread_mutex_unlock(&lock); }

static void begin_anew(void) {
    for (nfds_t i = 0; i < count; i++) close(queues[i].socket);
    count = 0, delivering = false;
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&wake, NULL);
}

__attribute__((constructor)) static void begin(void) {
    unsetenv("LD_PRELOAD");  // children do without
    pthread_atfork(take_lock, give_lock, begin_anew);
}
