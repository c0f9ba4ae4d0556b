/* The HTTP server on a free loopback port: paths, methods, headers, and clients that are slow. */
#include <arpa/inet.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "console/delivery.h"
#include "console_sample.h"

#define ANSWER_MAX  65536
#define PATIENCE_MS 5000 /* before a missing answer is a failure */

static struct console *console;
static _Atomic bool ready = true;
static char answer[ANSWER_MAX];

static void give_totals(void *context, struct console_totals *totals)
{
    (void)context;
    *totals = (struct console_totals){ .ready = ready, .not_ready = ready ? "" : "broker away" };
}

static void release(struct console_view *view)
{
    free(view);
}

#define TOKEN "c2VjcmV0LXRva2Vu"

/* What was asked to be put back last. */
static struct {
    uint64_t positions[CONSOLE_REQUEUE_MAX];
    size_t count;
    unsigned calls;
} asked;

/* Position 404 is unknown, and at 503 the journal is full. */
static enum console_requeue requeue(void *context, const uint64_t *positions,
                                    size_t positions_count, uint64_t *count,
                                    struct problem *problem)
{
    (void)context;
    asked.calls++;
    asked.count = positions_count;
    memcpy(asked.positions, positions, positions_count * sizeof *positions);
    for (size_t i = 0; i < positions_count; i++) {
        if (positions[i] == 404) {
            problem_set(problem, "position 404: no such record");
            return CONSOLE_REQUEUE_UNKNOWN;
        }
        if (positions[i] == 503) {
            *count = i;
            problem_set(problem, "the journal is full");
            return CONSOLE_REQUEUE_FAILED;
        }
    }
    *count = positions_count;
    return CONSOLE_REQUEUED;
}

/* Only read by the server's threads: filled once before it starts. */
static struct console_view sample;

/* What a gateway said last. */
static struct {
    char channel[64], key[64], state[128];
    unsigned calls;
} said;

/* The proof "right" is; the state tells what comes of it. */
static enum console_delivered take_delivery(void *context, const struct console_delivery *report)
{
    static const struct {
        const char *state;
        enum console_delivered delivered;
    } cases[] = {
        { "8", CONSOLE_DELIVERY_NOTED },   { "1", CONSOLE_DELIVERY_DONE },
        { "2", CONSOLE_DELIVERY_AGAIN },   { "16", CONSOLE_DELIVERY_FAILED },
        { "full", CONSOLE_DELIVERY_LOST },
    };
    (void)context;
    if (strcmp(report->proof, "right") != 0) {
        return CONSOLE_DELIVERY_FORGED;
    }
    said.calls++;
    (void)snprintf(said.channel, sizeof said.channel, "%s", report->channel);
    (void)snprintf(said.key, sizeof said.key, "%s", report->key);
    (void)snprintf(said.state, sizeof said.state, "%s", report->state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(report->state, cases[i].state) == 0) {
            return cases[i].delivered;
        }
    }
    return CONSOLE_DELIVERY_UNCHANGED;
}

static struct console_view *give_view(void *context)
{
    (void)context;
    struct console_view *view = malloc(sizeof *view);
    if (view != NULL) {
        *view = sample;
        view->release = release;
    }
    return view;
}

static const struct phusa_parameter *window_parameters[] = { &sample_parameters[SAMPLE_PM25],
                                                             &sample_parameters[SAMPLE_TEMP] };
static struct console_night night = { &sample_parameters[SAMPLE_TEMP],
                                      SAMPLE_NOW_S *SECOND_NS,
                                      CONSOLE_TRAP_OFF,
                                      NAN,
                                      true,
                                      1440,
                                      5,
                                      6,
                                      0 };
static struct console_window windows[] = {
    { .parameter = &sample_parameters[SAMPLE_PM25],
      .kind = RULE_8H,
      .end_ns = (SAMPLE_NOW_S - 3600) * SECOND_NS,
      .mean = 12.5,
      .min = 10,
      .max = 15,
      .sum = 25,
      .count = 2,
      .coverage = 0.25,
      .corrected = true,
      .first_known = true,
      .first = NAN },
    { .parameter = &sample_parameters[SAMPLE_TEMP],
      .kind = RULE_NIGHT,
      .mean = NAN,
      .corrected = true,
      .night = &night },
};
/* What was asked for last; "busy" is out of memory, and of stations there is one. */
static struct console_windows_query windows_asked;

