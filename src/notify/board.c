/*
 * LED boards and loudspeakers: retained text on phusa/1/<site>/board/<id> (board_text.h).
 *
 * A letter only says that something has changed: each time the boards are made of all that is
 * active, and published where the text differs from what was published last. At a refresh, and
 * first after a start, everything is published, since the broker may have forgotten.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "notify/board_text.h"
#include "phusa/topic.h"

#define REFRESH_NS (600 * SECOND_NS)

struct board {
    char topic[PHUSA_TOPIC_MAX + 1];
    char *shown; /* what the broker has; NULL = not known */
    struct board_text text;
};

struct boards {
    struct notifier_publish publish;
    struct outbox *outbox;
    const struct channel_settings *channel;
    atomic_bool aborted;
    struct board list[]; /* as many as the channel has, in its order */
};

/* --- what is to be shown ------------------------------------------------------------- */

static void show(void *context, const struct letter *letter)
{
    struct boards *boards = context;
    const struct channel_settings *channel = boards->channel;
    for (size_t i = 0; i < channel->board_count; i++) {
        if (board_concerns(&channel->boards[i], letter)) {
            board_text_add(&boards->list[i].text, letter->line.in[channel->language]);
        }
    }
}

static bool gather(struct boards *boards)
{
    for (size_t i = 0; i < boards->channel->board_count; i++) {
        board_text_begin(&boards->list[i].text, &boards->channel->boards[i]);
    }
    return outbox_each_active(boards->outbox, boards->channel->id, show, boards);
}

static bool publish(struct boards *boards, struct board *board)
{
    char text[BOARD_TEXT_MAX];
    size_t length = board_text_finish(&board->text, text);
    if (board->shown != NULL && strcmp(board->shown, text) == 0) {
        return true;
    }
    free(board->shown);
    board->shown = NULL;
    if (!boards->publish.publish(boards->publish.context, board->topic, text, length)) {
        return false;
    }
    board->shown = strdup(text); /* not remembered: published again, no more */
    return true;
}

static enum delivery update(struct boards *boards, struct problem *problem)
{
    if (!gather(boards)) {
        problem_set(problem, "the active alarms could not be read");
        return DELIVERY_FAILED;
    }
    for (size_t i = 0; i < boards->channel->board_count; i++) {
        if (atomic_load(&boards->aborted) || !publish(boards, &boards->list[i])) {
            problem_set(problem, "the broker does not have it yet");
            return DELIVERY_UNREACHABLE;
        }
    }
    return DELIVERY_DONE;
}

/* --- the carrier ------------------------------------------------------------------------ */

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    (void)parcel;
    return update(self, problem);
}

static enum delivery refresh(void *self, struct problem *problem)
{
    struct boards *boards = self;
    for (size_t i = 0; i < boards->channel->board_count; i++) {
        free(boards->list[i].shown);
        boards->list[i].shown = NULL;
    }
    return update(boards, problem);
}

static void abort_update(void *self)
{
    struct boards *boards = self;
    atomic_store(&boards->aborted, true); /* a publication under way ends soon by its contract */
}

static void boards_free(void *self)
{
    struct boards *boards = self;
    for (size_t i = 0; i < boards->channel->board_count; i++) {
        free(boards->list[i].shown);
    }
    free(boards);
}

static bool print_topic(const struct board_settings *settings, struct board *board)
{
    struct phusa_topic topic = { .site = phusa_text_of(settings->site),
                                 .station = PHUSA_TEXT("board"),
                                 .rest = phusa_text_of(settings->id),
                                 .leaf = PHUSA_LEAF_BOARD };
    return phusa_topic_print(&topic, board->topic, sizeof board->topic) > 0;
}

bool board_open(struct carrier *carrier, const struct channel_settings *channel,
                const struct carrier_means *means, struct problem *problem)
{
    struct boards *boards = calloc(1, sizeof *boards + channel->board_count * sizeof(struct board));
    if (boards == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    boards->publish = *means->publish;
    boards->outbox = means->outbox;
    boards->channel = channel;
    for (size_t i = 0; i < channel->board_count; i++) {
        if (!print_topic(&channel->boards[i], &boards->list[i])) {
            problem_set(problem, "the board %s of %s can have no topic", channel->boards[i].id,
                        channel->boards[i].site);
            boards_free(boards);
            return false;
        }
    }
    *carrier = (struct carrier){ .self = boards,
                                 .deliver = deliver,
                                 .abort = abort_update,
                                 .free = boards_free,
                                 .most = PARCEL_LETTERS_MAX,
                                 .refresh = refresh,
                                 .refresh_ns = REFRESH_NS };
    return true;
}
