#include "tensors.h"

#include <stdio.h>
#include <string.h>

#define MOST_DIMS 8  // of a tensor that is only told about

static _Thread_local char problem[512];

#define PROBLEM(...) (snprintf(problem, sizeof problem, __VA_ARGS__), problem)

size_t expected_inputs(const Settings* settings, GraphTensor tensors[MOST_INPUTS]) {
    size_t count = 0;
    if (settings->feeds_text) tensors[count++] = (GraphTensor){"text", ORT_STRING, 1, {1}};
    if (settings->feeds_numeric) tensors[count++] = (GraphTensor){"numeric", ORT_FLOAT, 2, {ROWS, settings->numeric}};
    return count;
}

size_t expected_outputs(const Settings* settings, GraphTensor tensors[MOST_OUTPUTS]) {
    size_t count = 0;
    tensors[count++] = (GraphTensor){"p_click", ORT_FLOAT, 1, {ROWS}};
    tensors[count++] = (GraphTensor){"cat_idx", ORT_INT64, 2, {ROWS, settings->fields}};
    if (settings->has_creative) tensors[count++] = (GraphTensor){"creative_idx", ORT_INT64, 1, {ROWS}};
    return count;
}

// "float [rows, 4]"
static void describe(char* text, size_t room, int type, const int64_t* shape, size_t dims) {
    const char* name = type == ORT_FLOAT ? "float" : type == ORT_INT64 ? "int64" : type == ORT_STRING ? "string" : "another type";
    size_t used = (size_t)snprintf(text, room, "%s [", name);
    for (size_t i = 0; i < dims; i++) {
        const char* comma = i ? ", " : "";
        int more = shape[i] == ROWS ? snprintf(text + used, room - used, "%srows", comma)
                                    : snprintf(text + used, room - used, "%s%lld", comma, (long long)shape[i]);
        used += (size_t)more;
    }
    snprintf(text + used, room - used, "]");
}

// Is it what is expected, with `rows` (perhaps ROWS itself) for the number of rows?
static const char* compare(const OrtApi* api, const OrtShape* found, const GraphTensor* expected, int64_t rows) {
    int type = 0;
    size_t dims = 0;
    int64_t shape[MOST_DIMS] = {0}, wanted[2];
    char told[256], told_wanted[128];
    TRY(api, GetTensorElementType(found, &type));
    TRY(api, GetDimensionsCount(found, &dims));
    if (dims <= MOST_DIMS) TRY(api, GetDimensions(found, shape, dims));
    bool same = type == expected->type && dims == expected->dims;
    for (size_t i = 0; i < expected->dims; i++) {
        wanted[i] = expected->shape[i] == ROWS ? rows : expected->shape[i];
        same = same && shape[i] == wanted[i];
    }
    if (same) return NULL;
    describe(told, sizeof told, type, shape, dims <= MOST_DIMS ? dims : MOST_DIMS);
    describe(told_wanted, sizeof told_wanted, expected->type, wanted, expected->dims);
    return PROBLEM("%s of ctr_packed.onnx is %s, native.txt implies %s; export the model again", expected->name, told,
                   told_wanted);
}

// One side of a session: its inputs or its outputs.
typedef struct {
    OrtStatus* (*count)(const OrtSession*, size_t*);
    OrtStatus* (*name)(const OrtSession*, size_t, OrtAllocator*, char**);
    OrtStatus* (*type)(const OrtSession*, size_t, OrtTypeInfo**);
    const char* word;
} Side;

static const char* find(const OrtApi* api, const OrtSession* session, OrtAllocator* allocator, const Side* side, const char* name,
                        size_t count, size_t* place) {
    for (*place = 0; *place < count; ++*place) {
        char* found;
        OrtStatus* status = side->name(session, *place, allocator, &found);
        if (status) return ort_says(api, status);
        bool same = !strcmp(found, name);
        TRY(api, AllocatorFree(allocator, found));
        if (same) return NULL;
    }
    return PROBLEM("ctr_packed.onnx has no %s %s, which native.txt implies; export the model again", side->word, name);
}

static const char* check_type(const OrtApi* api, const OrtTypeInfo* type, const GraphTensor* expected) {
    const OrtShape* shape = NULL;
    TRY(api, CastTypeInfoToTensorInfo(type, &shape));
    if (!shape) return PROBLEM("%s of ctr_packed.onnx is no tensor; export the model again", expected->name);
    return compare(api, shape, expected, ROWS);
}

static const char* check_side(const OrtApi* api, const OrtSession* session, OrtAllocator* allocator, const Side* side,
                              const GraphTensor* expected, size_t expected_count) {
    size_t count = 0, place;
    OrtStatus* status = side->count(session, &count);
    if (status) return ort_says(api, status);
    for (size_t i = 0; i < expected_count; i++) {
        OrtTypeInfo* type;
        const char* wrong = find(api, session, allocator, side, expected[i].name, count, &place);
        if (wrong) return wrong;
        if ((status = side->type(session, place, &type))) return ort_says(api, status);
        wrong = check_type(api, type, &expected[i]);
        api->ReleaseTypeInfo(type);
        if (wrong) return wrong;
    }
    if (count == expected_count) return NULL;
    return PROBLEM("ctr_packed.onnx has %zu %ss, native.txt implies %zu; export the model again", count, side->word,
                   expected_count);
}

const char* check_session(const OrtApi* api, const OrtSession* session, OrtAllocator* allocator, const Settings* settings) {
    Side inputs = {api->SessionGetInputCount, api->SessionGetInputName, api->SessionGetInputTypeInfo, "input"};
    Side outputs = {api->SessionGetOutputCount, api->SessionGetOutputName, api->SessionGetOutputTypeInfo, "output"};
    GraphTensor expected[MOST_OUTPUTS];
    size_t count = expected_inputs(settings, expected);
    const char* wrong = check_side(api, session, allocator, &inputs, expected, count);
    if (wrong) return wrong;
    count = expected_outputs(settings, expected);
    return check_side(api, session, allocator, &outputs, expected, count);
}

const char* check_value(const OrtApi* api, const OrtValue* value, const GraphTensor* expected, size_t rows) {
    OrtShape* shape;
    TRY(api, GetTensorTypeAndShape(value, &shape));
    const char* wrong = compare(api, shape, expected, (int64_t)rows);
    api->ReleaseShape(shape);
    return wrong;
}