static void release_windows(struct console_windows *made)
{
    free(made);
}

static struct console_windows *give_windows(void *context,
                                            const struct console_windows_query *query)
{
    (void)context;
    windows_asked = *query;
    struct console_windows *made =
        strcmp(query->station, "busy") == 0 ? NULL : calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->release = release_windows;
    if (strcmp(query->station, "pq-an-thoi") == 0) {
        made->station = &sample_stations[4];
        made->parameters = window_parameters;
        made->parameter_count = 2;
        made->windows = windows;
        made->window_count = 2;
    }
    return made;
}

static int start(void **state)
{
    (void)state;
    const struct console_source source = { .token = TOKEN,
                                           .requeue = requeue,
                                           .totals = give_totals,
                                           .view = give_view,
                                           .windows = give_windows,
                                           .delivery = take_delivery };
    struct problem problem = { "" };
    sample_fill(&sample);
    console = console_create("127.0.0.1:0", &source, &problem);
    return console == NULL;
}

static int stop(void **state)
{
    (void)state;
    console_free(console);
    return 0;
}

static int dial_port(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int dial(void)
{
    return dial_port(console_port(console));
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the server closes. */
static void hear(int fd)
{
    size_t used = 0;
    for (;;) {
        struct pollfd wait = { fd, POLLIN, 0 };
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        ssize_t got = recv(fd, answer + used, ANSWER_MAX - 1 - used, 0);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    answer[used] = '\0';
    close(fd);
}

static void ask(const char *method, const char *path)
{
    char request[512];
    (void)snprintf(request, sizeof request,
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    int fd = dial();
    say(fd, request);
    hear(fd);
}

static int code(void)
{
    int found = 0;
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &found), 1);
    return found;
}

static const char *body(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void answers_paths_and_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int code;
        const char *header, *within;
    } cases[] = {
        { "GET", "/", 200, "Content-Type: text/html; charset=utf-8", "Cầu Rạch Miễu" },
        { "GET", "/?site=phu-quoc", 200, "Content-Security-Policy: default-src 'none'", "An Thới" },
        { "GET", "/?site=nowhere", 404, "Cache-Control: no-store", "Không có trạm nào" },
        { "GET", "/healthz", 200, "X-Content-Type-Options: nosniff", "ok\n" },
        { "GET", "/readyz", 200, "Content-Type: text/plain", "ready\n" },
        { "GET", "/metrics", 200, "text/plain; version=0.0.4", "\nprocess_resident_memory_bytes " },
        { "GET", "/metrics", 200, "text/plain; version=0.0.4", "\nprocess_cpu_seconds_total " },
        { "GET", "/api/v1/status", 200, "Content-Type: application/json", "\"totals\"" },
        { "GET", "/api/v1/ledger", 200, "Content-Type: application/json", "\"5f3a09c1\"" },
        { "GET", "/api/v1/ledger?station=nobody", 404, "application/json", "\"stations\":[]" },
        { "GET", "/api/v1/windows?station=pq-an-thoi", 200, "application/json", "\"pm25\"" },
        { "GET", "/api/v1/windows?station=nobody", 404, "application/json", "/api/v1/status" },
        { "GET", "/api/v1/windows?station=busy", 503, "application/json", "out of memory" },
        { "POST", "/api/v1/windows", 405, "Allow: GET, HEAD", "only GET and HEAD" },
        { "GET", "/api/v1/quarantine/requeue", 405, "Allow: POST", "only POST" },
        { "POST", "/api/v1/ledger", 405, "Allow: GET, HEAD", "only GET and HEAD" },
        { "GET", "/nothing", 404, "Content-Type: text/plain", "not found" },
        { "GET", "/../etc/passwd", 404, "Content-Type: text/plain", "not found" },
        { "POST", "/", 405, "Allow: GET, HEAD", "only GET and HEAD" },
        { "DELETE", "/healthz", 405, "Allow: GET, HEAD", "only GET and HEAD" },
        { "DELETE", "/api/v1/alarms", 405, "Allow: GET, HEAD, POST", "only GET, HEAD and POST" },
        { "POST", "/nothing", 404, "Content-Type: text/plain", "not found" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(cases[i].method, cases[i].path);
        assert_int_equal(code(), cases[i].code);
        assert_non_null(strstr(answer, cases[i].header));
        assert_non_null(strstr(body(), cases[i].within));
    }
}

static void answers_head_without_a_body(void **state)
{
    (void)state;
    ask("HEAD", "/");
    assert_int_equal(code(), 200);
    assert_non_null(strstr(answer, "Content-Length: "));
    assert_string_equal(body(), "");
}

static void says_why_it_is_not_ready(void **state)
{
    (void)state;
    ready = false;
    ask("GET", "/readyz");
    ready = true;
    assert_int_equal(code(), 503);
    assert_non_null(strstr(body(), "broker away"));
}

static void status_is_json(void **state)
{
    (void)state;
    ask("GET", "/api/v1/status");
    json_t *root = json_loads(body(), 0, NULL);
    assert_non_null(root);
    json_t *stations = json_object_get(root, "stations");
    json_t *first = json_array_get(stations, 0),
           *last = json_array_get(stations, SAMPLE_STATIONS - 1);
    json_t *reading = json_array_get(json_object_get(first, "readings"), 2);
    assert_int_equal(json_array_size(stations), SAMPLE_STATIONS);
    assert_int_equal(json_array_size(json_object_get(root, "alarms")), 2);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(root, "totals"), "received")), 1234567);
    assert_string_equal(json_string_value(json_object_get(first, "state")), "online");
    assert_string_equal(json_string_value(json_object_get(reading, "parameter")), "salinity");
    assert_true(json_real_value(json_object_get(reading, "value")) == 4.3163);
    assert_int_equal(json_integer_value(json_object_get(reading, "time")), SAMPLE_NOW_S - 40);
    const json_t *lacking = json_array_get(json_object_get(root, "stations"), SAMPLE_STATIONS - 1);
    char *clock = json_dumps(json_object_get(lacking, "clock"), JSON_COMPACT);
    assert_string_equal(clock, "{\"verdict\":\"good\",\"clock\":\"held\",\"difference_s\":400.0,"
                               "\"smallest_s\":310.5,\"drift_ms_per_day\":2500,\"drifting\":true}");
    free(clock);
    assert_int_equal(json_integer_value(json_object_get(lacking, "time_reconstructed")), 7);
    clock = json_dumps(json_object_get(first, "clock"), JSON_COMPACT);
    assert_string_equal(clock, "{\"verdict\":null,\"clock\":null,\"difference_s\":null,"
                               "\"smallest_s\":null,\"drift_ms_per_day\":null,\"drifting\":false}");
    free(clock);
    /* not a number has no JSON */
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(last, "readings"), 0), "value")));
    json_decref(root);
}

