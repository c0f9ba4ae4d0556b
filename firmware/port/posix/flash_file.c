/*
 * The file holds the complement of each byte of the flash, so a hole, or what lies
 * beyond its end, is erased flash (0xFF): a log of any size costs only what was
 * written, and a new file needs no preparation.
 *
 * Programming reads what is there first and refuses to touch bytes that are not
 * erased: a mistake of the core shows here as it would on a chip.
 */
#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define CHUNK 512 /* bytes handled at once */

struct flash_file {
    const struct file_ops *files;
    int fd;
    uint32_t blocks;
    bool dirty;
};

static bool in_range(const struct flash_file *flash, uint32_t offset, size_t length)
{
    uint64_t end = (uint64_t)offset + length;
    return end <= (uint64_t)flash->blocks * FLASH_FILE_BLOCK;
}

static enum hal_result flash_read(void *context, uint32_t offset, void *bytes, size_t length)
{
    struct flash_file *flash = context;
    uint8_t *to = bytes;
    if (!in_range(flash, offset, length)) {
        return HAL_FAILED;
    }
    ssize_t got = files_pread_all(flash->files, flash->fd, to, length, offset);
    if (got < 0) {
        return HAL_FAILED;
    }
    for (size_t i = 0; i < (size_t)got; i++) {
        to[i] = (uint8_t)~to[i];
    }
    memset(to + got, 0xff, length - (size_t)got);
    return HAL_OK;
}

static bool write_all(struct flash_file *flash, uint32_t offset, const uint8_t *bytes,
                      size_t length)
{
    flash->dirty = true;
    for (size_t done = 0; done < length;) {
        ssize_t wrote = flash->files->pwrite(flash->files->context, flash->fd, bytes + done,
                                             length - done, (int64_t)offset + (int64_t)done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return false;
        }
        done += (size_t)wrote;
    }
    return true;
}

static enum hal_result program_chunk(struct flash_file *flash, uint32_t offset,
                                     const uint8_t *bytes, size_t length)
{
    uint8_t chunk[CHUNK];
    if (flash_read(flash, offset, chunk, length) != HAL_OK) {
        return HAL_FAILED;
    }
    for (size_t i = 0; i < length; i++) {
        if (chunk[i] != 0xff) {
            return HAL_FAILED;
        }
        chunk[i] = (uint8_t)~bytes[i];
    }
    return write_all(flash, offset, chunk, length) ? HAL_OK : HAL_FAILED;
}

static enum hal_result flash_program(void *context, uint32_t offset, const void *bytes,
                                     size_t length)
{
    const uint8_t *from = bytes;
    for (size_t done = 0; done < length;) {
        size_t part = length - done < CHUNK ? length - done : CHUNK;
        if (program_chunk(context, offset + (uint32_t)done, from + done, part) != HAL_OK) {
            return HAL_FAILED;
        }
        done += part;
    }
    return HAL_OK;
}

static enum hal_result flash_erase(void *context, uint32_t block)
{
    static const uint8_t erased[FLASH_FILE_BLOCK];
    struct flash_file *flash = context;
    if (block >= flash->blocks) {
        return HAL_FAILED;
    }
    return write_all(flash, block * FLASH_FILE_BLOCK, erased, sizeof erased) ? HAL_OK : HAL_FAILED;
}

static enum hal_result flash_sync(void *context)
{
    struct flash_file *flash = context;
    if (!flash->dirty) {
        return HAL_OK;
    }
    if (flash->files->fdatasync(flash->files->context, flash->fd) != 0) {
        return HAL_FAILED;
    }
    flash->dirty = false;
    return HAL_OK;
}

struct flash_file *flash_file_open(const struct file_ops *files, const char *path, uint32_t bytes,
                                   struct problem *problem)
{
    struct flash_file *flash = calloc(1, sizeof *flash);
    if (flash == NULL) {
        problem_set(problem, "%s: out of memory", path);
        return NULL;
    }
    flash->files = files;
    flash->blocks = bytes / FLASH_FILE_BLOCK;
    flash->fd = files->open(files->context, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (flash->fd < 0) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        free(flash);
        return NULL;
    }
    if (flock(flash->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        problem_set(problem, "%s: in use already", path);
        flash_file_close(flash);
        return NULL;
    }
    return flash;
}

void flash_file_close(struct flash_file *flash)
{
    if (flash != NULL) {
        (void)flash_sync(flash);
        flash->files->close(flash->files->context, flash->fd);
        free(flash);
    }
}

struct hal_flash flash_file_hal(struct flash_file *flash)
{
    return (struct hal_flash){ .context = flash,
                               .block_size = FLASH_FILE_BLOCK,
                               .block_count = flash->blocks,
                               .read = flash_read,
                               .program = flash_program,
                               .erase = flash_erase,
                               .sync = flash_sync };
}
