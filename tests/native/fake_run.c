// What calls of the fake ONNX Runtime's sessions do and answer.

#include "fake_ort_parts.h"

#include <pthread.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // of what was fed last

void note_text(char* target, size_t room, const char* text) {
    pthread_mutex_lock(&lock);
    snprintf(target, room, "%s", text);
    pthread_mutex_unlock(&lock);
}

void note_numbers(const void* numbers, size_t bytes) {
    pthread_mutex_lock(&lock);
    memcpy(fake_ort.numbers, numbers, bytes < sizeof fake_ort.numbers ? bytes : sizeof fake_ort.numbers);
    pthread_mutex_unlock(&lock);
}

FakeSession* find_session(const char* graph) {
    for (int i = 0; i < MOST_FAKES; i++)
        if (fake_ort.session[i].graph && !strcmp(fake_ort.session[i].graph, graph)) return &fake_ort.session[i];
    return NULL;
}

FakeSession* session_of(const char* graph) {
    FakeSession* found = find_session(graph);
    for (int i = 0; i < MOST_FAKES && !found; i++)
        if (!fake_ort.session[i].graph) found = &fake_ort.session[i], found->graph = graph, found->p_click = 0.25f;
    CHECK(found);
    return found;
}

void last_text(FakeSession* session, char text[512]) {
    pthread_mutex_lock(&lock);
    memcpy(text, session->text, sizeof session->text);
    pthread_mutex_unlock(&lock);
}

static FakeTensor given(const char* name) {
    for (size_t i = 0; i < MOST_FAKES; i++)
        if (fake_ort.given[i].name && !strcmp(fake_ort.given[i].name, name)) return fake_ort.given[i];
    for (size_t i = 0; i < fake_ort.outputs_count; i++)
        if (!strcmp(fake_ort.outputs[i].name, name)) return fake_ort.outputs[i];
    abort();
}

// As large as its shape says, to the byte: whoever reads behind it is told by the sanitizer.
static OrtValue* an_output(const char* name, int64_t rows, const FakeSession* session) {
    FakeTensor about = given(name);
    size_t count = 1;
    for (size_t i = 0; i < about.dims; i++) {
        if (about.shape[i] < 0) about.shape[i] = rows;
        count *= (size_t)about.shape[i];
    }
    size_t size = about.type == ORT_FLOAT ? sizeof(float) : sizeof(int64_t);
    char* data = a_block(count * size);
    int64_t id = !strcmp(name, "creative_idx") ? fake_ort.creative_idx : fake_ort.id;
    for (size_t i = 0; i < count; i++) {
        float p_click = session ? session->p_click + (float)i * session->step : fake_ort.p_click;
        memcpy(data + i * size, size == sizeof(float) ? (void*)&p_click : &id, size);
    }
    return a_value(about, data, true);
}

static void rest_ms(int ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL); }

// What a session does before it answers; does it fail then.
static bool does_fail(FakeSession* session, const OrtRunOptions* options) {
    session->calls++;
    for (int slow_ms = session->slow_ms; slow_ms > 0 && !options->is_terminated; slow_ms--) rest_ms(1);
    while (session->does == HANGS || (session->does == HANGS_UNTIL_TERMINATED && !options->is_terminated)) rest_ms(1);
    session->ended++;
    return session->does == GIVES_ERRORS || options->is_terminated;
}

OrtStatus* run_session(OrtSession* session, const OrtRunOptions* options, const char* const* input_names,
                       const OrtValue* const* inputs, size_t inputs_count, const char* const* output_names, size_t outputs_count,
                       OrtValue** outputs) {
    MAY_FAIL;
    int64_t rows = fake_ort.rows;
    CHECK(inputs_count == fake_ort.inputs_count && outputs_count == fake_ort.outputs_count);
    for (size_t i = 0; i < inputs_count; i++) {
        CHECK(!strcmp(input_names[i], inputs[i]->about.name));
        if (!rows && inputs[i]->about.type == ORT_FLOAT) rows = inputs[i]->about.shape[0];
        if (!session->fake || inputs[i]->about.type != ORT_STRING) continue;
        note_text(session->fake->text, sizeof session->fake->text, inputs[i]->data);
    }
    if (session->fake && does_fail(session->fake, options)) return a_status("a session that fails");
    if (options->is_terminated) return a_status("terminated");
    for (size_t i = 0; i < outputs_count; i++) outputs[i] = an_output(output_names[i], rows, session->fake);
    return NULL;
}
