/*
 * One courier for each channel and one for the alarm topic: a thread that takes
 * the next message of its channel, hands it to its carrier and marks it.
 * Couriers share nothing but the outbox, so none waits for another's endpoint.
 *
 * At least once: a message is marked after its delivery. When the mark fails,
 * the courier repeats the mark, not the delivery. Urgent messages do not touch the outbox, so
 * they pass while it fails.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "notify/delivery.h"

#define OUTBOX_PAUSE_NS SECOND_NS       /* before a failing outbox is asked again */
#define STOP_NUDGE_NS   (20 * MILLI_NS) /* between aborts of a courier that is to stop */
#define COURIERS_MAX    (CHANNELS_MAX + 1)

struct courier {
    struct outbox *outbox;
    struct channel_settings channel; /* own copies; id is empty for the alarm topic */
    struct carrier carrier;
    pthread_t thread;
    size_t place; /* of the channel in the settings; guarded by the notifier's lock */

    pthread_mutex_t lock; /* guards the four below */
    pthread_cond_t changed;
    bool woken, stopping, ended;
    struct urgent_queue urgent;

    /* the thread's own */
    struct schedule schedule;
    struct log_complaint complaint;
    struct outbox_message message;
    int64_t unmarked; /* delivered but not marked; 0 = none */
};

struct notifier {
    struct outbox *outbox;
    uint64_t seed;
    pthread_mutex_t lock; /* guards the couriers */
    size_t count;
    struct courier *couriers[COURIERS_MAX]; /* the first is the alarm topic's */
};

/* --- the courier's work ------------------------------------------------------------- */

static const char *courier_name(const struct courier *courier)
{
    return courier->channel.id[0] == '\0' ? "alarm topic" : courier->channel.id;
}

static void complain(struct courier *courier, mono_time now, const struct problem *problem)
{
    if (log_complaint_due(&courier->complaint, now.ns)) {
        log_warning("notify %s: %s; trying again", courier_name(courier), problem->text);
    }
}

static void say_better(struct courier *courier, mono_time now)
{
    long long lasted_ns = 0;
    if (log_complaint_over(&courier->complaint, now.ns, &lasted_ns)) {
        log_info("notify %s: delivers again after %lld s", courier_name(courier),
                 lasted_ns / SECOND_NS);
    }
}

static mono_time after(mono_time now, int64_t pause_ns)
{
    return (mono_time){ now.ns + pause_ns };
}

/* Returns when to go on. */
static mono_time mark_sent(struct courier *courier, mono_time now)
{
    struct problem problem = { "" };
    if (outbox_mark(courier->outbox, courier->unmarked, OUTBOX_SENT, &problem) != OUTBOX_OK) {
        complain(courier, now, &problem);
        return after(now, OUTBOX_PAUSE_NS);
    }
    schedule_done(&courier->schedule, courier->unmarked);
    courier->unmarked = 0;
    return now;
}

static bool is_urgent(const struct outbox_message *message)
{
    return message->id < 0;
}

static bool take_urgent(struct courier *courier, const int64_t *held, size_t held_count)
{
    (void)pthread_mutex_lock(&courier->lock);
    bool found = urgent_next(&courier->urgent, held, held_count, &courier->message);
    (void)pthread_mutex_unlock(&courier->lock);
    return found;
}

static void end_urgent(struct courier *courier, int64_t id)
{
    (void)pthread_mutex_lock(&courier->lock);
    urgent_end(&courier->urgent, id);
    (void)pthread_mutex_unlock(&courier->lock);
}

/* Returns when to go on. */
static mono_time delivered(struct courier *courier, mono_time now)
{
    if (is_urgent(&courier->message)) {
        schedule_done(&courier->schedule, courier->message.id);
        end_urgent(courier, courier->message.id);
        return now;
    }
    courier->unmarked = courier->message.id;
    return mark_sent(courier, now);
}

static void give_up(struct courier *courier, const struct problem *problem)
{
    struct problem mark = { "" };
    log_error("notify %s: message %s given up after %d h: %s", courier_name(courier),
              courier->message.key, (int)(REFUSED_UP_NS / SECOND_NS / 3600), problem->text);
    if (is_urgent(&courier->message)) {
        end_urgent(courier, courier->message.id);
    } else if (outbox_mark(courier->outbox, courier->message.id, OUTBOX_GIVEN_UP, &mark) !=
               OUTBOX_OK) {
        log_error("notify %s: %s", courier_name(courier), mark.text); /* it will be refused again */
    }
}

