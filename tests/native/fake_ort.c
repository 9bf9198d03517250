#include "fake_ort_parts.h"

FakeOrt fake_ort;

void reset_ort(void) {
    fake_ort = (FakeOrt){
        .inputs = {{"text", ORT_STRING, 1, {1}}, {"numeric", ORT_FLOAT, 2, {-1, 2}}},
        .outputs = {{"p_click", ORT_FLOAT, 1, {-1}}, {"cat_idx", ORT_INT64, 2, {-1, 3}}, {"creative_idx", ORT_INT64, 1, {-1}}},
        .inputs_count = 2,
        .outputs_count = 3,
        .rows = 1,
        .p_click = 0.25f,
        .id = 2,
        .creative_idx = 1,
    };
    setenv("ADCLICK_ONNXRUNTIME", "", 1);
}

OrtStatus* a_status(const char* text) {
    OrtStatus* made = a_block(sizeof *made);
    made->text = text;
    return made;
}

OrtValue* a_value(FakeTensor about, void* data, bool owned) {
    OrtValue* value = a_block(sizeof *value);
    *value = (OrtValue){about, data, owned};
    return value;
}

static const char* GetErrorMessage(const OrtStatus* s) { return s->text; }
static void ReleaseStatus(OrtStatus* s) { free(s); }

#define OBJECT(type, variable)           \
    do {                                 \
        MAY_FAIL;                        \
        *(variable) = (type*)a_block(1); \
        fake_ort.alive++;                \
        return NULL;                     \
    } while (0)

static void release(void* object) {
    free(object);
    fake_ort.alive--;
}

static OrtStatus* CreateEnv(int level, const char* name, OrtEnv** environment) { OBJECT(OrtEnv, environment); }
static OrtStatus* CreateSessionOptions(OrtSessionOptions** options) { OBJECT(OrtSessionOptions, options); }
static OrtStatus* CreateCpuMemoryInfo(int allocator, int memory, OrtMemoryInfo** info) { OBJECT(OrtMemoryInfo, info); }
static void ReleaseEnv(OrtEnv* environment) { release(environment); }
static void ReleaseSession(OrtSession* session) { release(session); }
static void ReleaseRunOptions(OrtRunOptions* options) { release(options); }
static void ReleaseSessionOptions(OrtSessionOptions* options) { release(options); }
static void ReleaseMemoryInfo(OrtMemoryInfo* info) { release(info); }

static OrtStatus* CreateSessionFromArray(const OrtEnv* environment, const void* model, size_t bytes,
                                         const OrtSessionOptions* options, OrtSession** session) {
    char graph[64] = "";
    if (bytes < 5 || memcmp(model, "graph", 5)) return a_status("no graph");
    MAY_FAIL;
    memcpy(graph, model, bytes < sizeof graph ? bytes : sizeof graph - 1);
    *session = a_block(sizeof **session);
    (*session)->fake = find_session(graph);
    fake_ort.alive++;
    return NULL;
}

static OrtStatus* CreateRunOptions(OrtRunOptions** options) {
    MAY_FAIL;
    *options = a_block(sizeof **options);
    fake_ort.alive++;
    return NULL;
}

static OrtStatus* RunOptionsSetTerminate(OrtRunOptions* options) {
    options->is_terminated = true;
    MAY_FAIL;
    return NULL;
}

static OrtStatus* set_level(OrtSessionOptions* options, int level) {
    MAY_FAIL;
    return NULL;
}

static OrtStatus* GetAllocatorWithDefaultOptions(OrtAllocator** allocator) {
    MAY_FAIL;
    *allocator = (OrtAllocator*)&fake_ort;
    return NULL;
}

static OrtStatus* AllocatorFree(OrtAllocator* allocator, void* memory) {
    free(memory);
    MAY_FAIL;
    return NULL;
}

static OrtStatus* SessionGetInputCount(const OrtSession* session, size_t* count) {
    MAY_FAIL;
    *count = fake_ort.inputs_count;
    return NULL;
}

static OrtStatus* SessionGetOutputCount(const OrtSession* session, size_t* count) {
    MAY_FAIL;
    *count = fake_ort.outputs_count;
    return NULL;
}

static OrtStatus* tell_name(const FakeTensor* about, char** name) {
    MAY_FAIL;
    *name = strdup(about->name);
    return NULL;
}

static OrtStatus* SessionGetInputName(const OrtSession* session, size_t i, OrtAllocator* allocator, char** name) {
    return tell_name(&fake_ort.inputs[i], name);
}

static OrtStatus* SessionGetOutputName(const OrtSession* session, size_t i, OrtAllocator* allocator, char** name) {
    return tell_name(&fake_ort.outputs[i], name);
}

static OrtStatus* tell_type(const FakeTensor* about, OrtTypeInfo** type) {
    MAY_FAIL;
    *type = a_block(sizeof **type);
    (*type)->about = *about;
    return NULL;
}

static OrtStatus* SessionGetInputTypeInfo(const OrtSession* session, size_t i, OrtTypeInfo** type) {
    return tell_type(&fake_ort.inputs[i], type);
}

static OrtStatus* SessionGetOutputTypeInfo(const OrtSession* session, size_t i, OrtTypeInfo** type) {
    return tell_type(&fake_ort.outputs[i], type);
}

