/*
 * Preloaded into a program, writes down in what order it writes files, syncs them, and sends and
 * receives on sockets. order_test.py compiles it and reads the trace.
 *
 * PHUSA_TRACE names the file. Each entry is a header, then its bytes:
 *    0 u64 number: entries are ordered by it     8 u32 kind (enum kind)   12 i32 descriptor
 *   16 u32 length of the bytes                  20 u32 0
 *
 * The number of what has an effect at its end (write, read, open, the end of a sync) is drawn after
 * the call, that of what has one from its begin on (send, the begin of a sync, close) before it. So
 * "A has a lower number than B" means that A was over before B began.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTES_MAX (1u << 20) /* of one entry; the programs write less at once */

enum kind { OPENED = 1, WRITTEN, SENT, RECEIVED, SYNC_BEGUN, SYNC_ENDED, CLOSED };

struct header {
    uint64_t number;
    uint32_t kind;
    int32_t fd;
    uint32_t length, zero;
};

static atomic_uint_fast64_t next_number = 1;
static int trace_fd = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PHUSA_TRACE");
    if (path != NULL) {
        trace_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
                                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
}

static uint64_t draw(void)
{
    return atomic_fetch_add(&next_number, 1);
}

/* One call for an entry, so that entries of several threads do not mix. */
static void note(uint64_t number, enum kind kind, int fd, const struct iovec *parts, size_t count,
                 size_t length)
{
    struct iovec all[18];
    struct header header = { number, kind, fd, (uint32_t)length, 0 };
    size_t used = 1;
    all[0] = (struct iovec){ &header, sizeof header };
    for (size_t i = 0; i < count && used < 18 && length > 0; i++, used++) {
        all[used] = parts[i];
        all[used].iov_len = parts[i].iov_len < length ? parts[i].iov_len : length;
        length -= all[used].iov_len;
    }
    if (trace_fd >= 0 && (length > 0 || header.length > BYTES_MAX ||
                          syscall(SYS_writev, trace_fd, all, (int)used) < 0)) {
        abort(); /* a trace with a hole proves nothing */
    }
}

static void note_bytes(uint64_t number, enum kind kind, int fd, const void *bytes, size_t length)
{
    struct iovec part = { (void *)(uintptr_t)bytes, length };
    note(number, kind, fd, &part, 1, length);
}

static bool is_socket(int fd)
{
    struct stat found;
    int kept = errno;
    bool is = fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
    errno = kept;
    return is;
}

static bool is_file(int fd)
{
    struct stat found;
    int kept = errno;
    bool is = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    errno = kept;
    return is;
}

/* --- files -------------------------------------------------------------------------------- */

static int opened(int fd, const char *path)
{
    int kept = errno;
    if (fd >= 0) {
        note_bytes(draw(), OPENED, fd, path, strlen(path));
    }
    errno = kept;
    return fd;
}

static mode_t take_mode(int flags, va_list rest)
{
    return (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = take_mode(flags, rest);
    va_end(rest);
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = take_mode(flags, rest);
    va_end(rest);
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}

int openat(int folder, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = take_mode(flags, rest);
    va_end(rest);
    return opened((int)syscall(SYS_openat, folder, path, flags, mode), path);
}

int close(int fd)
{
    if (fd != trace_fd) {
        note_bytes(draw(), CLOSED, fd, NULL, 0);
    }
    return (int)syscall(SYS_close, fd);
}

static int synced(int fd, long number)
{
    note_bytes(draw(), SYNC_BEGUN, fd, NULL, 0);
    int result = (int)syscall(number, fd);
    int kept = errno;
    if (result == 0) {
        note_bytes(draw(), SYNC_ENDED, fd, NULL, 0);
    }
    errno = kept;
    return result;
}

int fdatasync(int fd)
{
    return synced(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return synced(fd, SYS_fsync);
}

/* --- bytes out and in --------------------------------------------------------------------- */

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    bool socket = is_socket(fd), file = !socket && is_file(fd);
    uint64_t number = draw();
    ssize_t done = syscall(SYS_writev, fd, parts, count);
    int kept = errno;
    if (done > 0 && (socket || file)) {
        note(socket ? number : draw(), socket ? SENT : WRITTEN, fd, parts, (size_t)count,
             (size_t)done);
    }
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    bool socket = is_socket(fd), file = !socket && is_file(fd);
    uint64_t number = draw();
    ssize_t done = syscall(SYS_write, fd, bytes, length);
    int kept = errno;
    if (done > 0 && (socket || file)) {
        note_bytes(socket ? number : draw(), socket ? SENT : WRITTEN, fd, bytes, (size_t)done);
    }
    errno = kept;
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, length, offset);
    int kept = errno;
    if (done > 0) {
        note_bytes(draw(), WRITTEN, fd, bytes, (size_t)done);
    }
    errno = kept;
    return done;
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *address,
               socklen_t size)
{
    uint64_t number = draw();
    ssize_t done = syscall(SYS_sendto, fd, bytes, length, flags, address, size);
    int kept = errno;
    if (done > 0) {
        note_bytes(number, SENT, fd, bytes, (size_t)done);
    }
    errno = kept;
    return done;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    return sendto(fd, bytes, length, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint64_t number = draw();
    ssize_t done = syscall(SYS_sendmsg, fd, message, flags);
    int kept = errno;
    if (done > 0) {
        note(number, SENT, fd, message->msg_iov, message->msg_iovlen, (size_t)done);
    }
    errno = kept;
    return done;
}

static ssize_t received(int fd, const void *bytes, ssize_t done)
{
    int kept = errno;
    if (done > 0 && is_socket(fd)) {
        note_bytes(draw(), RECEIVED, fd, bytes, (size_t)done);
    }
    errno = kept;
    return done;
}

ssize_t recvfrom(int fd, void *bytes, size_t length, int flags, struct sockaddr *restrict address,
                 socklen_t *restrict size)
{
    ssize_t done = syscall(SYS_recvfrom, fd, bytes, length, flags, address, size);
    return (flags & MSG_PEEK) != 0 ? done : received(fd, bytes, done);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
    return recvfrom(fd, bytes, length, flags, NULL, NULL);
}

ssize_t read(int fd, void *bytes, size_t length)
{
    return received(fd, bytes, syscall(SYS_read, fd, bytes, length));
}
