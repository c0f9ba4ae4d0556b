/*
 * The sender against a spool and a store that live in this file, in simulated
 * time. The store can be told to misbehave: answer codes, refuse lines, lose its
 * last seconds at a restart as VictoriaMetrics does, close each connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "store/backoff.h"
#include "store/lineproto.h"
#include "store/margin.h"
#include "store/sender.h"
#include "store/store_kind.h"

#define ITEMS_MAX   40000
#define ITEM_CHARS  512
#define LINES_MAX   8     /* in an item */
#define LOG_MAX     65536 /* requests remembered */
#define STEPS_MAX   2000000
#define LOSS_NS     (3 * SECOND_NS) /* what the store loses when it is killed (measured) */
#define MARGIN_NS   (10 * SECOND_NS)
#define START_NS    (1000 * SECOND_NS)
#define FOREVER     INT64_MAX
#define RANDOM_RUNS 60

static uint64_t seed = 20240731;

static uint64_t random_below(uint64_t limit)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

/* --- the world: a spool, a store, and the time both live in ----------------------- */

struct world {
    int64_t now;

    struct spool_item items[ITEMS_MAX]; /* positions ascend, with gaps */
    char text[ITEMS_MAX][ITEM_CHARS];
    size_t item_count, read_at;
    bool spool_fails, cursor_fails;
    uint64_t kept_safe, kept_sent;
    size_t keeps, seeks;
    int64_t kept_last;
    char refused[ITEMS_MAX][64]; /* the refused lines' beginnings */
    char why[256];
    size_t refused_count;

    bool down, closes, hides_metrics, lossless;
    int code;                /* answered to writes instead of 204; 0 = none */
    int create_code;         /* answered to /query */
    enum http_status status; /* of writes; when not HTTP_DONE the lines are stored all the same */
    int64_t retry_after_s;
    int64_t duration_ns; /* of a request */
    bool connected;
    int64_t start; /* whole seconds */
    size_t writes, creates, probes;
    int64_t stored_at[ITEMS_MAX * LINES_MAX]; /* by the line's number; 0 = not there */
    unsigned times[ITEMS_MAX * LINES_MAX];    /* how often it came */
    size_t write_lines[LOG_MAX], write_bytes[LOG_MAX];
    int64_t write_times[LOG_MAX];
    char last_url[STORE_URL_MAX], last_headers[1024];
};

static struct world world;

static struct store_settings settings_of(enum store_kind kind)
{
    return (struct store_settings){ .kind = kind,
                                    .url = "http://127.0.0.1:8428",
                                    .database = "phusa",
                                    .org = "",
                                    .bucket = "phusa",
                                    .user = "",
                                    .password = "",
                                    .token = "",
                                    .ca = "",
                                    .batch_lines = 100,
                                    .batch_bytes = 1 << 20,
                                    .batch_age_ns = 200 * MILLI_NS,
                                    .timeout_ns = 30 * SECOND_NS,
                                    .gzip = GZIP_OFF,
                                    .margin_ns = MARGIN_NS };
}

static int spool_next(void *context, struct spool_item *item)
{
    (void)context;
    if (world.spool_fails) {
        return -1;
    }
    if (world.read_at >= world.item_count) {
        return 0;
    }
    *item = world.items[world.read_at++];
    return 1;
}

static int spool_seek(void *context, uint64_t from)
{
    (void)context;
    world.seeks++;
    if (world.spool_fails) {
        return -1;
    }
    for (world.read_at = 0; world.read_at < world.item_count; world.read_at++) {
        if (world.items[world.read_at].position >= from) {
            break;
        }
    }
    return 0;
}

static int spool_remember(void *context, uint64_t safe, uint64_t sent)
{
    (void)context;
    if (world.cursor_fails) {
        return -1;
    }
    assert_true(safe <= sent && safe >= world.kept_safe && sent >= world.kept_sent);
    world.keeps++;
    world.kept_last = world.now;
    world.kept_safe = safe;
    world.kept_sent = sent;
    return 0;
}

static void spool_refused(void *context, struct phusa_text line, const char *why)
{
    (void)context;
    assert_true(world.refused_count < ITEMS_MAX);
    (void)snprintf(world.refused[world.refused_count++], sizeof world.refused[0], "%.*s",
                   (int)line.length, line.data);
    (void)snprintf(world.why, sizeof world.why, "%s", why);
}

static const struct spool_source source = { NULL, spool_next, spool_seek, spool_remember,
                                            spool_refused };

/* An item of so many lines "m n=<number>i,f="...": number = index of the item * LINES_MAX + line.
 */
static void put_item(size_t lines)
{
    size_t index = world.item_count++, used = 0;
    assert_true(index < ITEMS_MAX && lines <= LINES_MAX);
    for (size_t i = 0; i < lines; i++) {
        used += (size_t)snprintf(world.text[index] + used, ITEM_CHARS - used,
                                 "m n=%zui,n_qc=1i 1\n", index * LINES_MAX + i);
    }
    world.items[index] = (struct spool_item){ .position = 10 + index * 3,
                                              .readings = (uint32_t)lines,
                                              .lines = { world.text[index], used } };
}

static void put_items(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_item(1);
    }
}

/* An item of the text given. */
static void put_text(const char *text, uint32_t readings)
{
    size_t index = world.item_count++;
    (void)snprintf(world.text[index], ITEM_CHARS, "%s", text);
    world.items[index] = (struct spool_item){ .position = 10 + index * 3,
                                              .readings = readings,
                                              .lines = { world.text[index], strlen(text) } };
}

