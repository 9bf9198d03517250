// Triton backend `adclick`: model `ctr` without a Python process between Triton and ONNX Runtime.
//
// A batch's plain requests are joined into one call of the graph. Whatever is not plain goes to the Python model
// `ctr_careful`: what is wrong with a request, and in what words it is told, is written down once, there.

#include "routing/door.h"

#include <stdlib.h>

Error* TRITONBACKEND_ModelInitialize(Model* model) {
    const char *name, *repository;
    uint32_t major, minor;
    uint64_t version;
    int artifact;
    Server* server;
    Error* error = TRITONBACKEND_ApiVersion(&major, &minor);
    if (!error && major != TRITON_API_MAJOR) error = TRITONSERVER_ErrorNew(UNSUPPORTED, "this Triton has another backend API");
    if (!error) error = TRITONBACKEND_ModelName(model, &name);
    if (!error) error = TRITONBACKEND_ModelVersion(model, &version);
    if (!error) error = TRITONBACKEND_ModelRepository(model, &artifact, &repository);
    if (!error) error = TRITONBACKEND_ModelServer(model, &server);
    if (error) return error;
    Door* door;
    const char* failed = open_door(server, name, repository, (int64_t)version, &door);
    error = failed ? TRITONSERVER_ErrorNew(INVALID_ARG, failed) : TRITONBACKEND_ModelSetState(model, door);
    if (error) close_door(door);
    return error;
}

Error* TRITONBACKEND_ModelFinalize(Model* model) {
    void* door = NULL;
    Error* error = TRITONBACKEND_ModelState(model, &door);
    close_door(door);
    return error;
}

Error* TRITONBACKEND_ModelInstanceInitialize(Instance* instance) {
    Model* model;
    void* door;
    Error* error = TRITONBACKEND_ModelInstanceModel(instance, &model);
    if (!error) error = TRITONBACKEND_ModelState(model, &door);
    if (error) return error;
    const char* failed = add_instance(door);
    if (failed) return TRITONSERVER_ErrorNew(INTERNAL, failed);
    Seat* seat = calloc(1, sizeof *seat);
    if (!seat) return TRITONSERVER_ErrorNew(INTERNAL, "out of memory");
    seat->door = door;
    seat->warmups_left = own_arm(door)->settings.warmups;
    error = TRITONBACKEND_ModelInstanceSetState(instance, seat);
    if (error) free(seat);
    return error;
}

Error* TRITONBACKEND_ModelInstanceFinalize(Instance* instance) {
    void* state = NULL;
    Error* error = TRITONBACKEND_ModelInstanceState(instance, &state);
    Seat* seat = state;
    if (!seat) return error;
    await_requests(seat->door);  // answers that are still to come belong to this instance
    free(seat);
    return error;
}

Error* TRITONBACKEND_ModelInstanceExecute(Instance* instance, Request** requests, uint32_t count) {
    void* seat;
    Error* error = TRITONBACKEND_ModelInstanceState(instance, &seat);
    if (!error) answer_requests(seat, instance, requests, count);
    return error;
}
