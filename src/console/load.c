#include "console/load.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (2u * LOAD_SERIES_MAX) /* of the table that finds a series; a power of two */

struct load {
    int64_t from_ns, to_ns;
    unsigned operators;
    uint64_t low, medium, high, others;
    size_t step_count, series_count;
    uint32_t *steps;       /* raises in each ten minutes */
    uint16_t slots[SLOTS]; /* 1 + index of a series; 0 = free */
    struct load_series series[LOAD_SERIES_MAX];
};

struct load *load_create(int64_t from_ns, int64_t to_ns, unsigned operators)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL) {
        return NULL;
    }
    load->from_ns = from_ns;
    load->to_ns = to_ns;
    load->operators = operators == 0 ? 1 : operators;
    load->step_count = (size_t)((to_ns - from_ns + LOAD_STEP_NS - 1) / LOAD_STEP_NS);
    load->steps = calloc(load->step_count + 1, sizeof *load->steps);
    if (load->steps == NULL) {
        free(load);
        return NULL;
    }
    return load;
}

void load_free(struct load *load)
{
    if (load != NULL) {
        free(load->steps);
        free(load);
    }
}

/* FNV-1a. */
static uint32_t mix(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

static bool is_it(const struct load_series *series, const char *rule, const char *station)
{
    return strcmp(series->rule, rule) == 0 && strcmp(series->station, station) == 0;
}

static void copy_id(char to[PHUSA_ID_MAX + 1], const char *from)
{
    size_t length = strnlen(from, PHUSA_ID_MAX);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* NULL when there is no room for another one. At most half of the slots are taken. */
static struct load_series *find(struct load *load, const char *rule, const char *station)
{
    uint32_t at = mix(mix(2166136261u, rule) ^ '/', station) % SLOTS;
    while (load->slots[at] != 0) {
        struct load_series *series = &load->series[load->slots[at] - 1];
        if (is_it(series, rule, station)) {
            return series;
        }
        at = (at + 1) % SLOTS;
    }
    if (load->series_count == LOAD_SERIES_MAX) {
        return NULL;
    }
    struct load_series *series = &load->series[load->series_count++];
    load->slots[at] = (uint16_t)load->series_count;
    copy_id(series->rule, rule);
    copy_id(series->station, station);
    return series;
}

static void count_raise(struct load *load, enum severity to, int64_t time_ns)
{
    int64_t step = (time_ns - load->from_ns) / LOAD_STEP_NS;
    if (step >= 0 && (size_t)step < load->step_count) {
        load->steps[step]++;
    }
    load->low += to == SEVERITY_MINOR ? 1 : 0;
    load->medium += to == SEVERITY_MODERATE ? 1 : 0;
    load->high += to >= SEVERITY_SEVERE ? 1 : 0;
}

static void end_standing(struct load_series *series, int64_t at_ns)
{
    if (series->since_ns != 0 && at_ns - series->since_ns > series->longest_ns) {
        series->longest_ns = at_ns - series->since_ns;
    }
}

void load_take(struct load *load, const char *rule, const char *station, enum severity from,
               enum severity to, int64_t time_ns)
{
    struct load_series *series = find(load, rule, station);
    if (to > from) {
        count_raise(load, to, time_ns);
        load->others += series == NULL ? 1 : 0;
    }
    if (series == NULL) {
        return;
    }
    series->raises += to > from ? 1 : 0;
    if (from != SEVERITY_NORMAL && series->since_ns == 0) {
        series->since_ns = load->from_ns; /* it was active before */
    }
    if (to == SEVERITY_NORMAL) {
        end_standing(series, time_ns);
        series->since_ns = 0;
    } else if (series->since_ns == 0) {
        series->since_ns = time_ns;
    }
}

void load_stand(struct load *load, const char *rule, const char *station)
{
    size_t known = load->series_count;
    struct load_series *series = find(load, rule, station);
    if (series != NULL && load->series_count > known) {
        series->since_ns = load->from_ns;
    }
}

static int by_raises(const void *a, const void *b)
{
    const struct load_series *left = a, *right = b;
    return (left->raises < right->raises) - (left->raises > right->raises);
}

static int by_longest(const void *a, const void *b)
{
    const struct load_series *left = a, *right = b;
    return (left->longest_ns < right->longest_ns) - (left->longest_ns > right->longest_ns);
}

static size_t copy_top(const struct load *load, struct load_series top[LOAD_TOP])
{
    size_t count = load->series_count < LOAD_TOP ? load->series_count : LOAD_TOP;
    memcpy(top, load->series, count * sizeof *top);
    return count;
}

static size_t copy_frequent(const struct load *load, struct load_series top[LOAD_TOP])
{
    size_t count = copy_top(load, top);
    while (count > 0 && top[count - 1].raises == 0) {
        count--;
    }
    return count;
}

static void finish_steps(const struct load *load, struct load_report *report)
{
    for (size_t i = 0; i < load->step_count; i++) {
        report->raises += load->steps[i];
        report->flooded += load->steps[i] >= (uint64_t)LOAD_FLOOD * load->operators ? 1 : 0;
        if (load->steps[i] > report->most) {
            report->most = load->steps[i];
            report->most_at_ns = load->from_ns + (int64_t)i * LOAD_STEP_NS;
        }
    }
    double shares = (double)load->step_count * (double)load->operators;
    report->mean = shares > 0 ? (double)report->raises / shares : 0;
}

void load_finish(struct load *load, struct load_report *report)
{
    *report = (struct load_report){ .others = load->others,
                                    .steps = load->step_count,
                                    .low = load->low,
                                    .medium = load->medium,
                                    .high = load->high };
    finish_steps(load, report);
    for (size_t i = 0; i < load->series_count; i++) {
        end_standing(&load->series[i], load->to_ns);
    }
    memset(load->slots, 0, sizeof load->slots); /* what follows moves the series about */
    qsort(load->series, load->series_count, sizeof *load->series, by_raises);
    report->frequent_count = copy_frequent(load, report->frequent);
    qsort(load->series, load->series_count, sizeof *load->series, by_longest);
    report->standing_count = copy_top(load, report->standing);
}
