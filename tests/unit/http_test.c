/*
 * The HTTP client against a server that does as its script says, on a free port
 * of the loopback. Nothing sleeps: what hangs is ended by the client's own time
 * limit or by an abort.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http.h"

#define REQUEST_MAX (2 << 20)
#define STEPS_MAX   8
#define GOOD        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define SHORT_MS    200 /* time limit where the server hangs */
#define LONG_MS     60000
#define SOON_NS                                                                                    \
    (INT64_C(3) * SECOND_NS) /* an abort is felt at once; the rest is a slow machine               \
                              */

/* --- the server ---------------------------------------------------------------- */

/* What happens to one request, in order, over all connections. */
struct step {
    const char *answer; /* NULL: say nothing and wait for the end */
    bool close;         /* close the connection after it */
};

struct server {
    int listener, stop;
    int hanging; /* an eventfd, written when a step with no answer is reached */
    uint16_t port;
    pthread_t thread;
    const struct step *steps;
    size_t step_count;
    size_t requests, connections;
    char last[REQUEST_MAX + 1]; /* the last request, to be read after server_end */
};

/* True if fd is readable, false if the server is to stop. */
static bool wait_for(struct server *server, int fd)
{
    struct pollfd polls[] = { { .fd = server->stop, .events = POLLIN },
                              { .fd = fd, .events = POLLIN } };
    while (poll(polls, 2, -1) < 0) {
    }
    return polls[0].revents == 0;
}

static size_t body_length(const char *head)
{
    const char *found = strstr(head, "Content-Length: ");
    return found == NULL ? 0 : (size_t)strtoul(found + 16, NULL, 10);
}

/* Reads one request with its body into server->last. */
static bool read_request(struct server *server, int fd)
{
    size_t used = 0;
    for (;;) {
        server->last[used] = '\0';
        const char *end = strstr(server->last, "\r\n\r\n");
        if (end != NULL && used >= (size_t)(end + 4 - server->last) + body_length(server->last)) {
            return true;
        }
        if (used == REQUEST_MAX || !wait_for(server, fd)) {
            return false;
        }
        ssize_t got = recv(fd, server->last + used, REQUEST_MAX - used, 0);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
    }
}

static void serve(struct server *server, int fd)
{
    while (server->requests < server->step_count && read_request(server, fd)) {
        const struct step *step = &server->steps[server->requests++];
        if (step->answer == NULL) {
            uint64_t one = 1;
            assert_int_equal(write(server->hanging, &one, sizeof one), sizeof one);
            (void)wait_for(server, -1);
            return;
        }
        (void)send(fd, step->answer, strlen(step->answer), MSG_NOSIGNAL);
        if (step->close) {
            return;
        }
    }
}

static void *server_main(void *context)
{
    struct server *server = context;
    while (wait_for(server, server->listener)) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd >= 0) {
            server->connections++;
            serve(server, fd);
            (void)close(fd);
        }
    }
    return NULL;
}

static void server_begin(struct server *server, const struct step *steps, size_t count)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    *server = (struct server){ .steps = steps, .step_count = count };
    server->stop = eventfd(0, EFD_CLOEXEC);
    server->hanging = eventfd(0, EFD_CLOEXEC);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server->listener >= 0 && server->stop >= 0 && server->hanging >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, STEPS_MAX), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

static void server_end(struct server *server)
{
    uint64_t one = 1;
    assert_int_equal(write(server->stop, &one, sizeof one), sizeof one);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    (void)close(server->listener);
    (void)close(server->stop);
    (void)close(server->hanging);
}

/* --- one client and its server ------------------------------------------------- */

struct fixture {
    struct server server;
    struct http_client *client;
    struct http_answer answer;
    struct problem problem;
};

static void begin(struct fixture *fixture, const struct step *steps, size_t count, long total_ms)
{
    struct http_options options = { .total_ms = total_ms };
    server_begin(&fixture->server, steps, count);
    fixture->client = http_client_create(&options);
    assert_non_null(fixture->client);
}

static enum http_status post(struct fixture *fixture, const char *body)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/write", fixture->server.port);
    struct http_request request = {
        .method = "POST",
        .url = url,
        .headers = { "X-One: 1", "X-Two: 2" },
        .body = body,
        .body_length = strlen(body),
    };
    fixture->problem.text[0] = '\0';
    return http_perform(fixture->client, &request, &fixture->answer, &fixture->problem);
}

static void end(struct fixture *fixture)
{
    http_client_free(fixture->client);
    server_end(&fixture->server);
}

static struct fixture fixture;

