/*
 * A pipeline that was saved and restored goes on as if nothing had been: the same lines,
 * notices and set-asides, receipts, counts and view, for random streams cut anywhere; and what is
 * no saved state is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline_world.h"

#define RECORDS 3000
#define CUTS    4
#define OUT_MAX (4u << 20)

static struct world_record records[RECORDS];

/* What comes out, as text; and the pipeline it comes from. */
struct transcript {
    struct pipeline *pipeline;
    char *text;
    size_t used;
    char receipts[8][256];
    size_t receipt_count;
};

static void say(struct transcript *transcript, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct transcript *transcript, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(transcript->text + transcript->used, OUT_MAX - transcript->used, format,
                           arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < OUT_MAX - transcript->used);
    transcript->used += (size_t)length;
}

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    say(context, "%llu lines %u %.*s", (unsigned long long)position, readings, (int)lines.length,
        lines.data);
}

static void take_reading(void *context, const struct pipeline_sample *sample, enum phusa_flag flag)
{
    say(context, "reading %.*s %.*s %g %lld %lld %d\n", (int)sample->station.length,
        sample->station.data, (int)sample->parameter.length, sample->parameter.data, sample->value,
        (long long)sample->time_ns, (long long)sample->received_ns, (int)flag);
}

static void take_notice(void *context, const struct notice *notice)
{
    say(context, "%llu notice %s %s %d>%d %lld since %lld %g %d%d%d\n",
        (unsigned long long)notice->position, notice->rule->id, notice->station->id,
        (int)notice->from, (int)notice->to, (long long)notice->time_ns, (long long)notice->since_ns,
        notice->value, notice->historical, notice->transition, notice->tell);
    say(context, "  %s %s%s%s %.*s %.*s %lld\n", notice->life,
        notice->event == NULL ? "changes" : notice->event, notice->flapping ? " flapping" : "",
        notice->escalated ? " to others" : "", (int)notice->who.length, notice->who.data,
        (int)notice->text.length, notice->text.data, (long long)notice->until_ns);
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    say(context, "%llu aside %s %s %d\n", (unsigned long long)item->record->position,
        phusa_reason_name(item->reason), item->station == NULL ? "-" : item->station->id,
        item->whole);
}

