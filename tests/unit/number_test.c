/* Reading and printing numbers, against the C library, exact arithmetic and each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "phusa/number.h"
#include "shared/decimal.h"
#include "shared/power10.h"

#define ROUNDS 100000

/* Halfway between the greatest double and what would follow it. */
static const char middle_above_greatest[] =
    "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649"
    "017977587207096330286416692887910946555547851940402630657488671505820681908902000708383"
    "676273854845817711531764475730270069855571366959622842914819860834936475292719074168444"
    "365510704342711559699508093042880";

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double read_whole(const char *text, size_t length)
{
    struct phusa_decimal decimal;

    assert_int_equal(phusa_decimal_scan(text, length, &decimal), length);
    return phusa_decimal_to_double(text, length, &decimal);
}

static void assert_reads_as_strtod(const char *text)
{
    double expected = strtod(text, NULL), found = read_whole(text, strlen(text));

    if (bits_of(expected) != bits_of(found)) {
        fail_msg("%s: expected %a, read %a", text, expected, found);
    }
}

static void scans_the_grammar_of_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t takes;
        uint64_t digits;
        int exponent;
        bool more;
    } cases[] = {
        { "0", 1, 0, 0, false },
        { "-0", 2, 0, 0, false },
        { "01", 1, 0, 0, false },
        { "27.35", 5, 2735, -2, false },
        { "27.35,", 5, 2735, -2, false },
        { "-12e3", 5, 12, 3, false },
        { "1.5E-07", 7, 15, -8, false },
        { "1e+2", 4, 1, 2, false },
        { "0.00012", 7, 12, -5, false },
        { "1234567890123456789", 19, 1234567890123456789u, 0, false },
        { "12345678901234567890", 20, 1234567890123456789u, 1, false },
        { "12345678901234567891", 20, 1234567890123456789u, 1, true },
        { "0.00000000000000000000012345", 28, 12345, -26, false },
        { "100000000000000000000000.5", 26, 1000000000000000000u, 5, true },
        { "1e99999999999999999999", 22, 1, 1000000000, false },
        { "1e-99999999999999999999", 23, 1, -1000000000, false },
        { "", 0, 0, 0, false },
        { "-", 0, 0, 0, false },
        { "+1", 0, 0, 0, false },
        { ".5", 0, 0, 0, false },
        { "1.", 0, 0, 0, false },
        { "1.e5", 0, 0, 0, false },
        { "1e", 0, 0, 0, false },
        { "1e+", 0, 0, 0, false },
        { "-x", 0, 0, 0, false },
        { "NaN", 0, 0, 0, false },
        { "Infinity", 0, 0, 0, false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_decimal decimal = { 0 };

        print_message("%s\n", cases[i].text);
        assert_int_equal(phusa_decimal_scan(cases[i].text, strlen(cases[i].text), &decimal),
                         cases[i].takes);
        assert_int_equal(phusa_decimal_scan(cases[i].text, strlen(cases[i].text), NULL),
                         cases[i].takes);
        assert_true(decimal.digits == cases[i].digits);
        assert_int_equal(decimal.exponent, cases[i].exponent);
        assert_int_equal(decimal.more, cases[i].more);
    }
}

static void tells_how_far_a_number_is_right(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t right;
    } cases[] = { { "-", 1 }, { "1.", 2 }, { "1.x", 2 }, { "1e", 2 }, { "1e-", 3 }, { "x", 0 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_decimal decimal;
        size_t right = 99;

        assert_int_equal(decimal_scan(cases[i].text, strlen(cases[i].text), &decimal, &right), 0);
        assert_int_equal(right, cases[i].right);
    }
}

static void reads_hard_numbers_as_the_library_does(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "27.35",
        "-0.0",
        "0.1",
        "1e22",
        "1e23",
        "9007199254740993",
        "9007199254740993e-1",
        "8.5e22",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "1.797693134862315808e308",
        "1e309",
        "1e400",
        "123456789e301",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.47032822920623272088e-324",
        "2.47032822920623272089e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1e-323",
        "1e-325",
        "1e-400",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        middle_above_greatest,
        "6631236871469758276785396630275967242e-18",
        "7.2057594037927933e16",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "1.5000000000000001110223024625156663683148108873",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_reads_as_strtod(texts[i]);
    }
}

