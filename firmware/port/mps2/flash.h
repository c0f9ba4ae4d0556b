/* The station's flash: the board's PSRAM, which QEMU keeps in a file, behind the rules of NOR. */
#ifndef MPS2_FLASH_H
#define MPS2_FLASH_H

#include "hal/hal.h"

#define FLASH_BLOCK 4096u

/* What lies where, in blocks. */
#define FLASH_PAGE_FIRST  0u /* provisioning: firmware/core/provision.h */
#define FLASH_PAGE_BLOCKS 2u
#define FLASH_KEEP_FIRST  2u /* small records: firmware/core/keep.h */
#define FLASH_KEEP_BLOCKS 4u
#define FLASH_LOG_FIRST   8u /* the log: 60 days of one-minute reports and room */
#define FLASH_LOG_BLOCKS  4088u

/*
 * For rehearsals: from now on one write or erase in so many, at random, is torn and the board
 * reset, as when the power goes in the middle of it: the first bytes are reached, of some behind
 * them any bits, of the rest nothing. The dice of seed go on over resets. 0 = never.
 */
void flash_tear(uint32_t one_in, uint32_t seed);

/* An area of the flash with its own block 0; valid for ever. */
struct hal_flash flash_area(uint32_t first, uint32_t blocks);

#endif