/* In any order: it has no meaning, so they are sorted. */
static bool take_receipt(void *context, const char *topic, struct phusa_text payload)
{
    struct transcript *transcript = context;
    assert_true(transcript->receipt_count < 8);
    (void)snprintf(transcript->receipts[transcript->receipt_count++], 256, "%s %.*s", topic,
                   (int)payload.length, payload.data);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void say_receipts(struct transcript *transcript, uint64_t position)
{
    transcript->receipt_count = 0;
    (void)pipeline_receipts(transcript->pipeline, (mono_time){ (int64_t)position * 2 * SECOND_NS },
                            take_receipt, transcript);
    qsort(transcript->receipts, transcript->receipt_count, sizeof transcript->receipts[0], by_text);
    for (size_t i = 0; i < transcript->receipt_count; i++) {
        say(transcript, "receipt %s\n", transcript->receipts[i]);
    }
}

static void say_station(struct transcript *transcript, const struct console_station *station)
{
    say(transcript, "%s %d seen %lld: %llu %llu %llu %llu, %llu %llu, %llu %llu %llu %llu %llu\n",
        station->station->id, (int)station->link, (long long)station->last_seen_ns,
        (unsigned long long)station->received, (unsigned long long)station->duplicates,
        (unsigned long long)station->accepted, (unsigned long long)station->quarantined,
        (unsigned long long)station->stored, (unsigned long long)station->pending,
        (unsigned long long)station->reports, (unsigned long long)station->missing_reports,
        (unsigned long long)station->closed_reports, (unsigned long long)station->went_back,
        (unsigned long long)station->renumbered);
    const struct console_clock *clock = &station->clock;
    say(transcript, "clock %s %s %lld %lld %lld %d, %llu moved\n",
        clock->verdict == NULL ? "-" : clock->verdict, clock->said == NULL ? "-" : clock->said,
        (long long)clock->difference_ns, (long long)clock->smallest_ns,
        (long long)clock->drift_ms_per_day, clock->drifting,
        (unsigned long long)station->reconstructed);
    for (size_t i = 0; i < station->log_count; i++) {
        const struct console_log *log = &station->logs[i];
        say(transcript, "log %08x %d %llu %llu %llu %llu %llu\n", log->log, log->current,
            (unsigned long long)log->highest, (unsigned long long)log->announced,
            (unsigned long long)log->received, (unsigned long long)log->filled,
            (unsigned long long)log->missing);
        for (size_t k = 0; k < log->gap_count; k++) {
            say(transcript, "gap %llu..%llu %lld %s\n", (unsigned long long)log->gaps[k].first,
                (unsigned long long)log->gaps[k].last, (long long)log->gaps[k].since_ns,
                log->gaps[k].closed == NULL ? "open" : log->gaps[k].closed);
        }
    }
    for (size_t i = 0; i < station->reading_count; i++) {
        const struct console_reading *reading = &station->readings[i];
        say(transcript, "%s %g %lld %d\n", reading->parameter->name.data, reading->value,
            (long long)reading->time_ns, reading->flag);
    }
}

static void say_view(struct transcript *transcript)
{
    struct console_view view = { 0 };
    struct pipeline_counters counters;
    pipeline_read_counters(transcript->pipeline, &counters);
    say(transcript, "at %llu: %llu %llu %llu %llu %llu %llu\n",
        (unsigned long long)pipeline_position(transcript->pipeline),
        (unsigned long long)counters.messages, (unsigned long long)counters.received,
        (unsigned long long)counters.accepted, (unsigned long long)counters.quarantined,
        (unsigned long long)counters.lost, (unsigned long long)counters.transitions);
    assert_true(
        pipeline_fill_view(transcript->pipeline, records[RECORDS - 1].record.time.ns, &view));
    for (size_t i = 0; i < view.station_count; i++) {
        say_station(transcript, &view.stations[i]);
    }
    for (size_t i = 0; i < view.alarm_count; i++) {
        const struct console_alarm *alarm = &view.alarms[i];
        say(transcript, "alarm %s %s %d %lld %g %s %lld %d %d\n", alarm->rule->id,
            alarm->station->id, (int)alarm->severity, (long long)alarm->since_ns, alarm->value,
            alarm->life, (long long)alarm->shelved_until_ns, alarm->flapping, (int)alarm->told);
    }
    pipeline_view_free(&view);
}

/* --- running ------------------------------------------------------------------------------- */

static void begin(struct transcript *transcript, const struct settings *settings)
{
    struct pipeline_sink sink = { .context = transcript,
                                  .lines = take_lines,
                                  .reading = take_reading,
                                  .notice = take_notice,
                                  .set_aside = take_set_aside };
    if (transcript->text == NULL) {
        transcript->text = malloc(OUT_MAX);
    }
    assert_non_null(transcript->text);
    transcript->pipeline = pipeline_create(settings, &sink);
    assert_non_null(transcript->pipeline);
}

static void end(struct transcript *transcript)
{
    pipeline_free(transcript->pipeline);
    free(transcript->text);
    *transcript = (struct transcript){ 0 };
}

/* Takes records and what the collector does between them, always the same at the same place. */
static void run(struct transcript *transcript, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        pipeline_take(transcript->pipeline, &records[i].record);
        if (i % 7 == 0) {
            say_receipts(transcript, records[i].record.position);
        }
        if (i % 11 == 0) {
            pipeline_mark(transcript->pipeline);
        }
        if (i % 13 == 0) {
            pipeline_stored(transcript->pipeline);
        }
        if (i % 29 == 0) {
            pipeline_lost(transcript->pipeline, PHUSA_TEXT("s1"), PHUSA_REASON_STORE, 1);
        }
    }
}

static struct state_writer save(const struct transcript *transcript)
{
    struct state_writer writer = { 0 };
    pipeline_save(transcript->pipeline, &writer);
    assert_false(writer.failed);
    return writer;
}

/* Another pipeline with other settings takes over. */
static void restart(struct transcript *transcript, const struct settings *settings)
{
    struct state_writer writer = save(transcript);
    pipeline_free(transcript->pipeline);
    begin(transcript, settings);
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    assert_int_equal(pipeline_restore(transcript->pipeline, &reader), PIPELINE_RESTORED);
    state_writer_free(&writer);
}

static void assert_same_state(const struct transcript *one, const struct transcript *two)
{
    struct state_writer left = save(one), right = save(two);
    assert_int_equal(left.used, right.used);
    assert_memory_equal(left.bytes, right.bytes, left.used);
    state_writer_free(&left);
    state_writer_free(&right);
}

