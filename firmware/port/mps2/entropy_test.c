/*
 * FOR TESTS ONLY. QEMU's board has no source of randomness, so keys are made of the random bytes
 * that provisioning brought, the count of boots and a counter: as secret as the flash image, good
 * for a rehearsal and for nothing else. A real board's port has a file of its own for this, over
 * its hardware's generator.
 */
#ifndef PHUSA_BOARD_QEMU_MPS2
#error "entropy_test.c is for QEMU's board alone: write one over this board's random generator"
#endif

#include <string.h>

#include "board.h"
#include "entropy.h"
#include <mbedtls/entropy.h>
#include <mbedtls/entropy_poll.h>
#include <mbedtls/sha256.h>

#define BLOCK_BYTES 32u

static struct {
    uint8_t seed[BLOCK_BYTES];
    uint32_t boot;
    uint32_t count;
    int64_t time_ns;
} state;

void entropy_start(const uint8_t seed[BLOCK_BYTES], uint32_t boot)
{
    memcpy(state.seed, seed, sizeof state.seed);
    state.boot = boot;
}

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t len, size_t *olen)
{
    uint8_t block[BLOCK_BYTES];
    (void)data;
    state.count++;
    state.time_ns = board_mono_ns();
    if (mbedtls_sha256_ret((const unsigned char *)&state, sizeof state, block, 0) != 0) {
        return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
    }
    *olen = len < sizeof block ? len : sizeof block;
    memcpy(output, block, *olen);
    return 0;
}
