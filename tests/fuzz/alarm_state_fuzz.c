/*
 * The saved states of alarms (machine, life, rate), with anything changed in them: refused, and
 * then as empty as before, or taken; what was taken works on within its bounds, and comes back as
 * it was when it is saved and read once more.
 * The form of the input: states.h.
 */
#include <math.h>

#include "alarm/life.h"
#include "alarm/machine.h"
#include "alarm/rate.h"
#include "alarm/silence.h"
#include "base/clock.h"
#include "fuzz.h"
#include "states.h"

#define EVERY_NS (300 * SECOND_NS)
#define BEGIN_NS (INT64_C(1767200400) * SECOND_NS) /* 2026-01-01 at +07:00 */
#define GOOD     300                               /* readings that make the good states */
#define AFTER    100                               /* taken after a restore */

enum { MACHINE, LIFE, RATE, SUBJECTS };

static const struct rule rule = {
    .levels = { { SEVERITY_MINOR, 0, 25, 0, 24, 600 * SECOND_NS, 900 * SECOND_NS },
                { SEVERITY_SEVERE, 0, 28, 0, 27, 0, 0 } },
    .level_count = 2,
    .max_gap_ns = 3600 * SECOND_NS,
    .rate_over_ns = 7200 * SECOND_NS,
    .missing_every = 3,
    .flapping = { .changes = 5, .within_ns = 7200 * SECOND_NS, .calm_ns = 3600 * SECOND_NS },
    .escalation = { .after_ns = 1800 * SECOND_NS, .from = SEVERITY_MINOR },
};

static int64_t time_of(size_t i)
{
    return BEGIN_NS + (int64_t)(i % 9 == 0 ? i + 1 : i % 9 == 1 ? i - 1 : i) * EVERY_NS;
}

static double value_of(size_t i)
{
    return 20 + (double)(i * 7919 % 100) / 10;
}

static struct state_reader reader_of(const struct state_writer *writer)
{
    ENSURE(!writer->failed);
    return state_reader_of(writer->bytes, writer->used);
}

static void ensure_same(struct state_writer *a, struct state_writer *b)
{
    ENSURE(!a->failed && !b->failed && a->used == b->used);
    ENSURE(memcmp(a->bytes, b->bytes, a->used) == 0);
    state_writer_free(a);
    state_writer_free(b);
    *a = *b = (struct state_writer){ 0 };
}

/* ---- machine ---- */

static void feed_machine(struct alarm_series *series, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        struct alarm_reading reading = { time_of(i), value_of(i), i % 5 > 0, EVERY_NS };
        struct alarm_change changes[ALARM_CHANGES_MAX];
        size_t changed = alarm_judge(&rule, series, &reading, changes);
        ENSURE(changed <= ALARM_CHANGES_MAX && series->live.state <= SEVERITY_EXTREME);
        if (changed > 0 && changes[0].tell) {
            alarm_told(series);
        }
    }
}

/* The same state, taken as that of a rule with `missing`. */
static void feed_silence(struct alarm_series *series)
{
    struct alarm_silence silence = { .from_ns = BEGIN_NS,
                                     .every_ns = EVERY_NS,
                                     .until_ns = BEGIN_NS + GOOD * EVERY_NS,
                                     .now_ns = BEGIN_NS + GOOD * EVERY_NS };
    struct alarm_change change;
    size_t levels = 0;
    while (alarm_silence_next(&rule, series, &silence, &change)) {
        ENSURE(++levels <= rule.level_count && change.to > change.from);
    }
    (void)alarm_silence_lasts(series, &silence, &change);
    (void)alarm_silence_ends(&rule, series, &silence, silence.now_ns, &change);
}