static void reads_numbers_of_any_length(void **state)
{
    (void)state;
    static char text[3000];

    /* Halfway between 1 and the next double, with a decisive digit far behind. */
    int head =
        snprintf(text, sizeof(text), "1.00000000000000011102230246251565404236316680908203125");
    memset(text + head, '0', 2000);
    text[head + 2000] = '\0';
    assert_true(read_whole(text, strlen(text)) == 1.0);
    text[head + 1999] = '1';
    assert_true(read_whole(text, strlen(text)) == 1.0 + 0x1p-52);
    assert_reads_as_strtod(text);
    /* A thousand zeros undone by an exponent. */
    memcpy(text, "0.", 2);
    memset(text + 2, '0', 1000);
    snprintf(text + 1002, 100, "2735e1002");
    assert_true(read_whole(text, strlen(text)) == 27.35);
}

/* Halfway cases between a random double and the next, at times spoilt by one digit. */
static void draw_halfway(struct draws *draws, char *text, size_t capacity)
{
    double value = fabs(draw_double(draws));
    long double half = ((long double)value + (long double)nextafter(value, HUGE_VAL)) / 2;
    int digits = draw_below(draws, 3) == 0 ? 20 + (int)draw_below(draws, 40) : 780;

    snprintf(text, capacity, "%.*Le", digits, half);
    if (draw_below(draws, 2) == 0) {
        strchr(text, 'e')[-1] = (char)('0' + draw_below(draws, 10));
    }
}

static void draw_digits(struct draws *draws, char *text, size_t capacity)
{
    unsigned long long digits = draw(draws) >> draw_below(draws, 64);
    int exponent = (int)draw_below(draws, 700) - 360;

    if (draw_below(draws, 2) == 0) {
        snprintf(text, capacity, "%llue%d", digits, exponent);
    } else {
        snprintf(text, capacity, "%llu.%09lluE%+d", digits,
                 (unsigned long long)draw_below(draws, 1000000000), exponent);
    }
}

static void reads_random_numbers_as_the_library_does(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    char text[1000];

    for (int i = 0; i < ROUNDS; i++) {
        if (i % 4 == 0) {
            draw_halfway(&draws, text, sizeof(text));
        } else {
            draw_digits(&draws, text, sizeof(text));
        }
        if (text[0] != 'i') { /* the middle above the greatest double is infinite */
            assert_reads_as_strtod(text);
        }
    }
}

static void reads_denormals_as_the_library_does(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    char text[64];

    for (int i = 0; i < ROUNDS / 10; i++) {
        double value = (double)(draw(&draws) >> (12 + draw_below(&draws, 50))) * 0x1p-1074;

        snprintf(text, sizeof(text), "%.*e", (int)draw_below(&draws, 30), value);
        assert_reads_as_strtod(text);
    }
}

static void parse_wants_one_finite_number(void **state)
{
    (void)state;
    double value = 7;

    assert_true(phusa_double_parse("1.5e1", 5, &value));
    assert_true(value == 15);
    assert_false(phusa_double_parse("1.5 ", 4, &value));
    assert_false(phusa_double_parse("", 0, &value));
    assert_false(phusa_double_parse("1e309", 5, &value));
    assert_false(phusa_double_parse("-1e309", 6, &value));
    assert_false(phusa_double_parse("01", 2, &value));
    assert_true(value == 15);
}

static void nanoseconds_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        int64_t nanos;
    } cases[] = {
        { "1276020076.001", true, 1276020076001000000 },
        { "1.320078429e+09", true, 1320078429000000000 },
        { "-5", true, -5000000000 },
        { "0", true, 0 },
        { "0e400", true, 0 },
        { "0.0000000004", true, 0 },
        { "0.0000000005", true, 1 },
        { "-0.0000000005", true, -1 },
        { "1.9999999995", true, 2000000000 },
        { "1e-30", true, 0 },
        { "0.00000000000000000000000000012345", true, 0 },
        { "9223372036.854775807", true, INT64_MAX },
        { "9223372036.854775808", false, 0 },
        { "-9223372036.854775808", true, INT64_MIN },
        { "-9223372036.854775809", false, 0 },
        { "1e10", false, 0 },
        { "1e400", false, 0 },
        { "12345678901234567890123", false, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_decimal decimal;
        int64_t nanos = 0;

        print_message("%s\n", cases[i].text);
        assert_true(phusa_decimal_scan(cases[i].text, strlen(cases[i].text), &decimal) > 0);
        assert_int_equal(phusa_decimal_to_nanos(&decimal, &nanos), cases[i].fits);
        assert_true(nanos == cases[i].nanos);
    }
}

