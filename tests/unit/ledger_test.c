/* Sequence numbers against a plain set, receipts against the contract, the first value wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/history.h"
#include "ledger/sequence.h"

#define SEQS 400

static void in_order_settles_at_once(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    for (uint64_t seq = 1; seq <= 100; seq++) {
        assert_int_equal(sequence_note(&sequence, seq), SEQUENCE_NEW);
    }
    assert_int_equal(sequence.settled, 100);
    assert_int_equal(sequence.range_count, 0);
    assert_int_equal(sequence_note(&sequence, 50), SEQUENCE_KNOWN);
}

static void any_order_agrees_with_a_plain_set(void **state)
{
    (void)state;
    unsigned seed = 7;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        struct sequence sequence = { 0 };
        bool have[SEQS + 2] = { false };
        for (int i = 0; i < 600; i++) {
            uint64_t seq = 1 + (uint64_t)(rand_r(&seed) % SEQS);
            enum sequence_result result = sequence_note(&sequence, seq);
            if (result == SEQUENCE_UNTRACKED) {
                assert_false(have[seq]);
                continue;
            }
            assert_int_equal(result, have[seq] ? SEQUENCE_KNOWN : SEQUENCE_NEW);
            have[seq] = true;
            struct phusa_receipt receipt;
            sequence_receipt(&sequence, 1, &receipt);
            uint64_t missing = 0, highest = 0;
            for (uint64_t s = 1; s <= SEQS; s++) {
                highest = have[s] ? s : highest;
                if (s <= receipt.upto) {
                    assert_int_equal(phusa_receipt_covers(&receipt, s), have[s]);
                }
            }
            for (uint64_t s = 1; s < highest; s++) {
                missing += have[s] ? 0 : 1;
            }
            assert_int_equal(sequence_missing(&sequence), missing);
        }
    }
}

static void upto_stops_before_the_seventeenth_gap(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    struct phusa_receipt receipt;
    for (uint64_t seq = 2; seq <= 60; seq += 2) {
        assert_int_equal(sequence_note(&sequence, seq), SEQUENCE_NEW);
    }
    sequence_receipt(&sequence, 0x5f3a09c1, &receipt);
    assert_int_equal(receipt.missing_count, 16);
    assert_int_equal(receipt.upto, 32);
    assert_int_equal(receipt.missing[0].first, 1);
    assert_int_equal(receipt.missing[15].last, 31);
}

static void a_gap_that_cannot_be_filled_is_closed(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    (void)sequence_note(&sequence, 1);
    (void)sequence_note(&sequence, 10);
    assert_int_equal(sequence_missing(&sequence), 8);
    assert_int_equal(sequence_give_up_below(&sequence, 6), 4);
    assert_int_equal(sequence_missing(&sequence), 4);
    assert_int_equal(sequence.settled, 5);
    assert_int_equal(sequence_give_up_below(&sequence, 12), 5);
    assert_int_equal(sequence.settled, 11);
    assert_int_equal(sequence.given_up, 9);
}

static void the_first_value_for_a_time_wins(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    for (int64_t t = 1; t <= 100; t++) {
        assert_int_equal(history_note(&history, t * 10, (double)t), HISTORY_NEW);
    }
    assert_int_equal(history_note(&history, 1000, 100), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 1000, 101), HISTORY_CONFLICT);
    assert_int_equal(history_note(&history, 400, 40), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 405, 40), HISTORY_NEW);
    assert_int_equal(history_note(&history, 405, 40), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 10, 5), HISTORY_NEW); /* beyond what is remembered */
    assert_int_equal(history.capacity, 64);
    history_free(&history);
}

static void zero_has_one_sign(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    assert_int_equal(history_note(&history, 5, 0.0), HISTORY_NEW);
    assert_int_equal(history_note(&history, 5, -0.0), HISTORY_DUPLICATE);
    history_free(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_settles_at_once),
        cmocka_unit_test(any_order_agrees_with_a_plain_set),
        cmocka_unit_test(upto_stops_before_the_seventeenth_gap),
        cmocka_unit_test(a_gap_that_cannot_be_filled_is_closed),
        cmocka_unit_test(the_first_value_for_a_time_wins),
        cmocka_unit_test(zero_has_one_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
