/*
 * SMSC LAN9118 (data sheet revision 1.5), programmed I/O. The interrupt only wakes the processor;
 * frames are taken from the main loop.
 */
#include "ethernet.h"

#include <string.h>

#include "board.h"
#include "registers.h"
#include <lwip/etharp.h>
#include <lwip/pbuf.h>

#define LAN(offset)  REGISTER(0x40200000u + (offset))
#define RX_DATA      LAN(0x00)
#define TX_DATA      LAN(0x20)
#define RX_STATUS    LAN(0x40)
#define TX_STATUS    LAN(0x48)
#define IRQ_CFG      LAN(0x54)
#define INT_STS      LAN(0x58)
#define INT_EN       LAN(0x5C)
#define BYTE_TEST    LAN(0x64)
#define FIFO_INT     LAN(0x68)
#define RX_CFG       LAN(0x6C)
#define TX_CFG       LAN(0x70)
#define HW_CFG       LAN(0x74)
#define RX_DP_CTRL   LAN(0x78)
#define RX_FIFO_INF  LAN(0x7C)
#define TX_FIFO_INF  LAN(0x80)
#define MAC_CSR_CMD  LAN(0xA4)
#define MAC_CSR_DATA LAN(0xA8)

#define BYTE_TEST_VALUE  0x87654321u
#define IRQ_CFG_ON       0x111u /* active high, push-pull, enabled */
#define INT_RX_STATUS    0x8u   /* the status FIFO holds more than its level */
#define TX_CFG_ON        2u
#define HW_CFG_FIFO      0x00050000u /* 5 KiB to send, the rest to receive; one frame at a time */
#define RX_SKIP          0x80000000u /* the rest of a frame is thrown away */
#define RX_ERROR         0x8000u
#define MAC_BUSY         0x80000000u
#define MAC_READ         0x40000000u
#define MAC_CR           1u
#define MAC_ADDRESS_HIGH 2u
#define MAC_ADDRESS_LOW  3u
#define MAC_CR_ON        0x10000Cu /* full duplex, send, receive */
#define TX_FIRST_LAST    0x3000u
#define FRAME_MAX        1536u
#define FCS_BYTES        4u
#define FRAMES_AT_ONCE   8
#define SPINS            1000u

void ethernet_interrupt(void);
void ethernet_interrupt(void)
{
    INT_EN = 0; /* until the main loop has taken what is there */
}

static void mac_wait(void)
{
    for (unsigned i = 0; i < SPINS && (MAC_CSR_CMD & MAC_BUSY) != 0; i++) {
    }
}

static uint32_t mac_read(uint32_t which)
{
    MAC_CSR_CMD = MAC_BUSY | MAC_READ | which;
    mac_wait();
    return MAC_CSR_DATA;
}

static void mac_write(uint32_t which, uint32_t value)
{
    MAC_CSR_DATA = value;
    MAC_CSR_CMD = MAC_BUSY | which;
    mac_wait();
}

/* The frame as words, the last one filled up. */
static void send_words(const struct pbuf *frame)
{
    uint32_t word = 0;
    unsigned held = 0;
    for (; frame != NULL; frame = frame->next) {
        const uint8_t *bytes = frame->payload;
        for (u16_t i = 0; i < frame->len; i++) {
            word |= (uint32_t)bytes[i] << 8 * held;
            if (++held == sizeof word) {
                TX_DATA = word;
                word = held = 0;
            }
        }
    }
    if (held > 0) {
        TX_DATA = word;
    }
}

static err_t send(struct netif *interface, struct pbuf *frame)
{
    uint32_t length = frame->tot_len;
    (void)interface;
    if (length > FRAME_MAX || (TX_FIFO_INF & 0xffffu) < length + 16u) {
        return ERR_BUF;
    }
    TX_DATA = TX_FIRST_LAST | length;
    TX_DATA = length;
    send_words(frame);
    while ((TX_FIFO_INF >> 16 & 0xffu) != 0) {
        (void)TX_STATUS; /* nobody is told: TCP repeats what was lost */
    }
    return ERR_OK;
}

err_t ethernet_begin(struct netif *interface)
{
    if (BYTE_TEST != BYTE_TEST_VALUE) {
        return ERR_IF;
    }
    uint32_t low = mac_read(MAC_ADDRESS_LOW), high = mac_read(MAC_ADDRESS_HIGH);
    memcpy(interface->hwaddr, &low, 4);
    memcpy(interface->hwaddr + 4, &high, 2);
    interface->hwaddr_len = ETH_HWADDR_LEN;
    interface->mtu = 1500;
    interface->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    interface->output = etharp_output;
    interface->linkoutput = send;
    interface->name[0] = 'e';
    interface->name[1] = 'n';
    HW_CFG = HW_CFG_FIFO;
    FIFO_INT = 0; /* interrupt from the first frame on */
    RX_CFG = 0;
    TX_CFG = TX_CFG_ON;
    mac_write(MAC_CR, MAC_CR_ON);
    INT_STS = UINT32_MAX;
    IRQ_CFG = IRQ_CFG_ON;
    INT_EN = INT_RX_STATUS;
    board_allow_interrupt(IRQ_ETHERNET);
    return ERR_OK;
}

/* Reads a frame of length bytes, its check sum behind it, into buffers of lwIP. */
static struct pbuf *take(uint32_t length)
{
    struct pbuf *frame = NULL;
    if (length > FCS_BYTES && length <= FRAME_MAX) {
        frame = pbuf_alloc(PBUF_RAW, (u16_t)(length - FCS_BYTES), PBUF_POOL);
    }
    if (frame == NULL) {
        RX_DP_CTRL = RX_SKIP;
        for (unsigned i = 0; i < SPINS && (RX_DP_CTRL & RX_SKIP) != 0; i++) {
        }
        return NULL;
    }
    const struct pbuf *part = frame;
    for (uint32_t at = 0, in_part = 0; at < length; at += 4) {
        uint32_t word = RX_DATA;
        if (part != NULL) { /* else it is the check sum */
            uint32_t room = part->len - in_part;
            memcpy((uint8_t *)part->payload + in_part, &word, room < 4 ? room : 4);
            in_part += 4;
            if (in_part >= part->len) { /* all but the last hold a multiple of 4 */
                part = part->next;
                in_part = 0;
            }
        }
    }
    return frame;
}

void ethernet_poll(struct netif *interface)
{
    for (int i = 0; i < FRAMES_AT_ONCE && (RX_FIFO_INF >> 16 & 0xffu) != 0; i++) {
        uint32_t status = RX_STATUS;
        struct pbuf *frame = take(status >> 16 & 0x3fffu);
        if (frame != NULL &&
            ((status & RX_ERROR) != 0 || interface->input(frame, interface) != ERR_OK)) {
            pbuf_free(frame);
        }
    }
    INT_STS = INT_RX_STATUS;
    INT_EN = INT_RX_STATUS;
}
