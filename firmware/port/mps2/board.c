/*
 * Time: a counter of microseconds, 32 bits, extended by whoever asks. QEMU derives it from its
 * own clock, so it is right even when the host lets us wait.
 */
#include "board.h"

#include "registers.h"

#define TICKS_PER_S    1000u
#define MICROSECOND_NS 1000
#define NOTE_MAGIC     0x50536e74u

/* What a start tells the next one; survives a reset, not a loss of power. */
static struct {
    uint32_t magic;
    uint32_t why;
} note __attribute__((section(".noinit")));

static enum hal_reset reason;
static uint32_t last_count;
static uint64_t microseconds;

void board_arm_watchdog(void)
{
    WDOG_LOCK = WDOG_UNLOCK;
    WDOG_LOAD = BOARD_WATCHDOG_S * CLOCK_HZ;
    WDOG_CTRL = WDOG_CTRL_RUN;
    WDOG_LOCK = 0;
}

static void take_note(void)
{
    reason = note.magic == NOTE_MAGIC && note.why <= HAL_RESET_OTHER ? (enum hal_reset)note.why
                                                                     : HAL_RESET_POWER;
    note.magic = 0;
}

void board_start(void)
{
    take_note();
    FPGAIO_PRESCALE = CLOCK_HZ / 1000000u - 1;
    last_count = FPGAIO_COUNTER;
    SYST_RVR = CLOCK_HZ / TICKS_PER_S - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_RUN;
}

int64_t board_mono_ns(void)
{
    uint32_t count = FPGAIO_COUNTER;
    microseconds += count - last_count;
    last_count = count;
    return (int64_t)microseconds * MICROSECOND_NS;
}

void board_sleep(void)
{
    __asm volatile("wfi" ::: "memory");
}

void board_allow_interrupt(unsigned irq)
{
    NVIC_ISER = UINT32_C(1) << irq;
}

_Noreturn void board_reset_because(enum hal_reset why)
{
    note.magic = NOTE_MAGIC;
    note.why = (uint32_t)why;
    __asm volatile("dsb" ::: "memory");
    SCB_AIRCR = AIRCR_RESET;
    for (;;) {
    }
}

static void pins_set(void *context, unsigned pin, bool on)
{
    (void)context;
    if (pin < BOARD_PINS) {
        uint32_t lights = SCC_LEDS, light = UINT32_C(1) << pin;
        SCC_LEDS = on ? lights | light : lights & ~light;
    }
}

static bool pins_get(void *context, unsigned pin)
{
    (void)context;
    return pin < 32 && (FPGAIO_BUTTON >> pin & 1u) != 0;
}

struct hal_pins board_pins(void)
{
    return (struct hal_pins){ .set = pins_set, .get = pins_get };
}

static enum hal_reset hal_why(void *context)
{
    (void)context;
    return reason;
}

static void hal_feed(void *context)
{
    (void)context;
    WDOG_LOCK = WDOG_UNLOCK;
    WDOG_INTCLR = 1;
    WDOG_LOCK = 0;
}

static void hal_reset_now(void *context)
{
    (void)context;
    board_reset_because(HAL_RESET_COMMAND);
}

struct hal_board board_hal(void)
{
    return (struct hal_board){ .why = hal_why, .feed = hal_feed, .reset = hal_reset_now };
}
