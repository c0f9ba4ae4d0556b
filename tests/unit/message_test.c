/* Status and receipt: read, written, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "draws.h"
#include "phusa/message.h"

static void reads_a_full_status(void **state)
{
    (void)state;
    struct phusa_status_message message;

    assert_int_equal(
        phusa_status_parse(PHUSA_TEXT("{\"state\":\"online\",\"fw\":\"1.2\\u0030\",\"hw\":\"phù\","
                                      "\"log\":\"5F3a09c1\",\"first\":7,\"next\":12,\"clock\":"
                                      "\"held\",\"days_held\":1.5,\"boot\":3,\"reset\":\"power\","
                                      "\"new\":[{\"x\":1}]} "),
                           &message),
        PHUSA_OK);
    assert_true(message.online && message.has_log && message.has_first && message.has_next);
    assert_true(message.log == 0x5f3a09c1 && message.first == 7 && message.next == 12);
    assert_int_equal(message.clock, PHUSA_CLOCK_HELD);
    assert_true(message.days_held == 1.5 && message.boot == 3);
    assert_string_equal(message.firmware, "1.20");
    assert_string_equal(message.hardware, "phù");
    assert_string_equal(message.reset, "power");
}

static void the_will_is_state_and_log(void **state)
{
    (void)state;
    struct phusa_status_message will = { .has_log = true, .log = 0xc1, .firmware = "1.0" }, read;
    char buffer[PHUSA_MESSAGE_MAX + 1];
    size_t length = phusa_status_print(&will, buffer, sizeof(buffer));

    buffer[length] = '\0';
    assert_string_equal(buffer, "{\"state\":\"offline\",\"log\":\"000000c1\"}");
    assert_int_equal(phusa_status_parse((struct phusa_text){ buffer, length }, &read), PHUSA_OK);
    assert_true(!read.online && read.has_log && read.log == 0xc1 && !read.has_first);
    for (size_t capacity = 0; capacity < length; capacity++) {
        assert_int_equal(phusa_status_print(&will, buffer, capacity), 0);
    }
}

static void a_status_reads_back(void **state)
{
    (void)state;
    struct phusa_status_message written = { .online = true,
                                            .has_log = true,
                                            .has_first = true,
                                            .has_next = true,
                                            .log = 0xdeadbeef,
                                            .first = 1,
                                            .next = 9007199254740991,
                                            .clock = PHUSA_CLOCK_SYNCED,
                                            .days_held = 0.125,
                                            .boot = UINT32_MAX,
                                            .firmware = "0.1.0 \"x\"",
                                            .hardware = "trạm",
                                            .reset = "brown-out" };
    struct phusa_status_message read;
    char buffer[PHUSA_MESSAGE_MAX];
    size_t length = phusa_status_print(&written, buffer, sizeof(buffer));

    assert_true(length > 0);
    assert_int_equal(phusa_status_parse((struct phusa_text){ buffer, length }, &read), PHUSA_OK);
    assert_true(read.online && read.log == written.log && read.first == 1 &&
                read.next == written.next && read.clock == written.clock &&
                read.boot == written.boot && read.days_held == written.days_held);
    assert_string_equal(read.firmware, written.firmware);
    assert_string_equal(read.hardware, written.hardware);
    assert_string_equal(read.reset, written.reset);
    written.firmware[0] = (char)0xff; /* not UTF-8 */
    assert_int_equal(phusa_status_print(&written, buffer, sizeof(buffer)), 0);
}

static void the_longest_status_fits(void **state)
{
    (void)state;
    struct phusa_status_message message = { .has_log = true,
                                            .has_first = true,
                                            .has_next = true,
                                            .first = UINT64_MAX,
                                            .next = UINT64_MAX,
                                            .days_held = -1.2345678901234567e-300,
                                            .boot = UINT32_MAX };
    char buffer[PHUSA_MESSAGE_MAX];

    memset(message.firmware, 1, PHUSA_WORD_MAX - 1); /* six bytes each in JSON */
    memset(message.hardware, 1, PHUSA_WORD_MAX - 1);
    memset(message.reset, 1, PHUSA_WORD_MAX - 1);
    assert_true(phusa_status_print(&message, buffer, sizeof(buffer)) >
                (size_t)6 * 3 * (PHUSA_WORD_MAX - 1));
}

static void refuses_what_is_no_status(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum phusa_status status;
    } cases[] = {
        { "", PHUSA_ERR_TRUNCATED },
        { "{\"state\":\"online\"", PHUSA_ERR_TRUNCATED },
        { "{\"state\":\"on", PHUSA_ERR_TRUNCATED },
        { "{\"state\":\"online\"}x", PHUSA_ERR_SYNTAX },
        { "{\"state\":\"online\",\"state\":\"online\"}", PHUSA_ERR_SYNTAX },
        { "{\"other\":[1,}", PHUSA_ERR_SYNTAX },
        { "[]", PHUSA_ERR_TYPE },
        { "{}", PHUSA_ERR_TYPE },
        { "{\"state\":1}", PHUSA_ERR_TYPE },
        { "{\"state\":\"online\",\"first\":\"1\"}", PHUSA_ERR_TYPE },
        { "{\"state\":\"asleep\"}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\\u0000\"}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"log\":\"5f3a09c\"}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"log\":\"5f3a09cg\"}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"next\":-1}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"next\":9007199254740992}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"boot\":4294967296}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"boot\":1.5}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"clock\":\"atomic\"}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"days_held\":1e999}", PHUSA_ERR_RANGE },
        { "{\"state\":\"online\",\"fw\":\"01234567890123456789012345678901\"}", PHUSA_ERR_RANGE },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_status_message message;

        print_message("%s\n", cases[i].text);
        assert_int_equal(phusa_status_parse(phusa_text_of(cases[i].text), &message),
                         cases[i].status);
    }
}

