/*
 * File operations behind a table, so that tests can fail, shorten, tear or
 * lose any of them. Everything durable goes through it; nothing durable is
 * mapped. Results are those of the system call of the same name: -1 and errno.
 */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_ops {
    void *context; /* handed to each operation */
    int (*open)(void *context, const char *path, int flags, unsigned mode);
    int (*close)(void *context, int fd);
    ssize_t (*write)(void *context, int fd, const void *bytes, size_t length);
    ssize_t (*pread)(void *context, int fd, void *bytes, size_t length, int64_t offset);
    ssize_t (*pwrite)(void *context, int fd, const void *bytes, size_t length, int64_t offset);
    int (*fdatasync)(void *context, int fd);
    int (*allocate)(void *context, int fd, int64_t length); /* takes the space from the disk now */
    int (*ftruncate)(void *context, int fd, int64_t length);
    int64_t (*size)(void *context, int fd);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    int (*mkdir)(void *context, const char *path,
                 unsigned mode); /* an existing directory is success */
    int (*sync_directory)(void *context,
                          const char *path); /* makes renames, creations, removals durable */
    /* Calls visit for each entry's name but . and ..; stops and returns -1 at the first error. */
    int (*list)(void *context, const char *path, void (*visit)(void *visitor, const char *name),
                void *visitor);
};

/* The operating system's own. */
extern const struct file_ops files_posix;

/* Writes all bytes, going on after short writes and EINTR. 0 or -1 with errno. */
int files_write_all(const struct file_ops *files, int fd, const void *bytes, size_t length);

/* Reads up to length bytes, going on after short reads; returns the bytes read (less at the end) or
 * -1. */
ssize_t files_pread_all(const struct file_ops *files, int fd, void *bytes, size_t length,
                        int64_t offset);

struct file_part {
    const void *bytes;
    size_t length;
};

/* Puts the parts, one behind the other, into path so that after a crash either the old or the new
 * file is there, whole. 0 or -1. */
int files_replace(const struct file_ops *files, const char *path, const struct file_part *parts,
                  size_t count);

/* Makes a directory with its parents, durably. 0 or -1. */
int files_make_path(const struct file_ops *files, const char *path);

/*
 * Holds path, made if missing, for this process alone: a descriptor to close when done,
 * or -1 with errno (EWOULDBLOCK: another process holds it). Ends with the process, however it
 * ends. Not behind the table: nothing durable depends on it.
 */
int files_lock(const char *path);

#endif
