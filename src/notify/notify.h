/*
 * From a change of an alarm's state to the people who must hear of it.
 *
 * wording.c    the sentences and filled-in templates that people read.
 * notice.c     the JSON of a notice and its key.
 * letter.c     all that any channel may want to say of it; parcel.c many of them as one text.
 * recipients.c who hears of it, and in quiet hours when. Pure.
 * outbox*.c    SQLite: transitions, events and messages, committed together with the journal
 *              position they came from; what is not sent yet survives a kill.
 * pace.c       how many messages a person gets at once. Pure.
 * webhook.c, alertmanager.c, email.c, sms.c, board.c, cap.c, syslog.c
 *              the kinds of channels.
 * retained.c   the alarm topic: the last state, retained; empty when normal.
 * schedule.c   when a channel may try again: exponential backoff with jitter. Pure.
 * urgent.c     the few messages that must be told while the disk takes no more. Pure.
 * report.c     the addresses that gateways report deliveries to, and their proofs.
 * damage.c     what becomes of a damaged database file.
 * notifier.c   one thread for each channel and one for the alarm topic: takes the next
 *              parcel from the outbox, hands it to its channel, marks it.
 *
 * Order: for one rule, station and parameter the messages to a recipient are sent in
 * order, the next only when the one before is done. Channels do not wait for
 * each other. Delivery is at least once; every message carries its key.
 */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/problem.h"
#include "phusa/topic.h"
#include "settings/rule.h"
#include "settings/settings.h"
#include "settings/subscriber.h"

#define NOTICE_KEY_CHARS   64   /* SHA-256 in hex */
#define NOTICE_BODY_MAX    4096 /* bytes of a message's JSON */
/* Messages not sent yet, some 100 bytes each; beyond it the oldest goes, counted. Room for 10,000
 * alarms that 200 people must hear of. */
#define OUTBOX_WAITING_MAX 2000000
#define OUTBOX_KEEP_NS     (INT64_C(30) * 86400 * SECOND_NS) /* for messages done with */

/* Transitions and events are kept for alarms.keep (0: for ever), and no more than so many, some
 * 300 bytes each; but what a series was told last stays as long as it is not normal. */
#define OUTBOX_TRANSITIONS_MAX 10000000
#define OUTBOX_EVENTS_MAX      10000000
#define OUTBOX_PAGE_MAX        1000 /* messages in one list */

/* One change of an alarm's state. */
struct notice {
    const struct rule *rule;
    const struct station *station;
    enum severity from, to;
    int64_t time_ns;  /* of the reading that changed it */
    int64_t since_ns; /* when the present state began; = time_ns unless told late */
    double value;
    bool historical; /* recorded from a backlog */
    bool transition; /* the state changed at this reading: recorded (else only told, late) */
    bool tell;       /* goes to the channels; otherwise it is only recorded */
    bool known;      /* with `tell`: by another way it went there already, so it is only remembered
                        as what people were told last */
    uint64_t position; /* of the journal record it came from */
    /* The alarm's life (ISA-18.2). */
    const char *life; /* its state after this: "UNACK" ...; static; NULL = not said */
    bool escalated;   /* nobody acknowledged: told to the rule's escalation channels */
    bool flapping;    /* it changes too often: told, and then no more until it is calm */
    /* NULL for a change of state. Else what else happened, static: a verb ("ack", "comment",
     * "shelve", "unshelve", "out-of-service", "in-service") or "escalated", "suppressed",
     * "released", "flapping", "calm". It is recorded, and told only with `tell`. */
    const char *event;
    struct phusa_text who, text; /* of a verb: operator and comment; live as long as the record */
    int64_t until_ns;            /* of a shelving; else 0 */
};

/* SHA-256 of "rule\nstation\nparameter\ntime\nstate", time as in the JSON, in lower-case hex,
 * terminated; when nobody acknowledged, of that and "\nescalated": it is another message. False
 * when the crypto library fails (out of memory). */
bool notice_key(const struct notice *notice, char key[NOTICE_KEY_CHARS + 1]);

