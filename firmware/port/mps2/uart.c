/*
 * Bytes that come in on the bus are fetched by an interrupt into a ring, since the UART holds only
 * one, and those that go out are handed on by one; the console waits for its line. What is typed
 * there: keyboard.c.
 */
#include "uart.h"

#include <string.h>

#include "board.h"
#include "phusa/number.h"
#include "registers.h"

#define RING_BYTES   320u /* an answer of Modbus has 256, and more may follow it */
#define CONSOLE_BAUD 115200u
#define CONSOLE_WAIT                                                                               \
    (INT64_C(50) * 1000000) /* ns for one byte; then the line is taken for dead                    \
                             */
#define BUS_WRITE_MAX 256u
#define BITS_PER_BYTE 10                  /* with start and stop */
#define UART_RUN      (1u | 2u | 4u | 8u) /* send, receive, an interrupt for each */

static struct {
    volatile uint32_t head, tail; /* one writes head, the other tail; one place stays free */
    uint8_t heard[RING_BYTES];
    uint8_t bytes[BUS_WRITE_MAX];
    volatile size_t length, next;
    int64_t free_ns; /* when the last byte written has left */
    int64_t byte_ns;
    bool seven_bits;
    enum hal_parity parity;
} bus;

static volatile uint32_t *uart(uint32_t base, uint32_t offset)
{
    return &REGISTER(base + offset);
}

static void set_up(uint32_t base, uint32_t baud)
{
    *uart(base, UART_CTRL) = 0;
    *uart(base, UART_BAUDDIV) = CLOCK_HZ / baud;
}

/* --- console ---------------------------------------------------------------------- */

void console_start(void)
{
    set_up(UART_CONSOLE, CONSOLE_BAUD);
    *uart(UART_CONSOLE, UART_CTRL) = UART_CTRL_SEND;
}

void console_write(const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    for (size_t i = 0; i < length; i++) {
        int64_t end = board_mono_ns() + CONSOLE_WAIT;
        while ((*uart(UART_CONSOLE, UART_STATE) & UART_STATE_TX_FULL) != 0) {
            if (board_mono_ns() > end) {
                return;
            }
        }
        *uart(UART_CONSOLE, UART_DATA) = from[i];
    }
}

void console_text(const char *text)
{
    console_write(text, strlen(text));
}

void console_number(uint64_t number)
{
    char digits[PHUSA_INTEGER_CHARS];
    size_t length = phusa_uint_print(number, digits);
    console_write(digits, length);
}

/* --- bus ---------------------------------------------------------------------------- */

void bus_interrupt_received(void);
void bus_interrupt_received(void)
{
    *uart(UART_BUS, UART_INT) = 2;
    while ((*uart(UART_BUS, UART_STATE) & UART_STATE_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)*uart(UART_BUS, UART_DATA);
        uint32_t next = (bus.head + 1) % RING_BYTES;
        if (next != bus.tail) { /* else it is lost, not what came before it */
            bus.heard[bus.head] = byte;
            bus.head = next;
        }
    }
}

static void send_more(void)
{
    while (bus.next < bus.length && (*uart(UART_BUS, UART_STATE) & UART_STATE_TX_FULL) == 0) {
        *uart(UART_BUS, UART_DATA) = bus.bytes[bus.next];
        bus.next++;
    }
}

void bus_interrupt_sent(void);
void bus_interrupt_sent(void)
{
    *uart(UART_BUS, UART_INT) = 1;
    send_more();
}

static enum hal_result bus_configure(void *context, const struct hal_line *line)
{
    (void)context;
    bool eight = line->data_bits == 8 && line->parity == HAL_PARITY_NONE;
    bool seven = line->data_bits == 7 && line->parity != HAL_PARITY_NONE;
    if (line->stop_bits != 1 || line->baud < 1200 || line->baud > 115200 || (!eight && !seven)) {
        return HAL_FAILED;
    }
    set_up(UART_BUS, line->baud);
    *uart(UART_BUS, UART_CTRL) = UART_RUN;
    board_allow_interrupt(IRQ_BUS_RX);
    board_allow_interrupt(IRQ_BUS_TX);
    bus.seven_bits = seven;
    bus.parity = line->parity;
    bus.byte_ns = INT64_C(1000000000) * BITS_PER_BYTE / line->baud;
    bus.tail = bus.head;
    return HAL_OK;
}

static bool bus_sent(void *context)
{
    (void)context;
    return bus.next == bus.length && board_mono_ns() >= bus.free_ns;
}

/* Seven bits with their parity in the eighth. */
static uint8_t with_parity(uint8_t byte)
{
    bool odd = __builtin_parity(byte & 0x7fu) != 0;
    bool bit = bus.parity == HAL_PARITY_EVEN ? odd : !odd;
    return (uint8_t)((byte & 0x7fu) | (bit ? 0x80u : 0));
}

static enum hal_result bus_write(void *context, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    if (length > BUS_WRITE_MAX) {
        return HAL_FAILED;
    }
    if (!bus_sent(context)) {
        return HAL_AGAIN;
    }
    for (size_t i = 0; i < length; i++) {
        bus.bytes[i] = bus.seven_bits ? with_parity(from[i]) : from[i];
    }
    bus.free_ns = board_mono_ns() + (int64_t)length * bus.byte_ns;
    __asm volatile("cpsid i" ::: "memory"); /* the interrupt sends, too */
    bus.next = 0;
    bus.length = length;
    send_more();
    __asm volatile("cpsie i" ::: "memory");
    return HAL_OK;
}

static size_t bus_read(void *context, void *bytes, size_t capacity)
{
    uint8_t *to = bytes;
    size_t count = 0;
    (void)context;
    while (count < capacity && bus.head != bus.tail) {
        to[count++] = bus.heard[bus.tail] & (bus.seven_bits ? 0x7fu : 0xffu);
        bus.tail = (bus.tail + 1) % RING_BYTES;
    }
    return count;
}

struct hal_bus bus_hal(void)
{
    return (struct hal_bus){
        .configure = bus_configure, .write = bus_write, .sent = bus_sent, .read = bus_read
    };
}
