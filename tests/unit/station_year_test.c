/*
 * A leap year of a station in seconds, drawn from seeds: outages longer than its log, messages and
 * connections that are lost, power cuts, a block that cannot be erased any more, a clock that is
 * set late, steps and goes back, commands, counters that come round. What every report must be is
 * computed beside it from the samples alone.
 */
#include <time.h>

#include "bytes.h"
#include "drivers/hub.h"
#include "station_port.h"

#define YEAR_START INT64_C(1830297600000000000) /* 2028-01-01T00:00:00Z: a leap year */
#define DAYS       366
#define UNDATED    -7.0 /* no sample of a moment in the year is negative */
#define SEQ_MAX    60000
#define LOCAL_NS   (7 * HOUR_NS) /* UTC+7, without daylight saving */

static struct {
    int64_t time_ns; /* 0 = not seen; since boot: negative boot count */
    double value;
} seen[SEQ_MAX];
static uint64_t overwritten, aside, boots, dated, undated, disconnects;
static unsigned by_local_hour[24], on_leap_day;

/* What sensors say at a moment, or UNDATED of one since boot. */
static double truth(size_t channel, int64_t at_ns)
{
    if (at_ns < YEAR_START - DAY_NS) {
        return UNDATED;
    }
    return (double)(at_ns / MINUTE_NS % 1009) / 16.0 + (double)channel * 100;
}

/* The level is away for an hour a day. */
static struct hal_sample say(struct port *port, size_t channel, int64_t at_ns)
{
    (void)port;
    if (channel == 1 && at_ns / HOUR_NS % 24 == 3) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
    }
    return port_value(truth(channel, at_ns));
}

/* A report holds the mean of all samples of its quarter of an hour: with three, 90 % is all. */
static void check_mean(const struct port_report *report, const char *name, size_t channel,
                       int64_t at_ns)
{
    const struct phusa_reading *reading = port_find(report, name);
    if (reading == NULL) {
        assert_int_equal(channel, 1);
        return;
    }
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += truth(channel, at_ns - i * 5 * MINUTE_NS);
    }
    assert_true(fabs(reading->value - sum / 3) < 1e-9 || fabs(reading->value - UNDATED) <= 0);
}

static void count_local(int64_t at_ns)
{
    time_t local = (time_t)((at_ns + LOCAL_NS) / SECOND_NS);
    struct tm tm;
    assert_non_null(gmtime_r(&local, &tm));
    assert_int_equal(tm.tm_min % 15, 0);
    assert_int_equal(tm.tm_sec, 0);
    by_local_hour[tm.tm_hour]++;
    on_leap_day += tm.tm_mon == 1 && tm.tm_mday == 29;
}

static void collect(struct port *port, const struct port_report *report)
{
    const struct phusa_report *r = &report->report;
    (void)port;
    assert_true(r->seq < SEQ_MAX && r->count > 0);
    if (!r->has_seq) { /* the flash is cut off: told without a number */
        return;
    }
    int64_t at_ns = r->has_boot ? -(int64_t)r->boot : r->readings[0].time_ns;
    if (seen[r->seq].time_ns != 0) { /* a number stands for one report, for ever */
        bool dated_since = seen[r->seq].time_ns < 0 && at_ns > 0;
        assert_true(seen[r->seq].time_ns == at_ns || dated_since ||
                    (seen[r->seq].time_ns > 0 && at_ns < 0));
        assert_true(fabs(seen[r->seq].value - r->readings[0].value) <= 0);
        return;
    }
    seen[r->seq].time_ns = at_ns;
    seen[r->seq].value = r->readings[0].value;
    undated += r->has_boot;
    if (!r->has_boot && at_ns % (15 * MINUTE_NS) == 0) {
        dated++;
        count_local(at_ns);
        check_mean(report, "salinity", 0, at_ns);
        check_mean(report, "level", 1, at_ns);
    }
}

static void note_counts(const struct port *port)
{
    overwritten += port->station.counters.overwritten;
    aside += port->station.counters.set_aside;
}

/* As the contract says; what the station no longer holds is closed. */
static void fill_receipt(struct port *port, struct phusa_receipt *receipt)
{
    receipt->upto = port->covered_upto;
    for (uint64_t seq = port->station.log.first; seq <= port->covered_upto; seq++) {
        size_t count = receipt->missing_count;
        if (seen[seq].time_ns != 0) {
            continue;
        }
        if (count > 0 && receipt->missing[count - 1].last == seq - 1) {
            receipt->missing[count - 1].last = seq;
        } else if (receipt->missing_count < PHUSA_RECEIPT_RANGES_MAX) {
            receipt->missing[receipt->missing_count++] = (struct phusa_seq_range){ seq, seq };
        } else {
            receipt->upto = seq - 1;
            return;
        }
    }
}