/*
 * The JSON of the contract (Rules): time, rule, station, parameter, from, to, value,
 * key, since, site, severity, message {vi, en}, historical; severity is `to` in CAP's
 * spelling (normal gives "normal"); and where they are so, `escalated` and `flapping`: true. The
 * settings give the message its words; NULL: the sentence of a rule without template. Terminated;
 * returns the length, 0 if it does not fit, which cannot be with a capacity of NOTICE_BODY_MAX, or
 * when there is no key.
 */
size_t notice_json(const struct notice *notice, const struct settings *settings, char *buffer,
                   size_t capacity);

/* One line as `phusa replay` prints it: time, rule, station, parameter, from, to, value. */
size_t notice_replay_json(const struct notice *notice, char *buffer, size_t capacity);

/* --- outbox --------------------------------------------------------------- */

struct outbox;

enum outbox_status { OUTBOX_OK = 0, OUTBOX_NONE, OUTBOX_FAILED, OUTBOX_REPLACED };

/*
 * Opens or makes the database file, and reads it through. *position receives the highest
 * journal position committed, 0 for none. A file of a newer version, or somebody else's
 * database, is OUTBOX_FAILED.
 * A damaged file is set aside as path.damaged-N, with SQLite's files beside it, and a new one
 * is begun: OUTBOX_REPLACED, *outbox is as after OUTBOX_OK and the problem says what was found.
 * Damage that is met later fails the call that met it; the next call begins a new file
 * in the same way, which only counters.replaced tells. What waited in the old one is not sent.
 */
enum outbox_status outbox_open(const char *path, struct outbox **outbox, uint64_t *position,
                               struct problem *problem);
void outbox_close(struct outbox *outbox);

/* For lists only, while the collector may be at work with it: what commits or sends fails. NULL
 * with the problem when it is not there, or no outbox of this version. */
struct outbox *outbox_open_read(const char *path, struct problem *problem);

/*
 * Commits notices, the messages of those with `tell` to each recipient on their rule's channels
 * (when `escalated`: on those of its escalation) and for the retained topic, and the position
 * (unless it is 0 or below the one committed), in one transaction; durable on return. A notice with
 * an event is recorded as such. now is the real time: by it messages wait for each other, for the
 * end of quiet hours and for their next try. settings may be NULL when count is 0; their rules and
 * channels are those of the notices.
 * Thread-safe with the notifier, which is to be woken afterwards, and with other commits. Nothing
 * is committed on OUTBOX_FAILED: call again with the same. count may be 0. What need not be kept
 * any longer, of messages and of transitions, is removed on the way, some at each commit.
 */
enum outbox_status outbox_commit(struct outbox *outbox, const struct notice *notices, size_t count,
                                 const struct settings *settings, uint64_t position, wall_time now,
                                 struct problem *problem);

/* To be called with new settings before the first commit with them, since they may lie in memory
 * where others lay (the notifier's create and configure do). False when out of memory: then the
 * next commit tries again. */
bool outbox_configure(struct outbox *outbox, const struct settings *settings);

/* The state that people were told of last. */
struct outbox_told {
    char rule[PHUSA_ID_MAX + 1], site[PHUSA_ID_MAX + 1], station[PHUSA_ID_MAX + 1];
    char parameter[PHUSA_NAME_MAX + 1];
    enum severity severity;
    double value;      /* that was told with it; 0 if none was */
    uint64_t position; /* of the notice; 0 when it is normal and that is no longer kept */
};

/* Hands each series of which something was told to visit, the one told longest ago first; not those
 * that were told so long ago that they are normal that it is not kept. False when the database
 * could not be read to its end. */
bool outbox_each_told(struct outbox *outbox,
                      void (*visit)(void *context, const struct outbox_told *told), void *context);

/* --- what the outbox knows ------------------------------------------------- */

enum outbox_stage {
    OUTBOX_STAGE_WAITING,
    OUTBOX_STAGE_SENT,
    OUTBOX_STAGE_GIVEN_UP,
    OUTBOX_STAGE_DROPPED,
    OUTBOX_STAGE_DELIVERED, /* reported so */
    OUTBOX_STAGE_FAILED     /* reported so; not sent again, a newer one has gone */
};

