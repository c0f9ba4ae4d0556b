/* A trap's section of the provisioning page: read to the number, and refused where it cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "provision_page.h"
#include "trap_page.h"

#define SECOND INT64_C(1000000000)
#define FIXED  76

/* As tools/provision writes it for:
 * --place 10.337,106.033 --lamp dusk+15m..22:00 --wind wind_speed:8:6 --wired rain,door
 * --species bph --species stem_borer */
static const uint8_t good[] =
    "\x10\x4d\x29\x06\x10\x5a\x33\x3f\x70\x62\x00\x00\xeb\xd7\x80\xff\x01\x00\x01\x05\x84\x03\x00"
    "\x00\x60\x35\x01\x00\x40\x1f\x00\x00\x70\x17\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x84\x03"
    "\x00\x00\x58\x02\x00\x00\x08\x07\x00\x00\x10\x0e\x00\x00\x05\x00\x00\x00\x3c\x00\x00\x00\x58"
    "\x02\x00\x00\x20\x4e\x00\x00\x02\x03"
    "bph\x0astem_borer\x0awind_speed\x00";

static struct page page;
static struct trap_page trap;

static bool read_section(const uint8_t *bytes, size_t length)
{
    static const uint32_t at = 100;
    struct hal_flash flash = page_flash(&page);
    const struct provision provision = { .trap_offset = at, .trap_length = (uint32_t)length };
    memset(page.bytes, 0xff, sizeof page.bytes);
    memcpy(page.bytes + at, bytes, length);
    return trap_page_read(&flash, &provision, &trap);
}

static void it_is_read_to_the_number(void **state)
{
    (void)state;
    assert_true(read_section(good, sizeof good - 1));
    const struct trap_settings *settings = &trap.settings;
    assert_true(fabs(settings->site.latitude - 10.337) < 1e-9);
    assert_true(fabs(settings->site.longitude - 106.033) < 1e-9);
    assert_true(fabs(settings->elevation - SUN_HORIZON) < 1e-7);
    assert_int_equal(settings->utc_offset_s, 7 * 3600);
    assert_int_equal(settings->from.moment, TRAP_DUSK);
    assert_int_equal(settings->from.seconds, 900);
    assert_int_equal(settings->until.moment, TRAP_CLOCK);
    assert_int_equal(settings->until.seconds, 22 * 3600);
    assert_true(settings->wind_stop == 8 && settings->wind_go == 6);
    assert_true(settings->battery_low == 0 && settings->battery_ok == 0);
    assert_true(settings->hold_ns[NIGHT_RAIN] == 900 * SECOND);
    assert_true(settings->hold_ns[NIGHT_WIND] == 600 * SECOND);
    assert_true(settings->hold_ns[NIGHT_BATTERY] == 1800 * SECOND);
    assert_true(settings->stale_ns == 3600 * SECOND);
    assert_int_equal(settings->classes, 2);
    assert_true(phusa_text_equal(settings->names[0], PHUSA_TEXT("bph")));
    assert_true(phusa_text_equal(settings->names[1], PHUSA_TEXT("stem_borer")));
    assert_true(phusa_text_equal(settings->wind, PHUSA_TEXT("wind_speed")));
    assert_int_equal(settings->battery.length, 0);
    assert_true(trap.classifier);
    assert_int_equal(trap.wired, TRAP_WIRED_RAIN | TRAP_WIRED_DOOR);
    assert_true(trap.lamp_start_ns == 5 * SECOND && trap.lamp_rest_ns == 60 * SECOND);
    assert_true(trap.lamp_retry_ns == 600 * SECOND && trap.beam_dead_ns == SECOND / 50);
}

static void one_that_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    static uint8_t longer[PROVISION_TRAP_MAX + 1];
    for (size_t length = 0; length < sizeof good - 1; length++) {
        assert_false(read_section(good, length));
    }
    memcpy(longer, good, sizeof good - 1);
    assert_false(read_section(longer, sizeof good));
    assert_false(read_section(longer, sizeof longer));
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } wrong[] = {
        { 3, 0x7f },            /* a latitude of 214 degrees */
        { 16, 3 },              /* a moment that is none */
        { 17, 3 },              /* another */
        { 18, 2 },              /* nobody counts */
        { 18, 0 },              /* a beam of two classes */
        { 19, 16 },             /* wired to what is not known */
        { 23, 0x7f },           /* years after dusk */
        { 27, 0x80 },           /* before midnight */
        { 33, 0x7f },           /* wind that goes above its stop, 32.6 m/s */
        { 59, 0x7f },           /* stale after years */
        { FIXED, 0 },           /* no class */
        { FIXED, 17 },          /* too many */
        { FIXED + 1, 0 },       /* one without a name */
        { FIXED + 1, 33 },      /* one with a longer name than there are */
        { sizeof good - 2, 1 }, /* a battery's name behind the end */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[sizeof good];
        memcpy(bytes, good, sizeof good);
        bytes[wrong[i].at] = wrong[i].byte;
        if (read_section(bytes, sizeof good - 1)) {
            fail_msg("byte %zu: %d was taken", wrong[i].at, wrong[i].byte);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_to_the_number),
        cmocka_unit_test(one_that_is_cut_or_longer_is_refused),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
