/*
 * File operations that fail on demand. What a failed fdatasync was for is gone from the file
 * afterwards, as from a disk: whoever still counts on it is found out. Syncs that succeed do not
 * reach the disk, so that sweeps are fast.
 */
#ifndef TESTS_JOURNAL_FAULTY_H
#define TESTS_JOURNAL_FAULTY_H

#include "base/files.h"

#define FAULTY_FDS 1024

enum faulty_op {
    OP_OPEN,
    OP_WRITE,
    OP_PREAD,
    OP_FDATASYNC,
    OP_FTRUNCATE,
    OP_SIZE,
    OP_RENAME,
    OP_UNLINK,
    OP_SYNC_DIRECTORY,
    OP_LIST,
    OP_COUNT
};

struct faulty {
    int code;        /* errno of what fails */
    long begin, end; /* operations of this number, counted from 0, fail */
    long done;       /* operations so far */
    long op_begin[OP_COUNT], op_end[OP_COUNT], op_done[OP_COUNT]; /* the same for one kind */
    bool keeps; /* what a failed fdatasync was for stays visible, as in a page cache */
    int64_t durable[FAULTY_FDS]; /* size that is on disk */
};

static struct faulty faulty;

static inline bool faulty_fails(enum faulty_op op)
{
    long number = faulty.done++, of_kind = faulty.op_done[op]++;
    errno = faulty.code != 0 ? faulty.code : EIO;
    return (number >= faulty.begin && number < faulty.end) ||
           (of_kind >= faulty.op_begin[op] && of_kind < faulty.op_end[op]);
}

/* `count` operations of a kind fail, after `after` more of them. */
static inline void fail_next(enum faulty_op op, long after, long count)
{
    faulty.op_begin[op] = faulty.op_done[op] + after;
    faulty.op_end[op] = faulty.op_begin[op] + count;
}

static inline int faulty_open(void *context, const char *path, int flags, unsigned mode)
{
    if (faulty_fails(OP_OPEN)) {
        return -1;
    }
    int fd = files_posix.open(context, path, flags, mode);
    if (fd >= 0) {
        assert_true(fd < FAULTY_FDS);
        faulty.durable[fd] = 0;
    }
    return fd;
}

static inline ssize_t faulty_write(void *context, int fd, const void *bytes, size_t length)
{
    if (faulty_fails(OP_WRITE)) {
        if (length > 8) { /* torn */
            (void)files_posix.write(context, fd, bytes, length / 2);
        }
        errno = faulty.code != 0 ? faulty.code : EIO;
        return -1;
    }
    return files_posix.write(context, fd, bytes, length);
}

static inline ssize_t faulty_pread(void *context, int fd, void *bytes, size_t length,
                                   int64_t offset)
{
    return faulty_fails(OP_PREAD) ? -1 : files_posix.pread(context, fd, bytes, length, offset);
}

static inline int faulty_fdatasync(void *context, int fd)
{
    if (faulty_fails(OP_FDATASYNC)) {
        if (!faulty.keeps) {
            assert_int_equal(ftruncate(fd, faulty.durable[fd]), 0);
        }
        errno = EIO;
        return -1;
    }
    faulty.durable[fd] = files_posix.size(context, fd);
    return 0;
}

static inline int faulty_ftruncate(void *context, int fd, int64_t length)
{
    return faulty_fails(OP_FTRUNCATE) ? -1 : files_posix.ftruncate(context, fd, length);
}

static inline int64_t faulty_size(void *context, int fd)
{
    return faulty_fails(OP_SIZE) ? -1 : files_posix.size(context, fd);
}

static inline int faulty_rename(void *context, const char *from, const char *to)
{
    return faulty_fails(OP_RENAME) ? -1 : files_posix.rename(context, from, to);
}

static inline int faulty_unlink(void *context, const char *path)
{
    return faulty_fails(OP_UNLINK) ? -1 : files_posix.unlink(context, path);
}

static inline int faulty_sync_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return faulty_fails(OP_SYNC_DIRECTORY) ? -1 : 0;
}

static inline int faulty_list(void *context, const char *path,
                              void (*visit)(void *visitor, const char *name), void *visitor)
{
    return faulty_fails(OP_LIST) ? -1 : files_posix.list(context, path, visit, visitor);
}

static inline const struct file_ops *faulty_files(void)
{
    static struct file_ops files; /* outlives the journal */
    files = files_posix;
    files.open = faulty_open;
    files.write = faulty_write;
    files.pread = faulty_pread;
    files.fdatasync = faulty_fdatasync;
    files.ftruncate = faulty_ftruncate;
    files.size = faulty_size;
    files.rename = faulty_rename;
    files.unlink = faulty_unlink;
    files.sync_directory = faulty_sync_directory;
    files.list = faulty_list;
    memset(&faulty, 0, sizeof faulty);
    return &files;
}

#endif
