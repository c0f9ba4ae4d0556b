/*
 * How the counting programs of the bench tell time: when a count reaches one of the marks they
 * were given, they print "COUNT SECONDS", seconds of the machine's monotonic clock, which all
 * programs of a run share.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define MARKS_MAX 16

struct marks {
    uint64_t at[MARKS_MAX]; /* rising */
    size_t count, next;
};

static inline double marks_now(void)
{
    return (double)clock_mono().ns / (double)SECOND_NS;
}

/* Takes the marks from the command line's rest. */
static inline void marks_read(struct marks *marks, int count, char **words)
{
    for (int i = 0; i < count && marks->count < MARKS_MAX; i++) {
        marks->at[marks->count++] = strtoull(words[i], NULL, 10);
    }
}

static inline void marks_pass(struct marks *marks, uint64_t count)
{
    while (marks->next < marks->count && count >= marks->at[marks->next]) {
        printf("%" PRIu64 " %.6f\n", marks->at[marks->next++], marks_now());
        (void)fflush(stdout);
    }
}

#endif
