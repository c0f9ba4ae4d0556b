/*
 * What windows cost: nanoseconds a reading of 1,000 series at five minutes for 20 days, every
 * window on, in order and with an hour's outage a day that comes late; bytes of a series in memory
 * and kept. Asserts only that all hours were told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "quality/window.h"

#define SERIES    1000
#define DAYS      20
#define PER_DAY   288
#define ROUNDS    3
#define EVERY_NS  (300 * SECOND_NS)
#define BEGIN_NS  (INT64_C(1767200400) * SECOND_NS) /* 2026-01-01 00:00 in UTC+7 */
#define OUTAGE    100                               /* its first reading of the day */
#define OUTAGE_IS 12

static const struct window_settings settings = { .every_ns = EVERY_NS,
                                                 .lateness_ns = WINDOW_LATENESS_DEFAULT_NS,
                                                 .live_within_ns = 900 * SECOND_NS,
                                                 .utc_offset_s = 7 * 3600,
                                                 .coverage = WINDOW_COVERAGE_DEFAULT,
                                                 .kinds = WINDOW_ALL,
                                                 .largest = 1000 };
static struct window_series *all[SERIES];
static uint64_t told, corrected;

static void count(void *context, const struct window_result *result)
{
    (void)context;
    told++;
    corrected += result->correction;
}

static void take(size_t series, int64_t reading, int64_t received)
{
    double value = (double)((reading * 7 + (int64_t)series * 13) % 1000) * 0.1;
    struct window_out out = { count, NULL };
    (void)window_add(all[series], &settings, BEGIN_NS + reading * EVERY_NS, value,
                     BEGIN_NS + received * EVERY_NS, out);
}

/* One after the other, as reports come in. */
static uint64_t run(bool outages)
{
    uint64_t readings = 0;
    for (int64_t at = 1; at <= (int64_t)DAYS * PER_DAY; at++) {
        int64_t in_day = at % PER_DAY;
        for (size_t i = 0; i < SERIES; i++) {
            if (outages && in_day >= OUTAGE && in_day < OUTAGE + OUTAGE_IS) {
                continue;
            }
            take(i, at, at);
            readings++;
            for (int late = 0; outages && in_day == OUTAGE + 3 * OUTAGE_IS && late < OUTAGE_IS;
                 late++) {
                take(i, at - 3 * OUTAGE_IS + late, at);
                readings++;
            }
        }
    }
    return readings;
}

static double measure(bool outages, size_t *kept, size_t *bytes)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        told = corrected = 0;
        for (size_t i = 0; i < SERIES; i++) {
            all[i] = window_create(&settings);
            if (all[i] == NULL) {
                abort();
            }
        }
        mono_time begun = clock_mono();
        uint64_t readings = run(outages);
        double took = (double)(clock_mono().ns - begun.ns) / (double)readings;
        best = took < best ? took : best;
        struct state_writer writer = { 0 };
        window_save(all[0], &writer);
        *kept = writer.used;
        *bytes = window_bytes(all[0]);
        state_writer_free(&writer);
        for (size_t i = 0; i < SERIES; i++) {
            window_free(all[i]);
        }
        if (told < (uint64_t)SERIES * (DAYS * 24 - 1) * 3 || (outages && corrected == 0)) {
            abort();
        }
    }
    return best;
}

int main(void)
{
    size_t kept, kept_late, bytes, bytes_late;
    double in_order = measure(false, &kept, &bytes), late = measure(true, &kept_late, &bytes_late);
    printf("windows: %.1f ns a reading, %.1f ns with an hour's outage a day; %zu bytes a series, "
           "%zu kept\n",
           in_order, late, bytes, kept);
    return 0;
}
