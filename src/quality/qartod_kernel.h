/*
 * Inside of qartod: the tests themselves, over readings that lie in a ring or in a plain array.
 * What they compute stands in qartod.h.
 */
#ifndef QUALITY_QARTOD_KERNEL_H
#define QUALITY_QARTOD_KERNEL_H

#include <math.h>

#include "quality/qartod.h"

/* Readings in order of time; index 0 is the oldest. A plain array has first 0. */
struct qartod_view {
    const int64_t *times;
    const double *values;
    size_t first, capacity;
};

static inline size_t view_slot(const struct qartod_view *view, size_t index)
{
    size_t at = view->first + index;
    return at < view->capacity ? at : at - view->capacity;
}

static inline int64_t view_time(const struct qartod_view *view, size_t index)
{
    return view->times[view_slot(view, index)];
}

static inline double view_value(const struct qartod_view *view, size_t index)
{
    return view->values[view_slot(view, index)];
}

/* later - earlier, which may not fit 63 bits. */
static inline uint64_t time_between(int64_t earlier, int64_t later)
{
    return (uint64_t)later - (uint64_t)earlier;
}

/* ---- tests of a reading and its neighbours; value is finite ---- */

enum phusa_flag qartod_gross(const struct qc_gross *gross, double value);
enum phusa_flag qartod_spike(const struct qc_spike *spike, double before, double value,
                             double after);
enum phusa_flag qartod_rate(const struct qc_rate *rate, uint64_t step_ns, double before,
                            double value);

/* ---- flat line ---- */

/*
 * The readings up to one whose range is below the tolerance, counted up to `most`. While there are
 * fewer, low and high are theirs; at most they may be those of some older ones, too.
 */
struct flat_run {
    size_t length;
    double low, high; /* low above high: no number among them */
};

#define FLAT_RUN_NONE                                                                              \
    {                                                                                              \
        0, (double)INFINITY, (double)-INFINITY                                                     \
    }

/* Makes the run of the reading before index that of index; looks back only when it breaks. */
void flat_run_extend(struct flat_run *run, const struct qartod_view *view, size_t index,
                     double tolerance, size_t most);

/* The two lengths, as numbers of steps; -1 = no such limit. */
struct flat_counts {
    int64_t suspect, fail;
};

enum phusa_flag qartod_flat_line(const struct flat_counts *counts, const struct flat_run *run);

/* ---- attenuated signal ---- */

/*
 * Spread of the readings in a period. The standard deviation is kept up by Welford's method with
 * compensation, adding and removing (Welford 1962; Kahan 1965), and computed anew when digits
 * may have been lost, at the same moments as the reference does, so that the comparison with a
 * limit comes out alike.
 */
struct spread {
    size_t count;   /* readings, the missing ones included */
    size_t numbers; /* of them */
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
                 const struct qartod_view *view, size_t index);

/* Takes the oldest reading out, which stands at index. */
void spread_drop(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct qartod_view *view, size_t index);

/* The spread of `count` readings from `first` on, computed anew. */
void spread_rebuild(struct spread *spread, const struct qartod_view *view, size_t first,
                    size_t count);

/* NaN when there are fewer numbers than needed; needed below 0: never enough. */
double spread_value(const struct spread *spread, const struct qc_attenuated *attenuated,
                    int64_t needed);

/* How many numbers a period needs, by the settings and the step. */
int64_t spread_needed(const struct qc_attenuated *attenuated, int64_t step_ns);

enum phusa_flag qartod_attenuated(const struct qc_attenuated *attenuated, double spread);

/* ---- all ---- */

/* Sets the aggregate from the others. */
void qartod_aggregate(struct qartod_flags *flags);

/* All of one flag. */
struct qartod_flags qartod_all(enum phusa_flag flag);

#endif
