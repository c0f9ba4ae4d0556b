/* Readings of the past in CSV: header time,station,parameter,value[,status], columns in any order.
 */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include <stdbool.h>

#include "pipeline.h"

#define CSV_LINE_MAX   4096
#define CSV_FIELDS_MAX 32

struct csv_row {
    struct pipeline_sample sample; /* received_ns = time_ns; texts live until take returns */
};

/*
 * Reads path ("-" = stdin) and hands each row to take, which returns NULL or what is wrong with
 * it. time is seconds since 1970 or ISO 8601 with an offset; an empty value or NaN is a
 * missing reading and passed over. Bad lines are named on stderr (the first 20 of them) and
 * counted; the others go on. True if there was none and the file could be read.
 */
bool csv_read(const char *path, const char *(*take)(void *context, const struct csv_row *row),
              void *context);

/* "2013-03-01T00:00:00+07:00", "...Z", or seconds since 1970, to nanoseconds. */
bool csv_time(struct phusa_text text, int64_t *ns);

/* The header without the mark of UTF-8 (EF BB BF) that some spreadsheets put first. */
const char *csv_after_mark(const char *header);

/* Whether a value without blanks around it is a missing one: empty, or NaN however written. */
bool csv_is_missing(struct phusa_text value);

#endif