/* Lines with "bad" in them are refused; the good ones of the batch are kept, as InfluxDB does. */
static bool store_lines(const char *body, size_t length)
{
    bool good = true;
    struct phusa_text rest = { body, length };
    while (rest.length > 0) {
        const char *end = memchr(rest.data, '\n', rest.length);
        assert_non_null(end);
        struct phusa_text line = { rest.data, (size_t)(end - rest.data) };
        assert_true(line_valid(line));
        char copy[ITEM_CHARS];
        (void)snprintf(copy, sizeof copy, "%.*s", (int)line.length, line.data);
        size_t number = 0;
        if (strstr(copy, "bad") != NULL) {
            good = false;
        } else if (sscanf(copy, "m n=%zui", &number) == 1) {
            if (world.stored_at[number] == 0) { /* a second copy makes the first no younger */
                world.stored_at[number] = world.now + world.duration_ns;
            }
            world.times[number]++;
        }
        world.write_lines[world.writes % LOG_MAX]++;
        rest = (struct phusa_text){ end + 1, rest.length - line.length - 1 };
    }
    return good;
}

static void say(struct http_answer *answer, int code, const char *body)
{
    answer->code = code;
    answer->length = strlen(body);
    memcpy(answer->body, body, answer->length + 1);
}

static void answer_metrics(struct http_answer *answer)
{
    char body[512];
    world.probes++;
    (void)snprintf(
        body, sizeof body,
        "# a comment\nvm_rows_invalid_total{type=\"influx\"} 3\n"
        "vm_rows_invalid_total{type=\"csvimport\"} 4\nvm_rows_ignored_total{x=\"a b\"} 5\n"
        "vm_app_start_timestamp %lld\n",
        (long long)world.start);
    say(answer, world.hides_metrics ? 404 : 200, world.hides_metrics ? "no" : body);
}

static enum http_status answer_write(const struct http_request *request, struct http_answer *answer,
                                     struct problem *problem)
{
    world.write_lines[world.writes % LOG_MAX] = 0;
    world.write_bytes[world.writes % LOG_MAX] = request->body_length;
    world.write_times[world.writes % LOG_MAX] = world.now;
    bool refused = world.code == 0 && !store_lines(request->body, request->body_length);
    world.writes++;
    answer->retry_after_s = world.retry_after_s;
    say(answer,
        world.code != 0 ? world.code
        : refused       ? 400
                        : 204,
        refused ? "{\"error\":\"partial write:\nbad\"}" : "");
    problem_set(problem, "as told");
    return world.status;
}

static enum http_status perform(void *context, const struct http_request *request,
                                struct http_answer *answer, struct problem *problem)
{
    (void)context;
    *answer = (struct http_answer){ 0 };
    if (world.down) {
        world.connected = false;
        problem_set(problem, "nobody there");
        return HTTP_UNREACHABLE;
    }
    answer->new_connection = !world.connected;
    world.connected = !world.closes;
    (void)snprintf(world.last_url, sizeof world.last_url, "%s", request->url);
    if (strstr(request->url, "/metrics") != NULL) {
        answer_metrics(answer);
        return HTTP_DONE;
    }
    assert_string_equal(request->method, "POST");
    if (strstr(request->url, "/query?") != NULL) {
        world.creates++;
        say(answer, world.create_code, "");
        return HTTP_DONE;
    }
    size_t used = 0;
    for (size_t i = 0; i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++) {
        used += (size_t)snprintf(world.last_headers + used, sizeof world.last_headers - used,
                                 "%s\n", request->headers[i]);
        assert_true(used < sizeof world.last_headers);
    }
    return answer_write(request, answer, problem);
}

static void no_abort(void *context)
{
    (void)context;
}

static const struct store_transport transport = { NULL, perform, no_abort };

/* kill -9 and a new start: what came lately is gone, unless it is a store that keeps it. */
static void restart_store(void)
{
    for (size_t i = 0; i < world.item_count * LINES_MAX && !world.lossless; i++) {
        if (world.stored_at[i] > world.now - LOSS_NS) {
            world.stored_at[i] = 0;
        }
    }
    world.connected = false;
    world.start += 1;
}

static struct sender *begin(const struct store_settings *settings)
{
    struct sender *sender =
        sender_create_over(&transport, settings, &source, world.kept_safe, world.kept_sent, 1);
    assert_non_null(sender);
    world.connected = false; /* another client */
    return sender;
}

static int reset_world(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.now = START_NS;
    world.start = 1700000000;
    world.create_code = 200;
    return 0;
}

/* Steps as often as the sender wants until the time. */
static void run_until(struct sender *sender, int64_t until)
{
    for (size_t steps = 0; world.now < until; steps++) {
        assert_true(steps < STEPS_MAX); /* it does not turn on the spot */
        mono_time next = sender_step(sender, (mono_time){ world.now });
        assert_true(next.ns >= world.now && next.ns <= world.now + SECOND_NS);
        int64_t ready = world.now + world.duration_ns + 1000; /* a step blocks */
        int64_t wanted = next.ns < until ? next.ns : until;
        world.now = wanted > ready ? wanted : ready;
    }
}

static void run_for(struct sender *sender, int64_t duration_ns)
{
    run_until(sender, world.now + duration_ns);
}