/* Delivers the message taken; returns when to go on. */
static mono_time deliver(struct courier *courier)
{
    struct problem problem = { "" };
    int64_t id = courier->message.id;
    struct letter letter = { .key = courier->message.key,
                             .body = courier->message.body,
                             .body_length = courier->message.length,
                             .topic = courier->message.topic };
    struct parcel parcel = { .letters = &letter, .count = 1, .recipient = "", .key = letter.key };
    enum delivery delivery = courier->carrier.deliver(courier->carrier.self, &parcel, &problem);
    mono_time now = clock_mono();
    if (delivery == DELIVERY_DONE) {
        say_better(courier, now);
        return delivered(courier, now);
    }
    if (schedule_failed(&courier->schedule, id, delivery, now) == VERDICT_GIVE_UP) {
        give_up(courier, &problem);
        return now;
    }
    outbox_count_retry(courier->outbox);
    complain(courier, now, &problem);
    return now;
}

/* The same for the outbox alone. */
static mono_time outbox_step(struct courier *courier, mono_time now, const int64_t *held,
                             size_t held_count)
{
    struct problem problem = { "" };
    enum outbox_status status = outbox_take(courier->outbox, courier->channel.id, held, held_count,
                                            &courier->message, &problem);
    switch (status) {
    case OUTBOX_OK:
        schedule_offered(&courier->schedule, now, courier->message.id);
        return deliver(courier);
    case OUTBOX_NONE:
        schedule_offered(&courier->schedule, now, INT64_MAX);
        return schedule_next(&courier->schedule);
    case OUTBOX_FAILED:
    case OUTBOX_REPLACED:
        break;
    }
    complain(courier, now, &problem);
    return after(now, OUTBOX_PAUSE_NS);
}

/* One message at most; returns when to go on at the latest. */
static mono_time courier_step(struct courier *courier, mono_time now)
{
    int64_t held[HOLDS_MAX];
    size_t held_count = schedule_held(&courier->schedule, now, held);
    bool open = courier->schedule.open.ns <= now.ns;
    if (open && take_urgent(courier, held, held_count)) {
        return deliver(courier);
    }
    if (courier->unmarked != 0) {
        return mark_sent(courier, now);
    }
    return open ? outbox_step(courier, now, held, held_count) : courier->schedule.open;
}

/* Waits, lock held, until the time or a change. */
static void wait_until(struct courier *courier, mono_time until)
{
    if (until.ns == INT64_MAX) {
        (void)pthread_cond_wait(&courier->changed, &courier->lock);
        return;
    }
    struct timespec at = { .tv_sec = (time_t)(until.ns / SECOND_NS),
                           .tv_nsec = (long)(until.ns % SECOND_NS) };
    (void)pthread_cond_timedwait(&courier->changed, &courier->lock, &at);
}

static void *courier_run(void *argument)
{
    struct courier *courier = argument;
    (void)pthread_mutex_lock(&courier->lock);
    while (!courier->stopping) {
        courier->woken = false;
        (void)pthread_mutex_unlock(&courier->lock);
        mono_time next = courier_step(courier, clock_mono());
        (void)pthread_mutex_lock(&courier->lock);
        if (!courier->stopping && !courier->woken && next.ns > clock_mono().ns) {
            wait_until(courier, next);
        }
    }
    courier->ended = true;
    (void)pthread_cond_broadcast(&courier->changed);
    (void)pthread_mutex_unlock(&courier->lock);
    return NULL;
}

/* --- a courier's life ----------------------------------------------------------------- */

static char *copy_string(const char *string)
{
    return strdup(string == NULL ? "" : string);
}

static bool copy_channel(struct channel_settings *copy, const struct channel_settings *channel)
{
    *copy = *channel;
    copy->id = copy_string(channel->id);
    copy->url = copy_string(channel->url);
    copy->secret = copy_string(channel->secret);
    copy->ca = copy_string(channel->ca);
    copy->file = NULL;
    return copy->id != NULL && copy->url != NULL && copy->secret != NULL && copy->ca != NULL;
}

static bool same_string(const char *own, const char *other)
{
    return strcmp(own, other == NULL ? "" : other) == 0;
}

static bool same_channel(const struct channel_settings *own, const struct channel_settings *other)
{
    return own->kind == other->kind && own->timeout_ns == other->timeout_ns &&
           same_string(own->id, other->id) && same_string(own->url, other->url) &&
           same_string(own->secret, other->secret) && same_string(own->ca, other->ca);
}

