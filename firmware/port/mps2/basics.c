#include "basics.h"

#include "flash.h"
#include "uart.h"

void say(const char *text)
{
    console_text(text);
    console_text("\r\n");
}

void feed(void)
{
    struct hal_board board = board_hal();
    board.feed(board.context);
}

void light(enum board_pin pin, bool on)
{
    struct hal_pins pins = board_pins();
    pins.set(pins.context, pin, on);
}

const char *reset_text(void)
{
    struct hal_board board = board_hal();
    switch (board.why(board.context)) {
    case HAL_RESET_POWER:
        return "power";
    case HAL_RESET_WATCHDOG:
        return "watchdog";
    case HAL_RESET_COMMAND:
        return "command";
    case HAL_RESET_BROWNOUT:
        return "brownout";
    case HAL_RESET_OTHER:
        return "fault";
    }
    return "";
}

_Noreturn void stand_still(const char *why)
{
    console_text("station: ");
    say(why);
    light(BOARD_PIN_TROUBLE, true);
    for (;;) {
        feed();
        board_sleep();
    }
}

void begin_image(const char *greeting, const struct hal_flash *page, struct provision *provision)
{
    board_start();
    console_start();
    say(greeting);
    enum provision_status status = provision_read(page, provision);
    if (status != PROVISION_OK) {
        stand_still(provision_text(status));
    }
    flash_tear(provision->tear_one_in, provision->tear_seed);
}

static uint32_t count_start(struct keep *keep)
{
    uint32_t starts = 0;
    size_t length = 0;
    (void)keep_read(keep, KEEP_BOARD, &starts, sizeof starts, &length);
    starts++;
    if (keep_write(keep, KEEP_BOARD, &starts, sizeof starts) != KEEP_OK ||
        keep_sync(keep) != KEEP_OK) {
        say("station: the small records cannot be kept");
    }
    return starts;
}

uint32_t open_records(struct keep *keep)
{
    struct hal_flash flash = flash_area(FLASH_KEEP_FIRST, FLASH_KEEP_BLOCKS);
    if (keep_open(keep, &flash) != KEEP_OK) {
        say("station: the small records cannot be read");
    }
    return count_start(keep);
}
