/* Where the keys of TLS come from. */
#ifndef MPS2_ENTROPY_H
#define MPS2_ENTROPY_H

#include <stdint.h>

/* Before the first key: 32 random bytes of this station, and a number that no start has twice. */
void entropy_start(const uint8_t seed[32], uint32_t boot);

#endif
