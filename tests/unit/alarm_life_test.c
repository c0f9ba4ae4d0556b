/* The life of an alarm: each sentence of life.h, and random lives against a plain account of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alarm/life.h"
#include "draws.h"

#define S      INT64_C(1000000000)
#define MINUTE (60 * S)
#define HOUR   (60 * MINUTE)
#define NOW    (INT64_C(1700000000) * S)

static const struct rule_flapping never_flaps = { 0 };
static const struct rule_flapping flaps = { .changes = 4, .within_ns = HOUR, .calm_ns = HOUR };
static const struct rule_escalation escalates = { .after_ns = 30 * MINUTE,
                                                  .from = SEVERITY_SEVERE };

static enum alarm_telling tell(struct alarm_life *life, enum severity from, enum severity to,
                               int64_t time_ns)
{
    return alarm_life_tell(life, &never_flaps, from, to, time_ns, time_ns);
}

static enum alarm_verb_result act(struct alarm_life *life, enum alarm_verb verb)
{
    return alarm_life_do(life, verb, NOW, NOW + HOUR);
}

static const char *name_of(const struct alarm_life *life, enum severity severity)
{
    return alarm_life_name(alarm_life_state(life, severity, severity));
}

/* --- names ------------------------------------------------------------------------------------ */

static void names_are_those_of_the_standard(void **state)
{
    (void)state;
    static const char *const states[] = { "NORM",  "UNACK", "ACKED", "RTNUN",
                                          "SHLVD", "DSUPR", "OOSRV" };
    static const char *const verbs[] = { "ack",      "comment",        "shelve",
                                         "unshelve", "out-of-service", "in-service" };
    for (int i = ALARM_NORMAL; i <= ALARM_OUT_OF_SERVICE; i++) {
        assert_string_equal(alarm_life_name((enum alarm_life_state)i), states[i]);
    }
    for (int i = 0; i < ALARM_VERBS; i++) {
        assert_string_equal(alarm_verb_name((enum alarm_verb)i), verbs[i]);
        assert_int_equal(alarm_verb_find(verbs[i]), i);
    }
    assert_int_equal(alarm_verb_find("acknowledge"), -1);
    assert_int_equal(alarm_verb_find(""), -1);
}

/* --- the figure ------------------------------------------------------------------------------- */

static void it_goes_round_the_figure(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    assert_string_equal(name_of(&life, SEVERITY_NORMAL), "NORM");
    assert_int_equal(tell(&life, SEVERITY_NORMAL, SEVERITY_MINOR, NOW), ALARM_TELL);
    assert_string_equal(name_of(&life, SEVERITY_MINOR), "UNACK");
    assert_int_equal(act(&life, ALARM_ACK), ALARM_VERB_DONE);
    assert_string_equal(name_of(&life, SEVERITY_MINOR), "ACKED");
    assert_int_equal(tell(&life, SEVERITY_MINOR, SEVERITY_NORMAL, NOW + HOUR), ALARM_TELL);
    assert_string_equal(name_of(&life, SEVERITY_NORMAL), "NORM");

    assert_int_equal(tell(&life, SEVERITY_NORMAL, SEVERITY_MINOR, NOW + 2 * HOUR), ALARM_TELL);
    assert_int_equal(tell(&life, SEVERITY_MINOR, SEVERITY_NORMAL, NOW + 3 * HOUR), ALARM_TELL);
    assert_string_equal(name_of(&life, SEVERITY_NORMAL), "RTNUN");
    assert_int_equal(tell(&life, SEVERITY_NORMAL, SEVERITY_MINOR, NOW + 4 * HOUR), ALARM_TELL);
    assert_string_equal(name_of(&life, SEVERITY_MINOR), "UNACK");
    assert_int_equal(tell(&life, SEVERITY_MINOR, SEVERITY_NORMAL, NOW + 5 * HOUR), ALARM_TELL);
    assert_int_equal(act(&life, ALARM_ACK), ALARM_VERB_DONE);
    assert_string_equal(name_of(&life, SEVERITY_NORMAL), "NORM");
}

