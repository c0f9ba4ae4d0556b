/* What must be told even while the outbox takes nothing: a short queue in memory. */
#include <stdio.h>

#include "notify/delivery.h"

static void remove_at(struct urgent_queue *queue, size_t at)
{
    queue->count--;
    memmove(&queue->messages[at], &queue->messages[at + 1],
            (queue->count - at) * sizeof queue->messages[0]);
}

void urgent_add(struct urgent_queue *queue, const struct outbox_message *message)
{
    if (queue->count == NOTIFIER_URGENT_MAX) {
        remove_at(queue, 0);
    }
    struct outbox_message *added = &queue->messages[queue->count++];
    *added = *message;
    added->id = --queue->last_id;
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

static bool contains(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

bool urgent_next(const struct urgent_queue *queue, const int64_t *skip, size_t skip_count,
                 struct outbox_message *message)
{
    for (size_t i = 0; i < queue->count; i++) {
        if (!contains(skip, skip_count, queue->messages[i].id) && !is_behind(queue, i)) {
            *message = queue->messages[i];
            return true;
        }
    }
    return false;
}

void urgent_end(struct urgent_queue *queue, int64_t id)
{
    for (size_t i = 0; i < queue->count; i++) {
        if (queue->messages[i].id == id) {
            remove_at(queue, i);
            return;
        }
    }
}