static void keeps_its_connection(void **state)
{
    (void)state;
    static const struct step steps[] = { { GOOD, false },
                                         { "HTTP/1.1 204 No Content\r\n\r\n", false },
                                         { "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n"
                                           "Content-Length: 0\r\n\r\n",
                                           false },
                                         { GOOD, true },
                                         { GOOD, false } };
    static const int codes[] = { 200, 204, 503, 200, 200 };
    static const bool opened[] = { true, false, false, false, true };
    static const int64_t retry_after[] = { 0, 0, 7, 0, 0 };
    begin(&fixture, steps, 5, LONG_MS);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(post(&fixture, "m f=1\n"), HTTP_DONE);
        assert_int_equal(fixture.answer.code, codes[i]);
        assert_int_equal(fixture.answer.new_connection, opened[i]);
        assert_int_equal(fixture.answer.retry_after_s, retry_after[i]);
        assert_string_equal(fixture.answer.body, codes[i] == 200 ? "ok" : "");
    }
    end(&fixture);
    assert_int_equal(fixture.server.connections, 2);
}

static void sends_what_it_is_told(void **state)
{
    (void)state;
    static const struct step steps[] = { { GOOD, false } };
    begin(&fixture, steps, 1, LONG_MS);
    assert_int_equal(post(&fixture, "hello"), HTTP_DONE);
    end(&fixture);
    assert_ptr_equal(strstr(fixture.server.last, "POST /write HTTP/1.1\r\n"), fixture.server.last);
    assert_non_null(strstr(fixture.server.last, "X-One: 1\r\n"));
    assert_non_null(strstr(fixture.server.last, "X-Two: 2\r\n"));
    assert_non_null(strstr(fixture.server.last, "Content-Length: 5\r\n"));
    assert_non_null(strstr(fixture.server.last, "\r\n\r\nhello"));
    assert_null(strstr(fixture.server.last, "Expect:"));
}

/* From a body of 1 MiB on (1 KiB in older ones) libcurl would ask first whether it may send. */
static void asks_no_leave_to_send(void **state)
{
    (void)state;
    static const struct step steps[] = { { "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n"
                                           "Connection: close\r\n\r\n",
                                           true } };
    static char body[REQUEST_MAX - 1000];
    memset(body, 'x', sizeof body - 1);
    begin(&fixture, steps, 1, LONG_MS);
    assert_int_equal(post(&fixture, body), HTTP_DONE);
    assert_int_equal(fixture.answer.code, 413);
    end(&fixture);
    assert_null(strstr(fixture.server.last, "100-continue"));
}

static void follows_no_redirect(void **state)
{
    (void)state;
    static const struct step steps[] = { { "HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\n"
                                           "Content-Length: 0\r\n\r\n",
                                           false },
                                         { GOOD, false } };
    begin(&fixture, steps, 2, LONG_MS);
    assert_int_equal(post(&fixture, ""), HTTP_DONE);
    assert_int_equal(fixture.answer.code, 307);
    end(&fixture);
    assert_int_equal(fixture.server.requests, 1);
}

static void tells_a_broken_answer(void **state)
{
    (void)state;
    static const struct step cases[] = {
        { "", true },                                                 /* closed without a word */
        { "HTTP/1.1 200 OK\r\nContent-Le", true },                    /* closed within the head */
        { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", true }, /* lied about its length */
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", true },
        { "SSH-2.0-OpenSSH_9.2\r\n", true },                           /* another protocol */
        { "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", false }, /* hangs within the body */
        { NULL, false },                                               /* hangs at once */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&fixture, &cases[i], 1, SHORT_MS);
        enum http_status status = post(&fixture, "m f=1\n");
        end(&fixture);
        if (status != HTTP_BROKEN) {
            fail_msg("case %zu ended with %d", i, (int)status);
        }
        assert_true(strlen(fixture.problem.text) > 0);
    }
}

/* An answer that goes on behind its stated length does not reach into the next one. */
static void drops_what_stands_behind_an_answer(void **state)
{
    (void)state;
    static const struct step steps[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 "
          "No\r\nContent-Length: 0\r\n\r\n",
          true },
        { GOOD, false }
    };
    begin(&fixture, steps, 2, LONG_MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(post(&fixture, "m f=1\n"), HTTP_DONE);
        assert_int_equal(fixture.answer.code, 200);
        assert_string_equal(fixture.answer.body, "ok");
    }
    end(&fixture);
}

