#include "journal/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>

#include "journal/scan.h"
#include "journal/segments.h"

uint32_t fresh_salt(uint64_t first)
{
    uint32_t salt = 0;
    if (getrandom(&salt, sizeof salt, GRND_NONBLOCK) != (ssize_t)sizeof salt) {
        salt = (uint32_t)(first * 2654435761u) ^ (uint32_t)clock_real().ns;
    }
    return salt;
}

static bool give_up(struct fresh *fresh)
{
    int failed = errno;
    char path[JOURNAL_FILE_PATH_MAX];
    journal_file_path(fresh->folder, TEMPORARY_NAME, path);
    (void)fresh->files->close(fresh->files->context, fresh->fd);
    (void)fresh->files->unlink(fresh->files->context, path);
    fresh->fd = -1;
    errno = failed;
    return false;
}

bool fresh_begin(struct fresh *fresh, const struct file_ops *files, const char *folder,
                 struct segment_header header)
{
    char path[JOURNAL_FILE_PATH_MAX];
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    journal_file_path(folder, TEMPORARY_NAME, path);
    header.salt = fresh_salt(header.first);
    *fresh = (struct fresh){ files, folder, header, -1, 0 };
    (void)files->unlink(files->context, path); /* never the same file again */
    fresh->fd = files->open(files->context, path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, 0640);
    if (fresh->fd < 0) {
        return false;
    }
    segment_header_write(&header, bytes);
    return fresh_write(fresh, bytes, sizeof bytes);
}

bool fresh_write(struct fresh *fresh, const void *bytes, size_t length)
{
    if (files_write_all(fresh->files, fresh->fd, bytes, length) != 0) {
        return give_up(fresh);
    }
    fresh->bytes += (int64_t)length;
    return true;
}

bool fresh_place(struct fresh *fresh)
{
    const struct file_ops *files = fresh->files;
    char path[JOURNAL_FILE_PATH_MAX], temporary[JOURNAL_FILE_PATH_MAX];
    journal_segment_path(fresh->folder, fresh->header.first, path);
    journal_file_path(fresh->folder, TEMPORARY_NAME, temporary);
    if (files->fdatasync(files->context, fresh->fd) != 0 ||
        files->rename(files->context, temporary, path) != 0) {
        return give_up(fresh);
    }
    return true;
}

static bool copy_records(struct fresh *fresh, struct scan *scan, uint8_t *buffer)
{
    struct journal_record record;
    enum scan_result result;
    while ((result = scan_next(scan, &record)) == SCAN_RECORD) {
        size_t bytes = record_write(&record, fresh->header.salt, buffer);
        if (!fresh_write(fresh, buffer, bytes)) {
            return false;
        }
    }
    return result == SCAN_END || give_up(fresh);
}

bool fresh_rewrite(const struct file_ops *files, const char *folder, uint64_t first, uint64_t below)
{
    struct scan scan = { .fd = -1 };
    struct fresh fresh;
    uint8_t *buffer = malloc(RECORD_BYTES_MAX);
    bool done = buffer != NULL && scan_open(&scan, files, folder, first, below) == SCAN_RECORD;
    struct segment_header header = scan.header;
    header.first = first; /* whatever it said: its place is that of its name */
    done = done && fresh_begin(&fresh, files, folder, header) &&
           copy_records(&fresh, &scan, buffer) && fresh_place(&fresh);
    int failed = errno;
    if (done) {
        (void)files->close(files->context, fresh.fd);
    }
    scan_free(&scan);
    free(buffer);
    errno = failed;
    return done;
}
