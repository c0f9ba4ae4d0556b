/* Sequence numbers against a plain set, receipts against the contract, the first value wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "ledger/history.h"
#include "ledger/sequence.h"

#define SEQS 400

/* Note at a time that does not matter. */
static enum sequence_result note(struct sequence *sequence, uint64_t seq)
{
    return sequence_note(sequence, seq, 1);
}

static void in_order_settles_at_once(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    for (uint64_t seq = 1; seq <= 100; seq++) {
        assert_int_equal(note(&sequence, seq), SEQUENCE_NEW);
    }
    assert_int_equal(sequence.settled, 100);
    assert_int_equal(sequence.received, 100);
    assert_int_equal(sequence.filled, 0);
    assert_int_equal(sequence.run_count, 0);
    assert_int_equal(note(&sequence, 50), SEQUENCE_KNOWN);
}

static void upto_stops_before_the_seventeenth_gap(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    struct phusa_receipt receipt;
    for (uint64_t seq = 2; seq <= 60; seq += 2) {
        assert_int_equal(note(&sequence, seq), SEQUENCE_NEW);
    }
    sequence_receipt(&sequence, 0x5f3a09c1, &receipt);
    assert_int_equal(receipt.missing_count, 16);
    assert_int_equal(receipt.upto, 32);
    assert_int_equal(receipt.missing[0].first, 1);
    assert_int_equal(receipt.missing[15].last, 31);
}

/* --- gaps ------------------------------------------------------------------------------ */

static void a_gap_is_as_old_as_it_was_noticed_even_when_split(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    assert_int_equal(sequence_oldest_gap(&sequence), INT64_MAX);
    (void)sequence_note(&sequence, 1, 100);
    (void)sequence_note(&sequence, 10, 200); /* 2..9 */
    (void)sequence_note(&sequence, 20, 300); /* 11..19 */
    assert_int_equal(sequence_oldest_gap(&sequence), 200);
    (void)sequence_note(&sequence, 15, 400); /* 11..14 and 16..19 are as old as 11..19 */
    assert_int_equal(sequence.run_count, 3);
    assert_int_equal(sequence.runs[1].noticed_ns, 300);
    assert_int_equal(sequence.runs[2].noticed_ns, 300);
    for (uint64_t seq = 2; seq < 10; seq++) {
        assert_int_equal(sequence_note(&sequence, seq, 500), SEQUENCE_NEW);
    }
    assert_int_equal(sequence.filled, 9); /* with 15 */
    assert_int_equal(sequence_oldest_gap(&sequence), 300);
    assert_int_equal(sequence_missing(&sequence), 8);
    assert_int_equal(sequence_highest(&sequence), 20);
}

static void a_gap_that_cannot_be_filled_is_closed_with_its_reason(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    (void)note(&sequence, 1);
    (void)note(&sequence, 10);
    assert_int_equal(sequence_missing(&sequence), 8);
    assert_int_equal(sequence_announce(&sequence, 6, 11, 70), 4);
    assert_int_equal(sequence_missing(&sequence), 4);
    assert_int_equal(sequence.settled, 5);
    assert_int_equal(sequence_announce(&sequence, 12, 31, 80), 5);
    assert_int_equal(sequence.settled, 11);
    assert_int_equal(sequence.announced, 30);
    assert_int_equal(sequence.closed[GAP_OVERWRITTEN], 9);
    assert_int_equal(sequence.closed_count, 2); /* 2..9, joined; 11, behind the report 10 */
    assert_int_equal(sequence_end(&sequence, 90), 19);
    assert_int_equal(sequence.closed[GAP_LOG_ERASED], 19);
    assert_int_equal(sequence.settled, 30);
    assert_int_equal(sequence_end(&sequence, 91), 0);
    assert_string_equal(gap_end_name(GAP_OVERWRITTEN), "overwritten");
    assert_string_equal(gap_end_name(GAP_LOG_ERASED), "log erased");
}

static void a_closed_one_that_comes_after_all_counts_as_come(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    (void)sequence_announce(&sequence, 11, 11, 70);
    assert_int_equal(note(&sequence, 5), SEQUENCE_NEW);
    assert_int_equal(note(&sequence, 5), SEQUENCE_KNOWN);
    assert_int_equal(note(&sequence, 1), SEQUENCE_NEW);
    assert_int_equal(note(&sequence, 10), SEQUENCE_NEW);
    assert_int_equal(sequence.received, 3);
    assert_int_equal(sequence.filled, 3);
    assert_int_equal(sequence.closed[GAP_OVERWRITTEN], 7);
    assert_int_equal(sequence.closed_count, 2);
    assert_int_equal(sequence.closed_ranges[0].first, 2);
    assert_int_equal(sequence.closed_ranges[1].last, 9);
}

