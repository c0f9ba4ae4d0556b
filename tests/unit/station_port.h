/*
 * A bed for tests of what a station does by itself: the core on the fake port, with two flashes,
 * sensors that a test scripts, a board that can be reset, and a collector that takes everything.
 */
#ifndef TESTS_STATION_PORT_H
#define TESTS_STATION_PORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"
#include "phusa/parameter.h"
#include "phusa/senml.h"
#include "port/fake/board.h"
#include "port/fake/clock.h"
#include "port/fake/flash.h"
#include "port/fake/network.h"
#include "port/fake/pins.h"
#include "port/fake/random.h"
#include "station.h"

#define SECOND_NS      INT64_C(1000000000)
#define MINUTE_NS      (60 * SECOND_NS)
#define HOUR_NS        (60 * MINUTE_NS)
#define DAY_NS         (24 * HOUR_NS)
#define START_NS       INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define PORT_TAKEN_MAX 128
#define PORT_LIGHT     5

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
    struct fake_network network;
    struct fake_board board;
    struct fake_pins pins;
    /* what arrived */
    char answer[COMMAND_RSP_MAX + 1];
    unsigned answers;
    char status[PHUSA_MESSAGE_MAX + 1];
    struct port_report taken[PORT_TAKEN_MAX]; /* the latest ones */
    uint64_t taken_count;
    void (*on_report)(struct port *port, const struct port_report *report);
    bool receipts; /* the collector gives them: of all that came, or as the test says */
    void (*fill_receipt)(struct port *port, struct phusa_receipt *receipt);
    uint64_t covered_upto;
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

/* The broker takes a message, and the collector hears of it. */
static inline void port_take(void *context, enum hal_leaf leaf, const void *bytes, size_t length,
                             bool arrives)
{
    struct port *port = context;
    if (!arrives) {
        return;
    }
    if (leaf == HAL_LEAF_OBS) {
        port_take_obs(port, bytes, length);
        return;
    }
    char *text = leaf == HAL_LEAF_RSP ? port->answer : port->status;
    assert_true(length < (leaf == HAL_LEAF_RSP ? sizeof port->answer : sizeof port->status));
    memcpy(text, bytes, length);
    text[length] = '\0';
    port->answers += leaf == HAL_LEAF_RSP;
}

/* The port as the core sees it. */
static inline struct station_ports port_hal(struct port *port)
{
    return (struct station_ports){
        .sensors = port->sensors != NULL ? *port->sensors
                                         : (struct hal_sensors){ .context = port,
                                                                 .begin = port_begin,
                                                                 .sample = port_sample },
        .flash = fake_flash_hal(&port->flash),
        .network = fake_network_hal(&port->network),
        .random = fake_random_hal(&port->random),
        .keep = port->no_keep ? NULL : &port->keep,
        .pins = fake_pins_hal(&port->pins),
        .board = fake_board_hal(&port->board),
    };
}

static inline enum station_status port_boot(struct port *port)
{
    struct hal_flash kept = fake_flash_hal(&port->kept);
    assert_int_equal(keep_open(&port->keep, &kept), KEEP_OK);
    struct station_ports ports = port_hal(port);
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
    port->receipts = true;
    fake_network_init(&port->network, seed + 2);
    port->network.nowhere = "nowhere";
    port->network.taken = port_take;
    port->network.context = port;
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
        .identify_pin = PORT_LIGHT,
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
    fake_network_link(&port->network, up);
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
    if (port->network.connection != 0 && port->network.inbound_kind == HAL_INBOUND_NONE &&
        receipt.upto > 0) {
        char text[FAKE_NETWORK_INBOUND];
        size_t length = phusa_receipt_print(&receipt, text, sizeof text);
        assert_true(fake_network_put(&port->network, HAL_INBOUND_ACK, text, length));
    }
}

/* Lets time pass in steps of at most step_ns. */
static inline void port_pass(struct port *port, int64_t duration_ns, int64_t step_ns)
{
    for (int64_t passed = 0; passed < duration_ns;) {
        int64_t step = duration_ns - passed < step_ns ? duration_ns - passed : step_ns;
        passed += step;
        fake_clock_pass(&port->now, step);
        if (port->receipts) {
            port_receipt(port);
        }
        port_step(port);
    }
}

/* Gives a command and returns its answer, "" for none. */
static inline const char *port_ask(struct port *port, const char *command)
{
    assert_true(fake_network_put(&port->network, HAL_INBOUND_CMD, command, strlen(command)));
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
