/* Device maps: what is read, what is refused and why, and those that are shipped. Runs from the
 * root. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/device_map.h"
#include "settings/settings.h"

static struct device_map map;
static struct device_map_error error;

static bool parse(const char *text)
{
    return device_map_parse(&map, phusa_text_of(text), &error);
}

static bool is(struct phusa_text text, const char *expected)
{
    return phusa_text_equal(text, phusa_text_of(expected));
}

static void test_modbus(void **state)
{
    (void)state;
    assert_true(
        parse("# a sonde\r\n"
              "bus modbus baud=19200 line=8E1\r\n"
              "  device sonde-1 address=17 timeout=250 span=16  # its comment\n"
              "\tstate register=0x28 function=4 calibrating=0x0001 fault=6\n"
              "    channel temp register=0 type=s16 divide=100 unit=Cel\n"
              "\n"
              "    channel ec25 register=65534 type=f32 order=cdab multiply=1e-3 offset=-0.5 "
              "decimals=3 absent=-9999 unit=mS/cm"));
    assert_int_equal(map.bus_count, 1);
    assert_int_equal(map.device_count, 1);
    assert_int_equal(map.point_count, 3);
    assert_int_equal(map.buses[0].line.baud, 19200);
    assert_int_equal(map.buses[0].line.parity, HAL_PARITY_EVEN);
    const struct device *device = &map.devices[0];
    assert_true(is(device->name, "sonde-1"));
    assert_int_equal(device->slave, 17);
    assert_int_equal(device->timeout_ms, 250);
    assert_int_equal(device->span, 16);
    assert_true(device->has_state);
    assert_int_equal(device->state_calibrating, 1);
    assert_int_equal(device->state_fault, 6);
    assert_int_equal(map.points[0].source, DEVICE_STATE);
    assert_int_equal(map.points[0].at, 40);
    assert_int_equal(map.points[0].function, 4);
    assert_null(device_map_find(&map, phusa_text_of("salinity")));
    const struct device_point *temp = device_map_find(&map, phusa_text_of("temp"));
    assert_ptr_equal(temp, &map.points[1]);
    assert_int_equal(temp->type, MODBUS_S16);
    assert_true(device_point_value(temp, 57) == 0.57);
    const struct device_point *ec25 = device_map_find(&map, phusa_text_of("ec25"));
    assert_int_equal(ec25->at, 65534);
    assert_int_equal(ec25->order, MODBUS_CDAB);
    assert_true(ec25->has_absent && ec25->absent == -9999);
    assert_true(is(ec25->unit, "mS/cm"));
    assert_true(device_point_value(ec25, 12345.6) == 11.846);
}

static void test_sdi12_and_inputs(void **state)
{
    (void)state;
    assert_true(
        parse("bus modbus\ndevice a address=1\nchannel ph register=1\n"
              "bus sdi12\ndevice probe address=z measure=CC3 wait=9\nchannel level value=20\n"
              "device other address=A\nchannel temp value=1\n"
              "inputs\ndevice rain\nchannel rain pulse=255 divide=5 debounce=100 rate=40 unit=mm\n"
              "channel depth loop=0 zero=10 full=-10\n"));
    assert_int_equal(map.bus_count, 2);
    assert_int_equal(map.buses[0].line.baud, 9600);
    assert_int_equal(map.buses[0].line.data_bits, 8);
    assert_int_equal(map.buses[1].line.baud, 1200);
    assert_int_equal(map.devices[0].bus, 0);
    assert_int_equal(map.devices[0].timeout_ms, 500);
    const struct device *probe = &map.devices[1];
    assert_int_equal(probe->protocol, DEVICE_SDI12);
    assert_int_equal(probe->bus, 1);
    assert_int_equal(probe->wait_max_s, 9);
    assert_true(probe->measurement.address == 'z' && probe->measurement.concurrent &&
                probe->measurement.crc && probe->measurement.number == 3);
    assert_false(map.devices[2].measurement.concurrent || map.devices[2].measurement.crc);
    assert_int_equal(map.points[1].source, DEVICE_VALUE);
    assert_int_equal(map.points[1].at, 19);
    assert_int_equal(map.points[3].source, DEVICE_PULSE);
    assert_int_equal(map.points[3].debounce_ms, 100);
    assert_int_equal(map.points[3].rate, 40);
    assert_int_equal(map.pulse_count, 1);
    assert_int_equal(map.points[4].source, DEVICE_LOOP);
    assert_true(map.points[4].zero == 10 && map.points[4].full == -10);
}

#define MODBUS "bus modbus\ndevice a address=1\n"
#define SDI12  "bus sdi12\ndevice a address=1\n"

static const struct {
    const char *text;
    unsigned line;
    const char *word, *what;
} REFUSALS[] = {
    { "", 0, "", "there is no channel" },
    { "bus modbus\n", 1, "", "there is no channel" },
    { "sensor x\n", 1, "sensor", "is no statement; write bus, inputs, device, state or channel" },
    { "\nbus can\n", 2, "can", "is no protocol; write modbus or sdi12" },
    { "bus\n", 1, "bus", "is no protocol; write modbus or sdi12" },
    { "bus modbus baud=300\n", 1, "baud", "is not 1200 .. 115200" },
    { "bus modbus baud=99999999999\n", 1, "baud", "is not 1200 .. 115200" },
    { "bus modbus line=8N3\n", 1, "line",
      "is not data bits, parity and stop bits like 8N1, 8E1, 7O2" },
    { "bus modbus stop=1\n", 1, "stop", "is unknown here; a bus has baud and line" },
    { "bus modbus 9600\n", 1, "9600", "is not key=value" },
    { "bus sdi12 baud=1200\n", 1, "baud=1200", "is unknown here; SDI-12 is always 1200 7E1" },
    { "bus sdi12\nbus sdi12\nbus sdi12\n", 3, "bus", "is one bus too many; at most 2" },
    { "device a address=1\n", 1, "device", "stands before a bus or inputs" },
    { "bus modbus\ndevice A address=1\n", 2, "device",
      "is no name of a device; 1 .. 32 of a-z 0-9 _ -" },
    { "bus modbus\ndevice a\n", 2, "a", "has no address=" },
    { "bus modbus\ndevice a address=248\n", 2, "address", "is not 1 .. 247" },
    { "bus modbus\ndevice a address=0\n", 2, "address", "is not 1 .. 247" },
    { "bus modbus\ndevice a address=1 wait=3\n", 2, "wait",
      "is unknown here; a device on modbus has address, timeout, span" },
    { "bus modbus\ndevice a address=1 span=126\n", 2, "span", "is not 2 .. 125" },
    { "bus sdi12\ndevice a address=12\n", 2, "address", "is not one character of 0-9, A-Z, a-z" },
    { "bus sdi12\ndevice a address=?\n", 2, "address", "is not one character of 0-9, A-Z, a-z" },
    { "bus sdi12\ndevice a address=1 measure=M10\n", 2, "measure",
      "is not M, MC, C, CC or one of them with 1 .. 9" },
    { "inputs\ndevice a address=1\n", 2, "address",
      "is unknown here; a device of the inputs has a name only" },
    { "inputs all\n", 1, "all", "is unknown here; inputs stands alone" },
    { "channel temp register=1\n", 1, "channel", "stands before a device" },
    { MODBUS "bus sdi12\nchannel temp value=1\n", 4, "channel", "stands before a device" },
    { MODBUS "channel temp\n", 3, "temp",
      "does not say where it stands: register=, value=, loop= or pulse=" },
    { MODBUS "channel temp register=65536\n", 3, "register", "is not 0 .. 65535" },
    { MODBUS "channel temp register=65535 type=u32\n", 3, "temp", "ends beyond register 65535" },
    { MODBUS "channel temp register=1 type=f64\n", 3, "type", "is not u16, s16, u32, s32 or f32" },
    { MODBUS "channel temp register=1 order=ABCD\n", 3, "order",
      "is not abcd, cdab, badc or dcba" },
    { MODBUS "channel temp register=1 function=5\n", 3, "function",
      "is not 3 (holding) or 4 (input registers)" },
    { MODBUS "channel temp register=1 divide=0\n", 3, "divide", "must not be 0" },
    { MODBUS "channel temp register=1 multiply=x\n", 3, "multiply",
      "is not a number like 12, -0.5 or 1e-3" },
    { MODBUS "channel temp register=1 decimals=10\n", 3, "decimals", "is not 0 .. 9" },
    { MODBUS "channel temp register=1 unit=12345678901234567\n", 3, "unit", "is over 16 bytes" },
    { "inputs\ndevice g\nchannel rain pulse=1 decimals=1\n", 3, "rain",
      "counts pulses: amounts add up only without decimals= and offset=" },
    { "inputs\ndevice g\nchannel rain pulse=1 offset=0.5\n", 3, "rain",
      "counts pulses: amounts add up only without decimals= and offset=" },
    { MODBUS "channel temp value=1\n", 3, "value", "is unknown here; see the keys of a channel" },
    { MODBUS "channel temp register=1\nchannel temp register=2\n", 4, "temp", "is there twice" },
    { MODBUS "channel Temp register=1\n", 3, "Temp",
      "is no name of a parameter; 1 .. 32 of a-z 0-9 _" },
    { MODBUS "state fault=1\n", 3, "state", "has no register=" },
    { MODBUS "state register=1\nstate register=2\n", 4, "state", "is there twice" },
    { MODBUS "state register=1 mask=3\n", 3, "mask",
      "is unknown here; a state has register, function, calibrating, fault" },
    { SDI12 "state register=1\n", 3, "state", "is for devices on modbus" },
    { SDI12 "channel temp value=21\n", 3, "value", "is not 1 .. 20" },
    { SDI12 "channel temp value=0\n", 3, "value", "is not 1 .. 20" },
    { "inputs\ndevice a\nchannel temp loop=0\n", 3, "temp", "has the same zero= and full=" },
    { "inputs\ndevice a\nchannel a pulse=0\nchannel b pulse=0\nchannel c pulse=0\n"
      "channel d pulse=0\nchannel e pulse=0\n",
      7, "e", "is one pulse input too many; at most 4" },
    { "inputs\ndevice a\nchannel rain pulse=0 debounce=1s\n", 3, "debounce",
      "is not 0 .. 10000 ms" },
    { "inputs\ndevice a\nchannel rain pulse=0 rate=0\n", 3, "rate", "is not 1 .. 60000 a minute" },
    { MODBUS "channel rain register=0 rate=40\n", 3, "rate",
      "is unknown here; see the keys of a channel" },
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        bool good = parse(REFUSALS[i].text);
        if (good || error.line != REFUSALS[i].line || strcmp(error.what, REFUSALS[i].what) != 0 ||
            !is(error.word, REFUSALS[i].word)) {
            fail_msg("case %zu gave %d, line %u: \"%.*s\" %s", i, good, error.line,
                     (int)error.word.length, error.word.data, good ? "" : error.what);
        }
    }
}

/* --- limits ------------------------------------------------------------------------- */

