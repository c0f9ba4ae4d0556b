/*
 * Paho's threads call back; the core polls. They meet at one mutex a network,
 * never held while Paho is called.
 *
 * The session is clean: receipts are retained, so nothing waits for the station
 * in the broker but commands, and a command that is hours old is better lost. What
 * was on its way when a connection ended counts as unsent (hal.h).
 *
 * Of receipts only the latest is kept: each says all that the earlier ones did.
 */
#include "network_paho.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "phusa/message.h"
#include "phusa/topic.h"

#define SECOND       INT64_C(1000000000)
#define BACKOFF_MIN  (SECOND / 2)
#define BACKOFF_MAX  (30 * SECOND)
#define STEADY_AFTER (10 * SECOND) /* a connection this old resets the backoff */
#define ATTEMPT_MAX  (45 * SECOND) /* connecting and subscribing together */
#define CONNECT_S    15
#define KEEPALIVE_S  30
#define GOODBYE_MS   2000
#define URI_BYTES    96 /* scheme, host name in brackets, port */

enum state {
    IDLE,       /* waits for its next attempt */
    CONNECTING, /* until CONNACK */
    JOINING,    /* until SUBACK */
    UP,
    SPOILT, /* connected but of no use: to be disconnected */
    LEAVING
};

struct message {
    size_t length;
    char bytes[NETWORK_MESSAGE_MAX];
};

struct network {
    struct network_options options;
    MQTTAsync client;
    char obs[PHUSA_TOPIC_MAX + 1], status[PHUSA_TOPIC_MAX + 1], rsp[PHUSA_TOPIC_MAX + 1];
    char ack[PHUSA_TOPIC_MAX + 1], cmd[PHUSA_TOPIC_MAX + 1];
    char will[PHUSA_MESSAGE_MAX];
    char moved[URI_BYTES]; /* the broker that the core asked for; empty = the options' */

    /* Of the polling thread. */
    int64_t next_attempt_ns, attempt_ns, up_since_ns, backoff_ns;
    uint64_t random;

    pthread_mutex_t lock; /* guards what follows */
    enum state state;
    bool failed;    /* the state became IDLE because something went wrong */
    bool untrusted; /* TLS does not trust the broker of this attempt */
    uint32_t troubles[HAL_TROUBLES];
    bool event;
    uint32_t connection;
    unsigned pending;
    struct problem reason;
    bool has_receipt;
    struct message receipt;
    struct message commands[NETWORK_COMMANDS_MAX];
    size_t command_first, command_count;
};

/* --- events -------------------------------------------------------------------- */

static void wake(struct network *network)
{
    uint64_t one = 1;
    /* A full eventfd is awake already. */
    ssize_t ignored = write(network->options.wake_fd, &one, sizeof one);
    (void)ignored;
}

/* Called with the lock held. */
static void set_down(struct network *network, enum state state, const char *what, const char *why)
{
    network->state = state;
    network->failed = true;
    network->event = true;
    network->pending = 0;
    problem_set(&network->reason, "%s%s%s", what, why == NULL ? "" : ": ", why == NULL ? "" : why);
}

static void fail_for(struct network *network, enum hal_trouble trouble, enum state state,
                     const char *what, const char *why)
{
    pthread_mutex_lock(&network->lock);
    if (network->state != LEAVING) {
        bool untrusted = network->untrusted && trouble == HAL_TROUBLE_LINK;
        network->troubles[untrusted ? HAL_TROUBLE_TLS : trouble]++;
        set_down(network, state, what, why);
    } else {
        network->state = IDLE;
    }
    pthread_mutex_unlock(&network->lock);
    wake(network);
}

static void fail(struct network *network, enum state state, const char *what, const char *why)
{
    fail_for(network, HAL_TROUBLE_LINK, state, what, why);
}

static const char *failure_text(const MQTTAsync_failureData *data)
{
    /* MQTT 3.1.1, table 3.1 */
    static const char *const refusals[] = { "protocol version refused", "client id refused",
                                            "broker unavailable", "wrong user or password",
                                            "not authorised" };
    if (data == NULL) {
        return NULL;
    }
    if (data->code >= 1 && data->code <= 5) {
        return refusals[data->code - 1];
    }
    return data->message != NULL ? data->message : MQTTAsync_strerror(data->code);
}

