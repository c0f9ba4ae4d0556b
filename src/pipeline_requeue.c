/*
 * What was set aside comes again, usually after the settings were mended. First it is taken
 * back from the counts, then it goes the way of what comes for the first time, with its original
 * receive time; only rules judge it as of now, so that what is old wakes nobody.
 */
#include <string.h>

#include "pipeline_aside.h"
#include "pipeline_state.h"

/* Whether the message had got as far as to count as a report. */
static bool was_report(const struct aside *aside, struct phusa_text topic)
{
    struct phusa_topic parts;
    return aside->kind == ASIDE_MESSAGE && aside->reason != PHUSA_REASON_SITE &&
           phusa_topic_parse(topic, &parts) == PHUSA_OK && parts.leaf == PHUSA_LEAF_OBS;
}

static uint64_t at_most(uint64_t wanted, uint64_t there)
{
    return wanted < there ? wanted : there;
}

/*
 * No more than was counted: a journal that is read again with other settings may have accepted
 * what was set aside then. It then counts as come twice, and the books balance all the same.
 */
static void take_back(struct pipeline *pipeline, const struct aside *aside, struct phusa_text topic,
                      uint64_t wanted)
{
    struct pipeline_counters *all = &pipeline->counters;
    struct station_state *station =
        aside->station.length == 0 ? NULL : state_find(pipeline, aside->station);
    bool line = aside->kind == ASIDE_LINE;
    uint64_t *reasons = station == NULL ? all->unknown_reasons : station->counts.reasons;
    uint64_t readings = at_most(wanted, reasons[aside->reason]);
    reasons[aside->reason] -= readings;
    all->quarantined -= readings;
    *(line ? &all->lost : &all->received) -= readings;
    if (station != NULL && readings > 0) {
        station->counts.quarantined -= readings;
        *(line ? &station->counts.lost : &station->counts.received) -= readings;
        station->counts.reports -=
            was_report(aside, topic) ? at_most(1, station->counts.reports) : 0;
    }
}

static void take_reading(struct pipeline *pipeline, const struct aside *aside,
                         const struct journal_record *original)
{
    struct phusa_topic topic;
    struct station_state *station;
    enum phusa_reason reason = flow_identify(pipeline, original, &topic, &station);
    pipeline->counters.received++;
    if (station != NULL) {
        station->counts.received++;
    }
    if (reason != PHUSA_REASON_NONE) {
        struct set_aside item = { .reason = reason,
                                  .record = original,
                                  .detail = check_detail(reason),
                                  .name = aside->reading.name,
                                  .value = aside->reading.value,
                                  .time_ns = aside->reading.time_ns,
                                  .reading = &aside->reading,
                                  .reconstructed = aside->reconstructed };
        flow_set_aside(pipeline, station, &item);
        return;
    }
    pipeline->readings[0] = aside->reading;
    pipeline->report = (struct phusa_report){ .readings = pipeline->readings,
                                              .capacity = PHUSA_REPORT_READINGS_MAX,
                                              .count = 1 };
    if (aside->reconstructed) {
        clock_keep(pipeline);
    } else {
        clock_judge(pipeline, station, original->time.ns);
    }
    flow_take_readings(pipeline, station, original);
}

_Static_assert(ASIDE_LINE_MAX < LINES_BYTES, "a line and its break fit");

static void take_line(struct pipeline *pipeline, struct phusa_text line, uint32_t readings,
                      uint64_t position)
{
    if (pipeline->sink.lines == NULL) {
        return;
    }
    memcpy(pipeline->lines, line.data, line.length);
    pipeline->lines[line.length] = '\n';
    pipeline->sink.lines(pipeline->sink.context,
                         (struct phusa_text){ pipeline->lines, line.length + 1 }, readings,
                         position);
}

void requeue_take(struct pipeline *pipeline, const struct journal_record *record)
{
    struct aside aside;
    if (!aside_parse(record->payload, &aside)) {
        flow_set_message_aside(pipeline, NULL, record, PHUSA_REASON_SYNTAX,
                               "not a description of what was set aside", 0);
        return;
    }
    struct journal_record original = { .position = record->position,
                                       .time = { aside.received_ns },
                                       .kind = JOURNAL_MESSAGE,
                                       .topic = record->topic,
                                       .payload = aside.text };
    uint32_t readings =
        aside.kind == ASIDE_LINE ? line_readings(aside.text, &pipeline->settings->registry) : 1;
    pipeline->put_back = true;
    pipeline->again = false;
    take_back(pipeline, &aside, record->topic, readings);
    switch (aside.kind) {
    case ASIDE_MESSAGE:
        flow_take_message(pipeline, &original);
        break;
    case ASIDE_READING:
        take_reading(pipeline, &aside, &original);
        break;
    case ASIDE_LINE:
        take_line(pipeline, aside.text, readings, record->position);
        break;
    }
    pipeline->put_back = false;
    aside_free(&aside);
}
