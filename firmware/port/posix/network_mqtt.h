/*
 * The stations' networks: MQTT 3.1.1 with QoS 1 over TCP or TLS, a connection for each station, all
 * of them in one thread and one epoll, so that one process can be ten thousand stations.
 *
 *   for (;;) { networks_wait(); networks_step(); while (networks_take_event()) step that station }
 */
#ifndef FIRMWARE_POSIX_NETWORK_MQTT_H
#define FIRMWARE_POSIX_NETWORK_MQTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problem.h"
#include "hal/hal.h"

#define NETWORK_PENDING_MAX  256 /* messages handed over and not yet acknowledged by the broker */
/* Bytes of a message that comes in: more than a command may have, so that the core gets to say that
 * one is too long. A longer one is dropped. */
#define NETWORK_MESSAGE_MAX  2304
#define NETWORK_COMMANDS_MAX 4 /* commands waiting for the core; a further one is dropped */
#define NETWORK_JOINING_MAX                                                                        \
    64 /* connections being made at once: below a broker's backlog of 100                          \
        */

/* --- all of a process ------------------------------------------------------------------------ */

struct networks;

/*
 * For at most `most` networks. uri: tcp://HOST:PORT or ssl://HOST:PORT; ca: PEM file for ssl, NULL
 * or
 * "" = the system's. Nothing is sent before networks_step. NULL with problem set on failure.
 */
struct networks *networks_create(size_t most, const char *uri, const char *ca,
                                 struct problem *problem);

/* With all of its networks, whose connections just end. */
void networks_free(struct networks *networks);

/* Returns when something happened at a connection, or so many milliseconds have passed. */
void networks_wait(struct networks *networks, int wait_ms);

/* Takes in what came, sends what waits, connects whom it is time for. Often, from one thread. */
void networks_step(struct networks *networks, int64_t mono_ns);

/* The number of a network where something happened since it was told last: a message came, a place
 * became free, the link changed. False: nowhere. */
bool networks_take_event(struct networks *networks, size_t *number);

/* --- one station's --------------------------------------------------------------------------- */

struct network;

/* Texts must outlive the network. NULL or "" = not used. */
struct network_options {
    const char *site, *station;
    const char *client_id;
    const char *user, *password;
    uint32_t jitter; /* seed of the spread of reconnects */
};

/* Its number is that of those made before. NULL with problem set on failure. */
struct network *network_create(struct networks *networks, const struct network_options *options,
                               struct problem *problem);

/* The last will: offline, with the identity of the log. Before the first networks_step. */
bool network_set_will(struct network *network, uint32_t log_id);

bool network_is_up(const struct network *network);

/* Why there is no connection; empty if there is one or none was tried. */
void network_reason(const struct network *network, struct problem *problem);

/* Messages that the broker has not acknowledged. */
unsigned network_pending(const struct network *network);

/* Begins to disconnect in good order (no will), for good. Done when network_is_up says false. */
void network_goodbye(struct network *network);

/* The operations, valid until networks_free. */
struct hal_network network_hal(struct network *network);

#endif
