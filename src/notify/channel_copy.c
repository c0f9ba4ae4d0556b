/* A copy of a channel with all it points to, and whether two are the same: each field once in a
 * walk that both use. */
#include <stdlib.h>

#include "notify/delivery.h"
#include "settings/arena.h"

struct channel_copy {
    struct arena arena;
    struct channel_settings channel;
};

static bool same_text(const char *a, const char *b)
{
    return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static bool same_list(const char *const *a, const char *const *b, size_t count)
{
    bool same = true;
    for (size_t i = 0; i < count && same; i++) {
        same = same_text(a[i], b[i]);
    }
    return same;
}

/* The texts of a channel, by their places in the structure. */
static const size_t texts[] = {
    offsetof(struct channel_settings, id),          offsetof(struct channel_settings, url),
    offsetof(struct channel_settings, ca),          offsetof(struct channel_settings, secret),
    offsetof(struct channel_settings, user),        offsetof(struct channel_settings, password),
    offsetof(struct channel_settings, from),        offsetof(struct channel_settings, method),
    offsetof(struct channel_settings, body),        offsetof(struct channel_settings, content_type),
    offsetof(struct channel_settings, accepted),    offsetof(struct channel_settings, path),
    offsetof(struct channel_settings, sender),      offsetof(struct channel_settings, sender_name),
    offsetof(struct channel_settings, status),      offsetof(struct channel_settings, link),
    offsetof(struct channel_settings, report_base),
};
#define TEXTS (sizeof texts / sizeof texts[0])

static const char *text_at(const struct channel_settings *channel, size_t place)
{
    const char *text = NULL;
    memcpy(&text, (const char *)channel + place, sizeof text);
    return text;
}

/* --- the same? --------------------------------------------------------------------- */

static bool same_board(const struct board_settings *a, const struct board_settings *b)
{
    return a->station_count == b->station_count && a->width == b->width && a->lines == b->lines &&
           a->ascii == b->ascii && same_text(a->id, b->id) && same_text(a->site, b->site) &&
           same_text(a->calm, b->calm) && same_list(a->stations, b->stations, a->station_count);
}

static bool same_boards(const struct channel_settings *a, const struct channel_settings *b)
{
    bool same = a->board_count == b->board_count;
    for (size_t i = 0; same && i < a->board_count; i++) {
        same = same_board(&a->boards[i], &b->boards[i]);
    }
    return same;
}

static bool same_texts(const struct channel_settings *a, const struct channel_settings *b)
{
    bool same = true;
    for (size_t i = 0; i < TEXTS && same; i++) {
        same = same_text(text_at(a, texts[i]), text_at(b, texts[i]));
    }
    return same;
}

static bool same_times(const struct channel_settings *a, const struct channel_settings *b)
{
    return a->timeout_ns == b->timeout_ns && a->expires_ns == b->expires_ns &&
           a->per_minute == b->per_minute && a->pace.burst == b->pace.burst &&
           a->pace.gather_ns == b->pace.gather_ns && a->quiet.from_s == b->quiet.from_s &&
           a->quiet.until_s == b->quiet.until_s && a->quiet.below == b->quiet.below;
}

static bool same_reports(const struct channel_settings *a, const struct channel_settings *b)
{
    return a->report_failed_count == b->report_failed_count &&
           a->report_done_count == b->report_done_count &&
           a->report_within_ns == b->report_within_ns &&
           same_list(a->report_failed, b->report_failed, a->report_failed_count) &&
           same_list(a->report_done, b->report_done, a->report_done_count);
}

bool channel_same(const struct channel_settings *a, const struct channel_settings *b)
{
    return a->kind == b->kind && a->subscribers == b->subscribers && a->language == b->language &&
           a->starttls == b->starttls && a->diacritics == b->diacritics && a->parts == b->parts &&
           a->facility == b->facility && a->to_count == b->to_count && same_times(a, b) &&
           same_texts(a, b) && same_reports(a, b) && same_list(a->to, b->to, a->to_count) &&
           same_list(a->headers, b->headers, CHANNEL_HEADERS_MAX) && same_boards(a, b);
}

/* --- the copy ----------------------------------------------------------------------- */

static const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_text(arena, text);
}

static const char *const *copy_list(struct arena *arena, const char *const *list, size_t count)
{
    const char **copy = arena_alloc(arena, count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = copy_text(arena, list[i]);
    }
    return copy;
}

static void copy_board(struct arena *arena, const struct board_settings *board,
                       struct board_settings *copy)
{
    *copy = *board;
    copy->id = copy_text(arena, board->id);
    copy->site = copy_text(arena, board->site);
    copy->calm = copy_text(arena, board->calm);
    copy->stations = copy_list(arena, board->stations, board->station_count);
}

static const struct board_settings *copy_boards(struct arena *arena,
                                                const struct channel_settings *channel)
{
    struct board_settings *boards = arena_alloc(arena, channel->board_count + 1, sizeof *boards);
    for (size_t i = 0; boards != NULL && i < channel->board_count; i++) {
        copy_board(arena, &channel->boards[i], &boards[i]);
    }
    return boards;
}

static void copy_texts(struct arena *arena, const struct channel_settings *channel,
                       struct channel_settings *copy)
{
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = copy_text(arena, text_at(channel, texts[i]));
        memcpy((char *)copy + texts[i], &text, sizeof text);
    }
    for (size_t i = 0; i < CHANNEL_HEADERS_MAX; i++) {
        copy->headers[i] = copy_text(arena, channel->headers[i]);
    }
}

struct channel_copy *channel_copy_create(const struct channel_settings *channel)
{
    struct channel_copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    copy->channel = *channel;
    copy->channel.file = NULL;
    copy_texts(&copy->arena, channel, &copy->channel);
    copy->channel.to = copy_list(&copy->arena, channel->to, channel->to_count);
    copy->channel.report_failed =
        copy_list(&copy->arena, channel->report_failed, channel->report_failed_count);
    copy->channel.report_done =
        copy_list(&copy->arena, channel->report_done, channel->report_done_count);
    copy->channel.boards = copy_boards(&copy->arena, channel);
    if (copy->arena.failed) {
        channel_copy_free(copy);
        return NULL;
    }
    return copy;
}

void channel_copy_free(struct channel_copy *copy)
{
    if (copy != NULL) {
        arena_free(&copy->arena);
        free(copy);
    }
}

const struct channel_settings *channel_copy_get(const struct channel_copy *copy)
{
    return &copy->channel;
}