static void only_what_is_graver_wants_another_acknowledgement(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    (void)tell(&life, SEVERITY_NORMAL, SEVERITY_SEVERE, NOW);
    (void)act(&life, ALARM_ACK);
    (void)tell(&life, SEVERITY_SEVERE, SEVERITY_MINOR, NOW + MINUTE);
    assert_string_equal(name_of(&life, SEVERITY_MINOR), "ACKED");
    (void)tell(&life, SEVERITY_MINOR, SEVERITY_MODERATE, NOW + 2 * MINUTE);
    assert_string_equal(name_of(&life, SEVERITY_MODERATE), "UNACK");
}

static void what_people_do_not_know_nobody_has_acknowledged(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    assert_int_equal(alarm_life_state(&life, SEVERITY_MINOR, SEVERITY_NORMAL), ALARM_UNACKED);
    assert_int_equal(alarm_life_state(&life, SEVERITY_SEVERE, SEVERITY_MINOR), ALARM_UNACKED);
    assert_int_equal(alarm_life_state(&life, SEVERITY_MINOR, SEVERITY_SEVERE), ALARM_ACKED);
    assert_int_equal(alarm_life_state(&life, SEVERITY_NORMAL, SEVERITY_SEVERE), ALARM_NORMAL);
}

/* --- what holds it -------------------------------------------------------------------------- */

static void nothing_is_told_while_something_holds_it(void **state)
{
    (void)state;
    for (unsigned holds = 0; holds < 8; holds++) {
        struct alarm_life life = { .shelved_until_ns = (holds & 1) != 0 ? NOW + HOUR : 0,
                                   .suppressed = (holds & 2) != 0,
                                   .out_of_service = (holds & 4) != 0 };
        const char *wanted = (holds & 4) != 0   ? "OOSRV"
                             : (holds & 1) != 0 ? "SHLVD"
                             : (holds & 2) != 0 ? "DSUPR"
                                                : "UNACK";
        assert_int_equal(alarm_life_held(&life), holds != 0);
        assert_int_equal(tell(&life, SEVERITY_NORMAL, SEVERITY_EXTREME, NOW),
                         holds != 0 ? ALARM_HOLD : ALARM_TELL);
        assert_int_equal(life.unacknowledged, holds == 0);
        assert_string_equal(name_of(&life, SEVERITY_EXTREME), wanted);
    }
}

static void verbs_that_change_nothing_say_so(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    assert_int_equal(act(&life, ALARM_ACK), ALARM_VERB_IDLE);
    assert_int_equal(act(&life, ALARM_UNSHELVE), ALARM_VERB_IDLE);
    assert_int_equal(act(&life, ALARM_RESTORE), ALARM_VERB_IDLE);
    assert_int_equal(act(&life, ALARM_REMOVE), ALARM_VERB_DONE);
    assert_int_equal(act(&life, ALARM_REMOVE), ALARM_VERB_IDLE);
    assert_int_equal(act(&life, ALARM_RESTORE), ALARM_VERB_DONE);
    assert_int_equal(act(&life, ALARM_COMMENT), ALARM_VERB_DONE);
    assert_false(alarm_life_held(&life));
}

static void a_shelving_has_an_end(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, 0), ALARM_VERB_REFUSED);
    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, NOW), ALARM_VERB_REFUSED);
    assert_false(alarm_life_held(&life));
    assert_false(alarm_life_unshelves(&life, INT64_MAX));

    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, NOW + 1), ALARM_VERB_DONE);
    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, NOW), ALARM_VERB_REFUSED);
    assert_int_equal(life.shelved_until_ns, NOW + 1); /* what was refused changed nothing */
    assert_false(alarm_life_unshelves(&life, NOW));
    assert_true(alarm_life_unshelves(&life, NOW + 1));
    assert_false(alarm_life_unshelves(&life, NOW + 2)); /* once */
    assert_false(alarm_life_held(&life));

    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, NOW + HOUR), ALARM_VERB_DONE);
    assert_int_equal(alarm_life_do(&life, ALARM_SHELVE, NOW, NOW + 2 * HOUR), ALARM_VERB_DONE);
    assert_false(alarm_life_unshelves(&life, NOW + HOUR)); /* prolonged */
    assert_int_equal(act(&life, ALARM_UNSHELVE), ALARM_VERB_DONE);
    assert_false(alarm_life_held(&life));
}

