/* What was set aside: the quarantine of a phusad that may be running. Read only. */
#ifndef CLI_BOOK_H
#define CLI_BOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "phusa/text.h"

#define BOOK_POSITIONS_MAX (1u << 24) /* held in memory; a quarantine of 256 MiB has fewer */

struct book_positions {
    uint64_t *items;
    size_t count, capacity;
};

/* False when out of memory or when there are BOOK_POSITIONS_MAX. */
bool book_positions_add(struct book_positions *positions, uint64_t position);
void book_positions_free(struct book_positions *positions);

/* One thing that was set aside; valid until the visitor returns. */
struct book_item {
    uint64_t position, origin; /* in the quarantine; in the raw journal, 0 = none */
    int64_t time_ns;           /* receive time */
    struct phusa_text topic, payload, station;
    const char *reason; /* never NULL */
    const json_t *root; /* the payload's object; an empty one if it is none */
    bool put_back;
};

/* Which ones are meant. */
struct book_filter {
    const char *station, *reason; /* NULL = any */
    int64_t from_ns, to_ns;       /* receive time: [from, to) */
    bool put_back_too;
};

/* All that were not put back. */
#define BOOK_FILTER_ALL ((struct book_filter){ NULL, NULL, INT64_MIN, INT64_MAX, false })

struct book;

/* Opens a quarantine and finds out what was put back. NULL with a problem. */
struct book *book_open(const char *path, struct problem *problem);
void book_close(struct book *book);

/* Calls visit for what the filter lets through, from position `from` on, until it returns false.
 * False with a problem when the journal cannot be read to its end. */
bool book_each(const struct book *book, const struct book_filter *filter, uint64_t from,
               bool (*visit)(void *context, const struct book_item *item), void *context,
               struct problem *problem);

#endif
