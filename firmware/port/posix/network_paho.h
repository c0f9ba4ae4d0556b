/* The station's network over Paho's asynchronous client: MQTT 3.1.1, QoS 1, own reconnect. */
#ifndef FIRMWARE_POSIX_NETWORK_PAHO_H
#define FIRMWARE_POSIX_NETWORK_PAHO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "hal/hal.h"

#define NETWORK_PENDING_MAX  256 /* messages handed over and not yet acknowledged by the broker */
/* Bytes of a message that comes in: more than a command may have, so that the core gets to say that
 * one is too long. A longer one is dropped. */
#define NETWORK_MESSAGE_MAX  2304
#define NETWORK_COMMANDS_MAX 4 /* commands waiting for the core; a further one is dropped */

struct network;

/* Texts must outlive the network. NULL or "" = not used. */
struct network_options {
    const char *uri; /* tcp://HOST:PORT or ssl://HOST:PORT */
    const char *site, *station;
    const char *client_id;
    const char *user, *password;
    const char *ca;  /* PEM file; for ssl without it the system's */
    int wake_fd;     /* eventfd that is written to when something happened */
    uint32_t jitter; /* seed of the spread of reconnects */
};

/* Makes the client; nothing is sent before network_poll. NULL with problem set on failure. */
struct network *network_create(const struct network_options *options, struct problem *problem);

/* The last will: offline, with the identity of the log. Before the first network_poll. */
bool network_set_will(struct network *network, uint32_t log_id);

/* Connects when it is time to. Call it often, from one thread. */
void network_poll(struct network *network, int64_t mono_ns);

/* True once after something happened: a message came, a place became free, the link changed. */
bool network_take_event(struct network *network);

bool network_is_up(struct network *network);

/* Why there is no connection; empty if there is one or none was tried. */
void network_reason(struct network *network, struct problem *problem);

/* Messages that the broker has not acknowledged. */
unsigned network_pending(struct network *network);

/* Begins to disconnect in good order (no will). Done when network_is_up says false. */
void network_goodbye(struct network *network);

void network_free(struct network *network);

/* The operations, valid until network_free. */
struct hal_network network_hal(struct network *network);

#endif
