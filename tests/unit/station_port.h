/*
 * A fake port for tests of what a station does by itself: two flashes in memory, sensors that a
 * test scripts, a link and a collector that take everything, a board that can be reset.
 */
#ifndef TESTS_STATION_PORT_H
#define TESTS_STATION_PORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "command.h"
#include "phusa/parameter.h"
#include "phusa/senml.h"
#include "station.h"
#include "station_flash.h"

#define SECOND_NS      INT64_C(1000000000)
#define MINUTE_NS      (60 * SECOND_NS)
#define HOUR_NS        (60 * MINUTE_NS)
#define DAY_NS         (24 * HOUR_NS)
#define START_NS       INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define PORT_TAKEN_MAX 128

/* A report as the collector reads it. */
struct port_report {
    struct phusa_report report;
    struct phusa_reading readings[STATION_CHANNELS_MAX];
    char texts[STATION_CHANNELS_MAX][2][PHUSA_NAME_MAX + 1]; /* name and unit */
    int64_t mono_ns;                                         /* when it was published */
};

struct port {
    struct fake_flash flash, kept;
    struct keep keep;
    struct station_core station;
    struct station_options options;
    struct hal_time now;
    uint64_t random;
    bool no_keep;
    /* sensors: what the test says; NULL gives 1 */
    struct hal_sample (*sample)(struct port *port, size_t channel, int64_t at_ns);
    const struct hal_sensors *sensors; /* in place of those; NULL = none */
    unsigned begun;
    int64_t begun_at_ns, begun_mono_ns;
    /* network */
    uint32_t connection, last_connection;
    bool reachable, refuse;
    unsigned connects;
    char host[SETTINGS_HOST_MAX + 1];
    uint16_t tcp_port;
    char inbound[4096];
    enum hal_inbound inbound_kind;
    char answer[COMMAND_RSP_MAX + 1];
    unsigned answers;
    char status[PHUSA_MESSAGE_MAX + 1];
    struct port_report taken[PORT_TAKEN_MAX]; /* the latest ones */
    uint64_t taken_count;
    void (*on_report)(struct port *port, const struct port_report *report);
    bool receipts; /* the collector gives them: of all that came, or as the test says */
    void (*fill_receipt)(struct port *port, struct phusa_receipt *receipt);
    uint64_t covered_upto;
    /* board */
    enum hal_reset why;
    unsigned resets;
    bool light;
};

static inline struct hal_sample port_value(double value)
{
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE, .value = value };
}

static inline void port_begin(void *context, int64_t at_ns)
{
    struct port *port = context;
    port->begun++;
    port->begun_at_ns = at_ns;
    port->begun_mono_ns = port->now.mono_ns;
}

static inline struct hal_sample port_sample(void *context, size_t channel, int64_t at_ns)
{
    struct port *port = context;
    return port->sample == NULL ? port_value(1) : port->sample(port, channel, at_ns);
}

static inline uint32_t port_connection(void *context)
{
    struct port *port = context;
    return port->connection;
}

static inline void port_copy(char to[PHUSA_NAME_MAX + 1], struct phusa_text text)
{
    assert_true(text.length <= PHUSA_NAME_MAX);
    if (text.length > 0) {
        memcpy(to, text.data, text.length);
    }
    to[text.length] = '\0';
}

static inline void port_take_obs(struct port *port, const void *bytes, size_t length)
{
    static struct phusa_senml_scratch scratch;
    struct port_report *taken = &port->taken[port->taken_count++ % PORT_TAKEN_MAX];
    taken->mono_ns = port->now.mono_ns;
    taken->report =
        (struct phusa_report){ .readings = taken->readings, .capacity = STATION_CHANNELS_MAX };
    assert_int_equal(phusa_senml_decode(bytes, length, 0, &taken->report, &scratch, NULL),
                     PHUSA_OK);
    for (size_t i = 0; i < taken->report.count; i++) {
        port_copy(taken->texts[i][0], taken->readings[i].name);
        port_copy(taken->texts[i][1], taken->readings[i].unit);
    }
    if (taken->report.seq > port->covered_upto) {
        port->covered_upto = taken->report.seq;
    }
    if (port->on_report != NULL) {
        port->on_report(port, taken);
    }
}

static inline enum hal_result port_publish(void *context, enum hal_leaf leaf, const void *bytes,
                                           size_t length)
{
    struct port *port = context;
    if (port->connection == 0 || port->refuse) {
        return port->connection == 0 ? HAL_GONE : HAL_AGAIN;
    }
    if (leaf == HAL_LEAF_OBS) {
        port_take_obs(port, bytes, length);
        return HAL_OK;
    }
    char *text = leaf == HAL_LEAF_RSP ? port->answer : port->status;
    assert_true(length < (leaf == HAL_LEAF_RSP ? sizeof port->answer : sizeof port->status));
    memcpy(text, bytes, length);
    text[length] = '\0';
    port->answers += leaf == HAL_LEAF_RSP;
    return HAL_OK;
}

static inline enum hal_inbound port_receive(void *context, void *buffer, size_t capacity,
                                            size_t *length)
{
    struct port *port = context;
    enum hal_inbound kind = port->inbound_kind;
    *length = strlen(port->inbound);
    assert_true(*length <= capacity);
    memcpy(buffer, port->inbound, *length);
    port->inbound_kind = HAL_INBOUND_NONE;
    return kind;
}

