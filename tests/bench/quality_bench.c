/*
 * What judging and gathering add to a reading, on one core, ticks included: reports of 11 readings
 * every five minutes for two days, from stations one after the other, with the range check alone,
 * then with quality tests, derived quantities, windows, and the index as well; and the bytes that a
 * series takes. Time is the process's own on the processor, in which a busy neighbour shows less,
 * with the time that passed beside it; what a set adds is compared with the range check of the same
 * round. Prints medians; asserts only that lines came out.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pipeline.h"

#define STATIONS   100
#define STEPS      576 /* of five minutes */
#define ROUNDS     7
#define READINGS   11
#define PAYLOAD    512
#define EVERY_S    300
#define BEGIN_S    INT64_C(1767200400) /* 2026-01-01 00:00 in UTC+7 */
#define PARAMETERS 17

/* By name, as a catalogue is. */
enum {
    P_CO,
    P_DO,
    P_DO_SAT,
    P_EC,
    P_EC25,
    P_NH3,
    P_NH4,
    P_NO2,
    P_O3,
    P_PH,
    P_PM10,
    P_PM25,
    P_SALINITY,
    P_SO2,
    P_TEMP,
    P_VN_AQI,
    P_VN_AQI_DAY
};
static const char *const names[PARAMETERS] = { "co",        "do",        "do_sat",   "ec",  "ec25",
                                               "nh3_water", "nh4",       "no2",      "o3",  "ph",
                                               "pm10",      "pm25",      "salinity", "so2", "temp",
                                               "vn_aqi",    "vn_aqi_day" };

/* What is measured, and about what it is. */
static const struct {
    int parameter;
    double about;
} measured[READINGS] = { { P_CO, 812 },  { P_DO, 6.5 }, { P_EC, 20 },  { P_NH4, 1.5 },
                         { P_NO2, 31 },  { P_O3, 58 },  { P_PH, 8.1 }, { P_PM10, 41 },
                         { P_PM25, 24 }, { P_SO2, 12 }, { P_TEMP, 28 } };

enum { WITH_TESTS = 1, WITH_DERIVED = 2, WITH_WINDOWS = 4, WITH_INDEX = 8, WITH_ALL = 15 };

static struct phusa_parameter parameters[PARAMETERS];
static const struct phusa_parameter missing = { .name = { "missing_reports", 15 } };
static struct station_qc tests[PARAMETERS];
static struct derivation derivations[4];
static struct station stations[STATIONS];
static struct settings settings = { .file = "bench",
                                    .utc_offset_s = 7 * 3600,
                                    .ahead_ns = 300 * SECOND_NS,
                                    .clock_wrong_ns = 86400 * SECOND_NS };
static char ids[STATIONS][16], topics[STATIONS][64];
static char payloads[STEPS][PAYLOAD];
static uint64_t lines_bytes;

/* As long a flat line and an attenuated signal as the shipped limits look back on. */
static struct qc_settings all_tests(double about)
{
    struct qc_settings qc = qc_none();
    qc.gross = (struct qc_gross){ true, { -1000, 100000 }, { 0, 50000 } };
    qc.spike = (struct qc_spike){ true, QC_SPIKE_DIFFERENTIAL, about, 2 * about };
    qc.rate = (struct qc_rate){ true, about / 100, about / 50 };
    qc.flat_line = (struct qc_flat_line){ true, about / 1000, 64800, 86400 };
    qc.attenuated =
        (struct qc_attenuated){ true, QC_SPREAD_STD, 86400, about / 1000, about / 2000, 0, 0 };
    return qc;
}

static void make_settings(unsigned with)
{
    for (int i = 0; i < PARAMETERS; i++) {
        parameters[i] = (struct phusa_parameter){ .name = phusa_text_of(names[i]),
                                                  .unit = { "ug/m3", 5 },
                                                  .minimum = 0,
                                                  .maximum = 100000,
                                                  .resolution = 0.01 };
    }
    for (int i = 0; i < READINGS; i++) {
        tests[i] =
            (struct station_qc){ &parameters[measured[i].parameter], all_tests(measured[i].about) };
    }
    derivations[0] = (struct derivation){ .kind = DERIVE_SALINITY,
                                          .parameter = &parameters[P_SALINITY],
                                          .from = &parameters[P_EC] };
    derivations[1] = (struct derivation){ .kind = DERIVE_EC25,
                                          .parameter = &parameters[P_EC25],
                                          .from = &parameters[P_EC],
                                          .per_kelvin = 0.0191 };
    derivations[2] = (struct derivation){ .kind = DERIVE_DO_SAT,
                                          .parameter = &parameters[P_DO_SAT],
                                          .from = &parameters[P_DO],
                                          .pressure_atm = 1 };
    derivations[3] = (struct derivation){ .kind = DERIVE_NH3,
                                          .parameter = &parameters[P_NH3],
                                          .from = &parameters[P_NH4] };
    for (int i = 0; i < STATIONS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "s%03d", i);
        (void)snprintf(topics[i], sizeof topics[i], "phusa/1/bench/%s/obs", ids[i]);
        stations[i] =
            (struct station){ .id = ids[i],
                              .site = "bench",
                              .kind = "air",
                              .name = ids[i],
                              .every_ns = EVERY_S * SECOND_NS,
                              .qc = tests,
                              .qc_count = (with & WITH_TESTS) != 0 ? READINGS : 0,
                              .derivations = derivations,
                              .derivation_count = (with & WITH_DERIVED) != 0 ? 4 : 0,
                              .indicative = (with & WITH_INDEX) == 0,
                              .stuck_ns = (with & WITH_TESTS) != 0 ? 21600 * SECOND_NS : 0 };
    }
    settings.catalogue = (struct phusa_catalogue){ parameters, PARAMETERS };
    settings.registry = (struct registry){ .stations = stations, .count = STATIONS };
    settings.windows =
        (struct window_choice){ .kinds = (with & WITH_WINDOWS) != 0
                                             ? 1u << RULE_1H | 1u << RULE_8H | 1u << RULE_24H |
                                                   1u << RULE_DAY | 1u << RULE_YEAR
                                             : 0,
                                .coverage = 0.75,
                                .lateness_ns = 600 * SECOND_NS };
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        settings.maintenance.rules[i] = (struct rule){ .id = "none", .parameter = &missing };
    }
    settings.maintenance.gap_ns = 86400 * SECOND_NS;
}

