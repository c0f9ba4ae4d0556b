/* A view with what a page can show, for the tests of the console. */
#ifndef CONSOLE_SAMPLE_H
#define CONSOLE_SAMPLE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console/console.h"

#define SAMPLE_NOW_S INT64_C(1763735710) /* 2025-11-21 14:35:10 UTC, 21:35:10 in Vietnam */

static const struct phusa_parameter sample_parameters[] = {
    { .name = { "do", 2 },
      .unit = { "mg/L", 4 },
      .label_vi = "Ôxy hòa tan",
      .label_en = "Dissolved oxygen",
      .maximum = 30,
      .resolution = 0.01 },
    { .name = { "level", 5 },
      .unit = { "m", 1 },
      .label_vi = "Mực nước",
      .label_en = "Water level",
      .maximum = 10,
      .resolution = 0.001 },
    { .name = { "pm25", 4 },
      .unit = { "ug/m3", 5 },
      .label_vi = "Bụi mịn PM2.5",
      .label_en = "Fine dust PM2.5",
      .maximum = 1000,
      .resolution = 0.1 },
    { .name = { "salinity", 8 },
      .unit = { "g/L", 3 },
      .label_vi = "Độ mặn",
      .label_en = "Salinity",
      .maximum = 45,
      .resolution = 0.01 },
    { .name = { "temp", 4 },
      .unit = { "Cel", 3 },
      .label_vi = "Nhiệt độ",
      .label_en = "Temperature",
      .maximum = 60,
      .resolution = 0.1 },
    { .name = { "turbidity", 9 },
      .unit = { "NTU", 3 },
      .label_vi = "Độ đục",
      .label_en = "Turbidity",
      .maximum = 4000,
      .resolution = 1 },
};
enum { SAMPLE_DO, SAMPLE_LEVEL, SAMPLE_PM25, SAMPLE_SALINITY, SAMPLE_TEMP, SAMPLE_TURBIDITY };

static const struct station sample_stations[] = {
    { .id = "mt-cau",
      .site = "my-tho",
      .kind = "water",
      .name = "Cầu Rạch Miễu",
      .every_ns = 300 * SECOND_NS },
    { .id = "mt-cang",
      .site = "my-tho",
      .kind = "water",
      .name = "Cảng Mỹ Tho",
      .every_ns = 300 * SECOND_NS },
    { .id = "mt-hoang",
      .site = "my-tho",
      .kind = "water",
      .name = "Cống <Xuân Hòa> & \"Bảo Định\"",
      .every_ns = 300 * SECOND_NS },
    { .id = "mt-moi",
      .site = "my-tho",
      .kind = "water",
      .name = "Trạm mới",
      .every_ns = 300 * SECOND_NS },
    { .id = "pq-an-thoi",
      .site = "phu-quoc",
      .kind = "air",
      .name = "An Thới",
      .every_ns = 3600 * SECOND_NS },
    { .id = "pq-duong-dong",
      .site = "phu-quoc",
      .kind = "air",
      .name = "Dương Đông",
      .every_ns = 3600 * SECOND_NS },
};
#define SAMPLE_STATIONS (sizeof sample_stations / sizeof sample_stations[0])

static const struct rule sample_rules[] = {
    { .id = "salinity-fields",
      .kind = "water",
      .parameter = &sample_parameters[SAMPLE_SALINITY],
      .direction = RULE_ABOVE,
      .levels = { { .severity = SEVERITY_MINOR, .raise_high = 1, .clear_high = 0.8 },
                  { .severity = SEVERITY_SEVERE, .raise_high = 4, .clear_high = 3.5 } },
      .level_count = 2,
      .message_vi = "Nước mặn: đóng cống, không lấy nước tưới",
      .message_en = "Saline water: close the sluice, do not take water" },
    { .id = "do-low",
      .kind = "water",
      .parameter = &sample_parameters[SAMPLE_DO],
      .direction = RULE_BELOW,
      .levels = { { .severity = SEVERITY_MODERATE, .raise_low = 4, .clear_low = 4.5 } },
      .level_count = 1,
      .message_vi = "Ôxy thấp: chạy quạt nước",
      .message_en = "Low oxygen: run the aerators" },
};

static inline struct console_reading sample_reading(int parameter, double value, int64_t age_s,
                                                    uint8_t flag)
{
    return (struct console_reading){ .parameter = &sample_parameters[parameter],
                                     .value = value,
                                     .time_ns = (SAMPLE_NOW_S - age_s) * SECOND_NS,
                                     .flag = flag };
}

/* Static storage: one view at a time. */
static struct console_reading sample_readings[SAMPLE_STATIONS][5];
static struct console_station sample_station_views[SAMPLE_STATIONS];
static struct console_alarm sample_alarms[] = {
    { .rule = &sample_rules[0],
      .station = &sample_stations[0],
      .severity = SEVERITY_SEVERE,
      .since_ns = (SAMPLE_NOW_S - 1800) * SECOND_NS,
      .value = 4.316,
      .life = "UNACK",
      .told = SEVERITY_SEVERE },
    { .rule = &sample_rules[1],
      .station = &sample_stations[1],
      .severity = SEVERITY_MODERATE,
      .since_ns = (SAMPLE_NOW_S - 90000) * SECOND_NS,
      .value = 3.2,
      .life = "ACKED",
      .told = SEVERITY_MODERATE },
};

static inline void sample_station(size_t at, enum console_link link, int64_t seen_s,
                                  size_t readings)
{
    sample_station_views[at] = (struct console_station){
        .station = &sample_stations[at],
        .link = link,
        .last_seen_ns = seen_s == 0 ? 0 : (SAMPLE_NOW_S - seen_s) * SECOND_NS,
        .received = 1000 * (at + 1),
        .accepted = 900 * (at + 1),
        .duplicates = 3 * at,
        .reports = 100 * (at + 1),
        .reading_count = readings,
        .readings = sample_readings[at],
    };
}

