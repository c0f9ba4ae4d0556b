/* The hub: rounds over devices that answer, that answer wrongly and that do not answer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draws.h"
#include "drivers/ask.h"
#include "drivers/hub.h"
#include "hub_round.h"
#include "port/fake/bus.h"
#include "port/fake/pins.h"

#define SECOND (1000 * FAKE_MILLI)
#define STEP   FAKE_MILLI
#define SLAVES 8

/* --- slaves at the other end ---------------------------------------------------------------- */

enum trouble { GOOD, DEAD, CRC_WRONG, SHORT, LONG, STRANGER, REFUSES, BUSY_ONCE, NOISY, LATE };

struct slave {
    enum trouble trouble;
    unsigned troubled; /* answers that the trouble still takes; 0 = all */
    uint16_t registers[128];
    unsigned asked;
    int64_t delay_ms; /* before it answers; 0 = 5 */
};

static struct slave slaves[SLAVES];
static struct fake_bus rs485, wire; /* wire: SDI-12 */
static int64_t late_ns;             /* how long late answers take */
static struct hub hub;
static struct ask ask;
static struct device_map map;
static const struct hal_bus *const BUSES[] = { &rs485.hal, &wire.hal };
static const struct hub_options OPTIONS = { 0, 0 };

static void put_frame_after(struct fake_bus *bus, uint8_t *frame, size_t length, int64_t after_ns)
{
    uint16_t crc = modbus_crc(frame, length);
    frame[length] = (uint8_t)crc;
    frame[length + 1] = (uint8_t)(crc >> 8);
    fake_bus_put(bus, frame, length + 2, after_ns);
}

static void put_frame(struct fake_bus *bus, uint8_t *frame, size_t length)
{
    int64_t delay = slaves[frame[0] % SLAVES].delay_ms;
    put_frame_after(bus, frame, length, (delay > 0 ? delay : 5) * FAKE_MILLI);
}

static enum trouble trouble_now(struct slave *slave)
{
    enum trouble trouble = slave->trouble;
    if (trouble != GOOD && slave->troubled > 0 && --slave->troubled == 0) {
        slave->trouble = GOOD;
    }
    return trouble;
}

static void answer_modbus(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    uint8_t frame[MODBUS_FRAME_MAX] = { bytes[0], bytes[1], (uint8_t)(2 * bytes[5]) };
    assert_int_equal(length, MODBUS_REQUEST_BYTES);
    struct slave *slave = &slaves[bytes[0]];
    slave->asked++;
    for (unsigned i = 0; i < bytes[5]; i++) {
        uint16_t value = slave->registers[bytes[3] + i];
        frame[3 + 2 * i] = (uint8_t)(value >> 8);
        frame[4 + 2 * i] = (uint8_t)value;
    }
    size_t size = 3u + frame[2];
    enum trouble trouble = trouble_now(slave);
    switch (trouble) {
    case DEAD:
        return;
    case CRC_WRONG:
        put_frame(bus, frame, size);
        bus->in[bus->in_count - 1] ^= 0x40;
        return;
    case SHORT:
        fake_bus_put(bus, frame, size - 1, 5 * FAKE_MILLI);
        return;
    case LONG:
        frame[2] = (uint8_t)(frame[2] + 2);
        put_frame(bus, frame, size + 2);
        return;
    case STRANGER:
        frame[0]++;
        break;
    case REFUSES:
    case BUSY_ONCE:
        frame[1] |= 0x80;
        frame[2] = trouble == REFUSES ? 2 : MODBUS_EXCEPTION_DEVICE_BUSY;
        size = 3;
        break;
    case NOISY:
        fake_bus_put(bus, "\xF1\xA5\x5A\x77", 4, 3 * FAKE_MILLI);
        return;
    case LATE: /* when somebody else is asked, or nobody */
        put_frame_after(bus, frame, size, late_ns);
        return;
    case GOOD:
        break;
    }
    put_frame(bus, frame, size);
}

/* Sensors 0 .. 9: aM gives a.5 at once, aC needs 3 s, sensor 9 is dead. */
static void answer_sdi12(struct fake_bus *bus, const uint8_t *bytes, size_t length)
{
    char answer[32], a = (char)bytes[0];
    if (a == '9') {
        return;
    }
    if (bytes[1] == '!') {
        (void)snprintf(answer, sizeof answer, "%c\r\n", a);
    } else if (bytes[1] == 'M' || bytes[1] == 'C') {
        (void)snprintf(answer, sizeof answer, bytes[1] == 'M' ? "%c0001\r\n" : "%c00302\r\n", a);
    } else {
        (void)snprintf(answer, sizeof answer, a < '5' ? "%c+%c.5\r\n" : "%c+%c.5-0.25\r\n", a, a);
    }
    (void)length;
    fake_bus_put(bus, answer, strlen(answer), 10 * FAKE_MILLI);
}

/* --- rounds ------------------------------------------------------------------------- */

static int64_t now_ns;

static struct hal_time now(void)
{
    return (struct hal_time){ now_ns, now_ns, true, true };
}