static void make_payloads(void)
{
    uint64_t state = 88172645463325252u;
    for (int step = 0; step < STEPS; step++) {
        int used =
            snprintf(payloads[step], PAYLOAD, "[{\"bt\":%lld,\"log\":\"5f3a09c1\",\"seq\":%d",
                     (long long)(BEGIN_S + (int64_t)(step + 1) * EVERY_S), step + 1);
        for (int i = 0; i < READINGS; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            double value = measured[i].about * (0.9 + (double)(state % 1000) / 5000);
            used += snprintf(payloads[step] + used, (size_t)(PAYLOAD - used),
                             "%s\"n\":\"%s\",\"v\":%.2f}", i == 0 ? "," : ",{",
                             names[measured[i].parameter], value);
        }
        (void)snprintf(payloads[step] + used, (size_t)(PAYLOAD - used), "]");
    }
}

static void take_lines(void *context, struct phusa_text lines, uint32_t count, uint64_t position)
{
    (void)context;
    (void)count;
    (void)position;
    lines_bytes += lines.length;
}

static void take(struct pipeline *pipeline, uint64_t *position, int64_t time_s, int station,
                 const char *payload)
{
    struct journal_record record = { .position = ++*position,
                                     .time = { time_s * SECOND_NS },
                                     .kind = payload == NULL ? JOURNAL_TICK : JOURNAL_MESSAGE };
    if (payload != NULL) {
        record.topic = phusa_text_of(topics[station]);
        record.payload = phusa_text_of(payload);
    }
    pipeline_take(pipeline, &record);
}

static void run(struct pipeline *pipeline)
{
    uint64_t position = 0;
    for (int step = 0; step < STEPS; step++) {
        int64_t time_s = BEGIN_S + (int64_t)(step + 1) * EVERY_S;
        for (int i = 0; i < STATIONS; i++) {
            take(pipeline, &position, time_s, i, payloads[step]);
        }
        for (int minute = 1; minute <= 5; minute++) {
            take(pipeline, &position, time_s + minute * 60 - 1, 0, NULL);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Nanoseconds of the process on the processor. */
static double processor_ns(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0) {
        abort();
    }
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Of one set of settings; nanoseconds a reading, and one figure of each round. */
struct figures {
    double processor[ROUNDS], passed[ROUNDS], adds[ROUNDS];
    size_t bytes; /* of all series */
};

static void measure(unsigned with, int round, struct figures *figures)
{
    static const double readings = (double)STATIONS * STEPS * READINGS;
    struct pipeline_sink sink = { .lines = take_lines };
    make_settings(with);
    struct pipeline *pipeline = pipeline_create(&settings, &sink);
    if (pipeline == NULL) {
        abort();
    }
    size_t empty = mallinfo2().uordblks;
    mono_time begun = clock_mono();
    double processor = processor_ns();
    run(pipeline);
    figures->processor[round] = (processor_ns() - processor) / readings;
    figures->passed[round] = (double)(clock_mono().ns - begun.ns) / readings;
    figures->bytes = mallinfo2().uordblks - empty;
    pipeline_free(pipeline);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof values[0], by_value);
    return values[ROUNDS / 2];
}

static void print(const char *name, struct figures *figures, size_t bytes, size_t adds_bytes)
{
    double processor = median(figures->processor), passed = median(figures->passed);
    double adds = median(figures->adds);
    printf("  %-28s%7.1f ns a reading, adds%7.1f (%.0f .. %.0f); %.1f ns passed; %zu bytes a "
           "series, adds %zu\n",
           name, processor, adds, figures->adds[0], figures->adds[ROUNDS - 1], passed, bytes,
           adds_bytes);
}

int main(void)
{
    static const struct {
        const char *name;
        unsigned with;
        size_t series;
    } sets[] = {
        { "range check only", 0, READINGS },
        { "  and quality tests", WITH_TESTS, READINGS },
        { "  and derived quantities", WITH_TESTS | WITH_DERIVED, READINGS + 4 },
        { "  and windows", WITH_TESTS | WITH_DERIVED | WITH_WINDOWS, READINGS + 4 },
        { "  and the index: everything", WITH_ALL, READINGS + 4 },
    };
    enum { SETS = sizeof sets / sizeof sets[0] };
    static struct figures figures[SETS];
    make_payloads();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SETS; i++) { /* in turns, so that a busy moment spoils no set */
            measure(sets[i].with, round, &figures[i]);
            figures[i].adds[round] = figures[i].processor[round] - figures[0].processor[round];
        }
    }
    printf("In process, one core: %d stations, reports of %d readings every %d s, a tick a minute; "
           "processor time\n",
           STATIONS, READINGS, EVERY_S);
    size_t first = figures[0].bytes / (STATIONS * sets[0].series);
    for (int i = 0; i < SETS; i++) {
        size_t bytes = figures[i].bytes / (STATIONS * sets[i].series);
        print(sets[i].name, &figures[i], bytes, bytes - first);
    }
    return lines_bytes == 0;
}