static void assert_same(struct transcript *one, struct transcript *two)
{
    say_view(one);
    say_view(two);
    for (size_t i = 0; i < one->used || i < two->used; i++) {
        if (one->text[i] != two->text[i]) {
            size_t at = i > 200 ? i - 200 : 0;
            fail_msg("differs:\n%.400s\n--- instead of ---\n%.400s", two->text + at,
                     one->text + at);
        }
    }
    assert_int_equal(one->used, two->used);
    assert_same_state(one, two);
}

static void make_records(struct draws *draws)
{
    struct world_stream stream = world_begin(*draws);
    for (size_t i = 0; i < RECORDS; i++) {
        world_next(&stream, &records[i]);
    }
    *draws = stream.draws;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void what_follows_a_restart_is_what_would_have_followed(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 16; round++) {
        struct transcript whole = { 0 }, cut = { 0 };
        size_t at = 0;
        make_records(&draws);
        begin(&whole, &world_settings);
        run(&whole, 0, RECORDS);
        begin(&cut, &world_settings);
        for (int i = 0; i < (round % 2 == 0 ? 1 : CUTS); i++) {
            size_t next = at + draw_below(&draws, RECORDS - at);
            run(&cut, at, next);
            restart(&cut, &world_settings);
            at = next;
        }
        run(&cut, at, RECORDS);
        assert_same(&whole, &cut);
        end(&whole);
        end(&cut);
    }
}

/* Version 3 ended before the conditions, which nobody recorded then. */
static void a_state_without_conditions_is_read(void **state)
{
    (void)state;
    struct transcript transcript = { 0 };
    begin(&transcript, &world_settings);
    struct state_writer now = save(&transcript);
    assert_int_equal(now.bytes[0], 4);
    now.bytes[0] = 3;
    now.used -= 1 + 4 * (1 + 1 + 1 + 8);
    struct state_reader reader = state_reader_of(now.bytes, now.used), copy = reader;
    pipeline_free(transcript.pipeline);
    begin(&transcript, &world_settings);
    assert_int_equal(pipeline_saved_position(&copy), 0);
    assert_false(copy.failed);
    assert_int_equal(pipeline_restore(transcript.pipeline, &reader), PIPELINE_RESTORED);
    struct state_writer again = save(&transcript);
    assert_int_equal(again.bytes[0], 4);
    assert_memory_equal(again.bytes + 1, now.bytes + 1, now.used - 1);
    state_writer_free(&again);
    state_writer_free(&now);
    end(&transcript);
}

/* Otherwise the tests here would show nothing. */
static void the_streams_bring_about_everything_that_matters(void **state)
{
    (void)state;
    static const char *const wanted[] = { "notice reports-missing",
                                          "notice salinity-high",
                                          "receipt ",
                                          "aside conflict",
                                          " open\n",
                                          " overwritten\n",
                                          " log erased\n",
                                          "time_reconstructed=1i",
                                          "clock unset ",
                                          "clock future ",
                                          "clock behind ",
                                          "clock dated ",
                                          "level_qc=3i",
                                          "salinity_qc=4i",
                                          "window=1h mean",
                                          "window=day ",
                                          "correction,",
                                          ",again=",
                                          "window=night",
                                          "outcome=0i",
                                          "index,",
                                          "notice level-hour",
                                          "notice temp-then",
                                          "notice air-bad",
                                          "notice temp-calmed",
                                          "notice level-office",
                                          "notice level-rises",
                                          "notice level-missing",
                                          "notice quiet",
                                          "notice flat",
                                          "notice clock-wrong",
                                          "notice site-silent",
                                          "notice link-down",
                                          "notice disk-full",
                                          "SHLVD shelve",
                                          "OOSRV out-of-service",
                                          "RTNUN changes",
                                          " flapping ",
                                          " calm ",
                                          " suppressed ",
                                          " released ",
                                          " escalated to others",
                                          " unshelve  ", /* by itself */
                                          ",salinity=" };
    size_t found[sizeof wanted / sizeof wanted[0]] = { 0 };
    struct draws draws = draws_begin();
    uint64_t duplicates = 0, renumbered = 0, went_back = 0, lost = 0;
    for (int round = 0; round < 20; round++) {
        struct transcript whole = { 0 };
        struct pipeline_counters counters;
        make_records(&draws);
        begin(&whole, &world_settings);
        run(&whole, 0, RECORDS);
        say_view(&whole);
        pipeline_read_counters(whole.pipeline, &counters);
        duplicates += counters.duplicates;
        renumbered += counters.renumbered;
        went_back += counters.went_back;
        lost += counters.lost;
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
            found[i] += strstr(whole.text, wanted[i]) != NULL;
        }
        end(&whole);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        print_message("\"%s\" in %zu of 20\n", wanted[i], found[i]);
        assert_true(found[i] > 0);
    }
    assert_true(duplicates > 0 && renumbered > 0 && went_back > 0 && lost > 0);
}

