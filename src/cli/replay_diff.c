#include "cli/replay_diff.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "notify/delivery.h"

#define MINUTE_NS (60 * SECOND_NS)

enum side { BEFORE, AFTER, SIDES };

/* --- what differs ---------------------------------------------------------------------------- */

static int compare(const struct notice *left, const struct notice *right)
{
    if (left->time_ns != right->time_ns) {
        return left->time_ns < right->time_ns ? -1 : 1;
    }
    int order = strcmp(left->rule->id, right->rule->id);
    order = order != 0 ? order : strcmp(left->station->id, right->station->id);
    order = order != 0 ? order : (left->from > right->from) - (left->from < right->from);
    return order != 0 ? order : (left->to > right->to) - (left->to < right->to);
}

static void print_difference(const char *sign, const struct notice *notice)
{
    char line[NOTICE_BODY_MAX];
    size_t length = notice_replay_json(notice, line, sizeof line);
    if (length > 1) {
        (void)printf("{\"diff\":\"%s\",%.*s\n", sign, (int)(length - 1), line + 1);
    }
}

/* Skips what was only told, late. */
static size_t next_transition(const struct verdicts *verdicts, size_t at)
{
    while (at < verdicts->count && !verdicts->notices[at].transition) {
        at++;
    }
    return at;
}

/* Both are sorted. Returns how many are the same. */
static size_t print_differences(const struct verdicts verdicts[SIDES])
{
    const struct verdicts *before = &verdicts[BEFORE], *after = &verdicts[AFTER];
    size_t b = next_transition(before, 0), a = next_transition(after, 0), same = 0;
    while (b < before->count || a < after->count) {
        int order = b == before->count  ? 1
                    : a == after->count ? -1
                                        : compare(&before->notices[b], &after->notices[a]);
        if (order < 0) {
            print_difference("-", &before->notices[b]);
        } else if (order > 0) {
            print_difference("+", &after->notices[a]);
        } else {
            same++;
        }
        b = order <= 0 ? next_transition(before, b + 1) : b;
        a = order >= 0 ? next_transition(after, a + 1) : a;
    }
    return same;
}

/* --- messages ------------------------------------------------------------------------------- */

/* A message that would have gone to somebody. */
struct message {
    int64_t minute;
    const char *channel, *address; /* live as long as the settings */
    enum side side;
};

struct messages {
    struct message *items;
    size_t count, capacity;
    int64_t minute; /* of the notice that is looked at */
    enum side side;
    bool failed;
};

static void add_message(void *context, const struct recipient *recipient)
{
    struct messages *messages = context;
    if (strcmp(recipient->channel, CHANNEL_RETAINED) == 0) {
        return;
    }
    if (messages->count == messages->capacity) {
        size_t capacity = messages->capacity == 0 ? 256 : 2 * messages->capacity;
        struct message *items = realloc(messages->items, capacity * sizeof *items);
        if (items == NULL) {
            messages->failed = true;
            return;
        }
        messages->items = items;
        messages->capacity = capacity;
    }
    messages->items[messages->count++] = (struct message){ messages->minute, recipient->channel,
                                                           recipient->address, messages->side };
}

static void gather(struct messages *messages, const struct settings *settings,
                   const struct verdicts *verdicts)
{
    struct recipients *recipients = recipients_create(settings);
    messages->failed = messages->failed || recipients == NULL;
    for (size_t i = 0; recipients != NULL && i < verdicts->count; i++) {
        const struct notice *notice = &verdicts->notices[i];
        if (notice->tell) {
            messages->minute = notice->time_ns / MINUTE_NS;
            recipients_each(recipients, notice, (wall_time){ notice->time_ns }, add_message,
                            messages);
        }
    }
    recipients_free(recipients);
}

static int by_minute(const void *a, const void *b)
{
    const struct message *left = a, *right = b;
    return (left->minute > right->minute) - (left->minute < right->minute);
}

static int by_recipient(const void *a, const void *b)
{
    const struct message *left = a, *right = b;
    int order = strcmp(left->channel, right->channel);
    return order != 0 ? order : strcmp(left->address, right->address);
}

