/* The two ways to compute a CRC32C, so that a test can hold one against the other. */
#ifndef SHARED_CRC32C_PORTABLE_H
#define SHARED_CRC32C_PORTABLE_H

#include <stddef.h>
#include <stdint.h>

/* phusa_crc32c by tables alone, as on a machine without an instruction for it. */
uint32_t phusa_crc32c_portable(uint32_t seed, const void *bytes, size_t length);

#endif