/* The station asks for another connection: there is one if that broker can be reached. */
static inline void port_connect(void *context, const char *host, uint16_t tcp_port)
{
    struct port *port = context;
    port->connects++;
    strcpy(port->host, host == NULL ? "" : host);
    port->tcp_port = tcp_port;
    port->reachable = host == NULL || strcmp(host, "nowhere") != 0;
    port->connection = port->reachable ? ++port->last_connection : 0;
}

static inline uint32_t port_random(void *context)
{
    return fake_random(context) << 16 ^ fake_random(context);
}

static inline void port_pin(void *context, unsigned pin, bool on)
{
    struct port *port = context;
    assert_int_equal(pin, 5);
    port->light = on;
}

static inline enum hal_reset port_why(void *context)
{
    struct port *port = context;
    return port->why;
}

static inline void port_reset(void *context)
{
    struct port *port = context;
    port->resets++;
}

static inline enum station_status port_boot(struct port *port)
{
    struct hal_flash kept = fake_flash_hal(&port->kept);
    assert_int_equal(keep_open(&port->keep, &kept), KEEP_OK);
    struct station_ports ports = {
        .sensors = port->sensors != NULL ? *port->sensors
                                         : (struct hal_sensors){ .context = port,
                                                                 .begin = port_begin,
                                                                 .sample = port_sample },
        .flash = fake_flash_hal(&port->flash),
        .network = { port, port_connection, port_publish, port_receive, port_connect },
        .random = { &port->random, port_random },
        .keep = port->no_keep ? NULL : &port->keep,
        .pins = { .context = port, .set = port_pin },
        .board = { .context = port, .why = port_why, .reset = port_reset },
    };
    return station_init(&port->station, &port->options, &ports, port->now);
}

/* Two channels, a report each quarter of an hour. */
static inline struct port *port_create(uint32_t log_blocks, uint64_t seed)
{
    struct port *port = calloc(1, sizeof *port);
    assert_non_null(port);
    fake_flash_create(&port->flash, 4096, log_blocks, seed);
    fake_flash_create(&port->kept, 4096, 2, seed + 1);
    port->random = seed;
    port->reachable = port->receipts = true;
    port->now = (struct hal_time){ START_NS, 1000 * SECOND_NS, true, true };
    port->options = (struct station_options){
        .id = PHUSA_TEXT("s1"),
        .channels = { { PHUSA_TEXT("salinity"), PHUSA_TEXT("g/L") },
                      { PHUSA_TEXT("level"), PHUSA_TEXT("m") } },
        .channel_count = 2,
        .every_ns = 15 * MINUTE_NS,
        .firmware = "1",
        .hardware = "fake",
        .resend_after_ns = 60 * SECOND_NS,
        .sendings_max = 5,
        .backlog_per_s = 10,
        .identify_pin = 5,
        .has_lamp = true,
    };
    return port;
}

static inline void port_destroy(struct port *port)
{
    fake_flash_destroy(&port->flash);
    fake_flash_destroy(&port->kept);
    free(port);
}

static inline void port_link(struct port *port, bool up)
{
    port->connection = up && port->reachable ? ++port->last_connection : 0;
}

static inline void port_step(struct port *port)
{
    int64_t wake = station_step(&port->station, port->now);
    for (int i = 0; i < 1000 && wake <= port->now.mono_ns; i++) {
        wake = station_step(&port->station, port->now);
    }
    assert_true(wake > port->now.mono_ns);
    assert_false(port->flash.rule_broken || port->kept.rule_broken);
}

static inline void port_receipt(struct port *port)
{
    struct phusa_receipt receipt = { .log = station_log_id(&port->station),
                                     .upto = port->covered_upto };
    if (port->fill_receipt != NULL) {
        port->fill_receipt(port, &receipt);
    }
    if (port->connection != 0 && port->inbound_kind == HAL_INBOUND_NONE && receipt.upto > 0) {
        port->inbound[phusa_receipt_print(&receipt, port->inbound, sizeof port->inbound)] = '\0';
        port->inbound_kind = HAL_INBOUND_ACK;
    }
}

/* Lets time pass in steps of at most step_ns. */
static inline void port_pass(struct port *port, int64_t duration_ns, int64_t step_ns)
{
    for (int64_t passed = 0; passed < duration_ns;) {
        int64_t step = duration_ns - passed < step_ns ? duration_ns - passed : step_ns;
        passed += step;
        port->now.wall_ns += step;
        port->now.mono_ns += step;
        if (port->receipts) {
            port_receipt(port);
        }
        port_step(port);
    }
}

/* Gives a command and returns its answer, "" for none. */
static inline const char *port_ask(struct port *port, const char *command)
{
    assert_true(strlen(command) < sizeof port->inbound);
    strcpy(port->inbound, command);
    port->inbound_kind = HAL_INBOUND_CMD;
    port->answer[0] = '\0';
    port_step(port);
    return port->answer;
}

static inline const struct port_report *port_latest(const struct port *port)
{
    assert_true(port->taken_count > 0);
    return &port->taken[(port->taken_count - 1) % PORT_TAKEN_MAX];
}

/* The reading of that name in a report, or NULL. */
static inline const struct phusa_reading *port_find(const struct port_report *report,
                                                    const char *name)
{
    for (size_t i = 0; i < report->report.count; i++) {
        if (strcmp(report->texts[i][0], name) == 0) {
            return &report->readings[i];
        }
    }
    return NULL;
}

#endif
