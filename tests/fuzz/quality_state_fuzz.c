/*
 * The saved states of quality tests, windows and traps, with anything changed in them: refused,
 * and then as empty as before, or taken; what was taken works on within its bounds, and comes back
 * as it was when it is saved and read once more.
 * The form of the input: states.h.
 */
#include "base/clock.h"
#include "base/state.h"
#include "fuzz.h"
#include "quality/qartod.h"
#include "quality/trap.h"
#include "quality/window.h"
#include "states.h"

#define EVERY_NS (300 * SECOND_NS)
#define BEGIN_NS (INT64_C(1767200400) * SECOND_NS) /* 2026-01-01 at +07:00 */
#define OFFSET_S 25200
#define GOOD     400 /* readings that make the good states: more than a day */
#define AFTER    50  /* taken after a restore */

enum { QARTOD, WINDOW, TRAP, SUBJECTS };

/* A number that moves, now and then missing. */
static double sample(size_t i)
{
    return i % 97 == 0 ? (double)NAN : 20 + (double)(i * 7919 % 100) / 10;
}

static struct state_reader reader_of(const struct state_writer *writer)
{
    ENSURE(!writer->failed);
    return state_reader_of(writer->bytes, writer->used);
}

static void ensure_same(struct state_writer *a, struct state_writer *b)
{
    ENSURE(!a->failed && !b->failed && a->used == b->used);
    ENSURE(a->used == 0 || memcmp(a->bytes, b->bytes, a->used) == 0);
    state_writer_free(a);
    state_writer_free(b);
}

/* ---- quality tests ---- */

static const struct qc_settings qc = {
    .gross = { true, { 0, 50 }, { 5, 40 } },
    .spike = { true, QC_SPIKE_DIFFERENTIAL, 2, 5 },
    .rate = { true, 0.01, 0.02 },
    .flat_line = { true, 0.1, 3600, 7200 },
    .attenuated = { true, QC_SPREAD_STD, 7200, 0.5, 0.1, 0, 3600 },
};

struct emitted {
    int64_t last_ns;
    size_t count;
};

static void take_final(void *context, const struct qartod_final *final)
{
    struct emitted *emitted = context;
    ENSURE(final->time_ns > emitted->last_ns || emitted->count == 0);
    emitted->last_ns = final->time_ns;
    emitted->count++;
}

static struct qartod_series *create_series(void)
{
    struct qartod_series *series = qartod_create(&qc, EVERY_NS, 600 * SECOND_NS);
    ENSURE(series != NULL);
    return series;
}

static void feed_series(struct qartod_series *series, size_t from, size_t count)
{
    struct emitted emitted = { 0 };
    struct qartod_flags now;
    for (size_t i = from; i < from + count; i++) {
        size_t swapped = i % 9 == 0 ? i + 1 : i % 9 == 1 ? i - 1 : i; /* some come late */
        (void)qartod_take(series, BEGIN_NS + (int64_t)swapped * EVERY_NS, sample(swapped), &now,
                          take_final, &emitted);
        ENSURE(now.aggregate == 9 || (now.aggregate >= 1 && now.aggregate <= 4));
    }
}

static void check_series(struct state_reader reader)
{
    struct qartod_series *series = create_series(), *again = create_series();
    struct state_writer first = { 0 }, second = { 0 };
    if (!qartod_load(series, &reader)) {
        ENSURE(reader.failed && qartod_newest(series) == INT64_MIN);
    }
    for (int round = 0; round < 2; round++) {
        qartod_save(series, &first);
        struct state_reader saved = reader_of(&first);
        ENSURE(qartod_load(again, &saved) && saved.at == saved.end);
        qartod_save(again, &second);
        ensure_same(&first, &second);
        first = second = (struct state_writer){ 0 };
        feed_series(series, GOOD, AFTER);
        qartod_free(again);
        again = create_series();
    }
    ENSURE(qartod_bytes(series) < 64 * 1024);
    qartod_free(series);
    qartod_free(again);
}

/* ---- windows ---- */

static const struct window_settings window_settings = { .every_ns = EVERY_NS,
                                                        .lateness_ns = 600 * SECOND_NS,
                                                        .live_within_ns = 900 * SECOND_NS,
                                                        .utc_offset_s = OFFSET_S,
                                                        .coverage = 0.75,
                                                        .kinds = WINDOW_ALL,
                                                        .largest = 80 };

