#include "journal/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "journal/segments.h"

#define TAIL_TRIES 3 /* looks at bytes at a file's end that are no record */

static void pass_over(struct scan *scan, int64_t offset, int64_t length)
{
    scan->damaged += (uint64_t)length;
    if (scan->on_damage != NULL && length > 0) {
        scan->on_damage(scan->context, scan, offset, length);
    }
}

enum scan_result scan_open(struct scan *scan, const struct file_ops *files, const char *folder,
                           uint64_t first, uint64_t below)
{
    char path[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(folder, first, path);
    scan_close(scan);
    scan->files = files;
    scan->first = first;
    scan->below = below;
    scan->superseded = false;
    scan->filled = 0;
    scan->base = 0;
    scan->offset = scan->end = scan->padded = SEGMENT_HEADER_BYTES;
    scan->fd = files->open(files->context, path, O_RDONLY, 0);
    if (scan->fd < 0) {
        return SCAN_FAILED;
    }
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    int64_t size = files->size(files->context, scan->fd);
    ssize_t got = files_pread_all(files, scan->fd, bytes, sizeof bytes, 0);
    if (got < 0 || size < 0) {
        return SCAN_FAILED;
    }
    if ((size_t)got < sizeof bytes || !segment_header_read(bytes, &scan->header)) {
        scan->offset = 0;
        scan->end = size;
        pass_over(scan, 0, size);
        return SCAN_FOREIGN;
    }
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

/* A valid record stands above what was read, and where positions of its segment can be. */
static uint64_t least_position(const struct scan *scan)
{
    return scan->last >= scan->header.first ? scan->last + 1 : scan->header.first;
}

/* Reads the record at the offset, loading what it needs. RECORD_SHORT: the file ends before it
 * does. */
static enum record_check look(struct scan *scan, struct journal_record *record, size_t *needed,
                              bool *failed)
{
    size_t available;
    const uint8_t *bytes = here(scan, &available);
    uint64_t from = least_position(scan);
    enum record_check check =
        record_read(bytes, available, scan->header.salt, from, record, needed);
    /* Twice at most: once for the header, once for the rest of a long record. */
    for (int tries = 0; check == RECORD_SHORT && tries < 2; tries++) {
        size_t before = *needed;
        if (!fill(scan, *needed)) {
            *failed = true;
            return RECORD_SHORT;
        }
        bytes = here(scan, &available);
        check = record_read(bytes, available, scan->header.salt, from, record, needed);
        if (check == RECORD_SHORT && *needed == before) {
            break;
        }
    }
    return check;
}

/*
 * From invalid bytes to the next valid record, in steps of 8. SCAN_END leaves the offset
 * at the first invalid byte: in a file that is being written it may become a record yet.
 */
static enum scan_result resynchronise(struct scan *scan, struct journal_record *record,
                                      size_t *needed)
{
    int64_t begin = scan->offset;
    bool failed = false;
    for (scan->offset = begin + 8; scan->offset + RECORD_HEADER_BYTES <= scan->end;
         scan->offset += 8) {
        enum record_check check = look(scan, record, needed, &failed);
        if (failed) {
            scan->offset = begin;
            return SCAN_FAILED;
        }
        if (check == RECORD_VALID && scan->offset + (int64_t)*needed <= scan->end) {
            if (least_position(scan) < scan->below) { /* else nothing that counts can be missing */
                pass_over(scan, begin, scan->offset - begin);
            }
            return SCAN_RECORD;
        }
    }
    scan->offset = begin;
    return SCAN_END;
}

/*
 * The buffer may hold bytes from before they were written: look at the file itself. Its size is
 * asked first: if a later record stands within it, this one was whole before that.
 */
static enum scan_result look_again(struct scan *scan, struct journal_record *record, size_t *needed)
{
    bool failed = false;
    scan->end = scan->files->size(scan->files->context, scan->fd);
    if (scan->end < 0 || !fill(scan, *needed)) {
        return SCAN_FAILED;
    }
    enum record_check check = look(scan, record, needed, &failed);
    if (failed) {
        return SCAN_FAILED;
    }
    return check == RECORD_VALID ? SCAN_RECORD : resynchronise(scan, record, needed);
}

/* The checksum leaves out the padding. A record before a padding that is not zero is whole, but
 * somebody has changed the file. */
static void check_padding(struct scan *scan, const struct journal_record *record, size_t length)
{
    size_t available, used = RECORD_HEADER_BYTES + record->topic.length + record->payload.length;
    const uint8_t *bytes = here(scan, &available);
    bool zero = true;
    for (size_t i = used; i < length; i++) {
        zero = zero && bytes[i] == 0;
    }
    if (!zero && scan->offset >= scan->padded) {
        pass_over(scan, scan->offset + (int64_t)used, (int64_t)(length - used));
    }
    scan->padded = scan->offset + (int64_t)length;
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
    if (failed) {
        return SCAN_FAILED;
    }
    enum scan_result result = check == RECORD_VALID ? SCAN_RECORD : SCAN_END;
    /* A record that another process is writing just now is whole a moment later. */
    for (int tries = 0; tries < TAIL_TRIES && result == SCAN_END; tries++) {
        result = look_again(scan, record, &needed);
        if (scan->end <= scan->offset) {
            break; /* there are none */
        }
    }
    if (result != SCAN_RECORD) {
        return result;
    }
    if (record->position >= scan->below) {
        scan->superseded = true;
        return SCAN_END;
    }
    check_padding(scan, record, needed);
    scan->offset += (int64_t)needed;
    scan->last = record->position;
    return SCAN_RECORD;
}

void scan_tail(struct scan *scan)
{
    if (!scan->superseded && scan->end > scan->offset) {
        pass_over(scan, scan->offset, scan->end - scan->offset);
    }
}
