/* Flash in a file: NOR rules, 4 KiB blocks, durable after sync. */
#ifndef FIRMWARE_POSIX_FLASH_FILE_H
#define FIRMWARE_POSIX_FLASH_FILE_H

#include <stdint.h>

#include "base/files.h"
#include "base/problem.h"
#include "hal/hal.h"

#define FLASH_FILE_BLOCK         4096u
#define FLASH_FILE_BYTES_MIN     8192u /* two blocks */
#define FLASH_FILE_BYTES_MAX     (1u << 30)
/* Holds 60 days of one-minute reports of 9 values, however long their names (9.9 MB and room). */
#define FLASH_FILE_BYTES_DEFAULT (12u << 20)

struct flash_file;

/*
 * Opens the file at path, creating it (mode 0600). bytes is rounded down to whole blocks; a
 * file that is larger already keeps its size, so that a smaller setting loses nothing.
 * A file that is open already is refused. NULL with problem set on failure.
 */
struct flash_file *flash_file_open(const struct file_ops *files, const char *path, uint32_t bytes,
                                   struct problem *problem);

/* Opens an existing file, changes nothing in it, and fails to program or erase. Refused while a
 * station has it open. */
struct flash_file *flash_file_open_to_read(const struct file_ops *files, const char *path,
                                           struct problem *problem);

/* Syncs what is not synced. NULL is fine. */
void flash_file_close(struct flash_file *flash);

/* The operations, valid until flash_file_close. */
struct hal_flash flash_file_hal(struct flash_file *flash);

#endif