static void reads_the_receipt_of_the_contract(void **state)
{
    (void)state;
    struct phusa_receipt receipt;
    char buffer[PHUSA_MESSAGE_MAX + 1];

    assert_int_equal(
        phusa_receipt_parse(
            PHUSA_TEXT("{\"log\":\"5f3a09c1\",\"upto\":1234,\"missing\":[[1200,1203]]}"), &receipt),
        PHUSA_OK);
    assert_true(receipt.log == 0x5f3a09c1 && receipt.upto == 1234 && receipt.missing_count == 1);
    assert_true(receipt.missing[0].first == 1200 && receipt.missing[0].last == 1203);
    buffer[phusa_receipt_print(&receipt, buffer, sizeof(buffer))] = '\0';
    assert_string_equal(buffer, "{\"log\":\"5f3a09c1\",\"upto\":1234,\"missing\":[[1200,1203]]}");
    assert_true(phusa_receipt_covers(&receipt, 1) && phusa_receipt_covers(&receipt, 1199) &&
                phusa_receipt_covers(&receipt, 1204) && phusa_receipt_covers(&receipt, 1234));
    assert_false(phusa_receipt_covers(&receipt, 0) || phusa_receipt_covers(&receipt, 1200) ||
                 phusa_receipt_covers(&receipt, 1203) || phusa_receipt_covers(&receipt, 1235));
}

static void refuses_what_is_no_receipt(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum phusa_status status;
    } cases[] = {
        { "{\"log\":\"5f3a09c1\",\"upto\":0}", PHUSA_OK },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[]}", PHUSA_OK },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[1,1],[2,9]]}", PHUSA_OK },
        { "{\"log\":\"5f3a09c1\"}", PHUSA_ERR_TYPE },
        { "{\"upto\":9}", PHUSA_ERR_TYPE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":7}", PHUSA_ERR_TYPE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[7]}", PHUSA_ERR_TYPE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[7]]}", PHUSA_ERR_TYPE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[7,8,9]]}", PHUSA_ERR_TYPE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[7,8]", PHUSA_ERR_TRUNCATED },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[0,1]]}", PHUSA_ERR_RANGE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[3,2]]}", PHUSA_ERR_RANGE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[3,10]]}", PHUSA_ERR_RANGE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[5,6],[1,2]]}", PHUSA_ERR_RANGE },
        { "{\"log\":\"5f3a09c1\",\"upto\":9,\"missing\":[[1,3],[3,4]]}", PHUSA_ERR_RANGE },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_receipt receipt;

        print_message("%s\n", cases[i].text);
        assert_int_equal(phusa_receipt_parse(phusa_text_of(cases[i].text), &receipt),
                         cases[i].status);
    }
}

static struct phusa_receipt draw_receipt(struct draws *draws)
{
    struct phusa_receipt receipt = { .log = (uint32_t)draw(draws) };
    uint64_t at = 0, step = draw_below(draws, 2) == 0 ? 9 : (uint64_t)1 << 46;

    receipt.missing_count = draw_below(draws, PHUSA_RECEIPT_RANGES_MAX + 1);
    for (size_t i = 0; i < receipt.missing_count; i++) {
        receipt.missing[i].first = at + 1 + draw_below(draws, step);
        receipt.missing[i].last = at = receipt.missing[i].first + draw_below(draws, step);
    }
    receipt.upto = at + draw_below(draws, step);
    return receipt;
}

static void receipts_read_back(void **state)
{
    (void)state;
    struct draws draws = draws_begin();

    for (int round = 0; round < 2000; round++) {
        struct phusa_receipt written = draw_receipt(&draws), read;
        char buffer[PHUSA_MESSAGE_MAX];
        size_t length = phusa_receipt_print(&written, buffer, sizeof(buffer));

        assert_true(length > 0);
        assert_int_equal(phusa_receipt_parse((struct phusa_text){ buffer, length }, &read),
                         PHUSA_OK);
        assert_true(read.log == written.log && read.upto == written.upto);
        assert_int_equal(read.missing_count, written.missing_count);
        for (size_t i = 0; i < read.missing_count; i++) {
            assert_true(read.missing[i].first == written.missing[i].first);
            assert_true(read.missing[i].last == written.missing[i].last);
        }
        assert_int_equal(phusa_receipt_print(&written, buffer, length - 1), 0);
    }
}

static void seventeen_ranges_are_too_many(void **state)
{
    (void)state;
    char text[PHUSA_MESSAGE_MAX];
    struct phusa_receipt receipt;
    int used = snprintf(text, sizeof(text), "{\"log\":\"00000001\",\"upto\":99,\"missing\":[[1,1]");

    for (int i = 1; i <= 16; i++) {
        used +=
            snprintf(text + used, sizeof(text) - (size_t)used, ",[%d,%d]", 2 * i + 1, 2 * i + 1);
    }
    snprintf(text + used, sizeof(text) - (size_t)used, "]}");
    assert_int_equal(phusa_receipt_parse(phusa_text_of(text), &receipt), PHUSA_ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_full_status),
        cmocka_unit_test(the_will_is_state_and_log),
        cmocka_unit_test(a_status_reads_back),
        cmocka_unit_test(the_longest_status_fits),
        cmocka_unit_test(refuses_what_is_no_status),
        cmocka_unit_test(reads_the_receipt_of_the_contract),
        cmocka_unit_test(refuses_what_is_no_receipt),
        cmocka_unit_test(receipts_read_back),
        cmocka_unit_test(seventeen_ranges_are_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
