// A client's request as a request to another model, and that one's answer as an answer to the client.

#pragma once

#include "../rows.h"
#include "../triton.h"

// What the server's models tell each other in parameters whose names begin so; a client's own are not passed on.
#define OWN_PARAMETERS "adclick_"
#define INNER_CALL OWN_PARAMETERS "inner_call"  // but for this one

enum { MOST_COPIES = 8 };  // tensors of a request

// How the inner request differs from the client's.
typedef struct {
    const Form* form;  // where the other model's columns are
    Bytes* copies;     // [MOST_COPIES]: of tensors; the caller frees them when the inner request has ended
    bool is_apart;     // it may go on when the client has its answer: then Triton's front end has freed the tensors
    bool wants_id;     // of the answer, though the client may not
} Changed;

// The inner request reads those tensors that are not copied where they lie: the client must not be answered before it has ended.
Error* copy_request(Request* request, InnerRequest* inner, const Changed* changed);

// The outputs that the client asked for. `id` is that of the answer, as 32 digits; empty if the inner response does not say it.
Error* copy_outputs(InnerResponse* inner, Request* request, Response* response, char id[33]);
