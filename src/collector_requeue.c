/*
 * Puts back what was set aside, on an operator's word: each item becomes a record of the raw
 * journal, so that a replay does the same, and the quarantine notes that it was put back. In that
 * order: after a crash in between an item can be put back twice, and then is known as a repeat.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector_state.h"
#include "pipeline_aside.h"

/* What lies at one of the positions. */
struct item {
    uint64_t position;
    char *topic, *payload; /* copies; payload NULL = not found */
    size_t topic_length, payload_length;
    bool back; /* was put back before */
};

struct selection {
    struct item *items; /* ascending by position */
    size_t count;
};

static struct item *find(const struct selection *selection, uint64_t position)
{
    size_t low = 0, high = selection->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (selection->items[middle].position == position) {
            return &selection->items[middle];
        }
        if (selection->items[middle].position < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static char *copy(struct phusa_text text)
{
    char *bytes = malloc(text.length + 1);
    if (bytes != NULL) {
        if (text.length > 0) {
            memcpy(bytes, text.data, text.length);
        }
        bytes[text.length] = '\0';
    }
    return bytes;
}

/* The position that a record says was put back; 0 if it says none. */
static uint64_t put_back_position(struct phusa_text payload)
{
    json_int_t position = 0;
    json_t *mark = json_loadb(payload.data, payload.length, 0, NULL);
    bool read = mark != NULL && json_unpack(mark, "{s:I}", "position", &position) == 0;
    json_decref(mark);
    return read && position > 0 ? (uint64_t)position : 0;
}

static void take_record(struct selection *selection, const struct journal_record *record)
{
    struct item *item = find(selection, record->position);
    if (item != NULL && record->kind == JOURNAL_SET_ASIDE) {
        item->topic = copy(record->topic);
        item->topic_length = record->topic.length;
        item->payload = item->topic == NULL ? NULL : copy(record->payload);
        item->payload_length = record->payload.length;
    } else if (record->kind == JOURNAL_REQUEUED) {
        item = find(selection, put_back_position(record->payload));
        if (item != NULL) {
            item->back = true;
        }
    }
}

static bool make_selection(struct collector *collector, const uint64_t *positions, size_t count,
                           struct selection *selection, struct problem *problem)
{
    struct journal_reader *reader;
    struct journal_record record;
    selection->items = calloc(count, sizeof *selection->items);
    selection->count = selection->items == NULL ? 0 : count;
    for (size_t i = 0; i < selection->count; i++) {
        selection->items[i].position = positions[i];
    }
    if (journal_sync(collector->quarantine, problem) != JOURNAL_OK ||
        journal_reader_open(collector->quarantine, positions[0], &reader, problem) != JOURNAL_OK) {
        return false;
    }
    while (journal_next(reader, &record) == JOURNAL_OK) {
        take_record(selection, &record);
    }
    journal_reader_close(reader);
    return true;
}

static void free_selection(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++) {
        free(selection->items[i].topic);
        free(selection->items[i].payload);
    }
    free(selection->items);
}

/* True if all of it can be put back; problem says what cannot. */
static bool check_selection(const struct selection *selection, struct problem *problem)
{
    for (size_t i = 0; i < selection->count; i++) {
        const struct item *item = &selection->items[i];
        const char *why = NULL;
        if (item->payload == NULL) {
            why = "nothing was set aside there";
        } else if (item->back) {
            why = "it was put back before";
        } else if (!aside_can_requeue((struct phusa_text){ item->payload, item->payload_length })) {
            why = "it cannot be put back: only a part of it was kept, or its place is in the "
                  "journal (phusa resend)";
        }
        if (why != NULL) {
            problem_set(problem, "position %" PRIu64 ": %s", item->position, why);
            return false;
        }
    }
    return true;
}

static bool put_back(struct collector *collector, const struct item *item)
{
    struct journal_record again = { .kind = JOURNAL_REQUEUED,
                                    .origin = item->position,
                                    .time = clock_wall(&collector->clock),
                                    .topic = { item->topic, item->topic_length },
                                    .payload = { item->payload, item->payload_length } };
    json_t *mark = json_pack("{s:I}", "position", (json_int_t)item->position);
    bool done = mark != NULL && journal_append(collector->raw, &again, NULL) == JOURNAL_OK &&
                journal_sync(collector->raw, NULL) == JOURNAL_OK;
    if (done) {
        (void)pthread_mutex_lock(&collector->state_lock);
        done = quarantine_append(
            collector, mark,
            (struct journal_record){ .kind = JOURNAL_REQUEUED, .time = again.time });
        (void)pthread_mutex_unlock(&collector->state_lock);
    }
    json_decref(mark);
    return done;
}

enum console_requeue collector_requeue(void *context, const uint64_t *positions,
                                       size_t positions_count, uint64_t *count,
                                       struct problem *problem)
{
    struct collector *collector = context;
    struct selection selection = { 0 };
    enum console_requeue result = CONSOLE_REQUEUED;
    *count = 0;
    (void)pthread_mutex_lock(&collector->requeue_lock); /* the same item twice at once */
    if (!make_selection(collector, positions, positions_count, &selection, problem)) {
        result = CONSOLE_REQUEUE_FAILED;
    } else if (!check_selection(&selection, problem)) {
        result = CONSOLE_REQUEUE_UNKNOWN;
    }
    for (size_t i = 0; i < selection.count && result == CONSOLE_REQUEUED; i++) {
        if (put_back(collector, &selection.items[i])) {
            ++*count;
        } else {
            problem_set(problem, "the journal takes no more");
            result = CONSOLE_REQUEUE_FAILED;
        }
    }
    if (*count > 0 && journal_sync(collector->quarantine, problem) != JOURNAL_OK) {
        result = CONSOLE_REQUEUE_FAILED;
    }
    (void)pthread_mutex_unlock(&collector->requeue_lock);
    free_selection(&selection);
    return result;
}
