/* The station's core on a fake port: simulated time, a scripted link and collector. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "phusa/senml.h"
#include "port/fake/clock.h"
#include "port/fake/flash.h"
#include "port/fake/network.h"
#include "port/fake/random.h"
#include "report.h"
#include "station.h"

#define SECOND   INT64_C(1000000000)
#define MINUTE   (60 * SECOND)
#define HOUR     (60 * MINUTE)
#define START    INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */
#define SEEN_MAX 60000
#define SENT_MAX 4000
#define CALLS    64

/* --- the fake port ------------------------------------------------------------------ */

struct sent {
    enum hal_leaf leaf;
    uint64_t seq; /* of an obs, 0 = without number */
    int64_t mono_ns;
};

struct bench {
    struct fake_flash flash;
    struct station_core station;
    struct station_options options;
    struct hal_time now;
    uint64_t random;
    /* network */
    struct fake_network network;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    char status[PHUSA_MESSAGE_MAX + 1], answer[COMMAND_RSP_MAX + 1];
    uint8_t last_obs[STATION_BUFFER_BYTES];
    size_t last_obs_length;
    /* collector */
    uint32_t log;
    uint8_t seen[SEEN_MAX];
    int64_t times[SEEN_MAX]; /* of the first reading of each */
    uint64_t poison;         /* never arrives */
    uint64_t duplicates;
    bool retained;
    struct phusa_receipt receipt;
    /* sensors */
    bool silent;
    bool any_time; /* readings are not checked against their times */
    /* the latest calls to the port: p program, e erase, s sync, o obs */
    char calls[CALLS + 1];
};

static struct bench *bench;

static double reading(size_t channel, int64_t at_ns)
{
    return (double)(at_ns / MINUTE % 10000) / 8 + (double)channel;
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    struct bench *b = context;
    if (b->silent || (channel == 1 && at_ns / MINUTE % 60 == 30)) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_MISSING };
    }
    if (channel == 2 && at_ns / MINUTE % 60 == 45) {
        return (struct hal_sample){ .kind = HAL_SAMPLE_FAILED };
    }
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE,
                                .value = reading(channel, at_ns),
                                .state = (uint8_t)(channel == 0 ? 0 : at_ns / HOUR % 3) };
}

static void note_call(void *context, char call)
{
    struct bench *b = context;
    memmove(b->calls, b->calls + 1, CALLS - 1);
    b->calls[CALLS - 1] = call;
}

static void check_readings(const struct phusa_report *report)
{
    assert_true(report->count > 0);
    for (size_t i = 0; i < report->count; i++) {
        const struct phusa_reading *r = &report->readings[i];
        size_t channel = phusa_text_equal(r->name, PHUSA_TEXT("salinity")) ? 0
                         : phusa_text_equal(r->name, PHUSA_TEXT("temp"))   ? 1
                                                                           : 2;
        assert_true(phusa_text_equal(r->base_name, PHUSA_TEXT("s1:")));
        assert_int_equal(r->kind, PHUSA_VALUE_NUMBER);
        assert_true(fabs(r->value - reading(channel, r->time_ns)) <= 0);
        assert_int_equal(r->device_state, channel == 0 ? 0 : r->time_ns / HOUR % 3);
        assert_true(r->time_ns % SECOND == 0);
    }
}

static void collect(struct bench *b, const struct phusa_report *report)
{
    if (report->seq == b->poison) {
        return;
    }
    assert_true(report->seq < SEEN_MAX);
    assert_true(report->log == station_log_id(&b->station));
    /* A number stands for one report, for ever. */
    assert_true(!b->seen[report->seq] || b->any_time ||
                b->times[report->seq] == report->readings[0].time_ns);
    b->duplicates += b->seen[report->seq];
    b->seen[report->seq] = 1;
    b->times[report->seq] = report->readings[0].time_ns;
    b->log = report->log;
}

static uint64_t take_obs(struct bench *b, const void *bytes, size_t length, bool arrives)
{
    struct phusa_reading readings[STATION_CHANNELS_MAX];
    static struct phusa_senml_scratch scratch;
    struct phusa_report report = { .readings = readings, .capacity = STATION_CHANNELS_MAX };
    assert_int_equal(phusa_senml_decode(bytes, length, 0, &report, &scratch, NULL), PHUSA_OK);
    memcpy(b->last_obs, bytes, length);
    b->last_obs_length = length;
    if (!b->any_time) {
        check_readings(&report);
    }
    if (report.has_seq && arrives) {
        collect(b, &report);
    }
    return report.has_seq ? report.seq : 0;
}

static void take(void *context, enum hal_leaf leaf, const void *bytes, size_t length, bool arrives)
{
    struct bench *b = context;
    struct sent sent = { .leaf = leaf, .mono_ns = b->now.mono_ns };
    if (leaf == HAL_LEAF_OBS) {
        note_call(b, 'o');
        sent.seq = take_obs(b, bytes, length, arrives);
        /* No number is told before it is synced. */
        assert_true(sent.seq == 0 || b->flash.pending_count == 0);
    } else {
        char *text = leaf == HAL_LEAF_STATUS ? b->status : b->answer;
        assert_true(length < sizeof b->answer || leaf == HAL_LEAF_STATUS);
        memcpy(text, bytes, length);
        text[length] = '\0';
    }
    b->sent[b->sent_count++ % SENT_MAX] = sent;
}