static void test_limits(void **state)
{
    (void)state;
    static char text[65536];
    for (int devices = 12; devices <= 13; devices++) {
        int length = snprintf(text, sizeof text, "bus modbus\n");
        for (int i = 0; i < devices; i++) {
            length += snprintf(text + length, sizeof text - (size_t)length,
                               "device d%d address=%d\nchannel c%d register=1\n", i, i + 1, i);
        }
        assert_int_equal(parse(text), devices == 12);
    }
    assert_string_equal(error.what, "is one device too many; at most 12");
    for (int points = 40; points <= 41; points++) {
        int length = snprintf(text, sizeof text, "bus modbus\ndevice a address=1\n");
        for (int i = 0; i < points; i++) {
            length += snprintf(text + length, sizeof text - (size_t)length,
                               "channel c%d register=%d\n", i, i);
        }
        assert_int_equal(parse(text), points == 40);
    }
    assert_string_equal(error.what, "is one too many; at most 40 channels and states");
}

static void test_rounding(void **state)
{
    (void)state;
    struct device_point point = { .multiply = 1, .divide = 1, .decimals = 2 };
    static const struct {
        double raw, value;
    } cases[] = {
        { 12.340000152587891, 12.34 },
        { -12.340000152587891, -12.34 },
        { 0.005, 0.01 },
        { -0.005, -0.01 },
        { 0.004, 0 },
        { 1e18, 1e18 },
        { -1e300, -1e300 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(device_point_value(&point, cases[i].raw) == cases[i].value);
    }
    /* Every hundredth that fits 16 bits is the number that people write. */
    point = (struct device_point){ .multiply = 1, .divide = 100, .decimals = -1 };
    for (int raw = -32768; raw < 32768; raw++) {
        char written[16];
        (void)snprintf(written, sizeof written, "%s%d.%02d", raw < 0 ? "-" : "", abs(raw) / 100,
                       abs(raw) % 100);
        assert_true(device_point_value(&point, raw) == strtod(written, NULL));
    }
}

/* --- those that are shipped --------------------------------------------------------- */

static size_t read_file(const char *path, char *text, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, capacity, file);
    fclose(file);
    assert_true(length < capacity);
    return length;
}

