/* Flash in a file: NOR rules, 4 KiB blocks, durable after sync. */
#ifndef FIRMWARE_POSIX_FLASH_FILE_H
#define FIRMWARE_POSIX_FLASH_FILE_H

#include <stdint.h>

#include "base/files.h"
#include "base/problem.h"
#include "hal/hal.h"

#define FLASH_FILE_BLOCK     4096u
#define FLASH_FILE_BYTES_MIN 8192u /* two blocks */
#define FLASH_FILE_BYTES_MAX (1u << 30)

struct flash_file;

/*
 * Opens the file at path, creating it (mode 0600). bytes is rounded down to whole blocks.
 * A file that is open already is refused. NULL with problem set on failure.
 */
struct flash_file *flash_file_open(const struct file_ops *files, const char *path, uint32_t bytes,
                                   struct problem *problem);
void flash_file_close(struct flash_file *flash);

/* The operations, valid until flash_file_close. */
struct hal_flash flash_file_hal(struct flash_file *flash);

#endif