static void status_tells_what_is_made_of_readings(void **state)
{
    (void)state;
    struct text_buffer text = { 0 };
    struct console_view view;
    sample_fill(&view);
    struct console_station *station = &view.stations[4];
    struct station trap = *station->station;
    trap.trap.given = true;
    station->station = &trap;
    station->stuck_since_ns = 77 * SECOND_NS;
    station->nights = &night;
    station->night_count = 1;
    station->has_index = true;
    station->hour = (struct console_index){ .end_ns = SAMPLE_NOW_S * SECOND_NS,
                                            .value = 151,
                                            .first = 149,
                                            .corrected = true,
                                            .dominant = &sample_parameters[SAMPLE_PM25],
                                            .level = "bad",
                                            .vi = "Xấu",
                                            .en = "Bad",
                                            .message_vi = "…",
                                            .message_en = "...",
                                            .rgb = { 255, 0, 10 } };
    station->readings[0].derived = true;
    station->readings[0].tests = (struct console_tests){ .given = true,
                                                         .time_ns = 5 * SECOND_NS,
                                                         .gross = 1,
                                                         .spike = 3,
                                                         .rate = 4,
                                                         .flat_line = 2,
                                                         .attenuated = 9,
                                                         .aggregate = 4,
                                                         .missed = 6 };
    console_status(&view, &text);
    json_t *root = json_loads(text.data, 0, NULL), *hour, *reading, *other, *of_night;
    int value, first, corrected, derived, rate, attenuated, missed;
    const char *level, *vi, *colour, *dominant;
    json_int_t stuck;
    assert_non_null(root);
    json_t *made = json_array_get(json_object_get(root, "stations"), 4);
    assert_int_equal(json_unpack(made, "{s:I, s:{s:o, s:n}, s:[o], s:[o,o]}", "stuck", &stuck,
                                 "index", "hour", &hour, "day", "nights", &of_night, "readings",
                                 &reading, &other),
                     0);
    assert_int_equal(stuck, 77);
    assert_int_equal(json_unpack(hour, "{s:i, s:i, s:b, s:s, s:s, s:s, s:s}", "value", &value,
                                 "first", &first, "corrected", &corrected, "level", &level, "vi",
                                 &vi, "colour", &colour, "dominant", &dominant),
                     0);
    assert_true(value == 151 && first == 149 && corrected);
    assert_string_equal(level, "bad");
    assert_string_equal(vi, "Xấu");
    assert_string_equal(colour, "#ff000a");
    assert_string_equal(dominant, "pm25");
    assert_int_equal(json_unpack(reading, "{s:b, s:{s:i, s:i, s:i}}", "derived", &derived, "tests",
                                 "rate", &rate, "attenuated", &attenuated, "missed", &missed),
                     0);
    assert_true(derived && rate == 4 && attenuated == 9 && missed == 6);
    assert_string_equal(json_string_value(json_object_get(of_night, "outcome")), "off");
    assert_true(json_is_null(json_object_get(of_night, "count")));
    assert_true(json_real_value(json_object_get(of_night, "gated_minutes")) == 6);
    json_decref(root);
    sample_fill(&view); /* its storage is everyone's */
    text_buffer_free(&text);
}

