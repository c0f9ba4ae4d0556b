/* A whole series at once. */
#include <stdlib.h>

#include "quality/qartod_kernel.h"

#define FLAT_LINE_LEAST 3 /* readings; a shorter series is good throughout, as in the reference */

/* What goes from one reading to the next. */
struct pass {
    const struct qc_settings *qc;
    struct readings readings;
    const int64_t *times;
    const double *values;
    size_t count;
    struct flat_counts flat;
    struct flat_run run;
    struct spread spread;
    bool by_step; /* the step is known */
    int64_t needed;
    double whole; /* spread of all, when there is no period */
};

/* Two passes over all of them. */
static double whole_spread(const struct qc_attenuated *attenuated, const double *values,
                           size_t count)
{
    double sum = 0, squares = 0, low = (double)INFINITY, high = (double)-INFINITY;
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) {
            numbers++;
            sum += values[i];
            low = fmin(low, values[i]);
            high = fmax(high, values[i]);
        }
    }
    double mean = numbers == 0 ? 0 : sum / (double)numbers;
    for (size_t i = 0; i < count; i++) {
        squares += isfinite(values[i]) ? (values[i] - mean) * (values[i] - mean) : 0;
    }
    return numbers == 0                            ? (double)NAN
           : attenuated->method == QC_SPREAD_RANGE ? high - low
                                                   : sqrt(squares / (double)numbers);
}

/* Readings of a window of so many steps, which may be more than any series has. */
static uint32_t flat_most(int64_t steps)
{
    return steps < UINT32_MAX ? (uint32_t)(steps + 1) : UINT32_MAX;
}

static enum phusa_flag flat_line(struct pass *pass, size_t index)
{
    const struct qc_flat_line *line = &pass->qc->flat_line;
    if (!line->given || !pass->by_step) {
        return PHUSA_FLAG_NOT_EVALUATED;
    }
    int64_t most = pass->flat.suspect > pass->flat.fail ? pass->flat.suspect : pass->flat.fail;
    flat_run_extend(&pass->run, &pass->readings, index, line->tolerance, flat_most(most));
    return pass->count < FLAT_LINE_LEAST ? PHUSA_FLAG_GOOD
                                         : qartod_flat_line(&pass->flat, &pass->run);
}

static enum phusa_flag attenuated(struct pass *pass, size_t index)
{
    const struct qc_attenuated *settings = &pass->qc->attenuated;
    if (!settings->given) {
        return PHUSA_FLAG_NOT_EVALUATED;
    }
    if (settings->period_s == 0) {
        return qartod_attenuated(settings, pass->whole);
    }
    spread_move(&pass->spread, settings, &pass->readings, index);
    return qartod_attenuated(settings, spread_value(&pass->spread, settings, pass->needed));
}

static struct qartod_flags judge(struct pass *pass, size_t index)
{
    const struct qc_settings *qc = pass->qc;
    const int64_t *times = pass->times;
    const double *values = pass->values;
    bool first = index == 0, last = index + 1 == pass->count;
    struct qartod_flags flags = { .flat_line = (uint8_t)flat_line(pass, index),
                                  .attenuated = (uint8_t)attenuated(pass, index) };
    if (!isfinite(values[index])) {
        return qartod_all(PHUSA_FLAG_MISSING);
    }
    double before = first ? (double)NAN : values[index - 1];
    double after = last ? (double)NAN : values[index + 1];
    uint64_t step = first ? 0 : time_between(times[index - 1], times[index]);
    flags.gross = (uint8_t)qartod_gross(&qc->gross, values[index]);
    flags.spike = (uint8_t)qartod_spike(&qc->spike, before, values[index], after);
    flags.rate = (uint8_t)qartod_rate(&qc->rate, step, before, values[index]);
    qartod_aggregate(&flags);
    return flags;
}

void qartod_batch(const struct qc_settings *qc, int64_t step_ns, const int64_t *times,
                  const double *values, size_t count, struct qartod_flags *flags)
{
    struct pass pass = {
        .qc = qc,
        .readings = readings_of(times, values),
        .times = times,
        .values = values,
        .count = count,
        .flat = { qc_steps(qc->flat_line.suspect_s, step_ns),
                  qc_steps(qc->flat_line.fail_s, step_ns) },
        .run = FLAT_RUN_NONE,
        .by_step = step_ns > 0 || count < FLAT_LINE_LEAST,
        .needed = spread_needed(&qc->attenuated, step_ns),
        .whole = whole_spread(&qc->attenuated, values, count),
    };
    for (size_t i = 0; i < count; i++) {
        flags[i] = judge(&pass, i);
    }
}

static int by_size(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

int64_t qartod_median(int64_t *differences, size_t count)
{
    if (count == 0) {
        return 0;
    }
    qsort(differences, count, sizeof *differences, by_size);
    int64_t upper = differences[count / 2];
    int64_t lower = count % 2 == 1 ? upper : differences[count / 2 - 1];
    return lower + (upper - lower) / 2;
}
