#include "ingest/mqtt.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/cut.h"
#include "phusa/number.h"

#define QOS              1
#define DROPPED_TOPIC    "$SYS/broker/publish/messages/dropped"
#define UNWELCOME_MAX    3 /* connections lost over asking for it, before it is left alone */
#define CONNECT_SECONDS  10
#define BACKOFF_FIRST_NS (INT64_C(250) * MILLI_NS)
#define BACKOFF_LAST_NS  (INT64_C(15) * SECOND_NS)
#define GIVE_UP_NS       (INT64_C(3) * CONNECT_SECONDS * SECOND_NS) /* for a connect that never ends */
#define STOP_MS          1000
#define WHY_MAX          200

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP, LINK_HELD, LINK_STOPPED };

struct mqtt {
    MQTTAsync client;
    const struct broker_settings *broker;
    bool persistent;
    const char *filters[MQTT_SUBSCRIPTIONS_MAX];
    int filter_count;
    uint16_t port;
    struct mqtt_handlers handlers;
    atomic_int flight;
    atomic_bool refusing; /* the last message could not be written down */
    atomic_bool cut;      /* and this connection was cut off over it */

    pthread_mutex_t lock; /* never held while Paho or a handler is called */
    enum link_state state;
    int64_t next_try_ns, backoff_ns, give_up_ns;
    uint64_t connections;
    unsigned random;
    bool asked;         /* for the dropped messages, and not answered yet */
    unsigned unwelcome; /* connections in a row that ended before the answer */
};

/* --- state ------------------------------------------------------------------ */

static enum link_state get_state(struct mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    enum link_state state = mqtt->state;
    (void)pthread_mutex_unlock(&mqtt->lock);
    return state;
}

/* Half of the pause is random, so that a thousand clients do not come back at once. */
static int64_t jittered(struct mqtt *mqtt, int64_t pause)
{
    return pause / 2 + (int64_t)((double)rand_r(&mqtt->random) / RAND_MAX * (double)pause / 2);
}

/* Somebody wants it down: events of a connection that is ending change nothing. */
static bool is_kept_down(enum link_state state)
{
    return state == LINK_HELD || state == LINK_STOPPED;
}

static void went_down(struct mqtt *mqtt, const char *why)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    if (is_kept_down(mqtt->state)) {
        (void)pthread_mutex_unlock(&mqtt->lock);
        return;
    }
    if (mqtt->state == LINK_UP && !atomic_load(&mqtt->refusing)) {
        mqtt->backoff_ns = BACKOFF_FIRST_NS;
    }
    mqtt->unwelcome += mqtt->asked && !atomic_load(&mqtt->cut);
    mqtt->asked = false;
    mqtt->state = LINK_DOWN;
    mqtt->next_try_ns = clock_mono().ns + jittered(mqtt, mqtt->backoff_ns);
    mqtt->backoff_ns =
        mqtt->backoff_ns * 2 < BACKOFF_LAST_NS ? mqtt->backoff_ns * 2 : BACKOFF_LAST_NS;
    (void)pthread_mutex_unlock(&mqtt->lock);
    mqtt->handlers.link(mqtt->handlers.context, false, why);
}

static void leave(struct mqtt *mqtt)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    (void)MQTTAsync_disconnect(mqtt->client, &options);
}

static void came_up(struct mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    if (is_kept_down(mqtt->state)) {
        (void)pthread_mutex_unlock(&mqtt->lock);
        leave(mqtt); /* it was under way when it was no longer wanted */
        return;
    }
    mqtt->state = LINK_UP;
    mqtt->connections++;
    (void)pthread_mutex_unlock(&mqtt->lock);
    mqtt->handlers.link(mqtt->handlers.context, true, "");
}

/* --- Paho's callbacks --------------------------------------------------------- */

static void hand_dropped(const struct mqtt *mqtt, struct phusa_text payload)
{
    struct phusa_decimal decimal;
    uint64_t total = 0;
    bool number = payload.length > 0 &&
                  phusa_decimal_scan(payload.data, payload.length, &decimal) == payload.length &&
                  phusa_decimal_to_uint(&decimal, &total);
    if (number && mqtt->handlers.broker_dropped != NULL) {
        mqtt->handlers.broker_dropped(mqtt->handlers.context, total);
    }
}