/* --- windows ------------------------------------------------------------------------ */

static void windows_say_that_they_were_corrected(void **state)
{
    (void)state;
    ask("GET", "/api/v1/windows?station=pq-an-thoi&parameter=pm25&window=8h&hours=6");
    assert_int_equal(code(), 200);
    assert_int_equal(windows_asked.kinds, 1u << RULE_8H);
    assert_int_equal(windows_asked.hours, 6);
    json_t *root = json_loads(body(), 0, NULL);
    assert_non_null(root);
    json_t *list = json_object_get(root, "windows");
    json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(first, "window")), "8h");
    assert_true(json_real_value(json_object_get(first, "mean")) == 12.5);
    assert_true(json_is_true(json_object_get(first, "corrected")));
    assert_true(json_is_null(json_object_get(first, "first"))); /* there was none */
    assert_true(json_is_true(json_object_get(second, "corrected")));
    assert_null(json_object_get(second, "first")); /* nobody remembers */
    assert_string_equal(json_string_value(json_object_get(second, "outcome")), "off");
    assert_true(json_is_null(json_object_get(second, "mean")));
    json_decref(root);
}

static void windows_are_asked_for_with_sense(void **state)
{
    (void)state;
    static const struct {
        const char *path, *within;
    } cases[] = {
        { "/api/v1/windows", "station=ID" },
        { "/api/v1/windows?station=", "station=ID" },
        { "/api/v1/windows?station=pq-an-thoi&windw=1h", "parameter=, window=, hours=" },
        { "/api/v1/windows?station=pq-an-thoi&window=year", "1h, 8h, 24h, day or night" },
        { "/api/v1/windows?station=pq-an-thoi&window=", "1h, 8h, 24h, day or night" },
        { "/api/v1/windows?station=pq-an-thoi&hours=0", "from 1 to 48" },
        { "/api/v1/windows?station=pq-an-thoi&hours=49", "from 1 to 48" },
        { "/api/v1/windows?station=pq-an-thoi&hours=-1", "from 1 to 48" },
        { "/api/v1/windows?station=pq-an-thoi&hours=1h", "from 1 to 48" },
        { "/api/v1/windows?station=pq-an-thoi&hours=99999999999999999999", "from 1 to 48" },
        { "/api/v1/windows?station=pq-an-thoi&parameter=ph", "pm25, temp" },
        { "/api/v1/windows?station=pq-an-thoi&parameter=%3Cscript%3E", "pm25, temp" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask("GET", cases[i].path);
        assert_int_equal(code(), 400);
        json_t *root = json_loads(body(), 0, NULL);
        const char *error = json_string_value(json_object_get(root, "error"));
        assert_non_null(error);
        assert_non_null(strstr(error, cases[i].within));
        json_decref(root);
    }
    ask("GET", "/api/v1/windows?station=pq-an-thoi&parameter=temp");
    assert_int_equal(code(), 200);
    assert_int_equal(windows_asked.hours, CONSOLE_WINDOW_HOURS_MAX);
    assert_int_equal(windows_asked.kinds, (1u << CONSOLE_WINDOW_KINDS) - 1);
}

/* --- the ledger -------------------------------------------------------------------- */

static json_t *ledger_of(const char *path)
{
    ask("GET", path);
    assert_int_equal(code(), 200);
    json_t *root = json_loads(body(), 0, NULL);
    assert_non_null(root);
    return root;
}

static void assert_count(const json_t *object, const char *name, json_int_t wanted)
{
    if (json_integer_value(json_object_get(object, name)) != wanted) {
        fail_msg("%s is %" JSON_INTEGER_FORMAT, name,
                 json_integer_value(json_object_get(object, name)));
    }
}

static void ledger_counts_readings_and_reports(void **state)
{
    (void)state;
    json_t *root = ledger_of("/api/v1/ledger");
    const json_t *totals = json_object_get(root, "totals");
    assert_count(totals, "received", 1234567);
    assert_count(totals, "duplicates", 147);
    assert_count(totals, "stored", 1234001);
    assert_count(totals, "quarantined", 7);
    assert_count(totals, "pending", 412);
    assert_count(totals, "missing_reports", 5);
    assert_count(totals, "closed_reports", 19);
    assert_count(totals, "now", SAMPLE_NOW_S);
    assert_count(json_object_get(totals, "unknown_reasons"), "topic", 3);
    assert_int_equal(json_array_size(json_object_get(root, "stations")), SAMPLE_STATIONS);
    const json_t *second = json_array_get(json_object_get(root, "stations"), 1);
    assert_string_equal(json_string_value(json_object_get(second, "id")), "mt-cang");
    assert_count(json_object_get(second, "reasons"), "unit", 7);
    assert_true(json_is_null(json_object_get(second, "oldest_gap")));
    json_decref(root);
}

static void ledger_names_gaps_of_a_station(void **state)
{
    (void)state;
    json_t *root = ledger_of("/api/v1/ledger?station=pq-duong-dong");
    assert_int_equal(json_array_size(json_object_get(root, "stations")), 1);
    const json_t *station = json_array_get(json_object_get(root, "stations"), 0);
    const json_t *logs = json_object_get(station, "logs"), *log = json_array_get(logs, 0);
    const json_t *gaps = json_object_get(log, "gaps");
    assert_count(station, "closed_reports", 19);
    assert_count(station, "oldest_gap", SAMPLE_NOW_S - SAMPLE_GAP_S);
    assert_int_equal(json_array_size(logs), 2);
    assert_string_equal(json_string_value(json_object_get(log, "log")), "5f3a09c1");
    assert_true(json_is_true(json_object_get(log, "current")));
    assert_count(log, "announced", 61);
    assert_count(log, "missing", 5);
    assert_int_equal(json_array_size(gaps), 3);
    assert_count(json_array_get(gaps, 1), "first", 50);
    assert_count(json_array_get(gaps, 1), "last", 51);
    assert_count(json_array_get(gaps, 1), "since", SAMPLE_NOW_S - 7200);
    assert_true(json_is_null(json_object_get(json_array_get(gaps, 1), "closed")));
    assert_string_equal(json_string_value(json_object_get(json_array_get(gaps, 2), "closed")),
                        "overwritten");
    assert_string_equal(json_string_value(json_object_get(json_array_get(logs, 1), "log")),
                        "0000beef");
    json_decref(root);
}

static void ledger_of_all_names_gaps_up_to_a_limit(void **state)
{
    (void)state;
    static struct console_gap gaps[CONSOLE_LEDGER_GAPS_MAX + 3];
    struct console_log log = { .gap_count = CONSOLE_LEDGER_GAPS_MAX + 3, .gaps = gaps };
    struct console_station station = { .station = &sample_stations[0],
                                       .log_count = 1,
                                       .logs = &log };
    struct console_view view = { .station_count = 1, .stations = &station };
    struct text_buffer text = { 0 };
    assert_true(console_ledger(&view, NULL, &text));
    assert_false(text.failed);
    assert_non_null(strstr(text.data, "\"gaps_omitted\":3}"));
    text_buffer_free(&text);
    assert_true(console_ledger(&view, sample_stations[0].id, &text));
    assert_null(strstr(text.data, "gaps_omitted"));
    text_buffer_free(&text);
}

/* --- putting back ------------------------------------------------------------------ */

/* authorization: a whole header with its line end, or "". */
static void post_to(unsigned port, const char *authorization, const char *posted)
{
    static char request[65536];
    int length = snprintf(request, sizeof request,
                          "POST /api/v1/quarantine/requeue HTTP/1.1\r\nHost: x\r\n"
                          "Connection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
                          authorization, strlen(posted), posted);
    assert_true(length > 0 && (size_t)length < sizeof request);
    int fd = dial_port(port);
    say(fd, request);
    hear(fd);
}

static void post(const char *authorization, const char *posted)
{
    post_to(console_port(console), authorization, posted);
}

#define RIGHT "Authorization: Bearer " TOKEN "\r\n"

static void puts_back_with_the_token(void **state)
{
    (void)state;
    post(RIGHT, "{\"positions\":[30, 7,9]}");
    assert_int_equal(code(), 200);
    assert_non_null(strstr(answer, "Content-Type: application/json"));
    assert_string_equal(body(), "{\"requeued\":3}\n");
    assert_int_equal(asked.count, 3);
    assert_true(asked.positions[0] == 7 && asked.positions[1] == 9 && asked.positions[2] == 30);
    post("authorization: bearer " TOKEN "\r\n", "{\"positions\":[1]}");
    assert_int_equal(code(), 200);
}

static void puts_nothing_back_without_the_token(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: " TOKEN "\r\n",
        "Authorization: Basic " TOKEN "\r\n",
        "Authorization: Bearer c2VjcmV0LXRva2V\r\n",
        "Authorization: Bearer c2VjcmV0LXRva2Vu0\r\n",
        "Authorization: Bearer C2VjcmV0LXRva2Vu\r\n",
        "Authorization: Bearer " TOKEN TOKEN "\r\n",
    };
    unsigned before = asked.calls;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        post(wrong[i], "{\"positions\":[7]}");
        assert_int_equal(code(), 401);
        assert_non_null(strstr(answer, "WWW-Authenticate: Bearer\r\n"));
    }
    assert_int_equal(asked.calls, before);
}

