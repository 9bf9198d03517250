// What the backend uses of Triton's C API (tritonserver.h and tritonbackend.h of Triton 2.51, backend API 1.19).
//
// The wheel that brings the server brings no headers; these are the declarations that its library exports.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRITON_EXPORT __attribute__((visibility("default")))
#define TRITON_API_MAJOR 1

typedef struct TRITONSERVER_Error Error;
typedef struct TRITONSERVER_Server Server;
typedef struct TRITONSERVER_InferenceRequest InnerRequest;
typedef struct TRITONSERVER_InferenceResponse InnerResponse;
typedef struct TRITONSERVER_ResponseAllocator Allocator;
typedef struct TRITONSERVER_InferenceTrace Trace;
typedef struct TRITONSERVER_Parameter Label;
typedef struct TRITONSERVER_MetricFamily MetricFamily;
typedef struct TRITONSERVER_Metric Metric;
typedef struct TRITONSERVER_Metrics Metrics;
typedef struct TRITONBACKEND_Model Model;
typedef struct TRITONBACKEND_ModelInstance Instance;
typedef struct TRITONBACKEND_Request Request;
typedef struct TRITONBACKEND_Input Input;
typedef struct TRITONBACKEND_Response Response;
typedef struct TRITONBACKEND_Output Output;

enum { UNKNOWN_ERROR, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS };
enum { TYPE_INT64 = 9, TYPE_FP32 = 11, TYPE_BYTES = 13 };
enum { MEMORY_CPU, MEMORY_CPU_PINNED, MEMORY_GPU };
enum { PARAMETER_STRING, PARAMETER_INT, PARAMETER_BOOL, PARAMETER_DOUBLE };
enum { LOG_INFO, LOG_WARN, LOG_ERROR };
enum { KIND_COUNTER = 0, KIND_GAUGE = 1, FORMAT_PROMETHEUS = 0, RELEASE_ALL = 1, RESPONSE_FINAL = 1 };

// An error that a function returns belongs to the caller, but for the one of TRITONSERVER_InferenceResponseError, which is the
// response's; one that is handed to TRITONBACKEND_ResponseSend stays the caller's.
Error* TRITONSERVER_ErrorNew(int code, const char* text);
void TRITONSERVER_ErrorDelete(Error*);  // NULL is none
int TRITONSERVER_ErrorCode(Error*);
const char* TRITONSERVER_ErrorMessage(Error*);
Error* TRITONSERVER_LogMessage(int level, const char* file, int line, const char* text);

// A model, and one of its instances.
Error* TRITONBACKEND_ApiVersion(uint32_t* major, uint32_t* minor);
Error* TRITONBACKEND_ModelName(Model*, const char** name);
Error* TRITONBACKEND_ModelVersion(Model*, uint64_t* version);
Error* TRITONBACKEND_ModelRepository(Model*, int* artifact, const char** folder);
Error* TRITONBACKEND_ModelServer(Model*, Server**);
Error* TRITONBACKEND_ModelState(Model*, void** state);
Error* TRITONBACKEND_ModelSetState(Model*, void* state);
Error* TRITONBACKEND_ModelInstanceModel(Instance*, Model**);
Error* TRITONBACKEND_ModelInstanceState(Instance*, void** state);
Error* TRITONBACKEND_ModelInstanceSetState(Instance*, void* state);
Error* TRITONBACKEND_ModelInstanceReportStatistics(Instance*, Request*, bool success, uint64_t start_ns,
                                                   uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns);
Error* TRITONBACKEND_ModelInstanceReportBatchStatistics(Instance*, uint64_t rows, uint64_t start_ns, uint64_t compute_start_ns,
                                                        uint64_t compute_end_ns, uint64_t end_ns);

// A request and its answer.
Error* TRITONBACKEND_RequestId(Request*, const char** id);
Error* TRITONBACKEND_RequestInputCount(Request*, uint32_t* count);
Error* TRITONBACKEND_RequestInputByIndex(Request*, uint32_t index, Input**);
Error* TRITONBACKEND_InputProperties(Input*, const char** name, int* type, const int64_t** shape, uint32_t* dims, uint64_t* bytes,
                                     uint32_t* buffers);
Error* TRITONBACKEND_InputBuffer(Input*, uint32_t index, const void** data, uint64_t* bytes, int* memory, int64_t* device);
Error* TRITONBACKEND_RequestOutputCount(Request*, uint32_t* count);
Error* TRITONBACKEND_RequestOutputName(Request*, uint32_t index, const char** name);
Error* TRITONBACKEND_RequestParameterCount(Request*, uint32_t* count);
Error* TRITONBACKEND_RequestParameter(Request*, uint32_t index, const char** key, int* type, const void** value);
Error* TRITONBACKEND_RequestRelease(Request*, uint32_t flags);
Error* TRITONBACKEND_ResponseNew(Response**, Request*);
Error* TRITONBACKEND_ResponseOutput(Response*, Output**, const char* name, int type, const int64_t* shape, uint32_t dims);
Error* TRITONBACKEND_OutputBuffer(Output*, void** data, uint64_t bytes, int* memory, int64_t* device);
Error* TRITONBACKEND_ResponseSend(Response*, uint32_t flags, Error*);
Error* TRITONBACKEND_ResponseDelete(Response*);