/* Frees a courier whose thread has ended or never began. */
static void courier_free(struct courier *courier)
{
    if (courier->carrier.free != NULL) {
        courier->carrier.free(courier->carrier.self);
    }
    free((void *)(uintptr_t)courier->channel.id);
    free((void *)(uintptr_t)courier->channel.url);
    free((void *)(uintptr_t)courier->channel.secret);
    free((void *)(uintptr_t)courier->channel.ca);
    (void)pthread_cond_destroy(&courier->changed);
    (void)pthread_mutex_destroy(&courier->lock);
    free(courier);
}

static void init_locks(struct courier *courier)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&courier->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC); /* as mono_time */
    (void)pthread_cond_init(&courier->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* FNV-1a: gives each channel a jitter of its own. */
static uint64_t hash(const char *text)
{
    uint64_t value = UINT64_C(0xCBF29CE484222325);
    for (; *text != '\0'; text++) {
        value = (value ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    }
    return value;
}

/* publish is NULL for a channel. NULL when out of memory or threads. */
static struct courier *courier_start(struct notifier *notifier,
                                     const struct channel_settings *channel,
                                     const struct notifier_publish *publish)
{
    struct courier *courier = calloc(1, sizeof *courier);
    if (courier == NULL) {
        return NULL;
    }
    init_locks(courier);
    courier->outbox = notifier->outbox;
    struct carrier_means means = { .publish = publish, .outbox = notifier->outbox };
    struct problem problem = { "" };
    carrier_open *open = publish != NULL ? retained_open : webhook_open;
    bool ready = copy_channel(&courier->channel, channel) &&
                 open(&courier->carrier, channel, &means, &problem);
    if (ready) {
        schedule_init(&courier->schedule, notifier->seed ^ hash(courier->channel.id));
    }
    if (!ready || pthread_create(&courier->thread, NULL, courier_run, courier) != 0) {
        courier_free(courier);
        return NULL;
    }
    return courier;
}

static void courier_wake(struct courier *courier)
{
    (void)pthread_mutex_lock(&courier->lock);
    courier->woken = true;
    (void)pthread_cond_broadcast(&courier->changed);
    (void)pthread_mutex_unlock(&courier->lock);
}

static void courier_ask_to_stop(struct courier *courier)
{
    (void)pthread_mutex_lock(&courier->lock);
    courier->stopping = true;
    (void)pthread_cond_broadcast(&courier->changed);
    (void)pthread_mutex_unlock(&courier->lock);
    courier->carrier.abort(courier->carrier.self);
}

/* An abort that came just before the request began had nothing to end: so it is repeated. */
static void courier_finish(struct courier *courier)
{
    (void)pthread_mutex_lock(&courier->lock);
    while (!courier->ended) {
        courier->carrier.abort(courier->carrier.self);
        wait_until(courier, after(clock_mono(), STOP_NUDGE_NS));
    }
    (void)pthread_mutex_unlock(&courier->lock);
    (void)pthread_join(courier->thread, NULL);
    courier_free(courier);
}

/* --- the notifier ------------------------------------------------------------------------- */

static const struct channel_settings *find_channel(const struct channel_settings *channels,
                                                   size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(channels[i].id, id) == 0) {
            return &channels[i];
        }
    }
    return NULL;
}

/* Stops the couriers of channels that are gone or changed; all at once. */
static void stop_changed(struct notifier *notifier, const struct channel_settings *channels,
                         size_t count)
{
    struct courier *leaving[COURIERS_MAX];
    size_t leaving_count = 0, kept = 1;
    for (size_t i = 1; i < notifier->count; i++) {
        struct courier *courier = notifier->couriers[i];
        const struct channel_settings *channel = find_channel(channels, count, courier->channel.id);
        if (channel != NULL && same_channel(&courier->channel, channel)) {
            notifier->couriers[kept++] = courier;
        } else {
            courier_ask_to_stop(courier);
            leaving[leaving_count++] = courier;
        }
    }
    notifier->count = kept;
    for (size_t i = 0; i < leaving_count; i++) {
        courier_finish(leaving[i]);
    }
}

/* The courier of the channel, NULL if there is none. */
static struct courier *find_courier(const struct notifier *notifier, const char *id)
{
    for (size_t i = 1; i < notifier->count; i++) {
        if (strcmp(notifier->couriers[i]->channel.id, id) == 0) {
            return notifier->couriers[i];
        }
    }
    return NULL;
}