static void on_subscribed(void *context, MQTTAsync_successData *data)
{
    struct network *network = context;
    (void)data;
    pthread_mutex_lock(&network->lock);
    if (network->state == JOINING) {
        network->state = UP;
        network->connection = network->connection == UINT32_MAX ? 1 : network->connection + 1;
        network->pending = 0;
        network->event = true;
        network->reason.text[0] = '\0';
    }
    pthread_mutex_unlock(&network->lock);
    wake(network);
}

static void on_subscribe_failed(void *context, MQTTAsync_failureData *data)
{
    fail(context, SPOILT, "subscription refused", failure_text(data));
}

static void on_connected(void *context, MQTTAsync_successData *data)
{
    struct network *network = context;
    (void)data;
    pthread_mutex_lock(&network->lock);
    bool wanted = network->state == CONNECTING;
    network->state = wanted ? JOINING : network->state;
    pthread_mutex_unlock(&network->lock);
    if (!wanted) {
        return;
    }
    char *topics[] = { network->ack, network->cmd };
    int qos[] = { 1, 1 };
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.onSuccess = on_subscribed;
    response.onFailure = on_subscribe_failed;
    response.context = network;
    int code = MQTTAsync_subscribeMany(network->client, 2, topics, qos, &response);
    if (code != MQTTASYNC_SUCCESS) {
        fail(network, SPOILT, "cannot subscribe", MQTTAsync_strerror(code));
    }
}

/* By the code of CONNACK (MQTT 3.1.1, table 3.1). */
static enum hal_trouble trouble_of(const MQTTAsync_failureData *data)
{
    if (data == NULL || data->code < 1 || data->code > 5) {
        return HAL_TROUBLE_LINK;
    }
    return data->code >= 4 ? HAL_TROUBLE_PASSWORD : HAL_TROUBLE_REFUSED;
}

static void on_connect_failed(void *context, MQTTAsync_failureData *data)
{
    fail_for(context, trouble_of(data), IDLE, "cannot connect", failure_text(data));
}

/* OpenSSL says no more than this of a certificate that it does not trust. */
static int on_tls_error(const char *text, size_t length, void *context)
{
    struct network *network = context;
    (void)length;
    if (strstr(text, "certificate verify failed") != NULL) {
        pthread_mutex_lock(&network->lock);
        network->untrusted = true;
        pthread_mutex_unlock(&network->lock);
    }
    return 1;
}

static void on_connection_lost(void *context, char *cause)
{
    fail(context, IDLE, "connection lost", cause);
}

static void on_disconnected(void *context, MQTTAsync_successData *data)
{
    (void)data;
    fail(context, IDLE, "disconnected", NULL);
}

static void on_delivered(void *context, MQTTAsync_token token)
{
    struct network *network = context;
    (void)token;
    pthread_mutex_lock(&network->lock);
    bool was_full = network->pending >= NETWORK_PENDING_MAX;
    network->pending -= network->pending > 0;
    network->event |= was_full;
    pthread_mutex_unlock(&network->lock);
    if (was_full) {
        wake(network);
    }
}

