/* The alarm topic phusa/1/<site>/<station>/alarm/<rule>: the last state, retained; empty when
 * normal again. */
#include <stdlib.h>

#include "notify/delivery.h"

static enum delivery deliver(void *self, const struct outbox_message *message,
                             struct problem *problem)
{
    const struct notifier_publish *publish = self;
    if (publish->publish(publish->context, message->topic, message->body, message->length)) {
        return DELIVERY_DONE;
    }
    problem_set(problem, "the broker does not have it yet");
    return DELIVERY_UNREACHABLE;
}

static void abort_publish(void *self)
{
    (void)self; /* publish returns soon by its contract */
}

bool retained_open(struct carrier *carrier, const struct notifier_publish *publish)
{
    struct notifier_publish *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *publish;
    carrier->self = copy;
    carrier->deliver = deliver;
    carrier->abort = abort_publish;
    carrier->free = free;
    return true;
}