static void bounds_what_it_keeps(void **state)
{
    (void)state;
    size_t head = (size_t)snprintf(NULL, 0, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
                                   HTTP_ANSWER_MAX + 1000);
    char *answer = malloc(head + HTTP_ANSWER_MAX + 1001);
    assert_non_null(answer);
    (void)sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", HTTP_ANSWER_MAX + 1000);
    memset(answer + head, 'x', HTTP_ANSWER_MAX + 1000);
    answer[head + HTTP_ANSWER_MAX + 1000] = '\0';
    struct step steps[] = { { answer, false }, { GOOD, false } };
    begin(&fixture, steps, 2, LONG_MS);
    assert_int_equal(post(&fixture, ""), HTTP_DONE);
    assert_int_equal(fixture.answer.length, HTTP_ANSWER_MAX);
    assert_int_equal(strlen(fixture.answer.body), HTTP_ANSWER_MAX);
    assert_int_equal(post(&fixture, ""), HTTP_DONE);
    assert_false(fixture.answer.new_connection);
    assert_string_equal(fixture.answer.body, "ok");
    end(&fixture);
    free(answer);
}

struct taken {
    size_t bytes, most; /* so many so far; beyond `most` no more is taken */
};

static bool take_some(void *context, const char *bytes, size_t length)
{
    struct taken *taken = context;
    taken->bytes += length;
    return bytes != NULL && taken->bytes <= taken->most;
}

static enum http_status get_into(struct taken *taken)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", fixture.server.port);
    struct http_request request = {
        .method = "GET", .url = url, .take = take_some, .take_context = taken
    };
    return http_perform(fixture.client, &request, &fixture.answer, &fixture.problem);
}

static void hands_a_long_answer_over(void **state)
{
    (void)state;
    static const struct step steps[] = { { GOOD, false }, { GOOD, false }, { GOOD, false } };
    struct taken all = { 0, 2 }, little = { 0, 1 };
    begin(&fixture, steps, 3, LONG_MS);
    assert_int_equal(get_into(&all), HTTP_DONE);
    assert_int_equal(all.bytes, 2);
    assert_int_equal(fixture.answer.length, 0);
    assert_int_equal(fixture.answer.code, 200);
    assert_int_equal(get_into(&little), HTTP_BROKEN);
    assert_int_equal(post(&fixture, ""), HTTP_DONE); /* the answer keeps it again */
    assert_string_equal(fixture.answer.body, "ok");
    end(&fixture);
}

static void tells_the_unreachable(void **state)
{
    (void)state;
    begin(&fixture, NULL, 0, LONG_MS);
    server_end(&fixture.server); /* nobody listens there any more */
    assert_int_equal(post(&fixture, ""), HTTP_UNREACHABLE);
    assert_true(strlen(fixture.problem.text) > 0);
    struct http_request request = { .method = "GET", .url = "file:///etc/hostname" };
    assert_int_equal(http_perform(fixture.client, &request, &fixture.answer, &fixture.problem),
                     HTTP_UNREACHABLE);
    assert_int_equal(fixture.answer.length, 0);
    http_client_free(fixture.client);
}

/* Plain text where TLS is expected: refused before anything was sent. */
static void insists_on_tls(void **state)
{
    (void)state;
    static const struct step steps[] = { { GOOD, true } };
    char url[64];
    begin(&fixture, steps, 1, SHORT_MS);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/write", fixture.server.port);
    struct http_request request = { .method = "GET", .url = url };
    assert_int_equal(http_perform(fixture.client, &request, &fixture.answer, &fixture.problem),
                     HTTP_UNREACHABLE);
    end(&fixture);
}

static void *abort_when_it_hangs(void *context)
{
    struct fixture *given = context;
    uint64_t count;
    assert_int_equal(read(given->server.hanging, &count, sizeof count), sizeof count);
    http_client_abort(given->client);
    return NULL;
}

static void ends_a_request_on_abort(void **state)
{
    (void)state;
    static const struct step steps[] = { { NULL, false } };
    pthread_t thread;
    begin(&fixture, steps, 1, LONG_MS);
    assert_int_equal(pthread_create(&thread, NULL, abort_when_it_hangs, &fixture), 0);
    mono_time before = clock_mono();
    assert_int_equal(post(&fixture, "m f=1\n"), HTTP_BROKEN);
    assert_true(clock_mono().ns - before.ns < SOON_NS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(post(&fixture, "m f=1\n"), HTTP_BROKEN); /* and stays aborted */
    end(&fixture);
    assert_int_equal(fixture.server.requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_its_connection),
        cmocka_unit_test(sends_what_it_is_told),
        cmocka_unit_test(asks_no_leave_to_send),
        cmocka_unit_test(follows_no_redirect),
        cmocka_unit_test(tells_a_broken_answer),
        cmocka_unit_test(drops_what_stands_behind_an_answer),
        cmocka_unit_test(bounds_what_it_keeps),
        cmocka_unit_test(hands_a_long_answer_over),
        cmocka_unit_test(tells_the_unreachable),
        cmocka_unit_test(insists_on_tls),
        cmocka_unit_test(ends_a_request_on_abort),
    };
    /* What the environment says must not matter. */
    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("https_proxy", "http://127.0.0.1:1", 1);
    http_global_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    http_global_end();
    return failed;
}
