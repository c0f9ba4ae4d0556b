/* Settings and a random stream of records for tests of the pipeline over restarts. */
#ifndef TESTS_PIPELINE_WORLD_H
#define TESTS_PIPELINE_WORLD_H

#include <math.h>

#include "draws.h"
#include "pipeline.h"

#define WORLD_NOW_NS  (INT64_C(1700000000) * SECOND_NS)
#define WORLD_PAYLOAD 1024

#define WORLD_PARAMETER(text, least, most)                                                         \
    {                                                                                              \
        .name = { (text), sizeof(text) - 1 }, .unit = { "ug/m3", 5 }, .minimum = (least),          \
        .maximum = (most), .resolution = 0.01                                                      \
    }
static const struct phusa_parameter world_parameters[] = {
    WORLD_PARAMETER("bph", 0, 1000),  WORLD_PARAMETER("ec", 0, 100),
    WORLD_PARAMETER("lamp", 0, 1),    WORLD_PARAMETER("level", -5, 20),
    WORLD_PARAMETER("o3", 0, 1000),   WORLD_PARAMETER("ph", 0, 14),
    WORLD_PARAMETER("pm25", 0, 1000), WORLD_PARAMETER("salinity", 0, 45),
    WORLD_PARAMETER("temp", -5, 60),  WORLD_PARAMETER("vn_aqi", 0, 500),
};
/* The same without "ph": its pointers lie elsewhere, too. */
static const struct phusa_parameter world_other_parameters[] = {
    WORLD_PARAMETER("bph", 0, 1000),    WORLD_PARAMETER("ec", 0, 100),
    WORLD_PARAMETER("lamp", 0, 1),      WORLD_PARAMETER("level", -5, 20),
    WORLD_PARAMETER("o3", 0, 1000),     WORLD_PARAMETER("pm25", 0, 1000),
    WORLD_PARAMETER("salinity", 0, 45), WORLD_PARAMETER("temp", -5, 60),
    WORLD_PARAMETER("vn_aqi", 0, 500),
};

