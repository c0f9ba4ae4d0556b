/*
 * A trap in its station, behind the station's log: over weeks in which the power goes at random
 * moments and flash operations - also at noon, also for days - the collector gets each night once.
 */
#include "draws.h"
#include "station_port.h"
#include "trap.h"

#define NIGHTS   40
#define UTC_7    (7 * 3600)
#define CHANNELS 6

static const struct sun_site tien_giang = { 10.36, 106.36 };

struct farm {
    struct port *port;
    struct trap trap;
    struct trap_joint joint;
    struct trap_inputs inputs;
    struct draws draws;
    uint32_t flew[NIGHTS + 5];
    double got[NIGHTS + 5]; /* what the collector has; -1 = nothing */
    unsigned repeats;
    bool wrong;
};

static struct farm farm;

static const struct phusa_text names[CHANNELS] = {
    { "bph", 3 },       { "lamp_minutes", 12 }, { "gate_minutes", 12 },
    { "rain_gate", 9 }, { "lamp", 4 },          { "battery", 7 },
};

static size_t night_of(int64_t wall_ns)
{
    return (size_t)((night_end(wall_ns, UTC_7) - night_end(START_NS, UTC_7)) / DAY_NS);
}

/* The collector: the first value of a time counts, another one is a conflict. */
static void on_report(struct port *port, const struct port_report *report)
{
    const struct phusa_reading *count = port_find(report, "bph");
    (void)port;
    if (count == NULL) {
        return;
    }
    assert_false(report->report.has_boot);
    assert_true(night_end(count->time_ns, UTC_7) == count->time_ns);
    assert_non_null(port_find(report, "lamp_minutes"));
    double *got = &farm.got[night_of(count->time_ns)];
    farm.repeats += *got >= 0;
    farm.wrong |= *got >= 0 && *got != count->value;
    *got = count->value;
}

static struct hal_sample others(struct port *port, size_t channel, int64_t at_ns)
{
    assert_int_equal(channel, 5);
    return port->now.wall_ns - at_ns < MINUTE_NS
               ? port_value(12.5)
               : (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
}

static void boot(void)
{
    struct port *port = farm.port;
    struct hal_flash kept = fake_flash_hal(&port->kept);
    assert_int_equal(keep_open(&port->keep, &kept), KEEP_OK);
    struct trap_settings settings;
    trap_settings_default(&settings, &tien_giang);
    settings.names[0] = names[0];
    assert_true(trap_init(&farm.trap, &settings, &port->keep, port->now));
    struct hal_sensors sensors = { .context = port, .begin = port_begin, .sample = port_sample };
    struct station_ports ports = port_hal(port);
    ports.sensors = trap_join(&farm.joint, &farm.trap, &sensors, names, CHANNELS);
    assert_int_equal(station_init(&port->station, &port->options, &ports, port->now), STATION_OK);
    port_link(port, true);
}

static void create(uint64_t seed)
{
    memset(&farm, 0, sizeof farm);
    farm.draws = (struct draws){ seed * 2654435769u + 88172645463325252u };
    farm.port = port_create(64, seed);
    farm.port->on_report = on_report;
    farm.port->sample = others;
    farm.port->options.channel_count = CHANNELS;
    for (size_t i = 0; i < CHANNELS; i++) {
        farm.port->options.channels[i] = (struct station_channel){ .name = names[i] };
    }
    farm.inputs = (struct trap_inputs){
        .counters = { .known = true, .session = 1 }, .rain_known = true, .wind = 2, .battery = 13
    };
    for (size_t i = 0; i < NIGHTS + 5; i++) {
        farm.got[i] = -1;
    }
    boot();
}

static void fly(int64_t span_ns)
{
    bool dark =
        farm.port->now.wall_ns > farm.trap.dusk_ns && farm.port->now.wall_ns < farm.trap.dawn_ns;
    for (; dark && span_ns > 0; span_ns -= 30 * SECOND_NS) {
        uint32_t some = draw_below(&farm.draws, 5) == 0 ? (uint32_t)draw_below(&farm.draws, 9) : 0;
        farm.inputs.counters.counts[0] += some;
        farm.flew[night_of(farm.port->now.wall_ns)] += some;
    }
}

static void power_goes(int64_t down_ns)
{
    struct port *port = farm.port;
    port->flash.lose_unsynced = port->kept.lose_unsynced = draw_below(&farm.draws, 2) == 0;
    fly(down_ns < 15 * MINUTE_NS ? down_ns : 0); /* the classifier's own supply lasts so long */
    fake_flash_power_on(&port->flash);
    fake_flash_power_on(&port->kept);
    port->now.wall_ns += down_ns;
    port->now.mono_ns = SECOND_NS;
    farm.inputs.lit = false;
    boot();
    port->flash.cut_at = draw_below(&farm.draws, 3) == 0 ? (long)draw_below(&farm.draws, 300) : -1;
    port->kept.cut_at = draw_below(&farm.draws, 3) == 0 ? (long)draw_below(&farm.draws, 300) : -1;
}

static void pass(void)
{
    struct port *port = farm.port;
    port->now.wall_ns += 30 * SECOND_NS;
    port->now.mono_ns += 30 * SECOND_NS;
    fly(30 * SECOND_NS);
    farm.inputs.raining ^= draw_below(&farm.draws, farm.inputs.raining ? 20 : 500) == 0;
    trap_step(&farm.trap, &farm.inputs, port->now);
    farm.inputs.lit = farm.trap.wanted;
    if (port->receipts) {
        port_receipt(port);
    }
    (void)station_step(&port->station, port->now);
    (void)station_step(&port->station, port->now);
    assert_false(port->flash.rule_broken || port->kept.rule_broken);
}

static void finish(void)
{
    for (int i = 0; i < 400; i++) { /* what is still to be sent */
        pass();
    }
    port_destroy(farm.port);
}

static void check_nights(uint64_t seed, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (farm.got[i] != farm.flew[i]) {
            fail_msg("seed %llu, night %zu: %g told, %u flew", (unsigned long long)seed, i,
                     farm.got[i], farm.flew[i]);
        }
    }
    assert_false(farm.wrong);
}

