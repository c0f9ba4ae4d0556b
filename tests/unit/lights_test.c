/* How the link is: its lights, and the counters that a station tells. */
#include "port/lights.h"

#include "station_port.h"

static struct port *port;

static int set_up(void **state)
{
    (void)state;
    port = port_create(64, 3);
    return port_boot(port) == STATION_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    port_destroy(port);
    return 0;
}

/* What a port does. */
static void show(struct lights *lights)
{
    const struct hal_pins pins = fake_pins_hal(&port->pins);
    const struct hal_network network = fake_network_hal(&port->network);
    uint32_t events = 0;
    for (int i = 0; i < HAL_TROUBLES; i++) {
        events += network.troubles(network.context, (enum hal_trouble)i);
    }
    lights_step(lights, &pins, network.connection(network.context) != 0, events);
}

/* Who refused whom is in the answer to `report`, and the light of trouble is on until it is over.
 */
static void refusals_are_counted_and_lit(void **state)
{
    (void)state;
    enum { LINK = 1, TROUBLE = 2 };
    struct fake_pins *pins = &port->pins;
    struct lights lights = { .link = LINK, .trouble = TROUBLE };
    show(&lights);
    assert_false(pins->level[LINK] || pins->level[TROUBLE]); /* nothing was tried yet */
    for (int why = 0; why < HAL_TROUBLES; why++) {
        for (int times = 0; times <= why; times++) {
            fake_network_fail(&port->network, (enum hal_trouble)why);
        }
        show(&lights);
        assert_true(pins->level[TROUBLE] && !pins->level[LINK]);
        show(&lights); /* and stays on */
        assert_true(pins->level[TROUBLE]);
        port_link(port, true);
        show(&lights);
        assert_true(pins->level[LINK] && !pins->level[TROUBLE]);
    }
    assert_non_null(strstr(port_ask(port, "{\"id\":\"r\",\"do\":\"report\"}"),
                           ",\"refused_authority\":1,\"refused_host\":2,\"refused_date\":3,"
                           "\"refused_tls\":4,\"refused_password\":5,\"refused_station\":6,"
                           "\"link_failed\":7,\"inbox_dropped\":8}"));
}

/* Counters that have grown for ages still fit into the answer. */
static void the_longest_report_fits(void **state)
{
    (void)state;
    memset(port->network.troubles, 0xFF, sizeof port->network.troubles);
    port_link(port, true);
    port_step(port);
    uint64_t *counters = (uint64_t *)&port->station.counters;
    for (size_t i = 0; i < sizeof port->station.counters / sizeof *counters; i++) {
        counters[i] = UINT64_C(1000000000000);
    }
    const char *answer = port_ask(port, "{\"id\":\"r\",\"do\":\"report\"}");
    print_message("%zu of %d bytes\n", strlen(answer), COMMAND_RSP_MAX);
    assert_non_null(strstr(answer, "\"inbox_dropped\":4294967295}}"));
}

/* A connection that ends because it is made anew, by a command, is no trouble. */
static void a_new_connection_is_no_trouble(void **state)
{
    (void)state;
    enum { LINK = 1, TROUBLE = 2 };
    struct fake_pins *pins = &port->pins;
    struct lights lights = { .link = LINK, .trouble = TROUBLE };
    port_link(port, true);
    show(&lights);
    assert_true(pins->level[LINK] && !pins->level[TROUBLE]);
    port_link(port, false);
    show(&lights);
    assert_false(pins->level[LINK] || pins->level[TROUBLE]);
    fake_network_fail(&port->network, HAL_TROUBLE_LINK); /* but that it is not there is one */
    show(&lights);
    assert_true(pins->level[TROUBLE] && !pins->level[LINK]);
}

/* A port that does not say why leaves the counters out. */
static void a_port_may_count_nothing(void **state)
{
    (void)state;
    port->station.ports.network.troubles = NULL;
    port_link(port, true);
    assert_null(strstr(port_ask(port, "{\"id\":\"r\",\"do\":\"report\"}"), "refused_"));
    assert_int_equal(port->answers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refusals_are_counted_and_lit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_report_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_connection_is_no_trouble, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_port_may_count_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