static enum station_status boot(struct bench *b)
{
    struct station_ports ports = {
        .sensors = { .context = b, .sample = sample },
        .flash = fake_flash_hal(&b->flash),
        .network = fake_network_hal(&b->network),
        .random = fake_random_hal(&b->random),
    };
    return station_init(&b->station, &b->options, &ports, b->now);
}

static void make_flash(struct bench *b, uint32_t block_size, uint32_t blocks, uint64_t seed)
{
    fake_flash_create(&b->flash, block_size, blocks, seed);
    b->flash.called = note_call;
    b->flash.context = b;
}

static void bench_begin(struct bench *b, uint32_t blocks, uint64_t seed)
{
    memset(b, 0, sizeof *b);
    make_flash(b, 4096, blocks, seed);
    fake_network_init(&b->network, seed + 1);
    b->network.taken = take;
    b->network.context = b;
    b->random = seed;
    memset(b->calls, '-', CALLS);
    b->now = (struct hal_time){ START, 1000 * SECOND, true, true };
    b->options = (struct station_options){
        .id = PHUSA_TEXT("s1"),
        .channels = { { PHUSA_TEXT("salinity"), PHUSA_TEXT("g/L") },
                      { PHUSA_TEXT("temp"), PHUSA_TEXT("Cel") },
                      { PHUSA_TEXT("level"), PHUSA_TEXT("") } },
        .channel_count = 3,
        .every_ns = 15 * MINUTE,
        .firmware = "1",
        .hardware = "fake",
        .reset = "power",
        .boot = 1,
        .resend_after_ns = 60 * SECOND,
        .sendings_max = 5,
        .backlog_per_s = 10,
    };
}

static int bench_setup(void **state)
{
    (void)state;
    bench = malloc(sizeof *bench);
    if (bench != NULL) {
        bench_begin(bench, 64, 1);
    }
    return bench == NULL;
}

static int bench_teardown(void **state)
{
    (void)state;
    fake_flash_destroy(&bench->flash);
    free(bench);
    return 0;
}

static void put_receipt(struct bench *b)
{
    char text[FAKE_NETWORK_INBOUND];
    size_t length = phusa_receipt_print(&b->receipt, text, sizeof text);
    assert_true(length > 0);
    assert_true(fake_network_put(&b->network, HAL_INBOUND_ACK, text, length));
}

static void connect_link(struct bench *b)
{
    fake_network_link(&b->network, true);
    if (b->retained) {
        put_receipt(b);
    }
}

static void give_receipt(struct bench *b, const struct phusa_receipt *receipt)
{
    b->receipt = *receipt;
    b->retained = true;
    put_receipt(b);
}

static void put(enum hal_inbound kind, const char *text)
{
    assert_true(fake_network_put(&bench->network, kind, text, strlen(text)));
}

/* The receipt for what the collector has, as the contract says. */
static void give_true_receipt(struct bench *b)
{
    struct phusa_receipt receipt = { .log = b->log };
    uint64_t newest = SEEN_MAX - 1;
    while (newest > 0 && !b->seen[newest]) {
        newest--;
    }
    if (newest == 0) {
        return;
    }
    receipt.upto = newest;
    for (uint64_t seq = 1; seq <= newest; seq++) {
        if (b->seen[seq]) {
            continue;
        }
        if (receipt.missing_count > 0 &&
            receipt.missing[receipt.missing_count - 1].last == seq - 1) {
            receipt.missing[receipt.missing_count - 1].last = seq;
        } else if (receipt.missing_count < PHUSA_RECEIPT_RANGES_MAX) {
            receipt.missing[receipt.missing_count++] = (struct phusa_seq_range){ seq, seq };
        } else {
            receipt.upto = seq - 1;
            break;
        }
    }
    give_receipt(b, &receipt);
}

/* Lets time pass in steps. */
static void pass(struct bench *b, int64_t duration_ns, int64_t step_ns)
{
    for (int64_t passed = 0; passed < duration_ns; passed += step_ns) {
        fake_clock_pass(&b->now, step_ns);
        int64_t wake = station_step(&b->station, b->now);
        for (int i = 0; i < 1000 && wake <= b->now.mono_ns; i++) {
            wake = station_step(&b->station, b->now);
        }
        assert_true(wake > b->now.mono_ns);
    }
}

/* The same with a collector that gives a receipt each second. */
static void flow(struct bench *b, int64_t duration_ns)
{
    for (int64_t passed = 0; passed < duration_ns; passed += SECOND) {
        pass(b, SECOND, SECOND / 10);
        if (b->network.connection != 0) {
            give_true_receipt(b);
        }
    }
    pass(b, SECOND / 10, SECOND / 10);
}

static const struct station_counters *counters(void)
{
    return station_counters(&bench->station);
}

static unsigned sendings_of(const struct bench *b, uint64_t seq)
{
    unsigned count = 0;
    for (size_t i = 0; i < b->sent_count && i < SENT_MAX; i++) {
        count += b->sent[i].leaf == HAL_LEAF_OBS && b->sent[i].seq == seq;
    }
    return count;
}

