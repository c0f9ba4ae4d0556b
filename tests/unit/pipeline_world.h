/* Settings and a random stream of records for tests of the pipeline over restarts. */
#ifndef TESTS_PIPELINE_WORLD_H
#define TESTS_PIPELINE_WORLD_H

#include "draws.h"
#include "pipeline.h"

#define WORLD_NOW_NS  (INT64_C(1700000000) * SECOND_NS)
#define WORLD_PAYLOAD 1024

static const struct phusa_parameter world_parameters[] = {
    { .name = { "level", 5 }, .minimum = -5, .maximum = 20, .resolution = 0.01 },
    { .name = { "ph", 2 }, .minimum = 0, .maximum = 14, .resolution = 0.01 },
    { .name = { "salinity", 8 }, .minimum = 0, .maximum = 45, .resolution = 0.01 },
    { .name = { "temp", 4 }, .minimum = -5, .maximum = 60, .resolution = 0.1 },
};
/* The same without "ph": its pointers lie elsewhere, too. */
static const struct phusa_parameter world_other_parameters[] = {
    { .name = { "level", 5 }, .minimum = -5, .maximum = 20, .resolution = 0.01 },
    { .name = { "salinity", 8 }, .minimum = 0, .maximum = 45, .resolution = 0.01 },
    { .name = { "temp", 4 }, .minimum = -5, .maximum = 60, .resolution = 0.1 },
};

#define WORLD_STATION(text, pace)                                                                  \
    {                                                                                              \
        .id = (text), .site = "my-tho", .kind = "water", .name = (text),                           \
        .every_ns = (pace)*SECOND_NS                                                               \
    }
static const struct station world_stations[] = {
    WORLD_STATION("s1", 60),
    WORLD_STATION("s2", 300),
    WORLD_STATION("s3", 60),
    WORLD_STATION("s4", 600),
};
static const struct station world_other_stations[] = {
    WORLD_STATION("s1", 60),
    WORLD_STATION("s3", 600),
    WORLD_STATION("s5", 60),
};

#define WORLD_RULE(text, of, limit, lasting)                                                       \
    {                                                                                              \
        .id = (text), .kind = "water", .parameter = (of), .direction = RULE_ABOVE,                 \
        .levels = { { SEVERITY_MINOR, 0, (limit), 0, (limit)-1, (lasting)*SECOND_NS, 0 },          \
                    { SEVERITY_SEVERE, 0, (limit) + 2, 0, (limit) + 1, 0, (lasting)*SECOND_NS } }, \
        .level_count = 2, .max_gap_ns = 1800 * SECOND_NS, .accept = 6                              \
    }
static const struct rule world_rules[] = {
    WORLD_RULE("level-high", &world_parameters[0], 5, 0),
    WORLD_RULE("salinity-high", &world_parameters[2], 4, 120),
    WORLD_RULE("salinity-higher", &world_parameters[2], 5, 60),
    WORLD_RULE("temp-high", &world_parameters[3], 5, 30),
};
static const struct rule world_other_rules[] = {
    WORLD_RULE("level-high", &world_other_parameters[0], 5, 0),
    WORLD_RULE("salinity-high", &world_other_parameters[1], 4.5, 120), /* judges otherwise */
    WORLD_RULE("temp-high", &world_other_parameters[2], 5, 30),
};

static const struct phusa_parameter world_missing = { .name = { "missing_reports", 15 } };
#define WORLD_MAINTENANCE                                                                          \
    {                                                                                              \
        .gap_ns = 900 * SECOND_NS, .rules = {                                                      \
            { .id = "reports-missing", .parameter = &world_missing },                              \
            { .id = "disk-full", .parameter = &world_missing },                                    \
            { .id = "spool-full", .parameter = &world_missing },                                   \
            { .id = "broker-drops", .parameter = &world_missing },                                 \
            { .id = "journal", .parameter = &world_missing }                                       \
        }                                                                                          \
    }
static const struct settings world_settings = { .file = "world",
                                                .ahead_ns = 300 * SECOND_NS,
                                                .catalogue = { world_parameters, 4 },
                                                .registry = { world_stations, 4 },
                                                .rulebook = { world_rules, 4 },
                                                .maintenance = WORLD_MAINTENANCE };
static const struct settings world_other_settings = { .file = "world",
                                                      .ahead_ns = 300 * SECOND_NS,
                                                      .catalogue = { world_other_parameters, 3 },
                                                      .registry = { world_other_stations, 3 },
                                                      .rulebook = { world_other_rules, 3 },
                                                      .maintenance = WORLD_MAINTENANCE };

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

static inline void world_report(struct world_stream *stream, size_t station,
                                struct world_record *out)
{
    static const char *const names[] = { "level", "ph", "salinity", "temp", "nope" };
    struct draws *draws = &stream->draws;
    bool numbered = station < 3 && draw_below(draws, 20) > 0;
    uint64_t seq = world_number(stream, station);
    int64_t late = draw_below(draws, 6) == 0 ? (int64_t)draw_below(draws, 7200) : 0;
    int64_t time = stream->now_ns / SECOND_NS - late;
    time -= station == 1 ? 4 * 86400 : 0; /* its clock is behind */
    uint64_t wrong = draw_below(draws, 12);
    time = wrong == 0 ? 946684800 + late : (wrong == 1 ? time + 9 * 86400 : time);
    size_t used = (size_t)snprintf(out->payload, WORLD_PAYLOAD, "[{\"bn\":\"s%zu:\",\"bt\":%lld,",
                                   station + 1, (long long)time);
    if (numbered) {
        unsigned log = stream->log[station];
        log -= log > 16 && draw_below(draws, 10) == 0 ? 16 : 0; /* of the log before: on its way */
        used += (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                                 "\"log\":\"%08x\",\"seq\":%llu,", log, (unsigned long long)seq);
    }
    if (wrong == 2) {
        int64_t up = stream->now_ns / SECOND_NS % 10000; /* it boots at each full 10,000 s */
        used = (size_t)snprintf(out->payload, WORLD_PAYLOAD, "[{\"boot\":%lld,\"up\":%lld,",
                                (long long)(stream->now_ns / SECOND_NS / 10000), (long long)up);
        used += (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                                 "\"log\":\"%08x\",\"seq\":%llu,", stream->log[station],
                                 (unsigned long long)seq);
    }
    size_t count = 1 + draw_below(draws, 3);
    for (size_t i = 0; i < count; i++) {
        used +=
            (size_t)snprintf(out->payload + used, WORLD_PAYLOAD - used,
                             "%s\"n\":\"%s\",\"v\":%.1f}", i == 0 ? "" : ",{",
                             names[draw_below(draws, 15) % 5], (double)draw_below(draws, 100) / 10);
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

/* The next record of the stream. */
static inline void world_next(struct world_stream *stream, struct world_record *out)
{
    static const char *const leaves[] = { "obs", "status", "cmd" };
    struct draws *draws = &stream->draws;
    /* Half of it is of one station, so that its histories overflow. */
    size_t station = draw_below(draws, 2) == 0 ? 0 : (size_t)draw_below(draws, 5), leaf = 0;
    uint64_t kind = draw_below(draws, 40);
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
    } else if (kind == 8) {
        (void)snprintf(out->payload, WORLD_PAYLOAD, "[{\"n\":");
    } else if (kind == 9) {
        leaf = 2;
    } else if (kind < 14) {
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