/* Keeps what is refused from being acknowledged. Behind it Paho may have more of the same
 * connection in its hands: it is passed over, since it comes again too. */
static void hand_message(struct mqtt *mqtt, struct phusa_text topic, struct phusa_text payload)
{
    if (atomic_load(&mqtt->cut)) {
        return;
    }
    bool taken = mqtt->handlers.message(mqtt->handlers.context, topic, payload);
    if (taken == atomic_load(&mqtt->refusing)) {
        atomic_store(&mqtt->refusing, !taken);
    }
    if (!taken) {
        atomic_store(&mqtt->cut, true);
        (void)cut_off(mqtt->port);
    }
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
    struct mqtt *mqtt = context;
    struct phusa_text name = { topic, topic_length > 0 ? (size_t)topic_length : strlen(topic) };
    struct phusa_text payload = { message->payload, (size_t)message->payloadlen };
    if (mqtt->persistent && phusa_text_equal(name, PHUSA_TEXT(DROPPED_TOPIC))) {
        hand_dropped(mqtt, payload);
    } else {
        hand_message(mqtt, name, payload);
    }
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1; /* anything else would be redelivered in process, not withheld from the broker */
}

static void on_lost(void *context, char *cause)
{
    went_down(context, cause != NULL ? cause : "connection lost");
}

static const char *failure_text(const MQTTAsync_failureData *failure, char text[WHY_MAX])
{
    const char *said = failure != NULL && failure->message != NULL ? failure->message : "no answer";
    (void)snprintf(text, WHY_MAX, "%s (code %d)", said, failure != NULL ? failure->code : 0);
    return text;
}

static void drop_link(struct mqtt *mqtt, const char *why)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    (void)MQTTAsync_disconnect(mqtt->client, &options);
    went_down(mqtt, why);
}

static void on_subscribe_failed(void *context, MQTTAsync_failureData *failure)
{
    char text[WHY_MAX];
    drop_link(context, failure_text(failure, text));
}

static void on_dropped_answered(struct mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    mqtt->asked = false;
    mqtt->unwelcome = 0;
    (void)pthread_mutex_unlock(&mqtt->lock);
}

static void on_dropped_subscribed(void *context, MQTTAsync_successData *success)
{
    (void)success;
    on_dropped_answered(context);
}

/* Refused by the broker: then we do without. Any other failure is the connection's. */
static void on_dropped_refused(void *context, MQTTAsync_failureData *failure)
{
    if (failure != NULL && failure->code == MQTT_BAD_SUBSCRIBE) {
        on_dropped_answered(context);
    }
}

/* A wish of its own, so that a broker that denies it denies nothing else. Some end the connection
 * instead of an answer: after a few times they are not asked any more. */
static void ask_for_dropped(struct mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    bool ask = mqtt->persistent && mqtt->handlers.broker_dropped != NULL &&
               mqtt->state == LINK_UP && mqtt->unwelcome < UNWELCOME_MAX;
    mqtt->asked = ask;
    (void)pthread_mutex_unlock(&mqtt->lock);
    if (!ask) {
        return;
    }
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = mqtt;
    options.onSuccess = on_dropped_subscribed;
    options.onFailure = on_dropped_refused;
    (void)MQTTAsync_subscribe(mqtt->client, DROPPED_TOPIC, 0, &options);
}

static void on_subscribed(void *context, MQTTAsync_successData *success)
{
    (void)success;
    came_up(context);
    ask_for_dropped(context);
}

static void on_connected(void *context, MQTTAsync_successData *success)
{
    (void)success;
    struct mqtt *mqtt = context;
    atomic_store(&mqtt->cut, false);
    (void)pthread_mutex_lock(&mqtt->lock);
    mqtt->asked = false;
    (void)pthread_mutex_unlock(&mqtt->lock);
    if (mqtt->persistent && !cut_possible(mqtt->port)) {
        drop_link(mqtt, "no socket leads to the broker's port: is a proxy set? A refused message "
                        "could not be kept from being acknowledged");
        return;
    }
    if (mqtt->filter_count == 0) {
        came_up(mqtt);
        ask_for_dropped(mqtt);
        return;
    }
    int qos[MQTT_SUBSCRIPTIONS_MAX];
    for (int i = 0; i < mqtt->filter_count; i++) {
        qos[i] = QOS;
    }
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = mqtt;
    options.onSuccess = on_subscribed;
    options.onFailure = on_subscribe_failed;
    if (MQTTAsync_subscribeMany(mqtt->client, mqtt->filter_count,
                                (char *const *)(void *)mqtt->filters, qos,
                                &options) != MQTTASYNC_SUCCESS) {
        on_subscribe_failed(mqtt, NULL);
    }
}

