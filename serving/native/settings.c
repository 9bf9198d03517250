#include "settings.h"

#include "words.h"

#include <stdio.h>
#include <string.h>

#define FORMAT "format 2"  // the first line
#define LONGEST_INTERVAL_S 86400.0
#define SHORTEST_INTERVAL_S 0.001
#define SHOWN 60  // characters of a line that is not understood

static _Thread_local char problem[1024];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

// Lines that stand there once, each a whole number.
typedef struct {
    const char* key;
    size_t place, size;  // in Settings
    int64_t low, high;
} Single;

#define SINGLE(key, member, low, high) {key, offsetof(Settings, member), sizeof(((Settings*)0)->member), low, high}
static const Single SINGLES[] = {
    SINGLE("separator", separator, 1, 127),
    SINGLE("max_request_bytes", max_request_bytes, 1, (int64_t)1 << 40),
    SINGLE("creative", has_creative, 0, 1),
    SINGLE("feeds_text", feeds_text, 0, 1),
    SINGLE("feeds_numeric", feeds_numeric, 0, 1),
    SINGLE("threads", threads, 1, 64),
    SINGLE("max_waiting", max_waiting, 1, INT32_MAX),
    SINGLE("max_rows", max_rows, 1, MAX_ROWS),
    SINGLE("warmups", warmups, 0, 1000),
};
#define SINGLES_COUNT (sizeof SINGLES / sizeof *SINGLES)

static void put(Settings* s, const Single* single, int64_t value) {
    char* target = (char*)s + single->place;
    if (single->size == 1) *target = (char)value;
    if (single->size == 4) memcpy(target, &(uint32_t){(uint32_t)value}, 4);
    if (single->size == 8) memcpy(target, &(uint64_t){(uint64_t)value}, 8);
}

static bool take_declaration(Settings* s, Words* line) {
    char bytes[32];
    size_t count;
    Words digits = *line;
    return take_bytes(line, sizeof bytes, sizeof bytes, bytes, &count) && take_rest(&digits, 64, s->declaration);
}

static bool take_interval(Settings* s, Words* line) {
    return take_double(line, &s->interval_s) && s->interval_s >= SHORTEST_INTERVAL_S && s->interval_s <= LONGEST_INTERVAL_S;
}

static bool take_string(Settings* s, Words* line) {
    uint32_t c = s->categorical;
    size_t count;
    int64_t longest;
    if (c == MAX_COLUMNS || !take_bytes(line, 4, 4, s->mark[c], &count) || memchr(s->mark[c], 0, 4)) return false;
    if (!take_flag(line, &s->required[c]) || !take_whole(line, 0, UINT32_MAX, &longest)) return false;
    s->longest[c] = (uint32_t)longest;
    s->categorical++;
    return true;
}

static bool take_entity(Settings* s, Words* line) {
    int64_t column;
    if (s->entity >= 0 || !take_whole(line, 0, (int64_t)s->categorical - 1, &column)) return false;
    s->entity = (int32_t)column;
    return true;
}

static bool take_missing(Settings* s, Words* line) {
    uint32_t i = s->missing_count;
    size_t length;
    int64_t column;
    if (i == MAX_COLUMNS || !take_whole(line, 0, (int64_t)s->categorical - 1, &column)) return false;
    if (!take_bytes(line, 1, NAME_SIZE - 1, s->missing[i], &length)) return false;
    s->missing_column[i] = (uint32_t)column, s->missing_length[i] = (uint32_t)length;
    s->missing_count++;
    return true;
}

static bool take_read(Settings* s, Words* line) {
    int64_t field;
    if (s->read_count == MAX_COLUMNS || !take_whole(line, -1, MAX_COLUMNS - 1, &field)) return false;
    s->read_field[s->read_count++] = (int32_t)field;
    return true;
}

static bool take_number(Settings* s, Words* line) {
    uint32_t j = s->numeric;
    if (j == MAX_COLUMNS || !take_float(line, &s->low[j]) || !take_float(line, &s->high[j]) || s->low[j] > s->high[j])
        return false;
    if (!take_flag(line, &s->nullable[j]) || !take_flag(line, &s->whole[j])) return false;
    s->numeric++;
    return true;
}

static bool take_marker(Settings* s, Words* line) {
    uint32_t i = s->marker_count;
    int64_t column;
    if (i == MAX_COLUMNS || !take_whole(line, 0, (int64_t)s->numeric - 1, &column) || !take_float(line, &s->marker[i]))
        return false;
    s->marker_column[i] = (uint32_t)column;
    s->marker_count++;
    return true;
}

static bool take_field(Settings* s, Words* line) {
    if (s->fields == MAX_COLUMNS || !take_rest(line, NAME_SIZE - 1, s->field[s->fields])) return false;
    s->fields++;
    return true;
}

