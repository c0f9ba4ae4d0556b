/* The technician's console at a station: it tells what is so. */
#include "port/technician.h"

#include "hub_round.h"
#include "port/fake/bus.h"
#include "station_port.h"

struct desk {
    struct port *port;
    struct technician technician;
    struct device_map map;
    struct fake_bus rs485, wire; /* what stands in for devices: a Modbus slave and nobody */
    const struct hal_bus *buses[2];
    struct hub hub;
    bool dead; /* the slave */
    struct trap trap;
    char out[8192];
    size_t length;
};

static struct desk desk;

static void write_out(void *context, const char *bytes, size_t length)
{
    struct desk *to = context;
    assert_true(to->length + length < sizeof to->out);
    memcpy(to->out + to->length, bytes, length);
    to->length += length;
    to->out[to->length] = '\0';
}

/* The station's main loop, once. */
static void turn(void)
{
    desk.rs485.now = desk.wire.now = desk.port->now.mono_ns;
    (void)hub_step(&desk.hub, desk.port->now);
    technician_step(&desk.technician, desk.port->now);
}

static const char *type(const char *line)
{
    desk.length = 0;
    desk.out[0] = '\0';
    technician_take(&desk.technician, line, strlen(line), desk.port->now);
    turn();
    for (int i = 0; i < 20000 && desk.technician.console.scanning; i++) {
        fake_clock_pass(&desk.port->now, SECOND_NS / 1000);
        turn();
    }
    assert_false(desk.technician.console.scanning);
    return desk.out;
}

static void pass(int64_t duration_ns)
{
    for (; duration_ns > 0; duration_ns -= SECOND_NS) {
        port_pass(desk.port, SECOND_NS, SECOND_NS);
        turn();
    }
}

/* A round of the hub. */
static void measure(void)
{
    struct hal_sensors sensors = hub_sensors(&desk.hub);
    sensors.begin(sensors.context, desk.port->now.wall_ns);
    for (int i = 0; i < 20000 && !round_is_over(&desk.hub); i++) {
        fake_clock_pass(&desk.port->now, SECOND_NS / 1000);
        turn();
    }
    assert_true(round_is_over(&desk.hub));
}

static void answer(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    uint8_t frame[7] = { bytes[0], bytes[1], 2, 0, 42 };
    uint16_t crc = modbus_crc(frame, 5);
    frame[5] = (uint8_t)crc;
    frame[6] = (uint8_t)(crc >> 8);
    (void)length;
    if (!desk.dead) {
        fake_bus_put(bus, frame, sizeof frame, 5 * FAKE_MILLI);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&desk, 0, sizeof desk);
    desk.port = port_create(64, 3);
    struct device_map_error error;
    fake_bus_init(&desk.rs485, 9600);
    fake_bus_init(&desk.wire, 1200);
    desk.rs485.answer = answer;
    desk.buses[0] = &desk.rs485.hal;
    desk.buses[1] = &desk.wire.hal;
    assert_true(device_map_parse(&desk.map,
                                 PHUSA_TEXT("bus modbus\ndevice sonde address=17\n"
                                            "channel salinity register=0\n"
                                            "bus sdi12\ndevice gauge address=3\n"
                                            "channel level value=1\n"),
                                 &error));
    hub_init(&desk.hub, &desk.map, desk.buses, 2, NULL, &(struct hub_options){ 0 });
    return port_boot(desk.port) == STATION_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    port_destroy(desk.port);
    return 0;
}

static void sit_down(bool with_trap)
{
    struct technician_parts parts = {
        .station = &desk.port->station,
        .site = PHUSA_TEXT("my-tho"),
        .hub = &desk.hub,
        .trap = with_trap ? &desk.trap : NULL,
        .keep = &desk.port->keep,
        .pins = fake_pins_hal(&desk.port->pins),
        .light = PORT_LIGHT,
        .utc_offset_s = 7 * 3600,
        .context = &desk,
        .write = write_out,
    };
    technician_init(&desk.technician, &parts, desk.port->now);
    desk.technician.console.language = FIELD_ENGLISH;
}

