/* CAP messages and their feed over HTTP: which files are served, to whom they are new, and no
 * others. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "console/console.h"

#define ANSWER_MAX  65536
#define PATIENCE_MS 5000 /* before a missing answer is a failure */

#define MESSAGE   "0123456789abcdef-1.xml"
#define MODIFIED  INT64_C(1763735710)
#define HTTP_DATE "Fri, 21 Nov 2025 14:35:10 GMT"

static struct console *console;
static char folder[64], answer[ANSWER_MAX];

static void give_totals(void *context, struct console_totals *totals)
{
    (void)context;
    *totals = (struct console_totals){ .ready = true };
}

static struct console_view *give_view(void *context)
{
    (void)context;
    return NULL;
}

static void put_file(const char *name, const char *text)
{
    char path[256];
    const struct timespec times[2] = { { MODIFIED, 0 }, { MODIFIED, 5 } };
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    assert_int_equal(utimensat(-1, path, times, 0), 0);
}

static struct console *serve(const char *path)
{
    const struct console_source source = {
        .token = "", .totals = give_totals, .view = give_view, .cap_folder = path
    };
    struct problem problem = { "" };
    return console_create("127.0.0.1:0", &source, &problem);
}

static int start(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/phusa-files-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    put_file(MESSAGE, "<alert/>");
    put_file("alerts.atom", "<feed/>");
    put_file("secret.txt", "secret");
    put_file("ab.xml.new", "half");
    console = serve(folder);
    return console == NULL;
}

static int stop(void **state)
{
    static const char *const names[] = { MESSAGE, "alerts.atom", "secret.txt", "ab.xml.new",
                                         "aa.xml" };
    (void)state;
    console_free(console);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

/* The status of the answer, which is left in `answer`. headers end in "\r\n". */
static int ask(const char *method, const char *path, const char *headers)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)console_port(console)) };
    char request[1024];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), code = 0;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)snprintf(request, sizeof request,
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path,
                   headers);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    size_t used = 0;
    for (ssize_t got = 1; got > 0; used += (size_t)got) {
        struct pollfd wait = { fd, POLLIN, 0 };
        assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
        got = recv(fd, answer + used, ANSWER_MAX - 1 - used, 0);
        assert_true(got >= 0);
    }
    answer[used] = '\0';
    (void)close(fd);
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &code), 1);
    return code;
}

static bool has(const char *text)
{
    return strstr(answer, text) != NULL;
}

static void files_are_served_with_their_types(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/cap/" MESSAGE, ""), 200);
    assert_true(has("\r\nContent-Type: application/cap+xml; charset=utf-8\r\n"));
    assert_true(has("\r\nContent-Length: 8\r\n"));
    assert_true(has("\r\nLast-Modified: " HTTP_DATE "\r\n"));
    assert_true(has("\r\nETag: \""));
    assert_true(has("\r\nCache-Control: no-cache\r\n"));
    assert_true(has("\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_true(has("\r\n\r\n<alert/>"));
    assert_int_equal(ask("GET", "/cap/alerts.atom", ""), 200);
    assert_true(has("\r\nContent-Type: application/atom+xml; charset=utf-8\r\n"));
    assert_true(has("\r\n\r\n<feed/>"));
    assert_int_equal(ask("HEAD", "/cap/alerts.atom", ""), 200);
    assert_true(has("\r\nContent-Length: 7\r\n") && !has("<feed/>"));
}

static void who_has_it_is_told_so(void **state)
{
    char tag[80] = "", header[160];
    (void)state;
    assert_int_equal(ask("GET", "/cap/alerts.atom", ""), 200);
    assert_int_equal(sscanf(strstr(answer, "ETag: "), "ETag: %79[^\r]", tag), 1);
    (void)snprintf(header, sizeof header, "If-None-Match: \"other\", W/%s\r\n", tag);
    assert_int_equal(ask("GET", "/cap/alerts.atom", header), 304);
    assert_true(has(tag) && !has("<feed/>"));
    assert_int_equal(ask("GET", "/cap/alerts.atom",
                         "If-None-Match: \"other\"\r\n"
                         "If-Modified-Since: " HTTP_DATE "\r\n"),
                     200);
    assert_int_equal(ask("GET", "/cap/alerts.atom", "If-Modified-Since: " HTTP_DATE "\r\n"), 304);
    put_file("alerts.atom", "<feed>new</feed>"); /* even within the same second */
    char path[128];
    const struct timespec times[2] = { { MODIFIED, 0 }, { MODIFIED, 6 } };
    (void)snprintf(path, sizeof path, "%s/alerts.atom", folder);
    assert_int_equal(utimensat(-1, path, times, 0), 0);
    assert_int_equal(ask("GET", "/cap/alerts.atom", header), 200);
    put_file("alerts.atom", "<feed/>");
}

static void nothing_else_is_served(void **state)
{
    static const char *const paths[] = {
        "/cap/",
        "/cap",
        "/cap/secret.txt",
        "/cap/ab.xml.new",
        "/cap/0.xml",
        "/cap/.xml",
        "/cap/ABC.xml",
        "/cap/../cap/" MESSAGE,
        "/cap/..%2f..%2fetc%2fpasswd",
        "/cap/%2e%2e/secret.txt",
        "/cap//" MESSAGE,
        "/cap/alerts.atom/",
        "/cap/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        "0123456789abcdef0.xml",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(ask("GET", paths[i], ""), 404);
        assert_false(has("secret") || has("half") || has("root:"));
    }
    assert_int_equal(ask("POST", "/cap/alerts.atom", "Content-Length: 0\r\n"), 405);
    assert_true(has("\r\nAllow: GET, HEAD\r\n"));
}

static void links_and_folders_are_no_files(void **state)
{
    char target[128], path[128];
    (void)state;
    (void)snprintf(target, sizeof target, "%s/secret.txt", folder);
    (void)snprintf(path, sizeof path, "%s/aa.xml", folder);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(ask("GET", "/cap/aa.xml", ""), 404);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ask("GET", "/cap/aa.xml", ""), 404);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it must not wait for a writer */
    assert_int_equal(ask("GET", "/cap/aa.xml", ""), 404);
}

static void without_a_channel_the_feed_is_empty(void **state)
{
    struct console *kept = console;
    (void)state;
    console = serve(NULL);
    assert_non_null(console);
    assert_int_equal(ask("GET", "/cap/alerts.atom", ""), 200);
    assert_true(has("\r\nContent-Type: application/atom+xml; charset=utf-8\r\n"));
    assert_true(has("\r\nETag: \"empty\"\r\n"));
    assert_true(has("\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
    assert_true(has("<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"vi-VN\">\n<id>"));
    assert_true(has("</feed>\n") && !has("<entry"));
    assert_int_equal(ask("GET", "/cap/alerts.atom", "If-None-Match: \"empty\"\r\n"), 304);
    assert_false(has("<feed"));
    assert_int_equal(ask("HEAD", "/cap/alerts.atom", ""), 200);
    assert_false(has("<feed") || has("\r\nContent-Length: 0\r\n"));
    assert_int_equal(ask("POST", "/cap/alerts.atom", "Content-Length: 0\r\n"), 405);
    assert_int_equal(ask("GET", "/cap/" MESSAGE, ""), 404);
    assert_int_equal(ask("GET", "/cap/", ""), 404);
    console_free(console);
    console = kept;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_served_with_their_types),
        cmocka_unit_test(who_has_it_is_told_so),
        cmocka_unit_test(nothing_else_is_served),
        cmocka_unit_test(links_and_folders_are_no_files),
        cmocka_unit_test(without_a_channel_the_feed_is_empty),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
