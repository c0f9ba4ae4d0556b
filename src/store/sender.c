/*
 * One step does, in this order: note what the last step's answer settled, make
 * one request if one is due (database, probe, batch), remember, tell. Whatever
 * comes out of a step is a function of what was handed in, so tests need neither
 * clock nor network.
 *
 * Invariants
 * - Positions are sent in order; position_sent advances only when every line of
 *   the item was answered 2xx or refused for ever and told.
 * - A batch that was not answered is sent again unchanged, until it is.
 * - `remember` never hears of a `safe` beyond which something may be missing.
 */
#include "store/inside.h"

#include <stdlib.h>

#define IDLE_NS SECOND_NS /* longest time between two steps */
#define KEEP_NS SECOND_NS /* shortest time between two calls of `remember` */

/* --- create and free ----------------------------------------------------------- */

static bool prepare(struct sender *sender, const struct store_settings *settings, uint64_t safe,
                    uint64_t sent)
{
    if (!store_target_make(settings, &sender->target)) {
        return false;
    }
    if (sender->target.gzip) {
        sender->gzip = gzip_create();
        if (sender->gzip == NULL) {
            return false;
        }
    }
    margin_init(&sender->margin, settings->margin_ns, safe);
    collect_from(sender, safe + 1);
    sender->checked = sent;
    sender->counters.position_sent = sent;
    sender->kept_safe = safe;
    sender->kept_sent = sent;
    sender->create_wanted = *sender->target.create_url != '\0';
    return true;
}

struct sender *sender_create_over(const struct store_transport *transport,
                                  const struct store_settings *settings,
                                  const struct spool_source *source, uint64_t safe, uint64_t sent,
                                  uint64_t seed)
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL) {
        return NULL;
    }
    sender->settings = settings;
    sender->source = *source;
    sender->transport = *transport;
    sender->backoff.random = seed;
    if (pthread_mutex_init(&sender->lock, NULL) != 0) {
        free(sender);
        return NULL;
    }
    if (!prepare(sender, settings, safe, sent)) {
        sender_free(sender);
        return NULL;
    }
    return sender;
}

static enum http_status perform_http(void *context, const struct http_request *request,
                                     struct http_answer *answer, struct problem *problem)
{
    return http_perform(context, request, answer, problem);
}

static void abort_http(void *context)
{
    http_client_abort(context);
}

struct sender *sender_create(const struct store_settings *settings,
                             const struct spool_source *source, uint64_t safe, uint64_t sent,
                             uint64_t seed)
{
    struct http_options options = { .ca_file = settings->ca,
                                    .total_ms = (long)(settings->timeout_ns / MILLI_NS) };
    struct http_client *client = http_client_create(&options);
    if (client == NULL) {
        return NULL;
    }
    struct store_transport transport = { client, perform_http, abort_http };
    struct sender *sender = sender_create_over(&transport, settings, source, safe, sent, seed);
    if (sender == NULL) {
        http_client_free(client);
        return NULL;
    }
    sender->client = client;
    return sender;
}

/* --- one step ------------------------------------------------------------------ */

/* The answer came before now, but after the last step began: its time is now, not earlier. */
static void settle(struct sender *sender, mono_time now)
{
    if (sender->settled) {
        margin_add(&sender->margin, sender->settled_position, sender->settled_readings, now);
        sender->settled = false;
    }
    if (sender->settings->kind != STORE_VICTORIA) {
        sender->alive = now; /* what InfluxDB answers is durable: time alone makes it safe */
    }
    margin_advance(&sender->margin, sender->alive);
}

static bool probe_due(const struct sender *sender, mono_time now)
{
    return *sender->target.metrics_url != '\0' && !sender->retrying &&
           now.ns >= sender->probe_after.ns;
}

static void rewind_if_due(struct sender *sender, mono_time now)
{
    uint64_t from = 0;
    if (!sender->sending && margin_rewind(&sender->margin, now, &from)) {
        sender->counters.rewinds++;
        collect_from(sender, from + 1);
    }
}

/* At the stop nothing is asked that can wait: the next start sends the margin again anyway. */
static void work(struct sender *sender, mono_time now, bool flush)
{
    if (sender->retrying && now.ns < sender->retry_after.ns) {
        return;
    }
    if (sender->create_wanted) {
        contact_create(sender, now);
        return;
    }
    if (!flush) {
        if (probe_due(sender, now)) {
            contact_probe(sender, now);
            return;
        }
        rewind_if_due(sender, now);
    }
    if (!sender->sending) {
        collect(sender, now);
    }
    if (sender->sending || collect_due(sender, now, flush)) {
        deliver(sender, now);
    }
}

