/*
 * The file holds the complement of each byte of the flash, so a hole, or what lies
 * beyond its end, is erased flash (0xFF): a log of any size costs only what was
 * written, a new file needs no preparation, and one that was cut short is a flash whose
 * end is erased.
 *
 * Programming reads what is there first and refuses to touch bytes that are not
 * erased: a mistake of the core shows here as it would on a chip.
 *
 * A sync that failed may have left pages that the system calls clean and the disk never
 * got; syncing again would succeed and prove nothing. So what was written since the last
 * good sync is kept in memory, and written once more before a failed sync is repeated.
 */
#include "flash_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define CHUNK         512         /* bytes handled at once */
#define UNSYNCED_MAX  (64u << 10) /* kept for a sync that fails; at the limit it is synced */
#define UNSYNCED_KEEP 1024u       /* of that memory is not given back */
#define FOLDER_BYTES  4096

/* A write since the last good sync; its bytes follow, but for an erase, which is all zeros. */
struct written {
    uint32_t offset, length;
    bool erase;
};

struct flash_file {
    const struct file_ops *files;
    int fd;
    uint32_t blocks;
    bool read_only;
    bool dirty;    /* the next sync has something to do */
    bool doubtful; /* the last one failed */
    uint8_t *unsynced;
    size_t unsynced_length, unsynced_capacity;
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

static enum hal_result flash_sync(void *context);

/* Bytes as they lie in the file: complements. */
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

static bool write_erased(struct flash_file *flash, uint32_t offset)
{
    static const uint8_t erased[FLASH_FILE_BLOCK];
    return write_all(flash, offset, erased, sizeof erased);
}

/* --- what is not synced --------------------------------------------------------------- */

/* Makes place for a write; may sync. */
static bool make_room(struct flash_file *flash, size_t length)
{
    size_t wanted = flash->unsynced_length + length;
    if (wanted > UNSYNCED_MAX) {
        wanted = length;
        if (flash_sync(flash) != HAL_OK) {
            return false;
        }
    }
    if (wanted > flash->unsynced_capacity) {
        size_t capacity = wanted < UNSYNCED_KEEP ? UNSYNCED_KEEP : 2 * wanted;
        uint8_t *bytes = realloc(flash->unsynced, capacity);
        if (bytes == NULL) {
            return false;
        }
        flash->unsynced = bytes;
        flash->unsynced_capacity = capacity;
    }
    return true;
}

static void remember(struct flash_file *flash, struct written written, const uint8_t *bytes)
{
    memcpy(flash->unsynced + flash->unsynced_length, &written, sizeof written);
    flash->unsynced_length += sizeof written;
    if (!written.erase) {
        memcpy(flash->unsynced + flash->unsynced_length, bytes, written.length);
        flash->unsynced_length += written.length;
    }
}

static void forget(struct flash_file *flash)
{
    flash->unsynced_length = 0;
    if (flash->unsynced_capacity > UNSYNCED_KEEP) {
        free(flash->unsynced);
        flash->unsynced = NULL;
        flash->unsynced_capacity = 0;
    }
}

static bool write_again(struct flash_file *flash)
{
    bool good = true;
    for (size_t at = 0; good && at < flash->unsynced_length;) {
        struct written written;
        memcpy(&written, flash->unsynced + at, sizeof written);
        at += sizeof written;
        good = written.erase
                   ? write_erased(flash, written.offset)
                   : write_all(flash, written.offset, flash->unsynced + at, written.length);
        at += written.erase ? 0 : written.length;
    }
    return good;
}

static enum hal_result flash_sync(void *context)
{
    struct flash_file *flash = context;
    if (!flash->dirty) {
        return HAL_OK;
    }
    if (flash->doubtful && !write_again(flash)) {
        return HAL_FAILED;
    }
    flash->doubtful = flash->files->fdatasync(flash->files->context, flash->fd) != 0;
    if (flash->doubtful) {
        return HAL_FAILED;
    }
    flash->dirty = false;
    forget(flash);
    return HAL_OK;
}

/* --- programming and erasing ------------------------------------------------------------ */

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
    if (!make_room(flash, sizeof(struct written) + length) ||
        !write_all(flash, offset, chunk, length)) {
        return HAL_FAILED;
    }
    remember(flash, (struct written){ .offset = offset, .length = (uint32_t)length }, chunk);
    return HAL_OK;
}