static int make_buses(void **state)
{
    (void)state;
    now_ns = 1000 * SECOND;
    memset(slaves, 0, sizeof slaves);
    fake_bus_init(&rs485, 9600);
    fake_bus_init(&wire, 1200);
    rs485.answer = answer_modbus;
    wire.answer = answer_sdi12;
    return 0;
}

/* A hub over a map, its channels bound to parameters (separated by blanks). */
static void make_hub(const char *text, const char *parameters)
{
    struct device_map_error error;
    struct phusa_text names[HUB_CHANNELS_MAX];
    size_t count = 0;
    if (!device_map_parse(&map, phusa_text_of(text), &error)) {
        fail_msg("line %u: %.*s %s", error.line, (int)error.word.length, error.word.data,
                 error.what);
    }
    for (const char *at = parameters; *at != '\0'; at += *at == ' ') {
        names[count++] = (struct phusa_text){ at, strcspn(at, " ") };
        at += strcspn(at, " ");
    }
    hub_init(&hub, &map, BUSES, 2, NULL, &OPTIONS);
    assert_true(hub_bind(&hub, names, count));
}

static void step(void)
{
    rs485.now = wire.now = now_ns;
    (void)hub_step(&hub, now());
    now_ns += STEP;
}

static void begin(void)
{
    struct hal_sensors sensors = hub_sensors(&hub);
    fake_bus_clear(&rs485);
    fake_bus_clear(&wire);
    rs485.busy_until = wire.busy_until = now_ns;
    step();
    sensors.begin(sensors.context, now_ns);
}

static struct hal_sample sample(size_t channel)
{
    struct hal_sensors sensors = hub_sensors(&hub);
    return sensors.sample(sensors.context, channel, hub.round_ns);
}

/* How long until a channel has its result. */
static int64_t time_of(size_t channel)
{
    int64_t begun = now_ns;
    while (sample(channel).kind == HAL_SAMPLE_PENDING) {
        assert_true(now_ns - begun < hub_round_max_ns(&hub));
        step();
    }
    return now_ns - begun;
}

static int64_t finish_round(void)
{
    int64_t begun = now_ns;
    while (!round_is_over(&hub)) {
        assert_true(now_ns - begun < hub_round_max_ns(&hub));
        step();
    }
    return now_ns - begun;
}

static int64_t whole_round(void)
{
    now_ns += SECOND;
    begin();
    return finish_round();
}

static void expect(size_t channel, double value)
{
    struct hal_sample found = sample(channel);
    if (found.kind != HAL_SAMPLE_VALUE || found.value != value) {
        fail_msg("channel %zu: kind %d, %.17g", channel, found.kind, found.value);
    }
}

static void expect_kind(size_t channel, enum hal_sample_kind kind)
{
    assert_int_equal(sample(channel).kind, kind);
}

static uint32_t troubles(size_t device, enum hub_trouble trouble)
{
    return hub_device(&hub, device)->troubles[trouble];
}

#define SONDE                                                                                      \
    "bus modbus\n"                                                                                 \
    "device sonde address=1 timeout=300\n"                                                         \
    "state register=40 calibrating=1 fault=6\n"                                                    \
    "channel temp register=0 type=s16 divide=100 absent=-32768\n"                                  \
    "channel ph register=1 divide=100\n"                                                           \
    "channel depth register=2 type=f32 order=cdab\n"
#define THREE                                                                                      \
    "bus modbus\n"                                                                                 \
    "device a address=1 timeout=500\nchannel temp register=0\n"                                    \
    "device b address=2 timeout=500\nchannel ph register=0\n"                                      \
    "device c address=3 timeout=500\nchannel do register=0\n"

static void fill_sonde(void)
{
    float depth = 1.25f;
    uint32_t bits;
    memcpy(&bits, &depth, sizeof bits);
    slaves[1].registers[0] = (uint16_t)-1234;
    slaves[1].registers[1] = 703;
    slaves[1].registers[2] = (uint16_t)bits;
    slaves[1].registers[3] = (uint16_t)(bits >> 16);
}

static void test_round(void **state)
{
    (void)state;
    fill_sonde();
    make_hub(SONDE, "ph temp depth");
    expect_kind(0, HAL_SAMPLE_MISSING); /* nothing was begun */
    (void)whole_round();
    expect(0, 7.03);
    expect(1, -12.34);
    expect(2, 1.25);
    assert_int_equal(sample(0).state, 0);
    assert_int_equal(slaves[1].asked, 2); /* the state, and all others in one request */
    struct hal_sensors sensors = hub_sensors(&hub);
    assert_int_equal(sensors.sample(sensors.context, 0, hub.round_ns - 1).kind, HAL_SAMPLE_MISSING);
    assert_int_equal(sensors.sample(sensors.context, 3, hub.round_ns).kind, HAL_SAMPLE_MISSING);
    slaves[1].registers[1] = 811;
    (void)whole_round();
    expect(0, 8.11);
    assert_int_equal(rs485.configured, 1);
}

