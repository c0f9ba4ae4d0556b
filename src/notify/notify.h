/*
 * From a change of an alarm's state to the people who must hear of it.
 *
 * outbox.c   SQLite: transitions and their messages, committed together with
 *            the journal position they came from; what is not sent yet survives a kill.
 * webhook.c  one channel: JSON by HTTP POST.
 * retained.c the alarm topic: the last state, retained; empty when normal.
 * notifier.c the sending thread's step: takes what is due from the outbox, hands it
 *            to its channel, marks it, retries with exponential backoff and jitter.
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

#define NOTICE_KEY_CHARS 64   /* SHA-256 in hex */
#define NOTICE_BODY_MAX  4096 /* bytes of a message's JSON */
#define OUTBOX_WAITING_MAX 100000 /* messages not sent yet; beyond it the oldest goes, counted */

/* One change of an alarm's state. */
struct notice {
    const struct rule *rule;
    const struct station *station;
    enum severity from, to;
    int64_t time_ns;  /* of the reading that changed it */
    int64_t since_ns; /* when the present state began; = time_ns unless told late */
    double value;
    bool historical; /* recorded from a backlog */
    bool tell;       /* goes to the channels; otherwise it is only recorded */
    uint64_t position; /* of the journal record it came from */
};

/* SHA-256 of "rule\nstation\nparameter\ntime\nstate", time as in the JSON, in lower-case hex, terminated. */
void notice_key(const struct notice *notice, char key[NOTICE_KEY_CHARS + 1]);

/*
 * The JSON of the contract (Rules): time, rule, station, parameter, from, to, value,
 * key, since, site, severity, message {vi, en}, historical; severity is `to` in CAP's
 * spelling (normal gives "normal"). Terminated; returns the length, 0 if it does not fit.
 */
size_t notice_json(const struct notice *notice, char *buffer, size_t capacity);

/* One line as `phusa replay` prints it: time, rule, station, parameter, from, to, value. */
size_t notice_replay_json(const struct notice *notice, char *buffer, size_t capacity);

/* --- outbox --------------------------------------------------------------- */

struct outbox;

enum outbox_status { OUTBOX_OK = 0, OUTBOX_NONE, OUTBOX_FAILED };

/* Opens or makes the database file. *position receives the highest journal position committed. */
enum outbox_status outbox_open(const char *path, struct outbox **outbox, uint64_t *position,
                               struct problem *problem);
void outbox_close(struct outbox *outbox);

/*
 * Commits notices, the messages of those with `tell` for each of their rule's channels
 * and for the retained topic, and the position, in one transaction; durable on return.
 * Thread-safe with the notifier.
 */
enum outbox_status outbox_commit(struct outbox *outbox, const struct notice *notices, size_t count,
                                 const struct channel_settings *channels, uint64_t position,
                                 wall_time now, struct problem *problem);

struct outbox_counters {
    uint64_t transitions, sent, failed, waiting, dropped;
};
void outbox_read_counters(struct outbox *outbox, struct outbox_counters *counters);

/* --- notifier --------------------------------------------------------------- */

/* How the notifier reaches the broker; retained, QoS 1. True when the broker has it. */
struct notifier_publish {
    void *context;
    bool (*publish)(void *context, const char *topic, const char *payload, size_t length);
};

struct notifier;

/* NULL when out of memory. Channels are copied; a message of a channel that no longer exists is
 * given up, counted and logged. seed feeds the jitter. */
struct notifier *notifier_create(struct outbox *outbox, const struct channel_settings *channels,
                                 size_t count, const struct notifier_publish *publish, uint64_t seed);
void notifier_free(struct notifier *notifier);

/* New channels after a reload; thread-safe. */
void notifier_configure(struct notifier *notifier, const struct channel_settings *channels,
                        size_t count);

/* Sends what is due; returns when it wants to be called again at the latest. */
mono_time notifier_step(struct notifier *notifier, mono_time now);

/* Ends a request under way, from another thread. */
void notifier_abort(struct notifier *notifier);

#endif
