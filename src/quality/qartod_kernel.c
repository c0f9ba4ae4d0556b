#include "quality/qartod_kernel.h"

#include "base/clock.h"

#define UNSTABLE_BELOW 2.220446049250313e-13 /* 1000 epsilons: three digits are left */

/* ---- tests of a reading and its neighbours ---- */

/* Nothing is above a limit that is not given, nor below. */
static enum phusa_flag above(double found, double suspect, double fail)
{
    return found > fail ? PHUSA_FLAG_FAIL : found > suspect ? PHUSA_FLAG_SUSPECT : PHUSA_FLAG_GOOD;
}

static bool outside(const struct qc_span *span, double value)
{
    return value < span->low || value > span->high;
}

enum phusa_flag qartod_gross(const struct qc_gross *gross, double value)
{
    return !gross->given                     ? PHUSA_FLAG_NOT_EVALUATED
           : outside(&gross->fail, value)    ? PHUSA_FLAG_FAIL
           : outside(&gross->suspect, value) ? PHUSA_FLAG_SUSPECT
                                             : PHUSA_FLAG_GOOD;
}

static double limit_or_none(double limit)
{
    return limit == 0 ? QC_NO_LIMIT : limit;
}

enum phusa_flag qartod_spike(const struct qc_spike *spike, double before, double value,
                             double after)
{
    double difference;
    if (!spike->given || !isfinite(before) || !isfinite(after)) {
        return PHUSA_FLAG_NOT_EVALUATED;
    }
    if (spike->method == QC_SPIKE_AVERAGE) {
        double middle = (before + after) / 2;
        if (!isfinite(middle)) {
            return PHUSA_FLAG_NOT_EVALUATED;
        }
        difference = fabs(value - middle);
    } else {
        double up = value - before, down = after - value;
        difference = up * down >= 0 ? 0 : fmin(fabs(up), fabs(down));
        if (!isfinite(difference)) {
            return PHUSA_FLAG_NOT_EVALUATED;
        }
    }
    return above(difference, limit_or_none(spike->suspect), limit_or_none(spike->fail));
}

/* An infinite `before` gives an infinite rate, NaN none: as the reference has it. */
enum phusa_flag qartod_rate(const struct qc_rate *rate, uint64_t step_ns, double before,
                            double value)
{
    if (!rate->given) {
        return PHUSA_FLAG_NOT_EVALUATED;
    }
    uint64_t seconds = step_ns / (uint64_t)SECOND_NS;
    return above(fabs((value - before) / (double)(seconds == 0 ? 1 : seconds)), rate->suspect,
                 rate->fail);
}

/* ---- flat line ---- */