/* Counts those that are equal from `at` on; returns where the next ones begin. */
static size_t count_equal(const struct messages *messages, size_t at,
                          int (*order)(const void *, const void *), uint64_t counts[SIDES])
{
    const struct message *first = &messages->items[at];
    counts[BEFORE] = counts[AFTER] = 0;
    while (at < messages->count && order(first, &messages->items[at]) == 0) {
        counts[messages->items[at++].side]++;
    }
    return at;
}

/* The worst minute of each side goes to `worst`. */
static void print_minutes(struct messages *messages, uint64_t worst[SIDES])
{
    uint64_t counts[SIDES];
    if (messages->count > 1) {
        qsort(messages->items, messages->count, sizeof *messages->items, by_minute);
    }
    for (size_t at = 0, next; at < messages->count; at = next) {
        next = count_equal(messages, at, by_minute, counts);
        (void)printf("{\"minute\":%lld,\"before\":%llu,\"after\":%llu}\n",
                     (long long)messages->items[at].minute * 60, (unsigned long long)counts[BEFORE],
                     (unsigned long long)counts[AFTER]);
        for (int side = 0; side < SIDES; side++) {
            worst[side] = counts[side] > worst[side] ? counts[side] : worst[side];
        }
    }
}

static void print_recipients(struct messages *messages)
{
    uint64_t counts[SIDES];
    char masked[ADDRESS_MASKED_MAX];
    if (messages->count > 1) {
        qsort(messages->items, messages->count, sizeof *messages->items, by_recipient);
    }
    for (size_t at = 0, next; at < messages->count; at = next) {
        const struct message *message = &messages->items[at];
        next = count_equal(messages, at, by_recipient, counts);
        json_t *line =
            json_pack("{s:s, s:s, s:I, s:I}", "channel", message->channel, "recipient",
                      message->address[0] == '\0' ? "" : subscriber_mask(message->address, masked),
                      "before", (json_int_t)counts[BEFORE], "after", (json_int_t)counts[AFTER]);
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)putchar('\n');
        json_decref(line);
    }
}

/* --- all of it ------------------------------------------------------------------------------ */

static size_t count_transitions(const struct verdicts *verdicts)
{
    size_t count = 0;
    for (size_t i = 0; i < verdicts->count; i++) {
        count += verdicts->notices[i].transition ? 1 : 0;
    }
    return count;
}

static void print_summary(const struct verdicts verdicts[SIDES], size_t same,
                          const struct messages *messages, const uint64_t worst[SIDES])
{
    uint64_t counts[SIDES] = { 0 };
    for (size_t i = 0; i < messages->count; i++) {
        counts[messages->items[i].side]++;
    }
    json_t *summary = json_pack(
        "{s:{s:{s:I, s:I, s:I}, s:{s:I, s:I}, s:{s:I, s:I}}}", "summary", "transitions", "before",
        (json_int_t)count_transitions(&verdicts[BEFORE]), "after",
        (json_int_t)count_transitions(&verdicts[AFTER]), "same", (json_int_t)same, "messages",
        "before", (json_int_t)counts[BEFORE], "after", (json_int_t)counts[AFTER], "worst_minute",
        "before", (json_int_t)worst[BEFORE], "after", (json_int_t)worst[AFTER]);
    (void)json_dumpf(summary, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(summary);
}

bool replay_diff(struct past *past, const struct settings *before, const struct settings *after)
{
    const struct settings *settings[SIDES] = { before, after };
    struct verdicts verdicts[SIDES] = { { 0 } };
    struct messages messages = { 0 };
    uint64_t worst[SIDES] = { 0 };
    bool good = past_judge(past, before, true, &verdicts[BEFORE]) &&
                past_judge(past, after, true, &verdicts[AFTER]);
    for (int side = 0; good && side < SIDES; side++) {
        messages.side = (enum side)side;
        gather(&messages, settings[side], &verdicts[side]);
    }
    good = good && !messages.failed;
    if (good) {
        size_t same = print_differences(verdicts);
        print_minutes(&messages, worst);
        print_recipients(&messages);
        print_summary(verdicts, same, &messages, worst);
    }
    free(messages.items);
    verdicts_free(&verdicts[BEFORE]);
    verdicts_free(&verdicts[AFTER]);
    return good;
}