static enum hal_result flash_program(void *context, uint32_t offset, const void *bytes,
                                     size_t length)
{
    struct flash_file *flash = context;
    const uint8_t *from = bytes;
    if (flash->read_only) {
        return HAL_FAILED;
    }
    for (size_t done = 0; done < length;) {
        size_t part = length - done < CHUNK ? length - done : CHUNK;
        if (program_chunk(flash, offset + (uint32_t)done, from + done, part) != HAL_OK) {
            return HAL_FAILED;
        }
        done += part;
    }
    return HAL_OK;
}

/*
 * Synced at once: what is not may reach the disk in any order, and a block must not keep its
 * old header, or old reports, under new ones.
 */
static enum hal_result flash_erase(void *context, uint32_t block)
{
    struct flash_file *flash = context;
    uint32_t offset = block * FLASH_FILE_BLOCK;
    if (flash->read_only || block >= flash->blocks || !make_room(flash, sizeof(struct written)) ||
        !write_erased(flash, offset)) {
        return HAL_FAILED;
    }
    remember(flash, (struct written){ .offset = offset, .erase = true }, NULL);
    return flash_sync(flash);
}

/* --- opening ---------------------------------------------------------------------------- */

/* A file without a byte may be new, and its name not on the disk yet. */
static bool keep_name(const struct file_ops *files, const char *path)
{
    char folder[FOLDER_BYTES] = ".";
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 1 : (size_t)(slash - path) + 1; /* with it: "/x" is in "/" */
    if (length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (slash != NULL) {
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    return files->sync_directory(files->context, folder) == 0;
}

/* Sets the blocks: as many as asked for, but no fewer than the file has. */
static bool measure(struct flash_file *flash, const char *path, uint32_t bytes,
                    struct problem *problem)
{
    int64_t size = flash->files->size(flash->files->context, flash->fd);
    if (size < 0 || (size == 0 && !flash->read_only && !keep_name(flash->files, path))) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        return false;
    }
    if (size > FLASH_FILE_BYTES_MAX) {
        problem_set(problem, "%s: larger than any station's log", path);
        return false;
    }
    uint32_t has = ((uint32_t)size + FLASH_FILE_BLOCK - 1) / FLASH_FILE_BLOCK;
    uint32_t asked = bytes / FLASH_FILE_BLOCK;
    flash->blocks = has > asked ? has : asked;
    return true;
}

static bool take(struct flash_file *flash, const char *path, struct problem *problem)
{
    int lock = flash->read_only ? LOCK_SH : LOCK_EX;
    int flags = flash->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    flash->fd = flash->files->open(flash->files->context, path, flags | O_CLOEXEC, 0600);
    if (flash->fd < 0) {
        problem_set(problem, "%s: %s", path, strerror(errno));
        return false;
    }
    if (flock(flash->fd, lock | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        problem_set(problem, "%s: in use by a running station", path);
        return false;
    }
    return true;
}

static struct flash_file *open_file(const struct file_ops *files, const char *path, uint32_t bytes,
                                    bool read_only, struct problem *problem)
{
    struct flash_file *flash = calloc(1, sizeof *flash);
    if (flash == NULL) {
        problem_set(problem, "%s: out of memory", path);
        return NULL;
    }
    flash->files = files;
    flash->read_only = read_only;
    flash->dirty = !read_only; /* who wrote what is there may have ended before the sync */
    if (!take(flash, path, problem) || !measure(flash, path, bytes, problem)) {
        flash->dirty = false;
        flash_file_close(flash);
        return NULL;
    }
    return flash;
}

struct flash_file *flash_file_open(const struct file_ops *files, const char *path, uint32_t bytes,
                                   struct problem *problem)
{
    return open_file(files, path, bytes, false, problem);
}

struct flash_file *flash_file_open_to_read(const struct file_ops *files, const char *path,
                                           struct problem *problem)
{
    return open_file(files, path, FLASH_FILE_BYTES_MIN, true, problem);
}

void flash_file_close(struct flash_file *flash)
{
    if (flash != NULL) {
        (void)flash_sync(flash);
        if (flash->fd >= 0) {
            flash->files->close(flash->files->context, flash->fd);
        }
        free(flash->unsynced);
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
