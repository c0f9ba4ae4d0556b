/*
 * How many alarms people have to bear, against the figures of EEMUA publication 191 (Alarm systems,
 * third edition, 2013, sections 4.6 and 6): in steady state about one alarm an operator in ten
 * minutes is manageable, ten or more are a flood; about 80 % should be of low priority, 15 % of
 * medium, 5 % of high. Pure.
 *
 * An alarm is a telling of a raise (a state graver than the one before); a clear is none. Minor is
 * low, moderate medium, severe and extreme high.
 */
#ifndef CONSOLE_LOAD_H
#define CONSOLE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/topic.h"
#include "settings/rule.h"

#define LOAD_STEP_NS    (INT64_C(600) * 1000000000)
#define LOAD_FLOOD      10 /* alarms an operator in ten minutes */
#define LOAD_MANAGEABLE 1
#define LOAD_SERIES_MAX 4096 /* alarms that are told apart; further ones count as "others" */
#define LOAD_TOP        10

/* One alarm: a rule at a station. */
struct load_series {
    char rule[PHUSA_ID_MAX + 1], station[PHUSA_ID_MAX + 1];
    uint64_t raises;
    int64_t since_ns;   /* active since; 0 = it is not */
    int64_t longest_ns; /* its longest time active within the span */
};

struct load;

/* from_ns before to_ns. NULL when out of memory. */
struct load *load_create(int64_t from_ns, int64_t to_ns, unsigned operators);
void load_free(struct load *load);

/* A change that was told, by time, within the span. */
void load_take(struct load *load, const char *rule, const char *station, enum severity from,
               enum severity to, int64_t time_ns);

/* An alarm that people know of stands now, and has since before the span. To be said after all
 * changes were taken; of one that had any they say more. */
void load_stand(struct load *load, const char *rule, const char *station);

struct load_report {
    uint64_t raises, others; /* others: of alarms beyond LOAD_SERIES_MAX */
    uint64_t steps, flooded; /* ten minutes each; with LOAD_FLOOD and more an operator */
    uint64_t most;           /* alarms in the worst ten minutes, of all operators */
    int64_t most_at_ns;      /* when those begin; 0 = there was none */
    double mean;             /* alarms an operator in ten minutes */
    uint64_t low, medium, high;
    size_t frequent_count, standing_count;
    struct load_series frequent[LOAD_TOP]; /* most raises first, none without */
    struct load_series standing[LOAD_TOP]; /* longest active first */
};
void load_finish(struct load *load, struct load_report *report);

#endif