static void on_connect_failed(void *context, MQTTAsync_failureData *failure)
{
    char text[WHY_MAX];
    went_down(context, failure_text(failure, text));
}

/* --- life ------------------------------------------------------------------------ */

struct mqtt *mqtt_create(const struct broker_settings *broker, bool persistent,
                         const char *const *subscriptions, const struct mqtt_handlers *handlers,
                         struct problem *problem)
{
    struct mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (mqtt == NULL) {
        problem_set(problem, "mqtt: out of memory");
        return NULL;
    }
    mqtt->broker = broker;
    mqtt->port = cut_port(broker->uri);
    mqtt->persistent = persistent;
    mqtt->handlers = *handlers;
    mqtt->backoff_ns = BACKOFF_FIRST_NS;
    mqtt->random = (unsigned)clock_mono().ns;
    (void)pthread_mutex_init(&mqtt->lock, NULL);
    for (; mqtt->filter_count < MQTT_SUBSCRIPTIONS_MAX && subscriptions[mqtt->filter_count] != NULL;
         mqtt->filter_count++) {
        mqtt->filters[mqtt->filter_count] = subscriptions[mqtt->filter_count];
    }
    /* Below that Paho formats lines for each packet that nobody reads. Its own variable
     * MQTT_C_CLIENT_TRACE_LEVEL is read by the first creation, and still counts. */
    MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    int code = MQTTAsync_create(&mqtt->client, broker->uri, broker->client_id,
                                MQTTCLIENT_PERSISTENCE_NONE, NULL);
    if (code == MQTTASYNC_SUCCESS) {
        code = MQTTAsync_setCallbacks(mqtt->client, mqtt, on_lost, on_message, NULL);
    }
    if (code != MQTTASYNC_SUCCESS) {
        problem_set(problem, "mqtt: %s: %s", broker->uri, MQTTAsync_strerror(code));
        mqtt_free(mqtt);
        return NULL;
    }
    return mqtt;
}

void mqtt_stop(struct mqtt *mqtt)
{
    if (mqtt == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&mqtt->lock);
    bool stopped = mqtt->state == LINK_STOPPED;
    mqtt->state = LINK_STOPPED;
    (void)pthread_mutex_unlock(&mqtt->lock);
    if (stopped || mqtt->client == NULL) {
        return;
    }
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    options.timeout = STOP_MS / 2;
    (void)MQTTAsync_disconnect(mqtt->client, &options);
    mono_time until = { clock_mono().ns + STOP_MS * MILLI_NS };
    while (MQTTAsync_isConnected(mqtt->client) && clock_mono().ns < until.ns) {
        clock_sleep_until((mono_time){ clock_mono().ns + 5 * MILLI_NS });
    }
}

void mqtt_free(struct mqtt *mqtt)
{
    if (mqtt == NULL) {
        return;
    }
    mqtt_stop(mqtt);
    if (mqtt->client != NULL) {
        MQTTAsync_destroy(&mqtt->client);
    }
    (void)pthread_mutex_destroy(&mqtt->lock);
    free(mqtt);
}

static void connect_now(struct mqtt *mqtt)
{
    const struct broker_settings *broker = mqtt->broker;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    ssl.trustStore = broker->ca[0] != '\0' ? broker->ca : NULL;
    ssl.enableServerCertAuth = 1;
    ssl.verify = 1; /* the certificate must be for the host that was named */
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.cleansession = mqtt->persistent ? 0 : 1;
    options.keepAliveInterval = (int)(broker->keepalive_ns / SECOND_NS);
    options.connectTimeout = CONNECT_SECONDS;
    options.maxInflight = MQTT_FLIGHT_MAX;
    options.username = broker->user[0] != '\0' ? broker->user : NULL;
    options.password = broker->password[0] != '\0' ? broker->password : NULL;
    options.ssl = strncmp(broker->uri, "ssl://", 6) == 0 ? &ssl : NULL;
    options.onSuccess = on_connected;
    options.onFailure = on_connect_failed;
    options.context = mqtt;
    int code = MQTTAsync_connect(mqtt->client, &options);
    if (code != MQTTASYNC_SUCCESS) {
        went_down(mqtt, MQTTAsync_strerror(code));
    }
}