/* A message to one recipient. */
struct outbox_message {
    int64_t id; /* ascending in the order of commits, never used again */
    /* What it says; empty when that is no longer kept. */
    char key[NOTICE_KEY_CHARS + 1];
    char rule[PHUSA_ID_MAX + 1], site[PHUSA_ID_MAX + 1], station[PHUSA_ID_MAX + 1];
    enum severity from, to;
    int64_t time_ns;
    char channel[PHUSA_ID_MAX + 1];             /* "" for the alarm topic */
    char recipient[SUBSCRIBER_ADDRESS_MAX + 1]; /* in full: subscriber_mask before it is shown */
    bool subscriber;
    enum outbox_stage stage;
    int64_t created_ns, due_ns; /* due: not before */
    int64_t sent_ns;            /* 0 = not sent */
    uint32_t tries;
    int64_t digest;    /* 0 = on its own; else the same for all that go or went as one */
    char problem[256]; /* the last words of a failure; "" = none */
    char report[CHANNEL_STATE_MAX + 1]; /* the gateway's last word for its state; "" = none */
    bool awaited;                       /* sent, and the gateway's report has not come yet */
};

/* NULL = any. */
struct outbox_filter {
    const char *channel, *rule, *station;
    bool waiting;      /* those only */
    int64_t before_id; /* those with lower ids: the next page; 0 = from the newest */
    size_t most;       /* at most OUTBOX_PAGE_MAX; 0 = that */
};

/* Hands messages to visit, the newest first. False when the database could not be read to the end
 * of the page. Delays nobody. */
bool outbox_each_message(struct outbox *outbox, const struct outbox_filter *filter,
                         void (*visit)(void *context, const struct outbox_message *message),
                         void *context);

/* A transition (`event` is empty) or what else happened to an alarm (notice.event). */
struct outbox_event {
    int64_t time_ns, committed_ns;
    uint64_t position; /* of the journal; 0 = from none of its records */
    char rule[PHUSA_ID_MAX + 1], site[PHUSA_ID_MAX + 1], station[PHUSA_ID_MAX + 1];
    char parameter[PHUSA_NAME_MAX + 1];
    char event[24];
    enum severity from, to; /* of an event both are the state it befell */
    double value;           /* NaN = none */
    bool historical, told;
    bool changed;           /* a transition; otherwise one that was only told, late */
    const char *who, *text; /* live for the call; never NULL */
    int64_t until_ns;
    char life[8];
};

/* Hands what happened from from_ns on and before to_ns to visit by its time, until it returns
 * false. rule and station may be NULL for any. False when the database could not be read. Delays
 * nobody. */
bool outbox_each_event(struct outbox *outbox, const char *rule, const char *station,
                       int64_t from_ns, int64_t to_ns,
                       bool (*visit)(void *context, const struct outbox_event *event),
                       void *context);

/* --- delivery reports ------------------------------------------------------ */

#define OUTBOX_AGAIN_MAX      3 /* times that a message is sent again because it failed later */
#define OUTBOX_AGAIN_FIRST_NS (60 * SECOND_NS) /* pause before the first; it doubles */
#define OUTBOX_OVERDUE_MAX    100000           /* overdue reports are counted up to so many */

/* What a gateway says of a message it took; texts as they came, live for the call. */
struct outbox_report {
    const char *key, *proof; /* of the address it was given (report.h) */
    const char *state;       /* its own word; "" = it says none */
};

enum outbox_reported {
    OUTBOX_REPORT_UNPROVEN,  /* nothing was looked at; counted */
    OUTBOX_REPORT_UNCHANGED, /* it came before, or late, names nothing that is known, or says none
                              */
    OUTBOX_REPORT_NOTED,     /* a state that is neither, or the mark of the sending is to come */
    OUTBOX_REPORT_DELIVERED,
    OUTBOX_REPORT_AGAIN,  /* the message waits again: the notifier is to be woken */
    OUTBOX_REPORT_FAILED, /* it is not sent again: too often, or a newer one has gone since */
    OUTBOX_REPORT_LOST    /* the outbox takes nothing now: to be told again */
};