static void check_machine(struct state_reader reader)
{
    static const struct alarm_series zero = { 0 };
    struct alarm_series series, again;
    struct state_writer first = { 0 }, second = { 0 };
    if (!alarm_load(&series, &reader)) {
        ENSURE(reader.failed && memcmp(&series, &zero, sizeof zero) == 0);
    }
    for (int round = 0; round < 3; round++) {
        alarm_save(&series, &first);
        struct state_reader saved = reader_of(&first);
        ENSURE(alarm_load(&again, &saved) && saved.at == saved.end);
        alarm_save(&again, &second);
        ensure_same(&first, &second);
        if (round == 0) {
            feed_machine(&series, GOOD, AFTER);
        } else {
            feed_silence(&series);
        }
    }
}

/* ---- life ---- */

static void feed_life(struct alarm_life *life, size_t from, size_t count)
{
    enum severity told = SEVERITY_NORMAL;
    for (size_t i = from; i < from + count; i++) {
        int64_t now = time_of(i);
        enum severity to = (enum severity)(i * 7 % 5);
        (void)alarm_life_unshelves(life, now);
        (void)alarm_life_calms(life, &rule.flapping, now);
        (void)alarm_life_escalates(life, &rule.escalation, to, now);
        alarm_life_changed(life, now);
        if (to != told && alarm_life_tell(life, &rule.flapping, told, to, now, now) != ALARM_HOLD) {
            told = to;
        }
        (void)alarm_life_do(life, (enum alarm_verb)(i / 20 % ALARM_VERBS), now, now + 4 * EVERY_NS);
        ENSURE(life->count <= RULE_FLAPPING_MAX && life->oldest < RULE_FLAPPING_MAX);
    }
}

static void check_life(struct state_reader reader)
{
    static const struct alarm_life zero = { 0 };
    struct alarm_life life, again;
    struct state_writer first = { 0 }, second = { 0 };
    if (!alarm_life_load(&life, &reader)) {
        ENSURE(reader.failed && memcmp(&life, &zero, sizeof zero) == 0);
    }
    for (int round = 0; round < 2; round++) {
        alarm_life_save(&life, &first);
        struct state_reader saved = reader_of(&first);
        ENSURE(alarm_life_load(&again, &saved) && saved.at == saved.end);
        alarm_life_save(&again, &second);
        ensure_same(&first, &second);
        feed_life(&life, GOOD, AFTER);
    }
}

/* ---- rate ---- */

static void feed_rate(struct alarm_rate *rate, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        double per_hour = 0;
        (void)alarm_rate_take(rate, &rule, time_of(i), value_of(i), &per_hour);
    }
}

static void check_rate(struct state_reader reader)
{
    struct state_writer first = { 0 }, second = { 0 };
    struct alarm_rate *rate = alarm_rate_load(&reader);
    ENSURE((rate == NULL) == reader.failed);
    for (int round = 0; rate != NULL && round < 2; round++) {
        alarm_rate_save(rate, &first);
        struct state_reader saved = reader_of(&first);
        struct alarm_rate *again = alarm_rate_load(&saved);
        ENSURE(again != NULL && saved.at == saved.end);
        alarm_rate_save(again, &second);
        ensure_same(&first, &second);
        alarm_rate_free(again);
        feed_rate(rate, GOOD, AFTER);
    }
    alarm_rate_free(rate);
}

/* ---- all ---- */

static struct states_subject subjects[SUBJECTS] = { [MACHINE] = { .check = check_machine },
                                                    [LIFE] = { .check = check_life },
                                                    [RATE] = { .check = check_rate } };

static void make_good_states(void)
{
    struct alarm_series series = { 0 };
    struct alarm_life life = { 0 };
    struct alarm_rate *rate = alarm_rate_create();
    ENSURE(rate != NULL);
    feed_machine(&series, 0, GOOD);
    feed_life(&life, 0, GOOD);
    feed_rate(rate, 0, GOOD);
    alarm_save(&series, &subjects[MACHINE].good);
    alarm_life_save(&life, &subjects[LIFE].good);
    alarm_rate_save(rate, &subjects[RATE].good);
    alarm_rate_free(rate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (subjects[MACHINE].good.bytes == NULL) {
        make_good_states();
    }
    states_check(subjects, SUBJECTS, data, size);
    return 0;
}