/* --- escalation ----------------------------------------------------------------------------- */

static void it_escalates_once_for_each_raise(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    assert_true(alarm_life_escalation_ns(&life, &escalates, SEVERITY_NORMAL) == INT64_MAX);
    (void)tell(&life, SEVERITY_NORMAL, SEVERITY_SEVERE, NOW);
    assert_true(alarm_life_escalation_ns(&life, &escalates, SEVERITY_SEVERE) == NOW + 30 * MINUTE);
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_SEVERE, NOW + 30 * MINUTE - 1));
    assert_true(alarm_life_escalates(&life, &escalates, SEVERITY_SEVERE, NOW + 30 * MINUTE));
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_SEVERE, NOW + 90 * MINUTE));

    (void)tell(&life, SEVERITY_SEVERE, SEVERITY_EXTREME, NOW + HOUR);
    assert_true(alarm_life_escalation_ns(&life, &escalates, SEVERITY_EXTREME) == NOW + 90 * MINUTE);
    assert_true(alarm_life_escalates(&life, &escalates, SEVERITY_EXTREME, NOW + 90 * MINUTE));
}

static void what_is_known_mild_held_or_over_does_not_escalate(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    (void)tell(&life, SEVERITY_NORMAL, SEVERITY_SEVERE, NOW);
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_MODERATE, NOW + HOUR));
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_NORMAL, NOW + HOUR));
    assert_false(
        alarm_life_escalates(&life, &(struct rule_escalation){ 0 }, SEVERITY_EXTREME, NOW + HOUR));
    (void)act(&life, ALARM_REMOVE);
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_SEVERE, NOW + HOUR));
    (void)act(&life, ALARM_RESTORE);
    (void)act(&life, ALARM_ACK);
    assert_false(alarm_life_escalates(&life, &escalates, SEVERITY_SEVERE, NOW + HOUR));
    struct alarm_life late = { .unacknowledged = true, .raised_ns = INT64_MAX - 1 };
    assert_true(alarm_life_escalation_ns(&late, &escalates, SEVERITY_SEVERE) == INT64_MAX);
}

/* --- flapping ------------------------------------------------------------------------------- */

/* The state changes each `step` and is told, until the life says something else than TELL. */
static int tell_until(struct alarm_life *life, int64_t *time_ns, int64_t step, int most,
                      enum alarm_telling *last)
{
    enum severity told = SEVERITY_NORMAL;
    int count = 0;
    *last = ALARM_TELL;
    while (count < most && *last == ALARM_TELL) {
        enum severity to = told == SEVERITY_NORMAL ? SEVERITY_MINOR : SEVERITY_NORMAL;
        *time_ns += step;
        alarm_life_changed(life, *time_ns);
        *last = alarm_life_tell(life, &flaps, told, to, *time_ns, *time_ns);
        told = to;
        count++;
    }
    return count;
}

static void told_too_often_it_flaps_and_says_so(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    enum alarm_telling last;
    int64_t time_ns = NOW;
    assert_int_equal(tell_until(&life, &time_ns, 15 * MINUTE, 10, &last), 4);
    assert_int_equal(last, ALARM_TELL_FLAPPING);
    assert_true(life.flapping);

    life = (struct alarm_life){ 0 };
    time_ns = NOW;
    assert_int_equal(tell_until(&life, &time_ns, 20 * MINUTE, 40, &last), 40);
    assert_int_equal(last, ALARM_TELL); /* three within each hour: an hour ago is out */
}