/*
 * Takes a delivery report for a channel of the settings; NULL: of none. A message reported as
 * failed waits again, OUTBOX_AGAIN_MAX times, with pauses and not in its recipient's quiet hours
 * (by its severity); then it is given up. It is not sent again when a newer one of its series has
 * gone to the recipient since. The messages of a digest have one report and stay together. What
 * changed survives a kill; of a failure also the loss of power.
 */
enum outbox_reported outbox_take_report(struct outbox *outbox,
                                        const struct channel_settings *channel,
                                        const struct outbox_report *report, wall_time now,
                                        struct problem *problem);

/* Of one channel, since the outbox was opened. */
struct outbox_reports {
    char channel[PHUSA_ID_MAX + 1];
    uint64_t delivered; /* messages */
    uint64_t failed;    /* messages: each time that one failed after it was sent */
    uint64_t noted;     /* reports */
};

/* Copies what there is, of at most CHANNELS_MAX channels; returns how many. */
size_t outbox_read_reports(struct outbox *outbox, struct outbox_reports reports[CHANNELS_MAX]);

/* How many messages of a channel were sent before that time and have no last word yet; counts no
 * further than OUTBOX_OVERDUE_MAX. False when the database could not be read. Delays nobody. */
bool outbox_count_overdue(struct outbox *outbox, const char *channel, int64_t before_ns,
                          uint64_t *count);

/* Since the outbox was opened, but for `waiting`, which is now. */
struct outbox_counters {
    uint64_t transitions; /* committed, told or not */
    uint64_t sent;
    uint64_t retries;  /* tries that did not get through and come again */
    uint64_t failed;   /* given up for ever: refused for 24 h, reported as failed too often, or
                          their channel is gone */
    uint64_t unproven; /* delivery reports without their proof */
    uint64_t waiting;
    uint64_t dropped;  /* by OUTBOX_WAITING_MAX */
    uint64_t replaced; /* databases that were damaged and set aside */
};
void outbox_read_counters(struct outbox *outbox, struct outbox_counters *counters);

/* --- notifier --------------------------------------------------------------- */

/*
 * How the notifier reaches the broker; retained, QoS 1. True when the broker
 * has it; false lets it be tried again later. Called from a thread of the
 * notifier; must return within half a second, since notifier_free waits for it.
 */
struct notifier_publish {
    void *context;
    bool (*publish)(void *context, const char *topic, const char *payload, size_t length);
};

struct notifier;

/*
 * Starts sending, in one thread for each channel and one for the alarm topic,
 * so that a slow endpoint delays nobody else. What it needs of the settings and publish is copied;
 * the outbox must outlive the notifier. seed feeds the jitter. Messages of channels that are not
 * among these are given up, counted and logged. NULL when out of memory or threads.
 */
struct notifier *notifier_create(struct outbox *outbox, const struct settings *settings,
                                 const struct notifier_publish *publish, uint64_t seed);

/* Ends requests under way and joins the threads, within a second; what is not marked sent
 * waits in the outbox. */
void notifier_free(struct notifier *notifier);

/*
 * Sends a notice without the outbox, for when the disk takes no more, ahead of what waits there: to
 * the channels of its rule, which are places among those last given to this notifier (to their
 * fixed addresses, not to subscribers), and to the alarm topic. Tried again, as all messages are,
 * until it is through, refused for a day, or NOTIFIER_URGENT_MAX newer ones have come; not
 * remembered over a restart or a change of its channel, and not among the outbox's counters but for
 * `retries`. Copies what it needs. False when no message can be made (out of memory). Thread-safe,
 * never blocks for long.
 */
#define NOTIFIER_URGENT_MAX 16
bool notifier_urgent(struct notifier *notifier, const struct notice *notice,
                     const struct settings *settings);

/* There is something new in the outbox. Thread-safe, never blocks for long. */
void notifier_wake(struct notifier *notifier);

/* New settings after a reload; thread-safe. Channels that did not change go on undisturbed;
 * blocks up to a second while others end. To be called before commits with the new settings. */
void notifier_configure(struct notifier *notifier, const struct settings *settings);

#endif
