/*
 * A pipeline to try things on: settings are the test's, records are SenML JSON and a tick a minute,
 * what is written to the store is taken apart into points. A point is one field of one line: of its
 * head (measurement and tags), its name and its time there is one, with the number of times it was
 * written. On a store that does not overwrite, no point may be written with two values: that is
 * looked at with every line of every test.
 */
#ifndef TESTS_PIPELINE_BED_H
#define TESTS_PIPELINE_BED_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

#define BED_POINTS   (1u << 20) /* places; at most half are used */
#define BED_NOTICES  4096
#define BED_LINE_MAX 4096
#define BED_UTC_S    (7 * 3600)
#define MINUTE_NS    (60 * SECOND_NS)
#define HOUR_NS      (3600 * SECOND_NS)
#define DAY_NS       (24 * HOUR_NS)

struct bed_point {
    char *key; /* head, a blank, field, '@', time */
    char value[32];
    unsigned writes;
};

struct bed {
    const struct settings *settings;
    struct pipeline *pipeline;
    int64_t now_ns;
    uint64_t position;
    struct bed_point *points;
    size_t point_count;
    char last[BED_LINE_MAX]; /* the last line that holds readings */
    struct notice notices[BED_NOTICES];
    size_t notice_count;
    uint64_t aside;
};

/* 00:00 UTC of a date is so many days after 1970-01-01 (Gregorian). */
static inline int64_t bed_days(int64_t year, int64_t month, int64_t day)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    int64_t past = year - 1;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719162 + before[month - 1] +
           (leap && month > 2 ? 1 : 0) + day - 1;
}

/* A local time (UTC+7). */
static inline int64_t bed_local(int64_t year, int64_t month, int64_t day, int64_t hour,
                                int64_t minute)
{
    int64_t minutes = (bed_days(year, month, day) * 24 + hour) * 60 + minute;
    return minutes * MINUTE_NS - BED_UTC_S * SECOND_NS;
}

/* --- points -------------------------------------------------------------------------------- */

static inline struct bed_point *bed_place(const struct bed *bed, const char *key)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *at = key; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 1099511628211u;
    }
    size_t place = (size_t)(hash ^ hash >> 29) % BED_POINTS;
    while (bed->points[place].key != NULL && strcmp(bed->points[place].key, key) != 0) {
        place = (place + 1) % BED_POINTS;
    }
    return &bed->points[place];
}

static inline void bed_note(struct bed *bed, const char *key, const char *value)
{
    struct bed_point *point = bed_place(bed, key);
    if (point->key == NULL) {
        point->key = strdup(key);
        assert_true(point->key != NULL && ++bed->point_count < BED_POINTS / 2);
    } else if (strcmp(point->value, value) != 0 && bed->settings->store.kind == STORE_VICTORIA) {
        fail_msg("%s is %s and then %s", key, point->value, value);
    }
    (void)snprintf(point->value, sizeof point->value, "%s", value);
    point->writes++;
}

/* No value of ours holds a blank, a comma or an '='. */
static inline void bed_take_line(struct bed *bed, char *line)
{
    char key[BED_LINE_MAX + 64], *rest = line, *head = strsep(&rest, " ");
    char *fields = strsep(&rest, " ");
    assert_true(fields != NULL && rest != NULL);
    while (fields != NULL) {
        char *value = strsep(&fields, ","), *name = strsep(&value, "=");
        assert_non_null(value);
        (void)snprintf(key, sizeof key, "%s %s@%s", head, name, rest);
        bed_note(bed, key, value);
    }
}

static inline void bed_take_lines(void *context, struct phusa_text lines, uint32_t readings,
                                  uint64_t position)
{
    struct bed *bed = context;
    char line[BED_LINE_MAX];
    (void)position;
    while (lines.length > 0) {
        const char *end = memchr(lines.data, '\n', lines.length);
        assert_non_null(end);
        size_t length = (size_t)(end - lines.data);
        assert_true(length < sizeof line);
        memcpy(line, lines.data, length);
        line[length] = '\0';
        if (readings > 0) {
            memcpy(bed->last, line, length + 1);
        }
        bed_take_line(bed, line);
        lines = (struct phusa_text){ end + 1, lines.length - length - 1 };
    }
}

