#include "base/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phusa/crc32c.h"

#define LINE_CHARS 128

static uint32_t check_of(const char *kind, unsigned version, const void *body, size_t length)
{
    char head[KEPT_KIND_MAX + 16];
    int used = snprintf(head, sizeof head, "%s %u", kind, version);
    return phusa_crc32c(phusa_crc32c(0, head, (size_t)used), body, length);
}

/* The line in front; returns its length. */
static size_t print_line(char line[LINE_CHARS], const char *kind, unsigned version,
                         const void *body, size_t length)
{
    int used = snprintf(line, LINE_CHARS, "phusa-%s %u %zu %08" PRIx32 "\n", kind, version, length,
                        check_of(kind, version, body, length));
    return (size_t)used;
}

enum kept_status kept_write(const struct file_ops *files, const char *path, const char *kind,
                            unsigned version, const void *body, size_t length)
{
    char line[LINE_CHARS];
    const struct file_part parts[] = { { line, print_line(line, kind, version, body, length) },
                                       { body, length } };
    return files_replace(files, path, parts, 2) == 0 ? KEPT_OK : KEPT_FAILED;
}

/* Takes the line in front apart. KEPT_OK: *begin is where the body begins. */
static enum kept_status check_line(const char *bytes, size_t size, const char *kind,
                                   unsigned version, size_t most, size_t *begin)
{
    char found[KEPT_KIND_MAX + 1] = "", line[LINE_CHARS];
    unsigned found_version = 0;
    const char *end = memchr(bytes, '\n', size < LINE_CHARS ? size : LINE_CHARS);
    if (end == NULL || sscanf(bytes, "phusa-%32[a-z] %u ", found, &found_version) != 2) {
        return KEPT_DAMAGED;
    }
    *begin = (size_t)(end + 1 - bytes);
    size_t length = size - *begin;
    size_t head = print_line(line, found, found_version, bytes + *begin, length);
    if (strcmp(found, kind) != 0 || length > most || head != *begin ||
        memcmp(line, bytes, head) != 0) {
        return KEPT_DAMAGED;
    }
    return found_version == version ? KEPT_OK : KEPT_FOREIGN;
}

/* The whole file, terminated; to be freed. */
static enum kept_status load(const struct file_ops *files, int fd, size_t most, char **bytes,
                             size_t *size)
{
    int64_t there = files->size(files->context, fd);
    if (there < 0) {
        return KEPT_FAILED;
    }
    if ((uint64_t)there > (uint64_t)most + LINE_CHARS) {
        return KEPT_DAMAGED;
    }
    *bytes = malloc((size_t)there + 1);
    if (*bytes == NULL) {
        errno = ENOMEM;
        return KEPT_FAILED;
    }
    ssize_t got = files_pread_all(files, fd, *bytes, (size_t)there, 0);
    *size = got < 0 ? 0 : (size_t)got;
    (*bytes)[*size] = '\0';
    return got < 0 ? KEPT_FAILED : KEPT_OK;
}

enum kept_status kept_read(const struct file_ops *files, const char *path, const char *kind,
                           unsigned version, size_t most, void **body, size_t *length)
{
    char *bytes = NULL;
    size_t size = 0, begin = 0;
    *body = NULL;
    *length = 0;
    int fd = files->open(files->context, path, O_RDONLY, 0);
    if (fd < 0) {
        return errno == ENOENT ? KEPT_ABSENT : KEPT_FAILED;
    }
    enum kept_status status = load(files, fd, most, &bytes, &size);
    (void)files->close(files->context, fd);
    if (status == KEPT_OK) {
        status = check_line(bytes, size, kind, version, most, &begin);
    }
    if (status != KEPT_OK) {
        free(bytes);
        return status;
    }
    *length = size - begin;
    memmove(bytes, bytes + begin, *length + 1);
    *body = bytes;
    return KEPT_OK;
}