static struct phusa_status_message status_message(void)
{
    struct phusa_status_message message;
    assert_int_equal(phusa_status_parse(phusa_text_of(bench->status), &message), PHUSA_OK);
    return message;
}

/* --- schedule ------------------------------------------------------------------------ */

static void test_aligned_to_the_hour(void **state)
{
    (void)state;
    static const struct {
        int64_t every, phase, at, expected;
    } cases[] = {
        { 15 * MINUTE, 0, START + 7 * MINUTE, START + 15 * MINUTE },
        { 15 * MINUTE, 0, START + 15 * MINUTE, START + 15 * MINUTE },
        { 15 * MINUTE, 0, START + 15 * MINUTE + 1, START + 30 * MINUTE },
        { MINUTE, 0, START - 1, START },
        { HOUR, 5 * MINUTE, START + 6 * MINUTE, START + 65 * MINUTE },
        { HOUR, 5 * MINUTE, START, START + 5 * MINUTE },
        { HOUR, 0, -1, 0 },
        { HOUR, 0, -HOUR - 1, -HOUR },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct schedule schedule = { .every_ns = cases[i].every, .phase_ns = cases[i].phase };
        assert_true(schedule_align(&schedule, cases[i].at) == cases[i].expected);
    }
}

static void test_catch_up_is_bounded_and_complete(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    station_step(&bench->station, bench->now); /* takes the first moment, START */
    assert_true(counters()->reports == 1);
    bench->now.wall_ns += 1000 * 15 * MINUTE;
    bench->now.mono_ns += SECOND;
    uint64_t before = counters()->reports;
    unsigned steps = 0;
    while (station_step(&bench->station, bench->now) <= bench->now.mono_ns) {
        uint64_t after = counters()->reports;
        assert_true(after - before <= STATION_CATCH_UP_MAX);
        before = after;
        assert_true(++steps < 100);
    }
    assert_true(counters()->reports == 1001);
    assert_true(bench->station.log.last_time_ns == bench->now.wall_ns);
}

static void test_from_and_until(void **state)
{
    (void)state;
    bench->options.sample_from_ns = START - 100 * HOUR;
    bench->options.sample_until_ns = START - 50 * HOUR;
    assert_int_equal(boot(bench), STATION_OK);
    assert_false(station_finished(&bench->station));
    pass(bench, SECOND, SECOND);
    assert_true(station_finished(&bench->station));
    assert_true(counters()->reports == 201);
    assert_true(bench->station.log.first_time_ns == START - 100 * HOUR);
    /* A restart goes on where the log ends and adds nothing. */
    bench->options.sample_until_ns = START - 40 * HOUR;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, SECOND, SECOND);
    assert_true(bench->station.log.next == 242);
    assert_true(counters()->reports == 40);
}

static void test_clock_set_back_does_not_stop_sampling(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, HOUR, MINUTE);
    bench->now.wall_ns -= 24 * HOUR;
    pass(bench, HOUR, MINUTE);
    assert_true(counters()->reports == 8 || counters()->reports == 9);
}

static void test_no_report_without_values(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    bench->silent = true;
    pass(bench, 10 * HOUR, MINUTE);
    assert_true(counters()->reports == 0 && counters()->missing == 41 * 3);
}

/* --- status, commands ------------------------------------------------------------------ */

static void test_birth_before_reports_on_each_connection(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, HOUR, MINUTE);
    for (int i = 0; i < 3; i++) {
        size_t before = bench->sent_count;
        connect_link(bench);
        pass(bench, HOUR, MINUTE);
        assert_int_equal(bench->sent[before].leaf, HAL_LEAF_STATUS);
        fake_network_link(&bench->network, false);
        pass(bench, MINUTE, MINUTE);
    }
    struct phusa_status_message message = status_message();
    assert_true(message.online && message.log == station_log_id(&bench->station));
    assert_true(message.first == 1 && message.next > 12 && message.boot == 1);
    assert_int_equal(message.clock, PHUSA_CLOCK_SYNCED);
    assert_string_equal(message.hardware, "fake");
    connect_link(bench);
    pass(bench, MINUTE, MINUTE);
    station_stop(&bench->station, bench->now);
    assert_false(status_message().online);
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        const char *command, *answer;
    } cases[] = {
        { "{\"id\":\"a1\",\"do\":\"report\"}", "{\"id\":\"a1\",\"ok\":true,\"clock\":\"synced\"," },
        { " { \"x\" : [1,{\"y\":\"]}\\\"\"}] , \"do\":\"fly\",\"id\":\"b\"} ",
          "{\"id\":\"b\",\"ok\":false,\"error\":\"unknown command\"}" },
        { "{\"id\":\"a\\u0031\",\"do\":\"report\"}", "" },
        { "{\"do\":\"report\"}", "" },
        { "{\"id\":1,\"do\":\"report\"}", "" },
        { "{\"id\":\"a\",\"do\":\"report\"",
          "{\"id\":\"a\",\"ok\":false,\"error\":\"not understood\"}" },
        { "{\"id\":\"a\",\"do\":\"report\"}x",
          "{\"id\":\"a\",\"ok\":false,\"error\":\"not understood\"}" },
        { "{\"id\":\"a\",\"do\":\"rep",
          "{\"id\":\"a\",\"ok\":false,\"error\":\"not understood\"}" },
        { "{\"id\":\"a", "" },
        { "[]", "" },
        { "", "" },
        { "{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"do\":"
          "\"x\"}",
          "" },
    };
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, MINUTE, MINUTE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench->answer[0] = bench->status[0] = '\0';
        put(HAL_INBOUND_CMD, cases[i].command);
        pass(bench, SECOND, SECOND);
        bench->answer[i == 0 ? strlen(cases[i].answer) : sizeof bench->answer - 1] = '\0';
        assert_string_equal(bench->answer, cases[i].answer);
        assert_int_equal(bench->status[0] != '\0', i == 0);
    }
}

