#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_CHARS 4096

static int posix_open(void *context, const char *path, int flags, unsigned mode)
{
    (void)context;
    return open(path, flags | O_CLOEXEC, (mode_t)mode);
}

static int posix_close(void *context, int fd)
{
    (void)context;
    return close(fd);
}

static ssize_t posix_write(void *context, int fd, const void *bytes, size_t length)
{
    (void)context;
    return write(fd, bytes, length);
}

static ssize_t posix_pread(void *context, int fd, void *bytes, size_t length, int64_t offset)
{
    (void)context;
    return pread(fd, bytes, length, offset);
}

static ssize_t posix_pwrite(void *context, int fd, const void *bytes, size_t length, int64_t offset)
{
    (void)context;
    return pwrite(fd, bytes, length, offset);
}

static int posix_fdatasync(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

static int posix_allocate(void *context, int fd, int64_t length)
{
    (void)context;
    int failed = posix_fallocate(fd, 0, length);
    errno = failed;
    return failed == 0 ? 0 : -1;
}

static int posix_ftruncate(void *context, int fd, int64_t length)
{
    (void)context;
    return ftruncate(fd, length);
}

static int64_t posix_size(void *context, int fd)
{
    (void)context;
    struct stat found;
    return fstat(fd, &found) == 0 ? (int64_t)found.st_size : -1;
}

static int posix_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to);
}

static int posix_unlink(void *context, const char *path)
{
    (void)context;
    return unlink(path);
}

static int posix_mkdir(void *context, const char *path, unsigned mode)
{
    (void)context;
    return mkdir(path, (mode_t)mode) == 0 || errno == EEXIST ? 0 : -1;
}

static int posix_sync_directory(void *context, const char *path)
{
    (void)context;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = fsync(fd);
    (void)close(fd);
    return result;
}

static int posix_list(void *context, const char *path,
                      void (*visit)(void *visitor, const char *name), void *visitor)
{
    (void)context;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -1;
    }
    errno = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            visit(visitor, entry->d_name);
        }
        errno = 0;
    }
    int failed = errno;
    (void)closedir(directory);
    errno = failed;
    return failed == 0 ? 0 : -1;
}

const struct file_ops files_posix = { .open = posix_open,
                                      .close = posix_close,
                                      .write = posix_write,
                                      .pread = posix_pread,
                                      .pwrite = posix_pwrite,
                                      .fdatasync = posix_fdatasync,
                                      .allocate = posix_allocate,
                                      .ftruncate = posix_ftruncate,
                                      .size = posix_size,
                                      .rename = posix_rename,
                                      .unlink = posix_unlink,
                                      .mkdir = posix_mkdir,
                                      .sync_directory = posix_sync_directory,
                                      .list = posix_list };

int files_write_all(const struct file_ops *files, int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = files->write(files->context, fd, at, length);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? EIO : errno;
            return -1;
        }
        at += written;
        length -= (size_t)written;
    }
    return 0;
}

ssize_t files_pread_all(const struct file_ops *files, int fd, void *bytes, size_t length,
                        int64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = files->pread(files->context, fd, (char *)bytes + done, length - done,
                                   offset + (int64_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int sync_parent(const struct file_ops *files, const char *path)
{
    char parent[PATH_CHARS];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return files->sync_directory(files->context, ".");
    }
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof parent) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    return files->sync_directory(files->context, parent);
}

static int write_parts(const struct file_ops *files, int fd, const struct file_part *parts,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (files_write_all(files, fd, parts[i].bytes, parts[i].length) != 0) {
            return -1;
        }
    }
    return 0;
}

int files_replace(const struct file_ops *files, const char *path, const struct file_part *parts,
                  size_t count)
{
    char fresh[PATH_CHARS];
    if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = files->open(files->context, fresh, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (fd < 0) {
        return -1;
    }
    int result = write_parts(files, fd, parts, count);
    if (result == 0) {
        result = files->fdatasync(files->context, fd);
    }
    if (files->close(files->context, fd) != 0) {
        result = -1;
    }
    if (result == 0) {
        result = files->rename(files->context, fresh, path);
    }
    return result == 0 ? sync_parent(files, path) : -1;
}

/* A folder that cannot be opened or synced was not made here. */
static bool is_elsewhere(int failed)
{
    return failed == EACCES || failed == EPERM || failed == ENOENT || failed == EROFS ||
           failed == EINVAL;
}

int files_make_path(const struct file_ops *files, const char *path)
{
    char part[PATH_CHARS];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (files->mkdir(files->context, part, 0750) != 0) {
            return -1;
        }
        if (sync_parent(files, part) != 0 && !is_elsewhere(errno)) {
            return -1;
        }
    }
    return 0;
}

int files_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int failed = errno;
        (void)close(fd);
        errno = failed;
        return -1;
    }
    return fd;
}