/* The point, NULL if it was never written. */
static inline const struct bed_point *bed_point(const struct bed *bed, const char *head,
                                                const char *field, int64_t time_ns)
{
    char key[BED_LINE_MAX];
    (void)snprintf(key, sizeof key, "%s %s@%lld", head, field, (long long)time_ns);
    const struct bed_point *point = bed_place(bed, key);
    return point->key == NULL ? NULL : point;
}

/* Its number; NaN if it was never written. */
static inline double bed_number(const struct bed *bed, const char *head, const char *field,
                                int64_t time_ns)
{
    const struct bed_point *point = bed_point(bed, head, field, time_ns);
    return point == NULL ? NAN : strtod(point->value, NULL);
}

/* How many points have a key that begins so. */
static inline size_t bed_count(const struct bed *bed, const char *begin)
{
    size_t count = 0;
    for (size_t i = 0; i < BED_POINTS; i++) {
        const char *key = bed->points[i].key;
        count += key != NULL && strncmp(key, begin, strlen(begin)) == 0 ? 1 : 0;
    }
    return count;
}

/* --- the pipeline --------------------------------------------------------------------------- */

static inline void bed_take_notice(void *context, const struct notice *notice)
{
    struct bed *bed = context;
    assert_true(bed->notice_count < BED_NOTICES);
    bed->notices[bed->notice_count++] = *notice;
}

static inline void bed_take_aside(void *context, const struct set_aside *item)
{
    struct bed *bed = context;
    assert_non_null(item->detail);
    bed->aside++;
}

static inline void bed_begin(struct bed *bed, const struct settings *settings, bool single)
{
    struct pipeline_sink sink = { .context = bed,
                                  .lines = bed_take_lines,
                                  .notice = bed_take_notice,
                                  .set_aside = bed_take_aside,
                                  .single = single };
    *bed = (struct bed){ .settings = settings };
    bed->points = calloc(BED_POINTS, sizeof *bed->points);
    bed->pipeline = pipeline_create(settings, &sink);
    assert_true(bed->points != NULL && bed->pipeline != NULL);
}

static inline void bed_end(struct bed *bed)
{
    pipeline_free(bed->pipeline);
    for (size_t i = 0; i < BED_POINTS; i++) {
        free(bed->points[i].key);
    }
    free(bed->points);
}

static inline void bed_take(struct bed *bed, enum journal_kind kind, const char *topic,
                            const char *payload)
{
    struct journal_record record = { .position = ++bed->position,
                                     .time = { bed->now_ns },
                                     .kind = kind,
                                     .topic = phusa_text_of(topic),
                                     .payload = phusa_text_of(payload) };
    pipeline_take(bed->pipeline, &record);
}

/* Time passes, with a tick each minute. */
static inline void bed_until(struct bed *bed, int64_t time_ns)
{
    if (bed->now_ns == 0) {
        bed->now_ns = time_ns;
    }
    for (int64_t tick = (bed->now_ns / MINUTE_NS + 1) * MINUTE_NS; tick <= time_ns;
         tick += MINUTE_NS) {
        bed->now_ns = tick;
        bed_take(bed, JOURNAL_TICK, "", "");
    }
    bed->now_ns = time_ns;
}

/* A message of station s1, received now. */
static inline void bed_send(struct bed *bed, const char *payload)
{
    bed_take(bed, JOURNAL_MESSAGE, "phusa/1/my-tho/s1/obs", payload);
}

/* One reading of it. */
static inline void bed_reading(struct bed *bed, const char *name, int64_t time_ns, double value)
{
    char payload[256];
    (void)snprintf(
        payload, sizeof payload, "[{\"bn\":\"s1:\",\"bt\":%lld.%03lld,\"n\":\"%s\",\"v\":%.17g}]",
        (long long)(time_ns / SECOND_NS), (long long)(time_ns / 1000000 % 1000), name, value);
    bed_send(bed, payload);
}

/* Every reading that was received is stored, came before, or is set aside. */
static inline void bed_check_counts(const struct bed *bed)
{
    struct pipeline_counters counters;
    pipeline_read_counters(bed->pipeline, &counters);
    assert_int_equal(counters.received,
                     counters.duplicates + counters.accepted + counters.quarantined);
    assert_int_equal(counters.quarantined, bed->aside);
}

#endif
