/*
 * The least that a consumer at QoS 1 can do: a Paho client with the options of src/ingest/mqtt.c
 * that counts. What phusad costs is told beside it.
 *
 *   null_consumer URI USER PASSWORD MARK...
 *
 * Prints "ready" once subscribed, then the marks (marks.h). Runs until it is ended.
 */
#include <MQTTAsync.h>
#include <string.h>
#include <unistd.h>

#include "ingest/mqtt.h"
#include "marks.h"

static struct marks marks;
static uint64_t received;
static MQTTAsync client;

static void give_up(const char *what)
{
    (void)fprintf(stderr, "null_consumer: %s\n", what);
    exit(1);
}

static int on_message(void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
    (void)context;
    (void)topic_length;
    marks_pass(&marks, ++received);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void on_lost(void *context, char *cause)
{
    (void)context;
    give_up(cause != NULL ? cause : "connection lost");
}

static void on_failure(void *context, MQTTAsync_failureData *failure)
{
    (void)failure;
    give_up(context);
}

static void on_subscribed(void *context, MQTTAsync_successData *success)
{
    (void)context;
    (void)success;
    (void)puts("ready");
    (void)fflush(stdout);
}

static void on_connected(void *context, MQTTAsync_successData *success)
{
    (void)context;
    (void)success;
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = "subscription refused";
    options.onSuccess = on_subscribed;
    options.onFailure = on_failure;
    if (MQTTAsync_subscribe(client, "phusa/1/#", 1, &options) != MQTTASYNC_SUCCESS) {
        give_up("cannot subscribe");
    }
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        give_up("usage: null_consumer URI USER PASSWORD MARK...");
    }
    marks_read(&marks, argc - 4, argv + 4);
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.cleansession = 0;
    options.keepAliveInterval = 30;
    options.maxInflight = MQTT_FLIGHT_MAX;
    options.username = argv[2];
    options.password = argv[3];
    options.onSuccess = on_connected;
    options.onFailure = on_failure;
    options.context = "connection refused";
    MQTTAsync_setTraceLevel(MQTTASYNC_TRACE_ERROR);
    if (MQTTAsync_create(&client, argv[1], "null", MQTTCLIENT_PERSISTENCE_NONE, NULL) !=
            MQTTASYNC_SUCCESS ||
        MQTTAsync_setCallbacks(client, NULL, on_lost, on_message, NULL) != MQTTASYNC_SUCCESS ||
        MQTTAsync_connect(client, &options) != MQTTASYNC_SUCCESS) {
        give_up("cannot connect");
    }
    for (;;) {
        (void)pause();
    }
}