static void test_bind(void **state)
{
    (void)state;
    make_hub(SONDE, "ph");
    struct phusa_text names[] = { PHUSA_TEXT("nh4"), PHUSA_TEXT("ph") };
    assert_true(hub_bind(&hub, names + 1, 1));
    assert_true(hub_gives(&hub, 0));
    assert_false(hub_gives(&hub, 1));
    assert_false(hub_bind(&hub, names, 2));
    assert_false(hub_gives(&hub, 0));
    assert_true(hub_gives(&hub, 1));
    fill_sonde();
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_MISSING); /* which nobody gives, and the other does not suffer */
    expect(1, 7.03);
    assert_false(hub_sensors(&hub).is_sum(&hub, 0));
}

static void test_more_channels_than_points(void **state)
{
    (void)state;
    static struct phusa_text names[HUB_CHANNELS_MAX + 1];
    make_hub(SONDE, "ph");
    for (size_t i = 0; i <= HUB_CHANNELS_MAX; i++) {
        names[i] = PHUSA_TEXT("ph");
    }
    assert_true(hub_bind(&hub, names, HUB_CHANNELS_MAX));
    assert_false(hub_bind(&hub, names, HUB_CHANNELS_MAX + 1));
    assert_true(hub_gives(&hub, HUB_CHANNELS_MAX - 1));
    assert_false(hub_gives(&hub, HUB_CHANNELS_MAX));
    expect_kind(HUB_CHANNELS_MAX, HAL_SAMPLE_MISSING);
}

static void test_device_state(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        uint8_t state;
    } cases[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 4, 2 }, { 3, 2 }, { 8, 0 } };
    fill_sonde();
    make_hub(SONDE, "ph");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        slaves[1].registers[40] = cases[i].bits;
        (void)whole_round();
        expect(0, 7.03);
        assert_int_equal(sample(0).state, cases[i].state);
    }
    /* The state cannot be read, the values can. */
    slaves[1].registers[40] = 0;
    slaves[1].trouble = REFUSES;
    slaves[1].troubled = 1;
    (void)whole_round();
    expect(0, 7.03);
    assert_int_equal(sample(0).state, 2);
}

static void test_values_that_are_none(void **state)
{
    (void)state;
    fill_sonde();
    make_hub(SONDE, "temp ph depth");
    slaves[1].registers[0] = 0x8000;
    slaves[1].registers[2] = 0;
    slaves[1].registers[3] = 0x7FC0; /* NaN */
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_MISSING);
    expect(1, 7.03);
    expect_kind(2, HAL_SAMPLE_FAILED);
    assert_int_equal(troubles(0, HUB_NOT_FINITE), 1);
}

static void test_troubles_that_pass(void **state)
{
    (void)state;
    static const struct {
        enum trouble trouble;
        enum hub_trouble counted;
    } cases[] = { { DEAD, HUB_SILENT },          { CRC_WRONG, HUB_BAD_CRC },
                  { SHORT, HUB_BAD_ANSWER },     { LONG, HUB_BAD_ANSWER },
                  { STRANGER, HUB_BAD_ADDRESS }, { NOISY, HUB_NOISE },
                  { BUSY_ONCE, HUB_REFUSED } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_buses(state);
        make_hub(THREE, "temp ph do");
        slaves[2].registers[0] = 703;
        slaves[2].trouble = cases[i].trouble;
        slaves[2].troubled = 2;
        (void)whole_round();
        expect(1, 703);
        assert_int_equal(slaves[2].asked, 3);
        assert_int_equal(troubles(1, cases[i].counted), 2);
        assert_int_equal(hub_device(&hub, 1)->failed_rounds, 0);
        assert_int_equal(troubles(0, cases[i].counted), 0);
    }
}

static bool is_or_failed(size_t channel, unsigned expected)
{
    struct hal_sample found = sample(channel);
    assert_true(found.kind == HAL_SAMPLE_FAILED ||
                (found.kind == HAL_SAMPLE_VALUE && found.value == expected));
    return found.kind == HAL_SAMPLE_VALUE;
}

/*
 * Answers that come when others are asked: into silence, into a request, right before an answer,
 * which is lost then. Nobody gets another's value.
 */
static void test_late_answers_are_nobodys(void **state)
{
    (void)state;
    unsigned own = 0, second = 0, third = 0;
    for (unsigned i = 1; i <= 300; i++) {
        make_buses(state);
        make_hub(THREE, "temp ph do");
        slaves[1].registers[0] = (uint16_t)(1000 + i);
        slaves[2].registers[0] = (uint16_t)(2000 + i);
        slaves[3].registers[0] = (uint16_t)(3000 + i);
        slaves[1].trouble = LATE;
        late_ns = (490 + i) * FAKE_MILLI;
        (void)whole_round();
        own += is_or_failed(0, 1000 + i);
        second += is_or_failed(1, 2000 + i);
        third += is_or_failed(2, 3000 + i);
    }
    print_message("%u, %u, %u of 300 in time\n", own, second, third);
    assert_in_range(own, 200, 299);
    assert_in_range(second, 265, 300);
    assert_in_range(third, 295, 300);
}

static void test_refusal_is_final(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    slaves[2].trouble = REFUSES;
    assert_true(whole_round() < 200 * FAKE_MILLI);
    expect_kind(1, HAL_SAMPLE_FAILED);
    expect(2, 0);
    assert_int_equal(slaves[2].asked, 1);
    assert_int_equal(hub_device(&hub, 1)->failed_rounds, 0);
}