static struct sender_counters counters_of(struct sender *sender)
{
    struct sender_counters counters;
    sender_read_counters(sender, &counters);
    return counters;
}

static const char *problem_of(struct sender *sender)
{
    static struct problem problem;
    sender_read_problem(sender, &problem);
    return problem.text;
}

static size_t missing_lines(void)
{
    size_t missing = 0;
    for (size_t i = 0; i < world.item_count; i++) {
        for (size_t line = 0; line < world.items[i].readings; line++) {
            missing += world.stored_at[i * LINES_MAX + line] == 0 ? 1 : 0;
        }
    }
    return missing;
}

/* --- parts: target, metrics, back-off, margin --------------------------------------- */

static void makes_urls_and_credentials(void **state)
{
    (void)state;
    struct store_target target;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    settings.url = "http://h:1/base//";
    settings.token = "t0k";
    assert_true(store_target_make(&settings, &target));
    assert_string_equal(target.write_url, "http://h:1/base/write?precision=ns");
    assert_string_equal(target.metrics_url, "http://h:1/base/metrics");
    assert_string_equal(target.create_url, "");
    assert_string_equal(target.authorization, "Authorization: Bearer t0k");

    settings = settings_of(STORE_INFLUXDB1);
    settings.database = "a\"b\\c d&e";
    settings.user = "Aladdin";
    settings.password = "open sesame";
    assert_true(store_target_make(&settings, &target));
    assert_string_equal(target.write_url,
                        "http://127.0.0.1:8428/write?precision=ns&db=a%22b%5Cc%20d%26e");
    assert_string_equal(target.create_url, "http://127.0.0.1:8428/query?q=CREATE%20DATABASE%20"
                                           "%22a%5C%22b%5C%5Cc%20d%26e%22");
    assert_string_equal(target.authorization,
                        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); /* RFC 7617 */
    assert_string_equal(target.metrics_url, "");

    settings = settings_of(STORE_INFLUXDB2);
    settings.org = "sở";
    settings.token = "x==";
    assert_true(store_target_make(&settings, &target));
    assert_string_equal(target.write_url, "http://127.0.0.1:8428/api/v2/write?precision=ns&"
                                          "org=s%E1%BB%9F&bucket=phusa");
    assert_string_equal(target.authorization, "Authorization: Token x==");
    settings.token = "x\r\nX-Other: 1";
    assert_false(store_target_make(&settings, &target));

    char name[STORE_URL_MAX];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    settings = settings_of(STORE_INFLUXDB1);
    settings.database = name;
    assert_false(store_target_make(&settings, &target));
}

static void encodes_base64(void **state)
{
    (void)state;
    static const char *const cases[][2] = { { "f", "Zjo=" },
                                            { "fo", "Zm86" },
                                            { "foo", "Zm9vOg==" } };
    for (size_t i = 0; i < 3; i++) {
        struct store_target target;
        struct store_settings settings = settings_of(STORE_INFLUXDB1);
        settings.user = cases[i][0];
        assert_true(store_target_make(&settings, &target));
        assert_string_equal(target.authorization + strlen("Authorization: Basic "), cases[i][1]);
    }
}

static void knows_the_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool loopback;
    } cases[] = {
        { "http://127.0.0.1:8428", true },
        { "http://127.1.2.3/x", true },
        { "http://localhost", true },
        { "https://localhost:8086/x", true },
        { "http://[::1]:8086", true },
        { "http://user:pw@127.0.0.1:1", true },
        { "http://10.0.0.1:8428", false },
        { "http://localhost.example.org", false },
        { "http://127.example.org", false },
        { "http://127.0.0.1.example.org", false },
        { "http://db.example.org/127.0.0.1", false },
        { "http://127.0.0.1@example.org/", false },
        { "nonsense", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (store_url_is_loopback(cases[i].url) != cases[i].loopback) {
            fail_msg("%s", cases[i].url);
        }
    }
}

static void reads_metrics(void **state)
{
    (void)state;
    struct store_metrics metrics;
    store_metrics_read(PHUSA_TEXT("vm_rows_invalid_total{type=\"a\"} 3\n"
                                  "vm_rows_invalid_total{type=\"b\"} 4\n"
                                  "vm_rows_invalid_total_other 100\n"
                                  "vm_rows_ignored_total{reason=\"x y\"} 5\n"
                                  "vm_rows_ignored_total NaN\n"
                                  "vm_rows_ignored_total -7\n"
                                  "\n# vm_app_start_timestamp 1\n"
                                  "vm_app_start_timestamp 1795234417"),
                       &metrics);
    assert_int_equal(metrics.rows_invalid, 7);
    assert_int_equal(metrics.rows_ignored, 5);
    assert_true(metrics.has_start && metrics.start == 1795234417);
    store_metrics_read(PHUSA_TEXT("vm_app_start_timestamp\nvm_app_start_timestamp x\n<html>"),
                       &metrics);
    assert_false(metrics.has_start);
}

