/*
 * One courier for each channel and one for the alarm topic: a thread that takes
 * the next parcel of its channel, hands it to its carrier and marks it.
 * Couriers share nothing but the outbox, so none waits for another's endpoint.
 *
 * At least once: a parcel is marked after its delivery. When the mark fails,
 * the courier repeats the mark, not the delivery. Urgent messages do not touch the outbox, so
 * they pass while it fails.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "notify/delivery.h"

#define STARTING_NS     (10 * SECOND_NS) /* boards wait so long for the broker before it is said */
#define OUTBOX_PAUSE_NS SECOND_NS        /* before a failing outbox is asked again */
#define STOP_NUDGE_NS   (20 * MILLI_NS)  /* between aborts of a courier that is to stop */
#define COURIERS_MAX    (CHANNELS_MAX + 1)

struct courier {
    struct outbox *outbox;
    struct channel_copy *copy;
    const struct channel_settings *channel; /* of the copy; id is empty for the alarm topic */
    struct carrier carrier;
    struct outbox_terms terms;
    pthread_t thread;
    size_t place; /* of the channel in the settings; guarded by the notifier's lock */

    pthread_mutex_t lock; /* guards the five below */
    pthread_cond_t changed;
    bool woken, stopping, ended;
    struct urgent_queue urgent;

    /* the thread's own */
    struct schedule schedule;
    struct log_complaint complaint;
    struct outbox_parcel parcel, urgent_parcel;
    enum { UNMARKED_NONE, UNMARKED_SENT, UNMARKED_GIVEN_UP } unmarked; /* what became of it */
    mono_time started;
    mono_time refresh; /* when it is due */
    mono_time rested;  /* the channel's rate allows nothing before */
    struct letter letters[PARCEL_LETTERS_MAX];
    struct letter_store *stores[PARCEL_LETTERS_MAX];
};

struct notifier {
    struct outbox *outbox;
    uint64_t seed;
    struct carriers carriers;
    struct notifier_publish publish;
    pthread_mutex_t lock; /* guards the couriers */
    size_t count;
    struct courier *couriers[COURIERS_MAX]; /* the first is the alarm topic's */
};

/* --- the courier's work ------------------------------------------------------------- */

static const char *courier_name(const struct courier *courier)
{
    return courier->channel->id[0] == '\0' ? "alarm topic" : courier->channel->id;
}

