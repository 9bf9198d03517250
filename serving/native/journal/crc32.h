// The checksum of a frame: CRC-32 as zlib, gzip and PNG have it (polynomial 0xEDB88320, reflected).

#pragma once

#include <stddef.h>
#include <stdint.h>

// `crc` is 0 for the first bytes, and what was returned for those before. Called from any thread.
uint32_t crc32_of(uint32_t crc, const void* bytes, size_t size);
