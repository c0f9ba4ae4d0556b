#include "journal/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum scan_result scan_open(struct scan *scan, const struct file_ops *files, const char *path)
{
    scan_close(scan);
    scan->files = files;
    scan->filled = 0;
    scan->base = 0;
    scan->offset = SEGMENT_HEADER_BYTES;
    scan->fd = files->open(files->context, path, O_RDONLY, 0);
    if (scan->fd < 0) {
        return SCAN_FAILED;
    }
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    ssize_t got = files_pread_all(files, scan->fd, bytes, sizeof bytes, 0);
    if (got < 0) {
        return SCAN_FAILED;
    }
    if ((size_t)got < sizeof bytes || !segment_header_read(bytes, &header)) {
        int64_t size = files->size(files->context, scan->fd);
        scan->damaged += size > 0 ? (uint64_t)size : 0;
        return SCAN_FOREIGN;
    }
    scan->salt = header.salt;
    return SCAN_RECORD;
}

void scan_close(struct scan *scan)
{
    if (scan->fd >= 0) {
        (void)scan->files->close(scan->files->context, scan->fd);
    }
    scan->fd = -1;
}

void scan_free(struct scan *scan)
{
    scan_close(scan);
    free(scan->buffer);
    scan->buffer = NULL;
    scan->capacity = 0;
}

/* Has at least `wanted` bytes from scan->offset in the buffer, or all there are. False on failure.
 */
static bool fill(struct scan *scan, size_t wanted)
{
    if (wanted > scan->capacity) {
        size_t capacity = wanted > SCAN_CHUNK ? wanted : SCAN_CHUNK;
        uint8_t *buffer = realloc(scan->buffer, capacity);
        if (buffer == NULL) {
            return false;
        }
        scan->buffer = buffer;
        scan->capacity = capacity;
    }
    ssize_t got =
        files_pread_all(scan->files, scan->fd, scan->buffer, scan->capacity, scan->offset);
    if (got < 0) {
        return false;
    }
    scan->base = scan->offset;
    scan->filled = (size_t)got;
    return true;
}

/* The bytes from scan->offset on that are in the buffer. */
static const uint8_t *here(const struct scan *scan, size_t *available)
{
    size_t skip = (size_t)(scan->offset - scan->base);
    if (skip >= scan->filled) {
        *available = 0;
        return scan->buffer;
    }
    *available = scan->filled - skip;
    return scan->buffer + skip;
}

/* Reads the record at the offset, loading what it needs. RECORD_SHORT: the file ends before it
 * does. */
static enum record_check look(struct scan *scan, struct journal_record *record, size_t *needed,
                              bool *failed)
{
    size_t available;
    const uint8_t *bytes = here(scan, &available);
    enum record_check check = record_read(bytes, available, scan->salt, record, needed);
    /* Twice at most: once for the header, once for the rest of a long record. */
    for (int tries = 0; check == RECORD_SHORT && tries < 2; tries++) {
        size_t before = *needed;
        if (!fill(scan, *needed)) {
            *failed = true;
            return RECORD_SHORT;
        }
        bytes = here(scan, &available);
        check = record_read(bytes, available, scan->salt, record, needed);
        if (check == RECORD_SHORT && *needed == before) {
            break;
        }
    }
    return check;
}

static bool is_next(const struct scan *scan, enum record_check check,
                    const struct journal_record *record)
{
    return check == RECORD_VALID && record->position > scan->last;
}

/*
 * From invalid bytes to the next valid record, in steps of 8. SCAN_END leaves the offset
 * at the first invalid byte: in a file that is being written it may become a record yet.
 */
static enum scan_result resynchronise(struct scan *scan, struct journal_record *record,
                                      size_t *needed)
{
    int64_t begin = scan->offset;
    int64_t size = scan->files->size(scan->files->context, scan->fd);
    bool failed = false;
    for (scan->offset = begin + 8; scan->offset + RECORD_HEADER_BYTES <= size; scan->offset += 8) {
        enum record_check check = look(scan, record, needed, &failed);
        if (failed) {
            scan->offset = begin;
            return SCAN_FAILED;
        }
        if (is_next(scan, check, record)) {
            scan->damaged += (uint64_t)(scan->offset - begin);
            return SCAN_RECORD;
        }
    }
    scan->offset = begin;
    return SCAN_END;
}

enum scan_result scan_next(struct scan *scan, struct journal_record *record)
{
    if (scan->fd < 0) {
        errno = EBADF;
        return SCAN_FAILED;
    }
    bool failed = false;
    size_t needed = 0;
    enum record_check check = look(scan, record, &needed, &failed);
    if (!failed && !is_next(scan, check, record)) {
        /* The buffer may hold bytes from before they were written: look at the file itself. */
        if (!fill(scan, needed)) {
            return SCAN_FAILED;
        }
        check = look(scan, record, &needed, &failed);
    }
    if (failed) {
        return SCAN_FAILED;
    }
    if (!is_next(scan, check, record)) {
        enum scan_result result = resynchronise(scan, record, &needed);
        if (result != SCAN_RECORD) {
            return result;
        }
    }
    scan->offset += (int64_t)needed;
    scan->last = record->position;
    return SCAN_RECORD;
}