/* --- order and pace ---------------------------------------------------------------------- */

static void test_live_first_and_backlog_paced(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, 500 * MINUTE, MINUTE);
    uint64_t fresh_from = bench->station.log.next;
    connect_link(bench);
    int64_t begin = bench->now.mono_ns;
    flow(bench, 3 * MINUTE);
    uint64_t backlog = 0, fresh = fresh_from - 1;
    unsigned in_second = 0;
    int64_t second = begin;
    for (size_t i = 0; i < bench->sent_count; i++) {
        const struct sent *sent = &bench->sent[i];
        if (sent->leaf != HAL_LEAF_OBS) {
            continue;
        }
        if (sent->seq >= fresh_from) { /* at its moment, not behind the backlog */
            assert_true(sent->seq == ++fresh);
            int64_t sampled = begin + (int64_t)(fresh - fresh_from + 1) * MINUTE;
            assert_true(sent->mono_ns == sampled);
            continue;
        }
        assert_true(sent->seq == ++backlog);
        if (sent->mono_ns >= second + SECOND) {
            second = sent->mono_ns;
            in_second = 0;
        }
        assert_true(++in_second <= 13); /* 10 a second and a quarter of a second's burst */
    }
    assert_true(fresh == fresh_from + 2);
    assert_true(backlog == 501); /* both ends of 500 minutes */
}

/* A thousand in the backlog at 50 a second, and a fresh report each second. */
static void test_backlog_keeps_its_rate(void **state)
{
    (void)state;
    bench->options.every_ns = SECOND;
    bench->options.backlog_per_s = 50;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, 999 * SECOND, SECOND);
    connect_link(bench);
    int64_t begin = bench->now.mono_ns, done = 0;
    for (int i = 0; i < 30; i++) {
        pass(bench, SECOND, SECOND / 100);
        give_true_receipt(bench);
    }
    uint64_t backlog = 0, fresh = 1000;
    for (size_t i = 0; i < bench->sent_count; i++) {
        const struct sent *sent = &bench->sent[i];
        if (sent->leaf == HAL_LEAF_OBS && sent->seq > 1000) {
            assert_true(sent->seq == ++fresh);
            assert_true(sent->mono_ns == begin + (int64_t)(fresh - 1000) * SECOND);
        } else if (sent->leaf == HAL_LEAF_OBS) {
            assert_true(sent->seq == ++backlog);
            done = sent->mono_ns - begin;
            /* By then so many are allowed: 50 a second and a quarter of a second's burst. */
            assert_true((int64_t)backlog <= done / (SECOND / 50) + 14);
        }
    }
    assert_true(fresh == 1030 && backlog == 1000 && bench->duplicates == 0);
    assert_true(done > 19 * SECOND && done < 21 * SECOND);
}

/* A link that takes ten messages a second; then one that takes what comes. */
static void test_backlog_gives_way_to_a_busy_link(void **state)
{
    (void)state;
    bench->options.every_ns = SECOND;
    bench->options.backlog_per_s = 100;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, 1999 * SECOND, SECOND);
    connect_link(bench);
    for (int i = 0; i < 600; i++) {
        bench->network.room = 1;
        pass(bench, SECOND / 10, SECOND / 100);
        if (i % 10 == 9) {
            give_true_receipt(bench);
        }
    }
    uint64_t slow = 0;
    while (bench->seen[slow + 1]) {
        slow++;
    }
    assert_in_range(slow, 200, 540); /* of 600, 60 of which are fresh ones and a status */
    assert_in_range(bench->network.refused, 1, 1200);
    bench->network.room = UINT32_MAX;
    for (int i = 0; i < 40; i++) {
        pass(bench, SECOND, SECOND / 100);
        give_true_receipt(bench);
    }
    uint64_t backlog = 0, fresh = 2000;
    for (size_t i = 0; i < bench->sent_count; i++) {
        const struct sent *sent = &bench->sent[i];
        if (sent->leaf == HAL_LEAF_OBS && sent->seq > 2000) {
            assert_true(sent->seq == ++fresh); /* at once, or when the link takes the next */
            int64_t late =
                sent->mono_ns - bench->times[fresh] - (bench->now.mono_ns - bench->now.wall_ns);
            assert_in_range(late, 0, SECOND / 2);
        } else if (sent->leaf == HAL_LEAF_OBS) {
            assert_true(sent->seq == ++backlog);
        }
    }
    assert_true(fresh == 2100 && backlog == 2000);
}

static void test_first_reports_of_a_new_log_do_not_wait(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    station_step(&bench->station, bench->now);
    connect_link(bench);
    pass(bench, SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 1), 1);
}