static void while_it_flaps_only_what_is_graver_than_before_is_told(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    enum alarm_telling last;
    int64_t time_ns = NOW;
    (void)tell_until(&life, &time_ns, MINUTE, 10, &last);
    assert_int_equal(life.loudest, SEVERITY_MINOR);
    time_ns += MINUTE;
    assert_int_equal(
        alarm_life_tell(&life, &flaps, SEVERITY_NORMAL, SEVERITY_MINOR, time_ns, time_ns),
        ALARM_HOLD);
    assert_int_equal(
        alarm_life_tell(&life, &flaps, SEVERITY_NORMAL, SEVERITY_SEVERE, time_ns, time_ns),
        ALARM_TELL);
    assert_int_equal(
        alarm_life_tell(&life, &flaps, SEVERITY_SEVERE, SEVERITY_NORMAL, time_ns, time_ns),
        ALARM_HOLD);
    assert_int_equal(
        alarm_life_tell(&life, &flaps, SEVERITY_NORMAL, SEVERITY_SEVERE, time_ns, time_ns),
        ALARM_HOLD);
    assert_int_equal(
        alarm_life_tell(&life, &flaps, SEVERITY_SEVERE, SEVERITY_EXTREME, time_ns, time_ns),
        ALARM_TELL);
}

static void what_makes_it_flap_counts_as_loudest_even_when_that_is_its_end(void **state)
{
    (void)state;
    const struct rule_flapping two = { .changes = 2, .within_ns = HOUR, .calm_ns = HOUR };
    struct alarm_life life = { 0 };
    assert_int_equal(alarm_life_tell(&life, &two, SEVERITY_NORMAL, SEVERITY_SEVERE, NOW, NOW),
                     ALARM_TELL);
    assert_int_equal(alarm_life_tell(&life, &two, SEVERITY_SEVERE, SEVERITY_NORMAL, NOW, NOW),
                     ALARM_TELL_FLAPPING);
    assert_int_equal(life.loudest, SEVERITY_SEVERE);
}

static void calm_for_long_enough_it_begins_anew(void **state)
{
    (void)state;
    struct alarm_life life = { 0 };
    enum alarm_telling last;
    int64_t time_ns = NOW;
    assert_false(alarm_life_calms(&life, &flaps, NOW));
    (void)tell_until(&life, &time_ns, MINUTE, 10, &last);
    alarm_life_changed(&life, time_ns + 30 * MINUTE); /* a change that was not told */
    assert_false(alarm_life_calms(&life, &flaps, time_ns + HOUR));
    assert_false(alarm_life_calms(&life, &flaps, time_ns + 90 * MINUTE - 1));
    assert_true(alarm_life_calms(&life, &flaps, time_ns + 90 * MINUTE));
    assert_false(alarm_life_calms(&life, &flaps, time_ns + 90 * MINUTE)); /* once */
    time_ns += 90 * MINUTE;
    assert_int_equal(tell_until(&life, &time_ns, MINUTE, 10, &last), 4);
}

/* --- a plain account ------------------------------------------------------------------------ */

#define PAST_MAX 4096

/* Everything that was ever told, and what of it still matters. */
struct account {
    int64_t told[PAST_MAX];
    size_t count, since; /* since: the first telling after it was calm last */
    bool flapping, unacknowledged, oos, suppressed, escalated;
    enum severity loudest;
    int64_t shelved, raised, changed;
};

static size_t told_within(const struct account *account, int64_t time_ns, int64_t within_ns)
{
    size_t count = 0;
    for (size_t i = account->since; i < account->count; i++) {
        count += account->told[i] > time_ns - within_ns ? 1 : 0;
    }
    return count;
}