static void more_closed_ranges_than_remembered_leave_doubt(void **state)
{
    (void)state;
    struct sequence sequence = { 0 };
    for (uint64_t i = 0; i <= SEQUENCE_CLOSED_MAX; i++) { /* 1, 3, 5, ... closed one by one */
        (void)note(&sequence, 2 * i + 2);
        assert_int_equal(sequence_announce(&sequence, 2 * i + 2, 2 * i + 3, 1), 1);
    }
    assert_int_equal(sequence.closed_count, SEQUENCE_CLOSED_MAX);
    assert_int_equal(sequence.blurred, 1);
    assert_int_equal(note(&sequence, 1), SEQUENCE_DOUBTFUL);
    assert_int_equal(note(&sequence, 2), SEQUENCE_KNOWN);
    assert_int_equal(note(&sequence, 3), SEQUENCE_NEW);
    assert_int_equal(sequence.closed[GAP_OVERWRITTEN], SEQUENCE_CLOSED_MAX);
}

/* --- against a plain set ------------------------------------------------------------------- */

enum fate { ABSENT, COME, CLOSED };

static bool saves_and_loads_the_same(const struct sequence *sequence)
{
    struct state_writer writer = { 0 }, again = { 0 };
    struct sequence loaded;
    sequence_save(sequence, &writer);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    bool good = sequence_load(&loaded, &reader) && reader.at == reader.end;
    sequence_save(&loaded, &again);
    good = good && again.used == writer.used && memcmp(again.bytes, writer.bytes, again.used) == 0;
    state_writer_free(&writer);
    state_writer_free(&again);
    return good;
}

static void check_against(const struct sequence *sequence, const enum fate *fates)
{
    struct phusa_receipt receipt;
    uint64_t come = 0, closed = 0, missing = 0, runs = 0;
    uint64_t highest = sequence_highest(sequence);
    sequence_receipt(sequence, 1, &receipt);
    for (uint64_t s = 1; s <= SEQS; s++) {
        come += fates[s] == COME;
        closed += fates[s] == CLOSED;
        missing += fates[s] == ABSENT && s < highest;
        assert_true(fates[s] == ABSENT || s <= highest);
        if (s <= receipt.upto) {
            assert_int_equal(phusa_receipt_covers(&receipt, s), fates[s] != ABSENT);
        }
    }
    for (uint32_t i = 0; i < sequence->run_count; i++) {
        runs += sequence->runs[i].last - sequence->runs[i].first + 1;
    }
    assert_int_equal(sequence->received, come);
    assert_int_equal(sequence->closed[0] + sequence->closed[1], closed);
    assert_int_equal(sequence->settled + runs, come + closed);
    assert_int_equal(sequence_missing(sequence), missing);
}

static void note_and_check(struct sequence *sequence, enum fate *fates, uint64_t seq)
{
    enum sequence_result result = note(sequence, seq);
    if (result == SEQUENCE_UNTRACKED) {
        assert_int_equal(fates[seq], ABSENT);
    } else if (result == SEQUENCE_DOUBTFUL) {
        assert_true(fates[seq] != ABSENT && seq <= sequence->blurred);
    } else {
        assert_int_equal(result, fates[seq] == COME ? SEQUENCE_KNOWN : SEQUENCE_NEW);
        fates[seq] = COME;
    }
}

static void close_below(enum fate *fates, uint64_t end)
{
    for (uint64_t s = 1; s < end; s++) {
        fates[s] = fates[s] == ABSENT ? CLOSED : fates[s];
    }
}

