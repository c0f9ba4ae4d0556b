/* A tide: many stations cross a limit within a minute, and many people must hear of it. */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <math.h>

#include "notify_sample.h"

#define STORM_CHANNELS 3
#define STORM_PEOPLE   50 /* subscribers of each channel */
#define STORM_BURST    3

struct storm {
    size_t series;
    struct station *stations;
    char (*names)[24];
    char addresses[STORM_CHANNELS * STORM_PEOPLE][32];
    struct subscriber people[STORM_CHANNELS * STORM_PEOPLE];
    struct channel_settings channels[STORM_CHANNELS];
    struct rule rule;
    struct settings settings;
};

/* Everybody wants to hear of every station. False when out of memory. */
static inline bool storm_make(struct storm *storm, size_t series, int64_t gather_ns)
{
    static const char *const ids[STORM_CHANNELS] = { "sms-a", "sms-b", "mail" };
    storm->series = series;
    storm->stations = calloc(series, sizeof *storm->stations);
    storm->names = calloc(series, sizeof *storm->names);
    if (storm->stations == NULL || storm->names == NULL) {
        return false;
    }
    storm->rule = sample_rules[RULE_IOC];
    storm->rule.threshold = NAN;
    storm->rule.channel_count = STORM_CHANNELS;
    for (size_t i = 0; i < STORM_CHANNELS; i++) {
        storm->rule.channels[i] = i;
        storm->channels[i] =
            (struct channel_settings){ .id = ids[i],
                                       .kind = i == 2 ? CHANNEL_EMAIL : CHANNEL_SMS,
                                       .subscribers = true,
                                       .pace = { .burst = STORM_BURST, .gather_ns = gather_ns } };
    }
    for (size_t i = 0; i < (size_t)STORM_CHANNELS * STORM_PEOPLE; i++) {
        (void)snprintf(storm->addresses[i], sizeof storm->addresses[i], "%zu@example.vn", i);
        storm->people[i] = (struct subscriber){ .channel = ids[i / STORM_PEOPLE],
                                                .address = storm->addresses[i],
                                                .site = "my-tho",
                                                .use = "",
                                                .threshold = NAN,
                                                .active = true };
    }
    for (size_t i = 0; i < series; i++) {
        (void)snprintf(storm->names[i], sizeof storm->names[i], "s%zu", i);
        storm->stations[i] = sample_stations[0];
        storm->stations[i].id = storm->names[i];
    }
    storm->settings =
        (struct settings){ .channels = storm->channels,
                           .channel_count = STORM_CHANNELS,
                           .subscribers = { .items = storm->people,
                                            .count = (size_t)STORM_CHANNELS * STORM_PEOPLE } };
    return true;
}

static inline void storm_free(struct storm *storm)
{
    free(storm->stations);
    free(storm->names);
}

static inline struct notice storm_notice(const struct storm *storm, size_t at)
{
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_SEVERE);
    notice.rule = &storm->rule;
    notice.station = &storm->stations[at];
    notice.transition = true;
    notice.position = at + 1;
    return notice;
}

#endif
