/* What is typed at the console: fetched by an interrupt, since the UART holds one byte. */
#include "uart.h"

#include "board.h"
#include "registers.h"

#define RING_BYTES 128u /* a power of two; two lines, typed ahead */

/* One writes head, the other tail. */
static struct {
    volatile uint32_t head, tail;
    uint8_t bytes[RING_BYTES];
} typed;

void console_interrupt_received(void);
void console_interrupt_received(void)
{
    REGISTER(UART_CONSOLE + UART_INT) = 2;
    while ((REGISTER(UART_CONSOLE + UART_STATE) & UART_STATE_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)REGISTER(UART_CONSOLE + UART_DATA);
        if (typed.head - typed.tail < RING_BYTES) {
            typed.bytes[typed.head % RING_BYTES] = byte;
            typed.head++;
        }
    }
}

void console_listen(void)
{
    REGISTER(UART_CONSOLE + UART_CTRL) = UART_CTRL_TYPED;
    board_allow_interrupt(IRQ_CONSOLE_RX);
}

bool console_take(uint8_t *byte)
{
    if (typed.head == typed.tail) {
        return false;
    }
    *byte = typed.bytes[typed.tail % RING_BYTES];
    typed.tail++;
    return true;
}
