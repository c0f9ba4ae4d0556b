/* What stands in a window: hourly aggregates added up. */
#include <math.h>

#include "quality/window_inside.h"

/* --- the calendar ---------------------------------------------------------------------------- */

/* Days from 1970-01-01 to 1 January of a year (Gregorian). */
static int64_t days_before(int64_t year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

int32_t window_year(int64_t hour)
{
    int64_t day = (hour - 1) / HOURS_OF_DAY;
    int64_t year = 1970 + day / 366; /* never too late */
    while (days_before(year + 1) <= day) {
        year++;
    }
    return (int32_t)year;
}

int64_t window_year_begin(int32_t year)
{
    return days_before(year) * HOURS_OF_DAY;
}

/* --- hours ----------------------------------------------------------------------------------- */

struct tally {
    struct aggregate all;
    struct exact means; /* sum of the hourly means */
    uint32_t count, hours;
    uint32_t needed; /* samples that give an hour a value */
};

/* Both products are exact in 64 bits of mantissa for all but absurd settings. */
static double coverage_of(const struct window_settings *settings, uint32_t count, int64_t length_ns)
{
    return (double)((long double)count * (long double)settings->every_ns / (long double)length_ns);
}

/* The least count of samples with which an hour's coverage is enough, at least 1. */
static uint32_t needed_in_hour(const struct window_settings *settings)
{
    double guess = settings->coverage * (double)HOUR_NS / (double)settings->every_ns;
    uint32_t count = guess < 1                       ? 1
                     : guess > WINDOW_HOUR_COUNT_MAX ? WINDOW_HOUR_COUNT_MAX + 1
                                                     : (uint32_t)guess;
    /* The guess is rounded: the comparison itself decides. */
    while (count > 1 && coverage_of(settings, count - 1, HOUR_NS) >= settings->coverage) {
        count--;
    }
    while (count <= WINDOW_HOUR_COUNT_MAX &&
           coverage_of(settings, count, HOUR_NS) < settings->coverage) {
        count++;
    }
    return count;
}

/* An hour of the ring; *count receives its samples. */
static const struct aggregate *look_up(const struct window_series *series, int64_t hour, bool told,
                                       uint32_t *count)
{
    size_t slot = window_slot(hour);
    for (size_t i = 0; told && i < series->told_count; i++) {
        if (series->told[i].slot == slot) {
            *count = series->told[i].count;
            return &series->told[i].all;
        }
    }
    *count = series->counts[slot];
    return &series->ring[slot];
}

bool window_speaks(const struct window_series *series, int64_t hour, bool told)
{
    for (int64_t back = 0; back < HOURS_OF_DAY; back++) {
        uint32_t count;
        (void)look_up(series, hour - back, told, &count);
        if (count > 0) {
            return true;
        }
    }
    return false;
}

static void add_aggregate(struct tally *tally, const struct aggregate *more, uint32_t count)
{
    window_merge(&tally->all, tally->count, more, count);
    tally->count += count;
}

static void add_hour(struct tally *tally, const struct window_series *series, int64_t hour,
                     bool told)
{
    uint32_t count;
    const struct aggregate *aggregate = look_up(series, hour, told, &count);

    add_aggregate(tally, aggregate, count);
    if (count >= tally->needed) {
        tally->means = exact_plus(tally->means, exact_over(aggregate->sum, count));
        tally->hours++;
    }
}

/* plain: the mean is that of the samples, not that of the hours. */
static double mean_of(const struct tally *tally, int exponent, bool plain)
{
    struct exact sum = plain ? tally->all.sum : tally->means;
    uint32_t count = plain ? tally->count : tally->hours;
    return count > 0 ? exact_mean(sum, count, exponent) : (double)NAN;
}

static struct window_numbers numbers_of(const struct tally *tally, int exponent,
                                        const struct window_settings *settings, int64_t length_ns,
                                        bool plain)
{
    struct window_numbers numbers = { .count = tally->count,
                                      .hours = tally->hours,
                                      .coverage = coverage_of(settings, tally->count, length_ns),
                                      .mean = NAN,
                                      .sum = NAN,
                                      .min = NAN,
                                      .max = NAN,
                                      .max_1h = NAN,
                                      .max_8h = NAN };
    if (tally->count == 0) {
        return numbers;
    }
    numbers.sum = exact_mean(tally->all.sum, 1, exponent);
    numbers.min = tally->all.min;
    numbers.max = tally->all.max;
    numbers.mean = mean_of(tally, exponent, plain);
    numbers.enough = numbers.coverage >= settings->coverage && !isnan(numbers.mean);
    return numbers;
}

/* --- windows --------------------------------------------------------------------------------- */

void window_tally(const struct window_series *series, const struct window_settings *settings,
                  int64_t hour, bool told, struct window_lengths *lengths)
{
    struct tally tally = { .needed = needed_in_hour(settings) };
    int exponent = series->exponent;

    for (int64_t back = 0; back < HOURS_OF_DAY; back++) {
        add_hour(&tally, series, hour - back, told);
        if (back == 0) {
            lengths->one = numbers_of(&tally, exponent, settings, HOUR_NS, true);
        } else if (back == HOURS_OF_8H - 1) {
            lengths->eight = numbers_of(&tally, exponent, settings, HOURS_OF_8H * HOUR_NS, false);
        }
    }
    lengths->day = numbers_of(&tally, exponent, settings, HOURS_OF_DAY * HOUR_NS, false);
}

struct window_numbers window_tally_one(const struct window_series *series,
                                       const struct window_settings *settings, int64_t hour,
                                       enum window_kind kind)
{
    bool plain = kind == WINDOW_1H;
    int64_t hours = plain ? 1 : kind == WINDOW_8H ? HOURS_OF_8H : HOURS_OF_DAY;
    struct tally tally = { .needed = plain ? UINT32_MAX : needed_in_hour(settings) };
    for (int64_t back = 0; back < hours; back++) {
        add_hour(&tally, series, hour - back, false);
    }
    return numbers_of(&tally, series->exponent, settings, hours * HOUR_NS, plain);
}

/* Raises *largest to the mean, if there is one with enough coverage. */
static void raise_to(double *largest, const struct tally *tally, int exponent, bool plain)
{
    double mean = mean_of(tally, exponent, plain);
    *largest = mean <= *largest || isnan(mean) ? *largest : mean;
}

void window_tally_largest(const struct window_series *series,
                          const struct window_settings *settings, int64_t hour, bool told,
                          struct window_numbers *day)
{
    uint32_t needed = needed_in_hour(settings);
    for (int64_t at = hour - HOURS_OF_DAY + 1; at <= hour; at++) {
        struct tally tally = { .needed = needed };
        for (int64_t back = 0; back < HOURS_OF_8H; back++) {
            add_hour(&tally, series, at - back, told);
            if (back == 0 && tally.count >= needed) {
                raise_to(&day->max_1h, &tally, series->exponent, true);
            }
        }
        if (coverage_of(settings, tally.count, HOURS_OF_8H * HOUR_NS) >= settings->coverage) {
            raise_to(&day->max_8h, &tally, series->exponent, false);
        }
    }
}

struct window_numbers window_tally_year(const struct window_series *series,
                                        const struct window_settings *settings, int64_t hour,
                                        bool told)
{
    struct tally tally = { 0 };
    int32_t year = window_year(hour);
    int64_t begin = window_year_begin(year), first = series->hour - OLDEST_BEFORE;
    const struct year_base *base =
        told && series->base_told != NULL ? series->base_told : &series->base;

    if (series->base_year == year) {
        add_aggregate(&tally, &base->all, base->count);
    }
    for (int64_t at = begin >= first ? begin + 1 : first; at <= hour; at++) {
        uint32_t count;
        const struct aggregate *aggregate = look_up(series, at, told, &count);
        add_aggregate(&tally, aggregate, count);
    }
    return numbers_of(&tally, series->exponent, settings, (hour - begin) * HOUR_NS, true);
}

double window_value(const struct window_numbers *numbers, enum window_statistic statistic,
                    double coverage)
{
    if (numbers->count == 0 || numbers->coverage < coverage) {
        return NAN;
    }
    switch (statistic) {
    case WINDOW_MEAN:
        return numbers->mean;
    case WINDOW_MAX:
        return numbers->max;
    case WINDOW_MIN:
        return numbers->min;
    case WINDOW_SUM:
        return numbers->sum;
    case WINDOW_COUNT:
        return (double)numbers->count;
    }
    return NAN;
}
