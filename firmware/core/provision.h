/*
 * What makes a board this station: its id, where the broker is, by which certificate it is known,
 * and the station's own credentials. A page of its own in the flash, written in the workshop
 * (tools/provision) and never by the station; no image holds any of it. Format: provision.c.
 */
#ifndef FIRMWARE_PROVISION_H
#define FIRMWARE_PROVISION_H

#include "hal/hal.h"
#include "log.h"

#define PROVISION_ID_MAX       32
#define PROVISION_HOST_MAX     128
#define PROVISION_PASSWORD_MAX 128
#define PROVISION_CA_MAX       2048 /* bytes of the authority's certificate, DER */
#define PROVISION_SEED_BYTES   32
#define PROVISION_LAYOUT_MAX   768  /* bytes of the channels: 32 with names of usual length */
#define PROVISION_MAP_MAX      1536 /* bytes of the device map */
#define PROVISION_TRAP_MAX     704  /* bytes of a trap's section: 18 names of 32, and the rest */

/* An IPv4 address as its bytes in the order they are written; all 0 = not given. */
struct provision_address {
    uint8_t bytes[4];
};

/* Texts are terminated. */
struct provision {
    char station[PROVISION_ID_MAX + 1], site[PROVISION_ID_MAX + 1];
    char host[PROVISION_HOST_MAX + 1];     /* the broker's name, as its certificate has it */
    struct provision_address host_address; /* instead of asking a name server for it */
    uint16_t port;                         /* the broker's */
    char user[PROVISION_ID_MAX + 1];
    char password[PROVISION_PASSWORD_MAX + 1]; /* empty = none */
    uint32_t ca_offset, ca_length;        /* of the DER certificate in the page; length 0 = none */
    uint8_t seed[PROVISION_SEED_BYTES];   /* random, of this station alone */
    struct provision_address time_server; /* not given: what DHCP says */
    uint16_t time_port;                   /* 123 unless given */
    struct provision_address own, mask, gateway; /* own not given: DHCP */
    int64_t every_ns;                            /* distance of reports */
    int64_t phase_ns;                            /* of their moments; 0 unless given: on the hour */
    int64_t sample_every_ns, fast_every_ns;      /* as those of station.h; 0 unless given */
    double event_steps[STATION_CHANNELS_MAX];    /* of each channel; 0 = none */
    uint32_t speed;                  /* of the wall clock, for rehearsals; 1 unless given */
    uint32_t tear_one_in, tear_seed; /* for rehearsals: see port/mps2/flash.h; 0 = never */
    uint32_t map_offset,
        map_length; /* of the device map in the page; length 0 = simulated sensors */
    uint32_t trap_offset, trap_length; /* of a trap's section (trap_page.h); length 0 = no trap */
    uint8_t layout[PROVISION_LAYOUT_MAX]; /* channels: see report_layout_read */
    size_t layout_length;
};

enum provision_status {
    PROVISION_OK = 0,
    PROVISION_ABSENT,  /* the page is blank or none of ours */
    PROVISION_DAMAGED, /* its check sum is wrong or it is cut */
    PROVISION_UNKNOWN, /* it has a field that this firmware does not know or cannot hold */
    PROVISION_LACKING  /* station, site, host, port, seed, period or channels are missing */
};

/* Reads the page that begins at block 0 of flash. */
enum provision_status provision_read(const struct hal_flash *flash, struct provision *provision);

/* What is wrong, in English. */
const char *provision_text(enum provision_status status);

#endif