static void says_how_to_configure_a_token(void **state)
{
    (void)state;
    const struct console_source source = {
        .token = "", .requeue = requeue, .totals = give_totals, .view = give_view
    };
    struct problem problem = { "" };
    struct console *locked = console_create("127.0.0.1:0", &source, &problem);
    assert_non_null(locked);
    unsigned before = asked.calls;
    post_to(console_port(locked), RIGHT, "{\"positions\":[7]}");
    assert_int_equal(code(), 403);
    assert_non_null(strstr(body(), "http.token_file"));
    post_to(console_port(locked), "Authorization: Bearer \r\n", "{\"positions\":[7]}");
    assert_int_equal(code(), 403);
    assert_int_equal(asked.calls, before);
    console_free(locked);
}

static void says_what_cannot_be_put_back(void **state)
{
    (void)state;
    static const struct {
        const char *posted;
        int code;
        const char *within;
    } cases[] = {
        { "", 400, "no JSON" },
        { "{\"positions\":[1}", 400, "no JSON" },
        { "[1]", 400, "{\"positions\":[P" },
        { "{\"positions\":7}", 400, "{\"positions\":[P" },
        { "{\"positions\":[]}", 400, "1 to 1000" },
        { "{\"positions\":[\"7\"]}", 400, "whole number" },
        { "{\"positions\":[7.5]}", 400, "whole number" },
        { "{\"positions\":[0]}", 400, "whole number" },
        { "{\"positions\":[-7]}", 400, "whole number" },
        { "{\"positions\":[7,8,7]}", 400, "twice" },
        { "{\"positions\":[7,404]}", 404, "position 404: no such record" },
        { "{\"positions\":[1,2,503]}", 503, "2 of 3 were put back: the journal is full" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        post(RIGHT, cases[i].posted);
        assert_int_equal(code(), cases[i].code);
        assert_non_null(strstr(answer, "Content-Type: text/plain"));
        assert_non_null(strstr(body(), cases[i].within));
    }
}

/* {"positions":[first, first + 1, ...]} */
static const char *many_positions(uint64_t first, size_t count)
{
    static char posted[65536];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used +=
            (size_t)snprintf(posted + used, sizeof posted - used, "%s%llu",
                             i > 0 ? ", " : "{\"positions\":[", (unsigned long long)(first + i));
    }
    (void)snprintf(posted + used, sizeof posted - used, "]}");
    return posted;
}

