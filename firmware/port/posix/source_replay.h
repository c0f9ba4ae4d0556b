/* Readings from a CSV file (plain or gzip): the first column is the time. */
#ifndef FIRMWARE_POSIX_SOURCE_REPLAY_H
#define FIRMWARE_POSIX_SOURCE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"
#include "hal/hal.h"

#define REPLAY_CHANNELS_MAX 32                 /* of one station */
#define REPLAY_COLUMNS_MAX  256                /* of a file that are kept */
#define REPLAY_LINE_MAX     16384              /* bytes of a line */
#define REPLAY_CELLS_MAX    33554432           /* values held in memory (256 MiB) */
#define REPLAY_MATCH_NS     INT64_C(500000000) /* a row is for a moment at most this far away */

struct replay_table;

/*
 * Reads the whole file. columns are the names wanted; one that the header does not have is no
 * error (replay_has_column). utc_offset_s belongs to times without an offset of their own.
 * Rows may come in any order; of two with the same time the first counts. NULL with problem
 * set (file and line) when it cannot be read.
 */
struct replay_table *replay_load(const char *path, int32_t utc_offset_s, const char *const *columns,
                                 size_t column_count, struct problem *problem);
void replay_free(struct replay_table *table);

bool replay_has_column(const struct replay_table *table, const char *column);

/* Time of the first and of the last row; the median distance of rows, at least a second. */
int64_t replay_first_ns(const struct replay_table *table);
int64_t replay_last_ns(const struct replay_table *table);
int64_t replay_step_ns(const struct replay_table *table);

/* One station's view of the table. */
struct replay_source {
    const struct replay_table *table;
    size_t columns[REPLAY_CHANNELS_MAX]; /* by channel; SIZE_MAX = the file has none */
    size_t hint;                         /* the row found last */
};

/* columns by channel; at most REPLAY_CHANNELS_MAX. */
void replay_source_init(struct replay_source *source, const struct replay_table *table,
                        const char *const *columns, size_t channel_count);
struct hal_sensors replay_sensors(struct replay_source *source);

/* Reads "+07:00", "-0500", "Z" into seconds. */
bool replay_parse_offset(const char *text, int32_t *seconds);

/* Reads epoch seconds or ISO 8601 ("T" or a space between, seconds optional). */
bool replay_parse_time(const char *text, int32_t utc_offset_s, int64_t *ns);

#endif