static enum alarm_telling account_tell(struct account *account, const struct rule_flapping *rule,
                                       enum severity from, enum severity to, int64_t time_ns)
{
    if (account->oos || account->suppressed || account->shelved != 0 ||
        (account->flapping && to <= account->loudest)) {
        return ALARM_HOLD;
    }
    if (to > from) {
        account->unacknowledged = true;
        account->escalated = false;
        account->raised = time_ns;
    }
    if (account->flapping) {
        account->loudest = to;
        return ALARM_TELL;
    }
    account->told[account->count++] = time_ns;
    if (rule->changes == 0 ||
        told_within(account, time_ns, rule->within_ns) < (size_t)rule->changes) {
        return ALARM_TELL;
    }
    account->flapping = true;
    account->loudest = from > to ? from : to;
    return ALARM_TELL_FLAPPING;
}

static bool account_calms(struct account *account, const struct rule_flapping *rule,
                          int64_t time_ns)
{
    if (!account->flapping || time_ns - account->changed < rule->calm_ns) {
        return false;
    }
    account->flapping = false;
    account->loudest = SEVERITY_NORMAL;
    account->since = account->count;
    return true;
}

static enum alarm_verb_result account_do(struct account *account, enum alarm_verb verb, int64_t now,
                                         int64_t until)
{
    struct account before = *account;
    switch (verb) {
    case ALARM_ACK:
        account->unacknowledged = false;
        return before.unacknowledged ? ALARM_VERB_DONE : ALARM_VERB_IDLE;
    case ALARM_SHELVE:
        account->shelved = until > now ? until : account->shelved;
        return until > now ? ALARM_VERB_DONE : ALARM_VERB_REFUSED;
    case ALARM_UNSHELVE:
        account->shelved = 0;
        return before.shelved != 0 ? ALARM_VERB_DONE : ALARM_VERB_IDLE;
    case ALARM_REMOVE:
    case ALARM_RESTORE:
        account->oos = verb == ALARM_REMOVE;
        return before.oos != account->oos ? ALARM_VERB_DONE : ALARM_VERB_IDLE;
    default:
        return ALARM_VERB_DONE;
    }
}

static void reload(struct alarm_life *life)
{
    struct state_writer writer = { 0 };
    alarm_life_save(life, &writer);
    for (size_t length = 0; length < writer.used; length++) {
        static const struct alarm_life zero = { 0 };
        struct alarm_life cut;
        struct state_reader reader = state_reader_of(writer.bytes, length);
        assert_false(alarm_life_load(&cut, &reader));
        assert_true(reader.failed);
        assert_memory_equal(&cut, &zero, sizeof cut);
    }
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_true(alarm_life_load(life, &reader));
    assert_ptr_equal(reader.at, reader.end);
    state_writer_free(&writer);
}

struct actor {
    struct draws *draws;
    struct rule_flapping flapping;
    struct alarm_life life;
    struct account account;
    enum severity told, state;
    int64_t now;
};

static void change_state(struct actor *actor)
{
    actor->state = (enum severity)draw_below(actor->draws, 4);
    alarm_life_changed(&actor->life, actor->now);
    actor->account.changed = actor->now;
}

static void ask_to_tell(struct actor *actor)
{
    if (actor->state == actor->told) {
        return;
    }
    enum alarm_telling wanted =
        account_tell(&actor->account, &actor->flapping, actor->told, actor->state, actor->now);
    assert_int_equal(alarm_life_tell(&actor->life, &actor->flapping, actor->told, actor->state,
                                     actor->now, actor->now),
                     wanted);
    actor->told = wanted == ALARM_HOLD ? actor->told : actor->state;
}

static void do_something(struct actor *actor)
{
    enum alarm_verb verb = (enum alarm_verb)draw_below(actor->draws, ALARM_VERBS);
    int64_t until = actor->now + ((int64_t)draw_below(actor->draws, 40) - 5) * MINUTE;
    assert_int_equal(alarm_life_do(&actor->life, verb, actor->now, until),
                     account_do(&actor->account, verb, actor->now, until));
}