static void backs_off(void **state)
{
    (void)state;
    int64_t longest[12] = { 0 }, shortest[12];
    for (uint64_t i = 0; i < 1000; i++) {
        struct backoff backoff = { .random = i };
        for (size_t failure = 0; failure < 12; failure++) {
            int64_t wait = backoff_next(&backoff, 0);
            longest[failure] = wait > longest[failure] ? wait : longest[failure];
            shortest[failure] = i == 0 || wait < shortest[failure] ? wait : shortest[failure];
        }
        backoff_reset(&backoff);
        assert_true(backoff_next(&backoff, 0) <= BACKOFF_FIRST_NS);
        assert_true(backoff_next(&backoff, 7) >= 7 * SECOND_NS);
        backoff_reset(&backoff);
        assert_int_equal(backoff_next(&backoff, 3600), 60 * SECOND_NS);
    }
    for (size_t failure = 0; failure < 12; failure++) {
        int64_t limit = BACKOFF_FIRST_NS << failure;
        limit = limit > BACKOFF_MOST_NS ? BACKOFF_MOST_NS : limit;
        assert_true(longest[failure] <= limit && longest[failure] > limit / 10 * 9);
        assert_true(shortest[failure] < limit / 10); /* full jitter */
    }
}

static mono_time at(double seconds)
{
    return (mono_time){ START_NS + (int64_t)(seconds * 1e9) };
}

static void keeps_a_margin(void **state)
{
    (void)state;
    struct margin margin;
    uint64_t from = 0;
    margin_init(&margin, MARGIN_NS, 5);
    margin_suspect(&margin, SUSPECT_CONNECTION); /* nothing in doubt yet */
    assert_false(margin_rewind(&margin, at(0), &from));
    margin_add(&margin, 10, 2, at(0));
    margin_add(&margin, 20, 3, at(4));
    margin_advance(&margin, at(9.9));
    assert_int_equal(margin.safe, 5);
    margin_advance(&margin, at(10));
    assert_int_equal(margin.safe, 10);
    assert_int_equal(margin.readings_safe, 2);

    margin_suspect(&margin, SUSPECT_CONNECTION);
    margin_advance(&margin, at(100)); /* what is in doubt does not become safe by waiting */
    assert_int_equal(margin.safe, 10);
    assert_true(margin_rewind(&margin, at(100), &from));
    assert_int_equal(from, 10);
    margin_advance(&margin, at(200)); /* and nothing is left that could */
    assert_int_equal(margin.safe, 10);
    margin_add(&margin, 20, 3, at(201));
    margin_add(&margin, 30, 1, at(202));
    margin_suspect(&margin, SUSPECT_CONNECTION); /* up to 20 it was sent again already */
    assert_true(margin_rewind(&margin, at(203), &from));
    assert_int_equal(from, 20);
    margin_add(&margin, 30, 1, at(204));
    margin_suspect(&margin, SUSPECT_CONNECTION);
    assert_false(margin_rewind(&margin, at(205), &from)); /* all sent again */
    margin_suspect(&margin, SUSPECT_RESTART);
    assert_false(margin_rewind(&margin, at(212), &from)); /* too soon after the last */
    margin_advance(&margin, at(300));
    assert_int_equal(margin.safe, 10);
    assert_true(margin_rewind(&margin, at(213), &from));
    assert_int_equal(from, 10); /* a restart doubts everything */
    margin_add(&margin, 30, 4, at(214));
    margin_advance(&margin, at(224));
    assert_int_equal(margin.safe, 30);
    assert_int_equal(margin.readings_safe, 6);
}

/* However many answers come, and however long none is believed: bounded, and never safe too early.
 */
static void bounds_the_margin(void **state)
{
    (void)state;
    struct margin margin;
    margin_init(&margin, MARGIN_NS, 0);
    for (uint64_t i = 1; i <= 100000; i++) {
        margin_add(&margin, i, 1, at((double)i / 100)); /* 1000 s, never advanced */
    }
    assert_int_equal(margin.count, MARGIN_ENTRIES);
    uint64_t last = 0;
    for (int t = 0; t <= 1010; t++) {
        margin_advance(&margin, at(t));
        assert_true(margin.safe >= last);
        assert_true(margin.safe <= (uint64_t)(t > 10 ? t - 10 : 0) * 100);
        last = margin.safe;
    }
    assert_int_equal(margin.safe, 100000);
    assert_int_equal(margin.readings_safe, 100000);
}

/* --- batches ------------------------------------------------------------------------ */

static void batches_by_lines_bytes_and_age(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    settings.batch_lines = 7;
    struct sender *sender = begin(&settings);
    for (int i = 0; i < 20; i++) {
        put_item(3); /* whole items only: two fit */
    }
    run_for(sender, 100 * MILLI_NS);
    assert_int_equal(world.writes, 9); /* the last two items wait for company */
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(world.write_lines[i], 6);
    }
    run_for(sender, 200 * MILLI_NS);
    assert_int_equal(world.writes, 10);
    assert_true(world.write_times[9] - START_NS >= settings.batch_age_ns);
    assert_int_equal(missing_lines(), 0);
    sender_free(sender);

    (void)reset_world(NULL);
    settings.batch_lines = 1000;
    settings.batch_bytes = 100;
    sender = begin(&settings);
    put_item(1);
    put_item(LINES_MAX); /* larger than a batch: alone */
    put_item(1);
    put_item(1);
    run_for(sender, SECOND_NS);
    assert_int_equal(world.writes, 3);
    assert_int_equal(world.write_lines[0], 1);
    assert_int_equal(world.write_lines[1], LINES_MAX);
    assert_int_equal(world.write_lines[2], 2);
    assert_int_equal(counters_of(sender).readings_sent, LINES_MAX + 3);
    assert_int_equal(counters_of(sender).position_sent, world.items[3].position);
    sender_free(sender);
}

