/* The catalogue: found by name, converted by unit; and the names of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "phusa/parameter.h"
#include "phusa/status.h"

static const struct phusa_unit temperature_units[] = {
    { { "K", 1 }, 1, 1, -273.15 },
    { { "degF", 4 }, 5, 9, -160.0 / 9 },
};

static const struct phusa_parameter parameters[] = {
    { .name = { "do", 2 }, .unit = { "mg/L", 4 } },
    { .name = { "do_sat", 6 }, .unit = { "%", 1 } },
    { .name = { "ph", 2 }, .unit = { "pH", 2 } },
    { .name = { "salinity", 8 }, .unit = { "psu", 3 } },
    { .name = { "temp", 4 },
      .unit = { "Cel", 3 },
      .units = temperature_units,
      .unit_count = sizeof(temperature_units) / sizeof(temperature_units[0]) },
};

static void finds_every_name_and_no_other(void **state)
{
    (void)state;
    static const char *const absent[] = {
        "", "d", "dn", "do_", "do_saT", "zz", "tem", "temp1", "a"
    };

    for (size_t count = 0; count <= sizeof(parameters) / sizeof(parameters[0]); count++) {
        const struct phusa_catalogue catalogue = { parameters, count };

        for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
            assert_ptr_equal(phusa_catalogue_find(&catalogue, parameters[i].name),
                             i < count ? &parameters[i] : NULL);
        }
        for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
            assert_null(phusa_catalogue_find(&catalogue, phusa_text_of(absent[i])));
        }
    }
}

static void units_convert_to_the_own_one(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        bool known;
        double from, to;
    } cases[] = {
        { "", true, 21.5, 21.5 },   { "Cel", true, 21.5, 21.5 }, { "K", true, 300, 26.85 },
        { "degF", true, 212, 100 }, { "degf", false, 5, 5 },     { "mg/L", false, 5, 5 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double value = cases[i].from;

        assert_int_equal(phusa_unit_convert(&parameters[4], phusa_text_of(cases[i].unit), &value),
                         cases[i].known);
        assert_true(value > cases[i].to - 1e-9 && value < cases[i].to + 1e-9);
    }
}

static void every_result_and_reason_has_its_own_name(void **state)
{
    (void)state;
    for (int a = 0; a <= PHUSA_ERR_SPACE; a++) {
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(phusa_status_name((enum phusa_status)a),
                                    phusa_status_name((enum phusa_status)b));
        }
    }
    for (int a = 0; a < PHUSA_REASON_COUNT; a++) {
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(phusa_reason_name((enum phusa_reason)a),
                                    phusa_reason_name((enum phusa_reason)b));
        }
    }
    assert_string_equal(phusa_status_name((enum phusa_status)999), "unknown");
    assert_string_equal(phusa_reason_name((enum phusa_reason)999), "unknown");
}

static void a_refusal_has_its_reason(void **state)
{
    (void)state;
    assert_int_equal(phusa_reason_of(PHUSA_OK), PHUSA_REASON_NONE);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_SYNTAX), PHUSA_REASON_SYNTAX);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_TRUNCATED), PHUSA_REASON_TRUNCATED);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_OVERSIZED), PHUSA_REASON_OVERSIZED);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_TOO_MANY), PHUSA_REASON_TOO_MANY);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_VERSION), PHUSA_REASON_VERSION);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_LABEL), PHUSA_REASON_LABEL);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_TYPE), PHUSA_REASON_TYPE);
    assert_int_equal(phusa_reason_of(PHUSA_ERR_RANGE), PHUSA_REASON_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_name_and_no_other),
        cmocka_unit_test(units_convert_to_the_own_one),
        cmocka_unit_test(every_result_and_reason_has_its_own_name),
        cmocka_unit_test(a_refusal_has_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
