/*
 * Sends the spool to the store: batches, retries with exponential backoff and
 * jitter, advances only on 2xx, and sends its last seconds again when the store
 * may have lost them (an own start, a new connection, a new start time in the
 * store's metrics). What it does not know, the spool's reader and the cursor,
 * is handed in. One thread drives it; the counters may be read by any.
 */
#ifndef STORE_SENDER_H
#define STORE_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/problem.h"
#include "phusa/text.h"
#include "settings/settings.h"

/* One record of the spool: whole lines, with the number of readings in them. */
struct spool_item {
    uint64_t position;
    uint32_t readings;
    struct phusa_text lines; /* valid until the next call of next or seek */
};

/* Where the sender reads; the functions' contracts are the journal reader's. */
struct spool_source {
    void *context;
    /* 1 an item, 0 nothing yet, -1 failed (try again later) */
    int (*next)(void *context, struct spool_item *item);
    /* The next item is the first with a position >= from. 0 or -1. */
    int (*seek)(void *context, uint64_t from);
    /* Remembers across a crash: everything up to `safe` is in the store for good, up to `sent`
     * it has answered 2xx. 0 or -1. Called at most once a second. */
    int (*remember)(void *context, uint64_t safe, uint64_t sent);
    /* A line was refused for ever, or is no valid line; with the store's words. What is sent again
     * for safety is not told again, unless a crash came between the telling and `remember`. */
    void (*refused)(void *context, struct phusa_text line, const char *why);
};

struct sender_counters {
    uint64_t requests, failures; /* HTTP requests made, and not answered 2xx */
    uint64_t readings_sent;      /* answered 2xx, first time; without refused lines, whose derived
                                    quantities count here as readings, too */
    uint64_t readings_safe;      /* and past the margin, also those sent before an own start */
    uint64_t readings_resent;    /* sent again for safety */
    uint64_t lines_refused;
    uint64_t bytes_sent; /* of request bodies, after gzip */
    uint64_t rewinds;    /* times the margin was sent again */
    uint64_t store_rows_invalid,
        store_rows_ignored; /* the store's own counters (VictoriaMetrics) */
    uint64_t position_sent, position_safe;
    bool store_up; /* the store answers; nothing waits to be tried again */
};

struct sender;

/* settings and source (and its context) must outlive the sender. safe and sent are what `remember`
 * last kept (0, 0 at first). seed feeds the jitter. NULL when out of memory or when a name or
 * secret is too long for a request (store_kind.h). */
struct sender *sender_create(const struct store_settings *settings,
                             const struct spool_source *source, uint64_t safe, uint64_t sent,
                             uint64_t seed);
void sender_free(struct sender *sender);

/* How requests leave: an HTTP client, or a test's script. */
struct store_transport {
    void *context;
    /* As http_perform. */
    enum http_status (*perform)(void *context, const struct http_request *request,
                                struct http_answer *answer, struct problem *problem);
    /* As http_client_abort; called from another thread. */
    void (*abort)(void *context);
};

/* The same over a given transport, whose context must outlive the sender. */
struct sender *sender_create_over(const struct store_transport *transport,
                                  const struct store_settings *settings,
                                  const struct spool_source *source, uint64_t safe, uint64_t sent,
                                  uint64_t seed);

/*
 * Does what is due at `now`: reads, makes at most one request, remembers.
 * Returns the moment at which it wants to be called again at the latest, never
 * more than a second away; it may be called earlier (new spool). Never blocks
 * longer than one request's timeout.
 */
mono_time sender_step(struct sender *sender, mono_time now);

/*
 * A step that does not wait for batch age; used at the stop. True when nothing
 * is left to send. False: call again as long as there is time and the counters
 * say store_up; what is left stays in the spool.
 */
bool sender_flush(struct sender *sender, mono_time now);

/*
 * The source lets go of everything up to position: what of it is in hand and not answered is
 * forgotten, and reading goes on behind it. False (nothing is forgotten) while a batch is answered
 * in part: a further step ends that. In the thread of sender_step.
 */
bool sender_skip(struct sender *sender, uint64_t position);

/* A consistent copy; thread-safe. */
void sender_read_counters(struct sender *sender, struct sender_counters *counters);

/* What the sender complains about now, "" if nothing; thread-safe copy. */
void sender_read_problem(struct sender *sender, struct problem *problem);

/* Aborts a request under way and all to come; for the stop, from another thread. */
void sender_abort(struct sender *sender);

#endif
