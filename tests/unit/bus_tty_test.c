/* A computer's lines to sensors: a socket, a pseudo terminal, what happens when they go and come
 * back. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "port/posix/bus_tty.h"

#define PATIENCE (5 * SECOND_NS)

static char folder[] = "/tmp/phusa-bus-XXXXXX";
static char path[64], where[80];
static const struct hal_line LINE = { 19200, 8, 2, HAL_PARITY_EVEN };

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/line", folder);
    (void)snprintf(where, sizeof where, "unix:%s", path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static int listen_there(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* Reads what comes until it is so much; the other end of a line takes its time. */
static size_t read_all(const struct hal_bus *bus, char *bytes, size_t length)
{
    size_t got = 0;
    for (int64_t end = clock_mono().ns + PATIENCE; got < length && clock_mono().ns < end;) {
        got += bus->read(bus->context, bytes + got, length - got);
    }
    return got;
}

static void check_both_ways(const struct hal_bus *bus, int other)
{
    char bytes[16];
    assert_int_equal(bus->write(bus->context, "ask", 3), HAL_OK);
    assert_int_equal(read(other, bytes, sizeof bytes), 3);
    assert_memory_equal(bytes, "ask", 3);
    assert_int_equal(write(other, "tell\0\xFF\r\n\x11", 9), 9);
    assert_int_equal(read_all(bus, bytes, 9), 9);
    assert_memory_equal(bytes, "tell\0\xFF\r\n\x11", 9);
    assert_int_equal(bus->read(bus->context, bytes, sizeof bytes), 0);
}

static void test_socket(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    char byte = 'x';
    struct bus_tty *tty = bus_tty_create(where);
    const struct hal_bus *bus = bus_tty_hal(tty);
    assert_false(bus_tty_try(tty, &problem));
    assert_non_null(strstr(problem.text, path));
    assert_int_equal(bus->configure(bus->context, &LINE), HAL_FAILED);
    assert_int_equal(bus->write(bus->context, "ask", 3), HAL_FAILED);
    assert_int_equal(bus->send_break(bus->context, 12000), HAL_FAILED);
    int listener = listen_there();
    assert_int_equal(bus->configure(bus->context, &LINE), HAL_OK);
    int other = accept(listener, NULL, NULL);
    check_both_ways(bus, other);
    assert_int_equal(bus->send_break(bus->context, 12000), HAL_OK);
    assert_int_equal(read(other, &byte, 1), 1);
    assert_int_equal(byte, 0);
    assert_true(bus->sent(bus->context));
    /* What came before is forgotten; the other end goes and comes back. */
    assert_int_equal(write(other, "old", 3), 3);
    assert_int_equal(bus->configure(bus->context, &LINE), HAL_OK);
    assert_int_equal(bus->read(bus->context, &byte, 1), 0);
    close(other);
    assert_int_equal(bus->read(bus->context, &byte, 1), 0);
    assert_int_equal(bus->write(bus->context, "ask", 3), HAL_FAILED);
    assert_int_equal(bus->configure(bus->context, &LINE), HAL_OK);
    other = accept(listener, NULL, NULL);
    check_both_ways(bus, other);
    bus_tty_free(tty);
    close(other);
    close(listener);
}

static void test_terminal(void **state)
{
    (void)state;
    struct problem problem = { 0 };
    struct termios found;
    char byte = 'x';
    int other = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(other >= 0 && grantpt(other) == 0 && unlockpt(other) == 0);
    struct bus_tty *tty = bus_tty_create(ptsname(other));
    const struct hal_bus *bus = bus_tty_hal(tty);
    assert_true(bus_tty_try(tty, &problem));
    assert_int_equal(bus->configure(bus->context, &LINE), HAL_OK);
    assert_int_equal(tcgetattr(other, &found), 0);
    assert_int_equal(cfgetospeed(&found), B19200);
    assert_int_equal(found.c_cflag & (CSTOPB | PARODD), CSTOPB); /* a pty knows no parity */
    assert_int_equal(found.c_lflag & (ECHO | ICANON | ISIG), 0);
    check_both_ways(bus, other);
    assert_int_equal(bus->send_break(bus->context, 12000), HAL_OK);
    assert_int_equal(read(other, &byte, 1), 1);
    assert_int_equal(byte, 0);
    struct hal_line odd = LINE;
    odd.baud = 12345;
    assert_int_equal(bus->configure(bus->context, &odd), HAL_FAILED);
    bus_tty_free(tty);
    close(other);
}

static void test_no_line_at_all(void **state)
{
    (void)state;
    static const char *const PLACES[] = { "/dev/null", "/nonexistent/tty", "unix:" };
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        struct problem problem = { 0 };
        struct bus_tty *tty = bus_tty_create(PLACES[i]);
        assert_false(bus_tty_try(tty, &problem));
        assert_non_null(strstr(problem.text, PLACES[i]));
        bus_tty_free(tty);
    }
    char too_long[300];
    (void)snprintf(too_long, sizeof too_long, "unix:/%0250d", 0);
    struct bus_tty *tty = bus_tty_create(too_long);
    struct problem problem = { 0 };
    assert_false(bus_tty_try(tty, &problem));
    bus_tty_free(tty);
    bus_tty_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_socket),
                                        cmocka_unit_test(test_terminal),
                                        cmocka_unit_test(test_no_line_at_all) };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
