/*
 * The registers of the board that we use: Arm MPS2 with the image AN385 (Cortex-M3, 25 MHz) as
 * QEMU's mps2-an385 has it. Names are those of Arm DAI 0385D (AN385), DDI 0479D (the CMSDK's
 * UART and watchdog) and DDI 0403E (the processor).
 */
#ifndef MPS2_REGISTERS_H
#define MPS2_REGISTERS_H

#include <stdint.h>

#define CLOCK_HZ 25000000u

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* --- the processor ------------------------------------------------------------- */
#define SYST_CSR      REGISTER(0xE000E010)
#define SYST_RVR      REGISTER(0xE000E014)
#define SYST_CVR      REGISTER(0xE000E018)
#define NVIC_ISER     REGISTER(0xE000E100)
#define SCB_AIRCR     REGISTER(0xE000ED0C)
#define MPU_CTRL      REGISTER(0xE000ED94)
#define MPU_RBAR      REGISTER(0xE000ED9C) /* a region's address; its number and that it is valid */
#define MPU_RASR      REGISTER(0xE000EDA0)
#define AIRCR_RESET   0x05FA0004u
#define MPU_REGION_0  0x10u
#define MPU_CLOSED_32 0x9u /* 2^(4 + 1) bytes, enabled, no access to anybody */
#define MPU_CTRL_RUN  5u   /* beside its regions all is as without it */
#define SYST_CSR_RUN  7u   /* enabled, with its interrupt, from the processor's clock */

/* --- UARTs: 0 the console, 1 the bus, 2 a trap's classifier --------------------------- */
#define UART_CONSOLE       0x40004000u
#define UART_BUS           0x40005000u
#define UART_LINE          0x40006000u
#define UART_DATA          0x00u
#define UART_STATE         0x04u /* bit 0: no room to send, 1: a byte came in, 2, 3: overrun */
#define UART_CTRL          0x08u /* bit 0 send, 1 receive, 2 interrupt when sent, 3 when received */
#define UART_INT           0x0Cu /* bit 0 sent, 1 received; writing 1 clears */
#define UART_BAUDDIV       0x10u
#define UART_CTRL_SEND     1u
#define UART_CTRL_TYPED    11u /* send, receive, interrupt when received */
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u

/* --- interrupts -------------------------------------------------------------------- */
#define IRQ_CONSOLE_RX 0u
#define IRQ_BUS_RX     2u
#define IRQ_BUS_TX     3u
#define IRQ_LINE_RX    4u
#define IRQ_LINE_TX    5u
#define IRQ_ETHERNET   13u

/* --- watchdog: NMI when the count is over, reset when it is over once more ------------ */
#define WDOG_LOAD     REGISTER(0x40008000)
#define WDOG_CTRL     REGISTER(0x40008008)
#define WDOG_INTCLR   REGISTER(0x4000800C)
#define WDOG_LOCK     REGISTER(0x40008C00)
#define WDOG_UNLOCK   0x1ACCE551u
#define WDOG_CTRL_RUN 3u /* interrupt and reset enabled */

/* --- board I/O: buttons, a counter of PRESCALE + 1 cycles a step ------------------------- */
#define FPGAIO_BUTTON   REGISTER(0x40028008)
#define FPGAIO_COUNTER  REGISTER(0x40028018)
#define FPGAIO_PRESCALE REGISTER(0x4002801C)

/* --- lights: eight of the board controller; the FPGA has two, fewer than our pins -------- */
#define SCC_LEDS REGISTER(0x4002F004)

/* --- memory -------------------------------------------------------------------------- */
#define PSRAM_BASE 0x21000000u

#endif
