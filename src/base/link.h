/*
 * Messages to a server that does not answer: a connection, kept, by TCP or TLS, or datagrams. Over
 * libcurl for the connections, which finds the address, verifies certificate and name, and
 * keeps to time limits. One link is used by one thread.
 *
 * What "sent" means. TCP, TLS: the other machine has acknowledged all bytes, and the connection had
 * not been reset by then; before, it was looked whether the other side has closed, on a new
 * connection for a tenth of a second. What its kernel took and its program never read, because it
 * ended just then, is lost without a sign: there is no answer that could tell. UDP:
 * the datagram left this machine. When an earlier one was refused (ICMP), the next is told so.
 */
#ifndef BASE_LINK_H
#define BASE_LINK_H

#include <stddef.h>

#include "base/clock.h"
#include "base/problem.h"

struct link;

struct link_options {
    const char *url;     /* udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT */
    const char *ca_file; /* PEM, for tls; NULL or "" = the system's */
    int64_t timeout_ns;  /* for one message, with the connection if there is none; > 0 */
};

enum link_status {
    LINK_DONE = 0,
    LINK_UNREACHABLE, /* no connection: nothing was sent */
    LINK_BROKEN       /* closed, reset or silent on the way: it may have arrived or not */
};

/* NULL with the problem: out of memory, or no such URL. http_global_init is to be called before. */
struct link *link_create(const struct link_options *options, struct problem *problem);
void link_free(struct link *link);

/* Sends all bytes, for UDP as one datagram, blocking up to the time limit; looking up the name of a
 * UDP server may take longer. After anything but LINK_DONE the next message connects anew. */
enum link_status link_send(struct link *link, const void *bytes, size_t length,
                           struct problem *problem);

/* Makes a message under way in another thread end at once, and all later ones of this link too. */
void link_abort(struct link *link);

#endif
