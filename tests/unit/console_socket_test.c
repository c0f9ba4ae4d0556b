/* The console's socket: one client after the other, what is lost, what stands in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/posix/console_socket.h"

static char folder[] = "/tmp/phusa-console-XXXXXX", path[64];

static int set_up(void **state)
{
    (void)state;
    (void)strcpy(folder, "/tmp/phusa-console-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/line", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static int client(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static struct console_socket *open_it(void)
{
    struct problem problem = { 0 };
    struct console_socket *console = console_socket_open(path, &problem);
    assert_non_null(console);
    return console;
}

static void clients_come_one_after_the_other(void **state)
{
    (void)state;
    char bytes[16];
    struct stat about;
    struct console_socket *console = open_it();
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 077, 0);
    assert_false(console_socket_accept(console));
    assert_int_equal(console_socket_read(console, bytes, sizeof bytes), 0);
    console_socket_write(console, "lost", 4);
    int first = client(), second = client();
    assert_true(console_socket_accept(console));
    assert_false(console_socket_accept(console)); /* the second one waits */
    assert_int_equal(console_socket_read(console, bytes, sizeof bytes), 0);
    assert_int_equal(write(first, "help\r", 5), 5);
    assert_int_equal(console_socket_read(console, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "help\r", 5);
    console_socket_write(console, "> ", 2);
    assert_int_equal(read(first, bytes, sizeof bytes), 2);
    close(first);
    console_socket_write(console, "gone", 4); /* no signal */
    assert_int_equal(console_socket_read(console, bytes, sizeof bytes), 0);
    assert_true(console_socket_accept(console));
    assert_int_equal(write(second, "a", 1), 1);
    assert_int_equal(console_socket_read(console, bytes, sizeof bytes), 1);
    close(second);
    console_socket_close(console);
    assert_int_not_equal(stat(path, &about), 0);
    console_socket_close(NULL);
}

/* Who reads nothing keeps nobody waiting. */
static void what_is_not_taken_is_lost(void **state)
{
    (void)state;
    static char much[4096];
    struct console_socket *console = open_it();
    int idle = client();
    assert_true(console_socket_accept(console));
    for (int i = 0; i < 1000; i++) {
        console_socket_write(console, much, sizeof much);
    }
    close(idle);
    console_socket_close(console);
}

static void what_a_killed_process_left_is_replaced(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    console_socket_close(open_it());
    FILE *file = fopen(path, "w"); /* but nobody's file */
    assert_non_null(file);
    (void)fclose(file);
    assert_null(console_socket_open(path, &problem));
    assert_non_null(strstr(problem.text, path));
    assert_null(console_socket_open("nowhere/console", &problem));
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(console_socket_open(longer, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_come_one_after_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_taken_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_killed_process_left_is_replaced, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
