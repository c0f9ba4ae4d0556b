/*
 * Lines on their way: what one or several requests carry, and which part of it
 * is still to be answered. At first that is one range, the whole text; a refused
 * range is cut in halves until the offending lines stand alone. Pure.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "phusa/text.h"

#define BATCH_ITEMS_MAX  65536 /* of the spool, in one batch */
#define BATCH_RANGES_MAX 40    /* halvings of 2^32 lines, and room */

struct batch_range {
    size_t begin, end;
};

struct batch {
    char *text; /* whole lines, each with its line break */
    size_t length, capacity;
    size_t lines, items;
    uint64_t readings; /* in the items, less those in refused lines */
    uint64_t last_position;
    bool again;                                  /* all of it was answered 2xx before */
    mono_time begun;                             /* when the first item came */
    struct batch_range ranges[BATCH_RANGES_MAX]; /* unanswered; the last is sent next */
    size_t range_count;
    unsigned refusals; /* requests refused, of this batch */
};

/* Empties it, keeps its memory. */
void batch_clear(struct batch *batch);
void batch_free(struct batch *batch);

/* Room for bytes more. False when out of memory. */
bool batch_reserve(struct batch *batch, size_t bytes);

/* Appends a line, given without its break, within the room reserved. */
void batch_put_line(struct batch *batch, struct phusa_text line);

/* Nothing is added any more: the whole text is one range, or none if there is no text. */
void batch_close(struct batch *batch);

/* The text of the range that is sent next; range_count is not 0. */
struct phusa_text batch_current(const struct batch *batch);

/* The current range is answered for good. */
void batch_drop_current(struct batch *batch);

/* Cuts the current range in halves, the first of them current. False if it is a single line. */
bool batch_split_current(struct batch *batch);

/* Lines in text; a last one without a break counts too. */
size_t text_count_lines(struct phusa_text text);

#endif
