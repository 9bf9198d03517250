#include "record.h"

#include "../reply.h"
#include "record_parts.h"

#include <string.h>

enum { REQUESTS = 1, REQUEST_IDS, EVENT_TIMES, KEY_LENGTHS, KEYS, TEXT_LENGTHS, TEXT, NUMBERS, IDS, OUTPUTS };
enum { ROUTING = 17, ROUTING_KEY_LENGTHS, ROUTING_KEYS, MOST_SECTIONS };  // what is between them is written by Python alone
enum { A_NAN = 0x7FC00000 };                                              // as float32, the one that Python has
enum { DIRECTORY_ENTRY = 6, ONE_OUTPUT = 1, REGISTER = 16 };

static void put_requests(const Batch* batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const Joined* request = &batch->requests[i];
        if (!rows_of(batch->requests, i)) continue;
        add_bytes(batch->frame, request->id, ID_BYTES);
        add_u32(batch->frame, (uint32_t)rows_of(batch->requests, i));
        add_u32(batch->frame, batch->release.number);
        unsigned char status = request->is_handed_on ? HANDED_ON : request->routed.status;
        add_bytes(batch->frame, (unsigned char[]){status, request->routed.arm}, 2);
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

void add_number(const Batch* batch, uint64_t value) {
    char number[LONGEST_NUMBER];
    add_bytes(batch->frame, number, (size_t)(put_number(number, value) - number));
}

// A text as it is to be written.
void put_hidden(const Batch* batch, Hiding hiding, const char* text, uint32_t length) {
    if (hiding == AS_IS) add_bytes(batch->frame, text, length);
    if (hiding != KEYED_HASH || !length) return;
    char* target = add_room(batch->frame, PSEUDONYM);
    if (target && !put_pseudonym(batch->pseudonyms, text, length, target)) batch->frame->failed = true;
}

// The keys of a request, each behind its length in 4 bytes, as numbers of `length + 1` and as bytes; 0 in rows without one.
static void put_keys(const Batch* batch, bool as_lengths) {
    for (uint32_t i = 0; i < batch->count; i++) {
        const Sent* sent = &batch->requests[i].sent;
        size_t at = sent->keys;
        for (size_t row = 0; row < rows_of(batch->requests, i); row++) {
            uint32_t length = 0;
            bool is_there = at < sent->keys_end;
            if (is_there) memcpy(&length, batch->rows->keys.at + at, PREFIX), at += PREFIX;
            if (as_lengths)
                add_number(batch, is_there ? hidden_length(batch->privacy->caller_key, length) + 1 : 0);
            else if (length)
                put_hidden(batch, batch->privacy->caller_key, batch->rows->keys.at + at, length);
            at += length;
        }
    }
}

static void put_text_lengths(const Batch* batch) {
    size_t columns = batch->settings->categorical, count = batch->rows->rows * columns;
    const unsigned char* hiding = batch->privacy->hides_text ? batch->privacy->text : NULL;
    const uint32_t* lengths = batch->rows->lengths;
    char* at = add_room(batch->frame, count * LONGEST_NUMBER);
    if (!at) return;
    if (!hiding)
        for (size_t i = 0; i < count; i++) at = put_number(at, lengths[i]);
    else
        for (size_t i = 0; i < count; i++) at = put_number(at, hidden_length(hiding[i % columns], lengths[i]));
    batch->frame->size = (size_t)(at - batch->frame->at);
}

// The strings without the marks before them. Most are short: copying as much of what follows as one register holds is quicker
// than asking how long they are.
static void put_text(const Batch* batch) {
    size_t count = batch->rows->rows * batch->settings->categorical, size = batch->rows->text_bytes - count * PREFIX;
    char* target = add_room(batch->frame, size + REGISTER);
    const char *text = batch->rows->text, *end = text + batch->rows->text_bytes;
    if (!target) return;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = batch->rows->lengths[i];
        text += PREFIX;
        if (length <= REGISTER && end - text >= REGISTER)
            memcpy(target, text, REGISTER);
        else
            memcpy(target, text, length);
        target += length, text += length;
    }
    batch->frame->size -= REGISTER;
}

static void put_hidden_text(const Batch* batch) {
    size_t columns = batch->settings->categorical, count = batch->rows->rows * columns;
    const char* text = batch->rows->text;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = batch->rows->lengths[i];
        put_hidden(batch, batch->privacy->text[i % columns], text += PREFIX, length);
        text += length;
    }
}