static void flushes(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB1);
    settings.batch_age_ns = 3600 * SECOND_NS;
    struct sender *sender = begin(&settings);
    put_items(250);
    run_for(sender, SECOND_NS);
    assert_int_equal(missing_lines(), 50);
    int calls = 1;
    while (!sender_flush(sender, (mono_time){ world.now }) && calls < 10) {
        calls++;
    }
    assert_true(calls <= 2);
    assert_int_equal(missing_lines(), 0);
    put_items(1); /* and with a store that is away it says so instead of pretending */
    world.down = true;
    assert_false(sender_flush(sender, (mono_time){ world.now }));
    assert_false(sender_flush(sender, (mono_time){ world.now }));
    assert_false(counters_of(sender).store_up);
    sender_free(sender);
    assert_int_equal(world.kept_sent, world.items[249].position);
}

static void sends_no_invalid_line(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    put_item(2);
    put_text("m n=NaN 1\nm n=17i 1\n\nm n=18i", 3); /* the third line lacks only its break */
    put_text("garbage\n", 1);
    run_for(sender, SECOND_NS); /* the store asserts that all it gets is valid */
    struct sender_counters counters = counters_of(sender);
    assert_int_equal(world.refused_count, 2);
    assert_string_equal(world.refused[0], "m n=NaN 1");
    assert_string_equal(world.refused[1], "garbage");
    assert_string_equal(world.why, "not valid line protocol");
    assert_int_equal(counters.lines_refused, 2);
    assert_int_equal(counters.readings_sent, 2 + 2 + 1); /* garbage shows no field to subtract */
    assert_int_equal(counters.position_sent, world.items[2].position);
    world.connected = false;
    put_item(1);
    run_for(sender, SECOND_NS);
    assert_int_equal(counters_of(sender).rewinds, 1);
    assert_int_equal(world.times[17], 2);
    assert_int_equal(world.refused_count, 2); /* sent again, told once */
    sender_free(sender);
}

static void packs_with_gzip(void **state)
{
    (void)state;
    struct store_target target;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    settings.gzip = GZIP_AUTO;
    assert_true(store_target_make(&settings, &target));
    assert_false(target.gzip);
    settings.url = "https://store.example.org";
    assert_true(store_target_make(&settings, &target));
    assert_true(target.gzip);
    settings.gzip = GZIP_OFF;
    assert_true(store_target_make(&settings, &target));
    assert_false(target.gzip);
}

static char unpacked[1 << 16];

/* A transport that unpacks and hands on. */
static enum http_status perform_gzip(void *context, const struct http_request *request,
                                     struct http_answer *answer, struct problem *problem)
{
    struct http_request plain = *request;
    if (request->body != NULL) {
        z_stream stream = { .next_in = (Bytef *)(uintptr_t)request->body,
                            .avail_in = (uInt)request->body_length,
                            .next_out = (Bytef *)unpacked,
                            .avail_out = sizeof unpacked };
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        plain.body = unpacked;
        plain.body_length = stream.total_out;
        (void)inflateEnd(&stream);
        assert_true(request->body_length < plain.body_length);
    }
    return perform(context, &plain, answer, problem);
}

static void sends_gzip(void **state)
{
    (void)state;
    struct store_transport packed = { NULL, perform_gzip, no_abort };
    struct store_settings settings = settings_of(STORE_VICTORIA);
    settings.gzip = GZIP_ON;
    struct sender *sender = sender_create_over(&packed, &settings, &source, 0, 0, 1);
    assert_non_null(sender);
    for (int i = 0; i < 300; i++) {
        put_item(2);
    }
    run_for(sender, SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    assert_non_null(strstr(world.last_headers, "Content-Encoding: gzip\n"));
    size_t plain = 0;
    for (size_t i = 0; i < world.writes; i++) {
        plain += world.write_bytes[i];
    }
    assert_true(counters_of(sender).bytes_sent * 2 < plain);
    sender_free(sender);
}

/* --- trouble with the store ----------------------------------------------------------- */

static void tries_again(void **state)
{
    (void)state;
    static const struct {
        enum http_status status;
        int code;
    } cases[] = {
        { HTTP_DONE, 401 }, { HTTP_DONE, 403 },   { HTTP_DONE, 404 },        { HTTP_DONE, 408 },
        { HTTP_DONE, 425 }, { HTTP_DONE, 429 },   { HTTP_DONE, 500 },        { HTTP_DONE, 503 },
        { HTTP_DONE, 599 }, { HTTP_DONE, 301 },   { HTTP_DONE, 307 },        { HTTP_DONE, 100 },
        { HTTP_DONE, 999 }, { HTTP_BROKEN, 204 }, { HTTP_UNREACHABLE, 204 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)reset_world(NULL);
        struct store_settings settings = settings_of(STORE_VICTORIA);
        struct sender *sender = begin(&settings);
        put_items(10);
        world.status = cases[i].status;
        world.code = cases[i].status == HTTP_DONE ? cases[i].code : 0;
        run_for(sender, 300 * SECOND_NS);
        struct sender_counters counters = counters_of(sender);
        assert_int_equal(counters.position_sent, 0);
        assert_int_equal(counters.failures, world.writes);
        assert_false(counters.store_up);
        assert_true(strlen(problem_of(sender)) > 0);
        assert_true(world.writes >= 40 && world.writes < 120); /* 7 quick ones, then every 5 s */
        for (size_t k = 1; k < world.writes; k++) {
            assert_int_equal(world.write_bytes[k], world.write_bytes[0]);
            assert_true(world.write_times[k] - world.write_times[k - 1] <= 31 * SECOND_NS);
        }
        world.status = HTTP_DONE;
        world.code = 0;
        run_for(sender, 31 * SECOND_NS);
        assert_int_equal(missing_lines(), 0);
        assert_int_equal(world.refused_count, 0);
        assert_true(counters_of(sender).store_up);
        assert_string_equal(problem_of(sender), "");
        sender_free(sender);
    }
}

static void honours_retry_after(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB2);
    struct sender *sender = begin(&settings);
    put_items(1);
    world.code = 429;
    world.retry_after_s = 45;
    run_for(sender, 100 * SECOND_NS);
    assert_int_equal(world.writes, 3);
    world.retry_after_s = 0;
    sender_free(sender);
}