static void takes_a_full_request_and_no_more(void **state)
{
    (void)state;
    post(RIGHT, many_positions(1000000000000000000U, CONSOLE_REQUEUE_MAX));
    assert_string_equal(body(), "{\"requeued\":1000}\n");
    post(RIGHT, many_positions(1, CONSOLE_REQUEUE_MAX + 1));
    assert_int_equal(code(), 400);
    post(RIGHT, many_positions(1000000000000000000U, CONSOLE_REQUEUE_MAX * 2));
    assert_int_equal(code(), 413);
    post("", many_positions(1000000000000000000U, CONSOLE_REQUEUE_MAX * 2));
    assert_int_equal(code(), 401);
}

/* As many as there are threads, and more: they begin a request and say no more, or do not read. */
/* --- delivery reports ----------------------------------------------------------------- */

#define REPORT_TO "/api/v1/delivery?channel=text&key=00ff&proof=right"

static void a_gateway_says_what_became_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int code;
        const char *body;
    } cases[] = {
        { "GET", REPORT_TO "&state=8", 200, "{\"report\":\"noted\"}\n" },
        { "GET", REPORT_TO "&state=1", 200, "{\"report\":\"delivered\"}\n" },
        { "POST", REPORT_TO "&state=2", 200, "{\"report\":\"again\"}\n" },
        { "GET", REPORT_TO "&state=16", 200, "{\"report\":\"failed\"}\n" },
        { "GET", REPORT_TO "&state=7", 200, "{\"report\":\"unchanged\"}\n" },
        { "GET", REPORT_TO "&state=full", 503, "say it again" },
        { "GET", REPORT_TO, 400, "it says no state" },
        { "GET", REPORT_TO "x&state=1", 403, "no address that was given to a gateway" },
        { "GET", "/api/v1/delivery?channel=text&key=00ff&state=1", 403, "no address" },
        { "GET", "/api/v1/delivery", 403, "no address" },
        { "POST", "/api/v1/delivery", 403, "no address" },
        { "DELETE", REPORT_TO "&state=1", 405, "only GET and POST" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(cases[i].method, cases[i].path);
        assert_int_equal(code(), cases[i].code);
        assert_non_null(strstr(body(), cases[i].body));
    }
    assert_string_equal(said.channel, "text");
    assert_string_equal(said.key, "00ff");
}