static OrtStatus* CastTypeInfoToTensorInfo(const OrtTypeInfo* type, const OrtShape** shape) {
    MAY_FAIL;
    *shape = type->about.type ? (const OrtShape*)&type->about : NULL;
    return NULL;
}

static void ReleaseTypeInfo(OrtTypeInfo* type) { free(type); }

static OrtStatus* GetTensorElementType(const OrtShape* shape, int* type) {
    MAY_FAIL;
    *type = ((const FakeTensor*)shape)->type;
    return NULL;
}

static OrtStatus* GetDimensionsCount(const OrtShape* shape, size_t* count) {
    MAY_FAIL;
    *count = ((const FakeTensor*)shape)->dims;
    return NULL;
}

static OrtStatus* GetDimensions(const OrtShape* shape, int64_t* dims, size_t count) {
    MAY_FAIL;
    memcpy(dims, ((const FakeTensor*)shape)->shape, count * sizeof *dims);
    return NULL;
}

static OrtStatus* GetTensorTypeAndShape(const OrtValue* value, OrtShape** shape) {
    MAY_FAIL;
    FakeTensor* about = a_block(sizeof *about);
    *about = value->about;
    *shape = (OrtShape*)about;
    return NULL;
}

static void ReleaseShape(OrtShape* shape) { free(shape); }

static OrtStatus* CreateTensorAsOrtValue(OrtAllocator* allocator, const int64_t* shape, size_t dims, int type, OrtValue** value) {
    MAY_FAIL;
    CHECK(type == ORT_STRING && dims == 1 && shape[0] == 1);
    *value = a_value((FakeTensor){"text", type, 1, {1}}, NULL, true);
    return NULL;
}

static OrtStatus* FillStringTensor(OrtValue* value, const char* const* strings, size_t count) {
    MAY_FAIL;
    CHECK(count == 1);
    note_text(fake_ort.text, sizeof fake_ort.text, strings[0]);
    value->data = strdup(strings[0]);
    return NULL;
}

static OrtStatus* CreateTensorWithDataAsOrtValue(const OrtMemoryInfo* memory, void* data, size_t bytes, const int64_t* shape,
                                                 size_t dims, int type, OrtValue** value) {
    MAY_FAIL;
    CHECK(type == ORT_FLOAT && dims == 2 && bytes == (size_t)(shape[0] * shape[1]) * sizeof(float));
    note_numbers(data, bytes);
    *value = a_value((FakeTensor){"numeric", type, 2, {shape[0], shape[1]}}, data, false);
    return NULL;
}

static OrtStatus* GetTensorMutableData(OrtValue* value, void** data) {
    MAY_FAIL;
    *data = value->data;
    return NULL;
}

static void ReleaseValue(OrtValue* value) {
    if (value->owned) free(value->data);
    free(value);
}

static const OrtApi API = {
    .GetErrorMessage = GetErrorMessage,
    .CreateEnv = CreateEnv,
    .CreateSessionFromArray = CreateSessionFromArray,
    .Run = run_session,
    .CreateSessionOptions = CreateSessionOptions,
    .CreateRunOptions = CreateRunOptions,
    .RunOptionsSetTerminate = RunOptionsSetTerminate,
    .SetSessionLogSeverityLevel = set_level,
    .SetIntraOpNumThreads = set_level,
    .SetInterOpNumThreads = set_level,
    .SessionGetInputCount = SessionGetInputCount,
    .SessionGetOutputCount = SessionGetOutputCount,
    .SessionGetInputTypeInfo = SessionGetInputTypeInfo,
    .SessionGetOutputTypeInfo = SessionGetOutputTypeInfo,
    .SessionGetInputName = SessionGetInputName,
    .SessionGetOutputName = SessionGetOutputName,
    .CreateTensorAsOrtValue = CreateTensorAsOrtValue,
    .CreateTensorWithDataAsOrtValue = CreateTensorWithDataAsOrtValue,
    .GetTensorMutableData = GetTensorMutableData,
    .FillStringTensor = FillStringTensor,
    .CastTypeInfoToTensorInfo = CastTypeInfoToTensorInfo,
    .GetTensorElementType = GetTensorElementType,
    .GetDimensionsCount = GetDimensionsCount,
    .GetDimensions = GetDimensions,
    .GetTensorTypeAndShape = GetTensorTypeAndShape,
    .CreateCpuMemoryInfo = CreateCpuMemoryInfo,
    .AllocatorFree = AllocatorFree,
    .GetAllocatorWithDefaultOptions = GetAllocatorWithDefaultOptions,
    .ReleaseEnv = ReleaseEnv,
    .ReleaseStatus = ReleaseStatus,
    .ReleaseMemoryInfo = ReleaseMemoryInfo,
    .ReleaseSession = ReleaseSession,
    .ReleaseValue = ReleaseValue,
    .ReleaseRunOptions = ReleaseRunOptions,
    .ReleaseTypeInfo = ReleaseTypeInfo,
    .ReleaseShape = ReleaseShape,
    .ReleaseSessionOptions = ReleaseSessionOptions,
};

static const OrtApi* api_of(uint32_t version) { return version == ORT_API && !fails() ? &API : NULL; }

static const char* version_of(void) { return "1.2.3"; }

__attribute__((visibility("default"))) const OrtApiBase* OrtGetApiBase(void) {
    static const OrtApiBase BASE = {api_of, version_of};
    return &BASE;
}