/* One slave dies: the first time it costs the others one wait at most, then nothing at all. */
static void test_dead_slave_costs_the_others_nothing(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    now_ns += SECOND;
    begin();
    int64_t alive = time_of(2);
    (void)finish_round();
    slaves[1].trouble = DEAD;
    now_ns += SECOND;
    begin();
    assert_true(time_of(2) < alive + 550 * FAKE_MILLI);
    (void)finish_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
    assert_int_equal(slaves[1].asked, 1 + HUB_ATTEMPTS);
    for (int i = 0; i < 20; i++) {
        now_ns += SECOND;
        begin();
        assert_true(time_of(2) <= alive);
        (void)finish_round();
        expect(1, 0);
        expect(2, 0);
        expect_kind(0, HAL_SAMPLE_FAILED);
    }
}

static void test_backoff(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    slaves[1].trouble = DEAD;
    for (int i = 0; i < HUB_BACKOFF_AFTER; i++) {
        (void)whole_round();
    }
    unsigned asked = slaves[1].asked;
    assert_int_equal(asked, HUB_ATTEMPTS + HUB_BACKOFF_AFTER - 1);
    int64_t quiet = hub_device(&hub, 0)->alone_until_ns;
    assert_in_range((quiet - now_ns) / SECOND, 29, 30);
    now_ns += SECOND;
    begin();
    expect_kind(0, HAL_SAMPLE_FAILED); /* at once */
    (void)finish_round();
    assert_int_equal(slaves[1].asked, asked);
    assert_int_equal(troubles(0, HUB_LEFT_ALONE), 1);
    now_ns = quiet;
    (void)whole_round();
    assert_int_equal(slaves[1].asked, asked + 1);
    assert_in_range((hub_device(&hub, 0)->alone_until_ns - now_ns) / SECOND, 59, 60);
    for (int i = 0; i < 20; i++) {
        now_ns = hub_device(&hub, 0)->alone_until_ns;
        (void)whole_round();
    }
    assert_in_range(hub_device(&hub, 0)->alone_until_ns - now_ns, 0, HUB_BACKOFF_MAX);
    slaves[1].trouble = GOOD;
    slaves[1].registers[0] = 5;
    now_ns = hub_device(&hub, 0)->alone_until_ns;
    (void)whole_round();
    expect(0, 5);
    slaves[1].trouble = CRC_WRONG; /* and has its attempts again */
    slaves[1].troubled = 2;
    (void)whole_round();
    expect(0, 5);
}

/* One request of a device fails for good, its others do not. */
static void test_half_a_device(void **state)
{
    (void)state;
    fill_sonde();
    make_hub("bus modbus\ndevice a address=1 timeout=300 span=2\n"
             "channel temp register=0 type=s16\nchannel ph register=1 divide=100\n"
             "channel depth register=2 type=f32 order=cdab\n",
             "temp ph depth");
    slaves[1].trouble = REFUSES;
    slaves[1].troubled = 1;
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
    expect_kind(1, HAL_SAMPLE_FAILED);
    expect(2, 1.25);
}

static void test_sdi12(void **state)
{
    (void)state;
    make_hub("bus modbus\ndevice x address=1\nchannel temp register=0\nbus sdi12\n"
             "device a address=1\nchannel ph value=1\n"
             "device b address=9\nchannel do value=1\n"
             "device c address=6 measure=C\nchannel level value=1\nchannel depth value=2\n"
             "device d address=7 measure=C\nchannel turb value=1\nchannel orp value=3\n",
             "temp ph do level depth turb orp");
    slaves[1].registers[0] = 4;
    int64_t took = whole_round();
    expect(0, 4);
    expect(1, 1.5);
    expect_kind(2, HAL_SAMPLE_FAILED);
    expect(3, 6.5);
    expect(4, -0.25);
    expect(5, 7.5);
    expect_kind(6, HAL_SAMPLE_FAILED); /* the measurement has no third value */
    assert_int_equal(troubles(4, HUB_BAD_ANSWER), 1);
    assert_int_equal(troubles(2, HUB_SILENT), HUB_MEASUREMENTS);
    assert_true(took < 5 * SECOND); /* both concurrent ones need 3 s */
}

static void test_buses_side_by_side(void **state)
{
    (void)state;
    make_hub("bus modbus\ndevice x address=1\nchannel temp register=0\nbus sdi12\n"
             "device b address=9\nchannel do value=1\n",
             "temp do");
    now_ns += SECOND;
    begin();
    assert_true(time_of(0) < 100 * FAKE_MILLI);
    expect_kind(1, HAL_SAMPLE_PENDING);
}

/* Rounds begin faster than the line can answer: all devices have their turn. */
static void test_rounds_in_a_hurry(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    for (int i = 0; i < 30; i++) {
        begin();
        for (int64_t end = now_ns + 60 * FAKE_MILLI; now_ns < end;) {
            step();
        }
    }
    for (size_t i = 1; i <= 3; i++) {
        assert_in_range(slaves[i].asked, 8, 30);
    }
}