static void put_numbers(const Batch* batch) {
    size_t columns = batch->settings->numeric, count = batch->rows->rows * columns, start = batch->frame->size;
    add_bytes(batch->frame, batch->rows->came, count * sizeof(float));
    if (!batch->privacy->hides_numbers || batch->frame->failed) return;
    for (size_t i = 0; i < count; i++)
        if (batch->privacy->number[i % columns]) memcpy(batch->frame->at + start + i * sizeof(float), &(uint32_t){A_NAN}, 4);
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

// What is hidden is 0.
static void put_some_ids(const Batch* batch) {
    const Answer* answer = batch->answer;
    const unsigned char* hiding = batch->privacy->id;
    uint32_t fields = batch->settings->fields;
    for (size_t row = 0; row < batch->rows->rows; row++) {
        for (uint32_t f = 0; f < fields; f++) add_number(batch, hiding[f] ? 0 : (uint64_t)answer->cat_idx[row * fields + f]);
        if (answer->creative_idx) add_number(batch, hiding[fields] ? 0 : (uint64_t)answer->creative_idx[row]);
    }
}

static void put_section(const Batch* batch, int tag) {
    const Rows* rows = batch->rows;
    if (tag == REQUESTS) put_requests(batch);
    if (tag == REQUEST_IDS) put_request_ids(batch);
    if (tag == EVENT_TIMES) put_event_times(batch);
    if (tag == KEY_LENGTHS || tag == KEYS) put_keys(batch, tag == KEY_LENGTHS);
    if (tag == TEXT_LENGTHS) put_text_lengths(batch);
    if (tag == TEXT) (batch->privacy->hides_text ? put_hidden_text : put_text)(batch);
    if (tag == NUMBERS) put_numbers(batch);
    if (tag == IDS) (batch->privacy->hides_ids ? put_some_ids : put_ids)(batch);
    if (tag == ROUTING) put_routing(batch);
    if (tag == ROUTING_KEY_LENGTHS || tag == ROUTING_KEYS) put_routing_keys(batch, tag == ROUTING_KEY_LENGTHS);
    if (tag == OUTPUTS) add_bytes(batch->frame, batch->answer->p_click, rows->rows * ONE_OUTPUT * sizeof(float));
}

static bool has_section(const Batch* batch, int tag) {
    if (tag == REQUEST_IDS) return batch->has_ids;
    if (tag == EVENT_TIMES) return batch->has_event_times;
    if (tag == KEY_LENGTHS || tag == KEYS) return batch->rows->keys.size && batch->privacy->caller_key != DROP;
    if (tag == TEXT_LENGTHS || tag == TEXT) return batch->settings->categorical;
    if (tag > OUTPUTS && tag < ROUTING) return false;
    if (tag == ROUTING) return batch->has_routing;
    if (tag > ROUTING) return batch->has_routing_keys && batch->privacy->caller_key != DROP;
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
    add_u64(batch->frame, batch->release.route);
    put_sections(batch, sections);
}

// What the sections have to hold, and who is answered.
static Written look_through(Batch* batch, Writer* writer, Joined* requests, int64_t now_ns) {
    Written what = {0};
    for (uint32_t i = 0; i < batch->count; i++) {
        Joined* request = &requests[i];
        if (!rows_of(requests, i)) continue;
        batch->joined++;
        batch->has_ids |= *request->sent.id != 0, batch->has_event_times |= request->sent.event_ns != NOT_SENT;
        batch->has_routing |= batch->release.route && (request->routed.bucket != NO_BUCKET || request->routed.flags);
        batch->has_routing_keys |= request->sent.routing_key != NULL;
        if (request->routed.status == SHADOW) continue;
        memset(request->id, 0, ID_BYTES);
        if (request->is_handed_on) continue;
        next_id(&writer->ids, now_ns, request->id);
        what.requests++, what.rows += rows_of(requests, i);
    }
    return what;
}

bool write_answers(Writer* writer, const Settings* settings, Release release, const Rows* rows, const Answer* answer,
                   Joined* requests, uint32_t count) {
    Batch batch = {.frame = &writer->frame,
                   .settings = settings,
                   .rows = rows,
                   .answer = answer,
                   .requests = requests,
                   .release = release,
                   .count = count,
                   .privacy = &writer->desk->privacy,
                   .pseudonyms = writer->pseudonyms};
    int64_t now_ns = unix_ns(&writer->desk->options.clock);
    Written what = look_through(&batch, writer, requests, now_ns);
    bool is_shadow = count && requests[0].routed.status == SHADOW;  // so are all of its batch, then
    if (!what.requests && !is_shadow) return true;
    put_answers(&batch, now_ns);
    return write_frame(writer, FRAME_ANSWERS, what);
}