static void check_shipped(const char *path, const struct phusa_catalogue *catalogue)
{
    static char text[65536];
    size_t length = read_file(path, text, sizeof text);
    if (!device_map_parse(&map, (struct phusa_text){ text, length }, &error)) {
        fail_msg("%s:%u: %.*s %s", path, error.line, (int)error.word.length, error.word.data,
                 error.what);
    }
    for (size_t i = 0; i < map.point_count; i++) {
        const struct device_point *point = &map.points[i];
        double value = 1;
        if (point->source == DEVICE_STATE) {
            continue;
        }
        const struct phusa_parameter *parameter = phusa_catalogue_find(catalogue, point->name);
        if (parameter == NULL || !phusa_unit_convert(parameter, point->unit, &value)) {
            fail_msg("%s: %.*s: unknown to the catalogue, or its unit is", path,
                     (int)point->name.length, point->name.data);
        }
    }
}

static void test_shipped_maps(void **state)
{
    (void)state;
    static struct settings_errors errors;
    struct settings *settings = NULL;
    glob_t found;
    assert_int_equal(settings_load("config/phusa.cfg", SETTINGS_STATIONS, &settings, &errors),
                     SETTINGS_OK);
    assert_int_equal(glob("config/devices/*.map", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        check_shipped(found.gl_pathv[i], &settings->catalogue);
    }
    assert_true(found.gl_pathc >= 6);
    globfree(&found);
    settings_free(settings);
    settings_errors_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modbus),   cmocka_unit_test(test_sdi12_and_inputs),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_rounding), cmocka_unit_test(test_shipped_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