static void integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
        uint64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "5.0", true, 5 },
        { "5e0", true, 5 },
        { "500e-2", true, 5 },
        { "9007199254740993", true, 9007199254740993 },
        { "1e19", true, 10000000000000000000u },
        { "2e19", false, 0 },
        { "-1", false, 0 },
        { "5.5", false, 0 },
        { "1e-1", false, 0 },
        { "1e-30", false, 0 },
        { "1e30", false, 0 },
        { "12345678901234567891", false, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_decimal decimal;
        uint64_t value = 0;

        print_message("%s\n", cases[i].text);
        assert_true(phusa_decimal_scan(cases[i].text, strlen(cases[i].text), &decimal) > 0);
        assert_int_equal(phusa_decimal_to_uint(&decimal, &value), cases[i].fits);
        if (cases[i].fits) {
            assert_true(value == cases[i].value);
        }
    }
}

static void assert_prints(double value, const char *expected)
{
    char buffer[PHUSA_DOUBLE_CHARS + 1];
    size_t length = phusa_double_print(value, buffer);

    buffer[length] = '\0';
    assert_string_equal(buffer, expected);
}

static void prints_in_the_documented_form(void **state)
{
    (void)state;
    assert_prints(0, "0");
    assert_prints(-0.0, "-0");
    assert_prints(27.35, "27.35");
    assert_prints(-27.35, "-27.35");
    assert_prints(0.1, "0.1");
    assert_prints(0.001, "0.001");
    assert_prints(0.00001, "0.00001");
    assert_prints(0.000001, "1e-6");
    assert_prints(1.5e-9, "1.5e-9");
    assert_prints(100, "100");
    assert_prints(1234567.125, "1234567.125");
    assert_prints(9007199254740991.0, "9007199254740991");
    assert_prints(9007199254740992.0, "9007199254740992");
    assert_prints(1e16, "10000000000000000");
    assert_prints(1e17, "1e17");
    assert_prints(1.25e300, "1.25e300");
    assert_prints(5e-324, "5e-324");
    assert_prints(1.7976931348623157e308, "1.7976931348623157e308");
    assert_prints(0.30000000000000004, "0.30000000000000004");
    assert_prints((double)NAN, "");
    assert_prints(HUGE_VAL, "");
    assert_prints(-HUGE_VAL, "");
}

static size_t significant_digits(const char *text)
{
    size_t digits = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text == '0') {
            zeros += digits > 0 ? 1 : 0;
        } else if (*text != '.' && *text != '-') {
            digits += zeros + 1;
            zeros = 0;
        }
    }
    return digits;
}

/* Whether printf finds a form that is shorter and reads back. */
static bool has_shorter(double value, size_t digits)
{
    char text[64];

    if (digits < 2) {
        return false;
    }
    snprintf(text, sizeof(text), "%.*e", (int)digits - 2, value);
    return strtod(text, NULL) == value;
}

/* Prints, reads back by the library and by ourselves; returns the digits it took. */
static size_t assert_round_trip(double value)
{
    char text[PHUSA_DOUBLE_CHARS + 1];
    size_t length = phusa_double_print(value, text);

    assert_in_range(length, 1, PHUSA_DOUBLE_CHARS - 7);
    text[length] = '\0';
    if (bits_of(strtod(text, NULL)) != bits_of(value) ||
        bits_of(read_whole(text, length)) != bits_of(value)) {
        fail_msg("%a printed as %s", value, text);
    }
    assert_in_range(significant_digits(text), 0, 17);
    return significant_digits(text);
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    int longer = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double value = draw_double(&draws);

        if (i % 3 == 1) {
            value = (double)draw_below(&draws, 10000000) / power10_exact[draw_below(&draws, 8)];
        }
        if (i % 3 == 2) {
            value = (double)(draw(&draws) >> 11) * 0x1p-46;
        }
        longer += has_shorter(value, assert_round_trip(value)) ? 1 : 0;
    }
    print_message("%d of %d not the shortest\n", longer, ROUNDS);
    assert_in_range(longer, 0, ROUNDS / 100);
}

