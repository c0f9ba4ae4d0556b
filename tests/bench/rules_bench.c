/*
 * What rules add to a reading, on one core, ticks included: reports of eight readings every five
 * minutes for an hour, from 10,000 stations one after the other, so that nothing stays in the cache
 * from one report of a station to the next. First without rules, then with 1,000 of which none
 * concerns a station, then with some that concern every reading; and the bytes that an alarm takes.
 * Prints medians; asserts only that lines came out and that nothing was raised.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

#define STATIONS 10000
#define STEPS    12 /* of five minutes */
#define ROUNDS   5
#define READINGS 8
#define RULES    1000
#define PAYLOAD  384
#define EVERY_S  300
#define BEGIN_S  INT64_C(1767200400) /* 2026-01-01 00:00 in UTC+7 */

/* By name, as a catalogue is; values stay well below any limit here. */
static const char *const names[READINGS] = { "co", "no2",      "o3",  "ph",
                                             "rh", "salinity", "so2", "temp" };

enum concerned { NOBODY, OTHER_KIND, OTHER_PLACES, BY_VALUE, BY_LEVELS, BY_RATE, BY_MISSING, SETS };

static const struct {
    const char *name;
    int each; /* rules that concern a reading */
} sets[SETS] = { { "no rules", 0 },
                 { "1,000 rules for another kind", 0 },
                 { "1,000 rules for other places", 0 },
                 { "one each: one level", 1 },
                 { "four each: four levels, for", 4 },
                 { "one each: rate", 1 },
                 { "one each: missing", 1 } };

static struct phusa_parameter parameters[READINGS];
static const struct phusa_parameter *listed[READINGS];
static const struct phusa_parameter own_quantity = { .name = { "missing_reports", 15 } };
static const struct station_tag here[] = { { "river", "tien" } }, there[] = { { "river", "hau" } };
static struct station stations[STATIONS];
static struct station site = { .id = "bench", .site = "bench", .kind = "site", .name = "bench" };
static struct rule rules[RULES];
static struct settings settings = { .file = "bench",
                                    .utc_offset_s = 7 * 3600,
                                    .ahead_ns = 300 * SECOND_NS,
                                    .clock_wrong_ns = 86400 * SECOND_NS };
static char ids[STATIONS][16], topics[STATIONS][64], rule_ids[RULES][16];
static char payloads[STEPS][PAYLOAD];
static uint64_t lines_bytes, raised;

/* ---- settings ---- */

static void make_world(void)
{
    for (int i = 0; i < READINGS; i++) {
        parameters[i] = (struct phusa_parameter){ .name = phusa_text_of(names[i]),
                                                  .unit = { "ug/m3", 5 },
                                                  .maximum = 100000,
                                                  .resolution = 0.01 };
        listed[i] = &parameters[i];
    }
    for (int i = 0; i < STATIONS; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "s%05d", i);
        (void)snprintf(topics[i], sizeof topics[i], "phusa/1/bench/%s/obs", ids[i]);
        stations[i] = (struct station){ .id = ids[i],
                                        .site = "bench",
                                        .kind = "air",
                                        .name = ids[i],
                                        .every_ns = EVERY_S * SECOND_NS,
                                        .indicative = true,
                                        .tags = here,
                                        .tag_count = 1,
                                        .parameters = listed,
                                        .parameter_count = READINGS };
    }
    settings.catalogue = (struct phusa_catalogue){ parameters, READINGS };
    settings.registry = (struct registry){ stations, STATIONS, &site, 1 };
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        settings.maintenance.rules[i] =
            (struct rule){ .id = "none", .parameter = &own_quantity, .enabled = true };
    }
    settings.maintenance.gap_ns = 86400 * SECOND_NS;
    settings.maintenance.quiet_every = 3;
    settings.alarms.site_share = 0.5;
}

static void concern(struct rule *rule, enum concerned who)
{
    rule->kind = who == OTHER_KIND ? "water" : "air";
    rule->tags = there;
    rule->tag_count = who == OTHER_PLACES ? 1 : 0;
    rule->subject = who == BY_RATE ? RULE_RATE : who == BY_MISSING ? RULE_MISSING : RULE_VALUE;
    rule->level_count = who == BY_LEVELS ? 4 : 1;
    for (size_t k = 0; k < rule->level_count; k++) {
        double limit = 50000 + 1000 * (double)k;
        rule->levels[k] = (struct rule_level){
            (enum severity)(k + 1), 0, limit, 0, limit, who == BY_LEVELS ? 600 * SECOND_NS : 0, 0
        };
    }
}

