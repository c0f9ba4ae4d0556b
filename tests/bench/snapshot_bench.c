/*
 * What it costs to save and restore the pipeline's state: 10,000 stations with 9 series each, of
 * every series as many readings remembered as there can be, one rule for each. Prints times and
 * bytes; asserts only that the state comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline.h"

#define STATIONS 10000
#define SERIES   9
#define REPORTS  300 /* more than the 256 that are remembered */
#define ROUNDS   5

static const char *const names[SERIES] = { "co",   "no2", "o3",  "pm10", "pm25",
                                           "pres", "rh",  "so2", "temp" };
static struct phusa_parameter parameters[SERIES];
static struct rule rules[SERIES];
static char ids[STATIONS][16];
static struct station stations[STATIONS];
static struct settings settings = { .file = "bench", .ahead_ns = 300 * SECOND_NS };

static void set_up_world(void)
{
    for (size_t i = 0; i < SERIES; i++) {
        parameters[i] = (struct phusa_parameter){
            .name = phusa_text_of(names[i]), .minimum = -100, .maximum = 1e6, .resolution = 0.01
        };
        rules[i] = (struct rule){ .id = names[i],
                                  .kind = "air",
                                  .parameter = &parameters[i],
                                  .direction = RULE_ABOVE,
                                  .levels = { { SEVERITY_MINOR, 0, 50, 0, 40, 0, 0 } },
                                  .level_count = 1,
                                  .max_gap_ns = 3600 * SECOND_NS,
                                  .accept = 6 };
    }
    for (size_t i = 0; i < STATIONS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "s%05zu", i);
        stations[i] = (struct station){ .id = ids[i],
                                        .site = "phu-quoc",
                                        .kind = "air",
                                        .name = ids[i],
                                        .every_ns = 60 * SECOND_NS };
    }
    settings.catalogue = (struct phusa_catalogue){ parameters, SERIES };
    settings.registry = (struct registry){ .stations = stations, .count = STATIONS };
    settings.rulebook = (struct rulebook){ rules, SERIES };
}

static void take_report(struct pipeline *pipeline, size_t station, size_t report)
{
    char topic[64], payload[1024];
    long long time = 1700000000 + (long long)report * 60 + (long long)(station % 60);
    size_t used =
        (size_t)snprintf(payload, sizeof payload, "[{\"bt\":%lld,\"log\":\"5f3a09c1\",\"seq\":%zu,",
                         time, report + 1);
    for (size_t i = 0; i < SERIES; i++) {
        used += (size_t)snprintf(payload + used, sizeof payload - used, "%s\"n\":\"%s\",\"v\":%zu}",
                                 i == 0 ? "" : ",{", names[i], (report * 7 + i * 13) % 100);
    }
    used += (size_t)snprintf(payload + used, sizeof payload - used, "]");
    (void)snprintf(topic, sizeof topic, "phusa/1/phu-quoc/%s/obs", ids[station]);
    struct journal_record record = { .position = report * STATIONS + station + 1,
                                     .time = { (time + 1) * SECOND_NS },
                                     .kind = JOURNAL_MESSAGE,
                                     .topic = phusa_text_of(topic),
                                     .payload = { payload, used } };
    pipeline_take(pipeline, &record);
}

static struct pipeline *create(void)
{
    struct pipeline_sink nowhere = { 0 };
    struct pipeline *pipeline = pipeline_create(&settings, &nowhere);
    if (pipeline == NULL) {
        abort();
    }
    return pipeline;
}

static double restore(const struct state_writer *writer)
{
    struct pipeline *pipeline = create();
    struct state_reader reader = state_reader_of(writer->bytes, writer->used);
    mono_time begun = clock_mono();
    if (pipeline_restore(pipeline, &reader) != PIPELINE_RESTORED) {
        abort();
    }
    double took = (double)(clock_mono().ns - begun.ns) / 1e6;
    pipeline_free(pipeline);
    return took;
}

int main(void)
{
    set_up_world();
    struct pipeline *pipeline = create();
    for (size_t report = 0; report < REPORTS; report++) {
        for (size_t i = 0; i < STATIONS; i++) {
            take_report(pipeline, i, report);
        }
    }
    double save_ms = 1e9, restore_ms = 1e9;
    size_t bytes = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct state_writer writer = { 0 };
        mono_time begun = clock_mono();
        pipeline_save(pipeline, &writer);
        double took = (double)(clock_mono().ns - begun.ns) / 1e6;
        if (writer.failed) {
            abort();
        }
        save_ms = took < save_ms ? took : save_ms;
        took = restore(&writer);
        restore_ms = took < restore_ms ? took : restore_ms;
        bytes = writer.used;
        state_writer_free(&writer);
    }
    pipeline_free(pipeline);
    printf(
        "Snapshot of %d stations x %d series, 256 readings of each: %zu bytes (%.2f a reading)\n",
        STATIONS, SERIES, bytes, (double)bytes / (256.0 * STATIONS * SERIES));
    printf("  best of %d: save %.0f ms, restore %.0f ms\n", ROUNDS, save_ms, restore_ms);
    return 0;
}
