/*
 * A network in memory: links that a test makes and cuts, messages that are lost on their way, with
 * or without the connection, brokers that cannot be reached.
 */
#ifndef FIRMWARE_FAKE_NETWORK_H
#define FIRMWARE_FAKE_NETWORK_H

#include "hal/hal.h"

#define FAKE_NETWORK_INBOUND 8192
#define FAKE_NETWORK_HOST    256
#define FAKE_NETWORK_ANY     UINT32_MAX

struct fake_network {
    uint32_t connection, last_connection;
    bool reachable;             /* its broker answers: a link can be made */
    const char *nowhere;        /* a host that cannot be reached; NULL: all can */
    bool refuses;               /* takes nothing: HAL_AGAIN */
    uint32_t room;              /* messages taken before HAL_AGAIN; FAKE_NETWORK_ANY */
    uint32_t refused;           /* messages for which there was no room */
    uint32_t loss_in_256;       /* of reports: taken, and never arrived */
    uint32_t disconnect_in_256; /* the same, and the connection with it */
    uint32_t disconnects;
    uint64_t random;
    /* What was taken, and whether it arrives. */
    void (*taken)(void *context, enum hal_leaf leaf, const void *bytes, size_t length,
                  bool arrives);
    void *context;
    /* The message that waits for the station. */
    char inbound[FAKE_NETWORK_INBOUND];
    size_t inbound_length;
    enum hal_inbound inbound_kind;
    unsigned too_long; /* dropped: longer than the station's buffer */
    uint32_t troubles[HAL_TROUBLES];
    /* What the station asked for. */
    unsigned connects;
    char host[FAKE_NETWORK_HOST]; /* "": the one it was made for */
    uint16_t tcp_port;
};

/* Down, reachable, with room for all. */
void fake_network_init(struct fake_network *network, uint64_t seed);

/* Makes a new connection, if the broker can be reached, or ends the one there is. */
void fake_network_link(struct fake_network *network, bool up);

/* Ends the connection there is, or an attempt at one, for that reason. */
void fake_network_fail(struct fake_network *network, enum hal_trouble why);

/* Puts a message there, in place of one that waits; false if it does not fit. */
bool fake_network_put(struct fake_network *network, enum hal_inbound kind, const void *bytes,
                      size_t length);

/* The operations; valid as long as network. */
struct hal_network fake_network_hal(struct fake_network *network);

#endif