static void widen(double *low, double *high, double value)
{
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

/* Readings up to index that lie side by side in memory, ending there. */
static size_t stretch(const struct qartod_view *view, size_t index, const double **last)
{
    size_t slot = view_slot(view, index);
    *last = &view->values[slot];
    return slot < index ? slot + 1 : index + 1;
}

static void flat_run_find(struct flat_run *run, const struct qartod_view *view, size_t index,
                          double tolerance, size_t most)
{
    size_t length = 0, limit = index + 1 < most ? index + 1 : most;
    double low = (double)INFINITY, high = (double)-INFINITY;
    *run = (struct flat_run)FLAT_RUN_NONE;
    while (length < limit) {
        const double *last;
        size_t side = stretch(view, index - length, &last);
        for (size_t i = 0; i < side && length < limit; i++, length++) {
            double value = *(last - i);
            if (isfinite(value)) {
                widen(&low, &high, value);
                if (!(high - low < tolerance)) {
                    return;
                }
            }
            *run = (struct flat_run){ length + 1, low, high };
        }
    }
}

void flat_run_extend(struct flat_run *run, const struct qartod_view *view, size_t index,
                     double tolerance, size_t most)
{
    double value = view_value(view, index), low = run->low, high = run->high;
    if (isfinite(value)) {
        widen(&low, &high, value);
        if (!(high - low < tolerance)) {
            flat_run_find(run, view, index, tolerance, most);
            return;
        }
    }
    *run = (struct flat_run){ run->length < most ? run->length + 1 : most, low, high };
}

/* count steps back are count + 1 readings. */
static bool flat_for(int64_t count, const struct flat_run *run)
{
    return count >= 0 && run->length > (uint64_t)count;
}

enum phusa_flag qartod_flat_line(const struct flat_counts *counts, const struct flat_run *run)
{
    return flat_for(counts->fail, run)      ? PHUSA_FLAG_FAIL
           : flat_for(counts->suspect, run) ? PHUSA_FLAG_SUSPECT
                                            : PHUSA_FLAG_GOOD;
}

/* ---- attenuated signal ---- */

static void add_to_std(struct spread *spread, double value)
{
    double squares = spread->squares, mean = spread->mean - spread->added;
    double shifted = value - spread->added, delta = shifted - spread->mean;
    spread->added = delta + spread->mean - shifted;
    spread->mean += delta / (double)spread->numbers;
    spread->squares += (value - mean) * (value - spread->mean);
    spread->unstable |= squares * UNSTABLE_BELOW > spread->squares;
}

static void remove_from_std(struct spread *spread, double value)
{
    double squares = spread->squares, mean = spread->mean - spread->removed;
    if (spread->numbers == 0) {
        spread->mean = spread->squares = 0;
        spread->unstable = false;
        return;
    }
    double shifted = value - spread->removed, delta = shifted - spread->mean;
    spread->removed = delta + spread->mean - shifted;
    spread->mean -= delta / (double)spread->numbers;
    spread->squares -= (value - mean) * (value - spread->mean);
    spread->unstable |= squares * UNSTABLE_BELOW > spread->squares;
}

static void spread_add(struct spread *spread, double value)
{
    spread->count++;
    if (isfinite(value)) {
        spread->numbers++;
        add_to_std(spread, value);
        widen(&spread->low, &spread->high, value);
    }
}

/* True when the range has to be looked for again. */
static bool spread_remove(struct spread *spread, double value)
{
    spread->count--;
    if (!isfinite(value)) {
        return false;
    }
    spread->numbers--;
    remove_from_std(spread, value);
    return value <= spread->low || value >= spread->high;
}

void spread_rebuild(struct spread *spread, const struct qartod_view *view, size_t first,
                    size_t count)
{
    *spread = (struct spread){ .low = (double)INFINITY, .high = (double)-INFINITY };
    for (size_t i = 0; i < count; i++) {
        spread_add(spread, view_value(view, first + i));
    }
    spread->unstable = false;
}

/* Looks back from the newest until the range is one that no limit objects to: low and high are then
 * readings of the period, if not its outermost. */
static void find_range(struct spread *spread, const struct qc_attenuated *attenuated,
                       const struct qartod_view *view, size_t newest)
{
    double enough = fmax(attenuated->suspect, attenuated->fail); /* the given one, if only one is */
    spread->low = (double)INFINITY;
    spread->high = (double)-INFINITY;
    for (size_t done = 0; done < spread->count;) {
        const double *last;
        size_t side = stretch(view, newest - done, &last);
        for (size_t i = 0; i < side && done < spread->count; i++, done++) {
            double value = *(last - i);
            if (isfinite(value)) {
                widen(&spread->low, &spread->high, value);
                if (spread->high - spread->low >= enough) {
                    return;
                }
            }
        }
    }
}

void spread_move(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct qartod_view *view, size_t index)
{
    int64_t now = view_time(view, index);
    double period = attenuated->period_s * (double)SECOND_NS;
    bool range_lost = false;
    while (spread->count > 0 &&
           (double)time_between(view_time(view, index - spread->count), now) >= period) {
        range_lost |= spread_remove(spread, view_value(view, index - spread->count));
    }
    if (spread->count == 0) { /* nothing in common with the period before */
        spread_rebuild(spread, view, index, 1);
        return;
    }
    spread_add(spread, view_value(view, index));
    if (spread->unstable) {
        spread_rebuild(spread, view, index + 1 - spread->count, spread->count);
    } else if (range_lost && attenuated->method == QC_SPREAD_RANGE) {
        find_range(spread, attenuated, view, index);
    }
}

void spread_drop(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct qartod_view *view, size_t index)
{
    if (spread_remove(spread, view_value(view, index)) && attenuated->method == QC_SPREAD_RANGE) {
        find_range(spread, attenuated, view, index + spread->count);
    }
}

double spread_value(const struct spread *spread, const struct qc_attenuated *attenuated,
                    int64_t needed)
{
    if (needed < 0 || spread->numbers == 0 || spread->numbers < (uint64_t)needed) {
        return (double)NAN;
    }
    if (attenuated->method == QC_SPREAD_RANGE) {
        return spread->numbers < spread->count ? (double)NAN : spread->high - spread->low;
    }
    double variance = spread->squares / (double)spread->numbers;
    return variance < 0 ? 0 : sqrt(variance);
}

int64_t spread_needed(const struct qc_attenuated *attenuated, int64_t step_ns)
{
    return attenuated->min_obs > 0        ? attenuated->min_obs
           : attenuated->min_period_s > 0 ? qc_steps(attenuated->min_period_s, step_ns)
                                          : 0;
}

enum phusa_flag qartod_attenuated(const struct qc_attenuated *attenuated, double spread)
{
    return isnan(spread)                  ? PHUSA_FLAG_NOT_EVALUATED
           : spread < attenuated->fail    ? PHUSA_FLAG_FAIL
           : spread < attenuated->suspect ? PHUSA_FLAG_SUSPECT
                                          : PHUSA_FLAG_GOOD;
}

/* ---- all ---- */

/* The worst has the highest. */
static const uint8_t ranks[] = { [PHUSA_FLAG_FAIL] = 4,
                                 [PHUSA_FLAG_SUSPECT] = 3,
                                 [PHUSA_FLAG_GOOD] = 2,
                                 [PHUSA_FLAG_NOT_EVALUATED] = 1,
                                 [PHUSA_FLAG_MISSING] = 0 };

static uint8_t worse(uint8_t a, uint8_t b)
{
    return ranks[b] > ranks[a] ? b : a;
}

void qartod_aggregate(struct qartod_flags *flags)
{
    flags->aggregate =
        worse(worse(flags->gross, flags->spike), worse(flags->rate, flags->flat_line));
}

struct qartod_flags qartod_all(enum phusa_flag flag)
{
    uint8_t one = (uint8_t)flag;
    return (struct qartod_flags){ one, one, one, one, one, one };
}
