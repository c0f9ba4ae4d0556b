/*
 * From a change of an alarm's state to the people who must hear of it.
 *
 * outbox.c   SQLite: transitions and their messages, committed together with
 *            the journal position they came from; what is not sent yet survives a kill.
 * wording.c  the sentences in it that people read.
 * notice.c   the JSON of a notice and its key.
 * webhook.c  one kind of channel: JSON by HTTP POST.
 * retained.c the alarm topic: the last state, retained; empty when normal.
 * schedule.c when a channel may try again: exponential backoff with jitter. Pure.
 * urgent.c   the few messages that must be told while the disk takes no more. Pure.
 * damage.c   what becomes of a damaged database file.
 * notifier.c one thread for each channel and one for the alarm topic: takes the next
 *            message from the outbox, hands it to its channel, marks it.
 *
 * Order: for one rule, station and parameter the messages of a channel are sent in
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

#define NOTICE_KEY_CHARS   64     /* SHA-256 in hex */
#define NOTICE_BODY_MAX    4096   /* bytes of a message's JSON */
#define OUTBOX_WAITING_MAX 100000 /* messages not sent yet; beyond it the oldest goes, counted */
#define OUTBOX_KEEP_NS     (INT64_C(30) * 86400 * SECOND_NS) /* for messages done with */

/* Transitions are kept for so long, and no more than so many; but what a series was told last
 * stays as long as it is not normal. */
#define OUTBOX_TRANSITIONS_KEEP_NS (INT64_C(400) * 86400 * SECOND_NS)
#define OUTBOX_TRANSITIONS_MAX     1000000

/* One change of an alarm's state. */
struct notice {
    const struct rule *rule;
    const struct station *station;
    enum severity from, to;
    int64_t time_ns;  /* of the reading that changed it */
    int64_t since_ns; /* when the present state began; = time_ns unless told late */
    double value;
    bool historical;   /* recorded from a backlog */
    bool transition;   /* the state changed at this reading: recorded (else only told, late) */
    bool tell;         /* goes to the channels; otherwise it is only recorded */
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
 * terminated. False when the crypto library fails (out of memory). */
bool notice_key(const struct notice *notice, char key[NOTICE_KEY_CHARS + 1]);

/*
 * The JSON of the contract (Rules): time, rule, station, parameter, from, to, value,
 * key, since, site, severity, message {vi, en}, historical; severity is `to` in CAP's
 * spelling (normal gives "normal"). Terminated; returns the length, 0 if it does not fit,
 * which cannot be with a capacity of NOTICE_BODY_MAX, or when there is no key.
 */
size_t notice_json(const struct notice *notice, char *buffer, size_t capacity);

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

/*
 * Commits notices, the messages of those with `tell` for each of their rule's channels
 * and for the retained topic, and the position (unless it is 0 or below the one committed), in one
 * transaction; durable on return.
 * Thread-safe with the notifier, which is to be woken afterwards, and with other commits. Nothing
 * is committed on OUTBOX_FAILED: call again with the same. count may be 0. What need not be kept
 * any longer, of messages and of transitions, is removed on the way, some at each commit.
 */
enum outbox_status outbox_commit(struct outbox *outbox, const struct notice *notices, size_t count,
                                 const struct channel_settings *channels, uint64_t position,
                                 wall_time now, struct problem *problem);

/* The state that people were told of last. */
struct outbox_told {
    char rule[PHUSA_ID_MAX + 1], site[PHUSA_ID_MAX + 1], station[PHUSA_ID_MAX + 1];
    char parameter[PHUSA_NAME_MAX + 1];
    enum severity severity;
    double value; /* that was told with it; 0 if none was */
};

/* Hands each series of which something was told to visit, which must not call this room; not those
 * that were told OUTBOX_TRANSITIONS_KEEP_NS ago that they are normal. False when the database could
 * not be read to its end. */
bool outbox_each_told(struct outbox *outbox,
                      void (*visit)(void *context, const struct outbox_told *told), void *context);

/* Since the outbox was opened, but for `waiting`, which is now. */
struct outbox_counters {
    uint64_t transitions; /* committed, told or not */
    uint64_t sent;
    uint64_t retries; /* tries that did not get through and come again */
    uint64_t failed;  /* given up for ever: refused for 24 h, or their channel is gone */
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
 * so that a slow endpoint delays nobody else. What an earlier run left
 * is due at once. Channels and publish are copied; the outbox must outlive the
 * notifier. seed feeds the jitter. Messages of channels that are not among
 * these are given up, counted and logged. NULL when out of memory or threads.
 */
struct notifier *notifier_create(struct outbox *outbox, const struct channel_settings *channels,
                                 size_t count, const struct notifier_publish *publish,
                                 uint64_t seed);

/* Ends requests under way and joins the threads, within a second; what is not marked sent
 * waits in the outbox. */
void notifier_free(struct notifier *notifier);

/*
 * Sends a notice without the outbox, for when the disk takes no more, ahead of what waits there: to
 * the channels of its rule, which are places among those last given to this notifier, and
 * to the alarm topic. Tried again, as all messages are, until it is through, refused for a
 * day, or NOTIFIER_URGENT_MAX newer ones have come; not remembered over a restart or a change of
 * its channel, and not among the outbox's counters but for `retries`. Copies what it needs.
 * False when no message can be made (out of memory). Thread-safe, never blocks for long.
 */
#define NOTIFIER_URGENT_MAX 16
bool notifier_urgent(struct notifier *notifier, const struct notice *notice);

/* There is something new in the outbox. Thread-safe, never blocks for long. */
void notifier_wake(struct notifier *notifier);

/* New channels after a reload; thread-safe. Channels that did not change go on undisturbed;
 * blocks up to a second while others end. To be called before commits that use new channels. */
void notifier_configure(struct notifier *notifier, const struct channel_settings *channels,
                        size_t count);

#endif
