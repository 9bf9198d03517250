#include "writer.h"

#include "../reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#define FULL "its folder holds as much as it may (serving.journal.max_gib)"
#define REST_NS 100000000u  // between two attempts while nothing can be written

Writer* make_writer(const Desk* desk) {
    Writer* writer = calloc(1, sizeof *writer);
    if (!writer) return NULL;
    if (!draw_writer(&writer->ids)) return free(writer), NULL;
    writer->desk = desk;
    const Privacy* privacy = &desk->privacy;
    if (privacy->key_bytes && !(writer->pseudonyms = open_pseudonyms(privacy->key, privacy->key_bytes)))
        return free(writer), NULL;
    writer->segment.file = -1;
    pthread_mutex_init(&writer->lock, NULL);
    return writer;
}

// Count what cannot be found in the journal. What was lost since the last frame that could be written is told before the next.
static void lose(Writer* writer, uint64_t requests, uint64_t rows) {
    if (!requests && !rows) return;
    if (!writer->lost_requests) writer->lost_since_ns = unix_ns(&writer->desk->options.clock);
    writer->lost_requests += requests, writer->lost_rows += rows;
    count_lost(writer->desk->counters, requests, rows);
}

static void report(Writer* writer, const char* failed) {
    char text[FOLDER_SIZE + 512];
    if (failed && !writer->failing) {
        const char* then = writer->desk->options.refuses ? "requests are refused (serving.journal.on_error: refuse)"
                                                         : "answers go on without it, counted in adclick_journal_lost_total";
        snprintf(text, sizeof text, "the journal cannot be written: %s; %s", failed, then);
        SAY(LOG_ERROR, text);
    }
    if (!failed && writer->failing) SAY(LOG_WARN, "the journal is written again");
    writer->failing = failed;
    writer->again_ns = failed ? now_ns() + REST_NS : 0;
}

// The frame that ends a segment: what is in it.
static void put_closed(const Segment* segment, Bytes* frame) {
    begin_frame(frame);
    add_u64(frame, segment->frames);
    add_u64(frame, segment->requests);
    add_u64(frame, segment->rows);
    add_u64(frame, segment->refused);
    end_frame(frame, FRAME_CLOSED);
}

// A segment that has no name any more took its rows along.
static void finish(Writer* writer) {
    Segment* segment = &writer->segment;
    if (segment->file < 0) return;
    if (is_removed(segment)) {
        lose(writer, segment->requests, segment->rows);
        SAY(LOG_ERROR, "a segment of the journal was removed while it was written; its rows are counted as lost");
    } else {
        put_closed(segment, &writer->aside);
        struct iovec piece = {writer->aside.at, writer->aside.size};
        if (!writer->aside.failed) append(segment, &piece, 1);  // without it the segment says the same, one frame after the other
    }
    if (segment->file >= 0 && writer->desk->options.sync_ms) fdatasync(segment->file);
    close_segment(segment);
}

void free_writer(Writer* writer) {
    if (!writer) return;
    finish(writer);
    pthread_mutex_destroy(&writer->lock);
    free_bytes(&writer->frame);
    free_bytes(&writer->aside);
    close_pseudonyms(writer->pseudonyms);
    free(writer);
}

static const char* start(Writer* writer) {
    char name[SEGMENT_NAME], text[512];
    if (!writer->desk->about) return "this release was exported before there was a journal; export the model again";
    int64_t opened_ns = unix_ns(&writer->desk->options.clock);
    time_t opened_s = (time_t)(opened_ns / 1000000000);
    struct tm utc;
    Bytes* first = &writer->aside;
    unsigned long long id = writer->ids.writer >> 2, number = writer->number++;
    gmtime_r(&opened_s, &utc);
    snprintf(name, sizeof name, "%04d%02d%02dT%02d%02d%02d.%03dZ-%016llx-%06llu.segment", utc.tm_year + 1900, utc.tm_mon + 1,
             utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(opened_ns / 1000000 % 1000), id, number);
    snprintf(text, sizeof text, "{\"segment\": \"%s\", \"writer\": \"%016llx\", \"number\": %llu, \"opened_ns\": %lld, ", name,
             id, number, (long long)opened_ns);
    begin_frame(first);
    add_bytes(first, text, strlen(text));
    add_bytes(first, writer->desk->about, strlen(writer->desk->about));
    add_bytes(first, "}", 1);
    end_frame(first, FRAME_OPENED);
    size_t frame = first->size;
    if (!add_room(first, sizeof SEGMENT_MAGIC + 8)) return "out of memory";
    memmove(first->at + sizeof SEGMENT_MAGIC + 8, first->at, frame);
    memcpy(first->at, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC);
    memcpy(first->at + sizeof SEGMENT_MAGIC, (uint32_t[]){JOURNAL_FORMAT, 0}, 8);
    return open_segment(&writer->segment, writer->desk->options.folder, name, first, now_ns());
}

