// A client's request as a request to another model, and that one's answer as an answer to the client.

#pragma once

#include "rows.h"
#include "triton.h"

// What the server's models tell each other in parameters whose names begin so; a client's own are not passed on.
#define OWN_PARAMETERS "adclick_"
#define INNER_CALL OWN_PARAMETERS "inner_call"  // but for this one

// How the inner request differs from the client's.
typedef struct {
    const Form* form;  // where the other model's columns are
    Bytes* aside;      // [2]: what was rearranged of the two packed tensors; the caller frees it when the inner request has ended
} Changed;

// The inner request reads the client's tensors where they lie: the client's request has to stay until it is released.
Error* copy_request(Request* request, InnerRequest* inner, const Changed* changed);
Error* copy_outputs(InnerResponse* inner, Response* response);
