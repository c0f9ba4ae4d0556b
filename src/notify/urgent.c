/* What must be told even while the outbox takes nothing: a short queue in memory. */
#include <stdio.h>
#include <stdlib.h>

#include "notify/delivery.h"

static void remove_at(struct urgent_queue *queue, size_t at)
{
    free(queue->messages[at].body);
    free(queue->messages[at].details);
    queue->count--;
    memmove(&queue->messages[at], &queue->messages[at + 1],
            (queue->count - at) * sizeof queue->messages[0]);
}

bool urgent_add(struct urgent_queue *queue, const char *topic, const struct letter_draft *letter)
{
    struct urgent_message added = { .body = strdup(letter->body),
                                    .details = strdup(letter->details) };
    if (added.body == NULL || added.details == NULL) {
        free(added.body);
        free(added.details);
        return false;
    }
    if (queue->count == NOTIFIER_URGENT_MAX) {
        remove_at(queue, 0);
    }
    (void)snprintf(added.topic, sizeof added.topic, "%s", topic);
    added.id = ++queue->last_id;
    queue->messages[queue->count++] = added;
    return true;
}

/* Another of its series waits before it: topics are one to one with series. */
static bool is_behind(const struct urgent_queue *queue, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (strcmp(queue->messages[i].topic, queue->messages[at].topic) == 0) {
            return true;
        }
    }
    return false;
}

struct urgent_message *urgent_next(struct urgent_queue *queue, mono_time now)
{
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->messages[i].next.ns <= now.ns && !is_behind(queue, i)) {
            return &queue->messages[i];
        }
    }
    return NULL;
}

struct urgent_message *urgent_find(struct urgent_queue *queue, int64_t id)
{
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->messages[i].id == id) {
            return &queue->messages[i];
        }
    }
    return NULL;
}

void urgent_end(struct urgent_queue *queue, int64_t id)
{
    const struct urgent_message *message = urgent_find(queue, id);
    if (message != NULL) {
        remove_at(queue, (size_t)(message - queue->messages));
    }
}

mono_time urgent_due(const struct urgent_queue *queue)
{
    mono_time due = { INT64_MAX };
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->messages[i].next.ns < due.ns && !is_behind(queue, i)) {
            due = queue->messages[i].next;
        }
    }
    return due;
}

void urgent_clear(struct urgent_queue *queue)
{
    while (queue->count > 0) {
        remove_at(queue, queue->count - 1);
    }
}
