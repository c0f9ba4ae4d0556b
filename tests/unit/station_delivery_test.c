/* The delivery list against a plain array that has one entry for each report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery.h"

#define SECOND  INT64_C(1000000000)
#define REPORTS 3000

static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static struct delivery begin(uint64_t end)
{
    struct delivery delivery;
    delivery_init(&delivery, 1, end, 60 * SECOND, 5, 0);
    return delivery;
}

static void send_range(struct delivery *delivery, uint64_t first, uint64_t last, int64_t at)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_true(delivery_waiting(delivery, seq) == seq);
        delivery_sent(delivery, seq, at);
    }
}

static void assert_sound(const struct delivery *delivery)
{
    assert_true(delivery->count <= DELIVERY_RUNS_MAX);
    for (size_t i = 0; i < delivery->count; i++) {
        uint64_t behind = i + 1 < delivery->count ? delivery->runs[i + 1].first : delivery->end;
        assert_true(delivery->runs[i].first < behind);
    }
    assert_true(delivery->count == 0 || delivery->runs[0].fate != DELIVERY_COVERED);
}

static void test_a_thousand_on_their_way_are_one_run(void **state)
{
    (void)state;
    struct delivery delivery = begin(1001);
    send_range(&delivery, 1, 1000, SECOND);
    assert_int_equal(delivery.count, 1);
    assert_true(delivery_in_flight(&delivery, 2 * SECOND) == 1000);
    assert_true(delivery_in_flight(&delivery, 70 * SECOND) == 0);
    struct phusa_receipt receipt = { .upto = 600 };
    delivery_receipt(&delivery, &receipt, 1, 2 * SECOND);
    assert_true(delivery_in_flight(&delivery, 2 * SECOND) == 400);
    assert_true(delivery.covered == 600 && delivery_covered_below(&delivery) == 601);
    receipt.upto = 5000; /* more than there is */
    delivery_receipt(&delivery, &receipt, 1, 3 * SECOND);
    assert_true(delivery_settled(&delivery) && delivery.covered == 1000);
    assert_int_equal(delivery.count, 0);
}

static void test_overwritten_reports_are_counted_once(void **state)
{
    (void)state;
    struct delivery delivery = begin(101);
    struct phusa_receipt receipt = { .upto = 40, .missing_count = 1, .missing = { { 11, 20 } } };
    send_range(&delivery, 1, 50, SECOND);
    delivery_receipt(&delivery, &receipt, 1, SECOND);
    assert_true(delivery_drop_below(&delivery, 16) == 5);
    assert_true(delivery_drop_below(&delivery, 16) == 0);
    assert_true(delivery_drop_below(&delivery, 61) == 5 + 20);
    assert_true(delivery_waiting(&delivery, 0) == 61);
    assert_true(delivery_drop_below(&delivery, 101) == 40);
    assert_true(delivery_settled(&delivery));
}

static void test_strikes_space_out_and_end(void **state)
{
    (void)state;
    struct delivery delivery = begin(2);
    unsigned sendings = 0;
    for (int64_t t = 0; t < 600; t++) {
        delivery_extend(&delivery, (uint64_t)t + 3);
        delivery_expire(&delivery, t * SECOND);
        for (uint64_t seq = delivery_waiting(&delivery, 0); seq != 0;
             seq = delivery_waiting(&delivery, 0)) {
            sendings += seq == 1;
            delivery_sent(&delivery, seq, t * SECOND);
        }
        struct phusa_receipt receipt = { .upto = (uint64_t)t + 2,
                                         .missing_count = 1,
                                         .missing = { { 1, 1 } } };
        delivery_receipt(&delivery, &receipt, 1, t * SECOND);
    }
    assert_int_equal(sendings, 5);
    assert_true(delivery.set_aside == 1);
    assert_true(delivery_settled(&delivery));
}

/* Only sound receipts are given: the list must never lose a report, nor call one covered falsely.
 */
static void trouble(uint64_t seed)
{
    static bool arrived[REPORTS + 1], told[REPORTS + 1];
    memset(arrived, 0, sizeof arrived);
    memset(told, 0, sizeof told);
    random_state = seed;
    struct delivery delivery = begin(1);
    int64_t now = 0;
    bool full = false;
    for (int step = 0; step < 20000; step++) {
        now += next_random(3 * 1000) * (SECOND / 1000);
        if (delivery.end <= REPORTS && next_random(3) == 0) {
            delivery_extend(&delivery,
                            delivery.end + 1 + next_random(3) * (delivery.end < REPORTS - 3));
        }
        delivery_expire(&delivery, now);
        for (uint32_t i = next_random(4); i > 0; i--) {
            uint64_t seq =
                delivery_waiting(&delivery, next_random(2) == 0 ? 0 : next_random(REPORTS));
            if (seq != 0) {
                assert_true(!told[seq] || full); /* joined runs may be sent once too often */
                delivery_sent(&delivery, seq, now);
                arrived[seq] =
                    arrived[seq] || (next_random(10) < 6 && step < 12000) || step > 15000;
            }
        }
        if (next_random(500) == 0) {
            delivery_unsend(&delivery, now);
        }
        if (next_random(4) == 0) {
            struct phusa_receipt receipt = { 0 };
            uint64_t upto = delivery.end - 1;
            for (uint64_t seq = 1; seq <= upto; seq++) {
                bool more = receipt.missing_count > 0 &&
                            receipt.missing[receipt.missing_count - 1].last + 1 == seq;
                if (arrived[seq]) {
                    receipt.upto = seq;
                } else if (more) {
                    receipt.missing[receipt.missing_count - 1].last = receipt.upto = seq;
                } else if (receipt.missing_count < PHUSA_RECEIPT_RANGES_MAX) {
                    receipt.missing[receipt.missing_count++] = (struct phusa_seq_range){ seq, seq };
                    receipt.upto = seq;
                } else {
                    break;
                }
            }
            delivery_receipt(&delivery, &receipt, 1, now);
            for (uint64_t seq = 1; seq <= receipt.upto; seq++) {
                told[seq] = told[seq] || arrived[seq];
            }
        }
        full = full || delivery.count + 2 >= DELIVERY_RUNS_MAX;
        assert_sound(&delivery);
    }
    print_message("seed %llu: %s\n", (unsigned long long)seed,
                  full ? "the list was full" : "roomy");
    for (uint64_t seq = 1; seq < delivery.end; seq++) {
        assert_true(arrived[seq] || delivery.set_aside > 0);
    }
}

static void test_random_trouble(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        trouble(seed);
    }
}

/* More runs than fit: some are joined, none is forgotten. */
static void test_too_many_runs(void **state)
{
    (void)state;
    struct delivery delivery = begin(2001);
    for (uint64_t seq = 2; seq <= 2000; seq += 2) {
        delivery_sent(&delivery, seq, (int64_t)seq * SECOND);
        assert_sound(&delivery);
    }
    bool sent_again[2001] = { false };
    int64_t late = 100000 * SECOND;
    delivery_unsend(&delivery, late);
    for (uint64_t seq = delivery_waiting(&delivery, 0); seq != 0;
         seq = delivery_waiting(&delivery, 0)) {
        sent_again[seq] = true;
        delivery_sent(&delivery, seq, late);
    }
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        assert_true(sent_again[seq]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_on_their_way_are_one_run),
        cmocka_unit_test(test_overwritten_reports_are_counted_once),
        cmocka_unit_test(test_strikes_space_out_and_end),
        cmocka_unit_test(test_random_trouble),
        cmocka_unit_test(test_too_many_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