static void test_busy_network_loses_nothing(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    for (int i = 0; i < 200; i++) {
        bench->network.room = fake_random(&bench->random) % 3;
        pass(bench, MINUTE, MINUTE);
    }
    bench->network.room = UINT32_MAX;
    pass(bench, MINUTE, SECOND);
    for (uint64_t seq = 1; seq < bench->station.log.next; seq++) {
        assert_true(bench->seen[seq]);
    }
}

/* --- receipts ----------------------------------------------------------------------------- */

/* Ten reports, each sent once, not yet for a minute. */
static void send_ten(void)
{
    bench->options.every_ns = 5 * SECOND;
    bench->options.sample_until_ns = START + 45 * SECOND;
    bench->options.channel_count = 1;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    station_step(&bench->station, bench->now);
    pass(bench, 45 * SECOND, SECOND);
    assert_true(station_finished(&bench->station));
}

static void test_receipt_of_another_log_is_ignored(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, 5 * MINUTE, MINUTE);
    give_receipt(bench, &(struct phusa_receipt){ .log = bench->log + 1, .upto = 5 });
    pass(bench, SECOND, SECOND);
    assert_false(station_delivered(&bench->station));
    assert_true(counters()->receipts_ignored == 1 && counters()->covered == 0);
    put(HAL_INBOUND_ACK, "{\"log\":");
    pass(bench, SECOND, SECOND);
    assert_true(counters()->receipts_ignored == 2);
    give_true_receipt(bench);
    pass(bench, SECOND, SECOND);
    assert_true(station_delivered(&bench->station));
    assert_true(counters()->covered == counters()->reports);
}

static void test_missing_is_sent_again_soon(void **state)
{
    (void)state;
    bench->poison = 3;
    bench->options.every_ns = 10 * SECOND;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, 50 * SECOND, SECOND);
    bench->poison = 0;
    give_true_receipt(bench);
    pass(bench, 4 * SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 3), 2);
    assert_int_equal(sendings_of(bench, 2), 1);
    assert_true(bench->seen[3]);
    assert_true(bench->duplicates == 0 && counters()->resent == 1);
}

static void test_older_receipt_says_nothing_about_later_reports(void **state)
{
    (void)state;
    bench->options.every_ns = 10 * SECOND;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, 25 * SECOND, SECOND);
    struct phusa_receipt receipt = {
        .log = bench->log, .upto = 2, .missing_count = 1, .missing = { { 2, 2 } }
    };
    give_receipt(bench, &receipt); /* 2 and 3 are on their way still */
    pass(bench, 30 * SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 2), 1);
    assert_int_equal(sendings_of(bench, 3), 1);
}

static void test_uncovered_is_sent_again_after_a_minute(void **state)
{
    (void)state;
    bench->poison = 1;
    bench->options.every_ns = 24 * HOUR;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    station_step(&bench->station, bench->now);
    assert_int_equal(sendings_of(bench, 1), 1);
    pass(bench, 59 * SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 1), 1);
    pass(bench, 4 * SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 1), 2);
    /* While no receipt comes at all the pause grows: not a flood of copies. */
    pass(bench, 24 * HOUR - 2 * MINUTE, SECOND);
    assert_in_range(sendings_of(bench, 1), 5, 32);
    assert_false(station_delivered(&bench->station));
}

static void test_set_aside_after_five_sendings(void **state)
{
    (void)state;
    bench->poison = 3;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    for (int i = 0; i < 30; i++) {
        pass(bench, MINUTE, SECOND);
        give_true_receipt(bench);
    }
    pass(bench, SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 3), 5);
    assert_true(counters()->set_aside == 1);
    assert_true(counters()->covered + 1 >= counters()->reports - 1);
}

static void test_lost_connection_makes_all_unsent(void **state)
{
    (void)state;
    send_ten();
    fake_network_link(&bench->network, false);
    pass(bench, SECOND, SECOND);
    connect_link(bench);
    pass(bench, 4 * SECOND, SECOND);
    assert_int_equal(sendings_of(bench, 1), 1); /* waits for the retained receipt */
    pass(bench, 5 * SECOND, SECOND);
    for (uint64_t seq = 1; seq <= 10; seq++) {
        assert_int_equal(sendings_of(bench, seq), 2);
    }
}

static void test_collector_that_lost_reports_gets_them_again(void **state)
{
    (void)state;
    send_ten();
    give_true_receipt(bench);
    pass(bench, SECOND, SECOND);
    assert_true(station_delivered(&bench->station));
    memset(bench->seen + 2, 0, 4);
    give_true_receipt(bench);
    pass(bench, 2 * SECOND, SECOND);
    for (uint64_t seq = 1; seq <= 10; seq++) {
        assert_true(bench->seen[seq]);
    }
    give_true_receipt(bench);
    pass(bench, SECOND, SECOND);
    assert_true(station_delivered(&bench->station));
}

/* --- restart --------------------------------------------------------------------------- */

static void restart(void)
{
    fake_network_link(&bench->network, false);
    fake_flash_power_on(&bench->flash);
    bench->options.boot++;
    assert_int_equal(boot(bench), STATION_OK);
}