static void put_loss(Writer* writer, Bytes* frame) {
    begin_frame(frame);
    add_u64(frame, writer->lost_requests);
    add_u64(frame, writer->lost_rows);
    add_u64(frame, (uint64_t)writer->lost_since_ns);
    add_u64(frame, (uint64_t)unix_ns(&writer->desk->options.clock));
    end_frame(frame, FRAME_LOSS);
}

static bool is_old(const Writer* writer) {
    const JournalOptions* options = &writer->desk->options;
    return writer->segment.file >= 0 && (writer->segment.size >= options->segment_bytes ||
                                         (double)(now_ns() - writer->segment.opened_ns) >= options->segment_s * 1e9);
}

// The frame, behind one that tells what was lost before.
static const char* write_pieces(Writer* writer) {
    Bytes* aside = &writer->aside;
    if (is_old(writer)) finish(writer);
    if (atomic_load_explicit(&writer->desk->is_full, memory_order_relaxed)) return FULL;
    const char* failed = writer->segment.file < 0 ? start(writer) : NULL;
    if (failed) return failed;
    bool told = writer->lost_requests;
    if (told) put_loss(writer, aside);
    if (told && aside->failed) return "out of memory";
    struct iovec pieces[] = {{aside->at, aside->size}, {writer->frame.at, writer->frame.size}};
    failed = append(&writer->segment, pieces + !told, 1 + told);
    if (!failed && told) writer->lost_requests = writer->lost_rows = 0, writer->segment.frames++;
    return failed;
}

static bool write_locked(Writer* writer, Written what) {
    bool waits = writer->again_ns && now_ns() < writer->again_ns;
    const char* failed = waits ? "" : writer->frame.failed ? "out of memory" : write_pieces(writer);
    if (failed) {
        if (!waits) report(writer, failed);
        if (writer->desk->options.refuses) return false;
        lose(writer, what.requests, what.rows);
        return true;
    }
    if (writer->failing) report(writer, NULL);
    Segment* segment = &writer->segment;
    segment->frames++, segment->requests += what.requests, segment->rows += what.rows, segment->refused += what.refused;
    count_journalled(writer->desk->counters, what.requests, what.rows, writer->frame.size);
    return true;
}

bool write_frame(Writer* writer, uint32_t kind, Written what) {
    end_frame(&writer->frame, kind);
    pthread_mutex_lock(&writer->lock);
    bool may_leave = write_locked(writer, what);
    pthread_mutex_unlock(&writer->lock);
    return may_leave;
}

// A copy of the segment's descriptor that is to be committed, -1 if there is nothing; and is its name new.
static int to_be_committed(Writer* writer, bool* is_new) {
    Segment* segment = &writer->segment;
    if (segment->file < 0 || !segment->is_dirty) return -1;
    *is_new = segment->is_new;
    segment->is_dirty = segment->is_new = false;
    return fcntl(segment->file, F_DUPFD_CLOEXEC, 0);
}

void look_after(Writer* writer, bool commit) {
    bool is_new = false;
    pthread_mutex_lock(&writer->lock);
    if (writer->segment.file >= 0 && (is_old(writer) || is_removed(&writer->segment))) finish(writer);
    int file = commit ? to_be_committed(writer, &is_new) : -1;
    pthread_mutex_unlock(&writer->lock);
    if (file < 0) return;
    fdatasync(file);  // beside the road: it takes milliseconds
    close(file);
    char folder[FOLDER_SIZE + 16];
    snprintf(folder, sizeof folder, "%s/segments", writer->desk->options.folder);
    int named = is_new ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (named < 0) return;
    fsync(named);
    close(named);
}
