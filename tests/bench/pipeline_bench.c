/*
 * What one reading costs in process, on one core: the whole pipeline from SenML bytes to line
 * protocol with range check and rules, JSON and CBOR, and its stages by themselves. Prints medians
 * of several rounds; asserts nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alarm/machine.h"
#include "base/clock.h"
#include "phusa/number.h"
#include "phusa/senml.h"
#include "pipeline.h"
#include "store/lineproto.h"

#define READINGS 9
#define REPORTS  20000 /* in a round */
#define ROUNDS   9

static const char *const names[READINGS] = { "co",   "no2", "o3",  "pm10", "pm25",
                                             "pres", "rh",  "so2", "temp" };
static const double values[READINGS] = { 812.5,   31.42, 58.17, 41.3, 23.65,
                                         1008.24, 78.4,  12.06, 29.31 };

static struct phusa_parameter parameters[READINGS];
static struct rule rules[READINGS];
static struct station station = { .id = "phu-quoc-air-1",
                                  .site = "phu-quoc",
                                  .kind = "air",
                                  .name = "bench",
                                  .every_ns = 60 * SECOND_NS };
static struct settings settings = { .file = "bench", .ahead_ns = 300 * SECOND_NS };

static char *payloads[REPORTS];
static size_t lengths[REPORTS];
static uint64_t lines_bytes;

static void set_up_world(void)
{
    for (size_t i = 0; i < READINGS; i++) {
        parameters[i] = (struct phusa_parameter){ .name = phusa_text_of(names[i]),
                                                  .unit = { "ug/m3", 5 },
                                                  .minimum = -100,
                                                  .maximum = 100000,
                                                  .resolution = 0.01 };
        rules[i] = (struct rule){ .id = names[i],
                                  .kind = "air",
                                  .parameter = &parameters[i],
                                  .direction = RULE_ABOVE,
                                  .levels = { { SEVERITY_MINOR, 0, 90000, 0, 80000, 0, 0 } },
                                  .level_count = 1,
                                  .max_gap_ns = 3600 * SECOND_NS,
                                  .accept = 6 };
    }
    settings.catalogue = (struct phusa_catalogue){ parameters, READINGS };
    settings.registry = (struct registry){ .stations = &station, .count = 1 };
    settings.rulebook = (struct rulebook){ rules, READINGS };
}

static void make_payloads(bool cbor)
{
    struct phusa_reading readings[READINGS];
    for (size_t r = 0; r < REPORTS; r++) {
        struct phusa_report report = { .readings = readings,
                                       .capacity = READINGS,
                                       .count = READINGS,
                                       .has_log = true,
                                       .has_seq = true,
                                       .log = 0x5f3a09c1,
                                       .seq = r + 1 };
        for (size_t i = 0; i < READINGS; i++) {
            readings[i] =
                (struct phusa_reading){ .base_name = PHUSA_TEXT("phu-quoc-air-1:"),
                                        .name = phusa_text_of(names[i]),
                                        .unit = PHUSA_TEXT("ug/m3"),
                                        .time_ns = (1700000000 + (int64_t)r * 60) * SECOND_NS,
                                        .time_valid = true,
                                        .kind = PHUSA_VALUE_NUMBER,
                                        .value = values[i] + (double)(r % 97) / 100 };
        }
        char buffer[2048];
        enum phusa_status status =
            cbor ? phusa_senml_encode_cbor(&report, (uint8_t *)buffer, sizeof buffer, &lengths[r])
                 : phusa_senml_encode_json(&report, buffer, sizeof buffer, &lengths[r]);
        if (status != PHUSA_OK) {
            abort();
        }
        payloads[r] = realloc(payloads[r], lengths[r]);
        memcpy(payloads[r], buffer, lengths[r]);
    }
}

static void take_lines(void *context, struct phusa_text lines, uint32_t count, uint64_t position)
{
    (void)context;
    (void)count;
    (void)position;
    lines_bytes += lines.length;
}