static void test_the_past_cannot_be_measured(void **state)
{
    (void)state;
    const struct hub_options options = { .late_max_ns = 10 * SECOND };
    make_hub(THREE, "temp ph do");
    struct phusa_text name = PHUSA_TEXT("temp");
    hub_init(&hub, &map, BUSES, 2, NULL, &options);
    assert_true(hub_bind(&hub, &name, 1));
    struct hal_sensors sensors = hub_sensors(&hub);
    step();
    sensors.begin(sensors.context, now_ns - 11 * SECOND);
    assert_int_equal(sensors.sample(sensors.context, 0, now_ns - 11 * SECOND).kind,
                     HAL_SAMPLE_MISSING);
    sensors.begin(sensors.context, now_ns - 9 * SECOND);
    assert_int_equal(sensors.sample(sensors.context, 0, hub.round_ns).kind, HAL_SAMPLE_PENDING);
}

static void test_ports_without_a_bus(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    rs485.refuses = true;
    now_ns += SECOND;
    struct hal_sensors sensors = hub_sensors(&hub);
    step();
    sensors.begin(sensors.context, now_ns);
    (void)finish_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
    assert_int_equal(troubles(0, HUB_BUS_FAILED), HUB_ATTEMPTS);
    for (int i = 0; i < 10; i++) {
        now_ns += SECOND;
        step();
        sensors.begin(sensors.context, now_ns);
        (void)finish_round();
    }
    (void)whole_round(); /* it is back */
    expect(0, 0);
    assert_true(rs485.configured > 1);
    struct phusa_text name = PHUSA_TEXT("temp");
    hub_init(&hub, &map, NULL, 0, NULL, &OPTIONS);
    assert_true(hub_bind(&hub, &name, 1));
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
}

/* --- inputs ------------------------------------------------------------------------- */

