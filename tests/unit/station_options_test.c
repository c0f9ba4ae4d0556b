/* The command line of phusa-station: the password's file. What it refuses is told in one line. */
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "port/posix/options.h"

#define LONGEST (OPTIONS_SECRET_MAX - 1)
#define EMPTY   "its first line is to hold the password and is empty"
#define CONTROL "its first line holds a control character"
#define LONG    "its first line is longer than 511 bytes"

static struct options options;
static struct problem problem;
static char path[32];

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(path, "/tmp/station_options.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static bool parse(const char *file)
{
    char words[][24] = { "phusa-station",   "-c",    "phusa.cfg",      "--broker",
                         "tcp://host:1883", "--all", "--password-file" };
    char name[32];
    char *argv[] = { words[0], words[1], words[2], words[3], words[4],
                     words[5], words[6], name,     NULL };
    (void)snprintf(name, sizeof name, "%s", file);
    optind = 0; /* getopt begins anew */
    problem.text[0] = '\0';
    return options_parse(&options, 8, argv, &problem);
}

static bool parse_content(const void *content, size_t length)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    return parse(path);
}

static void assert_refused(const void *content, size_t length, const char *why)
{
    char expected[128];
    (void)snprintf(expected, sizeof expected, "--password-file %s: %s", path, why);
    assert_false(parse_content(content, length));
    assert_string_equal(problem.text, expected);
}

static void its_first_line_is_the_password(void **state)
{
    static const char *const files[] = { "secret", "secret\n", "secret\r\n", "secret\nmore\n",
                                         "secret\r" };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_true(parse_content(files[i], strlen(files[i])));
        assert_true(options.has_password);
        assert_string_equal(options.password, "secret");
    }
}

static void what_is_no_password_is_refused(void **state)
{
    (void)state;
    assert_refused("", 0, EMPTY);
    assert_refused("\nsecret\n", 8, EMPTY);
    assert_refused("\r\nsecret\n", 9, EMPTY);
    assert_refused("\0\0\0", 3, CONTROL);
    assert_refused("a\0b\n", 4, CONTROL);
    assert_refused("a\tb\n", 4, CONTROL);
    assert_refused("a\x7f", 2, CONTROL);
    assert_false(parse("/no/such/file"));
    assert_string_equal(problem.text, "--password-file /no/such/file: No such file or directory");
}

/* None is cut: it is whole, or refused. */
static void at_any_length(void **state)
{
    static const char *const ends[] = { "", "\n", "\r\n", "\nmore" };
    char content[3008], expected[3001];
    (void)state;
    for (size_t length = 1; length <= 3000; length += length < 500 || length > 520 ? 83 : 1) {
        memset(expected, 'x', length);
        expected[length] = '\0';
        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
            int size = snprintf(content, sizeof content, "%s%s", expected, ends[i]);
            if (length > LONGEST) {
                assert_refused(content, (size_t)size, LONG);
            } else {
                assert_true(parse_content(content, (size_t)size));
                assert_string_equal(options.password, expected);
            }
        }
    }
}

/* A pipe gives it in pieces, and may go on for ever. */
static void it_may_come_through_a_pipe(void **state)
{
    int ends[2];
    char name[32];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    (void)snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(write(ends[1], "secret\n", 7), 7);
    assert_true(parse(name)); /* does not wait for the end, which does not come */
    assert_string_equal(options.password, "secret");
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_false(parse("/dev/zero"));
    assert_string_equal(problem.text, "--password-file /dev/zero: " CONTROL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_first_line_is_the_password),
        TEST(what_is_no_password_is_refused),
        TEST(at_any_length),
        TEST(it_may_come_through_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