static void the_same_settings_again_change_nothing(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 8; round++) {
        struct transcript whole = { 0 }, again = { 0 };
        make_records(&draws);
        begin(&whole, &world_settings);
        begin(&again, &world_settings);
        run(&whole, 0, RECORDS);
        for (size_t at = 0; at < RECORDS;) {
            size_t next = at + 1 + draw_below(&draws, 300);
            next = next < RECORDS ? next : RECORDS;
            run(&again, at, next);
            assert_true(pipeline_reconfigure(again.pipeline, &world_settings, WORLD_NOW_NS));
            at = next;
        }
        assert_same(&whole, &again);
        end(&whole);
        end(&again);
    }
}

/* Under other settings the restored one is as one that went over to them at this moment. */
static void other_settings_take_what_is_theirs(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    for (int round = 0; round < 16; round++) {
        struct transcript moved = { 0 }, restored = { 0 };
        const struct settings *from = round % 2 == 0 ? &world_settings : &world_other_settings;
        const struct settings *to = round % 2 == 0 ? &world_other_settings : &world_settings;
        make_records(&draws);
        size_t at = draw_below(&draws, RECORDS);
        begin(&moved, from);
        begin(&restored, from);
        run(&moved, 0, at);
        run(&restored, 0, at);
        assert_true(pipeline_reconfigure(moved.pipeline, to, WORLD_NOW_NS));
        restart(&restored, to);
        moved.used = 0; /* the ends of alarms without a rule are told by whoever restores */
        restored.used = 0;
        run(&moved, at, RECORDS);
        run(&restored, at, RECORDS);
        assert_same(&moved, &restored);
        end(&moved);
        end(&restored);
    }
}

static enum pipeline_restored try_to_restore(const uint8_t *bytes, size_t length)
{
    static struct transcript fresh;      /* its text is used again each time */
    uint8_t *exact = malloc(length + 1); /* so that a sanitizer sees every read beyond it */
    assert_non_null(exact);
    memcpy(exact, bytes, length);
    begin(&fresh, &world_settings);
    struct state_reader reader = state_reader_of(exact, length);
    enum pipeline_restored result = pipeline_restore(fresh.pipeline, &reader);
    if (result == PIPELINE_RESTORED) {
        run(&fresh, RECORDS - 50, RECORDS);
        say_view(&fresh);
    }
    pipeline_free(fresh.pipeline);
    fresh.used = 0;
    free(exact);
    return result;
}

static void what_is_cut_is_damaged_and_what_is_flipped_does_no_harm(void **state)
{
    (void)state;
    struct draws draws = draws_begin();
    struct transcript whole = { 0 };
    make_records(&draws);
    begin(&whole, &world_settings);
    run(&whole, 0, 200);
    struct state_writer writer = save(&whole);
    for (size_t length = 0; length < writer.used; length++) {
        assert_int_equal(try_to_restore(writer.bytes, length), PIPELINE_DAMAGED);
    }
    assert_int_equal(try_to_restore(writer.bytes, writer.used), PIPELINE_RESTORED);
    uint64_t damaged = 0;
    for (size_t at = 0; at < writer.used; at++) {
        uint8_t bit = (uint8_t)(1u << draw_below(&draws, 8));
        writer.bytes[at] ^= bit;
        damaged += try_to_restore(writer.bytes, writer.used) == PIPELINE_DAMAGED;
        writer.bytes[at] ^= bit;
    }
    print_message(
        "figure: %zu bytes, one bit of each flipped: %llu noticed, no harm in the others\n",
        writer.used, (unsigned long long)damaged);
    assert_true(damaged > writer.used / 10);
    state_writer_free(&writer);
    end(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_a_restart_is_what_would_have_followed),
        cmocka_unit_test(a_state_without_conditions_is_read),
        cmocka_unit_test(the_streams_bring_about_everything_that_matters),
        cmocka_unit_test(the_same_settings_again_change_nothing),
        cmocka_unit_test(other_settings_take_what_is_theirs),
        cmocka_unit_test(what_is_cut_is_damaged_and_what_is_flipped_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