static void any_order_agrees_with_a_plain_set(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 100; round++) {
        struct sequence sequence = { 0 };
        enum fate fates[SEQS + 2] = { ABSENT };
        for (int i = 0; i < 600; i++) {
            uint64_t kind = draw_below(&draws, 200);
            if (kind == 0) {
                uint64_t first = 1 + draw_below(&draws, SEQS / 2);
                (void)sequence_announce(&sequence, first, first + draw_below(&draws, 20), i);
                close_below(fates, first);
            } else if (kind == 1 && round % 4 == 0) {
                uint64_t highest = sequence_highest(&sequence);
                (void)sequence_end(&sequence, i);
                close_below(fates,
                            1 + (highest > sequence.announced ? highest : sequence.announced));
            } else {
                note_and_check(&sequence, fates, 1 + draw_below(&draws, SEQS));
            }
            check_against(&sequence, fates);
            assert_true(i % 50 != 0 || saves_and_loads_the_same(&sequence));
        }
    }
}

static void what_is_no_sequence_is_not_loaded(void **state)
{
    (void)state;
    struct sequence sequence = { 0 }, loaded;
    struct state_writer writer = { 0 };
    (void)note(&sequence, 3);
    (void)note(&sequence, 9);
    (void)sequence_announce(&sequence, 2, 10, 5);
    sequence_save(&sequence, &writer);
    for (size_t length = 0; length < writer.used; length++) {
        struct state_reader reader = state_reader_of(writer.bytes, length);
        assert_false(sequence_load(&loaded, &reader));
        assert_true(reader.failed);
    }
    writer.bytes[1] ^= 1; /* received */
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_false(sequence_load(&loaded, &reader));
    state_writer_free(&writer);
}

/* --- history --------------------------------------------------------------------------------- */

static void the_first_value_for_a_time_wins(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    for (int64_t t = 1; t <= 100; t++) {
        assert_int_equal(history_note(&history, t * 10, (double)t, INT64_MAX), HISTORY_NEW);
    }
    assert_int_equal(history_note(&history, 1000, 100, INT64_MAX), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 1000, 101, INT64_MAX), HISTORY_CONFLICT);
    assert_int_equal(history_note(&history, 400, 40, INT64_MAX), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 405, 40, INT64_MAX), HISTORY_NEW);
    assert_int_equal(history_note(&history, 405, 40, INT64_MAX), HISTORY_DUPLICATE);
    assert_int_equal(history_note(&history, 10, 5, INT64_MAX),
                     HISTORY_NEW); /* beyond what is remembered */
    assert_int_equal(history.count, 64);
    history_free(&history);
}

static void zero_has_one_sign(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    assert_int_equal(history_note(&history, 5, 0.0, INT64_MAX), HISTORY_NEW);
    assert_int_equal(history_note(&history, 5, -0.0, INT64_MAX), HISTORY_DUPLICATE);
    history_free(&history);
}

static void what_seems_to_have_come_is_new_only_if_it_cannot_be_forgotten(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    for (int64_t t = 1; t <= 40; t++) {
        (void)history_note(&history, t * 10, (double)t, INT64_MAX);
    }
    assert_int_equal(history_recall(&history, 5, 1, INT64_MAX),
                     HISTORY_NEW); /* nothing was forgotten */
    for (int64_t t = 41; t <= 100; t++) {
        (void)history_note(&history, t * 10, (double)t, INT64_MAX);
    }
    assert_int_equal(history_recall(&history, 1000, 100, INT64_MAX), HISTORY_DUPLICATE);
    assert_int_equal(history_recall(&history, 1000, 101, INT64_MAX), HISTORY_CONFLICT);
    assert_int_equal(history_recall(&history, 1005, 1, INT64_MAX), HISTORY_NEW);
    assert_int_equal(history_recall(&history, 505, 1, INT64_MAX), HISTORY_NEW);
    assert_int_equal(history_recall(&history, 300, 30, INT64_MAX),
                     HISTORY_DUPLICATE); /* 370 is the oldest */
    assert_int_equal(history_recall(&history, 505, 1, INT64_MAX),
                     HISTORY_NEW); /* it was not noted */
    history_free(&history);
}

/* A backlog behind fresh reports, or a clock that was ahead: times of arrival and of readings
 * differ. */
static void what_came_ahead_of_its_time_and_was_forgotten_is_not_new(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    for (int64_t t = 501; t <= 540; t++) {
        (void)history_note(&history, t, 1, 1000);
    }
    for (int64_t t = 1; t <= 100; t++) {
        (void)history_note(&history, t, 1, 1000);
    }
    assert_int_equal(history.forgotten, 540);
    for (int64_t t = 501; t <= 540; t++) {
        assert_int_equal(history_recall(&history, t, 1, 1000), HISTORY_DUPLICATE);
    }
    assert_int_equal(history_recall(&history, 541, 1, 1000), HISTORY_NEW);
    history_free(&history);
}