static void let_time_pass(struct actor *actor)
{
    struct account *account = &actor->account;
    bool unshelves = account->shelved != 0 && account->shelved <= actor->now;
    account->shelved = unshelves ? 0 : account->shelved;
    assert_int_equal(alarm_life_unshelves(&actor->life, actor->now), unshelves);
    bool held = account->oos || account->suppressed || account->shelved != 0;
    bool due = account->unacknowledged && !account->escalated && !held &&
               actor->state >= SEVERITY_SEVERE &&
               actor->now >= account->raised + escalates.after_ns;
    account->escalated |= due;
    assert_int_equal(alarm_life_escalates(&actor->life, &escalates, actor->state, actor->now), due);
    assert_int_equal(alarm_life_calms(&actor->life, &actor->flapping, actor->now),
                     account_calms(account, &actor->flapping, actor->now));
}

static void random_lives_agree_with_a_plain_account(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    unsigned flapped = 0;
    for (int round = 0; round < 60; round++) {
        static struct actor actor;
        actor = (struct actor){ .draws = &draws, .now = NOW };
        actor.flapping =
            (struct rule_flapping){ .changes = (int64_t)draw_below(&draws, RULE_FLAPPING_MAX + 1),
                                    .within_ns = (int64_t)(1 + draw_below(&draws, 120)) * MINUTE,
                                    .calm_ns = (int64_t)(1 + draw_below(&draws, 60)) * MINUTE };
        for (int i = 0; i < 1000; i++) {
            actor.now += (int64_t)draw_below(&draws, 6) * MINUTE;
            let_time_pass(&actor);
            if (draw_below(&draws, 3) > 0) {
                change_state(&actor);
            }
            ask_to_tell(&actor);
            if (draw_below(&draws, 15) == 0) {
                do_something(&actor);
            }
            if (draw_below(&draws, 60) == 0) {
                actor.life.suppressed = actor.account.suppressed = !actor.account.suppressed;
            }
            if (draw_below(&draws, 20) == 0) {
                reload(&actor.life);
            }
            flapped += actor.life.flapping;
            assert_int_equal(actor.life.flapping, actor.account.flapping);
            assert_int_equal(actor.life.unacknowledged, actor.account.unacknowledged);
        }
    }
    assert_true(flapped > 1000);
}

static void what_is_no_life_is_refused(void **state)
{
    (void)state;
    struct alarm_life life = { .raised_ns = -1 };
    for (int i = 0; i < 3; i++) {
        struct state_writer writer = { 0 };
        alarm_life_save(&life, &writer);
        struct state_reader reader = state_reader_of(writer.bytes, writer.used);
        struct alarm_life loaded;
        assert_false(alarm_life_load(&loaded, &reader));
        state_writer_free(&writer);
        life = i == 0 ? (struct alarm_life){ .loudest = (enum severity)(SEVERITY_EXTREME + 1) }
                      : (struct alarm_life){ .count = 1, .tellings = { -5 } };
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_the_standard),
        cmocka_unit_test(it_goes_round_the_figure),
        cmocka_unit_test(only_what_is_graver_wants_another_acknowledgement),
        cmocka_unit_test(what_people_do_not_know_nobody_has_acknowledged),
        cmocka_unit_test(nothing_is_told_while_something_holds_it),
        cmocka_unit_test(verbs_that_change_nothing_say_so),
        cmocka_unit_test(a_shelving_has_an_end),
        cmocka_unit_test(it_escalates_once_for_each_raise),
        cmocka_unit_test(what_is_known_mild_held_or_over_does_not_escalate),
        cmocka_unit_test(told_too_often_it_flaps_and_says_so),
        cmocka_unit_test(while_it_flaps_only_what_is_graver_than_before_is_told),
        cmocka_unit_test(what_makes_it_flap_counts_as_loudest_even_when_that_is_its_end),
        cmocka_unit_test(calm_for_long_enough_it_begins_anew),
        cmocka_unit_test(random_lives_agree_with_a_plain_account),
        cmocka_unit_test(what_is_no_life_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