static void take_result(void *context, const struct window_result *result)
{
    size_t *count = context;
    ENSURE(++*count <= WINDOW_RESULTS_MAX);
    ENSURE(result->kind < WINDOW_KINDS && result->length_ns > 0 && result->behind_ns >= 0);
}

static void feed_window(struct window_series *series, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        size_t results = 0;
        struct window_out out = { take_result, &results };
        int64_t time_ns = BEGIN_NS + (int64_t)i * EVERY_NS;
        window_advance(series, &window_settings, time_ns, out);
        (void)window_add(series, &window_settings, time_ns - (int64_t)(i % 5) * EVERY_NS, sample(i),
                         time_ns, out);
    }
}

static struct window_series *create_window(void)
{
    struct window_series *series = window_create(&window_settings);
    ENSURE(series != NULL);
    return series;
}

static void check_window(struct state_reader reader)
{
    struct window_series *series = create_window(), *again = create_window();
    struct state_writer first = { 0 }, second = { 0 };
    ENSURE(window_load(series, &reader) == !reader.failed);
    for (int round = 0; round < 2; round++) {
        window_save(series, &first);
        struct state_reader saved = reader_of(&first);
        ENSURE(window_load(again, &saved) && saved.at == saved.end);
        window_save(again, &second);
        ensure_same(&first, &second);
        first = second = (struct state_writer){ 0 };
        feed_window(series, GOOD, AFTER);
        window_free(again);
        again = create_window();
    }
    window_free(series);
    window_free(again);
}

/* ---- traps ---- */

static const struct trap_settings trap_settings = { .counter = TRAP_CUMULATIVE,
                                                    .limit = 5000,
                                                    .every_ns = 900 * SECOND_NS,
                                                    .hold_ns = 7200 * SECOND_NS,
                                                    .lateness_ns = 600 * SECOND_NS,
                                                    .utc_offset_s = OFFSET_S };

static void take_night(void *context, const struct trap_night *night)
{
    size_t *count = context;
    ENSURE(++*count <= (TRAP_WAITING_MAX + 1) * (TRAP_SILENT_MAX + 1));
    ENSURE(night->lamp_ns >= 0 && night->lamp_ns <= 86400 * SECOND_NS);
    ENSURE(night->gated_ns >= 0 && night->gated_ns <= 86400 * SECOND_NS);
    ENSURE(night->outcome != TRAP_COUNTED || night->count >= 0);
}

static void feed_trap(struct trap *trap, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        size_t nights = 0;
        struct trap_event event = { .time_ns = BEGIN_NS + (int64_t)i * trap_settings.every_ns,
                                    .value = i % 4 < 2 ? (double)(i % 60 * 3) : (double)(i / 8 % 2),
                                    .what = (enum trap_what)(i % 4) };
        (void)trap_add(trap, &trap_settings, &event, take_night, &nights);
        nights = 0;
        trap_advance(trap, &trap_settings, event.time_ns, take_night, &nights);
    }
}

static void check_trap(struct state_reader reader)
{
    struct trap trap = { 0 }, again;
    struct state_writer first = { 0 }, second = { 0 };
    ENSURE(trap_load(&trap, &trap_settings, &reader) == !reader.failed);
    for (int round = 0; round < 2; round++) {
        trap_save(&trap, &first);
        struct state_reader saved = reader_of(&first);
        ENSURE(trap_load(&again, &trap_settings, &saved) && saved.at == saved.end);
        trap_save(&again, &second);
        ensure_same(&first, &second);
        first = second = (struct state_writer){ 0 };
        feed_trap(&trap, GOOD, AFTER);
    }
}

/* ---- all ---- */

static struct states_subject subjects[SUBJECTS] = { [QARTOD] = { .check = check_series },
                                                    [WINDOW] = { .check = check_window },
                                                    [TRAP] = { .check = check_trap } };

static void make_good_states(void)
{
    struct qartod_series *series = create_series();
    struct window_series *window = create_window();
    struct trap trap = { 0 };
    feed_series(series, 0, GOOD);
    feed_window(window, 0, GOOD);
    feed_trap(&trap, 0, GOOD);
    qartod_save(series, &subjects[QARTOD].good);
    window_save(window, &subjects[WINDOW].good);
    trap_save(&trap, &subjects[TRAP].good);
    qartod_free(series);
    window_free(window);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (subjects[QARTOD].good.bytes == NULL) {
        make_good_states();
    }
    states_check(subjects, SUBJECTS, data, size);
    return 0;
}
