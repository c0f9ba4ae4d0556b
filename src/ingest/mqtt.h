/*
 * MQTT in and out: the only user of Paho.
 *
 * MQTT 3.1.1, QoS 1; what comes in has a persistent session and a fixed client id. Paho's
 * asynchronous client calls back before it acknowledges, as long as the
 * callback returns at once and says "taken"; so the message handler must only
 * write the message down. The connection is kept up by mqtt_tend, with
 * exponential backoff and jitter, from the first connect on; subscriptions are made
 * anew at every connection.
 *
 * A message that could not be written down must not be acknowledged, but Paho 1.3
 * acknowledges whatever its callback returns, and holds the lock that a disconnect needs
 * while it calls back. So its socket is shut down from within the callback, below Paho: the
 * PUBACK that it then writes goes nowhere, Paho finds the connection gone, and the
 * broker delivers again at the next one.
 *
 * Publishing has a connection of its own with a clean session: where a publication meets a dying
 * connection of a persistent session, Paho 1.3.12 frees its topic and yet sends it
 * again at the next one.
 */
#ifndef INGEST_MQTT_H
#define INGEST_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/problem.h"
#include "phusa/text.h"
#include "settings/settings.h"

#define MQTT_SUBSCRIPTIONS_MAX 4
#define MQTT_FLIGHT_MAX        4096 /* publications handed to Paho and not acknowledged yet */

struct mqtt_handlers {
    void *context;
    /*
     * From Paho's thread, for every message; must not block nor call this room. False: it could
     * not be written down. Then it is not acknowledged, the connection is cut off, nothing
     * behind it on this connection is handed over, and the broker delivers it and those
     * again at the next connection, which mqtt_tend tries after a pause that grows as long as
     * messages are refused; better is to hold (mqtt_hold).
     */
    bool (*message)(void *context, struct phusa_text topic, struct phusa_text payload);
    /* The broker's own count of messages it threw away (its $SYS topic), as it says it, about
     * every 10 s; it begins anew with the broker. Only for a persistent session, and only if the
     * broker lets it be read; NULL = not wanted. From Paho's thread. */
    void (*broker_dropped)(void *context, uint64_t total);
    /* The link came up or went down; why says what was wrong. From Paho's thread or mqtt_tend's. */
    void (*link)(void *context, bool up, const char *why);
};

struct mqtt;

/*
 * subscriptions: topic filters, NULL-terminated, at most MQTT_SUBSCRIPTIONS_MAX; they,
 * the settings and the handlers' context must outlive it. persistent: the broker keeps what comes
 * while it is away; such a client only listens. Connects only in mqtt_tend. NULL with a problem on
 * failure.
 */
struct mqtt *mqtt_create(const struct broker_settings *broker, bool persistent,
                         const char *const *subscriptions, const struct mqtt_handlers *handlers,
                         struct problem *problem);

/* Disconnects, waiting at most one second: no handler is called any more, nothing is published.
 * NULL is fine. */
void mqtt_stop(struct mqtt *mqtt);

/* Stops and frees. NULL is fine. */
void mqtt_free(struct mqtt *mqtt);

/* Connects if that is due. To be called by one thread about every 100 ms. */
void mqtt_tend(struct mqtt *mqtt, mono_time now);

/*
 * Holds the intake: disconnects and stays away until it is let go; nothing is lost, the broker
 * keeps the session's messages. Returns at once; not to be called from a handler.
 */
void mqtt_hold(struct mqtt *mqtt, bool hold);

bool mqtt_connected(struct mqtt *mqtt);

/* Connections made after the first. */
uint64_t mqtt_reconnects(struct mqtt *mqtt);

/*
 * Publishes at QoS 1; topic and payload are copied. False if the broker is away, too much is in
 * flight (try again later), or the session is persistent. What is in flight when the
 * connection ends is not sent again: the link's handler says so.
 */
bool mqtt_publish(struct mqtt *mqtt, const char *topic, struct phusa_text payload, bool retained);

/* The same, and waits until the broker has acknowledged it or timeout; true if it has. */
bool mqtt_publish_wait(struct mqtt *mqtt, const char *topic, struct phusa_text payload,
                       bool retained, int64_t timeout_ns);

#endif