static void the_report_is_the_stations(void **state)
{
    (void)state;
    sit_down(false);
    assert_string_equal(type("last\r"), "last\r\nNo report yet.\r\n> ");
    assert_string_equal(type("link\r"), "link\r\n[bad]  Link: down (0 connections so far)\r\n"
                                        "[bad]  Receipt: none since the start\r\n> ");
    port_link(desk.port, true);
    pass(3 * HOUR_NS + 30 * SECOND_NS);
    assert_string_equal(type("status\r"),
                        "status\r\nAsking the sensors ...\r\n"
                        "  Modbus address 17, sonde: ANSWERS; last good round: not asked yet\r\n"
                        "  SDI-12 address 3, gauge: SILENT (see power, wires, address, speed); "
                        "last good round: not asked yet\r\n"
                        "STATION my-tho/s1 - firmware 1, hardware fake\r\n"
                        "Start number 1, after power-up; up 3 h\r\n"
                        "[bad]  Sensors: 1 of 2 answer\r\n"
                        "[good] Clock: 2026-01-01 10:00:30 (synchronised)\r\n"
                        "[good] Flash: 0 errors of the log, 0 of small records, 1 erases\r\n"
                        "[good] Data held: 13 reports, 0.1 days; 0 without receipt, 0 lost\r\n"
                        "[good] Receipt: 0 s ago\r\n"
                        "[good] Link: connected (time 1)\r\n"
                        "NOT READY: sensors\r\n> ");
    assert_string_equal(type("last\r"), "last\r\n  salinity: 1 g/L\r\n  level: 1 m\r\n> ");
    port_link(desk.port, false);
    pass(HOUR_NS);
    assert_string_equal(
        type("flash\r"),
        "flash\r\n[good] Flash: 0 errors of the log, 0 of small records, 1 erases\r\n"
        "[good] Data held: 17 reports, 0.2 days; 4 without receipt, 0 lost\r\n> ");
    assert_string_equal(type("link\r"), "link\r\n[bad]  Link: down (1 connections so far)\r\n"
                                        "[bad]  Receipt: 60 min ago\r\n> ");
    fake_network_fail(&desk.port->network, HAL_TROUBLE_DATE);
    fake_network_fail(&desk.port->network, HAL_TROUBLE_PASSWORD);
    fake_network_fail(&desk.port->network, HAL_TROUBLE_PASSWORD);
    assert_string_equal(type("link\r"),
                        "link\r\n[bad]  Link: down (1 connections so far); "
                        "certificate out of date: 1 times; user or password refused: 2 times\r\n"
                        "[bad]  Receipt: 60 min ago\r\n> ");
}

/* What the scan says is what is so now; what the rounds found stands beside it. */
static void each_device_is_asked(void **state)
{
    (void)state;
    sit_down(false);
    desk.dead = true;
    assert_non_null(strstr(type("scan\r"), "sonde: SILENT (see power, wires, address, speed); last "
                                           "good round: not asked yet\r\n"));
    measure();
    unsigned writes = desk.rs485.writes;
    assert_non_null(strstr(type("scan\r"), "sonde: SILENT (see power, wires, address, speed); last "
                                           "good round: none yet\r\n"));
    assert_int_equal(desk.rs485.writes, writes + ASK_ATTEMPTS);
    desk.dead = false;
    assert_non_null(strstr(type("scan\r"), "sonde: ANSWERS; last good round: none yet\r\n"));
    measure();
    pass(90 * SECOND_NS);
    desk.dead = true;
    measure();
    assert_non_null(strstr(type("scan\r"), "sonde: SILENT (see power, wires, address, speed); last "
                                           "good round: 9"));
    assert_non_null(strstr(desk.out, "  SDI-12 address 3, gauge: SILENT"));
    assert_non_null(strstr(desk.out, "[bad]  Sensors: 0 of 2 answer\r\n> "));
}