static void test_restart_keeps_numbers_and_sends_the_rest(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    uint32_t log = station_log_id(&bench->station);
    connect_link(bench);
    flow(bench, 20 * MINUTE);
    fake_network_link(&bench->network, false);
    pass(bench, 20 * MINUTE, MINUTE); /* unsent */
    uint64_t next = bench->station.log.next;
    restart();
    assert_true(station_log_id(&bench->station) == log);
    assert_true(bench->station.log.next == next);
    connect_link(bench); /* brings the retained receipt */
    flow(bench, MINUTE);
    assert_true(station_delivered(&bench->station));
    assert_true(bench->duplicates == 0);
    for (uint64_t seq = 1; seq < bench->station.log.next; seq++) {
        assert_true(bench->seen[seq]);
    }
}

static void test_numbers_lost_with_the_log_are_not_used_again(void **state)
{
    (void)state;
    send_ten();
    give_true_receipt(bench);
    /* The end of the log is gone: the flash is as it was when three reports were in it. */
    struct bench *old = bench;
    uint8_t *image = old->flash.now;
    struct station_record record;
    struct station_log_cursor cursor = { 0 };
    assert_int_equal(station_log_read(&old->station.log, &cursor, 3, &record), STATION_LOG_OK);
    memset(image + cursor.offset, 0xff, 4096 - 40 - cursor.offset);
    assert_int_equal(fake_flash_sync(&old->flash), HAL_OK);
    memcpy(old->flash.synced, image, (size_t)old->flash.block_size * old->flash.block_count);
    restart();
    assert_true(bench->station.log.next == 4);
    bench->options.sample_until_ns = 0;
    connect_link(bench);
    pass(bench, 10 * SECOND, SECOND);
    assert_true(bench->station.log.next >= 11);
    assert_true(counters()->set_aside == 0);
}

/* The process is killed: what it wrote is there, synced or not. */
static void kill_and_start(void)
{
    fake_network_link(&bench->network, false);
    bench->options.boot++;
    assert_int_equal(boot(bench), STATION_OK);
}

static void test_killed_before_the_sync(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    flow(bench, 10 * MINUTE);
    bench->flash.syncs_fail = true;
    pass(bench, 5 * MINUTE, SECOND);
    uint64_t next = bench->station.log.next;
    assert_true(!bench->seen[next - 1]);
    kill_and_start(); /* syncs fail still */
    connect_link(bench);
    pass(bench, 30 * SECOND, SECOND);
    assert_true(bench->station.log.next == next && !bench->seen[next - 1]);
    bench->flash.syncs_fail = false;
    flow(bench, 20 * SECOND); /* each sending checks that nothing is unsynced */
    for (uint64_t seq = 1; seq < next; seq++) {
        assert_true(bench->seen[seq]);
    }
    assert_true(station_delivered(&bench->station));
}

/* The broker forgot the receipt: what the blocks say is not sent again. */
static void test_restart_knows_what_was_covered(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    bench->options.backlog_per_s = 1000;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    flow(bench, 500 * MINUTE);
    assert_true(bench->station.log.head_number > 5);
    bench->retained = false;
    kill_and_start();
    connect_link(bench);
    pass(bench, 20 * SECOND, SECOND);
    assert_in_range(bench->duplicates, 1, 70); /* one block's */
}

/* Log, sync, publish: what a collector has seen, no power cut takes back. */
static void test_log_then_sync_then_publish(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, HOUR, MINUTE);
    bool synced = true;
    for (size_t i = 0; i < CALLS; i++) {
        char call = bench->calls[i];
        synced = call == 's' || (synced && call != 'p' && call != 'e');
        assert_true(call != 'o' || synced);
    }
    assert_non_null(strstr(bench->calls, "eppppso")); /* layout, header twice, record */
}

static void test_cut_at_each_operation(void **state)
{
    (void)state;
    bool was_cut = true;
    for (long cut = 0; was_cut; cut++) {
        fake_flash_destroy(&bench->flash);
        bench_begin(bench, 1, (uint64_t)cut);
        fake_flash_destroy(&bench->flash);
        make_flash(bench, 512, 4, (uint64_t)cut);
        bench->flash.lose_unsynced = true;
        bench->flash.cut_at = cut;
        bench->options.every_ns = SECOND;
        assert_int_equal(boot(bench), STATION_OK);
        connect_link(bench);
        for (int i = 0; i < 40 && !bench->flash.cut; i++) {
            pass(bench, SECOND, SECOND);
        }
        was_cut = bench->flash.cut;
        uint32_t log = station_log_id(&bench->station);
        uint64_t told = 0;
        while (bench->seen[told + 1]) {
            told++;
        }
        restart();
        assert_true(told == 0 || station_log_id(&bench->station) == log);
        assert_true(bench->station.log.next > told); /* and collect() sees no number twice */
        connect_link(bench);
        flow(bench, 10 * SECOND);
        for (uint64_t seq = bench->station.log.first; seq < bench->station.log.next; seq++) {
            assert_true(bench->seen[seq] || seq == told + 1); /* that one may be lost unsynced */
        }
    }
}

static void test_changed_channels_keep_old_reports_readable(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, 5 * MINUTE, MINUTE);
    bench->options.channels[0] = bench->options.channels[2];
    bench->options.channel_count = 1; /* now only the level, read by channel 0 */
    restart();
    connect_link(bench);
    bench->silent = true;
    pass(bench, MINUTE, SECOND); /* the decoder's check compares names with values */
    for (uint64_t seq = 1; seq <= 5; seq++) {
        assert_true(bench->seen[seq]);
    }
}

