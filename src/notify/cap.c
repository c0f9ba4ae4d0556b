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
    char *channel, *path, *sender, *sender_name, *status, *link;
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
    const struct cap_folder *folder;
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
    free(cap->channel);
    free(cap->path);
    free(cap->sender);
    free(cap->sender_name);
    free(cap->status);
    free(cap->link);
    free(cap);
}

static char *copy(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

static bool copy_settings(struct cap *cap, const struct channel_settings *channel)
{
    cap->channel = copy(channel->id);
    cap->path = copy(channel->path);
    cap->sender = copy(channel->sender);
    cap->sender_name = copy(channel->sender_name);
    cap->status = copy(channel->status);
    cap->link = copy(channel->link);
    return cap->channel != NULL && cap->path != NULL && cap->sender != NULL &&
           cap->sender_name != NULL && cap->status != NULL && cap->link != NULL;
}

static struct cap_folder *open_folder(const struct cap *cap, int64_t expires_ns,
                                      const struct carrier_means *means, struct problem *problem)
{
    struct cap_folder_settings settings = {
        .path = cap->path,
        .channel = cap->channel,
        .source = { cap->sender, cap->sender_name, cap->status, cap->link },
        .expires_ns = expires_ns > 0 ? expires_ns : EXPIRES_DEFAULT_NS,
        .utc_offset_s = means->utc_offset_s,
    };
    return cap_folder_open(&files_posix, &settings, clock_real(), problem);
}

bool cap_open(struct carrier *carrier, const struct channel_settings *channel,
              const struct carrier_means *means, struct problem *problem)
{
    struct cap *cap = calloc(1, sizeof *cap);
    if (cap == NULL || !copy_settings(cap, channel)) {
        problem_set(problem, "out of memory");
    } else {
        cap->outbox = means->outbox;
        cap->folder = open_folder(cap, channel->expires_ns, means, problem);
        if (cap->folder != NULL) {
            *carrier = (struct carrier){ .self = cap,
                                         .deliver = deliver,
                                         .abort = abort_writing,
                                         .free = cap_free,
                                         .most = PARCEL_LETTERS_MAX,
                                         .refresh = refresh,
                                         .refresh_ns = REFRESH_NS };
            return true;
        }
    }
    if (cap != NULL) {
        cap_free(cap);
    }
    return false;
}
