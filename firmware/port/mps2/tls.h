/* What is between lwIP's MQTT client and TCP: TLS (tls.c), or nothing (tls_none.c). */
#ifndef MPS2_TLS_H
#define MPS2_TLS_H

#include "network.h"
#include <lwip/apps/mqtt.h>

/* Takes the authority's certificate. False with *why set: no connection is possible. */
bool tls_start(const struct provision *provision, const struct hal_flash *page, const char **why);

/* Before an attempt. */
void tls_prepare(struct mqtt_connect_client_info_t *info);

/* Right after mqtt_client_connect: whose name the certificate must bear. False: give up. */
bool tls_expect(const mqtt_client_t *client, const char *host);

/* True if the time matters before a connection. */
bool tls_needs_time(void);

/* What the latest handshake found wrong; NETWORK_GOOD if it did not get that far. */
enum network_trouble tls_finding(void);

/* False when a record was taken only in part. Such a connection has to be ended. */
bool tls_sound(const mqtt_client_t *client);

/* True if the certificate's dates were not checked, for want of a clock. */
bool tls_dates_unchecked(void);

#endif
