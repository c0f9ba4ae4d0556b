/*
 * The first instructions: the watchdog is armed before anything else, memory is laid out, main
 * runs. A fault, a main that returns and a watchdog that nobody fed end in a reset, and say so to
 * the next start. The last bytes of the stack are closed: one that runs over is a fault.
 */
#include <string.h>

#include "board.h"
#include "registers.h"

#define STACK_PATTERN 0x5a5a5a5au
#define PAINT_ROOM    32 /* words: the compiler may make a function call of the loop */
#define GUARD_WORDS   8  /* that are closed; where they begin is a multiple of their size */

extern uint32_t data_begin[], data_end[], bss_begin[], bss_end[];
extern uint32_t stack_bottom[], stack_top[];
extern const uint32_t data_image[];

int main(void);
void start(void);
void bus_interrupt_received(void);
void bus_interrupt_sent(void);
void ethernet_interrupt(void);
void console_interrupt_received(void) __attribute__((weak)); /* the small image hears neither */
void line_interrupt_received(void) __attribute__((weak));
void line_interrupt_sent(void) __attribute__((weak));

static _Noreturn void reset_after_fault(void)
{
    board_reset_because(HAL_RESET_OTHER);
}

static _Noreturn void reset_by_watchdog(void)
{
    board_reset_because(HAL_RESET_WATCHDOG);
}

/* The stack may be what is wrong; nobody comes back to it. */
#define LEAVE_STACK_FOR(function)                                                                  \
    __asm volatile("mov sp, %0\n\tbx %1" ::"r"(stack_top), "r"(function))

__attribute__((naked)) static void on_fault(void)
{
    LEAVE_STACK_FOR(reset_after_fault);
}

/* The watchdog's first word; its second would be a reset that cannot be told from others. */
__attribute__((naked)) static void on_watchdog(void)
{
    LEAVE_STACK_FOR(reset_by_watchdog);
}

static void on_tick(void)
{
    /* It only wakes the processor; the time comes from the counter. */
}

static void paint_stack(void)
{
    uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *at = stack_bottom; at < here - PAINT_ROOM; at++) {
        *at = STACK_PATTERN;
    }
}

static void guard_stack(void)
{
    MPU_RBAR = (uint32_t)(uintptr_t)stack_bottom | MPU_REGION_0;
    MPU_RASR = MPU_CLOSED_32;
    MPU_CTRL = MPU_CTRL_RUN;
    __asm volatile("dsb\n\tisb" ::: "memory");
}

size_t board_stack_free(void)
{
    const uint32_t *at = stack_bottom + GUARD_WORDS;
    while (at < stack_top && *at == STACK_PATTERN) {
        at++;
    }
    return (size_t)(at - stack_bottom - GUARD_WORDS) * sizeof *at;
}

void start(void)
{
    board_arm_watchdog();
    memcpy(data_begin, data_image, (size_t)(data_end - data_begin) * sizeof *data_begin);
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin) * sizeof *bss_begin);
    paint_stack();
    guard_stack();
    (void)main();
    reset_after_fault();
}

typedef void (*handler)(void);

struct vectors {
    const uint32_t *stack;
    handler exceptions[15];
    handler interrupts[32];
};

extern const struct vectors vectors;
__attribute__((section(".vectors"), used)) const struct vectors vectors = {
    .stack = stack_top,
    .exceptions = { start, on_watchdog, on_fault, on_fault, on_fault, on_fault, on_fault, on_fault,
                    on_fault, on_fault, on_fault, on_fault, on_fault, on_fault, on_tick },
    /* The others are never let through. */
    .interrupts = { [IRQ_CONSOLE_RX] = console_interrupt_received,
                    [IRQ_BUS_RX] = bus_interrupt_received,
                    [IRQ_BUS_TX] = bus_interrupt_sent,
                    [IRQ_LINE_RX] = line_interrupt_received,
                    [IRQ_LINE_TX] = line_interrupt_sent,
                    [IRQ_ETHERNET] = ethernet_interrupt },
};
