/*
 * The check list of the porting guide on the parts of the port of a computer: its clocks, its flash
 * in a file, a line over a socket whose other end sends everything back, simulated sensors. Its
 * network wants a broker: tests/system/porting_test.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/files.h"
#include "port/check.h"
#include "port/posix/bus_tty.h"
#include "port/posix/flash_file.h"
#include "port/posix/source_sim.h"

#define LINES_MAX 64

struct computer {
    char folder[32], flash_path[64], bus_path[64], where[80];
    int listener, other; /* the bus and its other end */
    struct flash_file *flash;
    struct bus_tty *bus;
    struct sim_source source;
    char lines[LINES_MAX][CHECK_LINE_MAX];
    size_t line_count;
    bool down;
    unsigned starts;
};

static struct computer computer;

static struct hal_time now(void *context)
{
    (void)context;
    return (struct hal_time){ clock_real().ns, clock_mono().ns, true, true };
}

/* What was sent comes back. */
static void echo(void)
{
    char bytes[512];
    if (computer.other < 0) {
        computer.other = accept4(computer.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    ssize_t got = computer.other < 0 ? 0 : recv(computer.other, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
        assert_int_equal(send(computer.other, bytes, (size_t)got, 0), got);
    }
}

static bool pause_computer(void *context, uint32_t ms, bool feed)
{
    (void)context;
    (void)feed;
    clock_sleep_until((mono_time){ clock_mono().ns + (int64_t)ms * MILLI_NS });
    echo();
    return !computer.down;
}

static void say(void *context, const char *line)
{
    (void)context;
    assert_true(computer.line_count < LINES_MAX);
    (void)snprintf(computer.lines[computer.line_count++], CHECK_LINE_MAX, "%s", line);
}

/* The process ends here; what stays is the file. */
static void reset(void *context)
{
    (void)context;
    computer.down = true;
}

static enum hal_reset why(void *context)
{
    (void)context;
    return computer.starts > 1 ? HAL_RESET_COMMAND : HAL_RESET_POWER;
}

static void start(void)
{
    struct problem problem = { 0 };
    computer.flash =
        flash_file_open(&files_posix, computer.flash_path, 4 * FLASH_FILE_BLOCK, &problem);
    assert_non_null(computer.flash);
    computer.down = false;
    computer.starts++;
}

static int set_up(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    static const struct phusa_parameter level = {
        .name = { "level", 5 }, .unit = { "m", 1 }, .maximum = 10, .resolution = 0.01
    };
    static const struct phusa_parameter *const parameters[] = { &level };
    (void)state;
    strcpy(computer.folder, "/tmp/phusa-check-XXXXXX");
    if (mkdtemp(computer.folder) == NULL) {
        return -1;
    }
    (void)snprintf(computer.flash_path, sizeof computer.flash_path, "%s/flash", computer.folder);
    (void)snprintf(computer.bus_path, sizeof computer.bus_path, "%s/bus", computer.folder);
    (void)snprintf(computer.where, sizeof computer.where, "unix:%s", computer.bus_path);
    computer.other = -1;
    computer.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", computer.bus_path);
    sim_source_init(&computer.source, 1, "s1", "water", parameters, 1, 60 * SECOND_NS);
    computer.bus = bus_tty_create(computer.where);
    return bind(computer.listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                   listen(computer.listener, 1) == 0 && computer.bus != NULL
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    bus_tty_free(computer.bus);
    (void)close(computer.other);
    (void)close(computer.listener);
    (void)unlink(computer.bus_path);
    (void)unlink(computer.flash_path);
    return rmdir(computer.folder);
}

static struct check_port port_of(void)
{
    return (struct check_port){
        .now = now,
        .pause = pause_computer,
        .say = say,
        .flash = flash_file_hal(computer.flash),
        .board = { .why = why, .reset = reset },
        .bus = *bus_tty_hal(computer.bus),
        .line = { 115200, 8, 1, HAL_PARITY_NONE },
        .bus_loops = true,
        .sensors = sim_sensors(&computer.source),
        .channels = 1,
    };
}

static void test_the_port_of_a_computer(void **state)
{
    (void)state;
    struct check_tally tally = { 0 };
    enum check_end end = CHECK_RESTARTS;
    for (int starts = 0; starts < 3 && end == CHECK_RESTARTS; starts++) {
        start();
        struct check_port port = port_of();
        end = check_run(&port, &tally);
        flash_file_close(computer.flash);
    }
    for (size_t i = 0; i < computer.line_count; i++) {
        print_message("%s\n", computer.lines[i]);
    }
    assert_int_equal(end, CHECK_DONE);
    assert_int_equal(tally.failed, 0);
    assert_true(tally.passed >= 21); /* of 34: no random source, watchdog, pins, broker here */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_port_of_a_computer) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
