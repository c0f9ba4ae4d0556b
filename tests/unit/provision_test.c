/* The provisioning page: what is good is read whole, what is not is refused for the right reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "provision.h"
#include "provision_page.h"

enum {
    STATION = 1,
    SITE,
    HOST,
    HOST_ADDRESS,
    PORT,
    USER,
    PASSWORD,
    CA,
    SEED,
    TIME,
    OWN,
    EVERY,
    SPEED,
    MAP,
    CHANNELS,
    TEAR,
    TRAP,
    PHASE,
    SAMPLING
};

static void add(struct page *page, uint8_t tag, const void *bytes, size_t length)
{
    uint8_t *at = page->bytes + PAGE_HEADER + page->length;
    at[0] = tag;
    at[1] = (uint8_t)length;
    at[2] = (uint8_t)(length >> 8);
    memcpy(at + 3, bytes, length);
    page->length += 3 + length;
    page_close(page);
}

static void add_text(struct page *page, uint8_t tag, const char *text)
{
    add(page, tag, text, strlen(text));
}

/* All that a page needs but the field `without`. */
static void fill(struct page *page, uint8_t without)
{
    static const uint8_t seed[PROVISION_SEED_BYTES] = { 1, 2, 3 };
    static const struct {
        uint8_t tag, length;
        const void *bytes;
    } fields[] = { { STATION, 2, "s1" },
                   { SITE, 6, "my-tho" },
                   { HOST, 12, "mqtt.example" },
                   { PORT, 2, "\xb3\x22" },
                   { SEED, sizeof seed, seed },
                   { EVERY, 8, "\x00\xca\x9a\x3b\x00\x00\x00\x00" },
                   { CHANNELS, 8, "\x05level\x01m\x00" } };
    memset(page, 0xff, sizeof *page);
    page->length = 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].tag != without) {
            add(page, fields[i].tag, fields[i].bytes, fields[i].length);
        }
    }
}

static enum provision_status read_page(struct page *page, struct provision *provision)
{
    struct hal_flash flash = page_flash(page);
    return provision_read(&flash, provision);
}

static void test_least(void **state)
{
    static struct page page;
    static struct provision provision;
    (void)state;
    fill(&page, 0);
    assert_int_equal(read_page(&page, &provision), PROVISION_OK);
    assert_string_equal(provision.station, "s1");
    assert_string_equal(provision.site, "my-tho");
    assert_string_equal(provision.host, "mqtt.example");
    assert_int_equal(provision.port, 8883);
    assert_int_equal(provision.every_ns, 1000000000);
    assert_int_equal(provision.speed, 1);
    assert_int_equal(provision.seed[2], 3);
    assert_int_equal(provision.ca_length, 0);
    assert_int_equal(provision.map_length, 0);
    assert_int_equal(provision.trap_length, 0);
    assert_int_equal(provision.phase_ns, 0);
    assert_int_equal(provision.tear_one_in, 0);
    assert_string_equal(provision.password, "");
    assert_int_equal(provision.layout_length, 8);
}

static void test_all(void **state)
{
    static struct page page;
    static struct provision provision;
    (void)state;
    fill(&page, 0);
    add(&page, HOST_ADDRESS, "\x0a\x00\x02\x02", 4);
    add_text(&page, USER, "s1");
    add_text(&page, PASSWORD, "mật khẩu");
    add(&page, CA, "\x30\x82", 2);
    add(&page, TIME, "\x0a\x00\x02\x03\x7b\x00", 6);
    add(&page, OWN, "\xc0\xa8\x01\x14\xff\xff\xff\x00\xc0\xa8\x01\x01", 12);
    add(&page, SPEED, "\x64\x00\x00\x00", 4);
    add_text(&page, MAP, "inputs\n");
    add(&page, TEAR, "\x28\x00\x00\x00\x07\x00\x00\x00", 8);
    add_text(&page, TRAP, "lamp");
    add(&page, PHASE, "\x00\xca\x9a\x3b\x00\x00\x00\x00", 8);
    add(&page, SAMPLING,
        "\x00\xca\x9a\x3b\x00\x00\x00\x00" /* 1 s */
        "\x00\x65\xcd\x1d\x00\x00\x00\x00" /* 0.5 s */
        "\x00\x00\x00\x00\x00\x00\xd0\x3f" /* 0.25 */,
        24);
    assert_int_equal(read_page(&page, &provision), PROVISION_OK);
    assert_true(provision.sample_every_ns == 1000000000 && provision.fast_every_ns == 500000000);
    assert_true(provision.event_steps[0] == 0.25 && provision.event_steps[1] == 0);
    assert_memory_equal(provision.host_address.bytes, "\x0a\x00\x02\x02", 4);
    assert_string_equal(provision.password, "mật khẩu");
    assert_memory_equal(page.bytes + provision.ca_offset, "\x30\x82", 2);
    assert_int_equal(provision.time_port, 123);
    assert_memory_equal(provision.gateway.bytes, "\xc0\xa8\x01\x01", 4);
    assert_int_equal(provision.speed, 100);
    assert_int_equal(provision.tear_one_in, 40);
    assert_int_equal(provision.tear_seed, 7);
    assert_int_equal(provision.phase_ns, 1000000000);
    assert_memory_equal(page.bytes + provision.trap_offset, "lamp", provision.trap_length);
    assert_memory_equal(page.bytes + provision.map_offset, "inputs\n", provision.map_length);
}

