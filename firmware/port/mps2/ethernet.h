/* The board's LAN9118 as an interface of lwIP. */
#ifndef MPS2_ETHERNET_H
#define MPS2_ETHERNET_H

#include <lwip/netif.h>

/* For netif_add. ERR_IF if the chip is not there. */
err_t ethernet_begin(struct netif *interface);

/* Hands the frames that came in to lwIP, a bounded number. */
void ethernet_poll(struct netif *interface);

#endif
