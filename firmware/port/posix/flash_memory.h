/* Flash in memory: NOR rules, nothing is left of it at the end. For fleets that are there for load.
 */
#ifndef FIRMWARE_POSIX_FLASH_MEMORY_H
#define FIRMWARE_POSIX_FLASH_MEMORY_H

#include "hal/hal.h"

#define FLASH_MEMORY_BLOCK 4096u

struct flash_memory;

/* Erased flash of so many bytes, rounded down to whole blocks; memory is taken as it is written.
 * NULL when out of memory, or for less than two blocks. */
struct flash_memory *flash_memory_create(uint32_t bytes);
void flash_memory_free(struct flash_memory *flash);

/* The operations, valid until flash_memory_free. */
struct hal_flash flash_memory_hal(struct flash_memory *flash);

#endif
