/* CRC32C against published values, its definition, and its two ways against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "phusa/crc32c.h"
#include "shared/crc32c_portable.h"
#include "shared/crc32c_table.h"

#define POLYNOMIAL 0x82f63b78u

static void knows_the_published_values(void **state)
{
    (void)state;
    uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];

    for (size_t i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    assert_true(phusa_crc32c(0, "123456789", 9) == 0xe3069283);
    /* RFC 3720 appendix B.4 */
    assert_true(phusa_crc32c(0, zeros, 32) == 0x8a9136aa);
    assert_true(phusa_crc32c(0, ones, 32) == 0x62a8ab43);
    assert_true(phusa_crc32c(0, up, 32) == 0x46dd794e);
    assert_true(phusa_crc32c(0, down, 32) == 0x113fdb5c);
    assert_true(phusa_crc32c(0, "", 0) == 0);
    assert_true(phusa_crc32c(77, NULL, 0) == 77);
}

static void tables_follow_their_definition(void **state)
{
    (void)state;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;

        for (int table = 0; table < 4; table++) {
            for (int bit = 0; bit < 8; bit++) {
                remainder = remainder >> 1 ^ ((remainder & 1) != 0 ? POLYNOMIAL : 0);
            }
            assert_true(crc32c_table[table][byte] == remainder);
        }
    }
}

static void both_ways_agree_and_continue(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    uint8_t bytes[300];

    for (int round = 0; round < 2000; round++) {
        size_t start = draw_below(&draws, 9), length = draw_below(&draws, sizeof(bytes) - 9);
        size_t cut = draw_below(&draws, length + 1);
        uint32_t seed = (uint32_t)draw(&draws);

        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)draw(&draws);
        }

        uint32_t whole = phusa_crc32c(seed, bytes + start, length);
        uint32_t first = phusa_crc32c(seed, bytes + start, cut);

        assert_true(whole == phusa_crc32c_portable(seed, bytes + start, length));
        assert_true(whole == phusa_crc32c(first, bytes + start + cut, length - cut));
    }
}

static void another_seed_gives_another_checksum(void **state)
{
    (void)state;
    assert_true(phusa_crc32c(1, "water", 5) != phusa_crc32c(0, "water", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_published_values),
        cmocka_unit_test(tables_follow_their_definition),
        cmocka_unit_test(both_ways_agree_and_continue),
        cmocka_unit_test(another_seed_gives_another_checksum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
