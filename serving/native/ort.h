// What the backend uses of ONNX Runtime's C API. The wheel brings the library without its header.
//
// The API is one table of functions to which later releases only append; all of these are of its first version. `GetApi`
// gives a table of the version it is asked for.

#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus;  // NULL: it worked
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtShape OrtShape;  // OrtTensorTypeAndShapeInfo: element type and dimensions

enum { ORT_API = 1, ORT_WARNING = 2, ORT_ERROR = 3 };
enum { ORT_FLOAT = 1, ORT_INT64 = 7, ORT_STRING = 8 };
enum { ORT_DEVICE_ALLOCATOR = 0, ORT_ARENA_ALLOCATOR = 1, ORT_DEFAULT_MEMORY = 0 };

typedef struct {
    void* skipped_0[2];
    const char* (*GetErrorMessage)(const OrtStatus*);
    OrtStatus* (*CreateEnv)(int level, const char* name, OrtEnv**);
    void* skipped_4[4];
    OrtStatus* (*CreateSessionFromArray)(const OrtEnv*, const void* model, size_t bytes, const OrtSessionOptions*, OrtSession**);
    OrtStatus* (*Run)(OrtSession*, const OrtRunOptions*, const char* const* input_names, const OrtValue* const* inputs,
                      size_t inputs_count, const char* const* output_names, size_t outputs_count, OrtValue** outputs);
    OrtStatus* (*CreateSessionOptions)(OrtSessionOptions**);
    void* skipped_11[11];
    OrtStatus* (*SetSessionLogSeverityLevel)(OrtSessionOptions*, int level);
    void* skipped_23[1];
    OrtStatus* (*SetIntraOpNumThreads)(OrtSessionOptions*, int threads);
    OrtStatus* (*SetInterOpNumThreads)(OrtSessionOptions*, int threads);
    void* skipped_26[4];
    OrtStatus* (*SessionGetInputCount)(const OrtSession*, size_t* count);
    OrtStatus* (*SessionGetOutputCount)(const OrtSession*, size_t* count);
    void* skipped_32[1];
    OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession*, size_t index, OrtTypeInfo**);
    OrtStatus* (*SessionGetOutputTypeInfo)(const OrtSession*, size_t index, OrtTypeInfo**);
    void* skipped_35[1];
    OrtStatus* (*SessionGetInputName)(const OrtSession*, size_t index, OrtAllocator*, char** name);  // AllocatorFree frees it
    OrtStatus* (*SessionGetOutputName)(const OrtSession*, size_t index, OrtAllocator*, char** name);
    void* skipped_38[1];
    OrtStatus* (*CreateRunOptions)(OrtRunOptions**);
    void* skipped_40[6];
    OrtStatus* (*RunOptionsSetTerminate)(OrtRunOptions*);  // of all runs that have these, as soon as a node of the graph ends
    void* skipped_47[1];
    OrtStatus* (*CreateTensorAsOrtValue)(OrtAllocator*, const int64_t* shape, size_t dims, int type, OrtValue**);
    OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo*, void* data, size_t bytes, const int64_t* shape,
                                                 size_t dims, int type, OrtValue**);
    void* skipped_50[1];
    OrtStatus* (*GetTensorMutableData)(OrtValue*, void** data);
    OrtStatus* (*FillStringTensor)(OrtValue*, const char* const* strings, size_t count);
    void* skipped_53[2];
    OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo*, const OrtShape**);  // the type info's own; NULL if it is no tensor
    void* skipped_56[4];
    OrtStatus* (*GetTensorElementType)(const OrtShape*, int* type);
    OrtStatus* (*GetDimensionsCount)(const OrtShape*, size_t* count);
    OrtStatus* (*GetDimensions)(const OrtShape*, int64_t* dims, size_t count);  // -1 where only a call says it
    void* skipped_63[2];
    OrtStatus* (*GetTensorTypeAndShape)(const OrtValue*, OrtShape**);
    void* skipped_66[3];
    OrtStatus* (*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo**);
    void* skipped_70[6];
    OrtStatus* (*AllocatorFree)(OrtAllocator*, void*);
    void* skipped_77[1];
    OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator**);
    void* skipped_79[13];
    void (*ReleaseEnv)(OrtEnv*);
    void (*ReleaseStatus)(OrtStatus*);
    void (*ReleaseMemoryInfo)(OrtMemoryInfo*);
    void (*ReleaseSession)(OrtSession*);
    void (*ReleaseValue)(OrtValue*);
    void (*ReleaseRunOptions)(OrtRunOptions*);
    void (*ReleaseTypeInfo)(OrtTypeInfo*);
    void (*ReleaseShape)(OrtShape*);  // ReleaseTensorTypeAndShapeInfo
    void (*ReleaseSessionOptions)(OrtSessionOptions*);
} OrtApi;

_Static_assert(offsetof(OrtApi, ReleaseSessionOptions) == 100 * sizeof(void*), "a gap of the table has another width");

typedef struct {
    const OrtApi* (*GetApi)(uint32_t version);
    const char* (*GetVersionString)(void);
} OrtApiBase;

// ONNX Runtime's table and version, out of the library that the environment variable ADCLICK_ONNXRUNTIME names; it stays in the
// process. NULL, or a sentence that says why not (kept until the next call of this thread).
const char* open_onnxruntime(const OrtApi** api, const char** version);

// What a call that failed says, as a sentence (kept until the next call of this thread); releases the status.
const char* ort_says(const OrtApi* api, OrtStatus* status);

// `return` what ONNX Runtime says if a call of it fails.
#define TRY(api, call)                              \
    do {                                            \
        OrtStatus* status_ = (api)->call;           \
        if (status_) return ort_says(api, status_); \
    } while (0)