static uint32_t draw(struct port *port, uint32_t below)
{
    return (fake_random(&port->random) << 16 ^ fake_random(&port->random)) % below;
}

/* The power goes, in the middle of writing or between; it is back after a while. */
static void lose_power(struct port *port)
{
    note_counts(port);
    port->flash.lose_unsynced = draw(port, 2) == 0;
    port->kept.lose_unsynced = draw(port, 2) == 0;
    fake_flash_power_on(&port->flash);
    fake_flash_power_on(&port->kept);
    int64_t gone = (int64_t)draw(port, 7200) * SECOND_NS;
    port->now.wall_ns += gone;
    port->now.mono_ns = SECOND_NS;
    port_link(port, false);
    bool clock = port->now.wall_set, has_rtc = draw(port, 2) == 0;
    port->now.wall_set = clock && has_rtc;
    boots++;
    assert_int_equal(port_boot(port), STATION_OK);
    if (!port->now.wall_set) { /* an hour until the clock is set */
        port_pass(port, (int64_t)draw(port, 60) * MINUTE_NS, 5 * MINUTE_NS);
        port->now.wall_set = true;
    }
}

static void give_order(struct port *port)
{
    static const char *const orders[] = {
        "{\"id\":\"%u\",\"do\":\"maintenance\",\"on\":true,\"minutes\":30}",
        "{\"id\":\"%u\",\"do\":\"report\"}",
        "{\"id\":\"%u\",\"do\":\"resend\",\"from\":1,\"to\":1000000}",
        "{\"id\":\"%u\",\"do\":\"set\",\"settings\":{\"share\":95}}",
        "{\"id\":\"%u\",\"do\":\"set\",\"settings\":{\"broker\":{\"host\":\"nowhere\",\"port\":1}}"
        "}",
        "{\"id\":\"%u\",\"do\":",
    };
    char text[200];
    (void)snprintf(text, sizeof text, orders[draw(port, 6)], draw(port, UINT32_MAX));
    (void)port_ask(port, text);
    port_pass(port, 20 * MINUTE_NS, 10 * SECOND_NS);
    port_link(port, true);
}

static void change_link(struct port *port)
{
    port_link(port, port->network.connection == 0);
    if (port->network.connection != 0) { /* the backlog, paced */
        port_pass(port, 10 * MINUTE_NS, SECOND_NS);
    } else if (draw(port, 40) == 0) { /* longer than the log holds */
        port_pass(port, 20 * DAY_NS, 5 * MINUTE_NS);
    }
}

static void trouble(struct port *port)
{
    switch (draw(port, 40)) {
    case 0:
    case 1:
    case 2:
        change_link(port);
        break;
    case 3:
        port->flash.cut_at = port->flash.operations + draw(port, 6);
        port_pass(port, 30 * MINUTE_NS, 5 * MINUTE_NS);
        lose_power(port);
        break;
    case 4:
        port->kept.cut_at = port->kept.operations + draw(port, 4);
        give_order(port);
        lose_power(port);
        break;
    case 5:
        give_order(port);
        break;
    case 6: /* time sources are a little apart */
        port->now.wall_ns += (int64_t)draw(port, 4000) * 1000000 - 2 * SECOND_NS;
        break;
    default:
        break;
    }
}

/* The port makes the connection again that the network has dropped. */
static void reconnect(struct port *port)
{
    if (port->network.disconnects > disconnects) {
        disconnects = port->network.disconnects;
        port_link(port, true);
    }
}

static void check_log_times(const struct port *port)
{
    const struct station_log *log = &port->station.log;
    struct station_log_cursor cursor = { 0 };
    struct station_record record;
    int64_t newest = 0;
    for (uint64_t seq = log->first; seq < log->next; seq++) {
        if (station_log_read(log, &cursor, seq, &record) == STATION_LOG_OK && record.boot == 0) {
            assert_true(record.time_ns > newest);
            newest = record.time_ns;
        }
    }
}

static void settle(struct port *port)
{
    port->network.loss_in_256 = port->network.disconnect_in_256 = 0;
    port_link(port, false);
    port_pass(port, MINUTE_NS, SECOND_NS);
    port_link(port, true);
    for (int i = 0; i < 100 && !station_delivered(&port->station); i++) {
        port_pass(port, MINUTE_NS, SECOND_NS);
    }
    assert_true(station_delivered(&port->station));
    note_counts(port);
}