static void keep(struct message *message, const MQTTAsync_message *from)
{
    message->length = (size_t)from->payloadlen;
    memcpy(message->bytes, from->payload, message->length);
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
    struct network *network = context;
    (void)topic_length; /* a topic of ours holds no NUL */
    bool fits = message->payloadlen > 0 && message->payloadlen <= NETWORK_MESSAGE_MAX;
    pthread_mutex_lock(&network->lock);
    if (fits && strcmp(topic, network->ack) == 0) {
        keep(&network->receipt, message);
        network->has_receipt = true;
        network->event = true;
    } else if (fits && strcmp(topic, network->cmd) == 0 &&
               network->command_count < NETWORK_COMMANDS_MAX) {
        size_t last = (network->command_first + network->command_count) % NETWORK_COMMANDS_MAX;
        keep(&network->commands[last], message);
        network->command_count++;
        network->event = true;
    }
    pthread_mutex_unlock(&network->lock);
    wake(network);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

/* --- making and ending ------------------------------------------------------------ */

static bool make_topic(const struct network_options *options, enum phusa_leaf leaf,
                       char topic[PHUSA_TOPIC_MAX + 1])
{
    struct phusa_topic parts = { .site = phusa_text_of(options->site),
                                 .station = phusa_text_of(options->station),
                                 .leaf = leaf };
    return phusa_topic_print(&parts, topic, PHUSA_TOPIC_MAX + 1) > 0;
}

static bool make_client(struct network *network, struct problem *problem)
{
    const struct network_options *options = &network->options;
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    create.maxBufferedMessages = NETWORK_PENDING_MAX;
    int code = MQTTAsync_createWithOptions(&network->client, options->uri, options->client_id,
                                           MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    if (code != MQTTASYNC_SUCCESS) {
        problem_set(problem, "%s: %s", options->uri, MQTTAsync_strerror(code));
        return false;
    }
    code = MQTTAsync_setCallbacks(network->client, network, on_connection_lost, on_message,
                                  on_delivered);
    if (code != MQTTASYNC_SUCCESS) {
        problem_set(problem, "%s: %s", options->uri, MQTTAsync_strerror(code));
        MQTTAsync_destroy(&network->client);
        return false;
    }
    return true;
}

struct network *network_create(const struct network_options *options, struct problem *problem)
{
    struct network *network = calloc(1, sizeof *network);
    if (network == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    network->options = *options;
    network->backoff_ns = BACKOFF_MIN;
    network->random = options->jitter;
    if (!make_topic(options, PHUSA_LEAF_OBS, network->obs) ||
        !make_topic(options, PHUSA_LEAF_STATUS, network->status) ||
        !make_topic(options, PHUSA_LEAF_RSP, network->rsp) ||
        !make_topic(options, PHUSA_LEAF_ACK, network->ack) ||
        !make_topic(options, PHUSA_LEAF_CMD, network->cmd)) {
        problem_set(problem, "%s/%s is no site and station", options->site, options->station);
        free(network);
        return NULL;
    }
    if (pthread_mutex_init(&network->lock, NULL) != 0) {
        problem_set(problem, "no mutex");
        free(network);
        return NULL;
    }
    if (!make_client(network, problem)) {
        pthread_mutex_destroy(&network->lock);
        free(network);
        return NULL;
    }
    return network;
}

bool network_set_will(struct network *network, uint32_t log_id)
{
    struct phusa_status_message message = { .online = false, .has_log = true, .log = log_id };
    size_t length = phusa_status_print(&message, network->will, sizeof network->will - 1);
    network->will[length] = '\0';
    return length > 0;
}

void network_goodbye(struct network *network)
{
    pthread_mutex_lock(&network->lock);
    bool leave = network->state == UP || network->state == JOINING || network->state == CONNECTING;
    network->state = leave ? LEAVING : network->state;
    pthread_mutex_unlock(&network->lock);
    if (!leave) {
        return;
    }
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    options.timeout = GOODBYE_MS;
    options.onSuccess = on_disconnected;
    options.onFailure = on_connect_failed;
    options.context = network;
    if (MQTTAsync_disconnect(network->client, &options) != MQTTASYNC_SUCCESS) {
        fail(network, IDLE, "disconnected", NULL);
    }
}

void network_free(struct network *network)
{
    if (network != NULL) {
        MQTTAsync_destroy(&network->client);
        pthread_mutex_destroy(&network->lock);
        free(network);
    }
}

/* --- connecting ------------------------------------------------------------------- */

static uint32_t next_random(struct network *network)
{
    network->random =
        network->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(network->random >> 33);
}

/* Half of the backoff and a random part of the other half; then it doubles. */
static int64_t next_pause(struct network *network)
{
    int64_t half = network->backoff_ns / 2;
    network->backoff_ns *= 2;
    if (network->backoff_ns > BACKOFF_MAX) {
        network->backoff_ns = BACKOFF_MAX;
    }
    return half + (int64_t)(next_random(network) % 1000) * (half / 1000);
}

static int start_connect(struct network *network)
{
    const struct network_options *options = &network->options;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
    will.topicName = network->status;
    will.message = network->will;
    will.retained = 1;
    will.qos = 1;
    tls.trustStore = options->ca != NULL && *options->ca != '\0' ? options->ca : NULL;
    tls.enableServerCertAuth = 1;
    tls.verify = 1;
    tls.ssl_error_cb = on_tls_error;
    tls.ssl_error_context = network;
    connect.MQTTVersion = MQTTVERSION_3_1_1;
    connect.cleansession = 1;
    connect.keepAliveInterval = KEEPALIVE_S;
    connect.connectTimeout = CONNECT_S;
    connect.maxInflight = NETWORK_PENDING_MAX;
    connect.username = options->user != NULL && *options->user != '\0' ? options->user : NULL;
    connect.password = connect.username != NULL ? options->password : NULL;
    connect.will = &will;
    char *uris[] = { network->moved };
    connect.serverURIs = uris;
    connect.serverURIcount = network->moved[0] != '\0';
    connect.ssl = strncmp(options->uri, "ssl://", 6) == 0 ? &tls : NULL;
    connect.onSuccess = on_connected;
    connect.onFailure = on_connect_failed;
    connect.context = network;
    return MQTTAsync_connect(network->client, &connect);
}

static void attempt(struct network *network, int64_t mono_ns)
{
    pthread_mutex_lock(&network->lock);
    network->state = CONNECTING;
    network->untrusted = false;
    pthread_mutex_unlock(&network->lock);
    network->attempt_ns = mono_ns;
    int code = start_connect(network);
    if (code != MQTTASYNC_SUCCESS) {
        fail(network, IDLE, "cannot connect", MQTTAsync_strerror(code));
    }
}

static void give_up(struct network *network)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    (void)MQTTAsync_disconnect(network->client, &options);
    pthread_mutex_lock(&network->lock);
    if (network->state != UP) {
        network->state = IDLE;
    }
    pthread_mutex_unlock(&network->lock);
}

void network_poll(struct network *network, int64_t mono_ns)
{
    pthread_mutex_lock(&network->lock);
    enum state state = network->state;
    bool failed = network->failed;
    network->failed = false;
    pthread_mutex_unlock(&network->lock);
    if (failed) {
        if (network->up_since_ns != 0 && mono_ns - network->up_since_ns >= STEADY_AFTER) {
            network->backoff_ns = BACKOFF_MIN;
        }
        network->up_since_ns = 0;
        network->next_attempt_ns = mono_ns + next_pause(network);
    }
    if (state == UP && network->up_since_ns == 0) {
        network->up_since_ns = mono_ns;
    }
    bool stuck =
        (state == CONNECTING || state == JOINING) && mono_ns - network->attempt_ns >= ATTEMPT_MAX;
    if (stuck) {
        fail(network, SPOILT, "cannot connect", "no answer");
    }
    if (stuck || state == SPOILT) {
        give_up(network);
    } else if (state == IDLE && mono_ns >= network->next_attempt_ns) {
        attempt(network, mono_ns);
    }
}

bool network_take_event(struct network *network)
{
    pthread_mutex_lock(&network->lock);
    bool event = network->event;
    network->event = false;
    pthread_mutex_unlock(&network->lock);
    return event;
}

bool network_is_up(struct network *network)
{
    pthread_mutex_lock(&network->lock);
    bool up = network->state == UP || network->state == LEAVING;
    pthread_mutex_unlock(&network->lock);
    return up;
}

void network_reason(struct network *network, struct problem *problem)
{
    pthread_mutex_lock(&network->lock);
    *problem = network->reason;
    pthread_mutex_unlock(&network->lock);
}

unsigned network_pending(struct network *network)
{
    pthread_mutex_lock(&network->lock);
    unsigned pending = network->pending;
    pthread_mutex_unlock(&network->lock);
    return pending;
}

/* --- the HAL's operations ---------------------------------------------------------- */

static uint32_t hal_connection(void *context)
{
    struct network *network = context;
    pthread_mutex_lock(&network->lock);
    uint32_t connection = network->state == UP ? network->connection : 0;
    pthread_mutex_unlock(&network->lock);
    return connection;
}

/* Takes a place among the pending messages. */
static enum hal_result reserve(struct network *network)
{
    enum hal_result result = HAL_OK;
    pthread_mutex_lock(&network->lock);
    if (network->state != UP) {
        result = HAL_GONE;
    } else if (network->pending >= NETWORK_PENDING_MAX) {
        result = HAL_AGAIN;
    } else {
        network->pending++;
    }
    pthread_mutex_unlock(&network->lock);
    return result;
}

static enum hal_result hal_publish(void *context, enum hal_leaf leaf, const void *bytes,
                                   size_t length)
{
    struct network *network = context;
    const char *topic = leaf == HAL_LEAF_OBS      ? network->obs
                        : leaf == HAL_LEAF_STATUS ? network->status
                                                  : network->rsp;
    enum hal_result result = reserve(network);
    if (result != HAL_OK) {
        return result;
    }
    int code = MQTTAsync_send(network->client, topic, (int)length, bytes, 1,
                              leaf == HAL_LEAF_STATUS, NULL);
    if (code == MQTTASYNC_SUCCESS) {
        return HAL_OK;
    }
    pthread_mutex_lock(&network->lock);
    network->pending -= network->pending > 0;
    pthread_mutex_unlock(&network->lock);
    return code == MQTTASYNC_DISCONNECTED ? HAL_GONE : HAL_AGAIN;
}

static size_t hand_out(const struct message *message, void *buffer, size_t capacity)
{
    if (message->length > capacity) {
        return 0;
    }
    memcpy(buffer, message->bytes, message->length);
    return message->length;
}

static enum hal_inbound hal_receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    struct network *network = context;
    enum hal_inbound kind = HAL_INBOUND_NONE;
    pthread_mutex_lock(&network->lock);
    if (network->has_receipt) {
        network->has_receipt = false;
        *length = hand_out(&network->receipt, buffer, capacity);
        kind = HAL_INBOUND_ACK;
    } else if (network->command_count > 0) {
        *length = hand_out(&network->commands[network->command_first], buffer, capacity);
        network->command_first = (network->command_first + 1) % NETWORK_COMMANDS_MAX;
        network->command_count--;
        kind = HAL_INBOUND_CMD;
    }
    pthread_mutex_unlock(&network->lock);
    return kind;
}

/* Security stays as it was: the scheme is that of the options. */
static void hal_connect(void *context, const char *host, uint16_t port)
{
    struct network *network = context;
    network->moved[0] = '\0';
    if (host != NULL) {
        bool bare = strchr(host, ':') == NULL; /* else an IPv6 address */
        (void)snprintf(network->moved, sizeof network->moved, "%.6s%s%s%s:%u", network->options.uri,
                       bare ? "" : "[", host, bare ? "" : "]", port);
    }
    pthread_mutex_lock(&network->lock);
    bool idle = network->state == IDLE;
    if (!idle && network->state != LEAVING) {
        set_down(network, SPOILT, "made anew", NULL);
    }
    pthread_mutex_unlock(&network->lock);
    network->backoff_ns = BACKOFF_MIN;
    network->next_attempt_ns = 0;
}

static uint32_t hal_troubles(void *context, enum hal_trouble which)
{
    struct network *network = context;
    pthread_mutex_lock(&network->lock);
    uint32_t count = network->troubles[which];
    pthread_mutex_unlock(&network->lock);
    return count;
}

struct hal_network network_hal(struct network *network)
{
    return (struct hal_network){ .context = network,
                                 .connection = hal_connection,
                                 .publish = hal_publish,
                                 .receive = hal_receive,
                                 .connect = hal_connect,
                                 .troubles = hal_troubles };
}