// The other lines. The first two stand there once, too.
static const struct {
    const char* key;
    bool (*take)(Settings*, Words*);
    const char* expected;
} OTHERS[] = {
    {"declaration", take_declaration, "a sha-256"},
    {"interval_s", take_interval, "seconds from 0.001 to 86400"},
    {"string", take_string, "a column's mark as 8 hexadecimal digits, 0 or 1, most bytes of a string (at most 1024 such lines)"},
    {"entity", take_entity, "the number of a column above, once"},
    {"missing", take_missing, "the number of a column above, and at most 255 bytes as pairs of hexadecimal digits"},
    {"read", take_read, "the number of a field, or -1"},
    {"number", take_number, "lowest and highest value, 0 or 1, 0 or 1 (at most 1024 such lines)"},
    {"marker", take_marker, "the number of a column above, and a number"},
    {"field", take_field, "a name of at most 255 bytes (at most 1024 such lines)"},
};
#define OTHERS_COUNT (sizeof OTHERS / sizeof *OTHERS)
#define ONCE 2
#define TWICE "it stands there twice"

typedef struct {
    const char* name;
    Settings* settings;
    unsigned line;
    bool single[SINGLES_COUNT], other[OTHERS_COUNT];  // which lines were there
} Reading;

static const char* refuse_line(const Reading* reading, Words line, const char* expected) {
    char shown[SHOWN + 1] = "";
    for (int i = 0; i < SHOWN && line.at < line.end; i++, line.at++) {
        shown[i] = *line.at >= ' ' && *line.at <= '~' ? *line.at : '?';
        shown[i + 1] = 0;
    }
    return PROBLEM("%s: line %u is not understood: %s, got '%s'; export the model again", reading->name, reading->line, expected,
                   shown);
}

static const char* take_single(Reading* reading, size_t i, Words line, Words* rest) {
    const Single* single = &SINGLES[i];
    char expected[64];
    int64_t value;
    snprintf(expected, sizeof expected, "expected a number from %lld to %lld", (long long)single->low, (long long)single->high);
    if (reading->single[i]) return refuse_line(reading, line, TWICE);
    if (!take_whole(rest, single->low, single->high, &value) || !took_all(rest)) return refuse_line(reading, line, expected);
    put(reading->settings, single, value);
    reading->single[i] = true;
    return NULL;
}

static const char* take_other(Reading* reading, size_t i, Words line, Words* rest) {
    char expected[128];
    snprintf(expected, sizeof expected, "expected %s", OTHERS[i].expected);
    if (i < ONCE && reading->other[i]) return refuse_line(reading, line, TWICE);
    if (!OTHERS[i].take(reading->settings, rest) || !took_all(rest)) return refuse_line(reading, line, expected);
    reading->other[i] = true;
    return NULL;
}

static const char* take_line(Reading* reading, Words line) {
    Words rest = line;
    for (size_t i = 0; i < SINGLES_COUNT; i++)
        if (take_key(&rest, SINGLES[i].key)) return take_single(reading, i, line, &rest);
    for (size_t i = 0; i < OTHERS_COUNT; i++)
        if (take_key(&rest, OTHERS[i].key)) return take_other(reading, i, line, &rest);
    return refuse_line(reading, line, "no such line is known");
}

// Is everything there, and does it fit together?
static const char* check_whole(const Reading* reading) {
    const Settings* s = reading->settings;
    for (size_t i = 0; i < SINGLES_COUNT; i++)
        if (!reading->single[i])
            return PROBLEM("%s: line '%s' is missing; export the model again", reading->name, SINGLES[i].key);
    for (size_t i = 0; i < ONCE; i++)
        if (!reading->other[i]) return PROBLEM("%s: line '%s' is missing; export the model again", reading->name, OTHERS[i].key);
    if (!s->categorical && !s->numeric) return PROBLEM("%s: it has no column; export the model again", reading->name);
    if ((s->feeds_text && !s->categorical) || (s->feeds_numeric && !s->numeric))
        return PROBLEM("%s: the graph is fed columns that are not there; export the model again", reading->name);
    for (uint32_t i = 0; i < s->read_count; i++)
        if (s->read_field[i] < 0 ? !s->has_creative : s->read_field[i] >= (int64_t)s->fields)
            return PROBLEM("%s: it reads field %d, which is not there; export the model again", reading->name, s->read_field[i]);
    return NULL;
}

// The next line, without its end, of a text of which `rest` is left; false if the text ends before it does.
static bool next_line(Words* rest, Words* line) {
    const char* end = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    if (!end) return false;
    *line = (Words){rest->at, end};
    rest->at = end + 1;
    return true;
}

static bool is(const Words* line, const char* text) {
    size_t length = (size_t)(line->end - line->at);
    return length == strlen(text) && !memcmp(line->at, text, length);
}

const char* read_settings(const char* name, const char* text, size_t bytes, Settings* settings) {
    Reading reading = {.name = name, .settings = settings, .line = 1};
    Words rest = {text, text + bytes}, line;
    memset(settings, 0, sizeof *settings);
    settings->entity = -1;
    if (!next_line(&rest, &line) || !is(&line, FORMAT))
        return PROBLEM("%s: another format than this server reads, which is '" FORMAT "'; export the model again", name);
    while (next_line(&rest, &line)) {
        reading.line++;
        if (is(&line, "end")) {
            if (!took_all(&rest)) return PROBLEM("%s: it goes on after its end; export the model again", name);
            return check_whole(&reading);
        }
        const char* wrong = take_line(&reading, line);
        if (wrong) return wrong;
    }
    return PROBLEM("%s: it ends too early, there is no line 'end'; export the model again", name);
}
