#include "journalled.h"

#include "fake_ort.h"
#include "version_folder.h"

#include "journal/crc32.h"
#include "journal/frame.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Model model;
Instance instance;
const char* schema = SCHEMA;
char *version, *kept;
static char repository[512];

// A model with a journal in a folder of its own.
void load_with(const char* form) {
    char path[700], told[1200];
    version = make_version(NATIVE_TEXT);
    kept = make_version(NATIVE_TEXT);
    write_text(version, "journal.json", schema);
    write_manifest(version, (const char*[]){"native.txt", "ctr_packed.onnx", "journal.json", NULL});
    snprintf(path, sizeof path, "%s/segments", kept);
    CHECK(!mkdir(path, 0700));
    snprintf(told, sizeof told, form, kept);
    CHECK(!setenv("ADCLICK_JOURNAL", told, 1));
    reset_ort(), forget_counts();
    metrics_text = "nv_inference_pending_request_count{model=\"ctr\",version=\"7\"} 0\n";
    snprintf(repository, sizeof repository, "%s.models", version);
    snprintf(path, sizeof path, "%s/7", repository);
    CHECK(!mkdir(repository, 0700) && !symlink(version, path));
    model = (Model){.name = "ctr", .repository = repository, .version = 7};
    instance = (Instance){.model = &model};
    fake_ort.rows = 1;
}

void load(const char* form) {
    load_with(form);
    CHECK(!TRITONBACKEND_ModelInitialize(&model) && !TRITONBACKEND_ModelInstanceInitialize(&instance));
}

void let_go(void) {
    CHECK(!TRITONBACKEND_ModelInstanceFinalize(&instance) && !TRITONBACKEND_ModelFinalize(&model));
    unsetenv("ADCLICK_JOURNAL");
}

void forget(void) {
    char path[700];
    snprintf(path, sizeof path, "%s/7", repository);
    CHECK(!unlink(path) && !rmdir(repository));
    remove_folder(version), remove_folder(kept);
}

Input a_tensor(const char* name, int type, int64_t columns, const void* data, uint64_t bytes) {
    Input tensor = {.name = name, .type = type, .shape = {1, columns}, .dims = 2, .bytes = bytes, .pieces_count = 1};
    tensor.pieces[0] = data, tensor.piece_bytes[0] = bytes;
    return tensor;
}

Request one_row(const char* strings, uint64_t bytes) {
    static const float TWENTY[] = {20, 7};
    Request request = a_request();
    request.outputs[request.outputs_count++] = "prediction_id";
    request.id = "mine";
    request.inputs[0] = a_tensor("categorical", TYPE_BYTES, 3, strings, bytes);
    request.inputs[1] = a_tensor("numeric", TYPE_FP32, 2, TWENTY, sizeof TWENTY);
    request.inputs_count = 2;
    return request;
}

void ask(Request* request) {
    Request* batch[] = {request};
    forget_answer(request);
    CHECK(!TRITONBACKEND_ModelInstanceExecute(&instance, batch, 1));
    CHECK(request->released == 1 && request->answers == 1);
}

static void look_at_segment(const char* path, void (*look)(uint32_t, const char*, uint32_t, void*), void* user) {
    static char content[1 << 18];
    FILE* file = fopen(path, "rb");
    CHECK(file);
    size_t size = fread(content, 1, sizeof content - 1, file), at = 16;
    fclose(file);
    CHECK(size > at && size < sizeof content - 1 && !memcmp(content, "adcljrnl\1\0\0\0\0\0\0\0", 16));
    while (at < size) {
        uint32_t head[3];
        CHECK(size - at >= FRAME_HEAD && !memcmp(content + at, FRAME_MAGIC, 4));
        memcpy(head, content + at + 4, sizeof head);
        CHECK(head[0] <= size - at - FRAME_HEAD);
        CHECK_NUMBER(crc32_of(crc32_of(0, content + at + 4, 8), content + at + FRAME_HEAD, head[0]), head[2]);
        char *end = content + at + FRAME_HEAD + head[0], next = *end;
        *end = 0;
        look(head[1], content + at + FRAME_HEAD, head[0], user);
        *end = next;
        at += FRAME_HEAD + head[0];
    }
}

void each_frame(void (*look)(uint32_t, const char*, uint32_t, void*), void* user) {
    char path[1200];
    snprintf(path, sizeof path, "%s/segments", kept);
    DIR* folder = opendir(path);
    CHECK(folder);
    for (struct dirent* entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/segments/%s", kept, entry->d_name);
        look_at_segment(path, look, user);
    }
    closedir(folder);
}

typedef struct {
    uint32_t kind;
    char* payload;
    int found;
} Counted;

static void count_one(uint32_t kind, const char* payload, uint32_t bytes, void* user) {
    Counted* counted = user;
    if (kind != counted->kind) return;
    memcpy(counted->payload, payload, bytes < 4096 ? bytes : 4096);
    counted->found++;
}

// The frames of all segments, by kind, each with a right checksum; `payload` gets the last one of `kind`.
int count_frames(uint32_t kind, char payload[4096]) {
    Counted counted = {kind, payload, 0};
    each_frame(count_one, &counted);
    return counted.found;
}

double counted_of(const char* family, const char* what) {
    char labels[64];
    snprintf(labels, sizeof labels, "model=ctr,version=7,what=%s", what);
    return counted(family, labels);
}

void rest(void) { nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL); }
