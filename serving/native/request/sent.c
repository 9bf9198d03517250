#include "sent.h"

#include <string.h>

#define MOST_MS (INT64_MAX / 1000000)
#define NS_PER_MS 1000000

static bool take_event_time(int64_t ms, Sent* sent) {
    sent->event_ns = ms < -MOST_MS || ms > MOST_MS ? NOT_SENT : ms * NS_PER_MS;
    return sent->event_ns != NOT_SENT;
}

static bool take_routing_key(const char* text, Sent* sent) {
    size_t bytes = strnlen(text, LONGEST_ROUTING_KEY + 1);
    if (!bytes || bytes > LONGEST_ROUTING_KEY || !is_utf8((const unsigned char*)text, bytes)) return false;
    sent->routing_key = text;
    return true;
}

static bool read_parameter(const char* key, int type, const void* value, const char* declaration, Sent* sent) {
    if (!strcmp(key, "declaration")) return type == PARAMETER_STRING && !strcmp(value, declaration);
    if (!strcmp(key, "routing_key")) return type == PARAMETER_STRING && take_routing_key(value, sent);
    if (!strcmp(key, "event_time_ms")) return type == PARAMETER_INT && take_event_time(*(const int64_t*)value, sent);
    if (strcmp(key, "release")) return true;
    if (type == PARAMETER_INT) sent->release = *(const int64_t*)value;
    return type == PARAMETER_INT && sent->release > 0;
}

bool read_parameters(Request* request, const char* declaration, Sent* sent) {
    uint32_t count = 0;
    *sent = (Sent){.id = "", .event_ns = NOT_SENT};
    Error* error = TRITONBACKEND_RequestParameterCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        const char* key;
        const void* value;
        int type;
        error = TRITONBACKEND_RequestParameter(request, i, &key, &type, &value);
        if (!error && !read_parameter(key, type, value, declaration, sent)) return false;
    }
    if (!error) error = TRITONBACKEND_RequestId(request, &sent->id);
    if (error) TRITONSERVER_ErrorDelete(error);
    return !error;
}

static bool are_keys(const char* text, size_t bytes, size_t rows) {
    size_t at = 0;
    for (size_t row = 0; row < rows; row++) {
        uint32_t length;
        if (bytes - at < PREFIX) return false;
        memcpy(&length, text + at, PREFIX);
        at += PREFIX;
        if (length > LONGEST_KEY || length > bytes - at || !is_utf8((const unsigned char*)text + at, length)) return false;
        at += length;
    }
    return at == bytes;
}

bool append_keys(Bytes* keys, Input* input, uint32_t buffers, uint64_t bytes, size_t rows, Sent* sent) {
    size_t before = keys->size;
    if (bytes > rows * (PREFIX + LONGEST_KEY)) return false;
    char* text = add_room(keys, bytes);
    if (!text || !copy_input(input, buffers, bytes, text) || !are_keys(text, bytes, rows)) {
        keys->size = before;
        keys->failed = false;  // it is this request's misfortune
        return false;
    }
    sent->keys = before, sent->keys_end = keys->size;
    return true;
}