#define SAMPLE_GAP_S 10800 /* how long the last station's oldest gap has been open */

static struct console_gap sample_gaps[] = {
    { 41, 43, (SAMPLE_NOW_S - SAMPLE_GAP_S) * SECOND_NS, NULL },
    { 50, 51, (SAMPLE_NOW_S - 7200) * SECOND_NS, NULL },
    { 1, 12, (SAMPLE_NOW_S - 400000) * SECOND_NS, "overwritten" },
};
static struct console_gap sample_old_gaps[] = {
    { 901, 904, (SAMPLE_NOW_S - 500000) * SECOND_NS, "log erased" },
};
static struct console_log sample_logs[] = {
    { .log = 0x5f3a09c1,
      .current = true,
      .highest = 60,
      .announced = 61,
      .received = 43,
      .filled = 2,
      .missing = 5,
      .overwritten = 12,
      .oldest_gap_ns = (SAMPLE_NOW_S - SAMPLE_GAP_S) * SECOND_NS,
      .gap_count = 3,
      .gaps = sample_gaps },
    { .log = 0x0000beef,
      .highest = 904,
      .announced = 904,
      .received = 900,
      .erased = 4,
      .gap_count = 1,
      .gaps = sample_old_gaps },
};

/* What the last station lacks. */
static inline void sample_ledger(struct console_station *station)
{
    station->stored = station->accepted - 4;
    station->pending = 4;
    station->reconstructed = 7;
    station->clock = (struct console_clock){ .verdict = "good",
                                             .said = "held",
                                             .has_difference = true,
                                             .has_drift = true,
                                             .drifting = true,
                                             .difference_ns = 400 * SECOND_NS,
                                             .smallest_ns = 310 * SECOND_NS + 500 * MILLI_NS,
                                             .drift_ms_per_day = 2500 };
    station->missing_reports = 5;
    station->closed_reports = 19; /* 3 of a log that was forgotten */
    station->went_back = 1;
    station->renumbered = 2;
    station->oldest_gap_ns = sample_logs[0].oldest_gap_ns;
    station->log_count = 2;
    station->logs = sample_logs;
}

static inline void sample_fill(struct console_view *view)
{
    struct console_reading first[] = { sample_reading(SAMPLE_DO, 5.914, 40, PHUSA_FLAG_GOOD),
                                       sample_reading(SAMPLE_LEVEL, -0.4821, 40, PHUSA_FLAG_GOOD),
                                       sample_reading(SAMPLE_SALINITY, 4.3163, 40, PHUSA_FLAG_GOOD),
                                       sample_reading(SAMPLE_TEMP, 28.44, 40, PHUSA_FLAG_SUSPECT),
                                       sample_reading(SAMPLE_TURBIDITY, 5321, 40,
                                                      PHUSA_FLAG_FAIL) };
    struct console_reading second[] = {
        sample_reading(SAMPLE_DO, 3.2, 1500, PHUSA_FLAG_NOT_EVALUATED),
        sample_reading(SAMPLE_SALINITY, 0.42, 1500, PHUSA_FLAG_GOOD),
        sample_reading(SAMPLE_TEMP, 28.9, 1500, PHUSA_FLAG_GOOD)
    };
    memcpy(sample_readings[0], first, sizeof first);
    memcpy(sample_readings[1], second, sizeof second);
    sample_readings[4][0] = sample_reading(SAMPLE_PM25, 18.25, 2400, PHUSA_FLAG_GOOD);
    sample_readings[4][1] = sample_reading(SAMPLE_TEMP, 30.12, 2400, PHUSA_FLAG_GOOD);
    sample_readings[5][0] = sample_reading(SAMPLE_PM25, NAN, 200000, PHUSA_FLAG_MISSING);
    sample_station(0, CONSOLE_ONLINE, 38, 5);
    sample_station(1, CONSOLE_QUIET, 1498, 3);
    sample_station(2, CONSOLE_OFFLINE, 250000, 0);
    sample_station(3, CONSOLE_NEVER_SEEN, 0, 0);
    sample_station(4, CONSOLE_ONLINE, 2398, 2);
    sample_station(5, CONSOLE_OFFLINE, 199000, 1);
    sample_station_views[0].severity = SEVERITY_SEVERE;
    sample_station_views[1].severity = SEVERITY_MODERATE;
    sample_station_views[1].reasons[PHUSA_REASON_UNIT] = 7;
    sample_station_views[1].quarantined = 7;
    sample_ledger(&sample_station_views[5]);
    *view = (struct console_view){
        .totals = { .now = { SAMPLE_NOW_S * SECOND_NS },
                    .up_ns = 93784 * SECOND_NS,
                    .version = "0.1.0",
                    .broker_connected = true,
                    .journal_writable = true,
                    .store_up = true,
                    .ready = true,
                    .not_ready = "",
                    .start_progress = 1,
                    .messages = 412345,
                    .received = 1234567,
                    .stored = 1234001,
                    .pending = 412,
                    .quarantined = 7,
                    .duplicates = 147,
                    .reports_refused = 3 },
        .report_count = 1,
        .reports = { { .channel = "text",
                       .delivered = 41,
                       .failed_later = 5,
                       .noted = 7,
                       .overdue = 2 } },
        .utc_offset_s = 7 * 3600,
        .station_count = SAMPLE_STATIONS,
        .stations = sample_station_views,
        .alarm_count = 2,
        .alarms = sample_alarms,
    };
    view->totals.unknown_reasons[PHUSA_REASON_TOPIC] = 3;
}

#endif
