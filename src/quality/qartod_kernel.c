#include "quality/qartod_kernel.h"

#define UNSTABLE_BELOW 2.220446049250313e-13 /* 1000 epsilons: three digits are left */

/* ---- tests of a reading and its neighbours ---- */

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
    return qartod_above(difference, limit_or_none(spike->suspect), limit_or_none(spike->fail));
}

/* ---- flat line ---- */

static void widen(double *low, double *high, double value)
{
    *low = value < *low ? value : *low;
    *high = value > *high ? value : *high;
}

/* Back from index until the range is too large. */
static void flat_run_find(struct flat_run *run, const struct readings *readings, size_t index,
                          double tolerance, uint32_t most)
{
    double low = (double)INFINITY, high = (double)-INFINITY;
    *run = (struct flat_run)FLAT_RUN_NONE;
    for (uint32_t length = 0; length < most && length <= index; length++) {
        double value = readings_value(readings, index - length);
        if (isfinite(value)) {
            widen(&low, &high, value);
            if (!(high - low < tolerance)) {
                return;
            }
        }
        *run = (struct flat_run){ low, high, length + 1 };
    }
}

void flat_run_extend(struct flat_run *run, const struct readings *readings, size_t index,
                     double tolerance, uint32_t most)
{
    double value = readings_value(readings, index), low = run->low, high = run->high;
    if (isfinite(value)) {
        widen(&low, &high, value);
        if (!(high - low < tolerance)) {
            flat_run_find(run, readings, index, tolerance, most);
            return;
        }
    }
    *run = (struct flat_run){ low, high, run->length < most ? run->length + 1 : most };
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

void spread_rebuild(struct spread *spread, const struct readings *readings, size_t first,
                    uint32_t count)
{
    *spread = (struct spread){ .low = (double)INFINITY, .high = (double)-INFINITY };
    for (uint32_t i = 0; i < count; i++) {
        spread_add(spread, readings_value(readings, first + i));
    }
    spread->unstable = false;
}

/* Looks back from the newest until the range is one that no limit objects to: low and high are then
 * readings of the period, if not its outermost. */
static void find_range(struct spread *spread, const struct qc_attenuated *attenuated,
                       const struct readings *readings, size_t newest)
{
    double enough = fmax(attenuated->suspect, attenuated->fail); /* the given one, if only one is */
    spread->low = (double)INFINITY;
    spread->high = (double)-INFINITY;
    for (uint32_t i = 0; i < spread->count; i++) {
        double value = readings_value(readings, newest - i);
        if (isfinite(value)) {
            widen(&spread->low, &spread->high, value);
            if (spread->high - spread->low >= enough) {
                return;
            }
        }
    }
}

void spread_move(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct readings *readings, size_t index)
{
    int64_t now = readings_time(readings, index);
    double period = attenuated->period_s * (double)SECOND_NS;
    bool range_lost = false;
    while (spread->count > 0 &&
           (double)time_between(readings_time(readings, index - spread->count), now) >= period) {
        range_lost |= spread_remove(spread, readings_value(readings, index - spread->count));
    }
    if (spread->count == 0) { /* nothing in common with the period before */
        spread_rebuild(spread, readings, index, 1);
        return;
    }
    spread_add(spread, readings_value(readings, index));
    if (spread->unstable) {
        spread_rebuild(spread, readings, index + 1 - spread->count, spread->count);
    } else if (range_lost && attenuated->method == QC_SPREAD_RANGE) {
        find_range(spread, attenuated, readings, index);
    }
}

void spread_drop(struct spread *spread, const struct qc_attenuated *attenuated,
                 const struct readings *readings, size_t index)
{
    if (spread_remove(spread, readings_value(readings, index)) &&
        attenuated->method == QC_SPREAD_RANGE) {
        find_range(spread, attenuated, readings, index + spread->count);
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
