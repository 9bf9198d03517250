#include "record.h"

#include "../reply.h"

#include <string.h>

enum { REQUESTS = 1, REQUEST_IDS, EVENT_TIMES, KEY_LENGTHS, KEYS, TEXT_LENGTHS, TEXT, NUMBERS, IDS, OUTPUTS, MOST_SECTIONS };
enum { ANSWERED, HANDED_ON };  // status of a request
enum { CHAMPION = 0, NO_ROUTE = 0, DIRECTORY_ENTRY = 6, ONE_OUTPUT = 1 };

// A batch on its way into a frame.
typedef struct {
    Bytes* frame;
    const Settings* settings;
    const Rows* rows;
    const Answer* answer;
    const Joined* requests;
    uint32_t count, release;
    uint32_t joined;                // of the `count` requests
    bool has_ids, has_event_times;  // has one of them
} Batch;

static size_t rows_of(const Joined* requests, uint32_t i) { return requests[i].end - (i ? requests[i - 1].end : 0); }

static void put_requests(const Batch* batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const Joined* request = &batch->requests[i];
        if (!rows_of(batch->requests, i)) continue;
        add_bytes(batch->frame, request->id, ID_BYTES);
        add_u32(batch->frame, (uint32_t)rows_of(batch->requests, i));
        add_u32(batch->frame, batch->release);
        add_bytes(batch->frame, (unsigned char[]){request->is_handed_on ? HANDED_ON : ANSWERED, CHAMPION}, 2);
        add_u16(batch->frame, short_bytes(request->sent.id));
    }
}

static void put_request_ids(const Batch* batch) {
    for (uint32_t i = 0; i < batch->count; i++)
        if (rows_of(batch->requests, i))
            add_bytes(batch->frame, batch->requests[i].sent.id, short_bytes(batch->requests[i].sent.id));
}

static void put_event_times(const Batch* batch) {
    for (uint32_t i = 0; i < batch->count; i++)
        if (rows_of(batch->requests, i)) add_u64(batch->frame, (uint64_t)batch->requests[i].sent.event_ns);
}

// The keys of a request, each behind its length in 4 bytes, as numbers of `length + 1` and as bytes; 0 in rows without one.
static void put_keys(const Batch* batch, bool as_lengths) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const Sent* sent = &batch->requests[i].sent;
        size_t at = sent->keys;
        for (size_t row = 0; row < rows_of(batch->requests, i); row++) {
            uint32_t length = 0;
            char number[LONGEST_NUMBER] = {0};
            bool is_there = at < sent->keys_end;
            if (is_there) memcpy(&length, batch->rows->keys.at + at, PREFIX), at += PREFIX;
            if (as_lengths)
                add_bytes(batch->frame, number, (size_t)(put_number(number, is_there ? length + 1 : 0) - number));
            else if (length)
                add_bytes(batch->frame, batch->rows->keys.at + at, length);
            at += length;
        }
    }
}

static void put_text_lengths(const Batch* batch) {
    size_t count = batch->rows->rows * batch->settings->categorical;
    char* at = add_room(batch->frame, count * LONGEST_NUMBER);
    if (!at) return;
    for (size_t i = 0; i < count; i++) at = put_number(at, batch->rows->lengths[i]);
    batch->frame->size = (size_t)(at - batch->frame->at);
}

// The strings without the marks before them.
static void put_text(const Batch* batch) {
    size_t count = batch->rows->rows * batch->settings->categorical;
    char* target = add_room(batch->frame, batch->rows->text_bytes - count * PREFIX);
    const char* text = batch->rows->text;
    if (!target) return;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = batch->rows->lengths[i];
        memcpy(target, text += PREFIX, length);
        target += length, text += length;
    }
}

static void put_ids(const Batch* batch) {
    const Answer* answer = batch->answer;
    uint32_t fields = batch->settings->fields;
    char* at = add_room(batch->frame, batch->rows->rows * (fields + 1) * LONGEST_NUMBER);
    if (!at) return;
    for (size_t row = 0; row < batch->rows->rows; row++) {
        for (uint32_t f = 0; f < fields; f++) at = put_number(at, (uint64_t)answer->cat_idx[row * fields + f]);
        if (answer->creative_idx) at = put_number(at, (uint64_t)answer->creative_idx[row]);
    }
    batch->frame->size = (size_t)(at - batch->frame->at);
}

