/*
 * One kind of channel: syslog, for the security operations centre. One message a letter
 * (syslog_line.h), by UDP a datagram each (RFC 5426), by TCP (RFC 6587, section 3.4.1) and TLS
 * (RFC 5425) with its length before it, on a connection that is kept.
 *
 * Syslog has no answers: link.h says what is known when a message counts as delivered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/link.h"
#include "notify/delivery.h"
#include "notify/syslog_line.h"

#define FRAME_MAX 8 /* "2048 " */

struct syslog {
    struct link *link;
    bool counted; /* the length goes before a message: all but UDP */
    int facility;
    char host[SYSLOG_HOST_MAX + 1];
    char line[SYSLOG_LINE_MAX + 1], framed[FRAME_MAX + SYSLOG_LINE_MAX + 1];
};

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct syslog *syslog = self;
    size_t length = syslog_print(parcel->letters, syslog->facility, parcel->language, syslog->host,
                                 syslog->line);
    if (length == 0) {
        problem_set(problem, "the message is too long for syslog");
        return DELIVERY_REFUSED;
    }
    int used = snprintf(syslog->framed, sizeof syslog->framed, "%zu %s", length, syslog->line);
    enum link_status status = syslog->counted
                                  ? link_send(syslog->link, syslog->framed, (size_t)used, problem)
                                  : link_send(syslog->link, syslog->line, length, problem);
    switch (status) {
    case LINK_DONE:
        return DELIVERY_DONE;
    case LINK_UNREACHABLE:
        return DELIVERY_UNREACHABLE;
    case LINK_BROKEN:
        break;
    }
    return DELIVERY_FAILED;
}

static void abort_message(void *self)
{
    struct syslog *syslog = self;
    link_abort(syslog->link);
}

static void syslog_free(void *self)
{
    struct syslog *syslog = self;
    link_free(syslog->link);
    free(syslog);
}

bool syslog_open(struct carrier *carrier, const struct channel_settings *channel,
                 const struct carrier_means *means, struct problem *problem)
{
    (void)means;
    struct link_options options = { .url = channel->url,
                                    .ca_file = channel->ca,
                                    .timeout_ns = channel->timeout_ns };
    struct syslog *syslog = calloc(1, sizeof *syslog);
    if (syslog == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    syslog->link = link_create(&options, problem);
    if (syslog->link == NULL) {
        free(syslog);
        return false;
    }
    syslog->counted = strncmp(channel->url, "udp:", 4) != 0;
    syslog->facility = channel->facility;
    if (gethostname(syslog->host, sizeof syslog->host) != 0) {
        syslog->host[0] = '\0';
    }
    carrier->self = syslog;
    carrier->deliver = deliver;
    carrier->abort = abort_message;
    carrier->free = syslog_free;
    carrier->most = 1;
    return true;
}