void mqtt_tend(struct mqtt *mqtt, mono_time now)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    bool due = mqtt->state == LINK_DOWN && now.ns >= mqtt->next_try_ns;
    bool overdue = mqtt->state == LINK_CONNECTING && clock_mono().ns >= mqtt->give_up_ns;
    if (due) {
        mqtt->state = LINK_CONNECTING;
        mqtt->give_up_ns = clock_mono().ns + GIVE_UP_NS;
    }
    (void)pthread_mutex_unlock(&mqtt->lock);
    if (overdue || (due && MQTTAsync_isConnected(mqtt->client))) {
        leave(mqtt); /* a connection of which no end was heard, or that nobody took over */
        went_down(mqtt, "no answer");
    } else if (due) {
        connect_now(mqtt);
    }
}

void mqtt_hold(struct mqtt *mqtt, bool hold)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    bool changes = hold ? !is_kept_down(mqtt->state) : mqtt->state == LINK_HELD;
    if (changes) {
        mqtt->state = hold ? LINK_HELD : LINK_DOWN;
        mqtt->next_try_ns = 0;
    }
    (void)pthread_mutex_unlock(&mqtt->lock);
    if (changes && hold) {
        leave(mqtt);
        mqtt->handlers.link(mqtt->handlers.context, false, "held: the journal takes no more");
    }
}

bool mqtt_connected(struct mqtt *mqtt)
{
    return get_state(mqtt) == LINK_UP;
}

uint64_t mqtt_reconnects(struct mqtt *mqtt)
{
    (void)pthread_mutex_lock(&mqtt->lock);
    uint64_t count = mqtt->connections > 0 ? mqtt->connections - 1 : 0;
    (void)pthread_mutex_unlock(&mqtt->lock);
    return count;
}

/* --- publishing --------------------------------------------------------------------- */

static void on_published(void *context, MQTTAsync_successData *success)
{
    (void)success;
    struct mqtt *mqtt = context;
    (void)atomic_fetch_sub(&mqtt->flight, 1);
}

static void on_publish_failed(void *context, MQTTAsync_failureData *failure)
{
    (void)failure;
    struct mqtt *mqtt = context;
    (void)atomic_fetch_sub(&mqtt->flight, 1);
}

static bool can_publish(struct mqtt *mqtt, const char *topic)
{
    return topic[0] != '\0' && !mqtt->persistent && mqtt_connected(mqtt);
}

static int send_message(struct mqtt *mqtt, const char *topic, struct phusa_text payload,
                        bool retained, MQTTAsync_responseOptions *options)
{
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = (void *)(uintptr_t)payload.data; /* Paho copies it and takes no const */
    message.payloadlen = (int)payload.length;
    message.qos = QOS;
    message.retained = retained ? 1 : 0;
    return MQTTAsync_sendMessage(mqtt->client, topic, &message, options);
}

bool mqtt_publish(struct mqtt *mqtt, const char *topic, struct phusa_text payload, bool retained)
{
    if (!can_publish(mqtt, topic) || atomic_load(&mqtt->flight) >= MQTT_FLIGHT_MAX) {
        return false;
    }
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = mqtt;
    options.onSuccess = on_published;
    options.onFailure = on_publish_failed;
    (void)atomic_fetch_add(&mqtt->flight, 1);
    if (send_message(mqtt, topic, payload, retained, &options) != MQTTASYNC_SUCCESS) {
        (void)atomic_fetch_sub(&mqtt->flight, 1);
        return false;
    }
    return true;
}

bool mqtt_publish_wait(struct mqtt *mqtt, const char *topic, struct phusa_text payload,
                       bool retained, int64_t timeout_ns)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    if (!can_publish(mqtt, topic) ||
        send_message(mqtt, topic, payload, retained, &options) != MQTTASYNC_SUCCESS) {
        return false;
    }
    return MQTTAsync_waitForCompletion(mqtt->client, options.token,
                                       (unsigned long)(timeout_ns / MILLI_NS)) == MQTTASYNC_SUCCESS;
}