static void a_year(uint64_t seed)
{
    struct port *port = port_create(16, seed);
    memset(seen, 0, sizeof seen);
    memset(by_local_hour, 0, sizeof by_local_hour);
    overwritten = aside = boots = dated = undated = disconnects = on_leap_day = 0;
    port->network.last_connection = UINT32_MAX - 30; /* its numbers come round */
    port->network.loss_in_256 = 2;
    port->network.disconnect_in_256 = 1;
    port->options.sample_every_ns = 5 * MINUTE_NS;
    port->sample = say;
    port->on_report = collect;
    port->fill_receipt = fill_receipt;
    port->now = (struct hal_time){ YEAR_START, SECOND_NS, false, false };
    assert_int_equal(port_boot(port), STATION_OK);
    port_pass(port, 3 * HOUR_NS, 5 * MINUTE_NS); /* set late */
    port->now.wall_set = true;
    port_link(port, true);
    bool stepped = false;
    while (port->now.wall_ns < YEAR_START + DAYS * DAY_NS) {
        port_pass(port, HOUR_NS, 5 * MINUTE_NS);
        reconnect(port);
        trouble(port);
        if (!stepped && port->now.wall_ns > YEAR_START + 100 * DAY_NS) {
            port->now.wall_ns -= 5 * HOUR_NS; /* somebody set it by hand */
            port->flash.bad_block = 5;        /* worn out */
            stepped = true;
        }
        if (port->now.wall_ns / HOUR_NS % 500 == 0) {
            check_log_times(port);
        }
    }
    settle(port);
    check_log_times(port);
    uint64_t unseen = 0, last = port->station.log.next - 1;
    for (uint64_t seq = 1; seq <= last; seq++) {
        unseen += seen[seq].time_ns == 0;
    }
    print_message(
        "figure: seed %llu: %llu reports, %llu boots, %llu dated, %llu since boot, %llu unseen, "
        "%llu overwritten, %llu disconnects\n",
        (unsigned long long)seed, (unsigned long long)last, (unsigned long long)boots,
        (unsigned long long)dated, (unsigned long long)undated, (unsigned long long)unseen,
        (unsigned long long)overwritten, (unsigned long long)disconnects);
    assert_int_equal(aside, 0);
    assert_true(unseen <= overwritten); /* what was overwritten may have been on its way */
    assert_true(dated + undated + unseen >= last - 5 * boots - 20);
    assert_true(overwritten > 0 && boots > 20 && last > 25000 && dated > 15000);
    assert_true(disconnects > 30 && port->network.last_connection < 10000);
    port_destroy(port);
}

static void test_a_leap_year_of_trouble(void **state)
{
    (void)state;
    for (uint64_t seed = 20280101; seed < 20280104; seed++) {
        a_year(seed);
    }
}

/* Without trouble: every quarter of an hour once, the leap day like any other. */
static void test_a_quiet_leap_year(void **state)
{
    (void)state;
    struct port *port = port_create(64, 1);
    memset(seen, 0, sizeof seen);
    memset(by_local_hour, 0, sizeof by_local_hour);
    dated = undated = on_leap_day = 0;
    port->options.sample_every_ns = 5 * MINUTE_NS;
    port->sample = say;
    port->on_report = collect;
    port->now = (struct hal_time){ YEAR_START - LOCAL_NS, SECOND_NS, true, true };
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, DAYS * DAY_NS, 5 * MINUTE_NS);
    assert_int_equal(dated, DAYS * 96);
    assert_int_equal(undated, 0);
    assert_int_equal(on_leap_day, 96);
    for (int hour = 0; hour < 24; hour++) {
        assert_int_equal(by_local_hour[hour], DAYS * 4);
    }
    port_destroy(port);
}

static unsigned noons;

static void at_noon(struct port *port, const struct port_report *report)
{
    (void)port;
    assert_true((report->report.readings[0].time_ns + LOCAL_NS) % DAY_NS == 12 * HOUR_NS);
    noons++;
}

