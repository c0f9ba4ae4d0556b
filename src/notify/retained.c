/* The alarm topic phusa/1/<site>/<station>/alarm/<rule>: the last state, retained; empty when
 * normal again. */
#include <stdlib.h>

#include "notify/delivery.h"

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    const struct notifier_publish *publish = self;
    const struct letter *letter = parcel->letters;
    bool normal = letter->to == SEVERITY_NORMAL; /* an empty message clears the topic */
    if (publish->publish(publish->context, letter->topic, normal ? "" : letter->body,
                         normal ? 0 : letter->body_length)) {
        return DELIVERY_DONE;
    }
    problem_set(problem, "the broker does not have it yet");
    return DELIVERY_UNREACHABLE;
}

static void abort_publish(void *self)
{
    (void)self; /* publish returns soon by its contract */
}

bool retained_open(struct carrier *carrier, const struct channel_settings *channel,
                   const struct carrier_means *means, struct problem *problem)
{
    (void)channel;
    struct notifier_publish *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    *copy = *means->publish;
    carrier->self = copy;
    carrier->deliver = deliver;
    carrier->abort = abort_publish;
    carrier->free = free;
    carrier->most = 1;
    return true;
}