static void round_pipeline(void)
{
    struct pipeline_sink sink = { .lines = take_lines };
    struct pipeline *pipeline = pipeline_create(&settings, &sink);
    for (size_t r = 0; r < REPORTS; r++) {
        struct journal_record record = { .position = r + 1,
                                         .time = { (1700000001 + (int64_t)r * 60) * SECOND_NS },
                                         .kind = JOURNAL_MESSAGE,
                                         .topic = PHUSA_TEXT("phusa/1/phu-quoc/phu-quoc-air-1/obs"),
                                         .payload = { payloads[r], lengths[r] } };
        pipeline_take(pipeline, &record);
    }
    pipeline_free(pipeline);
}

static void round_decode(void)
{
    static struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    static struct phusa_senml_scratch scratch;
    for (size_t r = 0; r < REPORTS; r++) {
        struct phusa_report report = { .readings = readings,
                                       .capacity = PHUSA_REPORT_READINGS_MAX };
        if (phusa_senml_decode(payloads[r], lengths[r], 0, &report, &scratch, NULL) != PHUSA_OK) {
            abort();
        }
    }
}

static void round_lines(void)
{
    static char buffer[4096];
    for (size_t r = 0; r < REPORTS; r++) {
        struct line_writer writer;
        line_writer_init(&writer, buffer, sizeof buffer);
        line_begin(&writer, PHUSA_TEXT("air,site=phu-quoc,station=phu-quoc-air-1"));
        for (size_t i = 0; i < READINGS; i++) {
            line_field_double(&writer, parameters[i].name, values[i] + (double)(r % 97) / 100);
            line_field_int(&writer, parameters[i].name, PHUSA_TEXT("_qc"), 1);
        }
        if (!line_end(&writer, 1700000000 * SECOND_NS)) {
            abort();
        }
        lines_bytes += writer.used;
    }
}

static void round_rules(void)
{
    static struct alarm_series series[READINGS];
    memset(series, 0, sizeof series);
    for (size_t r = 0; r < REPORTS; r++) {
        for (size_t i = 0; i < READINGS; i++) {
            struct alarm_reading reading = { (int64_t)(r + 1) * 60 * SECOND_NS, values[i], true,
                                             60 * SECOND_NS };
            struct alarm_change change;
            lines_bytes += alarm_judge(&rules[i], &series[i], &reading, &change);
        }
    }
}

static void round_snprintf(void)
{
    char text[64];
    for (size_t r = 0; r < REPORTS; r++) {
        for (size_t i = 0; i < READINGS; i++) {
            lines_bytes +=
                (size_t)snprintf(text, sizeof text, "%.10g", values[i] + (double)(r % 97) / 100);
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double measure(const char *name, void (*round)(void))
{
    double times[ROUNDS];
    round();
    for (int i = 0; i < ROUNDS; i++) {
        mono_time begun = clock_mono();
        round();
        times[i] = (double)(clock_mono().ns - begun.ns) / REPORTS;
    }
    qsort(times, ROUNDS, sizeof times[0], by_value);
    double median = times[ROUNDS / 2];
    printf("  %-42s %8.0f ns a report %8.1f ns a reading   (%.0f .. %.0f)\n", name, median,
           median / READINGS, times[0], times[ROUNDS - 1]);
    return median;
}

int main(void)
{
    set_up_world();
    make_payloads(false);
    printf("In process, one core; a report has %d readings, %zu bytes of JSON\n", READINGS,
           lengths[REPORTS / 2]);
    double json = measure("pipeline, SenML JSON to line protocol", round_pipeline);
    double decode = measure("  decode JSON", round_decode);
    double lines = measure("  line protocol", round_lines);
    double rules_cost = measure("  rules (one a reading)", round_rules);
    printf("  %-42s %8.0f ns a report\n", "  the rest: registry, numbers, checks",
           json - decode - lines - rules_cost);
    make_payloads(true);
    printf("The same as SenML CBOR, %zu bytes\n", lengths[REPORTS / 2]);
    (void)measure("pipeline, SenML CBOR to line protocol", round_pipeline);
    (void)measure("  decode CBOR", round_decode);
    double libc = measure("for comparison: snprintf(\"%.10g\") of them", round_snprintf);
    printf("  aim: 400 ns a reading; measured %.0f (ratio %.2f); pipeline / snprintf alone %.2f\n",
           json / READINGS, json / READINGS / 400, json / libc);
    for (size_t r = 0; r < REPORTS; r++) {
        free(payloads[r]);
    }
    return lines_bytes == 0;
}
