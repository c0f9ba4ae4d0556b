/*
 * Inside of qartod: the tests themselves, over readings that lie in a ring or in a plain array.
 * What they compute stands in qartod.h.
 */
#ifndef QUALITY_QARTOD_KERNEL_H
#define QUALITY_QARTOD_KERNEL_H

#include <math.h>

#include "base/clock.h"
#include "quality/qartod.h"
#include "quality/readings.h"

/* later - earlier, which may not fit 63 bits. */
static inline uint64_t time_between(int64_t earlier, int64_t later)
{
    return (uint64_t)later - (uint64_t)earlier;
}

/* ---- tests of a reading and its neighbours; value is finite ---- */

/* Nothing is above a limit that is not given, nor below. */
static inline enum phusa_flag qartod_above(double found, double suspect, double fail)
{
    return found > fail ? PHUSA_FLAG_FAIL : found > suspect ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD;
}

static inline bool qartod_outside(const struct qc_span *span, double value)
{
    return value < span->low || value > span->high;
}

static inline enum phusa_flag qartod_gross(const struct qc_gross *gross, double value)
{
    return !gross->given                            ? PHUSA_FLAG_NOT_EVALUATED
           : qartod_outside(&gross->fail, value)    ? PHUSA_FLAG_FAIL
           : qartod_outside(&gross->suspect, value) ? PHUSA_FLAG_SUSPECT
                                                    : PHUSA_FLAG_GOOD;
}

enum phusa_flag qartod_spike(const struct qc_spike *spike, double before, double value,
                             double after);

/* An infinite `before` gives an infinite rate, NaN none: as the reference has it. */
static inline enum phusa_flag qartod_rate(const struct qc_rate *rate, uint64_t step_ns,
                                          double before, double value)
{
    if (!rate->given) {
        return PHUSA_FLAG_NOT_EVALUATED;
    }
    uint64_t seconds = step_ns / (uint64_t)SECOND_NS;
    return qartod_above(fabs((value - before) / (double)(seconds == 0 ? 1 : seconds)),
                        rate->suspect, rate->fail);
}

/* ---- flat line ---- */

/*
 * The readings up to one whose range is below the tolerance, counted up to `most`. While there are
 * fewer, low and high are theirs; at most they may be those of some older ones, too.
 */
struct flat_run {
    double low, high; /* low above high: no number among them */
    uint32_t length;
};

#define FLAT_RUN_NONE                                                                              \
    {                                                                                              \
        (double)INFINITY, (double)-INFINITY, 0                                                     \
    }

/* Makes the run of the reading before index that of index; looks back only when it breaks. */
void flat_run_extend(struct flat_run *run, const struct readings *readings, size_t index,
                     double tolerance, uint32_t most);

/* The two lengths, as numbers of steps; -1 = no such limit. */
struct flat_counts {
    int64_t suspect, fail;
};

/* count steps back are count + 1 readings. */
static inline bool flat_for(int64_t count, const struct flat_run *run)
{
    return count >= 0 && run->length > (uint64_t)count;
}

static inline enum phusa_flag qartod_flat_line(const struct flat_counts *counts,
                                               const struct flat_run *run)
{
    return flat_for(counts->fail, run)      ? PHUSA_FLAG_FAIL
           : flat_for(counts->suspect, run) ? PHUSA_FLAG_SUSPECT
                                            : PHUSA_FLAG_GOOD;
}

/* ---- attenuated signal ---- */

/*
 * Spread of the readings in a period. The standard deviation is kept up by Welford's method with
 * compensation, adding and removing (Welford 1962; Kahan 1965), and computed anew when digits
 * may have been lost, at the same moments as the reference does, so that the comparison with a
 * limit comes out alike.
 */
struct spread {
    uint32_t count;   /* readings, the missing ones included */
    uint32_t numbers; /* of them */
    double mean, squares, added,
        removed; /* of std: mean, sum of squared deviations, compensations */
    bool unstable;
    double low, high; /* of range; some inside of it once it is no concern of any limit */
};

/*
 * Makes the spread of the readings before index (those that end at index - 1) that of the period
 * that ends at index.
 */
void spread_move(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct readings *readings, size_t index);

/* Takes the oldest reading out, which stands at index. */
void spread_drop(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct readings *readings, size_t index);

/* The spread of `count` readings from `first` on, computed anew. */
void spread_rebuild(struct spread *spread, const struct readings *readings, size_t first,
                    uint32_t count);

/* NaN when there are fewer numbers than needed; needed below 0: never enough. */
double spread_value(const struct spread *spread, const struct qc_attenuated *attenuated,
                    int64_t needed);

/* How many numbers a period needs, by the settings and the step. */
int64_t spread_needed(const struct qc_attenuated *attenuated, int64_t step_ns);

enum phusa_flag qartod_attenuated(const struct qc_attenuated *attenuated, double spread);

/* ---- all ---- */

/* All of one flag. */
static inline struct qartod_flags qartod_all(enum phusa_flag flag)
{
    uint8_t one = (uint8_t)flag;
    return (struct qartod_flags){ one, one, one, one, one, one };
}

/* The worst has the highest. */
static inline uint8_t qartod_worse(uint8_t a, uint8_t b)
{
    static const uint8_t ranks[] = { [PHUSA_FLAG_FAIL] = 4,
                                     [PHUSA_FLAG_SUSPECT] = 3,
                                     [PHUSA_FLAG_GOOD] = 2,
                                     [PHUSA_FLAG_NOT_EVALUATED] = 1,
                                     [PHUSA_FLAG_MISSING] = 0 };
    return ranks[b] > ranks[a] ? b : a;
}

/* Sets the aggregate from the others. */
static inline void qartod_aggregate(struct qartod_flags *flags)
{
    flags->aggregate = qartod_worse(qartod_worse(flags->gross, flags->spike),
                                    qartod_worse(flags->rate, flags->flat_line));
}

#endif
