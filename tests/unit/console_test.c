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

/* Only read by the server's threads: filled once before it starts. */
static struct console_view sample;

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

static int start(void **state)
{
    (void)state;
    const struct console_source source = { NULL, give_totals, give_view };
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

static int dial(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)console_port(console)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
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
        { "GET", "/nothing", 404, "Content-Type: text/plain", "not found" },
        { "GET", "/../etc/passwd", 404, "Content-Type: text/plain", "not found" },
        { "POST", "/", 405, "Allow: GET, HEAD", "only GET and HEAD" },
        { "DELETE", "/healthz", 405, "Allow: GET, HEAD", "only GET and HEAD" },
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
    /* not a number has no JSON */
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(last, "readings"), 0), "value")));
    json_decref(root);
}

/* As many as there are threads, and more: they begin a request and say no more, or do not read. */
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
    const struct console_source source = { NULL, give_totals, give_view };
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
    const struct console_source source = { NULL, give_totals, give_view };
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
        cmocka_unit_test(slow_clients_hold_nobody_up),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(refuses_wrong_addresses),
        cmocka_unit_test(listens_on_ipv6),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