static void complain(struct courier *courier, mono_time now, const struct problem *problem)
{
    bool starting = courier->carrier.refresh != NULL && now.ns - courier->started.ns < STARTING_NS;
    if (!starting && log_complaint_due(&courier->complaint, now.ns)) {
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

static mono_time earlier(mono_time a, mono_time b)
{
    return a.ns < b.ns ? a : b;
}

static void courier_lock(struct courier *courier)
{
    (void)pthread_mutex_lock(&courier->lock);
}

static void courier_unlock(struct courier *courier)
{
    (void)pthread_mutex_unlock(&courier->lock);
}

static bool is_stopping(struct courier *courier)
{
    courier_lock(courier);
    bool stopping = courier->stopping;
    courier_unlock(courier);
    return stopping;
}

/* Marks the parcel with what became of it; returns when to go on. */
static mono_time mark(struct courier *courier, mono_time now)
{
    struct problem problem = { "" };
    enum outbox_end end = courier->unmarked == UNMARKED_SENT ? OUTBOX_SENT : OUTBOX_GIVEN_UP;
    if (outbox_mark(courier->outbox, &courier->parcel, &courier->terms, end, clock_real(),
                    &problem) != OUTBOX_OK) {
        complain(courier, now, &problem);
        return after(now, OUTBOX_PAUSE_NS);
    }
    courier->unmarked = UNMARKED_NONE;
    return now;
}

/* --- parcels ---- */

static void forget_letters(struct courier *courier, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        letter_store_free(courier->stores[i]);
        courier->stores[i] = NULL;
    }
}

/* The parcel's key: that of its letter, or of its recipient and all its letters together. */
static bool find_key(const struct outbox_parcel *parcel, const struct letter *letters,
                     char key[NOTICE_KEY_CHARS + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (parcel->count == 1 && parcel->more == 0) {
        (void)snprintf(key, NOTICE_KEY_CHARS + 1, "%s", letters[0].key);
        return true;
    }
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(hash, parcel->address, strlen(parcel->address)) == 1;
    for (size_t i = 0; good && i < parcel->count; i++) {
        good = EVP_DigestUpdate(hash, letters[i].key, strlen(letters[i].key)) == 1;
    }
    good = good && EVP_DigestFinal_ex(hash, digest, &size) == 1;
    EVP_MD_CTX_free(hash);
    for (unsigned i = 0; good && i < NOTICE_KEY_CHARS / 2; i++) {
        (void)snprintf(key + (size_t)2 * i, 3, "%02x", digest[i]);
    }
    return good;
}

/* After each delivery, whatever came of it. */
static void rest(struct courier *courier)
{
    if (courier->channel->per_minute > 0) {
        courier->rested = after(clock_mono(), 60 * SECOND_NS / courier->channel->per_minute);
    }
}

/* Hands what was taken to the carrier. */
static enum delivery deliver_letters(struct courier *courier, const struct outbox_parcel *taken,
                                     struct problem *problem)
{
    char key[NOTICE_KEY_CHARS + 1], report[REPORT_KEY_CHARS + 1];
    size_t count = 0;
    bool read = true;
    for (; read && count < taken->count; count += read) {
        read = letter_read(phusa_text_of(taken->letters[count].body),
                           phusa_text_of(taken->letters[count].details), &courier->letters[count],
                           &courier->stores[count]);
    }
    enum delivery delivery = DELIVERY_REFUSED;
    if (!read) {
        problem_set(problem, "a letter of the outbox cannot be read");
    } else if (!find_key(taken, courier->letters, key)) {
        problem_set(problem, "out of memory");
    } else {
        report_print_key(taken->sending, report);
        struct parcel parcel = { .letters = courier->letters,
                                 .count = taken->count,
                                 .more = taken->more,
                                 .recipient = taken->address,
                                 .subscriber = taken->subscriber,
                                 .language = taken->language,
                                 .key = key,
                                 .report = report };
        delivery = courier->carrier.deliver(courier->carrier.self, &parcel, problem);
        rest(courier);
    }
    forget_letters(courier, count);
    return delivery;
}

static void say_given_up(const struct courier *courier, const struct problem *problem)
{
    log_error("notify %s: a message is given up after %d h: %s", courier_name(courier),
              (int)(REFUSED_UP_NS / SECOND_NS / 3600), problem->text);
}

/* How long the parcel has been refused, below 0: not. */
static int64_t refused_for(const struct outbox_parcel *parcel, wall_time now)
{
    return parcel->refused_ns == 0 ? -1 : now.ns - parcel->refused_ns;
}

/* Writes down that a try failed; returns when to go on. */
static mono_time not_delivered(struct courier *courier, enum delivery delivery,
                               const struct problem *problem)
{
    struct problem outbox_problem = { "" };
    mono_time now = clock_mono();
    wall_time real = clock_real();
    int64_t pause_ns = 0;
    if (is_stopping(courier)) { /* it may have been ended by that */
        return now;
    }
    if (schedule_failed(&courier->schedule, delivery, courier->parcel.tries,
                        refused_for(&courier->parcel, real), now, &pause_ns) == VERDICT_GIVE_UP) {
        say_given_up(courier, problem);
        courier->unmarked = UNMARKED_GIVEN_UP;
        return mark(courier, now);
    }
    complain(courier, now, problem);
    const struct failure failure = { .refused = delivery == DELIVERY_REFUSED,
                                     .now = real,
                                     .again = { real.ns + pause_ns },
                                     .words = problem->text };
    if (outbox_fail(courier->outbox, &courier->parcel, &failure, &outbox_problem) != OUTBOX_OK) {
        return after(now, OUTBOX_PAUSE_NS);
    }
    return now;
}

static void put_off_refresh(struct courier *courier, mono_time now)
{
    bool wanted = courier->carrier.refresh != NULL;
    courier->refresh.ns = wanted ? now.ns + courier->carrier.refresh_ns : INT64_MAX;
}

/* Delivers what was taken; returns when to go on. */
static mono_time deliver(struct courier *courier)
{
    struct problem problem = { "" };
    enum delivery delivery = deliver_letters(courier, &courier->parcel, &problem);
    if (delivery != DELIVERY_DONE) {
        return not_delivered(courier, delivery, &problem);
    }
    mono_time now = clock_mono();
    say_better(courier, now);
    schedule_done(&courier->schedule);
    courier->unmarked = UNMARKED_SENT;
    return mark(courier, now);
}

/* A real time of the outbox on the couriers' clock. */
static mono_time mono_of(int64_t real_ns, wall_time real, mono_time now)
{
    return real_ns == INT64_MAX ? (mono_time){ INT64_MAX } : after(now, real_ns - real.ns);
}

/* One parcel at most; returns when to go on. */
static mono_time outbox_step(struct courier *courier, mono_time now)
{
    struct problem problem = { "" };
    wall_time real = clock_real();
    switch (outbox_take(courier->outbox, courier->channel->id, &courier->terms, real,
                        &courier->parcel, &problem)) {
    case OUTBOX_OK:
        return deliver(courier);
    case OUTBOX_NONE:
        return mono_of(courier->parcel.again_ns, real, now);
    case OUTBOX_FAILED:
    case OUTBOX_REPLACED:
        break;
    }
    complain(courier, now, &problem);
    return after(now, OUTBOX_PAUSE_NS);
}

/* --- urgent ones ---- */

static size_t address_count(const struct channel_settings *channel)
{
    bool addressed = channel->kind == CHANNEL_EMAIL || channel->kind == CHANNEL_SMS;
    return addressed ? channel->to_count : 1;
}

/* Makes the parcel of the next urgent message to one address. *id receives whose it is. */
static bool take_urgent(struct courier *courier, mono_time now, int64_t *id)
{
    const struct channel_settings *channel = courier->channel;
    struct outbox_parcel *parcel = &courier->urgent_parcel;
    bool taken = false;
    courier_lock(courier);
    const struct urgent_message *message = urgent_next(&courier->urgent, now);
    if (message != NULL) {
        outbox_parcel_clear(parcel);
        *id = message->id;
        parcel->count = 1;
        parcel->letters[0].body = strdup(message->body);
        parcel->letters[0].details = strdup(message->details);
        parcel->language = channel->language;
        if (channel->to_count > message->reached) {
            (void)snprintf(parcel->address, sizeof parcel->address, "%s",
                           channel->to[message->reached]);
        }
        taken = parcel->letters[0].body != NULL && parcel->letters[0].details != NULL;
    }
    courier_unlock(courier);
    return taken;
}

/* One address has it, or never will. */
static void pass_urgent(struct courier *courier, int64_t id)
{
    courier_lock(courier);
    struct urgent_message *message = urgent_find(&courier->urgent, id);
    if (message != NULL && ++message->reached >= address_count(courier->channel)) {
        urgent_end(&courier->urgent, id);
    } else if (message != NULL) {
        message->tries = 0;
        message->refused = false;
    }
    courier_unlock(courier);
}

/* True if it is given up. */
static bool delay_urgent(struct courier *courier, int64_t id, enum delivery delivery, mono_time now)
{
    int64_t pause_ns = 0;
    bool given_up = false;
    courier_lock(courier);
    struct urgent_message *message = urgent_find(&courier->urgent, id);
    if (message != NULL) {
        int64_t refused_ns = message->refused ? now.ns - message->refused_since.ns : -1;
        given_up = schedule_failed(&courier->schedule, delivery, message->tries, refused_ns, now,
                                   &pause_ns) == VERDICT_GIVE_UP;
        message->refused_since = message->refused ? message->refused_since : now;
        message->refused = delivery == DELIVERY_REFUSED;
        message->tries++;
        message->next = after(now, pause_ns);
    }
    courier_unlock(courier);
    return given_up;
}

static mono_time deliver_urgent(struct courier *courier, int64_t id)
{
    struct problem problem = { "" };
    enum delivery delivery = deliver_letters(courier, &courier->urgent_parcel, &problem);
    mono_time now = clock_mono();
    if (delivery == DELIVERY_DONE) {
        say_better(courier, now);
        schedule_done(&courier->schedule);
        pass_urgent(courier, id);
        return now;
    }
    outbox_count_retry(courier->outbox);
    complain(courier, now, &problem);
    if (delay_urgent(courier, id, delivery, now)) {
        say_given_up(courier, &problem);
        pass_urgent(courier, id);
    }
    return now;
}

static mono_time next_urgent(struct courier *courier)
{
    courier_lock(courier);
    mono_time due = urgent_due(&courier->urgent);
    courier_unlock(courier);
    return due;
}

/* --- one step ---- */

static mono_time refresh(struct courier *courier, mono_time now)
{
    struct problem problem = { "" };
    enum delivery delivery = courier->carrier.refresh(courier->carrier.self, &problem);
    int64_t pause_ns = 0;
    if (delivery == DELIVERY_DONE) {
        say_better(courier, now);
        schedule_done(&courier->schedule);
        put_off_refresh(courier, clock_mono());
    } else if (!is_stopping(courier)) {
        complain(courier, now, &problem);
        (void)schedule_failed(&courier->schedule, delivery, courier->schedule.tries, -1,
                              clock_mono(), &pause_ns);
        courier->refresh = after(now, pause_ns > SECOND_NS ? pause_ns : SECOND_NS);
    }
    return clock_mono();
}

static mono_time opens(const struct courier *courier)
{
    return courier->schedule.open.ns > courier->rested.ns ? courier->schedule.open
                                                          : courier->rested;
}

/* One delivery at most; returns when to go on at the latest. What is delivered but not marked stays
 * in hand: it is marked before anything more is taken. */
static mono_time courier_step(struct courier *courier, mono_time now)
{
    mono_time opening = opens(courier), next = opening;
    bool open = opening.ns <= now.ns;
    int64_t id = 0;
    if (open && take_urgent(courier, now, &id)) {
        return deliver_urgent(courier, id);
    }
    if (courier->unmarked != UNMARKED_NONE) {
        next = mark(courier, now);
    } else if (open && courier->refresh.ns <= now.ns) {
        return refresh(courier, now);
    } else if (open) {
        next = earlier(outbox_step(courier, now), courier->refresh);
    }
    mono_time urgent = open ? next_urgent(courier) : opening;
    return earlier(next, urgent);
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

/* Frees a courier whose thread has ended or never began. */
static void courier_free(struct courier *courier)
{
    if (courier->carrier.free != NULL) {
        courier->carrier.free(courier->carrier.self);
    }
    outbox_parcel_clear(&courier->parcel);
    outbox_parcel_clear(&courier->urgent_parcel);
    urgent_clear(&courier->urgent);
    channel_copy_free(courier->copy);
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

/* People get digests; boards and their like the state of all at once. */
static struct outbox_terms terms_of(const struct channel_settings *channel, size_t most)
{
    static const struct channel_pace at_once = { 0, 0 };
    bool people = channel->kind == CHANNEL_EMAIL || channel->kind == CHANNEL_SMS;
    bool board = channel->kind == CHANNEL_BOARD;
    return (struct outbox_terms){ .digests = people || board,
                                  .most = most == 0 || most > PARCEL_LETTERS_MAX ? 1 : most,
                                  .pace = board ? at_once : channel->pace,
                                  .reports = channel_reports(channel) };
}

/* Makes all that the courier's thread needs. */
static bool courier_prepare(struct courier *courier, const struct notifier *notifier,
                            const struct channel_settings *channel, int32_t utc_offset_s,
                            struct problem *problem)
{
    const struct carrier_means means = { .publish = &notifier->publish,
                                         .outbox = notifier->outbox,
                                         .utc_offset_s = utc_offset_s };
    bool topic = channel->id[0] == '\0';
    carrier_open *open = topic ? notifier->carriers.retained : notifier->carriers.of[channel->kind];
    courier->copy = channel_copy_create(channel);
    if (courier->copy == NULL || open == NULL) {
        problem_set(problem, "%s", open == NULL ? "no such kind of channel" : "out of memory");
        return false;
    }
    courier->channel = channel_copy_get(courier->copy);
    if (!open(&courier->carrier, courier->channel, &means, problem)) {
        return false;
    }
    courier->terms = terms_of(courier->channel, courier->carrier.most);
    courier->started = clock_mono();
    courier->refresh.ns = courier->carrier.refresh != NULL ? 0 : INT64_MAX;
    schedule_init(&courier->schedule, notifier->seed ^ hash(courier->channel->id));
    return true;
}

/* NULL with the problem when out of memory or threads, or the carrier cannot be opened. */
static struct courier *courier_start(const struct notifier *notifier,
                                     const struct channel_settings *channel, int32_t utc_offset_s,
                                     struct problem *problem)
{
    struct courier *courier = calloc(1, sizeof *courier);
    if (courier == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    init_locks(courier);
    courier->outbox = notifier->outbox;
    if (!courier_prepare(courier, notifier, channel, utc_offset_s, problem)) {
        courier_free(courier);
        return NULL;
    }
    (void)outbox_retry(notifier->outbox, courier->channel->id, clock_real(), NULL);
    if (pthread_create(&courier->thread, NULL, courier_run, courier) != 0) {
        problem_set(problem, "no thread for it");
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

static const struct carriers own_carriers = {
    .of = { [CHANNEL_WEBHOOK] = webhook_open,
            [CHANNEL_ALERTMANAGER] = alertmanager_open,
            [CHANNEL_EMAIL] = email_open,
            [CHANNEL_SMS] = sms_open,
            [CHANNEL_BOARD] = board_open,
            [CHANNEL_CAP] = cap_open,
            [CHANNEL_SYSLOG] = syslog_open },
    .retained = retained_open,
};

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
        const struct channel_settings *channel =
            find_channel(channels, count, courier->channel->id);
        if (channel != NULL && channel_same(courier->channel, channel)) {
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
        if (strcmp(notifier->couriers[i]->channel->id, id) == 0) {
            return notifier->couriers[i];
        }
    }
    return NULL;
}

/* Starts those that do not run yet and gives each its place. False if one could not be started; the
 * others are. */
static bool start_missing(struct notifier *notifier, const struct settings *settings)
{
    bool complete = true;
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *channel = &settings->channels[i];
        struct courier *courier = find_courier(notifier, channel->id);
        struct problem problem = { "" };
        if (courier == NULL && notifier->count < COURIERS_MAX) {
            courier = courier_start(notifier, channel, settings->utc_offset_s, &problem);
            notifier->couriers[notifier->count] = courier;
            notifier->count += courier != NULL;
        }
        if (courier == NULL) {
            log_error("notify %s: %s; its messages wait", channel->id, problem.text);
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

struct notifier *notifier_create_with(struct outbox *outbox, const struct settings *settings,
                                      const struct notifier_publish *publish, uint64_t seed,
                                      const struct carriers *carriers)
{
    const struct channel_settings topic = { .id = CHANNEL_RETAINED };
    struct problem problem = { "" };
    struct notifier *notifier = calloc(1, sizeof *notifier);
    if (notifier == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&notifier->lock, NULL);
    notifier->outbox = outbox;
    notifier->seed = seed;
    notifier->carriers = *carriers;
    notifier->publish = *publish;
    (void)outbox_configure(outbox, settings); /* else at the first commit */
    give_up_unknown(notifier, settings->channels, settings->channel_count);
    notifier->couriers[0] = courier_start(notifier, &topic, settings->utc_offset_s, &problem);
    notifier->count = notifier->couriers[0] != NULL;
    if (notifier->count == 0 || !start_missing(notifier, settings)) {
        notifier_free(notifier);
        return NULL;
    }
    return notifier;
}

struct notifier *notifier_create(struct outbox *outbox, const struct settings *settings,
                                 const struct notifier_publish *publish, uint64_t seed)
{
    return notifier_create_with(outbox, settings, publish, seed, &own_carriers);
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

static bool courier_urge(struct courier *courier, const char *topic,
                         const struct letter_draft *letter)
{
    courier_lock(courier);
    bool added = urgent_add(&courier->urgent, topic, letter);
    courier_unlock(courier);
    courier_wake(courier);
    return added;
}

static bool urge_all(struct notifier *notifier, const struct notice *notice, const char *topic,
                     const struct letter_draft *letter)
{
    (void)pthread_mutex_lock(&notifier->lock);
    bool told = courier_urge(notifier->couriers[0], topic, letter);
    for (size_t i = 1; i < notifier->count; i++) {
        struct courier *courier = notifier->couriers[i];
        if (is_for(courier, notice->rule) && address_count(courier->channel) > 0) {
            told = courier_urge(courier, topic, letter) && told;
        }
    }
    (void)pthread_mutex_unlock(&notifier->lock);
    return told;
}

bool notifier_urgent(struct notifier *notifier, const struct notice *notice,
                     const struct settings *settings)
{
    const struct phusa_topic parts = { .site = phusa_text_of(notice->station->site),
                                       .station = phusa_text_of(notice->station->id),
                                       .leaf = PHUSA_LEAF_ALARM,
                                       .rest = phusa_text_of(notice->rule->id) };
    char topic[PHUSA_TOPIC_MAX + 1];
    struct letter_draft *letter = calloc(1, sizeof *letter);
    bool told = letter != NULL && phusa_topic_print(&parts, topic, sizeof topic) > 0 &&
                letter_draft(notice, settings, letter) && urge_all(notifier, notice, topic, letter);
    free(letter);
    return told;
}

void notifier_configure(struct notifier *notifier, const struct settings *settings)
{
    (void)outbox_configure(notifier->outbox, settings); /* else at the next commit */
    (void)pthread_mutex_lock(&notifier->lock);
    stop_changed(notifier, settings->channels, settings->channel_count);
    give_up_unknown(notifier, settings->channels, settings->channel_count);
    (void)start_missing(notifier, settings);
    (void)pthread_mutex_unlock(&notifier->lock);
}
