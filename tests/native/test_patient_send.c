// serving/preload/patient_send.c, whose `send` this program has: a kept message goes to the socket that it was sent to, or
// nowhere.

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A child of a program with threads starts one itself, which the thread sanitizer allows only if it is asked to.
const char* __tsan_default_options(void) { return "die_after_fork=0"; }

enum { SIZE = 17, MANY = 1000 };

typedef struct {
    int writer, reader;
} Pair;

static Pair a_pair(void) {
    int ends[2];
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    CHECK(!fcntl(ends[0], F_SETFL, O_NONBLOCK));
    CHECK(!setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20}, sizeof(struct timeval)));
    return (Pair){ends[0], ends[1]};
}

static bool sent(int writer, int mark, int number) {
    char message[SIZE] = {0};
    memcpy(message, (int[]){mark, number}, 8);
    return send(writer, message, SIZE, 0) == SIZE;
}

// Messages 0 to `number`, more than the kernel takes.
static void fill(int writer, int mark, int number) {
    for (int i = 0; i < number; i++) CHECK(sent(writer, mark, i));
}

// How many of these messages come, in order, until the reader has so many or there is an end.
static int read_all(int reader, int mark, int wanted) {
    char message[SIZE];
    int number = 0;
    while (number < wanted && recv(reader, message, SIZE, MSG_WAITALL) == SIZE) {
        CHECK(!memcmp(message, (int[]){mark, number}, 8));
        number++;
    }
    return number;
}

static bool is_at_end(int reader) {
    char byte;
    return recv(reader, &byte, 1, 0) == 0;
}

TEST(messages_arrive_in_their_order_and_nothing_stays_open) {
    int before = open_descriptors();
    Pair pair = a_pair();
    fill(pair.writer, 1, MANY);
    CHECK_NUMBER(read_all(pair.reader, 1, MANY), MANY);
    close(pair.writer), close(pair.reader);
    wait_for_descriptors(before);
}

// Each way in which a number comes to be another socket's while messages of the first wait.
static int closed(int writer, int other) { return close(writer), other; }

static int replaced(int writer, int other) {
    CHECK(dup2(other, writer) == writer);
    return close(other), writer;
}

static int replaced_3(int writer, int other) {
    CHECK(dup3(other, writer, O_CLOEXEC) == writer);
    return close(other), writer;
}

static int ranged(int writer, int other) {
    if (syscall(SYS_close_range, writer, writer, 0)) close(writer);  // Linux 5.9
    CHECK(fcntl(other, F_DUPFD, writer) == writer);
    close(other);
    return writer;
}

TEST(a_number_that_becomes_another_sockets_gets_nothing_of_the_first) {
    static int (*const WAYS[])(int, int) = {closed, replaced, replaced_3, ranged};
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        int before = open_descriptors();
        Pair first = a_pair(), second = a_pair();
        fill(first.writer, 1, MANY);
        int number = WAYS[i](first.writer, second.writer);
        if (WAYS[i] == closed) {  // the number is free: the next descriptor has it
            CHECK(fcntl(number, F_DUPFD, first.writer) == first.writer);
            close(number);
            number = first.writer;
        }
        CHECK(number == first.writer);
        CHECK(!fcntl(number, F_SETFL, O_NONBLOCK));
        fill(number, 2, MANY);
        CHECK_NUMBER(read_all(second.reader, 2, MANY), MANY);     // its own, from the first one on
        CHECK_NUMBER(read_all(first.reader, 1, MANY + 1), MANY);  // and the first socket's arrive, and then its end
        CHECK(is_at_end(first.reader));
        close(number), close(first.reader), close(second.reader);
        wait_for_descriptors(before);
    }
}

TEST(two_numbers_of_one_socket_have_one_order) {
    Pair pair = a_pair();
    int twin = dup(pair.writer);
    for (int i = 0; i < MANY; i++) CHECK(sent(i % 2 ? twin : pair.writer, 1, i));
    close(twin);
    CHECK_NUMBER(read_all(pair.reader, 1, MANY), MANY);
    close(pair.writer), close(pair.reader);
}