static void keep_cursor(struct sender *sender)
{
    uint64_t safe = sender->margin.safe, sent = sender->counters.position_sent;
    if (safe == sender->kept_safe && sent == sender->kept_sent) {
        return;
    }
    if (sender->source.remember(sender->source.context, safe, sent) != 0) {
        problem_set(&sender->troubles[TROUBLE_CURSOR], "cannot remember what was sent");
        return;
    }
    sender->troubles[TROUBLE_CURSOR].text[0] = '\0';
    sender->kept_safe = safe;
    sender->kept_sent = sent;
}

static void keep_if_due(struct sender *sender, mono_time now)
{
    if (now.ns >= sender->keep_after.ns) {
        keep_cursor(sender);
        sender->keep_after.ns = now.ns + KEEP_NS;
    }
}

static void tell(struct sender *sender)
{
    sender->counters.position_safe = sender->margin.safe;
    sender->counters.readings_safe = sender->margin.readings_safe;
    (void)pthread_mutex_lock(&sender->lock);
    sender->told = sender->counters;
    sender->told_problem.text[0] = '\0';
    for (int i = TROUBLE_COUNT - 1; i >= 0; i--) {
        if (*sender->troubles[i].text != '\0') {
            sender->told_problem = sender->troubles[i];
        }
    }
    (void)pthread_mutex_unlock(&sender->lock);
}

static void step(struct sender *sender, mono_time now, bool flush)
{
    settle(sender, now);
    work(sender, now, flush);
    keep_if_due(sender, now);
    tell(sender);
}

/* --- what comes next ------------------------------------------------------------ */

static void sooner(mono_time *at, int64_t ns)
{
    at->ns = ns < at->ns ? ns : at->ns;
}

static bool waits_for_spool(const struct sender *sender, mono_time now)
{
    return sender->drained || now.ns < sender->read_after.ns;
}

static mono_time next_step(const struct sender *sender, mono_time now)
{
    mono_time at = { now.ns + IDLE_NS };
    if (sender->retrying) {
        sooner(&at, sender->retry_after.ns);
    } else if (sender->sending || sender->create_wanted || !waits_for_spool(sender, now)) {
        return now;
    } else {
        if (sender->batch.items > 0) {
            sooner(&at, sender->batch.begun.ns + sender->settings->batch_age_ns);
        }
        if (sender->margin.wanted) {
            sooner(&at, sender->margin.rewound_at.ns + sender->margin.length_ns);
        }
        if (*sender->target.metrics_url != '\0') {
            sooner(&at, sender->probe_after.ns);
        }
        if (!sender->drained) {
            sooner(&at, sender->read_after.ns);
        }
    }
    return at.ns < now.ns ? now : at;
}

mono_time sender_step(struct sender *sender, mono_time now)
{
    step(sender, now, false);
    return next_step(sender, now);
}

bool sender_flush(struct sender *sender, mono_time now)
{
    step(sender, now, true);
    return sender->drained && sender->batch.items == 0;
}

bool sender_skip(struct sender *sender, uint64_t position)
{
    if (sender->sending && sender->batch.refusals > 0) {
        return false;
    }
    uint64_t sent = sender->counters.position_sent;
    sender->sending = false;
    collect_from(sender, (sent > position ? sent : position) + 1);
    tell(sender);
    return true;
}

/* --- from other threads ----------------------------------------------------------- */

void sender_read_counters(struct sender *sender, struct sender_counters *counters)
{
    (void)pthread_mutex_lock(&sender->lock);
    *counters = sender->told;
    (void)pthread_mutex_unlock(&sender->lock);
}

void sender_read_problem(struct sender *sender, struct problem *problem)
{
    (void)pthread_mutex_lock(&sender->lock);
    *problem = sender->told_problem;
    (void)pthread_mutex_unlock(&sender->lock);
}

void sender_abort(struct sender *sender)
{
    sender->transport.abort(sender->transport.context);
}

void sender_free(struct sender *sender)
{
    if (sender == NULL) {
        return;
    }
    keep_cursor(sender);
    batch_free(&sender->batch);
    gzip_free(sender->gzip);
    http_client_free(sender->client);
    (void)pthread_mutex_destroy(&sender->lock);
    free(sender);
}
