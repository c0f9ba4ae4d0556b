/* The board's own floor, sqrt and long division give what the C library's and the compiler's do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "draws.h"

/* Under names of their own beside the others. */
#define floor board_floor
#define sqrt  board_sqrt
#include "port/mps2/arithmetic.c"
#undef floor
#undef sqrt

#define DRAWS 200000

static const double edges[] = { 0.0,
                                -0.0,
                                1.0,
                                2.0,
                                0.25,
                                1e-300,
                                4.9e-324,
                                1.5e-323,
                                0x1p-1022,
                                0x1.fffffffffffffp-1023,
                                0x1p52,
                                0x1p53,
                                -0x1p52,
                                -0.5,
                                -1.0,
                                0.1,
                                -0.1,
                                1e300,
                                INFINITY,
                                -INFINITY,
                                0x1p-2,
                                0x1.8p1,
                                0x1p1023,
                                0x1.fffffffffffffp1023,
                                4503599627370495.5,
                                -4503599627370495.5 };

static void assert_same(double ours, double theirs, double of)
{
    if ((ours == ours || theirs == theirs) && memcmp(&ours, &theirs, sizeof ours) != 0) {
        fail_msg("of %a: %a, not %a", of, ours, theirs);
    }
}

static void test_floor(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        assert_same(board_floor(edges[i]), floor(edges[i]), edges[i]);
    }
    for (int i = 0; i < DRAWS; i++) {
        double any = draw_double(&draws);
        double near =
            (double)(int64_t)draw(&draws) / (double)(UINT64_C(1) << draw_below(&draws, 63));
        assert_same(board_floor(any), floor(any), any);
        assert_same(board_floor(near), floor(near), near);
    }
}

static void test_sqrt(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        assert_same(board_sqrt(edges[i]), sqrt(edges[i]), edges[i]);
    }
    for (int i = 0; i < DRAWS; i++) {
        double any = fabs(draw_double(&draws)), whole = (double)draw_below(&draws, 1 << 20);
        double tiny = any * 0x1p-1022 * 0x1p-40;
        assert_same(board_sqrt(any), sqrt(any), any);
        assert_same(board_sqrt(tiny), sqrt(tiny), tiny);
        assert_same(board_sqrt(whole * whole), whole, whole * whole);
    }
}

static void test_division(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int i = 0; i < DRAWS; i++) {
        uint64_t dividend = draw(&draws) >> draw_below(&draws, 64), rest = 0;
        uint64_t divisor = draw(&draws) >> draw_below(&draws, 64);
        divisor += divisor == 0;
        assert_true(divide_long(dividend, divisor, &rest) == dividend / divisor);
        assert_true(rest == dividend % divisor);
    }
    uint64_t rest = 0;
    assert_true(divide_long(UINT64_MAX, 1, &rest) == UINT64_MAX && rest == 0);
    assert_true(divide_long(UINT64_MAX, UINT64_MAX, &rest) == 1 && rest == 0);
    assert_true(divide_long(7, UINT64_MAX, &rest) == 0 && rest == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_sqrt),
        cmocka_unit_test(test_division),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