/* --- the rest ------------------------------------------------------------------------------ */

static void test_cbor_reports(void **state)
{
    (void)state;
    bench->options.encode = report_cbor;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, 10 * HOUR, MINUTE);
    assert_true(bench->seen[40]);
    assert_int_equal(bench->last_obs[0] & 0xe0, 0x80);
    assert_in_range(bench->last_obs_length, 40, 150);
}

static void test_full_log_overwrites_and_says_so(void **state)
{
    (void)state;
    fake_flash_destroy(&bench->flash);
    make_flash(bench, 4096, 4, 1);
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    pass(bench, 1000 * MINUTE, MINUTE);
    assert_true(bench->station.log.first > 700);
    assert_true(counters()->overwritten == bench->station.log.first - 1);
    connect_link(bench);
    pass(bench, MINUTE, MINUTE);
    assert_true(status_message().first == bench->station.log.first);
    assert_true(status_message().days_held > 0.1);
}

/* The collector closes gaps by `first`: it is told in time. */
static void test_first_follows_overwriting(void **state)
{
    (void)state;
    fake_flash_destroy(&bench->flash);
    make_flash(bench, 512, 4, 1);
    bench->options.every_ns = 7 * SECOND;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    int behind = 0;
    for (int i = 0; i < 3600; i++) {
        pass(bench, SECOND, SECOND);
        behind = status_message().first == bench->station.log.first ? 0 : behind + 1;
        assert_in_range(behind, 0, 61);
    }
    assert_true(status_message().first > 450 && counters()->overwritten > 450);
}

static void test_failed_syncs_tell_nothing(void **state)
{
    (void)state;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    flow(bench, 10 * MINUTE);
    uint64_t next = bench->station.log.next;
    size_t sent = bench->sent_count;
    bench->flash.syncs_fail = true;
    pass(bench, 2 * HOUR, 10 * SECOND);
    assert_true(bench->station.log.next == next + 120 && counters()->log_errors > 120);
    for (size_t i = sent; i < bench->sent_count; i++) {
        assert_int_equal(bench->sent[i].leaf, HAL_LEAF_STATUS);
    }
    assert_true(status_message().next == next);
    assert_false(station_delivered(&bench->station));
    bench->flash.syncs_fail = false;
    flow(bench, MINUTE);
    for (uint64_t seq = 1; seq < bench->station.log.next; seq++) {
        assert_true(bench->seen[seq]);
    }
    assert_true(bench->duplicates == 0 && counters()->set_aside == 0);
}

/* A report a second, a thousand times as fast: each second has its number. */
static void test_fast_clock_loses_no_number(void **state)
{
    (void)state;
    fake_flash_destroy(&bench->flash);
    bench_begin(bench, 1000, 1);
    bench->options.every_ns = SECOND;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    for (int i = 0; i < 500; i++) {
        bench->now.wall_ns += 49 * SECOND + SECOND * 95 / 100; /* 50 s in 50 ms */
        pass(bench, SECOND / 20, SECOND / 20);
        if (i % 20 == 19) {
            give_true_receipt(bench);
        }
    }
    assert_true(bench->station.log.next == 25002); /* both ends */
    for (uint64_t seq = 1; seq < bench->station.log.next; seq++) {
        assert_true(bench->seen[seq]);
        assert_true(bench->times[seq] == START + (int64_t)(seq - 1) * SECOND);
    }
    assert_true(bench->duplicates == 0);
}

static void test_unset_clock(void **state)
{
    (void)state;
    bench->now.wall_ns = 0;
    bench->now.wall_set = bench->now.wall_synced = false;
    bench->options.boot = 4;
    bench->any_time = true;
    bench->options.every_ns = MINUTE;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, MINUTE, SECOND);
    struct phusa_reading readings[4];
    static struct phusa_senml_scratch scratch;
    struct phusa_report report = { .readings = readings, .capacity = 4 };
    assert_int_equal(
        phusa_senml_decode(bench->last_obs, bench->last_obs_length, START, &report, &scratch, NULL),
        PHUSA_OK);
    assert_true(report.has_boot && report.boot == 4 && report.has_up);
    assert_true(report.up > 59.9 && report.up < 60.1);
    assert_true(report.readings[0].time_ns == START);
    assert_int_equal(status_message().clock, PHUSA_CLOCK_UNSET);
    /* When the clock gets set, what was sampled before gets its true time. */
    fake_network_link(&bench->network, false);
    pass(bench, 10 * MINUTE, MINUTE);
    bench->now.wall_ns = START + 30 * MINUTE;
    bench->now.wall_set = true;
    connect_link(bench);
    size_t before = bench->sent_count;
    pass(bench, 20 * SECOND, SECOND);
    assert_true(bench->sent_count > before + 10);
    report = (struct phusa_report){ .readings = readings, .capacity = 4 };
    assert_int_equal(
        phusa_senml_decode(bench->last_obs, bench->last_obs_length, 0, &report, &scratch, NULL),
        PHUSA_OK);
    assert_false(report.has_boot);
    assert_true(report.readings[0].time_ns > START + 18 * MINUTE);
    assert_true(report.readings[0].time_ns <= START + 31 * MINUTE);
    assert_int_equal(status_message().clock, PHUSA_CLOCK_HELD);
}

