/*
 * Common Alerting Protocol 1.2: a file for each message, and a feed of them (cap_folder.h), which
 * the console serves and any web server may. cap_xml.h says what stands in them.
 *
 * Times in them are real ones, by which readers judge what has expired; only <onset>
 * is the reading's.
 */
#include <stdlib.h>

#include "notify/cap_folder.h"

#define REFRESH_NS         (300 * SECOND_NS)
#define RENEW_MAX          200 /* renewed at one refresh; the rest at the next */
#define EXPIRES_DEFAULT_NS (86400 * SECOND_NS)

struct cap {
    struct cap_folder *folder;
    struct outbox *outbox;
    const char *channel;
};

/* Writes a draft, if there is one, and frees it. */
static enum delivery store(struct cap *cap, struct cap_draft *draft, struct problem *problem)
{
    bool good = draft == NULL || cap_folder_store(cap->folder, draft, problem);
    free(draft);
    return good ? DELIVERY_DONE : DELIVERY_UNREACHABLE; /* what the disk refuses, it refuses all */
}

static enum delivery tell(struct cap *cap, const struct letter *letter, struct problem *problem)
{
    struct cap_draft *draft = NULL;
    if (!cap_folder_compose(cap->folder, letter, clock_real(), &draft, problem)) {
        return DELIVERY_FAILED;
    }
    return store(cap, draft, problem);
}

static enum delivery finish(struct cap *cap, enum delivery delivery, struct problem *problem)
{
    if (!cap_folder_finish(cap->folder, clock_real(), problem) && delivery == DELIVERY_DONE) {
        return DELIVERY_UNREACHABLE;
    }
    return delivery;
}

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct cap *cap = self;
    enum delivery delivery = DELIVERY_DONE;
    for (size_t i = 0; i < parcel->count && delivery == DELIVERY_DONE; i++) {
        delivery = tell(cap, &parcel->letters[i], problem);
    }
    return finish(cap, delivery, problem);
}

/* What is to be renewed: only composed while the outbox is being read, which others wait for. */
struct renewals {
    struct cap_folder *folder;
    wall_time now;
    size_t count;
    struct cap_draft *drafts[RENEW_MAX];
};

static void renew(void *context, const struct letter *letter)
{
    struct renewals *renewals = context;
    struct cap_draft *draft = NULL;
    if (renewals->count < RENEW_MAX &&
        cap_folder_renew(renewals->folder, letter, renewals->now, &draft, NULL) && draft != NULL) {
        renewals->drafts[renewals->count++] = draft;
    }
}

static enum delivery refresh(void *self, struct problem *problem)
{
    struct cap *cap = self;
    struct renewals renewals = { .folder = cap->folder, .now = clock_real() };
    bool whole = outbox_each_active(cap->outbox, cap->channel, renew, &renewals);
    enum delivery delivery = DELIVERY_DONE;
    for (size_t i = 0; i < renewals.count; i++) {
        if (delivery == DELIVERY_DONE) {
            delivery = store(cap, renewals.drafts[i], problem);
        } else {
            free(renewals.drafts[i]);
        }
    }
    delivery = finish(cap, delivery, problem);
    if (delivery == DELIVERY_DONE && !whole) {
        problem_set(problem, "not all active alarms could be read");
        return DELIVERY_FAILED;
    }
    return delivery;
}

static void abort_writing(void *self)
{
    (void)self; /* files are quickly written */
}

static void cap_free(void *self)
{
    struct cap *cap = self;
    cap_folder_free(cap->folder);
    free(cap);
}

static const char *or_nothing(const char *text)
{
    return text == NULL ? "" : text;
}

static struct cap_folder *open_folder(const struct channel_settings *channel,
                                      const struct carrier_means *means, struct problem *problem)
{
    struct cap_folder_settings settings = {
        .path = channel->path,
        .channel = channel->id,
        .source = { channel->sender, or_nothing(channel->sender_name), channel->status,
                    or_nothing(channel->link) },
        .expires_ns = channel->expires_ns > 0 ? channel->expires_ns : EXPIRES_DEFAULT_NS,
        .utc_offset_s = means->utc_offset_s,
    };
    return cap_folder_open(&files_posix, &settings, clock_real(), problem);
}

bool cap_open(struct carrier *carrier, const struct channel_settings *channel,
              const struct carrier_means *means, struct problem *problem)
{
    struct cap *cap = calloc(1, sizeof *cap);
    if (cap == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    cap->outbox = means->outbox;
    cap->channel = channel->id;
    cap->folder = open_folder(channel, means, problem);
    if (cap->folder == NULL) {
        cap_free(cap);
        return false;
    }
    *carrier = (struct carrier){ .self = cap,
                                 .deliver = deliver,
                                 .abort = abort_writing,
                                 .free = cap_free,
                                 .most = PARCEL_LETTERS_MAX,
                                 .refresh = refresh,
                                 .refresh_ns = REFRESH_NS };
    return true;
}
