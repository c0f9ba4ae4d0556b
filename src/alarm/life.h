/*
 * The life of an alarm after ISA-18.2 (ANSI/ISA-18.2-2016, section 5.3, figure 3): whether people
 * know of it, and whether they are to be told. Its state beyond or within the limits is
 * machine.h's.
 *
 *   normal                       active                  active again
 *   NORM ──────────────► UNACK ──────────► ACKED         RTNUN ──► UNACK
 *                          │ normal again    │ normal again
 *                          ▼                 ▼
 *                        RTNUN ──ack──►    NORM
 *
 * Over that lie SHLVD (shelved by an operator, with an end and a reason), DSUPR (suppressed by
 * design: another alarm explains it) and OOSRV (out of service). While one of these holds nothing
 * is told; when the last one ends, the state is told if it is not the one people know.
 * Pure: time is handed in, state is the caller's memory.
 */
#ifndef ALARM_LIFE_H
#define ALARM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/state.h"
#include "settings/rule.h"

enum alarm_life_state {
    ALARM_NORMAL,        /* NORM */
    ALARM_UNACKED,       /* UNACK: active, nobody has acknowledged */
    ALARM_ACKED,         /* ACKED: active, acknowledged */
    ALARM_RETURNED,      /* RTNUN: normal again, nobody has acknowledged */
    ALARM_SHELVED,       /* SHLVD */
    ALARM_SUPPRESSED,    /* DSUPR */
    ALARM_OUT_OF_SERVICE /* OOSRV */
};

/* "NORM", "UNACK", "ACKED", "RTNUN", "SHLVD", "DSUPR", "OOSRV"; never NULL. */
const char *alarm_life_name(enum alarm_life_state state);

/* What operators do. */
enum alarm_verb {
    ALARM_ACK,
    ALARM_COMMENT,
    ALARM_SHELVE,
    ALARM_UNSHELVE,
    ALARM_REMOVE,  /* out of service */
    ALARM_RESTORE, /* in service again */
    ALARM_VERBS
};

/* "ack", "comment", "shelve", "unshelve", "out-of-service", "in-service"; never NULL. */
const char *alarm_verb_name(enum alarm_verb verb);
/* -1 if there is no such verb. */
int alarm_verb_find(const char *name);

/* Zero-initialised = normal, nothing held back. */
struct alarm_life {
    bool unacknowledged; /* people were told of a state that nobody has acknowledged */
    bool out_of_service;
    bool suppressed;          /* by design: another alarm, or its schedule */
    bool escalated;           /* since it was raised last */
    int64_t shelved_until_ns; /* 0 = not shelved */
    int64_t raised_ns;        /* when people were told so, in the journal's time; 0 = never */
    bool flapping;
    enum severity loudest;               /* told since it began to flap */
    int64_t changed_ns;                  /* the last change of its state, told or not */
    uint8_t count, oldest;               /* of tellings */
    int64_t tellings[RULE_FLAPPING_MAX]; /* the times of those looked back on, a ring */
};

/* Of an alarm that is `severity` now, and of which people know that it is `told`: what is graver
 * than they know nobody has acknowledged. */
enum alarm_life_state alarm_life_state(const struct alarm_life *life, enum severity severity,
                                       enum severity told);

/* True if it is shelved, suppressed or out of service: nothing is told. */
bool alarm_life_held(const struct alarm_life *life);

/* Its state changed at a live reading, whether that is told or not. */
void alarm_life_changed(struct alarm_life *life, int64_t time_ns);

/* What a telling that is due comes to. */
enum alarm_telling {
    ALARM_TELL,          /* tell it */
    ALARM_TELL_FLAPPING, /* tell it, and that it flaps: no more until it is calm */
    ALARM_HOLD           /* held back; the state that people know stays */
};

/* The state `to`, of a reading at time_ns, is due to be told at now_ns of the journal. */
enum alarm_telling alarm_life_tell(struct alarm_life *life, const struct rule_flapping *flapping,
                                   enum severity from, enum severity to, int64_t time_ns,
                                   int64_t now_ns);

/* True, once, when it flapped and has been calm for long enough by a reading at time_ns. */
bool alarm_life_calms(struct alarm_life *life, const struct rule_flapping *flapping,
                      int64_t time_ns);

/* When the escalation falls due; INT64_MAX when it does not. */
int64_t alarm_life_escalation_ns(const struct alarm_life *life,
                                 const struct rule_escalation *escalation, enum severity severity);

/* True, once for each raise, when nobody has acknowledged for so long. */
bool alarm_life_escalates(struct alarm_life *life, const struct rule_escalation *escalation,
                          enum severity severity, int64_t now_ns);

enum alarm_verb_result {
    ALARM_VERB_DONE,
    ALARM_VERB_IDLE,   /* changes nothing: nothing to acknowledge, not shelved ... */
    ALARM_VERB_REFUSED /* a shelving without an end, or one that is past */
};

/* until_ns: the end of a shelving. */
enum alarm_verb_result alarm_life_do(struct alarm_life *life, enum alarm_verb verb, int64_t now_ns,
                                     int64_t until_ns);

/* True if a shelving ended by now_ns. */
bool alarm_life_unshelves(struct alarm_life *life, int64_t now_ns);

void alarm_life_save(const struct alarm_life *life, struct state_writer *writer);
/* False (and reader->failed, the life zero) when what is read is none. */
bool alarm_life_load(struct alarm_life *life, struct state_reader *reader);

#endif
