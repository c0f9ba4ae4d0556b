/*
 * People who want to be warned: a CSV file, one line each, that `phusa subscribers` keeps and the
 * collector reads with its configuration.
 *
 *   name,channel,address,site,station,use,language,threshold,quiet_from,quiet_until,active
 *
 * The header line is required, the order of columns free, name, site and further unknown columns
 * may be missing. RFC 4180: quotes where a field has a comma. Lines that are wrong are named and
 * left out; the others count. An address stands in a log with its middle left out only.
 */
#ifndef SETTINGS_SUBSCRIBER_H
#define SETTINGS_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "settings/channel.h"

#define SUBSCRIBERS_MAX        100000
#define SUBSCRIBER_ADDRESS_MAX 254 /* bytes; RFC 5321, section 4.5.3.1 */
#define ADDRESS_MASKED_MAX     64

struct subscriber {
    const char *name;    /* may be "" */
    const char *channel; /* id of a channel with subscribers = true */
    const char *address; /* a number "+84901234567" or an address, as the channel's kind has it */
    const char *site;    /* all stations of the site; NULL when a station is given */
    const char *station; /* id; NULL = the whole site */
    const char *use;     /* rules with this use; "" = rules with any use */
    enum language language;
    double threshold; /* own limit in the parameter's unit, instead of the rule's; NaN = none */
    struct channel_quiet quiet; /* own hours; from = until: the channel's */
    bool active;                /* false: opted out */
    int line;
};

struct subscribers {
    const struct subscriber *items; /* active or not, in the order of the file */
    size_t count;
    size_t bad; /* lines left out */
};

/* A phone number in E.164 ("+84901234567"; "0901234567" and "84901234567" are taken as Vietnamese
 * and rewritten, spaces, dots and hyphens left out). False if it cannot be one: 8 to 15 digits
 * after the plus, and for +84 a length that exists. out has room for 17 bytes. */
bool subscriber_phone(struct phusa_text text, char out[17]);

/* An e-mail address of the plain form local@domain. */
bool subscriber_email(struct phusa_text text);

/* "+8490***4567", "ng***@example.vn": for logs and lists. Terminated; returns out. */
char *subscriber_mask(const char *address, char out[ADDRESS_MASKED_MAX]);

#endif