TEST(what_has_no_way_to_its_reader_is_forgotten) {
    for (int way = 0; way < 3; way++) {
        int before = open_descriptors();
        Pair gone = a_pair(), other = a_pair();
        fill(gone.writer, 1, MANY);
        if (way == 0) close(gone.reader);
        if (way == 1) CHECK(!shutdown(gone.writer, SHUT_WR));
        if (way == 2) CHECK(!shutdown(gone.reader, SHUT_RD));
        wait_for_descriptors(before + (way ? 4 : 3));  // our own of it is closed
        char message[SIZE] = {0};
        CHECK(send(gone.writer, message, SIZE, MSG_NOSIGNAL) < 0 && errno == EPIPE);
        fill(other.writer, 2, MANY);
        CHECK_NUMBER(read_all(other.reader, 2, MANY), MANY);
        close(gone.writer), close(other.writer), close(other.reader);
        if (way) close(gone.reader);
        wait_for_descriptors(before);
    }
}

TEST(a_child_leaves_its_parents_messages_alone) {
    Pair pair = a_pair();
    fill(pair.writer, 1, MANY);
    pid_t child = fork();
    if (!child) {
        Pair own = a_pair();
        fill(own.writer, 3, MANY);  // with a thread of its own
        _exit(read_all(own.reader, 3, MANY) == MANY ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
    CHECK_NUMBER(read_all(pair.reader, 1, MANY), MANY);
    CHECK(recv(pair.reader, &status, 1, MSG_DONTWAIT) < 0);
    close(pair.writer), close(pair.reader);
}

TEST(a_kept_message_does_not_wait_on_a_socket_that_became_blocking) {
    Pair slow = a_pair(), other = a_pair();
    fill(slow.writer, 1, MANY);
    CHECK(!fcntl(slow.writer, F_SETFL, 0));
    fill(other.writer, 2, MANY);
    CHECK_NUMBER(read_all(other.reader, 2, MANY), MANY);
    CHECK_NUMBER(read_all(slow.reader, 1, MANY), MANY);
    close(slow.writer), close(slow.reader), close(other.writer), close(other.reader);
}

TEST(with_more_full_sockets_than_there_are_queues_the_rest_is_refused_as_ever) {
    enum { SOCKETS = 70, QUEUES = 64 };
    Pair pairs[SOCKETS];
    int kept = 0, numbers[SOCKETS] = {0};
    for (int i = 0; i < SOCKETS; i++) {
        pairs[i] = a_pair();
        while (numbers[i] < MANY && sent(pairs[i].writer, i, numbers[i])) numbers[i]++;
        CHECK(numbers[i] == MANY || errno == EAGAIN);
        kept += numbers[i] == MANY;
    }
    CHECK_NUMBER(kept, QUEUES);
    for (int i = 0; i < SOCKETS; i++) {
        CHECK_NUMBER(read_all(pairs[i].reader, i, numbers[i]), numbers[i]);
        close(pairs[i].writer), close(pairs[i].reader);
    }
}

// Threads that fill, close and reuse numbers at once, each with readers of its own.
static void* come_and_go(void* start) {
    for (int round = 0; round < 20; round++) {
        Pair pair = a_pair();
        int mark = *(int*)start + round;
        fill(pair.writer, mark, MANY);
        close(pair.writer);
        CHECK_NUMBER(read_all(pair.reader, mark, MANY + 1), MANY);
        close(pair.reader);
    }
    return NULL;
}

TEST(sockets_that_come_and_go_in_many_threads_keep_their_messages) {
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    int starts[THREADS], before = open_descriptors();
    for (int i = 0; i < THREADS; i++) {
        starts[i] = 1000 * (i + 1);
        CHECK(!pthread_create(&threads[i], NULL, come_and_go, &starts[i]));
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    wait_for_descriptors(before);
}
