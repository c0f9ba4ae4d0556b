/*
 * Amounts (rain, insects) from pulse inputs to reports: whatever is missed in between, the reports
 * add up to what fell, each to what had fallen at a moment near its own.
 */
#include "draws.h"
#include "drivers/hub.h"
#include "observe.h"
#include "station_port.h"

#define SPAN_S     (3 * 86400)
#define TIPS_EACH  5 /* tips in a millimetre */
#define LATE_MAX_S 20
#define MAP                                                                                        \
    "inputs\ndevice gauge\nchannel rain pulse=0 divide=5\n"                                        \
    "device beam\nchannel bph pulse=1\n"

#define FAST_MAP                                                                                   \
    "inputs\ndevice gauge\nchannel rain pulse=0 divide=5 rate=40\n"                                \
    "device beam\nchannel bph pulse=1\n"

/* --- a gauge and a beam at a station ---------------------------------------------------------- */

static struct {
    struct port *port;
    struct device_map map;
    struct hub hub;
    struct hal_sensors sensors;
    uint32_t edges[2];
    uint32_t fallen[SPAN_S + 1]; /* tips up to each second */
    double told, told_insects;
    uint64_t rain_reports;
    int64_t told_ns;
} site;

static uint32_t pin_edges(void *context, unsigned input)
{
    (void)context;
    return site.edges[input];
}

static const struct hal_pins pins = { .edges = pin_edges };

