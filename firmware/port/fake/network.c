#include "network.h"

#include <string.h>

#include "random.h"

void fake_network_init(struct fake_network *network, uint64_t seed)
{
    *network = (struct fake_network){ .reachable = true, .room = FAKE_NETWORK_ANY, .random = seed };
}

void fake_network_link(struct fake_network *network, bool up)
{
    network->connection = 0;
    if (up && network->reachable) {
        network->last_connection += network->last_connection == UINT32_MAX ? 2 : 1; /* never 0 */
        network->connection = network->last_connection;
    }
}

void fake_network_fail(struct fake_network *network, enum hal_trouble why)
{
    network->connection = 0;
    network->troubles[why]++;
}

bool fake_network_put(struct fake_network *network, enum hal_inbound kind, const void *bytes,
                      size_t length)
{
    if (length > sizeof network->inbound) {
        return false;
    }
    memcpy(network->inbound, bytes, length);
    network->inbound_length = length;
    network->inbound_kind = kind;
    return true;
}

static uint32_t connection(void *context)
{
    const struct fake_network *network = context;
    return network->connection;
}

static bool happens(struct fake_network *network, uint32_t in_256)
{
    return in_256 > 0 && fake_random(&network->random) % 256 < in_256;
}

static enum hal_result publish(void *context, enum hal_leaf leaf, const void *bytes, size_t length)
{
    struct fake_network *network = context;
    if (network->connection == 0) {
        return HAL_GONE;
    }
    if (network->refuses || network->room == 0) {
        network->refused++;
        return HAL_AGAIN;
    }
    network->room -= network->room != FAKE_NETWORK_ANY;
    bool cut = happens(network, network->disconnect_in_256);
    bool lost = leaf == HAL_LEAF_OBS && happens(network, network->loss_in_256);
    if (network->taken != NULL) {
        network->taken(network->context, leaf, bytes, length, !cut && !lost);
    }
    if (cut) {
        network->disconnects++;
        network->connection = 0;
    }
    return HAL_OK;
}

static enum hal_inbound receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    struct fake_network *network = context;
    enum hal_inbound kind = network->inbound_kind;
    network->inbound_kind = HAL_INBOUND_NONE;
    if (kind != HAL_INBOUND_NONE && network->inbound_length > capacity) {
        network->too_long++;
        return HAL_INBOUND_NONE;
    }
    *length = network->inbound_length;
    memcpy(buffer, network->inbound, kind == HAL_INBOUND_NONE ? 0 : *length);
    return kind;
}

static void connect(void *context, const char *host, uint16_t port)
{
    struct fake_network *network = context;
    const char *name = host == NULL ? "" : host;
    size_t length = strnlen(name, sizeof network->host - 1);
    network->connects++;
    memcpy(network->host, name, length);
    network->host[length] = '\0';
    network->tcp_port = port;
    network->reachable = network->nowhere == NULL || strcmp(name, network->nowhere) != 0;
    fake_network_link(network, true);
}

static uint32_t troubles(void *context, enum hal_trouble which)
{
    const struct fake_network *network = context;
    return network->troubles[which];
}

struct hal_network fake_network_hal(struct fake_network *network)
{
    return (struct hal_network){ network, connection, publish, receive, connect, troubles };
}
