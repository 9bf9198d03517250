// A fuzz target reads bytes and aborts if something is wrong with what the backend makes of them. libFuzzer calls it, or fuzz.c,
// where there is no libFuzzer.

#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
