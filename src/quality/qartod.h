/*
 * QARTOD's tests of one series: gross range, spike, rate of change, flat line, attenuated signal.
 * Over a whole series at once (qartod_batch) and reading by reading (qartod_take), with one
 * arithmetic (qartod_kernel.h). Pure; a series owns its memory.
 *
 * Source: U.S. IOOS QARTOD manuals (tests 4 to 8 there), in the form of their public reference
 * implementation ioos_qc, module qartod, version 3. What that fixes beyond the manuals:
 *
 *   missing     A value that is not finite is missing: flag 9 in every test.
 *   gross       Fail outside of fail, else suspect outside of suspect; the limits are inside.
 *   spike       average: |v - (a + b) / 2| of the neighbours a, b. differential: the smaller of
 *               |v - a| and |b - v| when v is above both or below both, else 0. Suspect or fail
 *               above a limit. First, last, and beside a missing one: not evaluated. A limit of 0
 *               is none.
 *   rate        |v - a| per second from the reading before, in whole seconds and at least one;
 *               after a missing one and for the first: good.
 *   flat line   The window is the reading and the n before it, n = time / step; flat if the largest
 *               minus the smallest number in it is below the tolerance. Missing ones in it count
 *               for its length only. Good while there are not yet n before it. It counts readings,
 *               not time: a gap does not end it.
 *   attenuated  Standard deviation (of the whole: divided by n) or range over the readings later
 *               than time - period, up to this one. Below fail: fail, below suspect: suspect. Too
 *               few numbers, or for the range a missing one among them: not evaluated.
 *   aggregate   Of gross, spike, rate and flat line: the worst by fail, suspect, good, not
 *               evaluated, missing.
 *
 * It differs from the reference in one thing: in a series of one or two readings a missing one is 9
 * in the flat line test, too, not 1. Valid for any finite values; an overflow in the spike test is
 * "not evaluated". Error: what is compared with a limit is the double that the formula gives. The
 * standard deviation is kept running: right after an outlier has left the period its square may
 * have only three digits left (with fewer it is computed anew), the same ones as in the reference.
 */
#ifndef QUALITY_QARTOD_H
#define QUALITY_QARTOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/state.h"
#include "phusa/report.h"
#include "settings/qc.h"

/* Each an enum phusa_flag. A test that is not configured: not evaluated; 9 when missing. */
struct qartod_flags {
    uint8_t gross, spike, rate, flat_line, attenuated, aggregate;
};

/* ---- a whole series ---- */

/*
 * Flags of count readings with times that do not go down (equal ones are taken as they stand).
 * step_ns is what the flat-line test and min_period_s count by; 0 or less leaves them not
 * evaluated. One pass, no memory; with period_s 0 the attenuated test looks at all of them.
 */
void qartod_batch(const struct qc_settings *qc, int64_t step_ns, const int64_t *times,
                  const double *values, size_t count, struct qartod_flags *flags);

/* The median of count differences of times, which are sorted in place; 0 when there is none. */
int64_t qartod_median(int64_t *differences, size_t count);

/* ---- reading by reading ---- */

#define QARTOD_SAMPLES_MAX QC_SAMPLES_MAX /* of a window; at most 16 bytes each */
#define QARTOD_PENDING_MAX                                                                         \
    1024 /* readings that are not final yet; beyond it the oldest becomes so */

/*
 * One series (station and parameter). Bytes, qartod_bytes(): some 400, and for each reading of the
 * longer of flat line time and attenuated period and of twice the lateness 8 where times are whole
 * milliseconds and values decimals of at most 4 places (24 h at 5 min: 2.9 KiB), else 12 or 16
 * (quality/readings.h); while it fills, at most twice what has come.
 */
struct qartod_series;

/* A reading whose flags are final. */
struct qartod_final {
    int64_t time_ns;
    int64_t step_ns; /* since the reading before it, at most INT64_MAX; 0 for the first */
    double value;
    struct qartod_flags flags;
};

typedef void qartod_emit(void *context, const struct qartod_final *final);

