/*
 * The check list of the porting guide (firmware/port/check.h) over this port, and then two ways to
 * break it, as commands on the console:
 *
 *     hang     stops everything, interrupts too: the watchdog must end that
 *     fault    lets the stack run over
 *
 * A start after the list is done says why it started, and nothing else, until the power is
 * switched.
 *
 * UART 1 wants a wire from its output to its input, or, with a device map in the provisioning page,
 * its devices. What the log has is lost.
 */
#include <string.h>

#include "basics.h"
#include "entropy.h"
#include "flash.h"
#include "network.h"
#include "port/check.h"
#include "random.h"
#include "sensors.h"
#include "uart.h"
#include "wallclock.h"

#define MILLI        INT64_C(1000000)
#define TIME_MS      20000u /* for a time server to answer; without one the wall clock is left out */
#define TIME_STEP_MS 10u
#define NETWORK_MS   30000u /* DHCP, and a second attempt */
#define SLACK_MS     1000   /* beside what a round over the sensors takes */
#define LOG_ID       1u     /* of a log that there is none of */
#define COMMAND_MAX  8
#define OVER_MAGIC   0x4f766572u

static struct provision provision;
static struct keep keep;

/* The list was done since the power came: it is not begun again. */
static uint32_t over __attribute__((section(".noinit")));

static struct hal_time now(void *context)
{
    (void)context;
    return wallclock_now();
}

static bool pass_time(void *context, uint32_t ms, bool feeding)
{
    (void)context;
    for (int64_t end = board_mono_ns() + ms * MILLI; board_mono_ns() < end;) {
        network_step(board_mono_ns());
        sensors_step(wallclock_now());
        if (feeding) {
            feed();
        }
        board_sleep();
    }
    return true;
}

static void say_line(void *context, const char *line)
{
    (void)context;
    say(line);
}

static void await_time(void)
{
    for (uint32_t ms = 0; ms < TIME_MS && !wallclock_now().wall_set; ms += TIME_STEP_MS) {
        (void)pass_time(NULL, TIME_STEP_MS, true);
    }
}

static void go_through_list(size_t channels)
{
    bool mapped = sensors_hub() != NULL;
    struct check_tally tally;
    struct check_port port = {
        .now = now,
        .pause = pass_time,
        .say = say_line,
        .flash = flash_area(FLASH_LOG_FIRST, FLASH_LOG_BLOCKS),
        .random = random_hal(),
        .board = board_hal(),
        .watchdog_ms = BOARD_WATCHDOG_S * 1000,
        .bus = bus_hal(),
        .line = { .baud = 9600, .data_bits = 8, .stop_bits = 1, .parity = HAL_PARITY_NONE },
        .bus_loops = !mapped,
        .bus_timed = true,
        .pins = board_pins(),
        .sensors = sensors_hal(),
        .channels = channels,
        .sensors_ms = (uint32_t)(sensors_wait_ns() / MILLI) + SLACK_MS,
        .network = network_hal(),
        .network_ms = NETWORK_MS,
    };
    (void)check_run(&port, &tally);
}

static _Noreturn void hang(void)
{
    __asm volatile("cpsid i" ::: "memory");
    for (;;) {
    }
}

/* As a recursion without end would. */
static _Noreturn void run_over(void)
{
    for (;;) {
        __asm volatile("push {r0-r7}" ::: "memory");
    }
}

static void obey(const char *command)
{
    if (strcmp(command, "hang") == 0) {
        hang();
    }
    if (strcmp(command, "fault") == 0) {
        run_over();
    }
    say("check: hang or fault?");
}

static _Noreturn void listen(void)
{
    char command[COMMAND_MAX + 1];
    size_t length = 0;
    console_listen();
    say("check: hang or fault?");
    for (;;) {
        uint8_t byte;
        feed();
        board_sleep();
        while (console_take(&byte)) {
            if (byte == '\r') {
                command[length] = '\0';
                length = 0;
                obey(command);
            } else if (length < COMMAND_MAX) {
                command[length++] = (char)byte;
            }
        }
    }
}

static size_t start_ports(const struct hal_flash *page)
{
    struct report_channels channels;
    const char *why = "";
    uint32_t unwired = 0; /* said by sensors_start; the list finds that they give nothing */
    if (!report_layout_read(provision.layout, provision.layout_length, &channels) ||
        !sensors_start(&provision, page, &channels, &unwired, &why) ||
        !network_start(&provision, page, LOG_ID, &why)) {
        stand_still(why);
    }
    return channels.count;
}

int main(void)
{
    struct hal_flash page = flash_area(FLASH_PAGE_FIRST, FLASH_PAGE_BLOCKS);
    begin_image("Phu Sa check list " PHUSA_VERSION, &page, &provision);
    uint32_t start = open_records(&keep);
    entropy_start(provision.seed, start);
    random_start(provision.seed, sizeof provision.seed, start);
    console_text("check: reset ");
    say(reset_text());
    if (board_hal().why(NULL) == HAL_RESET_POWER) {
        over = 0;
    }
    if (over != OVER_MAGIC) {
        size_t channels = start_ports(&page);
        await_time();
        go_through_list(channels);
        over = OVER_MAGIC;
    }
    listen();
}
