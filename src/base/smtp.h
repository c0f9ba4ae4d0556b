/*
 * SMTP client (RFC 5321) over libcurl. One client is one connection, kept for the next message,
 * used by one thread. Certificates and host names are always verified. Nothing that this
 * room says of a failure has an address or a password in it.
 *
 * http_global_init (http.h) is to be called before.
 */
#ifndef BASE_SMTP_H
#define BASE_SMTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problem.h"

#define SMTP_ADDRESS_MAX 254 /* bytes; RFC 5321, section 4.5.3.1.3 */

struct smtp_client;

struct smtp_options {
    const char *url;             /* smtp://HOST:PORT or smtps://HOST:PORT */
    bool starttls;               /* smtp:// goes over to TLS (RFC 3207) or does nothing */
    const char *ca_file;         /* PEM; NULL or "" = the system's */
    const char *user, *password; /* NULL or "" = no login */
    long connect_ms;             /* 0 = 5,000 */
    long total_ms;               /* for one message; 0 = 30,000 */
};

enum smtp_status {
    SMTP_DONE = 0,    /* the server has taken the message (250 after its end) */
    SMTP_UNREACHABLE, /* no connection, TLS, login or sender accepted: no message can pass */
    SMTP_LATER,       /* the server will not now (4xx): greylisting, a full mailbox */
    SMTP_REFUSED,     /* the server will not have this recipient or this message (5xx) */
    SMTP_BROKEN       /* closed or hung on the way: it may have the message or not */
};

/* All strings are copied. NULL when out of memory. */
struct smtp_client *smtp_client_create(const struct smtp_options *options);
void smtp_client_free(struct smtp_client *client);

/* True if the address can stand in an SMTP command: printable ASCII without spaces and angle
 * brackets, at most SMTP_ADDRESS_MAX bytes. */
bool smtp_address_plain(const char *address);

/* Sends a whole message, header and body with CRLF at the ends of lines, to one recipient,
 * blocking up to total_ms. Addresses must be plain. problem says why it is not SMTP_DONE: for an
 * answer its code ("550 5.1.1") and what it was to. */
enum smtp_status smtp_send(struct smtp_client *client, const char *from, const char *to,
                           const char *message, size_t length, struct problem *problem);

/* Makes a message under way in another thread end at once with SMTP_BROKEN, and all later
 * ones of this client too; for the stop. */
void smtp_client_abort(struct smtp_client *client);

#endif
