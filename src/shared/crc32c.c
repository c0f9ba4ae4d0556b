/* CRC32C by four tables, or by the processor's own instruction where there is one. */
#include "phusa/crc32c.h"

#include <string.h>

#include "shared/crc32c_portable.h"
#include "shared/crc32c_table.h"

static uint32_t step_byte(uint32_t crc, uint8_t byte)
{
    return (crc >> 8) ^ crc32c_table[0][(crc ^ byte) & 0xff];
}

static uint32_t step_word(uint32_t crc, const uint8_t *at)
{
    crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    return crc32c_table[3][crc & 0xff] ^ crc32c_table[2][crc >> 8 & 0xff] ^
           crc32c_table[1][crc >> 16 & 0xff] ^ crc32c_table[0][crc >> 24];
}

uint32_t phusa_crc32c_portable(uint32_t seed, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;

    for (; length >= 4; length -= 4, at += 4) {
        crc = step_word(crc, at);
    }
    for (; length > 0; length--, at++) {
        crc = step_byte(crc, *at);
    }
    return ~crc;
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc32c_instruction(uint32_t seed, const uint8_t *at, size_t length)
{
    uint64_t crc = ~seed;

    for (; length >= 8; length -= 8, at += 8) {
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        crc = _mm_crc32_u64(crc, word);
    }
    for (; length > 0; length--, at++) {
        crc = _mm_crc32_u8((uint32_t)crc, *at);
    }
    return ~(uint32_t)crc;
}

uint32_t phusa_crc32c(uint32_t seed, const void *bytes, size_t length)
{
    /* Asks a table that is filled before main begins: no state of ours, no race. */
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_instruction(seed, bytes, length);
    }
    return phusa_crc32c_portable(seed, bytes, length);
}

#else

uint32_t phusa_crc32c(uint32_t seed, const void *bytes, size_t length)
{
    return phusa_crc32c_portable(seed, bytes, length);
}

#endif
