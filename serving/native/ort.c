#include "ort.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define LIBRARY "ADCLICK_ONNXRUNTIME"  // environment variable: path of libonnxruntime.so

static _Thread_local char problem[1024];

const char* ort_says(const OrtApi* api, OrtStatus* status) {
    snprintf(problem, sizeof problem, "ONNX Runtime: %s", api->GetErrorMessage(status));
    api->ReleaseStatus(status);
    return problem;
}

// The library is opened once more for every model, and stays: its threads do not end before the process does.
const char* open_onnxruntime(const OrtApi** api, const char** version) {
    const char* path = getenv(LIBRARY);
    if (!path) return LIBRARY " is not set: where is libonnxruntime.so?";
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const OrtApiBase* (*base)(void) = NULL;
    if (library) *(void**)&base = dlsym(library, "OrtGetApiBase");
    if (!base) snprintf(problem, sizeof problem, "ONNX Runtime: %s", dlerror());
    *api = base ? base()->GetApi(ORT_API) : NULL;
    *version = base ? base()->GetVersionString() : "";
    if (library) dlclose(library);
    if (!base) return problem;
    return *api ? NULL : "this ONNX Runtime does not know version 1 of its API";
}
