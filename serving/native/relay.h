// A client's request as a request to another model, and that one's answer as an answer to the client.

#pragma once

#include "triton.h"

// The inner request reads the client's tensors where they lie: the client's request has to stay until it is released.
Error* copy_request(Request* request, InnerRequest* inner);
Error* copy_outputs(InnerResponse* inner, Response* response);
