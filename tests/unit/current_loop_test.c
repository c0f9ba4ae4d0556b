/* NAMUR NE 43: what each current means, at every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drivers/current_loop.h"

static void test_states(void **state)
{
    (void)state;
    static const struct {
        int32_t current;
        enum current_loop_state state;
    } cases[] = {
        { -100, CURRENT_LOOP_FAULT_BELOW },
        { 0, CURRENT_LOOP_FAULT_BELOW },
        { 3600, CURRENT_LOOP_FAULT_BELOW },
        { 3601, CURRENT_LOOP_BELOW },
        { 3799, CURRENT_LOOP_BELOW },
        { 3800, CURRENT_LOOP_MEASURING },
        { 4000, CURRENT_LOOP_MEASURING },
        { 20000, CURRENT_LOOP_MEASURING },
        { 20500, CURRENT_LOOP_MEASURING },
        { 20501, CURRENT_LOOP_ABOVE },
        { 20999, CURRENT_LOOP_ABOVE },
        { 21000, CURRENT_LOOP_FAULT_ABOVE },
        { INT32_MAX, CURRENT_LOOP_FAULT_ABOVE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (current_loop_state(cases[i].current) != cases[i].state) {
            fail_msg("%d uA gave %d", (int)cases[i].current, current_loop_state(cases[i].current));
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    assert_true(current_loop_value(4000, 0, 10) == 0);
    assert_true(current_loop_value(20000, 0, 10) == 10);
    assert_true(current_loop_value(12000, 0, 10) == 5);
    assert_true(current_loop_value(3800, 0, 16) == -0.2);
    assert_true(current_loop_value(20500, -5, 5) == 5.3125);
    assert_true(current_loop_value(8000, 100, 0) == 75); /* falling */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_states),
                                        cmocka_unit_test(test_values) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