/* Who only looks changes nothing. */
static void a_look_is_no_report(void **state)
{
    (void)state;
    said.calls = 0;
    ask("HEAD", REPORT_TO "&state=1");
    assert_int_equal(code(), 405);
    assert_non_null(strstr(answer, "Allow: GET, POST"));
    ask("GET", REPORT_TO "x&state=1");
    assert_int_equal(said.calls, 0);
}

static void post_report(const char *type, const char *posted, size_t length)
{
    char request[DELIVERY_BODY_MAX + 512];
    (void)snprintf(request, sizeof request,
                   "POST " REPORT_TO " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%.*s",
                   type, length, (int)length, posted);
    int fd = dial();
    say(fd, request);
    hear(fd);
}

static void a_state_may_stand_in_a_form(void **state)
{
    (void)state;
    static char much[DELIVERY_BODY_MAX + 2];
    static const char form[] = "application/x-www-form-urlencoded";
    const char *posted = "id=7&state=%31&to=%2B84901234567";
    post_report(form, posted, strlen(posted));
    assert_string_equal(body(), "{\"report\":\"delivered\"}\n");
    post_report("text/plain", posted, strlen(posted));
    assert_int_equal(code(), 400);
    memset(much, 'x', sizeof much - 1);
    memcpy(much, "state=", 6);
    post_report(form, much, DELIVERY_BODY_MAX); /* longer than any state */
    assert_int_equal(code(), 400);
    post_report(form, much, DELIVERY_BODY_MAX + 1);
    assert_int_equal(code(), 413);
}