/* Ctrl-C during a scan, and another scan at once: the line is let go of in good order. */
static void a_scan_that_is_given_up_gives_the_line_back(void **state)
{
    (void)state;
    sit_down(false);
    desk.dead = true;
    technician_take(&desk.technician, "scan\r", 5, desk.port->now);
    turn();
    technician_take(&desk.technician, "\x03", 1, desk.port->now);
    desk.dead = false;
    assert_non_null(strstr(type("scan\r"), "sonde: ANSWERS"));
    technician_take(&desk.technician, "scan\r", 5, desk.port->now);
    turn();
    technician_take(&desk.technician, "\x03", 1, desk.port->now);
    measure();
    struct hal_sensors sensors = hub_sensors(&desk.hub);
    struct phusa_text name = PHUSA_TEXT("salinity");
    assert_true(hub_bind(&desk.hub, &name, 1));
    assert_int_equal(sensors.sample(sensors.context, 0, desk.hub.round_ns).kind, HAL_SAMPLE_VALUE);
}

static void who_sits_down_is_greeted(void **state)
{
    (void)state;
    sit_down(false);
    type("cloc");
    desk.length = 0;
    technician_greet(&desk.technician);
    assert_string_equal(desk.out, "Phù Sa. Gõ help để xem các lệnh.\r\n"
                                  "Type help for the commands.\r\n> ");
    assert_non_null(strstr(type("link\r"), "link\r\n[HỎNG]"));
}

static void a_channel_without_a_sensor_is_named(void **state)
{
    (void)state;
    desk.port->station.options.unwired = 2;
    sit_down(false);
    assert_non_null(strstr(type("scan\r"), "; no sensor gives level\r\n"));
    desk.port->station.options.unwired = 0;
    assert_null(strstr(type("scan\r"), "no sensor gives"));
}

static void the_light_goes_on_and_off(void **state)
{
    (void)state;
    sit_down(false);
    type("identify 5\r");
    assert_true(desk.port->pins.level[PORT_LIGHT]);
    pass(4 * SECOND_NS);
    assert_true(desk.port->pins.level[PORT_LIGHT]);
    pass(SECOND_NS);
    assert_false(desk.port->pins.level[PORT_LIGHT]);
}

static void the_lamp_is_ordered(void **state)
{
    (void)state;
    sit_down(false);
    assert_string_equal(type("lamp on\r"), "lamp on\r\nThis station has no lamp.\r\n> ");
    sit_down(true);
    desk.trap.now.mono_ns = 77 * SECOND_NS; /* its own clock */
    assert_string_equal(type("lamp on 3\r"), "lamp on 3\r\nOrdered.\r\n> ");
    assert_int_equal(desk.trap.order, TRAP_ON);
    assert_true(desk.trap.order_until_ns == 77 * SECOND_NS + 3 * MINUTE_NS);
    desk.trap.gates[NIGHT_BATTERY].closed = true;
    desk.trap.order = TRAP_AUTOMATIC;
    assert_string_equal(type("lamp on\r"),
                        "lamp on\r\nRefused: the battery is low, or not measured yet.\r\n> ");
    assert_int_equal(desk.trap.order, TRAP_AUTOMATIC);
    assert_string_equal(type("lamp off\r"), "lamp off\r\nOrdered.\r\n> ");
    assert_int_equal(desk.trap.order, TRAP_OFF);
}

/* A trap's classifier is wired like a sensor: it answers while it says something. */
static void the_classifier_is_asked(void **state)
{
    (void)state;
    static struct classifier classifier;
    classifier.heard = true;
    classifier.heard_ns = 1000 * SECOND_NS;
    sit_down(true);
    desk.technician.parts.classifier = &classifier;
    desk.trap.now.mono_ns = 1000 * SECOND_NS + CLASSIFIER_SILENT - 1;
    assert_non_null(
        strstr(type("scan\r"), "  UART, classifier: ANSWERS; last good round: 2 min ago\r\n"));
    assert_non_null(strstr(desk.out, "2 of 3 answer"));
    desk.trap.now.mono_ns += 2;
    assert_non_null(strstr(type("scan\r"), "  UART, classifier: SILENT "));
    desk.technician.parts.hub = NULL;
    assert_null(strstr(type("scan\r"), "sonde"));
    assert_non_null(strstr(desk.out, "0 of 1 answer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_report_is_the_stations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_without_a_sensor_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_device_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scan_that_is_given_up_gives_the_line_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_sits_down_is_greeted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_light_goes_on_and_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lamp_is_ordered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_classifier_is_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
