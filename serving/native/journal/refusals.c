#include "refusals.h"

#include "../reply.h"
#include "../request/input.h"

Unanswered describe_unanswered(Request* request, const char* rule) {
    Unanswered found = {.rule = rule, .id = ""};
    uint32_t count = 0;
    Error* error = TRITONBACKEND_RequestId(request, &found.id);
    if (!error) error = TRITONBACKEND_RequestInputCount(request, &count);
    for (uint32_t i = 0; !error && i < count; i++) {
        Properties tensor;
        error = read_properties(request, i, &tensor);
        if (error) break;
        found.bytes += tensor.bytes;
        if (tensor.dims && tensor.shape[0] > 0 && tensor.shape[0] <= UINT32_MAX) found.rows = (uint32_t)tensor.shape[0];
    }
    if (error) TRITONSERVER_ErrorDelete(error);
    return found;
}

void begin_refusals(Writer* writer) { begin_frame(&writer->frame); }

void add_refusal(Writer* writer, uint32_t release, const Unanswered* request) {
    Bytes* frame = &writer->frame;
    add_u64(frame, (uint64_t)unix_ns(&writer->desk->options.clock));
    add_u64(frame, request->bytes);
    add_u32(frame, request->rows);
    add_u32(frame, release);
    add_u16(frame, short_bytes(request->rule));
    add_u16(frame, short_bytes(request->id));
    add_bytes(frame, request->rule, short_bytes(request->rule));
    add_bytes(frame, request->id, short_bytes(request->id));
}

void write_refusals(Writer* writer, uint64_t count) { write_frame(writer, FRAME_REFUSALS, (Written){.refused = count}); }