// A request to another model of the same server.
typedef Error* (*AllocateFn)(Allocator*, const char* name, size_t bytes, int memory, int64_t device, void* user, void** data,
                             void** data_user, int* actual_memory, int64_t* actual_device);
typedef Error* (*FreeFn)(Allocator*, void* data, void* data_user, size_t bytes, int memory, int64_t device);
typedef void (*ReleasedFn)(InnerRequest*, uint32_t flags, void* user);
typedef void (*AnsweredFn)(InnerResponse*, uint32_t flags, void* user);
Error* TRITONSERVER_ResponseAllocatorNew(Allocator**, AllocateFn, FreeFn, void* start);
Error* TRITONSERVER_ResponseAllocatorDelete(Allocator*);
Error* TRITONSERVER_InferenceRequestNew(InnerRequest**, Server*, const char* model, int64_t version);
Error* TRITONSERVER_InferenceRequestDelete(InnerRequest*);
Error* TRITONSERVER_InferenceRequestSetId(InnerRequest*, const char* id);
Error* TRITONSERVER_InferenceRequestAddInput(InnerRequest*, const char* name, int type, const int64_t* shape, uint64_t dims);
Error* TRITONSERVER_InferenceRequestAppendInputData(InnerRequest*, const char* name, const void* data, size_t bytes, int memory,
                                                    int64_t device);
Error* TRITONSERVER_InferenceRequestAddRequestedOutput(InnerRequest*, const char* name);
Error* TRITONSERVER_InferenceRequestSetStringParameter(InnerRequest*, const char* key, const char* value);
Error* TRITONSERVER_InferenceRequestSetIntParameter(InnerRequest*, const char* key, int64_t value);
Error* TRITONSERVER_InferenceRequestSetBoolParameter(InnerRequest*, const char* key, bool value);
Error* TRITONSERVER_InferenceRequestSetDoubleParameter(InnerRequest*, const char* key, double value);
Error* TRITONSERVER_InferenceRequestSetReleaseCallback(InnerRequest*, ReleasedFn, void* user);
Error* TRITONSERVER_InferenceRequestSetResponseCallback(InnerRequest*, Allocator*, void* allocator_user, AnsweredFn, void* user);
Error* TRITONSERVER_ServerInferAsync(Server*, InnerRequest*, Trace*);
Error* TRITONSERVER_InferenceResponseError(InnerResponse*);
Error* TRITONSERVER_InferenceResponseOutputCount(InnerResponse*, uint32_t* count);
Error* TRITONSERVER_InferenceResponseOutput(InnerResponse*, uint32_t index, const char** name, int* type, const int64_t** shape,
                                            uint64_t* dims, const void** data, size_t* bytes, int* memory, int64_t* device,
                                            void** user);
Error* TRITONSERVER_InferenceResponseDelete(InnerResponse*);

Error* TRITONSERVER_ServerModelIsReady(Server*, const char* model, int64_t version, bool* ready);

// What Prometheus reads.
Label* TRITONSERVER_ParameterNew(const char* name, int type, const void* value);
void TRITONSERVER_ParameterDelete(Label*);
Error* TRITONSERVER_MetricFamilyNew(MetricFamily**, int kind, const char* name, const char* description);
Error* TRITONSERVER_MetricFamilyDelete(MetricFamily*);
Error* TRITONSERVER_MetricNew(Metric**, MetricFamily*, const Label** labels, uint64_t count);
Error* TRITONSERVER_MetricDelete(Metric*);
Error* TRITONSERVER_MetricIncrement(Metric*, double value);
Error* TRITONSERVER_MetricSet(Metric*, double value);
Error* TRITONSERVER_MetricValue(Metric*, double* value);
Error* TRITONSERVER_ServerMetrics(Server*, Metrics**);
Error* TRITONSERVER_MetricsFormatted(Metrics*, int format, const char** text, size_t* bytes);
Error* TRITONSERVER_MetricsDelete(Metrics*);

// Called by Triton.
TRITON_EXPORT Error* TRITONBACKEND_ModelInitialize(Model*);
TRITON_EXPORT Error* TRITONBACKEND_ModelFinalize(Model*);
TRITON_EXPORT Error* TRITONBACKEND_ModelInstanceInitialize(Instance*);
TRITON_EXPORT Error* TRITONBACKEND_ModelInstanceFinalize(Instance*);
TRITON_EXPORT Error* TRITONBACKEND_ModelInstanceExecute(Instance*, Request** requests, uint32_t count);
