/* The check list on the network. It needs a broker that takes what is sent to rsp. */
#include "check_items.h"

#define STEP_MS   10u
#define STAYS_MS  1000
#define TAKEN_MS  10000 /* a queue of messages is empty by then */
#define INBOX_MAX 64    /* messages that may have waited for us */

static const char message[] = "{\"id\":\"check\",\"ok\":true}";

static uint32_t connection(const struct check *check)
{
    return check->port->network.connection(check->port->network.context);
}

static enum hal_result publish(const struct check *check)
{
    return check->port->network.publish(check->port->network.context, HAL_LEAF_RSP, message,
                                        sizeof message - 1);
}

static struct check_finding connects(struct check *check)
{
    int64_t begun = check_mono(check);
    while (connection(check) == 0) {
        if (check_since_ms(check, begun) > check->port->network_ms) {
            return check_failed_at("not within, in ms", check->port->network_ms);
        }
        if (!check_pause(check, STEP_MS)) {
            break;
        }
    }
    return check_passed();
}

static struct check_finding stays(struct check *check)
{
    uint32_t first = connection(check);
    int64_t begun = check_mono(check);
    if (first == 0) {
        return check_skipped("there is none");
    }
    while (check_since_ms(check, begun) < STAYS_MS && check_pause(check, STEP_MS)) {
        if (connection(check) != first) {
            return check_failed_at("it became", connection(check));
        }
    }
    return check_passed();
}

static struct check_finding takes(struct check *check)
{
    int64_t begun = check_mono(check);
    if (connection(check) == 0) {
        return check_skipped("there is no connection");
    }
    for (;;) {
        int64_t before = check_mono(check);
        enum hal_result result = publish(check);
        int64_t took_ms = check_since_ms(check, before);
        if (took_ms > CHECK_WAIT_MS) {
            return check_failed_at("it waited, in ms", took_ms);
        }
        if (result == HAL_OK || !check_pause(check, STEP_MS)) {
            return check_passed();
        }
        if (result != HAL_AGAIN || check_since_ms(check, begun) > TAKEN_MS) {
            return check_failed(result == HAL_AGAIN ? "its queue stays full" : "it was refused");
        }
    }
}

static struct check_finding receives(struct check *check)
{
    const struct hal_network *network = &check->port->network;
    for (int i = 0; i < INBOX_MAX; i++) {
        size_t length = 0;
        int64_t before = check_mono(check);
        enum hal_inbound kind =
            network->receive(network->context, check->found, sizeof check->found, &length);
        int64_t took_ms = check_since_ms(check, before);
        if (took_ms > CHECK_WAIT_MS) {
            return check_failed_at("it waited, in ms", took_ms);
        }
        if (kind == HAL_INBOUND_NONE) {
            return check_passed();
        }
        if (length > sizeof check->found) {
            return check_failed_at("more than fits was given, in bytes", (int64_t)length);
        }
    }
    return check_failed("there is no end of messages");
}

static struct check_finding changes(struct check *check)
{
    const struct hal_network *network = &check->port->network;
    uint32_t old = connection(check);
    if (network->connect == NULL || old == 0) {
        return check_skipped(old == 0 ? "there is no connection" : "the port has one broker");
    }
    network->connect(network->context, NULL, 0);
    for (int64_t begun = check_mono(check); connection(check) == 0 || connection(check) == old;) {
        if (connection(check) == 0 && publish(check) != HAL_GONE) {
            return check_failed("in between a message was not refused as GONE");
        }
        if (check_since_ms(check, begun) > check->port->network_ms) {
            return check_failed(connection(check) == old ? "the old number stays"
                                                         : "it does not come again");
        }
        if (!check_pause(check, STEP_MS)) {
            break;
        }
    }
    return check_passed();
}

const struct check_item check_network_items[] = {
    { "network: a connection comes", connects },
    { "network: it keeps its number while it stays", stays },
    { "network: a message is taken without waiting", takes },
    { "network: an empty inbox says so without waiting", receives },
    { "network: a new connection has another number; between them is GONE", changes },
    { NULL, NULL },
};