/* The first moment from which on so many tips had fallen. */
static int64_t reached_s(uint32_t tips, int64_t upto_s)
{
    int64_t low = 0, high = upto_s;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (site.fallen[middle] >= tips) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void take(struct port *port, const struct port_report *report)
{
    const struct phusa_reading *rain = port_find(report, "rain");
    const struct phusa_reading *insects = port_find(report, "bph");
    site.told_insects += insects != NULL ? insects->value : 0;
    if (rain == NULL) {
        return;
    }
    double tips = rain->value * TIPS_EACH;
    assert_true(fabs(tips - floor(tips + 0.5)) < 1e-6);
    assert_true(rain->value == floor(tips + 0.5) / TIPS_EACH); /* 0.6, not 0.6000000000000001 */
    site.told += floor(tips + 0.5);
    site.told_ns = rain->time_ns;
    site.rain_reports++;
    /* What is told in all had fallen at the report's moment, or a tenth of a period before. */
    int64_t at_s = (rain->time_ns - START_NS) / SECOND_NS;
    int64_t now_s = (port->now.wall_ns - START_NS) / SECOND_NS;
    uint32_t least = site.fallen[at_s > 90 ? at_s - 90 : 0];
    assert_true(site.told >= least);
    assert_true(site.told <= site.fallen[now_s]);
    assert_true(reached_s((uint32_t)site.told, now_s) <= at_s + LATE_MAX_S);
}

static void create_with(uint64_t seed, const char *map)
{
    static const struct phusa_text names[2] = { { "rain", 4 }, { "bph", 3 } };
    struct device_map_error error;
    memset(&site, 0, sizeof site);
    site.edges[0] = (uint32_t)(0 - seed % 1000); /* it wraps on the way */
    assert_true(device_map_parse(&site.map, phusa_text_of(map), &error));
    hub_init(&site.hub, &site.map, NULL, 0, &pins,
             &(struct hub_options){ .late_max_ns = LATE_MAX_S * SECOND_NS });
    assert_true(hub_bind(&site.hub, names, 2));
    site.sensors = hub_sensors(&site.hub);
    site.port = port_create(64, seed);
    site.port->sensors = &site.sensors;
    site.port->on_report = take;
    site.port->options.channels[0] = (struct station_channel){ .name = names[0] };
    site.port->options.channels[1] = (struct station_channel){ .name = names[1] };
    site.port->options.sample_every_ns = MINUTE_NS;
    (void)hub_step(&site.hub, site.port->now);
}

static void create(uint64_t seed)
{
    create_with(seed, MAP);
}

static int64_t second(void)
{
    return (site.port->now.wall_ns - START_NS) / SECOND_NS;
}

/* A second passes, wet or dry; nothing runs. */
static void fall(uint32_t tips, uint32_t insects)
{
    site.edges[0] += tips;
    site.edges[1] += insects;
    site.port->now.wall_ns += SECOND_NS;
    site.port->now.mono_ns += SECOND_NS;
    site.fallen[second()] = site.fallen[second() - 1] + tips;
}

static void run(void)
{
    (void)hub_step(&site.hub, site.port->now);
    port_receipt(site.port);
    port_step(site.port);
    (void)hub_step(&site.hub, site.port->now);
}

/* --- what is told is what fell -------------------------------------------------------------- */

static void a_report_has_the_sum_of_its_samples(void **state)
{
    (void)state;
    create(1);
    assert_int_equal(port_boot(site.port), STATION_OK);
    port_link(site.port, true);
    run();
    for (int i = 0; i < 3600; i++) {
        fall(i % 100 == 7, i % 10 == 3);
        run();
    }
    assert_int_equal(site.rain_reports, 5); /* one of the start, which says nothing fell */
    const struct port_report *report = port_latest(site.port);
    assert_true(report->report.readings[0].time_ns == START_NS + HOUR_NS);
    assert_true(port_find(report, "rain")->value == 1.8);
    assert_true(port_find(report, "bph")->value == 90);
    assert_true(site.told == 36 && site.told_insects == 360);
    port_destroy(site.port);
}

/* Statistics are those of the samples, the sum before calibration is the raw one. */
static void what_stands_beside_a_sum(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = {
        { .statistics = STATISTIC_MINIMUM | STATISTIC_MAXIMUM | STATISTIC_COUNT | STATISTIC_RAW }
    };
    create(2);
    site.port->options.channel_settings = settings;
    site.port->on_report = NULL;
    assert_int_equal(port_boot(site.port), STATION_OK);
    port_link(site.port, true);
    assert_non_null(strstr(port_ask(site.port, "{\"id\":\"1\",\"do\":\"calibrate\",\"operator\":"
                                               "\"Ba\",\"parameter\":\"rain\",\"step\":\"begin\"}"),
                           "amounts have no points"));
    assert_non_null(strstr(port_ask(site.port, "{\"id\":\"2\",\"do\":\"calibrate\",\"operator\":"
                                               "\"Ba\",\"parameter\":\"rain\",\"step\":\"set\","
                                               "\"coefficients\":[0.1,1]}"),
                           "the first is 0"));
    assert_string_equal(port_ask(site.port, "{\"id\":\"3\",\"do\":\"calibrate\",\"operator\":"
                                            "\"Ba\",\"parameter\":\"rain\",\"step\":\"set\","
                                            "\"coefficients\":[0,1.25]}"),
                        "{\"id\":\"3\",\"ok\":true,\"before\":[0,1,0,0],\"after\":[0,1.25,0,0]}");
    run();
    for (int i = 0; i < 900; i++) {
        fall(i < 60 ? 1 : 0, 0);
        run();
    }
    const struct port_report *report = port_latest(site.port);
    assert_true(port_find(report, "rain")->value == 15);
    assert_true(port_find(report, "rain_raw")->value == 12);
    assert_true(port_find(report, "rain_min")->value == 0);
    assert_true(port_find(report, "rain_max")->value == 15);
    assert_true(port_find(report, "rain_n")->value == 15);
    port_destroy(site.port);
}

/* Rain that comes fast is told at once, and not once more at the end of the period. */
static void a_shower_is_told_once(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = { { .event_step = 2 } };
    create(3);
    site.port->options.fast_every_ns = 10 * SECOND_NS;
    site.port->options.channel_settings = settings;
    assert_int_equal(port_boot(site.port), STATION_OK);
    port_link(site.port, true);
    run();
    for (int i = 1; i <= 900; i++) {
        fall(i > 294 && i <= 325,
             1); /* its beginning is seen at 300, and all is looked at faster */
        run();
        assert_int_equal(site.rain_reports, 1 + (i >= 310) + (i >= 320) + (i >= 900));
    }
    assert_true(port_find(port_latest(site.port), "rain")->value == 1);
    assert_true(port_find(port_latest(site.port), "bph")->value == 900);
    assert_true(site.told == 31);
    port_destroy(site.port);
}

/* A flash that fails and no link: what could be neither kept nor sent is in the next report. */
/* The bucket tips 40 times a minute at most: the report of more says so, stays good, and the next
 * does not. */
static void rain_beyond_the_gauge_is_told_to_be(void **state)
{
    (void)state;
    create_with(4, FAST_MAP);
    assert_int_equal(port_boot(site.port), STATION_OK);
    port_link(site.port, true);
    run();
    for (int i = 1; i <= 2700; i++) {
        fall((i > 1200 && i <= 1320) || i % 10 == 0, 0); /* a cloudburst of two minutes */
        run();
        if (i % 900 == 0) {
            const struct phusa_reading *rain = port_find(port_latest(site.port), "rain");
            const struct phusa_reading *check = port_find(port_latest(site.port), "rain_check");
            assert_true(rain->value == (i == 1800 ? 78 + 120 : 90) / 5.0);
            assert_int_equal(rain->device_state, PHUSA_DEVICE_MEASURING);
            assert_true(i == 1800 ? check != NULL && check->value == CHECK_LEAST : check == NULL);
        }
    }
    assert_true(site.told == 90 + 198 + 90);
    port_destroy(site.port);
}

/* A report at once that takes the least amount with it has the word of it, too. */
static void a_shower_beyond_the_gauge_is_told_to_be(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = { { .event_step = 2 } };
    create_with(5, FAST_MAP);
    site.port->options.fast_every_ns = 10 * SECOND_NS;
    site.port->options.channel_settings = settings;
    assert_int_equal(port_boot(site.port), STATION_OK);
    port_link(site.port, true);
    run();
    for (int i = 1; i <= 900; i++) {
        fall(i > 300 && i <= 355, 0);
        run();
        if (i == 360 || i == 900) {
            assert_int_equal(site.rain_reports, 2 + (i == 900));
            const struct phusa_reading *check = port_find(port_latest(site.port), "rain_check");
            assert_true(port_find(port_latest(site.port), "rain")->value == (i == 360 ? 11 : 0));
            assert_true(i == 360 ? check != NULL && check->value == CHECK_LEAST : check == NULL);
        }
    }
    port_destroy(site.port);
}

static void a_report_that_was_lost_takes_nothing_with_it(void **state)
{
    (void)state;
    create(4);
    assert_int_equal(port_boot(site.port), STATION_OK);
    run();
    for (int i = 1; i <= 1800; i++) {
        fall(1, 0);
        site.port->flash.fail_from = site.port->flash.operations;
        site.port->flash.fail_count = i >= 890 && i < 910 ? 1000000 : 0;
        if (i == 1000) {
            port_link(site.port, true);
        }
        run();
    }
    assert_true(site.port->station.counters.log_errors > 0);
    assert_int_equal(site.rain_reports, 2);
    assert_true(port_find(port_latest(site.port), "rain")->value == 360);
    port_destroy(site.port);
}

/* --- seasons -------------------------------------------------------------------------------- */

struct weather {
    struct draws draws;
    bool rains;
    int64_t stuck_s;
};

static void pass_second(struct weather *weather)
{
    struct draws *draws = &weather->draws;
    weather->rains ^= draw_below(draws, weather->rains ? 600 : 3000) == 0;
    fall(weather->rains && draw_below(draws, 4) == 0 ? 1 + (uint32_t)draw_below(draws, 2) : 0,
         draw_below(draws, 50) == 0);
    if (weather->stuck_s > 0) {
        weather->stuck_s--; /* nobody looks, and moments go by */
        return;
    }
    weather->stuck_s = draw_below(draws, 900) == 0 ? 1 + (int64_t)draw_below(draws, 600) : 0;
    if (draw_below(draws, 3000) == 0) {
        port_link(site.port, draw_below(draws, 3) > 0);
    }
    if (draw_below(draws, 2000) == 0) {
        static unsigned order;
        char command[128];
        (void)snprintf(command, sizeof command,
                       "{\"id\":\"o%u\",\"do\":\"set\",\"settings\":{\"every\":%d}}", order++,
                       draw_below(draws, 2) == 0 ? 900 : 600);
        (void)port_ask(site.port, command);
    }
    run();
}

static void seasons_add_up(void **state)
{
    (void)state;
    static const struct station_channel_settings settings[2] = { { .event_step = 3 } };
    struct draws draws = draws_begin();
    for (int round = 0; round < 4; round++) {
        uint64_t seed = draw_below(&draws, 1000000);
        create(seed);
        site.port->options.fast_every_ns = round % 2 == 0 ? 0 : 20 * SECOND_NS;
        site.port->options.channel_settings = settings;
        struct weather weather = { .draws = { seed * 2654435769u + 88172645463325252u } };
        assert_int_equal(port_boot(site.port), STATION_OK);
        port_link(site.port, true);
        run();
        while (second() < SPAN_S - 7200) {
            pass_second(&weather);
        }
        port_link(site.port, true);
        uint32_t insects = site.edges[1];
        while (second() < SPAN_S) { /* dry, and all is told */
            fall(0, 0);
            run();
        }
        if (!(site.told == site.fallen[SPAN_S] && site.told_insects == insects)) {
            fail_msg("seed %llu: %g of %u tips, %g of %u insects", (unsigned long long)seed,
                     site.told, site.fallen[SPAN_S], site.told_insects, insects);
        }
        assert_true(site.port->station.counters.missing > 100);
        assert_true(site.port->station.counters.observations_short > 10);
        assert_true(site.fallen[SPAN_S] > 3000);
        port_destroy(site.port);
    }
}

/* --- sums themselves ------------------------------------------------------------------------ */

/* Amounts of so many decimals add up as on paper: counted in whole units of the last one. */
static void amounts_add_up_as_on_paper(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 500; round++) {
        struct amount amount = { 0 };
        int64_t scale = 1, units = 0;
        for (uint64_t i = draw_below(&draws, 7); i > 0; i--) {
            scale *= 10;
        }
        for (uint64_t i = 1 + draw_below(&draws, 2000); i > 0; i--) {
            int64_t some = (int64_t)draw_below(&draws, 4000) - 100;
            units += some;
            observe_amount(&amount, (double)some / (double)scale, 1, (uint8_t)(i % 2), false, 77);
        }
        assert_true(observe_tidy(amount.sum) == (double)units / (double)scale);
        assert_int_equal(amount.reached_ns, 77);
        assert_int_equal(amount.state, 1);
    }
    struct amount amount = { .sum = 1e308 };
    observe_amount(&amount, 1e308, 1e308, 2, false, 5);
    assert_true(amount.sum == 1e308 && amount.state == 2);
    assert_true(observe_tidy(1e300) == 1e300);
}