static void put_section(const Batch* batch, int tag) {
    const Rows* rows = batch->rows;
    if (tag == REQUESTS) put_requests(batch);
    if (tag == REQUEST_IDS) put_request_ids(batch);
    if (tag == EVENT_TIMES) put_event_times(batch);
    if (tag == KEY_LENGTHS || tag == KEYS) put_keys(batch, tag == KEY_LENGTHS);
    if (tag == TEXT_LENGTHS) put_text_lengths(batch);
    if (tag == TEXT) put_text(batch);
    if (tag == NUMBERS) add_bytes(batch->frame, rows->came, rows->rows * batch->settings->numeric * sizeof *rows->came);
    if (tag == IDS) put_ids(batch);
    if (tag == OUTPUTS) add_bytes(batch->frame, batch->answer->p_click, rows->rows * ONE_OUTPUT * sizeof(float));
}

static bool has_section(const Batch* batch, int tag) {
    if (tag == REQUEST_IDS) return batch->has_ids;
    if (tag == EVENT_TIMES) return batch->has_event_times;
    if (tag == KEY_LENGTHS || tag == KEYS) return batch->rows->keys.size;
    if (tag == TEXT_LENGTHS || tag == TEXT) return batch->settings->categorical;
    return tag != NUMBERS || batch->settings->numeric;
}

// The directory of sections, and then these.
static void put_sections(const Batch* batch, uint16_t sections) {
    Bytes* frame = batch->frame;
    size_t entry = frame->size;
    add_room(frame, (size_t)sections * DIRECTORY_ENTRY);
    for (int tag = REQUESTS; tag < MOST_SECTIONS; tag++) {
        if (!has_section(batch, tag)) continue;
        size_t start = frame->size;
        put_section(batch, tag);
        if (frame->failed) return;
        uint32_t size = (uint32_t)(frame->size - start);
        if (size != frame->size - start) frame->failed = true;
        memcpy(frame->at + entry, &(uint16_t){(uint16_t)tag}, 2);
        memcpy(frame->at + entry + 2, &size, 4);
        entry += DIRECTORY_ENTRY;
    }
}

static void put_answers(const Batch* batch, int64_t now_ns) {
    uint16_t sections = 0;
    for (int tag = REQUESTS; tag < MOST_SECTIONS; tag++) sections += has_section(batch, tag);
    begin_frame(batch->frame);
    add_u16(batch->frame, sections);
    add_u16(batch->frame, 0);
    add_u32(batch->frame, (uint32_t)batch->rows->rows);
    add_u32(batch->frame, batch->joined);
    add_u32(batch->frame, (uint32_t)batch->rows->rows);  // that the graph was called with
    add_u64(batch->frame, (uint64_t)now_ns);
    add_u64(batch->frame, NO_ROUTE);
    put_sections(batch, sections);
}

bool write_answers(Writer* writer, const Settings* settings, uint32_t release, const Rows* rows, const Answer* answer,
                   Joined* requests, uint32_t count) {
    Batch batch = {&writer->frame, settings, rows, answer, requests, count, release, 0, false, false};
    Written what = {0};
    int64_t now_ns = unix_ns(&writer->desk->options.clock);
    for (uint32_t i = 0; i < count; i++) {
        Joined* request = &requests[i];
        if (!rows_of(requests, i)) continue;
        batch.joined++;
        batch.has_ids |= *request->sent.id != 0, batch.has_event_times |= request->sent.event_ns != NOT_SENT;
        memset(request->id, 0, ID_BYTES);
        if (request->is_handed_on) continue;
        next_id(&writer->ids, now_ns, request->id);
        what.requests++, what.rows += rows_of(requests, i);
    }
    if (!what.requests) return true;
    put_answers(&batch, now_ns);
    return write_frame(writer, FRAME_ANSWERS, what);
}