static void forms_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *form, *state;
    } cases[] = {
        { "state=1", "1" },
        { "a=state=2&state=DELIVRD&state=3", "DELIVRD" },
        { "xstate=1&states=2&state", "" },
        { "&&=&state=a+b%2B%c3%A9%2", "a b+\xc3\xa9%2" },
        { "state=%zz%4&x", "%zz%4" },
        { "state=", "" },
        { "", "" },
        { "state=0123456789012345678901234567890123456789012345678901234567890123",
          "0123456789012345678901234567890123456789012345678901234567890123" },
        { "state=01234567890123456789012345678901234567890123456789012345678901234", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char read[DELIVERY_STATE_MAX + 1];
        delivery_read_form(phusa_text_of(cases[i].form), read);
        assert_string_equal(read, cases[i].state);
    }
}

/* --- clients that misbehave ------------------------------------------------------------ */

static void slow_clients_hold_nobody_up(void **state)
{
    (void)state;
    enum { SLOW = 20 };
    int slow[SLOW];
    for (size_t i = 0; i < SLOW; i++) {
        slow[i] = dial();
        say(slow[i], i % 2 == 0 ? "GET / HT" : "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    for (size_t i = 0; i < 20; i++) {
        ask("GET", "/healthz");
        assert_string_equal(body(), "ok\n");
    }
    say(slow[0],
        "TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); /* and is answered all the same */
    hear(slow[0]);
    assert_int_equal(code(), 200);
    for (size_t i = 1; i < SLOW; i++) {
        close(slow[i]);
    }
}

static void survives_garbage(void **state)
{
    (void)state;
    static const char *const garbage[] = { "\x16\x03\x01\x02garbage\r\n\r\n", "GET\r\n\r\n",
                                           "\r\n\r\n\r\n",
                                           "GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n" };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = dial();
        say(fd, garbage[i]);
        close(fd);
    }
    ask("GET", "/healthz");
    assert_int_equal(code(), 200);
}

static void refuses_wrong_addresses(void **state)
{
    (void)state;
    const struct console_source source = { .token = "", .totals = give_totals, .view = give_view };
    static const char *const wrong[] = { "",
                                         "8080",
                                         ":8080",
                                         "localhost",
                                         "127.0.0.1:",
                                         "127.0.0.1:http",
                                         "example.invalid:80",
                                         "[::1:80x",
                                         "192.0.2.1:0" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct problem problem = { "" };
        assert_null(console_create(wrong[i], &source, &problem));
        assert_true(strstr(problem.text, "http:") == problem.text);
    }
    char taken[32];
    struct problem problem = { "" };
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", console_port(console));
    assert_null(console_create(taken, &source, &problem));
    assert_non_null(strstr(problem.text, "already in use"));
}

static void listens_on_ipv6(void **state)
{
    (void)state;
    const struct console_source source = { .token = "", .totals = give_totals, .view = give_view };
    struct problem problem = { "" };
    struct console *other = console_create("[::1]:0", &source, &problem);
    if (other == NULL && strstr(problem.text, "cannot listen") != NULL) {
        print_message("no IPv6 loopback here: %s\n", problem.text);
        skip();
    }
    assert_non_null(other);
    assert_true(console_port(other) > 0);
    console_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_paths_and_methods),
        cmocka_unit_test(answers_head_without_a_body),
        cmocka_unit_test(says_why_it_is_not_ready),
        cmocka_unit_test(status_is_json),
        cmocka_unit_test(status_tells_what_is_made_of_readings),
        cmocka_unit_test(windows_say_that_they_were_corrected),
        cmocka_unit_test(windows_are_asked_for_with_sense),
        cmocka_unit_test(ledger_counts_readings_and_reports),
        cmocka_unit_test(ledger_names_gaps_of_a_station),
        cmocka_unit_test(ledger_of_all_names_gaps_up_to_a_limit),
        cmocka_unit_test(puts_back_with_the_token),
        cmocka_unit_test(puts_nothing_back_without_the_token),
        cmocka_unit_test(says_how_to_configure_a_token),
        cmocka_unit_test(a_gateway_says_what_became_of_it),
        cmocka_unit_test(a_look_is_no_report),
        cmocka_unit_test(a_state_may_stand_in_a_form),
        cmocka_unit_test(forms_are_read_as_they_are_written),
        cmocka_unit_test(says_what_cannot_be_put_back),
        cmocka_unit_test(takes_a_full_request_and_no_more),
        cmocka_unit_test(slow_clients_hold_nobody_up),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(refuses_wrong_addresses),
        cmocka_unit_test(listens_on_ipv6),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
