/* How the readings of a report are dated: by their stamps, as long as those can be believed. */
#include "pipeline_state.h"

#define WRONG_NS (INT64_C(24) * 3600 * SECOND_NS) /* where settings say nothing */
#define COLLECTOR_OFF_NS                                                                           \
    (7 * INT64_C(24) * 3600 * SECOND_NS) /* by so much its own clock may be off for some time */

static int64_t wrong_of(const struct settings *settings)
{
    int64_t wrong = settings->clock_wrong_ns > 0 ? settings->clock_wrong_ns : WRONG_NS;
    return wrong > settings->ahead_ns ? wrong : settings->ahead_ns;
}

static struct station_clock_limits limits_of(const struct pipeline *pipeline,
                                             const struct station_state *station)
{
    const struct settings *settings = pipeline->settings;
    return (struct station_clock_limits){
        .ahead_ns = settings->ahead_ns,
        .wrong_ns = wrong_of(settings),
        .every_ns = station->station->every_ns,
    };
}

int64_t clock_horizon(const struct pipeline *pipeline)
{
    int64_t horizon;
    bool beyond = __builtin_add_overflow(pipeline->now_ns,
                                         wrong_of(pipeline->settings) + COLLECTOR_OFF_NS, &horizon);
    return beyond ? INT64_MAX : horizon;
}

void clock_judge(struct pipeline *pipeline, struct station_state *station, int64_t received_ns)
{
    const struct phusa_report *report = &pipeline->report;
    struct dating *dating = &pipeline->dating;
    struct station_clock_limits limits = limits_of(pipeline, station);
    struct station_clock_report seen = station_clock_begin(&station->clock, &limits, received_ns);
    seen.unset = report->has_boot || report->has_up;
    seen.dateable = report->has_boot && report->has_up && report->has_log;
    seen.past = pipeline->again || pipeline->put_back;
    seen.log = report->log;
    seen.boot = report->boot;
    seen.up_s = report->up;
    for (size_t i = 0; i < report->count; i++) {
        if (report->readings[i].time_valid) {
            station_clock_see(&seen, report->readings[i].time_ns,
                              report->readings[i].time_relative);
        }
    }
    *dating =
        (struct dating){ .report = seen, .verdict = station_clock_take(&station->clock, &seen) };
}

void clock_keep(struct pipeline *pipeline)
{
    pipeline->dating = (struct dating){ .kept = true };
}

struct station_clock_place clock_place(const struct pipeline *pipeline,
                                       const struct phusa_reading *reading)
{
    const struct dating *dating = &pipeline->dating;
    if (dating->kept || !reading->time_valid) {
        return (struct station_clock_place){ reading->time_ns, dating->kept, false };
    }
    return station_clock_place(&dating->report, &dating->verdict, reading->time_ns,
                               reading->time_relative);
}

void clock_status(struct station_state *station, const struct phusa_status_message *message)
{
    static const enum station_clock_said said[] = {
        [PHUSA_CLOCK_UNSET] = STATION_CLOCK_SAID_UNSET,
        [PHUSA_CLOCK_HELD] = STATION_CLOCK_SAID_HELD,
        [PHUSA_CLOCK_SYNCED] = STATION_CLOCK_SAID_SYNCED,
    };
    if (message->online) { /* a will says nothing of the clock */
        station->clock.said = (uint8_t)said[message->clock];
    }
}