static void make_rules(enum concerned who)
{
    size_t count = sets[who].each > 0 ? (size_t)sets[who].each * READINGS : RULES;
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(rule_ids[i], sizeof rule_ids[i], "rule-%zu", i);
        rules[i] = (struct rule){ .id = rule_ids[i],
                                  .parameter = &parameters[i % READINGS],
                                  .from_ns = INT64_MIN,
                                  .until_ns = INT64_MAX,
                                  .direction = RULE_ABOVE,
                                  .max_gap_ns = 3600 * SECOND_NS,
                                  .accept = 6,
                                  .rate_over_ns = 1800 * SECOND_NS,
                                  .missing_every = 3 };
        concern(&rules[i], who);
    }
    settings.rulebook = (struct rulebook){ rules, who == NOBODY ? 0 : count };
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
            used += snprintf(payloads[step] + used, (size_t)(PAYLOAD - used),
                             "%s\"n\":\"%s\",\"v\":%.2f}", i == 0 ? "," : ",{", names[i],
                             100 + (double)(state % 10000) / 100);
        }
        (void)snprintf(payloads[step] + used, (size_t)(PAYLOAD - used), "]");
    }
}

/* ---- rounds ---- */

struct figures {
    double reading_ns, tick_ns;
    size_t bytes;
};

static void take_lines(void *context, struct phusa_text lines, uint32_t count, uint64_t position)
{
    (void)context;
    (void)count;
    (void)position;
    lines_bytes += lines.length;
}

static void take_notice(void *context, const struct notice *notice)
{
    (void)context;
    (void)notice;
    raised++;
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

/* The first step makes the series, and is not counted. */
static void run(struct pipeline *pipeline, struct figures *figures)
{
    uint64_t position = 0;
    int64_t ticking = 0, all = 0;
    for (int step = 0; step < STEPS; step++) {
        int64_t time_s = BEGIN_S + (int64_t)(step + 1) * EVERY_S;
        mono_time begun = clock_mono();
        for (int i = 0; i < STATIONS; i++) {
            take(pipeline, &position, time_s, i, payloads[step]);
        }
        mono_time reported = clock_mono();
        for (int minute = 1; minute <= 5; minute++) {
            take(pipeline, &position, time_s + minute * 60 - 1, 0, NULL);
        }
        all += step == 0 ? 0 : clock_mono().ns - begun.ns;
        ticking += step == 0 ? 0 : clock_mono().ns - reported.ns;
    }
    figures->reading_ns = (double)all / ((double)STATIONS * (STEPS - 1) * READINGS);
    figures->tick_ns = (double)ticking / (5.0 * (STEPS - 1) * STATIONS);
}

static struct figures round_of(enum concerned who)
{
    struct pipeline_sink sink = { .lines = take_lines, .notice = take_notice };
    struct figures figures;
    make_rules(who);
    size_t before = mallinfo2().uordblks;
    struct pipeline *pipeline = pipeline_create(&settings, &sink);
    if (pipeline == NULL) {
        abort();
    }
    run(pipeline, &figures);
    figures.bytes = mallinfo2().uordblks - before;
    pipeline_free(pipeline);
    return figures;
}

static int by_time(const void *a, const void *b)
{
    const struct figures *left = a, *right = b;
    return (left->reading_ns > right->reading_ns) - (left->reading_ns < right->reading_ns);
}

static void print_set(int set, const struct figures *of, double none_ns, size_t none_bytes)
{
    const struct figures *median = &of[ROUNDS / 2];
    size_t slots = (size_t)sets[set].each * READINGS * STATIONS;
    printf("  %-32s %7.1f ns a reading, adds %7.1f (%.0f .. %.0f); a tick %5.1f ns a station",
           sets[set].name, median->reading_ns, median->reading_ns - none_ns, of[0].reading_ns,
           of[ROUNDS - 1].reading_ns, median->tick_ns);
    if (slots > 0) {
        printf("; %.1f ns and %zu bytes an alarm", (median->reading_ns - none_ns) / sets[set].each,
               (median->bytes - none_bytes) / slots);
    }
    (void)putchar('\n');
}

int main(void)
{
    static struct figures figures[SETS][ROUNDS];
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30); /* so that all of it is counted */
    make_world();
    make_payloads();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SETS; i++) { /* in turns, so that a busy moment spoils no set */
            figures[i][round] = round_of((enum concerned)i);
        }
    }
    printf(
        "In process, one core: %d stations, reports of %d readings every %d s, a tick a minute\n",
        STATIONS, READINGS, EVERY_S);
    for (int i = 0; i < SETS; i++) {
        qsort(figures[i], ROUNDS, sizeof figures[i][0], by_time);
        const struct figures *none = &figures[NOBODY][ROUNDS / 2];
        print_set(i, figures[i], none->reading_ns, none->bytes);
    }
    return lines_bytes == 0 || raised > 0;
}
