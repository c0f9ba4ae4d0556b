/* A stream of bytes to a server, by TCP or TLS. Nothing waits. The process ignores SIGPIPE. */
#ifndef FIRMWARE_POSIX_STREAM_H
#define FIRMWARE_POSIX_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/problem.h"
#include "hal/hal.h"

struct ssl_st;
struct stream_authority; /* what all streams over TLS share */

/* ca: PEM file; NULL or "" = the system's. NULL with problem set on failure. */
struct stream_authority *stream_authority_create(const char *ca, struct problem *problem);
void stream_authority_free(struct stream_authority *authority);

struct stream {
    int fd;                   /* -1 = none */
    struct ssl_st *tls;       /* NULL = TCP */
    bool reached;             /* the server's machine has answered */
    bool wants_write;         /* the last operation waits for room */
    enum hal_trouble trouble; /* after STREAM_LOST: of what kind */
};

enum stream_status {
    STREAM_DONE,
    STREAM_AGAIN, /* when the descriptor is readable, or writable if wants_write */
    STREAM_LOST   /* with the problem; or the other side has closed */
};

/*
 * Begins to connect. authority NULL: without TLS; host, a name or an address, is what the
 * subjectAltName of the server's certificate must hold.
 */
enum stream_status stream_open(struct stream *stream, const struct sockaddr *address,
                               socklen_t length, const struct stream_authority *authority,
                               const char *host, struct problem *problem);

/* Goes on to connect; STREAM_DONE: bytes may flow. */
enum stream_status stream_connect(struct stream *stream, struct problem *problem);

/* Some bytes, at least one with STREAM_DONE. */
enum stream_status stream_read(struct stream *stream, void *bytes, size_t capacity, size_t *got,
                               struct problem *problem);
/* True if bytes wait that make the descriptor not readable, as TLS has decoded them already. */
bool stream_holds_some(const struct stream *stream);
enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length,
                                size_t *taken, struct problem *problem);

/* Says that nothing more comes; what the other side still says can be read. */
void stream_finish(struct stream *stream);

void stream_close(struct stream *stream);

#endif