static void test_lacking(void **state)
{
    static const uint8_t needed[] = { STATION, SITE, HOST, PORT, SEED, EVERY, CHANNELS };
    static struct page page;
    static struct provision provision;
    (void)state;
    for (size_t i = 0; i < sizeof needed; i++) {
        fill(&page, needed[i]);
        assert_int_equal(read_page(&page, &provision), PROVISION_LACKING);
    }
}

static void test_absent_and_newer(void **state)
{
    static struct page page;
    static struct provision provision;
    (void)state;
    memset(&page, 0xff, sizeof page);
    assert_int_equal(read_page(&page, &provision), PROVISION_ABSENT);
    fill(&page, 0);
    page.bytes[4] = 2;
    assert_int_equal(read_page(&page, &provision), PROVISION_UNKNOWN);
}

/* Whichever bit flips: never taken for good. */
static void test_damaged(void **state)
{
    static struct page page, damaged;
    static struct provision provision;
    (void)state;
    fill(&page, 0);
    for (size_t bit = 0; bit < 8 * (PAGE_HEADER + page.length); bit++) {
        damaged = page;
        damaged.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(read_page(&damaged, &provision), PROVISION_OK);
    }
}

static void refuse(uint8_t tag, const char *bytes, size_t length)
{
    static struct page page;
    static struct provision provision;
    fill(&page, tag);
    add(&page, tag, bytes, length);
    assert_int_equal(read_page(&page, &provision), PROVISION_UNKNOWN);
}

static void test_fields_that_cannot_be(void **state)
{
    static char many[4096];
    (void)state;
    memset(many, 'a', sizeof many);
    refuse(STATION, many, PROVISION_ID_MAX + 1);
    refuse(SITE, "", 0);
    refuse(HOST, "a\0b", 3);
    refuse(HOST, many, PROVISION_HOST_MAX + 1);
    refuse(PORT, "\0\0", 2);
    refuse(PORT, "\1", 1);
    refuse(PASSWORD, many, PROVISION_PASSWORD_MAX + 1);
    refuse(CA, many, PROVISION_CA_MAX + 1);
    refuse(SEED, many, PROVISION_SEED_BYTES - 1);
    refuse(TIME, many, 5);
    refuse(TIME, "\x0a\0\0\1\0\0", 6);
    refuse(OWN, many, 4);
    refuse(EVERY, "\0\0\0\0\0\0\0\x80", 8);
    refuse(SPEED, "\0\0\0\0", 4);
    refuse(MAP, many, PROVISION_MAP_MAX + 1);
    refuse(CHANNELS, many, PROVISION_LAYOUT_MAX + 1);
    refuse(0, "a", 1);
    refuse(TEAR, "\0\0\0\0\1\0\0\0", 8);
    refuse(TEAR, "\1\0\0\0", 4);
    refuse(TRAP, "", 0);
    refuse(TRAP, many, PROVISION_TRAP_MAX + 1);
    refuse(PHASE, "\0\0\0\0\0\0\0\x80", 8);
    refuse(PHASE, "\1\0\0\0", 4);
    refuse(SAMPLING, "\0\0\0\0\0\0\0\0", 8);
    refuse(SAMPLING, many, 24); /* no step is so large */
    memset(many, 0, sizeof many);
    refuse(SAMPLING, many, 20);
    refuse(SAMPLING, many, 16 + 8 * (STATION_CHANNELS_MAX + 1));
    memcpy(many + 16, "\0\0\0\0\0\0\xf0\xbf", 8); /* -1 */
    refuse(SAMPLING, many, 24);
    refuse(20, "a", 1);
    refuse(200, "a", 1);
}

static void test_twice(void **state)
{
    static struct page page;
    static struct provision provision;
    (void)state;
    fill(&page, 0);
    add_text(&page, STATION, "s2");
    assert_int_equal(read_page(&page, &provision), PROVISION_UNKNOWN);
}

/* Fields that end anywhere: the check sum is right, the lengths are not. */
static void test_cut(void **state)
{
    static struct page page;
    static struct provision provision;
    (void)state;
    fill(&page, 0);
    while (page.length > 0) {
        page.length--;
        page_close(&page);
        enum provision_status status = read_page(&page, &provision);
        assert_true(status == PROVISION_DAMAGED || status == PROVISION_LACKING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),   cmocka_unit_test(test_all),
        cmocka_unit_test(test_lacking), cmocka_unit_test(test_absent_and_newer),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_fields_that_cannot_be),
        cmocka_unit_test(test_twice),   cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