/* Starts those that do not run yet and gives each its place. False if one could not be started; the
 * others are. */
static bool start_missing(struct notifier *notifier, const struct channel_settings *channels,
                          size_t count)
{
    bool complete = true;
    for (size_t i = 0; i < count; i++) {
        struct courier *courier = find_courier(notifier, channels[i].id);
        if (courier == NULL && notifier->count < COURIERS_MAX) {
            courier = courier_start(notifier, &channels[i], NULL);
            notifier->couriers[notifier->count] = courier;
            notifier->count += courier != NULL;
        }
        if (courier == NULL) {
            log_error("notify %s: no memory or thread for it; its messages wait", channels[i].id);
            complete = false;
        } else {
            courier->place = i;
        }
    }
    return complete;
}

static void give_up_unknown(struct notifier *notifier, const struct channel_settings *channels,
                            size_t count)
{
    struct problem problem = { "" };
    uint64_t given_up = 0;
    if (outbox_give_up_unknown(notifier->outbox, channels, count, &given_up, &problem) !=
        OUTBOX_OK) {
        log_error("%s", problem.text);
    }
    if (given_up > 0) {
        log_warning("notify: %llu messages given up, their channels are gone",
                    (unsigned long long)given_up);
    }
}

struct notifier *notifier_create(struct outbox *outbox, const struct channel_settings *channels,
                                 size_t count, const struct notifier_publish *publish,
                                 uint64_t seed)
{
    const struct channel_settings topic = { .id = CHANNEL_RETAINED };
    struct notifier *notifier = calloc(1, sizeof *notifier);
    if (notifier == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&notifier->lock, NULL);
    notifier->outbox = outbox;
    notifier->seed = seed;
    give_up_unknown(notifier, channels, count);
    notifier->couriers[0] = courier_start(notifier, &topic, publish);
    notifier->count = notifier->couriers[0] != NULL;
    if (notifier->count == 0 || !start_missing(notifier, channels, count)) {
        notifier_free(notifier);
        return NULL;
    }
    return notifier;
}

void notifier_free(struct notifier *notifier)
{
    if (notifier == NULL) {
        return;
    }
    for (size_t i = 0; i < notifier->count; i++) {
        courier_ask_to_stop(notifier->couriers[i]);
    }
    for (size_t i = 0; i < notifier->count; i++) {
        courier_finish(notifier->couriers[i]);
    }
    (void)pthread_mutex_destroy(&notifier->lock);
    free(notifier);
}

void notifier_wake(struct notifier *notifier)
{
    (void)pthread_mutex_lock(&notifier->lock);
    for (size_t i = 0; i < notifier->count; i++) {
        courier_wake(notifier->couriers[i]);
    }
    (void)pthread_mutex_unlock(&notifier->lock);
}

/* Do the rule's alarms go to the courier? */
static bool is_for(const struct courier *courier, const struct rule *rule)
{
    bool wanted = false;
    for (size_t i = 0; i < rule->channel_count && !wanted; i++) {
        wanted = rule->channels[i] == courier->place;
    }
    return wanted;
}

static void courier_urge(struct courier *courier, const struct outbox_message *message)
{
    (void)pthread_mutex_lock(&courier->lock);
    urgent_add(&courier->urgent, message);
    (void)pthread_mutex_unlock(&courier->lock);
    courier_wake(courier);
}

bool notifier_urgent(struct notifier *notifier, const struct notice *notice)
{
    struct outbox_message *message = calloc(1, sizeof *message);
    if (message == NULL || !outbox_describe(notice, message)) {
        free(message);
        return false;
    }
    (void)pthread_mutex_lock(&notifier->lock);
    for (size_t i = 1; i < notifier->count; i++) {
        if (is_for(notifier->couriers[i], notice->rule)) {
            courier_urge(notifier->couriers[i], message);
        }
    }
    if (notice->to == SEVERITY_NORMAL) { /* an empty message clears the topic */
        message->length = 0;
        message->body[0] = '\0';
    }
    courier_urge(notifier->couriers[0], message);
    (void)pthread_mutex_unlock(&notifier->lock);
    free(message);
    return true;
}

void notifier_configure(struct notifier *notifier, const struct channel_settings *channels,
                        size_t count)
{
    (void)pthread_mutex_lock(&notifier->lock);
    stop_changed(notifier, channels, count);
    give_up_unknown(notifier, channels, count);
    (void)start_missing(notifier, channels, count);
    (void)pthread_mutex_unlock(&notifier->lock);
}