static void times_beyond_the_horizon_hide_nothing_for_ever(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 64);
    for (int64_t t = 1; t <= 10; t++) {
        (void)history_note(&history, 1000000 + t, 1, 1000);
    }
    for (int64_t t = 1; t <= 100; t++) {
        (void)history_note(&history, t, 1, 1000);
    }
    assert_int_equal(history.forgotten, 36);
    assert_int_equal(history_recall(&history, 36, 1, 1000), HISTORY_DUPLICATE);
    assert_int_equal(history_recall(&history, 1000001, 1, 1000), HISTORY_DUPLICATE);
    assert_int_equal(history_recall(&history, 101, 1, 1000), HISTORY_NEW);
    history_free(&history);
}

/* Saved and loaded at any moment, it answers as the one that went on. */
static void a_history_that_was_loaded_answers_as_before(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 200; round++) {
        struct history one, two;
        struct state_writer writer = { 0 };
        history_init(&one, (uint32_t)(1 + draw_below(&draws, 100)));
        history_init(&two, one.limit);
        for (uint64_t i = draw_below(&draws, 300); i > 0; i--) {
            (void)history_note(&one, (int64_t)draw_below(&draws, 400), 1, INT64_MAX);
        }
        history_save(&one, &writer);
        struct state_reader reader = state_reader_of(writer.bytes, writer.used);
        assert_true(history_load(&two, &reader));
        assert_ptr_equal(reader.at, reader.end);
        assert_true(two.count < two.limit || two.forgotten > INT64_MIN); /* a guess */
        two.forgotten = one.forgotten;
        for (int i = 0; i < 300; i++) {
            int64_t time_ns = (int64_t)draw_below(&draws, 500);
            double value = (double)draw_below(&draws, 2);
            assert_int_equal(history_recall(&one, time_ns, value, INT64_MAX),
                             history_recall(&two, time_ns, value, INT64_MAX));
            assert_int_equal(history_note(&one, time_ns, value, INT64_MAX),
                             history_note(&two, time_ns, value, INT64_MAX));
        }
        for (size_t length = 0; length < writer.used; length += 7) {
            struct history three;
            history_init(&three, one.limit);
            reader = state_reader_of(writer.bytes, length);
            assert_false(history_load(&three, &reader));
            assert_true(reader.failed);
            assert_int_equal(three.count, 0);
            history_free(&three);
        }
        state_writer_free(&writer);
        history_free(&one);
        history_free(&two);
    }
}

static void a_history_costs_about_three_bytes_a_reading(void **state)
{
    (void)state;
    struct history history;
    struct state_writer writer = { 0 };
    history_init(&history, 256);
    for (int64_t i = 0; i < 1000; i++) {
        (void)history_note(&history, (1700000000 + i * 300) * INT64_C(1000000000), (double)i,
                           INT64_MAX);
    }
    history_save(&history, &writer);
    assert_true(writer.used < 256 * 3 + 64);
    state_writer_free(&writer);
    history_free(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_settles_at_once),
        cmocka_unit_test(upto_stops_before_the_seventeenth_gap),
        cmocka_unit_test(a_gap_is_as_old_as_it_was_noticed_even_when_split),
        cmocka_unit_test(a_gap_that_cannot_be_filled_is_closed_with_its_reason),
        cmocka_unit_test(a_closed_one_that_comes_after_all_counts_as_come),
        cmocka_unit_test(more_closed_ranges_than_remembered_leave_doubt),
        cmocka_unit_test(any_order_agrees_with_a_plain_set),
        cmocka_unit_test(what_is_no_sequence_is_not_loaded),
        cmocka_unit_test(the_first_value_for_a_time_wins),
        cmocka_unit_test(zero_has_one_sign),
        cmocka_unit_test(what_seems_to_have_come_is_new_only_if_it_cannot_be_forgotten),
        cmocka_unit_test(what_came_ahead_of_its_time_and_was_forgotten_is_not_new),
        cmocka_unit_test(times_beyond_the_horizon_hide_nothing_for_ever),
        cmocka_unit_test(a_history_that_was_loaded_answers_as_before),
        cmocka_unit_test(a_history_costs_about_three_bytes_a_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
