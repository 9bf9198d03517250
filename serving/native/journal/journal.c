#include "journal.h"

#include "../reply.h"
#include "../waiting.h"
#include "processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS 200000000  // between two looks at the segments

struct Journal {
    Desk desk;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Writer* writers;
    bool closing;
};

// The server marks a folder that holds as much as it may (serving/journal/bound.py).
static void look_at_bound(Desk* desk) {
    char mark[FOLDER_SIZE + 16];
    snprintf(mark, sizeof mark, "%s/full", desk->options.folder);
    atomic_store_explicit(&desk->is_full, !access(mark, F_OK), memory_order_relaxed);
}

static void look_after_all(Journal* journal, bool commit) {
    for (Writer* writer = journal->writers; writer; writer = writer->next) look_after(writer, commit);
}

static void* keep_looking(void* user) {
    Journal* journal = user;
    uint64_t sync_ns = (uint64_t)journal->desk.options.sync_ms * 1000000, committed_ns = now_ns();
    uint64_t pause_ns = sync_ns && sync_ns < LOOK_NS ? sync_ns : LOOK_NS;
    pthread_mutex_lock(&journal->lock);
    while (!journal->closing) {
        rest_on(&journal->wake, &journal->lock, pause_ns);
        bool commit = sync_ns && now_ns() - committed_ns >= sync_ns;
        if (commit) committed_ns = now_ns();
        look_at_bound(&journal->desk);
        look_after_all(journal, commit);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

static const char* start(Journal* journal) {
    make_condition(&journal->wake);
    pthread_mutex_init(&journal->lock, NULL);
    return pthread_create(&journal->thread, NULL, keep_looking, journal) ? "no thread for the journal" : NULL;
}

// `privacy` is the end of it, "" if everything is written as it came.
static char* describe(const About* about, const char* privacy) {
    static const char FORM[] =
        "\"written_by\": \"native\", \"model\": \"%s\", \"release\": %llu, \"onnxruntime\": \"%s\", \"threads\": %u, "
        "\"graph\": \"%s\", \"processor\": %s, \"schema\": %s%s";
    unsigned long long release = about->release;
    char processor[PROCESSOR_SIZE], *text = NULL;
    describe_processor(processor);
    for (int size = 0, again = 0; again < 2; again++) {  // first only to see how long it is
        size = snprintf(text, (size_t)size, FORM, about->model, release, about->onnxruntime, about->threads, about->graph,
                        processor, about->schema, privacy) +
               1;
        if (!text && !(size > 0 && (text = malloc((size_t)size)))) return NULL;
    }
    return text;
}

// What segments say, and what is hidden in them. Nothing is written without a schema.
static const char* prepare(const About* about, Desk* desk) {
    const char* text = getenv(PRIVACY_VARIABLE);
    const char* failed = text && about->schema ? read_privacy(text, about->schema, &desk->privacy) : NULL;
    if (failed || !about->schema) return failed;
    desk->about = describe(about, desk->privacy.told.at ? desk->privacy.told.at : "");
    return desk->about ? NULL : "out of memory";
}

const char* open_journal(const About* about, Counters* counters, Journal** out) {
    const char* text = getenv(JOURNAL_VARIABLE);
    *out = NULL;
    if (!text) return NULL;
    Journal* journal = calloc(1, sizeof *journal);
    if (!journal) return "out of memory";
    const char* failed = read_options(text, &journal->desk.options);
    if (!failed) failed = read_clock(getenv(CLOCK_VARIABLE), &journal->desk.options.clock);
    if (!failed) look_at_bound(&journal->desk);
    journal->desk.counters = counters;
    if (!failed) failed = prepare(about, &journal->desk);
    if (!failed) failed = start(journal);
    if (!failed) return begin_loss_at_zero(counters), *out = journal, NULL;
    free(journal->desk.about);
    free_privacy(&journal->desk.privacy);
    free(journal);
    return failed;
}

void close_journal(Journal* journal) {
    if (!journal) return;
    pthread_mutex_lock(&journal->lock);
    journal->closing = true;
    pthread_cond_signal(&journal->wake);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal->desk.about);
    free_privacy(&journal->desk.privacy);
    free(journal);
}

Writer* add_writer(Journal* journal) {
    Writer* writer = make_writer(&journal->desk);
    if (!writer) return NULL;
    pthread_mutex_lock(&journal->lock);
    writer->next = journal->writers;
    journal->writers = writer;
    pthread_mutex_unlock(&journal->lock);
    return writer;
}

void remove_writer(Journal* journal, Writer* writer) {
    if (!writer) return;
    pthread_mutex_lock(&journal->lock);
    for (Writer** place = &journal->writers; *place; place = &(*place)->next)
        if (*place == writer) {
            *place = writer->next;
            break;
        }
    pthread_mutex_unlock(&journal->lock);
    free_writer(writer);
}