static size_t log2_of(size_t n)
{
    size_t log = 0;
    while ((size_t)1 << log < n) {
        log++;
    }
    return log;
}

static void finds_the_bad_lines(void **state)
{
    (void)state;
    static const size_t bad_sets[][4] = { { 0 },     { 99 },         { 37 },
                                          { 0, 99 }, { 3, 4, 5, 6 }, { 1, 50, 51, 98 } };
    static const size_t sizes[] = { 1, 1, 1, 2, 4, 4 };
    for (size_t set = 0; set < 6; set++) {
        (void)reset_world(NULL);
        struct store_settings settings = settings_of(STORE_INFLUXDB2);
        struct sender *sender = begin(&settings);
        for (size_t i = 0, next = 0; i < 100; i++) {
            if (next < sizes[set] && bad_sets[set][next] == i) {
                char text[64];
                (void)snprintf(text, sizeof text, "m bad=%zu,x=1,x_qc=1i 1\n", i);
                put_text(text, 2);
                world.items[i].readings = 0; /* for missing_lines; the sender has not read it yet */
                next++;
            } else {
                put_item(1);
            }
        }
        for (size_t next = 0; next < sizes[set]; next++) {
            world.items[bad_sets[set][next]].readings = 2;
        }
        run_for(sender, SECOND_NS);
        assert_int_equal(world.refused_count, sizes[set]);
        for (size_t next = 0; next < sizes[set]; next++) {
            char text[64];
            (void)snprintf(text, sizeof text, "m bad=%zu,x=1,x_qc=1i 1", bad_sets[set][next]);
            assert_string_equal(world.refused[next], text);
            world.items[bad_sets[set][next]].readings = 0;
        }
        assert_string_equal(world.why, "400 {\"error\":\"partial write: bad\"}");
        assert_int_equal(missing_lines(), 0);
        struct sender_counters counters = counters_of(sender);
        assert_int_equal(counters.lines_refused, sizes[set]);
        assert_int_equal(counters.readings_sent, 100 - sizes[set]);
        assert_int_equal(counters.position_sent, world.items[99].position);
        assert_true(counters.store_up);
        assert_true(world.writes <= 1 + 2 * sizes[set] * log2_of(100));
        sender_free(sender);
    }
}

/* A store that refuses everything costs two requests a line at most, and nothing is lost silently.
 */
static void bounds_the_search(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB2);
    settings.batch_lines = 5000;
    struct sender *sender = begin(&settings);
    for (int i = 0; i < 5000; i++) {
        put_text("m bad=1 1\n", 1);
    }
    run_for(sender, 5 * SECOND_NS);
    assert_int_equal(world.refused_count, 5000);
    assert_true(world.writes < 2 * 5000);
    assert_int_equal(counters_of(sender).readings_sent, 0);
    assert_int_equal(counters_of(sender).position_sent, world.items[4999].position);
    sender_free(sender);
}

/* A failure in the middle of the search: it goes on where it was. */
static void searches_on_after_an_outage(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB2);
    struct sender *sender = begin(&settings);
    put_items(40);
    put_text("m bad=1 1\n", 1);
    put_items(40);
    world.items[40].readings = 0;
    world.duration_ns = 10 * MILLI_NS;
    while (world.writes < 4) {
        run_for(sender, 10 * MILLI_NS);
    }
    assert_int_equal(world.refused_count, 0);
    world.down = true;
    run_for(sender, 60 * SECOND_NS);
    assert_false(counters_of(sender).store_up);
    world.down = false;
    run_for(sender, 40 * SECOND_NS);
    assert_int_equal(world.refused_count, 1);
    assert_int_equal(missing_lines(), 0);
    sender_free(sender);
}

static void creates_the_database(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB1);
    struct sender *sender = begin(&settings);
    put_items(1);
    world.create_code = 503;
    run_for(sender, 10 * SECOND_NS);
    assert_int_equal(world.writes, 0);
    assert_true(world.creates > 3);
    assert_non_null(strstr(problem_of(sender), "database"));
    world.create_code = 403; /* no right to; perhaps it is there */
    size_t before = world.creates;
    run_for(sender, 40 * SECOND_NS);
    assert_int_equal(world.creates, before + 1);
    assert_int_equal(missing_lines(), 0);
    assert_string_equal(problem_of(sender), "");
    world.code = 404; /* somebody dropped it */
    world.create_code = 200;
    put_items(1);
    run_for(sender, SECOND_NS);
    world.code = 0;
    run_for(sender, 40 * SECOND_NS);
    assert_true(world.creates > before + 1);
    assert_int_equal(missing_lines(), 0);
    sender_free(sender);
}