static void test_a_report_at_each_local_noon(void **state)
{
    (void)state;
    struct port *port = port_create(16, 1);
    port->options.every_ns = DAY_NS;
    port->options.phase_ns = 5 * HOUR_NS; /* noon in UTC+7 */
    port->options.sample_every_ns = HOUR_NS;
    port->on_report = at_noon;
    port->now = (struct hal_time){ YEAR_START - LOCAL_NS, SECOND_NS, true, true };
    noons = 0;
    assert_int_equal(port_boot(port), STATION_OK);
    port_link(port, true);
    port_pass(port, DAYS * DAY_NS, 20 * MINUTE_NS);
    assert_int_equal(noons, DAYS - 1); /* of the first night the first half is missing */
    port_destroy(port);
}

/* The count of boots comes round to 1: 0 would say that the clock is set. */
static void test_the_count_of_boots_comes_round(void **state)
{
    (void)state;
    struct port *port = port_create(16, 1);
    struct hal_flash flash = fake_flash_hal(&port->kept);
    uint8_t bytes[49] = { 1 };
    put_u32(bytes + 1, UINT32_MAX - 1);
    assert_int_equal(keep_open(&port->keep, &flash), KEEP_OK);
    assert_int_equal(keep_write(&port->keep, KEEP_BOOT, bytes, sizeof bytes), KEEP_OK);
    assert_int_equal(keep_sync(&port->keep), KEEP_OK);
    assert_int_equal(port_boot(port), STATION_OK);
    assert_int_equal(port->station.options.boot, UINT32_MAX);
    port_link(port, true);
    port_pass(port, HOUR_NS, MINUTE_NS);
    assert_int_equal(port_boot(port), STATION_OK);
    assert_int_equal(port->station.options.boot, 1);
    port_destroy(port);
}

/* --- a counter of pulses comes round --------------------------------------------------------- */

#define GAUGE     "inputs\ndevice gauge\nchannel rain pulse=3 divide=5\n"
#define RAIN_PIN  3
#define RAIN_FROM (UINT32_MAX - 100000)

static double fallen;

static void add_rain(struct port *port, const struct port_report *report)
{
    (void)port;
    assert_int_equal(report->report.count, 1);
    fallen += report->report.readings[0].value;
}

static void make_gauge(struct port *port, struct device_map *map, struct hub *hub)
{
    static const struct hub_options options = { 0 };
    static const struct phusa_text rain = { "rain", 4 };
    static struct hal_pins pins;
    struct device_map_error error;
    pins = fake_pins_hal(&port->pins);
    assert_true(device_map_parse(map, PHUSA_TEXT(GAUGE), &error));
    hub_init(hub, map, NULL, 0, &pins, &options);
    assert_true(hub_bind(hub, &rain, 1));
    port->options.channels[0] = (struct station_channel){ .name = rain };
    port->options.channel_count = 1;
    struct station_ports ports = port_hal(port);
    ports.sensors = hub_sensors(hub);
    assert_int_equal(station_init(&port->station, &port->options, &ports, port->now), STATION_OK);
}

static void test_a_year_of_rain(void **state)
{
    (void)state;
    static struct device_map map;
    static struct hub hub;
    struct port *port = port_create(64, 7);
    uint64_t tips = 0;
    port->no_keep = true;
    port->options.boot = 1;
    port->options.channels[1] = (struct station_channel){ 0 };
    port->on_report = add_rain;
    port->pins.edges[RAIN_PIN] = RAIN_FROM;
    port->now = (struct hal_time){ YEAR_START - LOCAL_NS + 1, SECOND_NS, true, true };
    fallen = 0;
    make_gauge(port, &map, &hub);
    port_link(port, true);
    for (int64_t i = 0; i < DAYS * 288; i++) {
        uint32_t more = i < DAYS * 288 - 3 && draw(port, 4) == 0 ? draw(port, 20) : 0;
        tips += more;
        port->pins.edges[RAIN_PIN] += more;
        fake_clock_pass(&port->now, 5 * MINUTE_NS);
        port_receipt(port);
        (void)hub_step(&hub, port->now);
        port_step(port);
    }
    assert_true(port->pins.edges[RAIN_PIN] < RAIN_FROM); /* it came round */
    assert_int_equal(port->taken_count, DAYS * 96);
    print_message("%llu tips\n", (unsigned long long)tips);
    assert_true(tips > 200000 && fabs(fallen * 5 - (double)tips) < 1e-3);
    port_destroy(port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leap_year_of_trouble),
        cmocka_unit_test(test_a_quiet_leap_year),
        cmocka_unit_test(test_a_report_at_each_local_noon),
        cmocka_unit_test(test_the_count_of_boots_comes_round),
        cmocka_unit_test(test_a_year_of_rain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