static void a_quiet_season_is_told_night_by_night(void **state)
{
    (void)state;
    create(7);
    while (farm.port->now.wall_ns < START_NS + 10 * DAY_NS) {
        pass();
    }
    finish();
    check_nights(7, 0, 10);
    assert_int_equal(farm.repeats, 0);
}

/* The power is gone from 11:50 to 12:20 each day: each night is told by the missed moment. */
static void power_that_is_gone_at_noon_costs_no_night(void **state)
{
    (void)state;
    create(8);
    int64_t noon = night_end(START_NS, UTC_7);
    for (int day = 0; day < 6; day++, noon += DAY_NS) {
        while (farm.port->now.wall_ns < noon - 10 * MINUTE_NS) {
            pass();
        }
        power_goes(30 * MINUTE_NS);
        farm.port->flash.cut_at = farm.port->kept.cut_at = -1;
    }
    finish();
    check_nights(8, 0, 6);
    assert_int_equal(farm.repeats, 0);
}

static void seasons_of_cuts_tell_each_night_once(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned cuts = 0;
    for (int round = 0; round < 5; round++) {
        uint64_t seed = draw_below(&draws, 1000000);
        create(seed);
        struct port *port = farm.port;
        while (port->now.wall_ns < START_NS + NIGHTS * DAY_NS) {
            if (port->flash.cut || port->kept.cut || draw_below(&farm.draws, 150) == 0) {
                power_goes((int64_t)(30 + draw_below(&farm.draws, 870)) * SECOND_NS);
                cuts++;
            }
            pass();
        }
        port->flash.cut_at = port->kept.cut_at = -1;
        finish();
        check_nights(seed, 1, NIGHTS); /* the first is a morning: too short to be told, perhaps */
    }
    printf("%u cuts\n", cuts);
    assert_true(cuts > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_season_is_told_night_by_night),
        cmocka_unit_test(power_that_is_gone_at_noon_costs_no_night),
        cmocka_unit_test(seasons_of_cuts_tell_each_night_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