/* --- trouble with the spool ------------------------------------------------------------- */

static void outlives_its_spool(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    put_items(10);
    world.spool_fails = true;
    run_for(sender, 20 * SECOND_NS);
    assert_non_null(strstr(problem_of(sender), "spool"));
    assert_true(world.seeks <= 21); /* once a second */
    world.spool_fails = false;
    run_for(sender, 2 * SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    assert_string_equal(problem_of(sender), "");
    world.spool_fails = true;
    run_for(sender, 2 * SECOND_NS);
    assert_non_null(strstr(problem_of(sender), "spool"));
    world.spool_fails = false;
    world.cursor_fails = true;
    put_items(10);
    run_for(sender, 3 * SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    assert_non_null(strstr(problem_of(sender), "remember"));
    world.cursor_fails = false;
    run_for(sender, 2 * SECOND_NS);
    assert_string_equal(problem_of(sender), "");
    sender_free(sender);
}

static void remembers_once_a_second(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB2);
    struct sender *sender = begin(&settings);
    for (int i = 0; i < 100; i++) {
        put_items(1);
        run_for(sender, SECOND_NS / 10);
    }
    assert_true(world.keeps >= 9 && world.keeps <= 11);
    put_items(1);
    (void)sender_flush(sender, (mono_time){ world.now });
    sender_free(sender);
    assert_int_equal(world.kept_sent, world.items[100].position);
    assert_true(world.kept_safe < world.items[5].position); /* 10 s ago */
}

/* --- sending again ------------------------------------------------------------------------ */

static void sends_again_at_its_own_start(void **state)
{
    (void)state;
    put_items(100);
    world.kept_safe = world.items[39].position;
    world.kept_sent = world.items[59].position;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    run_for(sender, SECOND_NS);
    struct sender_counters counters = counters_of(sender);
    assert_int_equal(counters.readings_resent, 20);
    assert_int_equal(counters.readings_sent, 40);
    assert_int_equal(counters.rewinds, 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(world.times[i * LINES_MAX], i < 40 ? 0 : 1);
    }
    run_for(sender, 30 * SECOND_NS);
    counters = counters_of(sender);
    assert_int_equal(counters.position_safe, world.items[99].position);
    assert_int_equal(counters.readings_safe, 60);
    assert_int_equal(counters.store_rows_invalid, 7);
    assert_int_equal(counters.store_rows_ignored, 5);
    sender_free(sender);
    assert_int_equal(world.kept_safe, world.items[99].position);
}

/* The store is killed and comes back: the last seconds are sent again, once, and all is there. */
static void repairs_a_restarted_store(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    for (int i = 0; i < 200; i++) {
        put_items(1);
        run_for(sender, SECOND_NS / 10);
    }
    restart_store();
    assert_true(missing_lines() > 20);
    for (int i = 0; i < 100; i++) {
        put_items(1);
        run_for(sender, SECOND_NS / 10);
    }
    run_for(sender, SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    struct sender_counters counters = counters_of(sender);
    assert_int_equal(counters.rewinds, 1);
    assert_true(counters.readings_resent >= 100 && counters.readings_resent <= 220);
    assert_int_equal(counters.readings_sent, 300);
    sender_free(sender);
}

/* Behind a proxy the connection stays; only the start time tells, even of an idle store. */
static void notices_a_restart_by_the_start_time(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    put_items(100);
    run_for(sender, SECOND_NS);
    restart_store();
    world.connected = true;
    assert_int_equal(missing_lines(), 100);
    run_for(sender, 11 * SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    assert_int_equal(counters_of(sender).rewinds, 1);
    world.start -= 1; /* an earlier start is another store's, not a restart */
    run_for(sender, 60 * SECOND_NS);
    assert_int_equal(counters_of(sender).rewinds, 1);
    assert_int_equal(counters_of(sender).position_safe, world.items[99].position);
    sender_free(sender);
}

/* Idle while the store dies and comes back without /metrics: nothing becomes safe by time alone. */
static void believes_only_a_store_seen_alive(void **state)
{
    (void)state;
    world.hides_metrics = true;
    struct store_settings settings = settings_of(STORE_VICTORIA);
    struct sender *sender = begin(&settings);
    run_for(sender, SECOND_NS);
    put_items(100);
    run_for(sender, SECOND_NS);
    world.down = true;
    run_for(sender, 60 * SECOND_NS);
    assert_int_equal(counters_of(sender).position_safe, 0);
    assert_false(counters_of(sender).store_up);
    restart_store();
    for (size_t i = 0; i < 100; i++) {
        world.stored_at[i * LINES_MAX] = 0; /* it was killed right after the answer */
    }
    world.down = false;
    run_for(sender, 200 * SECOND_NS);
    assert_int_equal(missing_lines(), 0);
    assert_int_equal(counters_of(sender).position_safe, world.items[99].position);
    assert_true(counters_of(sender).store_up);
    sender_free(sender);
}

/* A store that closes each connection: twice the traffic, no more, and safe goes on. */
static void survives_a_store_that_always_closes(void **state)
{
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        (void)reset_world(NULL);
        world.closes = true;
        world.hides_metrics = hidden == 1;
        struct store_settings settings = settings_of(STORE_VICTORIA);
        struct sender *sender = begin(&settings);
        for (int i = 0; i < 1200; i++) {
            put_items(1);
            run_for(sender, SECOND_NS / 10);
        }
        struct sender_counters counters = counters_of(sender);
        assert_true(counters.rewinds >= 2 && counters.rewinds <= 13);
        assert_true(counters.readings_sent >= 1190);
        assert_true(counters.readings_resent <= counters.readings_sent);
        for (size_t i = 0; i < 1200; i++) {
            assert_true(world.times[i * LINES_MAX] <= 2);
        }
        assert_true(counters.position_safe > world.items[800].position);
        assert_true(world.probes <= 122); /* once a second */
        sender_free(sender);
    }
}

/* An own restart in the middle of everything: the new one goes on from what was remembered. */
static void restart_sender(struct sender **sender, const struct store_settings *settings,
                           bool crash)
{
    uint64_t safe = world.kept_safe, sent = world.kept_sent;
    sender_free(*sender);
    if (crash) { /* what was remembered in the last moment was not */
        world.kept_safe = safe;
        world.kept_sent = sent;
    }
    *sender = begin(settings);
}

static void disturb(struct sender **sender, const struct store_settings *settings)
{
    switch (random_below(40)) {
    case 0:
        restart_store();
        break;
    case 1:
        world.down = true;
        break;
    case 2:
        restart_sender(sender, settings, random_below(2) == 0);
        break;
    case 3:
        world.code = 503;
        break;
    case 4:
        world.status = HTTP_BROKEN;
        break;
    case 5:
        world.connected = false;
        break;
    default:
        if (random_below(4) == 0) {
            if (world.down) {
                restart_store();
            }
            world.down = false;
            world.code = 0;
            world.status = HTTP_DONE;
        }
        break;
    }
}

/* Whatever happens, in whatever order: in the end every line is there, and safe was never a lie. */
static void loses_nothing(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int run = 0; run < RANDOM_RUNS; run++) {
        (void)reset_world(NULL);
        struct store_settings settings = settings_of(STORE_VICTORIA);
        settings.batch_lines = 1 + (int64_t)random_below(50);
        world.duration_ns = (int64_t)random_below(2000) * MILLI_NS;
        struct sender *sender = begin(&settings);
        for (int i = 0; i < 300; i++) {
            put_item(1 + random_below(LINES_MAX));
            run_for(sender, (int64_t)random_below(2000) * MILLI_NS);
            disturb(&sender, &settings);
            for (size_t k = 0; k < world.item_count && world.items[k].position <= world.kept_safe;
                 k++) {
                for (size_t line = 0; line < world.items[k].readings; line++) {
                    assert_true(world.stored_at[k * LINES_MAX + line] != 0);
                }
            }
        }
        world.down = false;
        world.code = 0;
        world.status = HTTP_DONE;
        run_for(sender, 6000 * SECOND_NS); /* a batch may be one line and take two seconds */
        if (missing_lines() > 0) {
            fail_msg("run %d lost %zu lines", run, missing_lines());
        }
        assert_int_equal(counters_of(sender).position_safe, world.items[299].position);
        sender_free(sender);
    }
}

/* --- over a real socket --------------------------------------------------------------------- */

static void lives_without_a_store(void **state)
{
    (void)state;
    struct store_settings settings = settings_of(STORE_INFLUXDB2);
    settings.url = "http://127.0.0.1:1"; /* nobody listens on tcpmux */
    struct sender *sender = sender_create(&settings, &source, 0, 0, 1);
    assert_non_null(sender);
    put_items(1);
    run_for(sender, SECOND_NS);
    assert_false(counters_of(sender).store_up);
    assert_non_null(strstr(problem_of(sender), "does not answer"));
    assert_true(counters_of(sender).requests >= 1);
    sender_abort(sender);
    run_for(sender, 60 * SECOND_NS);
    assert_non_null(strstr(problem_of(sender), "aborted"));
    sender_free(sender);
}

#define world_test(function) cmocka_unit_test_setup(function, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_urls_and_credentials),
        cmocka_unit_test(encodes_base64),
        cmocka_unit_test(knows_the_loopback),
        cmocka_unit_test(reads_metrics),
        cmocka_unit_test(backs_off),
        cmocka_unit_test(keeps_a_margin),
        cmocka_unit_test(bounds_the_margin),
        world_test(batches_by_lines_bytes_and_age),
        world_test(flushes),
        world_test(sends_no_invalid_line),
        world_test(packs_with_gzip),
        world_test(sends_gzip),
        world_test(tries_again),
        world_test(honours_retry_after),
        world_test(finds_the_bad_lines),
        world_test(bounds_the_search),
        world_test(searches_on_after_an_outage),
        world_test(creates_the_database),
        world_test(outlives_its_spool),
        world_test(remembers_once_a_second),
        world_test(sends_again_at_its_own_start),
        world_test(repairs_a_restarted_store),
        world_test(notices_a_restart_by_the_start_time),
        world_test(believes_only_a_store_seen_alive),
        world_test(survives_a_store_that_always_closes),
        world_test(loses_nothing),
        world_test(lives_without_a_store),
    };
    const char *given = getenv("PHUSA_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : seed;
    http_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_end();
    return failed;
}