#define WORLD_QC(of, still_s, period)                                                              \
    {                                                                                              \
        (of),                                                                                      \
        {                                                                                          \
            .gross = { true, { -1, 50 }, { 0, 9 } }, .spike = { true, QC_SPIKE_AVERAGE, 3, 6 },    \
            .rate = { true, 0.1, 0.3 }, .flat_line = { true, 0.05, (still_s), 2 * (still_s) },     \
            .attenuated = {                                                                        \
                true,                                                                              \
                QC_SPREAD_STD,                                                                     \
                (period),                                                                          \
                0.5,                                                                               \
                0.1,                                                                               \
                0,                                                                                 \
                0                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
static const struct station_qc world_qc[] = {
    WORLD_QC(&world_parameters[1], 600, 3600),
    WORLD_QC(&world_parameters[3], 600, 3600),
    WORLD_QC(&world_parameters[7], 900, 3600),
    WORLD_QC(&world_parameters[8], 600, 7200),
};
static const struct station_qc world_other_qc[] = {
    WORLD_QC(&world_other_parameters[3], 900, 1800), /* other limits, and not of all */
    WORLD_QC(&world_other_parameters[7], 600, 7200),
};
static const struct derivation world_salinity = { .kind = DERIVE_SALINITY,
                                                  .parameter = &world_parameters[7],
                                                  .from = &world_parameters[1] };
static const struct phusa_parameter *const world_species[] = { &world_parameters[0] };
static const struct phusa_parameter *const world_other_species[] = { &world_other_parameters[0] };

#define WORLD_STATION(text, of, pace)                                                              \
    .id = (text), .site = "my-tho", .kind = (of), .name = (text), .every_ns = (pace)*SECOND_NS
#define WORLD_TRAP(all, of, holding)                                                               \
    {                                                                                              \
        .given = true, .cumulative = true, .hold_ns = (holding)*SECOND_NS, .species = (all),       \
        .species_count = 1, .lamp = (of)                                                           \
    }
#define WORLD_LISTED(list) .parameters = (list), .parameter_count = sizeof(list) / sizeof *(list)
static const struct phusa_parameter *const world_listed[] = { &world_parameters[3],
                                                              &world_parameters[7] };
static const struct phusa_parameter *const world_other_listed[] = { &world_other_parameters[3] };
static const struct station world_stations[] = {
    { WORLD_STATION("s1", "water", 60), WORLD_LISTED(world_listed), .qc = world_qc, .qc_count = 4,
      .derivations = &world_salinity, .derivation_count = 1, .stuck_ns = 600 * SECOND_NS },
    { WORLD_STATION("s2", "water", 300), WORLD_LISTED(world_listed), .qc = world_qc, .qc_count = 4,
      .stuck_ns = 600 * SECOND_NS },
    { WORLD_STATION("s3", "trap", 60),
      .trap = WORLD_TRAP(world_species, &world_parameters[2], 3600) },
    { WORLD_STATION("s4", "air", 600) },
};
static const struct station world_other_stations[] = {
    { WORLD_STATION("s1", "water", 60), WORLD_LISTED(world_other_listed), .qc = world_other_qc,
      .qc_count = 2 },
    { WORLD_STATION("s3", "trap", 600),
      .trap = WORLD_TRAP(world_other_species, &world_other_parameters[2], 7200) },
    { WORLD_STATION("s4", "air", 600) },
    { WORLD_STATION("s5", "air", 60) },
};

#define WORLD_RULE_OF(of_kind, text, of, limit, lasting, ...)                                      \
    {                                                                                              \
        .id = (text), .kind = (of_kind), .parameter = (of), .direction = RULE_ABOVE,               \
        .levels = { { SEVERITY_MINOR, 0, (limit), 0, (limit)-1, (lasting)*SECOND_NS, 0 },          \
                    { SEVERITY_SEVERE, 0, (limit) + 2, 0, (limit) + 1, 0, (lasting)*SECOND_NS } }, \
        .level_count = 2, .max_gap_ns = 1800 * SECOND_NS, .accept = 6, __VA_ARGS__                 \
    }
#define WORLD_RULE(text, of, limit, lasting)                                                       \
    WORLD_RULE_OF("water", text, of, limit, lasting, .enabled = true)
#define WORLD_CALMED(by)                                                                           \
    .inhibited_by = (by), .inhibit_count = sizeof(by) / sizeof *(by),                              \
    .flapping = { 4, 7200 * SECOND_NS, 1200 * SECOND_NS },                                         \
    .escalation = { .after_ns = 600 * SECOND_NS, .from = SEVERITY_MINOR }
#define WORLD_OFFICE .schedule = { 0x7F, 8 * 3600, 17 * 3600 }
#define WORLD_RATE   .subject = RULE_RATE, .rate_over_ns = 1200 * SECOND_NS
#define WORLD_MISSING                                                                              \
    .subject = RULE_MISSING, .missing_every = 8,                                                   \
    .escalation = { .after_ns = 300 * SECOND_NS, .from = SEVERITY_SEVERE }
static const char *const world_calmed_by[] = { "ph-high", "quiet", "flat" };
static const char *const world_silenced_by[] = { "link-down", "site-silent" };
#define WORLD_HOUR .window = { true, RULE_MEAN, RULE_1H, 0.1 }, .live_within_ns = 7200 * SECOND_NS
static const struct rule world_rules[] = {
    WORLD_RULE("level-high", &world_parameters[3], 5, 0),
    WORLD_RULE_OF("water", "level-hour", &world_parameters[3], 4.8, 0, WORLD_HOUR),
    WORLD_RULE("salinity-high", &world_parameters[7], 4, 120),
    WORLD_RULE("salinity-higher", &world_parameters[7], 5, 60),
    WORLD_RULE("temp-high", &world_parameters[8], 5, 30),
    WORLD_RULE_OF("water", "temp-then", &world_parameters[8], 5, 0,
                  .until_ns = WORLD_NOW_NS + 20000 * SECOND_NS),
    WORLD_RULE_OF("air", "air-bad", &world_parameters[9], 15, 0, .enabled = true),
    WORLD_RULE("ph-high", &world_parameters[5], 7, 0),
    WORLD_RULE_OF("water", "temp-calmed", &world_parameters[8], 5, 0,
                  WORLD_CALMED(world_calmed_by)),
    WORLD_RULE_OF("water", "level-office", &world_parameters[3], 5, 0, WORLD_OFFICE),
    WORLD_RULE_OF("water", "level-rises", &world_parameters[3], 5, 0, WORLD_RATE),
    WORLD_RULE_OF("water", "level-missing", &world_parameters[3], 0, 900, WORLD_MISSING),
};
static const struct rule world_other_rules[] = {
    WORLD_RULE("level-high", &world_other_parameters[3], 5, 0),
    WORLD_RULE("salinity-high", &world_other_parameters[6], 4.5, 120), /* judges otherwise */
    WORLD_RULE("temp-high", &world_other_parameters[7], 5, 30),
    WORLD_RULE_OF("air", "air-bad", &world_other_parameters[8], 15, 0, .enabled = true),
    WORLD_RULE_OF("water", "temp-calmed", &world_other_parameters[7], 4.5, 0, /* otherwise */
                  WORLD_CALMED(world_calmed_by)),
    WORLD_RULE_OF("water", "level-rises", &world_other_parameters[3], 5, 0, WORLD_RATE),
    WORLD_RULE_OF("water", "level-missing", &world_other_parameters[3], 0, 900, WORLD_MISSING),
};

static const struct phusa_parameter world_missing = { .name = { "missing_reports", 15 } };
static const struct station world_site = {
    .id = "my-tho", .site = "my-tho", .kind = "site", .name = "my-tho", .every_ns = 60 * SECOND_NS
};

#define WORLD_OWN_HELD(text, holders)                                                              \
    {                                                                                              \
        .id = (text), .parameter = &world_missing, .enabled = true,                                \
        .inhibited_by = world_silenced_by, .inhibit_count = (holders)                              \
    }
#define WORLD_OWN(text) WORLD_OWN_HELD(text, 0)
#define WORLD_MAINTENANCE                                                                          \
    {                                                                                              \
        .gap_ns = 900 * SECOND_NS, .quiet_every = 3, .quiet_least_ns = 900 * SECOND_NS,            \
        .self = { .id = "phusa",                                                                   \
                  .site = "collector",                                                             \
                  .kind = "collector",                                                             \
                  .every_ns = 60 * SECOND_NS },                                                    \
        .rules = {                                                                                 \
            WORLD_OWN("reports-missing"),                                                          \
            WORLD_OWN("disk-full"),                                                                \
            WORLD_OWN("spool-full"),                                                               \
            WORLD_OWN("broker-drops"),                                                             \
            WORLD_OWN("journal"),                                                                  \
            WORLD_OWN_HELD("never-seen", 2),                                                       \
            WORLD_OWN_HELD("quiet", 2),                                                            \
            WORLD_OWN("flat"),                                                                     \
            WORLD_OWN("clock-wrong"),                                                              \
            WORLD_OWN_HELD("site-silent", 1),                                                      \
            WORLD_OWN("link-down")                                                                 \
        }                                                                                          \
    }
#define WORLD_ALARMS                                                                               \
    {                                                                                              \
        .site_share = 0.5, .link_grace_ns = 300 * SECOND_NS,                                       \
        .shelve_most_ns = INT64_C(604800) * SECOND_NS                                              \
    }
/* Everything on: tests, windows, nights, indices; little coverage is enough for a window. */
#define WORLD_SETTINGS(text, parameters, stations, rules, on_time)                                 \
    {                                                                                              \
        .file = (text), .utc_offset_s = 7 * 3600, .ahead_ns = 300 * SECOND_NS,                     \
        .clock_wrong_ns = INT64_C(86400) * SECOND_NS,                                              \
        .windows = { .kinds = 1u << RULE_1H | 1u << RULE_24H | 1u << RULE_DAY | 1u << RULE_YEAR,   \
                     .coverage = 0.1,                                                              \
                     .lateness_ns = (on_time)*SECOND_NS },                                         \
        .catalogue = { (parameters), sizeof(parameters) / sizeof *(parameters) },                  \
        .registry = { (stations), sizeof(stations) / sizeof *(stations), &world_site, 1 },         \
        .rulebook = { (rules), sizeof(rules) / sizeof *(rules) },                                  \
        .maintenance = WORLD_MAINTENANCE, .alarms = WORLD_ALARMS                                   \
    }
static const struct settings world_settings =
    WORLD_SETTINGS("world", world_parameters, world_stations, world_rules, 600);
static const struct settings world_other_settings =
    WORLD_SETTINGS("other", world_other_parameters, world_other_stations, world_other_rules, 300);

/* A record and the bytes it points to; they stay where they are. */
struct world_record {
    struct journal_record record;
    char topic[64], payload[WORLD_PAYLOAD];
};

/* What the stream is made by: time, and for each station its log and number. */
struct world_stream {
    struct draws draws;
    int64_t now_ns;
    uint64_t position;
    uint64_t next[5];
    unsigned log[5], boot[5];
    char told[5][WORLD_PAYLOAD]; /* the last status, which a broker gives again */
};

static inline struct world_stream world_begin(struct draws draws)
{
    return (struct world_stream){
        .draws = draws, .now_ns = WORLD_NOW_NS, .next = { 1, 1, 1, 1, 1 }, .log = { 1, 2, 3, 4, 5 }
    };
}

/* Mostly the next number, sometimes with a gap, of the past, or used again. */
static inline uint64_t world_number(struct world_stream *stream, size_t station)
{
    uint64_t *next = &stream->next[station];
    switch (draw_below(&stream->draws, 12)) {
    case 0:
        *next += draw_below(&stream->draws, 9);
        return (*next)++;
    case 1:
    case 2:
        return 1 + draw_below(&stream->draws, *next);
    default:
        return (*next)++;
    }
}

/* Mostly 5 from the second station, so that its bus may be thought stuck. */
static inline double world_value(struct draws *draws, size_t station)
{
    if (station == 1 && draw_below(draws, 40) > 0) {
        return 5;
    }
    double value = (double)draw_below(draws, 100) / 10;
    return station == 2 ? floor(value) : value; /* insects are whole */
}

static inline void world_report(struct world_stream *stream, size_t station,
                                struct world_record *out)
{
    static const char *const names[] = { "level", "ph", "ec", "temp", "nope", "salinity" };
    static const char *const others[] = { "bph", "pm25", "lamp", "o3", "nope", "pm25" };
    struct draws *draws = &stream->draws;
    bool numbered = station < 3 && draw_below(draws, 20) > 0;
    uint64_t seq = world_number(stream, station);
    int64_t late = draw_below(draws, 6) == 0 ? (int64_t)draw_below(draws, 7200) : 0;
    late = station == 1 && draw_below(draws, 8) > 0 ? 0 : late;
    int64_t time = stream->now_ns / SECOND_NS - late;
    time -= station == 1 ? 4 * 86400 : 0; /* its clock is behind, mostly steadily */
    uint64_t wrong = draw_below(draws, station == 1 ? 48 : 12);
    time = wrong == 0 ? 946684800 + late : (wrong == 1 ? time + 9 * 86400 : time);
    size_t used = (size_t)snprintf(out->payload, WORLD_PAYLOAD, "[{\"bn\":\"s%zu:\",\"bt\":%lld,",
                                   station + 1, (long long)time);
    if (numbered) {
        unsigned log = stream->log[station];
        log -= log > 16 && draw_below(draws, 10) == 0 ? 16 : 0; /* of the log before: on its way */
        used += (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                                 "\"log\":\"%08x\",\"seq\":%llu,", log, (unsigned long long)seq);
    }
    if (wrong == 2 || wrong == 3) {
        int64_t up = stream->now_ns / SECOND_NS % 10000; /* it boots at each full 10,000 s */
        used = (size_t)snprintf(out->payload, WORLD_PAYLOAD, "[{\"boot\":%lld,\"up\":%lld,",
                                (long long)(stream->now_ns / SECOND_NS / 10000), (long long)up);
        used += (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                                 "\"log\":\"%08x\",\"seq\":%llu,", stream->log[station],
                                 (unsigned long long)seq);
    }
    size_t count = 1 + draw_below(draws, 4);
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                                 "%s\"n\":\"%s\",\"v\":%.1f}", i == 0 ? "" : ",{",
                                 (station < 2 ? names : others)[draw_below(draws, 18) % 6],
                                 world_value(draws, station));
    }
    (void)snprintf(out->payload + used, WORLD_PAYLOAD - used, "]");
}

static inline void world_status(struct world_stream *stream, size_t station,
                                struct world_record *out)
{
    struct draws *draws = &stream->draws;
    if (draw_below(draws, 4) == 0) {
        (void)snprintf(out->payload, WORLD_PAYLOAD, "%s", stream->told[station]);
        return;
    }
    if (draw_below(draws, 8) == 0) {
        stream->log[station] += 16;
        stream->next[station] = 1;
        stream->boot[station]++;
    }
    uint64_t next = stream->next[station];
    uint64_t first =
        next < 60 || draw_below(draws, 4) == 0 ? 1 + draw_below(draws, next) : next - 50;
    (void)snprintf(out->payload, WORLD_PAYLOAD,
                   "{\"state\":\"%s\",\"log\":\"%08x\",\"first\":%llu,\"next\":%llu,\"boot\":%u}",
                   draw_below(draws, 3) == 0 ? "offline" : "online", stream->log[station],
                   (unsigned long long)first, (unsigned long long)next, stream->boot[station]);
    (void)snprintf(stream->told[station], WORLD_PAYLOAD, "%s", out->payload);
}

static inline void world_requeue(struct world_stream *stream, size_t station,
                                 struct world_record *out)
{
    long long received =
        (long long)(stream->now_ns - (int64_t)draw_below(&stream->draws, 7200) * SECOND_NS);
    switch (draw_below(&stream->draws, 4)) {
    case 0:
        (void)snprintf(out->payload, WORLD_PAYLOAD,
                       "{\"reason\":\"unit\",\"station\":\"s%zu\",\"name\":\"level\",\"unit\":\"\","
                       "\"state\":0,\"value\":6.5,\"time_ns\":%lld,\"received_ns\":%lld}",
                       station + 1, received, received);
        break;
    case 1:
        (void)snprintf(
            out->payload, WORLD_PAYLOAD,
            "{\"reason\":\"label\",\"station\":\"s%zu\",\"received_ns\":%lld,\"message\":"
            "\"[{\\\"n\\\":\\\"temp\\\",\\\"v\\\":6}]\"}",
            station + 1, received);
        break;
    case 2:
        (void)snprintf(out->payload, WORLD_PAYLOAD,
                       "{\"reason\":\"store\",\"line\":\"water,site=my-tho,station=s%zu ph=7 1\"}",
                       station + 1);
        break;
    default:
        (void)snprintf(out->payload, WORLD_PAYLOAD, "{\"reason\":\"label\"}");
        break;
    }
}

/* An operator does something: mostly what makes sense. */
static inline void world_verb(struct world_stream *stream, size_t station, struct world_record *out)
{
    static const char *const verbs[] = { "ack",      "comment",        "shelve",
                                         "unshelve", "out-of-service", "in-service",
                                         "nothing" };
    static const char *const rules[] = { "level-high",   "temp-calmed",   "level-office",
                                         "level-rises",  "level-missing", "quiet",
                                         "salinity-high" };
    static const char *const others[] = { "site-silent", "my-tho",    "link-down",
                                          "phusa",       "disk-full", "phusa" };
    struct draws *draws = &stream->draws;
    const char *rule = rules[draw_below(draws, 7)];
    char id[] = { 's', (char)('1' + station), '\0' };
    size_t other = 2 * draw_below(draws, 8);
    const char *about = other < 6 ? others[other + 1] : id;
    rule = other < 6 ? others[other] : rule;
    (void)snprintf(
        out->payload, WORLD_PAYLOAD,
        "{\"do\":\"%s\",\"rule\":\"%s\",\"station\":\"%s\",\"who\":\"lan\",\"text\":"
        "\"because\",\"until\":%lld}",
        verbs[draw_below(draws, 7)], rule, about,
        (long long)(stream->now_ns / SECOND_NS + (int64_t)draw_below(draws, 2000) - 100));
}

/* Something befalls the collector itself, or is over. */
static inline void world_condition(struct world_stream *stream, struct world_record *out)
{
    static const char *const ids[] = { "disk-full", "spool-full", "broker-drops", "journal",
                                       "link-down" };
    struct draws *draws = &stream->draws;
    const char *id = ids[draw_below(draws, 5)];
    (void)snprintf(out->payload, WORLD_PAYLOAD, "%s %s %u", id,
                   draw_below(draws, 2) == 0 ? "on" : "off", (unsigned)draw_below(draws, 1000));
}

/* The next record of the stream. */
static inline void world_next(struct world_stream *stream, struct world_record *out)
{
    static const char *const leaves[] = { "obs", "status", "cmd" };
    struct draws *draws = &stream->draws;
    /* Half of it is of one station, so that its histories overflow. */
    size_t station = draw_below(draws, 2) == 0 ? 0 : (size_t)draw_below(draws, 5), leaf = 0;
    uint64_t kind = draw_below(draws, 43);
    stream->now_ns += (int64_t)draw_below(draws, 90) * SECOND_NS;
    if (draw_below(draws, 150) == 0) {
        stream->now_ns -= (int64_t)draw_below(draws, 4000) * SECOND_NS; /* the clock steps back */
    }
    out->record = (struct journal_record){ .position = ++stream->position,
                                           .time = { stream->now_ns },
                                           .kind = JOURNAL_MESSAGE };
    out->payload[0] = '\0';
    if (kind < 6) {
        out->record.kind = JOURNAL_TICK;
    } else if (kind < 8) {
        out->record.kind = JOURNAL_REQUEUED;
        world_requeue(stream, station, out);
    } else if (kind < 10) {
        out->record.kind = JOURNAL_VERB;
        world_verb(stream, station, out);
    } else if (kind == 10) {
        out->record.kind = JOURNAL_LINK;
        (void)snprintf(out->payload, WORLD_PAYLOAD, "%s",
                       draw_below(draws, 8) == 0 ? "down" : "up");
    } else if (kind == 11 && draw_below(draws, 2) == 0) {
        out->record.kind = JOURNAL_CONDITION;
        world_condition(stream, out);
    } else if (kind == 11) {
        (void)snprintf(out->payload, WORLD_PAYLOAD, "[{\"n\":");
    } else if (kind == 12) {
        leaf = 2;
    } else if (kind < 17) {
        leaf = 1;
        world_status(stream, station, out);
    } else {
        world_report(stream, station, out);
    }
    (void)snprintf(out->topic, sizeof out->topic, "phusa/1/my-tho/s%zu/%s", station + 1,
                   leaves[leaf]);
    out->record.topic = phusa_text_of(out->topic);
    out->record.payload = phusa_text_of(out->payload);
}

#endif
