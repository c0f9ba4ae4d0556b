/*
 * Addresses of servers, looked up while others go on: one name at a time, and its answer serves all
 * that ask for it soon.
 */
#ifndef FIRMWARE_POSIX_NAMES_H
#define FIRMWARE_POSIX_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/problem.h"

#define NAMES_ADDRESSES_MAX 8   /* of one name; further ones are left out */
#define NAMES_HOST_MAX      256 /* bytes of a name, with its terminator */
#define NAMES_PORT_MAX      6

struct names;

struct names_address {
    struct sockaddr_storage address;
    socklen_t length;
};

struct names_answer {
    struct names_address addresses[NAMES_ADDRESSES_MAX];
    size_t count;
};

enum names_status {
    NAMES_DONE,
    NAMES_AGAIN, /* not known yet: ask again */
    NAMES_FAILED /* with the problem */
};

struct names *names_create(void); /* NULL: out of memory */
void names_free(struct names *names);

/* The addresses of host and port, a number in digits. */
enum names_status names_find(struct names *names, const char *host, const char *port,
                             int64_t mono_ns, struct names_answer *answer, struct problem *problem);

#endif
