/*
 * The station's network: Ethernet, DHCP or a fixed address, names, and one MQTT session, over TLS
 * or, in the plain image, without.
 */
#ifndef MPS2_NETWORK_H
#define MPS2_NETWORK_H

#include "hal/hal.h"
#include "provision.h"

#define NETWORK_RECEIPT_MAX 1024 /* bytes; a longer one is dropped */
#define NETWORK_COMMAND_MAX 2064 /* a little more than the core takes, so that it says so */

/* Why a connection did not come about, or ended. */
enum network_trouble {
    NETWORK_GOOD,
    NETWORK_NO_ADDRESS,
    NETWORK_NO_NAME,
    NETWORK_UNREACHABLE,
    NETWORK_NO_ANSWER,
    NETWORK_WRONG_AUTHORITY, /* refusals, in the order of hal_trouble; not signed by ours */
    NETWORK_WRONG_HOST,
    NETWORK_WRONG_DATE, /* the certificate has expired, or is not valid yet */
    NETWORK_NO_TLS,     /* another failure of the handshake */
    NETWORK_WRONG_PASSWORD,
    NETWORK_REFUSED,
    NETWORK_LOST,
    NETWORK_TROUBLES
};

struct network_counters {
    uint32_t dropped; /* messages too long, too many or cut */
    uint32_t troubles[NETWORK_TROUBLES];
};

/*
 * Begins. provision and page must stay; log is the identity of the log, for the will. False
 * with *why set if the board cannot be connected at all.
 */
bool network_start(const struct provision *provision, const struct hal_flash *page, uint32_t log,
                   const char **why);

/* Lets everything that is due happen. Call it often. */
void network_step(int64_t mono_ns);

/* A number that changes whenever trouble was met or a connection made. */
uint32_t network_events(void);

/* The latest trouble; NETWORK_GOOD while connected. */
enum network_trouble network_trouble(void);
const char *network_trouble_text(enum network_trouble trouble);

/* Seconds until the next attempt; 0 while connected or trying. */
uint32_t network_pause_s(int64_t mono_ns);

/* Our address as text; "0.0.0.0" without. Valid until the next call. */
const char *network_address(void);

const struct network_counters *network_counters(void);

struct hal_network network_hal(void);

#endif
