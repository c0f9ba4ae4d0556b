/*
 * One rule on one series (station and parameter): from readings to changes of
 * state, exactly as the contract's chapter "Rules" says. Pure: time is that of the
 * readings, state is the caller's memory, nothing is allocated.
 */
#ifndef ALARM_MACHINE_H
#define ALARM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/state.h"
#include "settings/rule.h"

#define ALARM_CHANGES_MAX 1 /* a reading brings at most one transition, told or not */

/* A run of readings on one side of a limit. */
struct alarm_run {
    bool running;
    int64_t since_ns; /* time of its first reading */
};

struct alarm_level_state {
    bool active;
    struct alarm_run beyond, good;
};

struct alarm_machine {
    struct alarm_level_state levels[RULE_LEVELS_MAX];
    bool any;            /* a reading has taken part */
    int64_t last_ns;     /* its time */
    enum severity state; /* highest active level */
    int64_t since_ns;    /* when state began */
};

/* Zero-initialised = no reading yet, normal, nothing told. */
struct alarm_series {
    struct alarm_machine live;
    /* The last gap in the readings: the state before it, and the reading that ended it. */
    struct alarm_machine before_gap;
    int64_t gap_end_ns;
    bool has_gap;
    struct alarm_machine history; /* judges late readings that fall into the gap */
    bool has_history;
    enum severity told;
    double value; /* of the reading that brought the present state */
};

struct alarm_reading {
    int64_t time_ns;
    double value;
    bool live;        /* arrived within live_within of its time */
    int64_t every_ns; /* the station's distance of reports; > 0 */
};

struct alarm_change {
    enum severity from, to;
    int64_t time_ns, since_ns;
    double value;
    bool transition; /* the state changed at this reading */
    bool historical; /* it is of the past: recorded, never told as live */
    bool tell;       /* due to be told: a live reading, and the state is not the one last told */
};

/*
 * Judges a reading that takes part (a number, flag accepted, device measuring). Returns the
 * number of changes written.
 */
size_t alarm_judge(const struct rule *rule, struct alarm_series *series,
                   const struct alarm_reading *reading,
                   struct alarm_change changes[ALARM_CHANGES_MAX]);

/* The present state was told. Until then every live reading says that it is due. */
void alarm_told(struct alarm_series *series);

/* Whether a reading received at received_ns is live for the rule (contract, Live and history). */
bool alarm_is_live(const struct rule *rule, int64_t every_ns, int64_t time_ns, int64_t received_ns);

/* True if the two rules judge alike, so that state may be kept over a reload. */
bool alarm_rule_same(const struct rule *a, const struct rule *b);

/* The same for rules that judge alike, and practically never for others: keeps a rule's identity
 * over a restart. */
uint64_t alarm_rule_fingerprint(const struct rule *rule);

/* Keeps the state and reads it back; false (and reader->failed, the state zero) when what is read
 * is none. */
void alarm_save(const struct alarm_series *series, struct state_writer *writer);
bool alarm_load(struct alarm_series *series, struct state_reader *reader);

#endif
