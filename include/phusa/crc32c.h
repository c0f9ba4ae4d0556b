/* CRC32C (Castagnoli), as in RFC 3720 appendix B.4: reflected polynomial 0x82F63B78. */
#ifndef PHUSA_CRC32C_H
#define PHUSA_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of bytes, continued from seed. Start with 0 for the standard
 * CRC32C ("123456789" gives 0xE3069283); a result fed in again continues it:
 * crc(crc(0, a), b) = crc(0, a followed by b). Any other seed salts it.
 */
uint32_t phusa_crc32c(uint32_t seed, const void *bytes, size_t length);

#endif
