/*
 * Bytes that come in are fetched by an interrupt into a ring, those that go out are handed on by
 * one: the UART holds one of each.
 */
#include "line.h"

#include <string.h>

#include "board.h"
#include "registers.h"

#define RING_BYTES    512u                /* a power of two; two of a classifier's longest lines */
#define UART_RUN      (1u | 2u | 4u | 8u) /* send, receive, an interrupt for each */
#define BITS_PER_BYTE 10

static struct {
    volatile uint32_t head, tail; /* one writes head, the other tail */
    uint8_t heard[RING_BYTES];
    uint8_t bytes[LINE_WRITE_MAX];
    volatile size_t length, next;
    int64_t free_ns; /* when the last byte written has left */
    int64_t byte_ns;
} line;

static volatile uint32_t *uart(uint32_t offset)
{
    return &REGISTER(UART_LINE + offset);
}

void line_interrupt_received(void);
void line_interrupt_received(void)
{
    *uart(UART_INT) = 2;
    while ((*uart(UART_STATE) & UART_STATE_RX_FULL) != 0) {
        uint8_t byte = (uint8_t)*uart(UART_DATA);
        if (line.head - line.tail < RING_BYTES) {
            line.heard[line.head % RING_BYTES] = byte;
            line.head++;
        }
    }
}

static void send_more(void)
{
    while (line.next < line.length && (*uart(UART_STATE) & UART_STATE_TX_FULL) == 0) {
        *uart(UART_DATA) = line.bytes[line.next];
        line.next++;
    }
}

void line_interrupt_sent(void);
void line_interrupt_sent(void)
{
    *uart(UART_INT) = 1;
    send_more();
}

static enum hal_result configure(void *context, const struct hal_line *wanted)
{
    (void)context;
    if (wanted->data_bits != 8 || wanted->parity != HAL_PARITY_NONE || wanted->stop_bits != 1 ||
        wanted->baud < 1200 || wanted->baud > 115200) {
        return HAL_FAILED;
    }
    *uart(UART_CTRL) = 0;
    *uart(UART_BAUDDIV) = CLOCK_HZ / wanted->baud;
    *uart(UART_CTRL) = UART_RUN;
    board_allow_interrupt(IRQ_LINE_RX);
    board_allow_interrupt(IRQ_LINE_TX);
    line.byte_ns = INT64_C(1000000000) * BITS_PER_BYTE / wanted->baud;
    line.tail = line.head;
    return HAL_OK;
}

static bool sent(void *context)
{
    (void)context;
    return line.next == line.length && board_mono_ns() >= line.free_ns;
}

static enum hal_result write_bytes(void *context, const void *bytes, size_t length)
{
    if (length > LINE_WRITE_MAX) {
        return HAL_FAILED;
    }
    if (!sent(context)) {
        return HAL_AGAIN;
    }
    line.free_ns = board_mono_ns() + (int64_t)length * line.byte_ns;
    __asm volatile("cpsid i" ::: "memory"); /* the interrupt sends, too */
    memcpy(line.bytes, bytes, length);
    line.next = 0;
    line.length = length;
    send_more();
    __asm volatile("cpsie i" ::: "memory");
    return HAL_OK;
}

static size_t read_bytes(void *context, void *bytes, size_t capacity)
{
    uint8_t *to = bytes;
    size_t count = 0;
    (void)context;
    while (count < capacity && line.tail != line.head) {
        to[count++] = line.heard[line.tail % RING_BYTES];
        line.tail++;
    }
    return count;
}

struct hal_bus line_hal(void)
{
    return (struct hal_bus){
        .configure = configure, .write = write_bytes, .sent = sent, .read = read_bytes
    };
}
