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
    struct board_settings settings; /* our own copy */
    char topic[PHUSA_TOPIC_MAX + 1];
    char *shown; /* what the broker has; NULL = not known */
    struct board_text text;
};

struct boards {
    struct notifier_publish publish;
    struct outbox *outbox;
    char *channel;
    enum language language;
    atomic_bool aborted;
    size_t count;
    struct board *list;
};

/* --- what is to be shown ------------------------------------------------------------- */

static void show(void *context, const struct letter *letter)
{
    struct boards *boards = context;
    for (size_t i = 0; i < boards->count; i++) {
        struct board *board = &boards->list[i];
        if (board_concerns(&board->settings, letter)) {
            board_text_add(&board->text, letter->line.in[boards->language]);
        }
    }
}

static bool gather(struct boards *boards)
{
    for (size_t i = 0; i < boards->count; i++) {
        board_text_begin(&boards->list[i].text, &boards->list[i].settings);
    }
    return outbox_each_active(boards->outbox, boards->channel, show, boards);
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
    for (size_t i = 0; i < boards->count; i++) {
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
    for (size_t i = 0; i < boards->count; i++) {
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

static void free_board(struct board *board)
{
    for (size_t i = 0; i < board->settings.station_count; i++) {
        free((void *)board->settings.stations[i]);
    }
    free((void *)board->settings.stations);
    free((void *)board->settings.id);
    free((void *)board->settings.site);
    free((void *)board->settings.calm);
    free(board->shown);
}

static void boards_free(void *self)
{
    struct boards *boards = self;
    for (size_t i = 0; i < boards->count; i++) {
        free_board(&boards->list[i]);
    }
    free(boards->list);
    free(boards->channel);
    free(boards);
}

/* Copies the stations one by one, so that those that are there can be freed. */
static bool copy_stations(struct board_settings *to, const struct board_settings *from)
{
    const char **stations = calloc(from->station_count + 1, sizeof *stations);
    to->stations = stations;
    for (size_t i = 0; stations != NULL && i < from->station_count; i++) {
        stations[i] = strdup(from->stations[i]);
        if (stations[i] == NULL) {
            return false;
        }
        to->station_count = i + 1;
    }
    return stations != NULL;
}

static bool copy_board(struct board *board, const struct board_settings *from)
{
    struct phusa_topic topic = { .site = phusa_text_of(from->site),
                                 .station = PHUSA_TEXT("board"),
                                 .rest = phusa_text_of(from->id),
                                 .leaf = PHUSA_LEAF_BOARD };
    board->settings = (struct board_settings){ .id = strdup(from->id),
                                               .site = strdup(from->site),
                                               .width = from->width,
                                               .lines = from->lines,
                                               .ascii = from->ascii,
                                               .calm = strdup(from->calm) };
    return copy_stations(&board->settings, from) && board->settings.id != NULL &&
           board->settings.site != NULL && board->settings.calm != NULL &&
           phusa_topic_print(&topic, board->topic, sizeof board->topic) > 0;
}

static bool copy_boards(struct boards *boards, const struct channel_settings *channel)
{
    boards->channel = strdup(channel->id);
    boards->list = calloc(channel->board_count + 1, sizeof *boards->list);
    for (size_t i = 0; boards->list != NULL && i < channel->board_count; i++) {
        boards->count = i + 1;
        if (!copy_board(&boards->list[i], &channel->boards[i])) {
            return false;
        }
    }
    return boards->channel != NULL && boards->list != NULL;
}

bool board_open(struct carrier *carrier, const struct channel_settings *channel,
                const struct carrier_means *means, struct problem *problem)
{
    struct boards *boards = calloc(1, sizeof *boards);
    if (boards == NULL || !copy_boards(boards, channel)) {
        problem_set(problem, "out of memory, or a board's name is no topic's");
        if (boards != NULL) {
            boards_free(boards);
        }
        return false;
    }
    boards->publish = *means->publish;
    boards->outbox = means->outbox;
    boards->language = channel->language;
    *carrier = (struct carrier){ .self = boards,
                                 .deliver = deliver,
                                 .abort = abort_update,
                                 .free = boards_free,
                                 .most = PARCEL_LETTERS_MAX,
                                 .refresh = refresh,
                                 .refresh_ns = REFRESH_NS };
    return true;
}