static void test_broken_log_still_tells(void **state)
{
    (void)state;
    assert_int_equal(boot(bench), STATION_OK);
    connect_link(bench);
    pass(bench, MINUTE, MINUTE);
    bench->flash.cut = true;
    pass(bench, HOUR, MINUTE);
    assert_true(counters()->log_errors >= 4 && counters()->unlogged == 4);
    assert_true(bench->sent[bench->sent_count - 1].seq == 0);
}

static void test_wrong_options(void **state)
{
    (void)state;
    struct station_options good = bench->options;
    for (int i = 0; i < 8; i++) {
        bench->options = good;
        bench->options.id.length = i == 0 ? 0 : good.id.length;
        bench->options.channel_count = i == 1 ? 0 : i == 2 ? STATION_CHANNELS_MAX + 1 : 3;
        bench->options.every_ns = i == 3 ? 0 : good.every_ns;
        bench->options.boot = i == 4 ? 0 : 1;
        bench->options.backlog_per_s = i == 5 ? 0 : 1;
        bench->options.sendings_max = i == 6 ? 0 : 5;
        bench->options.phase_ns = i == 7 ? good.every_ns : 0;
        assert_int_equal(boot(bench), STATION_BAD_OPTIONS);
    }
}

/* --- a year ---------------------------------------------------------------------------------- */

/* One quarter of an hour of a bad year. */
static void live_on(struct bench *b)
{
    uint32_t dice = fake_random(&b->random) % 1000;
    if (dice < 5) {
        fake_network_link(&b->network, false);
    } else if (dice < 40 && b->network.connection == 0) {
        connect_link(b);
    } else if (dice < 41) {
        restart();
    }
    pass(b, 10 * SECOND, 5 * SECOND);
    if (b->network.connection != 0 && fake_random(&b->random) % 10 < 9) {
        give_true_receipt(b);
    }
    pass(b, 15 * MINUTE - 10 * SECOND, 15 * MINUTE - 10 * SECOND);
}

static void test_a_year_of_trouble(void **state)
{
    (void)state;
    uint64_t seed = 20260101;
    print_message("seed %llu\n", (unsigned long long)seed);
    fake_flash_destroy(&bench->flash);
    bench_begin(bench, 1000, seed);
    bench->network.loss_in_256 = 8;
    assert_int_equal(boot(bench), STATION_OK);
    for (int i = 0; i < 365 * 96; i++) {
        live_on(bench);
    }
    bench->network.loss_in_256 = 0;
    bench->silent = true;
    if (bench->network.connection == 0) {
        connect_link(bench);
    }
    for (int i = 0; i < 3000 && !station_delivered(&bench->station); i++) {
        pass(bench, 5 * SECOND, SECOND);
        give_true_receipt(bench);
    }
    assert_true(station_delivered(&bench->station));
    assert_in_range(bench->station.log.next, 35000, 35050);
    assert_true(counters()->set_aside == 0 && counters()->overwritten == 0);
    for (uint64_t seq = 1; seq < bench->station.log.next; seq++) {
        assert_true(bench->seen[seq]);
    }
    print_message("%llu reports, %llu arrived twice\n",
                  (unsigned long long)bench->station.log.next - 1,
                  (unsigned long long)bench->duplicates);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_to_the_hour),
        TEST(test_catch_up_is_bounded_and_complete),
        TEST(test_from_and_until),
        TEST(test_clock_set_back_does_not_stop_sampling),
        TEST(test_no_report_without_values),
        TEST(test_birth_before_reports_on_each_connection),
        TEST(test_commands),
        TEST(test_live_first_and_backlog_paced),
        TEST(test_backlog_keeps_its_rate),
        TEST(test_backlog_gives_way_to_a_busy_link),
        TEST(test_first_reports_of_a_new_log_do_not_wait),
        TEST(test_busy_network_loses_nothing),
        TEST(test_receipt_of_another_log_is_ignored),
        TEST(test_missing_is_sent_again_soon),
        TEST(test_older_receipt_says_nothing_about_later_reports),
        TEST(test_uncovered_is_sent_again_after_a_minute),
        TEST(test_set_aside_after_five_sendings),
        TEST(test_lost_connection_makes_all_unsent),
        TEST(test_collector_that_lost_reports_gets_them_again),
        TEST(test_restart_keeps_numbers_and_sends_the_rest),
        TEST(test_numbers_lost_with_the_log_are_not_used_again),
        TEST(test_killed_before_the_sync),
        TEST(test_restart_knows_what_was_covered),
        TEST(test_log_then_sync_then_publish),
        TEST(test_cut_at_each_operation),
        TEST(test_changed_channels_keep_old_reports_readable),
        TEST(test_cbor_reports),
        TEST(test_full_log_overwrites_and_says_so),
        TEST(test_first_follows_overwriting),
        TEST(test_failed_syncs_tell_nothing),
        TEST(test_fast_clock_loses_no_number),
        TEST(test_unset_clock),
        TEST(test_broken_log_still_tells),
        TEST(test_wrong_options),
        TEST(test_a_year_of_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