static void test_inputs(void **state)
{
    (void)state;
    struct fake_pins board = { .edges[1] = UINT32_MAX - 1, .silent[4] = true };
    const struct hal_pins pins = fake_pins_hal(&board);
    const char *text = "inputs\ndevice gauge\nchannel level loop=3 zero=0 full=16\n"
                       "channel depth loop=4 zero=0 full=16\n"
                       "device rain\nchannel rain pulse=1 divide=5\n";
    make_hub(text, "level");
    struct phusa_text names[] = { PHUSA_TEXT("level"), PHUSA_TEXT("depth"), PHUSA_TEXT("rain") };
    hub_init(&hub, &map, NULL, 0, &pins, &OPTIONS);
    assert_true(hub_bind(&hub, names, 3));
    step();
    static const struct {
        int32_t current;
        double value;
        uint8_t state;
    } cases[] = { { 4000, 0, 0 },     { 12000, 8, 0 },  { 20500, 16.5, 0 },
                  { 20800, 16.8, 2 }, { 22000, 18, 2 }, { 3500, -0.5, 2 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        board.current_ua[3] = cases[i].current;
        board.edges[1] += 3; /* wraps in the first round */
        assert_int_equal(whole_round(), 0);
        expect(0, cases[i].value);
        assert_int_equal(sample(0).state, cases[i].state);
        expect_kind(1, HAL_SAMPLE_FAILED);
        expect(2, 0.6);
    }
    (void)whole_round();
    expect(2, 0);
}

/* A contact that bounces: its gauge is looked at often enough to tell. */
static void test_bounces(void **state)
{
    (void)state;
    struct fake_pins board = { .edges[1] = 7 };
    const struct hal_pins pins = fake_pins_hal(&board);
    struct phusa_text name = PHUSA_TEXT("rain");
    make_hub("inputs\ndevice rain\nchannel rain pulse=1 divide=5 debounce=100\n", "rain");
    hub_init(&hub, &map, NULL, 0, &pins, &OPTIONS);
    assert_true(hub_bind(&hub, &name, 1));
    for (int round = 0; round < 3; round++) {
        int64_t at = now_ns;
        for (int i = 0; i < 3000; i++) {
            int64_t next = hub_step(&hub, now());
            assert_true(next <= now_ns + 100 * FAKE_MILLI);
            board.edges[1] += now_ns - at == 500 * FAKE_MILLI ? 3 : 0; /* a tip, and its bounces */
            board.edges[1] += now_ns - at == 520 * FAKE_MILLI ? 2 : 0;
            board.edges[1] += now_ns - at == 1500 * FAKE_MILLI ? 1 : 0; /* a clean one */
            now_ns += STEP;
        }
        struct hal_sensors sensors = hub_sensors(&hub);
        sensors.begin(sensors.context, now_ns);
        expect(0, 0.4);
    }
    hub_init(&hub, &map, NULL, 0, NULL, &OPTIONS);
    assert_true(hub_bind(&hub, &name, 1));
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
}

/* More than its counter can follow is a least amount, until it was given once. */
static void test_too_fast(void **state)
{
    (void)state;
    struct fake_pins board = { .edges[1] = UINT32_MAX - 5 };
    const struct hal_pins pins = fake_pins_hal(&board);
    struct phusa_text name = PHUSA_TEXT("rain");
    struct hal_sensors sensors = hub_sensors(&hub);
    make_hub("inputs\ndevice rain\nchannel rain pulse=1 divide=5 rate=60\n", "rain");
    hub_init(&hub, &map, NULL, 0, &pins, &OPTIONS);
    assert_true(hub_bind(&hub, &name, 1));
    assert_true(hub_step(&hub, now()) <= now_ns + 10 * SECOND);
    board.edges[1] += 60;
    (void)whole_round();
    expect(0, 12);
    assert_false(sample(0).least);
    board.edges[1]++;
    (void)whole_round();
    (void)whole_round(); /* in the first nobody asked */
    expect(0, 0.2);
    assert_true(sample(0).least);
    assert_int_equal(sample(0).state, 0);
    board.edges[1]++;
    sensors.begin(sensors.context, now_ns);
    board.edges[1]++; /* behind the round's begin: of the next */
    (void)hub_step(&hub, now());
    expect(0, 0.2);
    assert_true(sample(0).least);
    (void)whole_round();
    expect(0, 0.2);
    assert_true(sample(0).least);
    for (int i = 0; i < 2 * 60; i++) { /* the minute ends, and one without as many */
        (void)whole_round();
        expect(0, 0);
        assert_false(sample(0).least);
    }
    board.edges[1]++;
    (void)whole_round();
    expect(0, 0.2);
    assert_false(sample(0).least);
}

/* --- answers that come late --------------------------------------------------------- */

static bool is_alone(void)
{
    return hub_device(&hub, 0)->failed_rounds >= HUB_BACKOFF_AFTER;
}

/* A slave that takes up to twice its time: what it says too late is never taken for something else.
 */
static void test_late_answers_are_not_mistaken(void **state)
{
    (void)state;
    struct draws dice = draws_begin();
    unsigned good = 0, bad = 0;
    make_hub("bus modbus baud=115200\ndevice a address=1 timeout=100\nchannel temp register=0\n"
             "channel ph register=10\nchannel do register=20\n",
             "temp ph do");
    for (uint16_t i = 0; i < 3; i++) {
        slaves[1].registers[10 * i] = (uint16_t)(1000 + i);
    }
    now_ns += SECOND;
    begin();
    for (int i = 0; i < 2000; i++) {
        struct hal_sensors sensors = hub_sensors(&hub);
        bool asking = draw_below(&dice, 3) == 0;
        if (asking) {
            ask_begin(&ask, &hub, 0);
        }
        while (!round_is_over(&hub)) {
            slaves[1].delay_ms = 1 + (int64_t)draw_below(&dice, 160);
            step();
        }
        while (asking && ask_step(&ask) == ASK_UNDER_WAY) { /* in the gap */
            step();
        }
        for (size_t k = 0; k < 3; k++) {
            struct hal_sample found = sample(k);
            assert_true(found.kind == HAL_SAMPLE_FAILED || found.value == 1000 + (double)k);
            good += found.kind == HAL_SAMPLE_VALUE;
            bad += found.kind == HAL_SAMPLE_FAILED;
        }
        if (rs485.in_taken == rs485.in_count) {
            fake_bus_clear(&rs485);
        }
        now_ns += (int64_t)draw_below(&dice, 40) * FAKE_MILLI;
        if (is_alone()) {
            now_ns = hub_device(&hub, 0)->alone_until_ns;
        }
        step();
        sensors.begin(sensors.context, now_ns);
    }
    printf("%u good, %u not\n", good, bad);
    assert_true(good > 3000);
}

/* --- asking by hand --------------------------------------------------------------------- */

/* Asks until there is a result; returns how long it took. */
static int64_t ask_until_known(size_t device)
{
    int64_t begun = now_ns;
    step();
    ask_begin(&ask, &hub, device);
    while (ask_step(&ask) == ASK_UNDER_WAY) {
        assert_true(now_ns - begun < 60 * SECOND);
        step();
    }
    return now_ns - begun;
}

static void expect_asked(size_t device, enum ask_result result)
{
    (void)ask_until_known(device);
    assert_int_equal(ask.result, result);
}

static void expect_trouble(size_t device, enum hub_trouble trouble)
{
    expect_asked(device, ASK_FAILED);
    assert_int_equal(ask.trouble, trouble);
}

/* Before any round, after one: the device says how it is, and the rounds know nothing of it. */
static void test_asking_one_device(void **state)
{
    (void)state;
    static const struct {
        enum trouble trouble;
        enum hub_trouble found;
    } cases[] = { { DEAD, HUB_SILENT },          { CRC_WRONG, HUB_BAD_CRC },
                  { SHORT, HUB_BAD_ANSWER },     { LONG, HUB_BAD_ANSWER },
                  { STRANGER, HUB_BAD_ADDRESS }, { NOISY, HUB_NOISE },
                  { REFUSES, HUB_REFUSED } };
    make_hub(THREE, "temp ph do");
    expect_asked(1, ASK_ANSWERS);
    slaves[1].registers[0] = 11;
    slaves[2].registers[0] = 22;
    (void)whole_round();
    struct hub_device before[DEVICE_MAP_DEVICES_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(before, hub.devices, sizeof before);
        slaves[2].trouble = cases[i].trouble;
        slaves[2].troubled = 0;
        slaves[2].asked = slaves[1].asked = 0;
        now_ns += 2 * SECOND;
        expect_trouble(1, cases[i].found);
        assert_int_equal(slaves[2].asked, ASK_ATTEMPTS);
        assert_int_equal(slaves[1].asked, 0);
        assert_int_equal(ask.exception, cases[i].trouble == REFUSES ? 2 : 0);
        slaves[2].trouble = cases[i].trouble; /* only once: it is asked again */
        slaves[2].troubled = 1;
        expect_asked(1, ASK_ANSWERS);
        for (size_t k = 0; k < 3; k++) {
            const struct hub_device *now_is = hub_device(&hub, k);
            assert_int_equal(now_is->asked, before[k].asked);
            assert_int_equal(now_is->answered, before[k].answered);
            assert_int_equal(now_is->failed_rounds, before[k].failed_rounds);
            assert_memory_equal(now_is->troubles, before[k].troubles, sizeof before[k].troubles);
        }
        expect(0, 11);
        expect(1, 22);
    }
    rs485.refuses = true;
    expect_trouble(0, HUB_BUS_FAILED);
    rs485.refuses = false;
    expect_asked(0, ASK_ANSWERS);
    struct phusa_text name = PHUSA_TEXT("temp");
    hub_init(&hub, &map, NULL, 0, NULL, &OPTIONS); /* the port has no such bus */
    assert_true(hub_bind(&hub, &name, 1));
    expect_trouble(0, HUB_BUS_FAILED);
}

/* A round that has begun goes before; one that begins then waits for one exchange, no more. */
static void test_rounds_go_before(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    slaves[3].registers[0] = 33;
    int64_t alone = whole_round();
    now_ns += SECOND;
    begin();
    unsigned asked = slaves[1].asked;
    ask_begin(&ask, &hub, 0);
    int64_t begun = now_ns;
    while (!round_is_over(&hub)) {
        assert_int_equal(ask_step(&ask), ASK_UNDER_WAY);
        step();
    }
    assert_true(now_ns - begun <= alone);
    assert_int_equal(slaves[1].asked, asked + 1);
    while (ask_step(&ask) == ASK_UNDER_WAY) {
        step();
    }
    assert_int_equal(ask.result, ASK_ANSWERS);
    assert_int_equal(slaves[1].asked, asked + 2);
    slaves[1].trouble = DEAD;
    step();
    ask_begin(&ask, &hub, 0);
    (void)ask_step(&ask); /* it has the line */
    struct hal_sensors sensors = hub_sensors(&hub);
    sensors.begin(sensors.context, now_ns);
    begun = now_ns;
    while (sample(2).kind == HAL_SAMPLE_PENDING) {
        assert_true(now_ns - begun < 2 * SECOND);
        (void)ask_step(&ask);
        step();
    }
    expect(2, 33);
    /* One wait for the device that was asked by hand; its own turn in the round comes first, too.
     */
    assert_true(now_ns - begun < alone + 1100 * FAKE_MILLI);
}

/* Rounds that never leave a gap: it is said that nobody was asked. */
static void test_a_line_that_is_never_free(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    struct hal_sensors sensors = hub_sensors(&hub);
    begin();
    ask_begin(&ask, &hub, 1);
    int64_t begun = now_ns;
    while (ask_step(&ask) == ASK_UNDER_WAY) {
        assert_true(now_ns - begun < ASK_LINE_NS + SECOND);
        step();
        if (round_is_over(&hub)) {
            sensors.begin(sensors.context, now_ns);
        }
    }
    assert_int_equal(ask.result, ASK_LINE_TAKEN);
    assert_true(now_ns - begun >= ASK_LINE_NS);
    (void)finish_round();
    expect_asked(1, ASK_ANSWERS);
}

static void test_asking_sdi12(void **state)
{
    (void)state;
    make_hub("bus modbus\ndevice x address=1\nchannel temp register=0\nbus sdi12\n"
             "device b address=9\nchannel do value=1\n"
             "device c address=6 measure=C\nchannel level value=1\n",
             "temp do level");
    assert_true(ask_until_known(1) < 3 * SECOND);
    assert_int_equal(ask.result, ASK_FAILED);
    assert_int_equal(ask.trouble, HUB_SILENT);
    expect_asked(2, ASK_ANSWERS);
    assert_memory_equal(wire.out + wire.out_count - 2, "6!", 2);
    now_ns += SECOND;
    begin();
    int64_t took = ask_until_known(2); /* it measures for 3 s, and is left in peace meanwhile */
    assert_int_equal(ask.result, ASK_ANSWERS);
    assert_in_range(took, 3 * SECOND, 6 * SECOND);
    expect(2, 6.5);
    expect_asked(0, ASK_ANSWERS);
}

static void test_asking_inputs(void **state)
{
    (void)state;
    struct fake_pins board = { .current_ua[3] = 12000, .current_ua[4] = 12000 };
    const struct hal_pins pins = fake_pins_hal(&board);
    make_hub("inputs\ndevice gauge\nchannel level loop=3 zero=0 full=16\n"
             "channel depth loop=4 zero=0 full=16\n"
             "device rain\nchannel rain pulse=1 divide=5\n",
             "rain");
    struct phusa_text name = PHUSA_TEXT("rain");
    hub_init(&hub, &map, NULL, 0, &pins, &OPTIONS);
    assert_true(hub_bind(&hub, &name, 1));
    (void)whole_round();
    board.edges[1] += 7;
    expect_asked(0, ASK_ANSWERS);
    assert_true(ask.has_current);
    assert_int_equal(ask.current_ua, 12000);
    board.current_ua[3] = 20;
    expect_asked(0, ASK_BAD_CURRENT);
    assert_int_equal(ask.current_ua, 20);
    board.current_ua[3] = 21500;
    expect_asked(0, ASK_BAD_CURRENT);
    board.silent[3] = true;
    expect_trouble(0, HUB_BUS_FAILED);
    expect_asked(1, ASK_NOTHING);
    assert_false(ask.has_current);
    (void)whole_round();
    expect(0, 1.4); /* all seven tips */
    hub_init(&hub, &map, NULL, 0, NULL, &OPTIONS);
    expect_trouble(0, HUB_BUS_FAILED);
}

/* Somebody plugs a dead sensor in again and asks it: the next round has its value. */
static void test_asking_ends_being_left_alone(void **state)
{
    (void)state;
    make_hub(THREE, "temp ph do");
    slaves[1].trouble = DEAD;
    for (int i = 0; i < HUB_BACKOFF_AFTER + 3; i++) {
        (void)whole_round();
    }
    expect_trouble(0, HUB_SILENT);
    (void)whole_round();
    expect_kind(0, HAL_SAMPLE_FAILED);
    slaves[1].trouble = GOOD;
    slaves[1].registers[0] = 5;
    expect_asked(0, ASK_ANSWERS);
    (void)whole_round();
    expect(0, 5);
}

/* --- anything may happen ------------------------------------------------------------ */

/* Every round ends soon, and a channel is right or says that it is not. */
static void test_rounds_at_random(void **state)
{
    (void)state;
    struct draws dice = draws_begin();
    unsigned good = 0, bad = 0;
    make_hub(THREE, "temp ph do");
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 1; k <= 3; k++) {
            slaves[k].registers[0] = (uint16_t)draw(&dice);
            slaves[k].trouble =
                draw_below(&dice, 3) == 0 ? (enum trouble)draw_below(&dice, NOISY + 1) : GOOD;
            slaves[k].troubled = (unsigned)draw_below(&dice, 5);
        }
        assert_true(whole_round() < 6 * SECOND);
        for (size_t k = 0; k < 3; k++) {
            struct hal_sample found = sample(k);
            bool right = found.kind == HAL_SAMPLE_VALUE;
            assert_true(right ? found.value == slaves[k + 1].registers[0]
                              : found.kind == HAL_SAMPLE_FAILED);
            good += right;
            bad += !right;
        }
    }
    printf("%u good, %u not\n", good, bad);
    assert_true(good > 3000 && bad > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round, make_buses),
        cmocka_unit_test_setup(test_bind, make_buses),
        cmocka_unit_test_setup(test_more_channels_than_points, make_buses),
        cmocka_unit_test_setup(test_device_state, make_buses),
        cmocka_unit_test_setup(test_values_that_are_none, make_buses),
        cmocka_unit_test_setup(test_troubles_that_pass, make_buses),
        cmocka_unit_test_setup(test_late_answers_are_nobodys, make_buses),
        cmocka_unit_test_setup(test_refusal_is_final, make_buses),
        cmocka_unit_test_setup(test_dead_slave_costs_the_others_nothing, make_buses),
        cmocka_unit_test_setup(test_backoff, make_buses),
        cmocka_unit_test_setup(test_half_a_device, make_buses),
        cmocka_unit_test_setup(test_sdi12, make_buses),
        cmocka_unit_test_setup(test_buses_side_by_side, make_buses),
        cmocka_unit_test_setup(test_rounds_in_a_hurry, make_buses),
        cmocka_unit_test_setup(test_the_past_cannot_be_measured, make_buses),
        cmocka_unit_test_setup(test_ports_without_a_bus, make_buses),
        cmocka_unit_test_setup(test_inputs, make_buses),
        cmocka_unit_test_setup(test_bounces, make_buses),
        cmocka_unit_test_setup(test_too_fast, make_buses),
        cmocka_unit_test_setup(test_late_answers_are_not_mistaken, make_buses),
        cmocka_unit_test_setup(test_asking_one_device, make_buses),
        cmocka_unit_test_setup(test_rounds_go_before, make_buses),
        cmocka_unit_test_setup(test_a_line_that_is_never_free, make_buses),
        cmocka_unit_test_setup(test_asking_sdi12, make_buses),
        cmocka_unit_test_setup(test_asking_inputs, make_buses),
        cmocka_unit_test_setup(test_asking_ends_being_left_alone, make_buses),
        cmocka_unit_test_setup(test_rounds_at_random, make_buses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
