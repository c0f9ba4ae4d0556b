/*
 * People who want to be warned: a CSV file, one line each, that `phusa subscribers` keeps and the
 * collector reads with its configuration.
 *
 *   name,channel,address,site,station,use,language,threshold,quiet_from,quiet_until,active
 *
 * The header line is required, the order of columns free; channel, address and one of site and
 * station are needed, the others may be missing, unknown ones are passed over. RFC 4180: quotes
 * where a field has the separator, which is a semicolon or a tab where the header has that and no
 * comma, as spreadsheets write it. A field that a spreadsheet would take for a formula ("=cmd|...")
 * is written with a ' before it, or with one more, and read without that one. Lines that are wrong
 * are named and left out; the others count. An address stands in a log with its middle left out
 * only.
 */
#ifndef SETTINGS_SUBSCRIBER_H
#define SETTINGS_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "settings/channel.h"

#define SUBSCRIBERS_MAX        100000
#define SUBSCRIBER_ADDRESS_MAX 254 /* bytes; RFC 5321, section 4.5.3.1 */
#define ADDRESS_MASKED_MAX     64
#define SUBSCRIBER_FILE_MAX    ((size_t)64 << 20)            /* bytes */
#define SUBSCRIBER_ROW_MAX     4096                          /* bytes of one line */
#define SUBSCRIBER_LINE_MAX    (2 * SUBSCRIBER_ROW_MAX + 64) /* as it is written, all quoted */
#define SUBSCRIBER_FIELDS_MAX  64                            /* columns */
#define SUBSCRIBER_BAD_MAX     100  /* wrong lines that are named; the rest is counted */
#define SUBSCRIBER_RULES_MAX   1000 /* rules made of subscribers' own limits */
#define SUBSCRIBER_HEADER                                                                          \
    "name,channel,address,site,station,use,language,threshold,quiet_from,quiet_until,active\n"

enum subscriber_column {
    SUBSCRIBER_NAME,
    SUBSCRIBER_CHANNEL,
    SUBSCRIBER_ADDRESS,
    SUBSCRIBER_SITE,
    SUBSCRIBER_STATION,
    SUBSCRIBER_USE,
    SUBSCRIBER_LANGUAGE,
    SUBSCRIBER_THRESHOLD,
    SUBSCRIBER_QUIET_FROM,
    SUBSCRIBER_QUIET_UNTIL,
    SUBSCRIBER_ACTIVE,
    SUBSCRIBER_COLUMNS
};

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
    const char *path;               /* of the file, which need not be there; NULL = none is named */
    const struct subscriber *items; /* active or not, in the order of the file */
    size_t count;
    size_t bad; /* lines left out */
    /* The first of them: "file:line: what, and what would be right". */
    const char *const *mistakes;
    size_t mistake_count;
};

/* A line of the table: a text for each column, "" where there is none. */
struct subscriber_row {
    const char *of[SUBSCRIBER_COLUMNS];
    int line; /* where it begins */
};

struct subscriber_rows {
    void *context;
    void (*row)(void *context, const struct subscriber_row *row); /* texts live during the call */
    void (*bad)(void *context, int line, const char *what);
};

/* Reads a table's form; false when its header cannot be used (which is told as bad, too). Pure. */
bool subscribers_each_row(struct phusa_text csv, const struct subscriber_rows *to);

struct settings;

/*
 * Makes a subscriber of a row, whose channel, site, station and use must be those of the settings;
 * its texts point into these, into the row and into `address`. False with what is wrong.
 */
bool subscriber_make(const struct settings *settings, const struct subscriber_row *row,
                     struct subscriber *subscriber, char address[SUBSCRIBER_ADDRESS_MAX + 1],
                     struct problem *problem);

/* The line of a table that is read as this subscriber, under SUBSCRIBER_HEADER. Terminated; returns
 * its length, 0 if it does not fit, which cannot be with SUBSCRIBER_ROW_MAX. */
size_t subscriber_print(const struct subscriber *subscriber, char *out, size_t capacity);

/* The same of a row, as its texts stand there; room for SUBSCRIBER_LINE_MAX is enough. */
size_t subscriber_row_print(const struct subscriber_row *row, char *out, size_t capacity);

/* True if a rule of its use is for its place and goes to its channel, or is judged by its own
 * limit: if anything would ever be sent. */
bool subscriber_reached(const struct settings *settings, const struct subscriber *subscriber);

/* Whether its own limit, which is not NaN, can stand for those of the rules of its use. False with
 * what is wrong. */
bool subscriber_limit_fits(const struct settings *settings, const struct subscriber *subscriber,
                           struct problem *problem);

/* The name of a column, as the header has it. */
const char *subscriber_column_name(enum subscriber_column column);

/* A phone number in E.164 ("+84901234567"; "0901234567" and "84901234567" are taken as Vietnamese
 * and rewritten, spaces, dots and hyphens left out). False if it cannot be one: 8 to 15 digits
 * after the plus, and for +84 a mobile number of today. out has room for 17 bytes. */
bool subscriber_phone(struct phusa_text text, char out[17]);

/* An e-mail address of the plain form local@domain. */
bool subscriber_email(struct phusa_text text);

/* "+8490***4567", "ng***@example.vn": for logs and lists. Terminated; returns out. */
char *subscriber_mask(const char *address, char out[ADDRESS_MASKED_MAX]);

#endif
