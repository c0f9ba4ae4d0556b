/* A storm of alarms gives each person a few messages and then one digest, whatever its size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storm.h"

#define SERIES 600
#define BATCH  20 /* crossings in a commit; two seconds of the minute */
#define PEOPLE ((size_t)STORM_CHANNELS * STORM_PEOPLE)

static const wall_time begin = { INT64_C(1763688910) * SECOND_NS };
static struct storm storm;
static struct outbox *outbox;
static struct outbox_parcel parcel;
static struct got {
    size_t singles, digests, told; /* told: letters, and those only counted */
} got[STORM_CHANNELS * STORM_PEOPLE];

static int make(void **state)
{
    (void)state;
    struct problem problem = { "" };
    uint64_t position = 0;
    sample_make_folder();
    assert_true(storm_make(&storm, SERIES, 60 * SECOND_NS));
    assert_int_equal(outbox_open(sample_path, &outbox, &position, &problem), OUTBOX_OK);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    outbox_parcel_clear(&parcel);
    outbox_close(outbox);
    storm_free(&storm);
    sample_remove_folder();
    return 0;
}

static void send_what_is_due(wall_time now)
{
    for (size_t i = 0; i < STORM_CHANNELS; i++) {
        const struct outbox_terms terms = { .digests = true,
                                            .most = PARCEL_LETTERS_MAX,
                                            .pace = storm.channels[i].pace };
        while (outbox_take(outbox, storm.channels[i].id, &terms, now, &parcel, NULL) == OUTBOX_OK) {
            struct got *person = &got[strtoul(parcel.address, NULL, 10)];
            person->singles += parcel.digest == 0;
            person->digests += parcel.digest != 0;
            person->told += parcel.count + parcel.more;
            assert_true(parcel.count <= PARCEL_LETTERS_MAX);
            assert_int_equal(outbox_mark(outbox, &parcel, &terms, OUTBOX_SENT, now, NULL),
                             OUTBOX_OK);
        }
    }
}

static void one_digest_behind_the_burst(void **state)
{
    (void)state;
    static struct notice notices[BATCH];
    struct problem problem = { "" };
    struct outbox_counters counters;
    wall_time now = begin;
    for (size_t at = 0; at < SERIES; at += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            notices[i] = storm_notice(&storm, at + i);
            notices[i].time_ns = now.ns;
        }
        assert_int_equal(
            outbox_commit(outbox, notices, BATCH, &storm.settings, at + BATCH, now, &problem),
            OUTBOX_OK);
        send_what_is_due(now);
        now.ns += 2 * SECOND_NS;
    }
    now.ns += 60 * SECOND_NS;
    send_what_is_due(now);
    for (size_t i = 0; i < PEOPLE; i++) {
        assert_int_equal(got[i].singles, STORM_BURST);
        assert_int_equal(got[i].digests, 1);
        assert_int_equal(got[i].told, SERIES);
    }
    outbox_read_counters(outbox, &counters);
    assert_int_equal(counters.waiting, SERIES); /* the topic's */
    assert_int_equal(counters.dropped, 0);
    assert_int_equal(counters.sent, PEOPLE * SERIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_digest_behind_the_burst, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
