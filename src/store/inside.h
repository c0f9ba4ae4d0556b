/* The sender's inside, shared by sender.c (the order of things), collect.c (spool to batch),
 * deliver.c (batch to store) and contact.c (one request, and what it tells of the store). */
#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include <pthread.h>

#include "base/http.h"
#include "store/backoff.h"
#include "store/batch.h"
#include "store/gzip.h"
#include "store/margin.h"
#include "store/sender.h"
#include "store/store_kind.h"

/* What can be wrong, each with its own beginning and end; the first is told first. */
enum trouble { TROUBLE_STORE, TROUBLE_SPOOL, TROUBLE_CURSOR, TROUBLE_COUNT };

struct sender {
    const struct store_settings *settings;
    struct spool_source source;
    struct store_transport transport;
    struct http_client *client; /* owned; NULL over a given transport */
    struct store_target target;

    /* spool to batch */
    bool seek_wanted;
    uint64_t seek_to;
    mono_time read_after; /* the spool failed: not before */
    bool has_held;
    struct spool_item held; /* taken from the source, not yet in the batch */
    size_t held_lines;
    uint64_t checked; /* invalid lines up to this position have been told */
    bool drained;     /* the spool had no more when last asked */
    bool batch_ready; /* nothing more goes into the batch */
    struct batch batch;

    /* batch to store */
    struct gzip *gzip; /* NULL when not wanted */
    bool sending;      /* the batch is closed and has unanswered ranges */
    struct backoff backoff;
    mono_time retry_after; /* the store failed: no request before */
    bool retrying;
    struct margin margin;
    bool settled; /* a batch was answered; its time is that of the next step */
    uint64_t settled_position, settled_readings;

    /* the store itself */
    bool create_wanted;
    mono_time probe_after, probed_at;
    unsigned probe_failures; /* sent but not answered, in a row */
    bool start_known;        /* its last /metrics held a start time */
    double start;            /* the latest one ever seen */
    mono_time alive; /* the store is known to have answered then, without a sign of restart */
    struct http_answer answer;

    /* what is told */
    uint64_t kept_safe, kept_sent; /* by `remember` */
    mono_time keep_after;
    struct sender_counters counters;
    struct problem troubles[TROUBLE_COUNT];
    pthread_mutex_t lock; /* for what follows */
    struct sender_counters told;
    struct problem told_problem;
};

/* --- collect.c --------------------------------------------------------------- */

/* Reads from the spool into the batch until it is ready or the spool is drained. */
void collect(struct sender *sender, mono_time now);

/* Forgets what was read but not answered; reading goes on at position. */
void collect_from(struct sender *sender, uint64_t position);

/* True if what is in the batch is to be sent now. */
bool collect_due(const struct sender *sender, mono_time now, bool flush);

/* --- deliver.c --------------------------------------------------------------- */

/* Sends the batch's next range, with one request at most. */
void deliver(struct sender *sender, mono_time now);

/* The store answers as it should: nothing waits, nothing is complained of. */
void deliver_well(struct sender *sender);

/* The store has to be left alone for a while, at least for what it asks (seconds, 0 = nothing). */
void deliver_later(struct sender *sender, mono_time now, int64_t retry_after_s);

/* --- contact.c --------------------------------------------------------------- */

/* A request with the store's credentials. */
struct http_request contact_request(const struct sender *sender, const char *method,
                                    const char *url);

/* One request, counted; notices a new connection. HTTP_DONE: the answer is in sender->answer. */
enum http_status contact(struct sender *sender, const struct http_request *request, mono_time now,
                         struct problem *problem);

/* Creates the database, where the kind has one to create. */
void contact_create(struct sender *sender, mono_time now);

/* Asks the store how it is, where the kind can say; notices a restart. */
void contact_probe(struct sender *sender, mono_time now);

/* The answer's code and its own words, in one printable line. */
void contact_words(const struct sender *sender, struct problem *words);

#endif