static void every_power_of_two_reads_back(void **state)
{
    (void)state;
    for (int exponent = -1074; exponent <= 1023; exponent++) {
        double power = ldexp(1, exponent);

        assert_round_trip(power);
        assert_round_trip(nextafter(power, 0));
        assert_round_trip(nextafter(power, HUGE_VAL) < HUGE_VAL ? nextafter(power, HUGE_VAL)
                                                                : power);
    }
}

static void integers_print(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, 7, -7, 10, 99, 100, -1234567, INT64_MAX, INT64_MIN };
    char found[32], expected[32];

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);
        found[phusa_int_print(values[i], found)] = '\0';
        assert_string_equal(found, expected);
    }
    found[phusa_uint_print(UINT64_MAX, found)] = '\0';
    assert_string_equal(found, "18446744073709551615");
}

static void seconds_print(void **state)
{
    (void)state;
    static const struct {
        int64_t nanos;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { 1276020076001000000, "1276020076.001" },
        { 1000000000, "1" },
        { 1, "0.000000001" },
        { -500000000, "-0.5" },
        { -5000000000, "-5" },
        { 120000000, "0.12" },
        { INT64_MAX, "9223372036.854775807" },
        { INT64_MIN, "-9223372036.854775808" },
    };
    char text[32];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_decimal decimal;
        int64_t nanos;
        size_t length = phusa_seconds_print(cases[i].nanos, text);

        text[length] = '\0';
        assert_string_equal(text, cases[i].text);
        assert_int_equal(phusa_decimal_scan(text, length, &decimal), length);
        assert_true(phusa_decimal_to_nanos(&decimal, &nanos) && nanos == cases[i].nanos);
    }
}

/* Exact arithmetic, as plain as can be: whole numbers of 48 limbs. */
#define LIMBS 48

struct whole {
    uint32_t limbs[LIMBS];
};

static void multiply_often(struct whole *number, uint32_t factor, int times)
{
    for (; times > 0; times--) {
        uint64_t carry = 0;

        for (int i = 0; i < LIMBS; i++) {
            carry += (uint64_t)number->limbs[i] * factor;
            number->limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
        assert_true(carry == 0);
    }
}

/* How 10^k compares with (f + 1/2) * 2^exponent; both times two to be whole. */
static int compare_power(int k, uint64_t f, int exponent)
{
    struct whole power = { { 2 } }, other = { { (uint32_t)f, (uint32_t)(f >> 32) } };

    multiply_often(&other, 2, 1);
    other.limbs[0] |= 1;
    multiply_often(k < 0 ? &other : &power, 10, abs(k));
    multiply_often(exponent < 0 ? &power : &other, 2, abs(exponent));
    for (int i = LIMBS; i-- > 0;) {
        if (power.limbs[i] != other.limbs[i]) {
            return power.limbs[i] > other.limbs[i] ? 1 : -1;
        }
    }
    return 0;
}

static void cached_powers_are_nearest(void **state)
{
    (void)state;
    int index = 0;

    for (int k = POWER10_FIRST; k <= POWER10_LAST; k += POWER10_STEP, index++) {
        struct power10 power = power10_cached(index);

        assert_int_equal(power10_index(k), index);
        assert_true(power.significand >> 63 == 1);
        assert_true(compare_power(k, power.significand - 1, power.exponent) > 0);
        assert_true(compare_power(k, power.significand, power.exponent) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_the_grammar_of_json),
        cmocka_unit_test(tells_how_far_a_number_is_right),
        cmocka_unit_test(reads_hard_numbers_as_the_library_does),
        cmocka_unit_test(reads_numbers_of_any_length),
        cmocka_unit_test(reads_random_numbers_as_the_library_does),
        cmocka_unit_test(reads_denormals_as_the_library_does),
        cmocka_unit_test(parse_wants_one_finite_number),
        cmocka_unit_test(nanoseconds_are_exact),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(prints_in_the_documented_form),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(every_power_of_two_reads_back),
        cmocka_unit_test(integers_print),
        cmocka_unit_test(seconds_print),
        cmocka_unit_test(cached_powers_are_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
