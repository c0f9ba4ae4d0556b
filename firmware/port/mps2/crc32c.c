/*
 * CRC32C by half bytes: a table of 64 bytes instead of the 4 KiB with which a collector is fast
 * (src/shared/crc32c.c).
 */
#include "phusa/crc32c.h"

static uint32_t half(uint32_t crc)
{
    static const uint32_t table[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                        0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };
    return crc >> 4 ^ table[crc & 0xf];
}

uint32_t phusa_crc32c(uint32_t seed, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;
    for (size_t i = 0; i < length; i++) {
        crc = half(half(crc ^ at[i]));
    }
    return ~crc;
}
