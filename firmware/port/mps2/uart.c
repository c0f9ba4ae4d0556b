/*
 * Bytes that come in are fetched by interrupts into rings, since the UARTs hold only one. The bus
 * is also written by interrupts; the console waits for its line.
 */
#include "uart.h"

#include <string.h>

#include "board.h"
#include "phusa/number.h"
#include "registers.h"

#define TYPED_MAX    128u /* bytes: two lines, typed ahead */
#define HEARD_MAX    320u /* an answer of Modbus has 256, and what follows it may be there already */
#define CONSOLE_BAUD 115200u
#define CONSOLE_WAIT                                                                               \
    (INT64_C(50) * 1000000) /* ns for one byte; then the line is taken for dead                    \
                             */
#define BUS_WRITE_MAX 256u
#define BITS_PER_BYTE 10             /* with start and stop */
#define UART_RUN      (1u | 2u | 8u) /* send, receive, interrupt when received */
#define UART_TX_IRQ   4u

/* One writes head, the other tail; one place stays free. */
struct ring {
    volatile uint16_t head, tail;
    const uint16_t size;
    uint8_t *const bytes;
};

static uint8_t typed_bytes[TYPED_MAX], heard_bytes[HEARD_MAX];
static struct ring typed = { .size = TYPED_MAX, .bytes = typed_bytes };
static struct ring heard = { .size = HEARD_MAX, .bytes = heard_bytes };

static struct {
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

static uint16_t behind(const struct ring *ring, uint16_t place)
{
    return place + 1u < ring->size ? (uint16_t)(place + 1) : 0;
}

/* What a full ring has no room for is lost, not what is in it. */
static void ring_put(struct ring *ring, uint8_t byte)
{
    uint16_t next = behind(ring, ring->head);
    if (next != ring->tail) {
        ring->bytes[ring->head] = byte;
        ring->head = next;
    }
}

static bool ring_take(struct ring *ring, uint8_t *byte)
{
    if (ring->head == ring->tail) {
        return false;
    }
    *byte = ring->bytes[ring->tail];
    ring->tail = behind(ring, ring->tail);
    return true;
}

static void fetch(uint32_t base, struct ring *ring)
{
    *uart(base, UART_INT) = 2;
    while ((*uart(base, UART_STATE) & UART_STATE_RX_FULL) != 0) {
        ring_put(ring, (uint8_t)*uart(base, UART_DATA));
    }
}

static void set_up(uint32_t base, uint32_t baud)
{
    *uart(base, UART_CTRL) = 0;
    *uart(base, UART_BAUDDIV) = CLOCK_HZ / baud;
    *uart(base, UART_CTRL) = UART_RUN;
}

/* --- console ---------------------------------------------------------------------- */

void console_interrupt_received(void);
void console_interrupt_received(void)
{
    fetch(UART_CONSOLE, &typed);
}

void console_start(void)
{
    set_up(UART_CONSOLE, CONSOLE_BAUD);
    board_allow_interrupt(IRQ_CONSOLE_RX);
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

bool console_take(uint8_t *byte)
{
    return ring_take(&typed, byte);
}

/* --- bus ---------------------------------------------------------------------------- */

void bus_interrupt_received(void);
void bus_interrupt_received(void)
{
    fetch(UART_BUS, &heard);
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
    *uart(UART_BUS, UART_CTRL) = UART_RUN | UART_TX_IRQ;
    board_allow_interrupt(IRQ_BUS_RX);
    board_allow_interrupt(IRQ_BUS_TX);
    bus.seven_bits = seven;
    bus.parity = line->parity;
    bus.byte_ns = INT64_C(1000000000) * BITS_PER_BYTE / line->baud;
    heard.tail = heard.head;
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
    while (count < capacity && ring_take(&heard, &to[count])) {
        to[count] &= bus.seven_bits ? 0x7fu : 0xffu;
        count++;
    }
    return count;
}

struct hal_bus bus_hal(void)
{
    return (struct hal_bus){
        .configure = bus_configure, .write = bus_write, .sent = bus_sent, .read = bus_read
    };
}