static void a_late_sample_stands_for_lost_ones(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        int64_t behind_s;
        uint32_t share;
        bool enough;
    } cases[] = { { 1, 0, 100, true },    { 1, 60, 90, true },   { 1, 61, 90, true },
                  { 14, 120, 90, false }, { 0, 0, 90, false },   { 1, 840, 1, true },
                  { 1, 900, 1, false },   { 1, -60, 90, false }, { 8, 420, 50, true } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct observation seen = { .count = cases[i].count };
        struct amount amount = { .reached_ns = START_NS - cases[i].behind_s * SECOND_NS };
        assert_int_equal(observe_reached(&seen, &amount, START_NS, MINUTE_NS, 15, cases[i].share),
                         cases[i].enough);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_has_the_sum_of_its_samples),
        cmocka_unit_test(what_stands_beside_a_sum),
        cmocka_unit_test(a_shower_is_told_once),
        cmocka_unit_test(rain_beyond_the_gauge_is_told_to_be),
        cmocka_unit_test(a_shower_beyond_the_gauge_is_told_to_be),
        cmocka_unit_test(a_report_that_was_lost_takes_nothing_with_it),
        cmocka_unit_test(seasons_add_up),
        cmocka_unit_test(amounts_add_up_as_on_paper),
        cmocka_unit_test(a_late_sample_stands_for_lost_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