enum qartod_status {
    QARTOD_TAKEN = 0,
    QARTOD_DUPLICATE, /* there is one at this time: not taken */
    QARTOD_LATE,      /* older than one that is final: not taken, judged once and for all */
    QARTOD_NO_MEMORY
};

/* Whether a series may have these settings: its window holds at most QARTOD_SAMPLES_MAX. */
bool qartod_fits(const struct qc_settings *qc, int64_t every_ns);

/*
 * qc must outlive the series. every_ns above 0: the station's; the step of the flat line test.
 * lateness_ns of 0 or more: readings may come in any order as long as none is older by more than
 * this than the newest one. The window is cut at QARTOD_SAMPLES_MAX. With period_s 0 the
 * attenuated test is not evaluated. NULL when out of memory; free of NULL is fine.
 */
struct qartod_series *qartod_create(const struct qc_settings *qc, int64_t every_ns,
                                    int64_t lateness_ns);
void qartod_free(struct qartod_series *series);
size_t qartod_bytes(const struct qartod_series *series);

/*
 * Takes a reading at its time; NaN and infinities are missing ones. *now gets what can be said at
 * once: spike and attenuated are not evaluated in it. Then it emits, in order of time, what has
 * become final.
 *
 * A late one is not kept and not emitted: *now is all that will be said of it. It is judged against
 * the final readings on both sides of it as far as they are remembered, but for the attenuated
 * test; before them all, and for the other results, by its gross range alone. A backlog that comes
 * after fresh readings is better given, oldest first, to a series of its own.
 *
 * A reading is final when nothing can come before it any more and its next one is known. Nothing
 * can come between two readings that are `every` apart, give or take a quarter of it (so a
 * regular series is final with its next reading), nor before the watermark. The watermark is the
 * largest of those given and the newest reading's time less the lateness. With no next reading it
 * is final when the watermark is one and a half `every` past it: its spike flag is then not
 * evaluated, though the next one compares itself with it.
 */
enum qartod_status qartod_take(struct qartod_series *series, int64_t time_ns, double value,
                               struct qartod_flags *now, qartod_emit *emit, void *context);

/* A reading comes soon: brings what it is compared with into the cache. */
void qartod_expect(const struct qartod_series *series);

/* No reading at or before the watermark comes any more: emits what has become final. */
void qartod_advance(struct qartod_series *series, int64_t watermark_ns, qartod_emit *emit,
                    void *context);

/* The readings in [from_ns, upto_ns] that are not final, in order of time, with the flags that they
 * would have if nothing else came; attenuated is not evaluated, step_ns is 0. Changes nothing. */
void qartod_peek(const struct qartod_series *series, int64_t from_ns, int64_t upto_ns,
                 qartod_emit *emit, void *context);

/* The watermark at which the oldest reading that is not final becomes so; INT64_MAX if there is
 * none. */
int64_t qartod_due(const struct qartod_series *series);

/* A single value: gross range, all others not evaluated. */
struct qartod_flags qartod_alone(const struct qc_settings *qc, double value);

/* The newest reading's time; INT64_MIN if there is none. */
int64_t qartod_newest(const struct qartod_series *series);

/*
 * Keeps it, and reads it back into a new one, whose settings may be others: what is kept of the
 * past is used as far as they reach. False with reader->failed when what is read cannot be, without
 * it when out of memory; the series is then empty.
 */
void qartod_save(const struct qartod_series *series, struct state_writer *writer);
bool qartod_load(struct qartod_series *series, struct state_reader *reader);

/* ---- gaps and timing ---- */

enum qartod_timing {
    QARTOD_ON_TIME, /* also the first */
    QARTOD_EARLY,   /* less than half of `every` after the one before */
    QARTOD_GAP      /* one and a half or more: at least one is missing */
};

/* Judges a step between two readings; *missed gets how many should have come between them. Source:
 * QARTOD test 1 (timing and gap), with half of `every` as its tolerance. */
enum qartod_timing qartod_timing(int64_t step_ns, int64_t every_ns, int64_t *missed);

#endif
