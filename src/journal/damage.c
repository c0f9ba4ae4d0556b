#include "journal/damage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/format.h"
#include "journal/segments.h"

#define COPY_CHUNK 65536
#define NAME_CHARS 64
#define SUFFIX     ".damaged"

struct names {
    size_t count;
    char items[DAMAGED_FILES_MAX][NAME_CHARS];
};

static void note_name(void *visitor, const char *name)
{
    struct names *names = visitor;
    size_t length = strlen(name);
    if (length >= sizeof SUFFIX - 1 && length < NAME_CHARS && names->count < DAMAGED_FILES_MAX &&
        strcmp(name + length - (sizeof SUFFIX - 1), SUFFIX) == 0) {
        memcpy(names->items[names->count++], name, length + 1);
    }
}

static int64_t size_of(const struct damage *damage, const char *name)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_file_path(damage->folder, name, path);
    int fd = damage->files->open(damage->files->context, path, O_RDONLY, 0);
    if (fd < 0) {
        return 0;
    }
    int64_t size = damage->files->size(damage->files->context, fd);
    (void)damage->files->close(damage->files->context, fd);
    return size > 0 ? size : 0;
}

/* What side files there are already; only asked when there is something to keep. */
static bool measure(struct damage *damage)
{
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL ||
        damage->files->list(damage->files->context, damage->folder, note_name, names) != 0) {
        free(names);
        return false;
    }
    damage->count = names->count;
    for (size_t i = 0; i < names->count; i++) {
        damage->bytes += size_of(damage, names->items[i]);
    }
    damage->measured = true;
    free(names);
    return true;
}

static void side_path(const struct damage *damage, uint64_t first, int64_t offset, int copy,
                      char path[JOURNAL_FILE_PATH_MAX])
{
    char name[NAME_CHARS], number[16] = "";
    if (copy > 1) {
        (void)snprintf(number, sizeof number, "-%d", copy);
    }
    (void)snprintf(name, sizeof name, "%016" PRIx64 "-%08" PRIx64 "%s" SUFFIX, first,
                   (uint64_t)offset, number);
    journal_file_path(damage->folder, name, path);
}

struct range {
    int fd;
    int64_t offset, length;
};

static bool same_bytes(const struct file_ops *files, int side, const struct range *range)
{
    uint8_t one[COPY_CHUNK], other[COPY_CHUNK];
    if (files->size(files->context, side) != range->length) {
        return false;
    }
    for (int64_t done = 0; done < range->length; done += COPY_CHUNK) {
        size_t part =
            range->length - done < COPY_CHUNK ? (size_t)(range->length - done) : COPY_CHUNK;
        if (files_pread_all(files, side, one, part, done) != (ssize_t)part ||
            files_pread_all(files, range->fd, other, part, range->offset + done) != (ssize_t)part ||
            memcmp(one, other, part) != 0) {
            return false;
        }
    }
    return true;
}

enum side { SIDE_SAME, SIDE_OTHER, SIDE_ABSENT, SIDE_FAILED };

static enum side compare(const struct damage *damage, const char *path, const struct range *range)
{
    int side = damage->files->open(damage->files->context, path, O_RDONLY, 0);
    if (side < 0) {
        return errno == ENOENT ? SIDE_ABSENT : SIDE_FAILED;
    }
    bool same = same_bytes(damage->files, side, range);
    (void)damage->files->close(damage->files->context, side);
    return same ? SIDE_SAME : SIDE_OTHER;
}

/* The first name of this place that is free, or that holds these very bytes. */
static enum side find_path(const struct damage *damage, uint64_t first, const struct range *range,
                           char path[JOURNAL_FILE_PATH_MAX])
{
    enum side found = SIDE_OTHER;
    for (int copy = 1; copy <= DAMAGED_COPIES_MAX && found == SIDE_OTHER; copy++) {
        side_path(damage, first, range->offset, copy, path);
        found = compare(damage, path, range);
    }
    return found;
}

static bool copy_bytes(const struct file_ops *files, int side, const struct range *range)
{
    uint8_t bytes[COPY_CHUNK];
    for (int64_t done = 0; done < range->length; done += COPY_CHUNK) {
        size_t part =
            range->length - done < COPY_CHUNK ? (size_t)(range->length - done) : COPY_CHUNK;
        ssize_t got = files_pread_all(files, range->fd, bytes, part, range->offset + done);
        if (got != (ssize_t)part || files_write_all(files, side, bytes, part) != 0) {
            errno = got >= 0 && got != (ssize_t)part ? EIO : errno;
            return false;
        }
    }
    return files->fdatasync(files->context, side) == 0;
}

static bool write_side(const struct damage *damage, const char *path, const struct range *range)
{
    const struct file_ops *files = damage->files;
    char temporary[JOURNAL_FILE_PATH_MAX];
    journal_file_path(damage->folder, TEMPORARY_NAME, temporary);
    (void)files->unlink(files->context, temporary);
    int side = files->open(files->context, temporary, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if (side < 0) {
        return false;
    }
    bool good = copy_bytes(files, side, range);
    good = files->close(files->context, side) == 0 && good;
    good = good && files->rename(files->context, temporary, path) == 0;
    if (!good) {
        int failed = errno;
        (void)files->unlink(files->context, temporary);
        errno = failed;
    }
    return good;
}

static bool within_limits(const struct damage *damage, int64_t length)
{
    return damage->unlimited ||
           (damage->count < DAMAGED_FILES_MAX && length <= DAMAGED_KEPT_MAX - damage->bytes);
}

enum damage_result damage_keep(struct damage *damage, uint64_t first, int fd, int64_t offset,
                               int64_t length)
{
    char path[JOURNAL_FILE_PATH_MAX];
    struct range range = { fd, offset, length };
    if (length == 0) {
        return DAMAGE_KEPT;
    }
    if (!damage->measured && !measure(damage)) {
        return DAMAGE_FAILED;
    }
    switch (find_path(damage, first, &range, path)) {
    case SIDE_SAME:
        return DAMAGE_KEPT;
    case SIDE_OTHER:
        errno = EEXIST;
        return DAMAGE_FAILED;
    case SIDE_FAILED:
        return DAMAGE_FAILED;
    case SIDE_ABSENT:
        break;
    }
    if (!within_limits(damage, length)) {
        return DAMAGE_OVER_LIMIT;
    }
    if (!write_side(damage, path, &range)) {
        return DAMAGE_FAILED;
    }
    damage->count++;
    damage->bytes += length;
    return DAMAGE_KEPT;
}

enum damage_result damage_keep_whole(struct damage *damage, uint64_t first)
{
    const struct file_ops *files = damage->files;
    char path[JOURNAL_FILE_PATH_MAX], side[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(damage->folder, first, path);
    int fd = files->open(files->context, path, O_RDONLY, 0);
    if (fd < 0) {
        return DAMAGE_FAILED;
    }
    struct range range = { fd, 0, files->size(files->context, fd) };
    enum side found = range.length < 0 ? SIDE_FAILED : find_path(damage, first, &range, side);
    (void)files->close(files->context, fd);
    errno = found == SIDE_OTHER ? EEXIST : errno;
    if (found == SIDE_OTHER || found == SIDE_FAILED) {
        return DAMAGE_FAILED;
    }
    bool empty = range.length == 0;
    int result =
        empty ? files->unlink(files->context, path) : files->rename(files->context, path, side);
    return result == 0 ? DAMAGE_KEPT : DAMAGE_FAILED;
}
