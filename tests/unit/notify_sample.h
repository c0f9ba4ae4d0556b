/* Rules, stations and notices for the tests of notify, and an outbox in a folder of its own. */
#ifndef NOTIFY_SAMPLE_H
#define NOTIFY_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "notify/delivery.h"

static const struct phusa_parameter sample_salinity = {
    .name = { "salinity", 8 },
    .unit = { "g/L", 3 },
    .label_vi = "Độ mặn",
    .label_en = "Salinity",
    .maximum = 45,
    .resolution = 0.01,
};

static const struct phusa_parameter sample_disk_free = {
    .name = { "disk_free", 9 },
    .unit = { "MB", 2 },
    .label_vi = "Dung lượng đĩa còn trống",
    .label_en = "Free disk space",
    .maximum = 1e18,
    .resolution = 1,
};

static const struct station sample_stations[] = {
    { .id = "s1",
      .site = "my-tho",
      .kind = "water",
      .name = "Trạm 1",
      .every_ns = 300 * SECOND_NS },
    { .id = "s2",
      .site = "my-tho",
      .kind = "water",
      .name = "Trạm 2",
      .every_ns = 300 * SECOND_NS },
};

#define SAMPLE_RULE(name, count, ...)                                                              \
    {                                                                                              \
        .id = (name), .kind = "water", .parameter = &sample_salinity, .direction = RULE_ABOVE,     \
        .levels = { { .severity = SEVERITY_MINOR, .raise_high = 1, .clear_high = 0.8 },            \
                    { .severity = SEVERITY_SEVERE, .raise_high = 4.5, .clear_high = 3.5 } },       \
        .level_count = 2, .channels = { __VA_ARGS__ }, .channel_count = (count),                   \
        .message_vi = "Nước mặn", .message_en = "Saline water"                                     \
    }

enum { RULE_NONE, RULE_IOC, RULE_BOTH, RULE_OWN };
static const struct rule sample_rules[] = {
    [RULE_NONE] = SAMPLE_RULE("salinity-quiet", 0, 0),
    [RULE_IOC] = SAMPLE_RULE("salinity-fields", 1, 0),
    [RULE_BOTH] = SAMPLE_RULE("salinity-both", 2, 0, 1),
    [RULE_OWN] = { .id = "disk-full", /* the collector's own: without levels */
                   .kind = "collector",
                   .parameter = &sample_disk_free,
                   .channels = { 1 },
                   .channel_count = 1,
                   .message_vi = "Đĩa đã đầy",
                   .message_en = "The disk is full" },
};

#define SAMPLE_TIME_S INT64_C(1362096000)

static inline struct notice sample_notice(int rule, int64_t station, int64_t after_s,
                                          enum severity from, enum severity to)
{
    int64_t time_ns = (SAMPLE_TIME_S + after_s) * SECOND_NS;
    return (struct notice){ .rule = &sample_rules[rule],
                            .station = &sample_stations[station],
                            .from = from,
                            .to = to,
                            .time_ns = time_ns,
                            .since_ns = time_ns,
                            .value = 4.875,
                            .tell = true,
                            .position = (uint64_t)after_s + 1 };
}

static char sample_folder[64], sample_path[96];

static inline void sample_make_folder(void)
{
    (void)snprintf(sample_folder, sizeof sample_folder, "/tmp/phusa-outbox-XXXXXX");
    if (mkdtemp(sample_folder) == NULL) {
        abort();
    }
    (void)snprintf(sample_path, sizeof sample_path, "%s/outbox.db", sample_folder);
}

static inline void sample_remove_folder(void)
{
    static const char *const ends[] = {
        "",
        "-wal",
        "-shm",
        "-journal",
        ".damaged-1",
        ".damaged-1-wal",
        ".damaged-1-shm",
        ".damaged-2",
        ".damaged-2-wal",
        ".damaged-2-shm",
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", sample_path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(sample_folder);
}

#endif
