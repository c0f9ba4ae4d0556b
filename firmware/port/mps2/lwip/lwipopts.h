/*
 * lwIP as this port uses it: one interface, IPv4, DHCP, one TCP connection, names and time by
 * UDP. Nothing runs in interrupts, so nothing is locked.
 *
 * What TCP can have under way must always fit the memory here: lwIP's MQTT client over TLS,
 * refused in the middle of a record, would go on with other bytes (see network.c).
 */
#ifndef MPS2_LWIPOPTS_H
#define MPS2_LWIPOPTS_H

#define NO_SYS                   1
#define SYS_LIGHTWEIGHT_PROT     0
#define LWIP_NETCONN             0
#define LWIP_SOCKET              0
#define LWIP_IPV6                0
#define LWIP_RAW                 0
#define LWIP_STATS               0
#define LWIP_NETIF_HOSTNAME      1
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_ICMP                1
#define LWIP_DHCP                1
#define LWIP_DHCP_GET_NTP_SRV    1
#define DHCP_DOES_ARP_CHECK      0 /* our server knows what it gave; a second sooner on the air */
#define LWIP_DNS                 1
#define DNS_TABLE_SIZE           1
#define DNS_MAX_NAME_LENGTH      129
#define ARP_TABLE_SIZE           4
#define ARP_QUEUEING             1 /* the first question to the time server and the first SYN go together */
#define MEMP_NUM_ARP_QUEUE       4
#define IP_REASSEMBLY            0
#define IP_FRAG                  0

#define MEM_ALIGNMENT 8
#ifdef PHUSA_TLS
#define MEM_SIZE         8192
#define PBUF_POOL_SIZE   16
#define TCP_MSS          1460
#define TCP_WND          (3 * TCP_MSS)
#define TCP_SND_BUF      (2 * TCP_MSS)
#define MEMP_NUM_TCP_SEG 40
#else
#define MEM_SIZE         4608
#define PBUF_POOL_SIZE   8
#define TCP_MSS          536
#define TCP_WND          (3 * TCP_MSS)
#define TCP_SND_BUF      (4 * TCP_MSS)
#define MEMP_NUM_TCP_SEG 24 /* a report is two or three */
#endif
#define MEMP_NUM_PBUF           8
#define MEMP_NUM_UDP_PCB        4
#define MEMP_NUM_TCP_PCB        4 /* ours, and old ones that are still closing */
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_SYS_TIMEOUT    12
#define PBUF_POOL_BUFSIZE       396 /* a small message is one, a full frame four */

#define TCP_SND_QUEUELEN   MEMP_NUM_TCP_SEG
#define TCP_QUEUE_OOSEQ    0
#define TCP_LISTEN_BACKLOG 0
#define LWIP_TCP_KEEPALIVE 0

#ifdef PHUSA_TLS /* the largest report with its topic */
#define MQTT_OUTPUT_RINGBUF_SIZE 4352
#else
#define MQTT_OUTPUT_RINGBUF_SIZE 2816
#endif
#define MQTT_VAR_HEADER_BUFFER_LEN 256
#define MQTT_REQ_MAX_IN_FLIGHT     8
#define MQTT_CYCLIC_TIMER_INTERVAL 5

#define SNTP_SERVER_DNS                      0
#define SNTP_GET_SERVERS_FROM_DHCP           1
#define SNTP_STARTUP_DELAY                   0
#define SNTP_CHECK_RESPONSE                  2
#define SNTP_PORT                            wallclock_port()
#define SNTP_SET_SYSTEM_TIME_US(seconds, us) wallclock_set((seconds), (us))
#define SNTP_GET_SYSTEM_TIME(seconds, us)    wallclock_raw(&(seconds), &(us))

#ifdef PHUSA_TLS
#define LWIP_ALTCP             1
#define LWIP_ALTCP_TLS         1
#define LWIP_ALTCP_TLS_MBEDTLS 1
#endif

#include <stdint.h>

uint16_t wallclock_port(void);
void wallclock_set(uint32_t seconds, uint32_t microseconds);
void wallclock_raw(uint32_t *seconds, uint32_t *microseconds);

#endif
