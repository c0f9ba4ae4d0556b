/*
 * The page: a header of 16 bytes, then fields one behind the other. Numbers are little-endian.
 *
 *   0  "PSPV"   4  version, 1   8  bytes of all fields   12  CRC32C of them
 *
 * A field is its tag (1 byte), its length (2 bytes) and that many bytes. Texts are UTF-8 without a
 * terminator, addresses four bytes in the order they are written. A tag at most once; what is
 * not understood makes the whole page invalid, so that no setting is silently left out.
 */
#include "provision.h"

#include <string.h>

#include "bytes.h"
#include "phusa/crc32c.h"

#define HEADER_BYTES 16u
#define FIELD_BYTES  3u
#define MAGIC        0x56505350u /* "PSPV" */
#define VERSION      1u
#define CHUNK        64u
#define NTP_PORT     123u
#define STEP_MAX     1e12 /* as of a setting */

enum tag {
    TAG_STATION = 1,
    TAG_SITE,
    TAG_HOST,
    TAG_HOST_ADDRESS,
    TAG_PORT,
    TAG_USER,
    TAG_PASSWORD,
    TAG_CA,
    TAG_SEED,
    TAG_TIME_SERVER, /* address, then optionally a port */
    TAG_OWN_ADDRESS, /* own, mask, gateway */
    TAG_EVERY,       /* nanoseconds, 8 bytes */
    TAG_SPEED,
    TAG_MAP,
    TAG_CHANNELS,
    TAG_TEAR,    /* one in so many, and the seed: 4 bytes each */
    TAG_TRAP,    /* as trap_page.h has it */
    TAG_PHASE,   /* nanoseconds, 8 bytes */
    TAG_SAMPLING /* distances of samples and of fast ones in nanoseconds, 8 bytes each, then the
                    event step of each channel, a double */
};

struct page {
    const struct hal_flash *flash;
    uint32_t at, end; /* of the fields */
    uint32_t seen;    /* bit n: tag n */
};

static bool read(const struct page *page, uint32_t offset, void *bytes, size_t length)
{
    return page->flash->read(page->flash->context, offset, bytes, length) == HAL_OK;
}

static enum provision_status check(struct page *page)
{
    uint8_t header[HEADER_BYTES];
    uint32_t room = page->flash->block_size * page->flash->block_count - HEADER_BYTES;
    if (!read(page, 0, header, sizeof header) || get_u32(header) != MAGIC) {
        return PROVISION_ABSENT;
    }
    uint32_t length = get_u32(header + 8), crc = 0;
    if (get_u32(header + 4) != VERSION) {
        return PROVISION_UNKNOWN;
    }
    if (length > room) {
        return PROVISION_DAMAGED;
    }
    page->at = HEADER_BYTES;
    page->end = HEADER_BYTES + length;
    for (uint32_t at = page->at; at < page->end; at += CHUNK) {
        uint8_t chunk[CHUNK];
        uint32_t part = page->end - at < CHUNK ? page->end - at : CHUNK;
        if (!read(page, at, chunk, part)) {
            return PROVISION_DAMAGED;
        }
        crc = phusa_crc32c(crc, chunk, part);
    }
    return crc == get_u32(header + 12) ? PROVISION_OK : PROVISION_DAMAGED;
}

static bool take_text(const struct page *page, size_t length, char *text, size_t longest)
{
    if (length == 0 || length > longest || !read(page, page->at, text, length)) {
        return false;
    }
    text[length] = '\0';
    return memchr(text, '\0', length) == NULL;
}

static bool take_bytes(const struct page *page, size_t length, void *bytes, size_t wanted)
{
    return length == wanted && read(page, page->at, bytes, length);
}

static bool take_port(const struct page *page, size_t length, uint16_t *port)
{
    uint8_t bytes[2];
    if (!take_bytes(page, length, bytes, sizeof bytes)) {
        return false;
    }
    *port = (uint16_t)(bytes[0] | bytes[1] << 8);
    return *port != 0;
}

static bool take_time_server(const struct page *page, size_t length, struct provision *provision)
{
    uint8_t bytes[6] = { 0, 0, 0, 0, NTP_PORT, 0 };
    if ((length != 4 && length != 6) || !read(page, page->at, bytes, length)) {
        return false;
    }
    memcpy(provision->time_server.bytes, bytes, 4);
    provision->time_port = (uint16_t)(bytes[4] | bytes[5] << 8);
    return provision->time_port != 0;
}

static bool take_own_address(const struct page *page, size_t length, struct provision *provision)
{
    uint8_t bytes[12];
    if (!take_bytes(page, length, bytes, sizeof bytes)) {
        return false;
    }
    memcpy(provision->own.bytes, bytes, 4);
    memcpy(provision->mask.bytes, bytes + 4, 4);
    memcpy(provision->gateway.bytes, bytes + 8, 4);
    return true;
}

static bool take_time(const struct page *page, size_t length, int64_t *ns)
{
    uint8_t bytes[8];
    if (!take_bytes(page, length, bytes, sizeof bytes)) {
        return false;
    }
    *ns = (int64_t)get_u64(bytes);
    return *ns > 0;
}

static bool take_speed(const struct page *page, size_t length, struct provision *provision)
{
    uint8_t bytes[4];
    if (!take_bytes(page, length, bytes, sizeof bytes)) {
        return false;
    }
    provision->speed = get_u32(bytes);
    return provision->speed > 0;
}

static bool take_tear(const struct page *page, size_t length, struct provision *provision)
{
    uint8_t bytes[8];
    if (!take_bytes(page, length, bytes, sizeof bytes)) {
        return false;
    }
    provision->tear_one_in = get_u32(bytes);
    provision->tear_seed = get_u32(bytes + 4);
    return provision->tear_one_in > 0;
}

static bool take_sampling(const struct page *page, size_t length, struct provision *provision)
{
    uint8_t bytes[8 * (2 + STATION_CHANNELS_MAX)];
    if (length < 16 || length % 8 != 0 || length > sizeof bytes ||
        !read(page, page->at, bytes, length)) {
        return false;
    }
    provision->sample_every_ns = (int64_t)get_u64(bytes);
    provision->fast_every_ns = (int64_t)get_u64(bytes + 8);
    for (size_t i = 0; i < length / 8 - 2; i++) {
        double step = get_double(bytes + 16 + 8 * i);
        if (!(step >= 0 && step <= STEP_MAX)) {
            return false;
        }
        provision->event_steps[i] = step;
    }
    return true;
}

static bool take_ca(const struct page *page, size_t length, struct provision *provision)
{
    provision->ca_offset = page->at;
    provision->ca_length = (uint32_t)length;
    return length > 0 && length <= PROVISION_CA_MAX;
}

static bool take_channels(const struct page *page, size_t length, struct provision *provision)
{
    provision->layout_length = length;
    return length > 0 && length <= sizeof provision->layout &&
           read(page, page->at, provision->layout, length);
}

static bool take_field(const struct page *page, uint8_t tag, size_t length, struct provision *p)
{
    switch ((enum tag)tag) {
    case TAG_STATION:
        return take_text(page, length, p->station, PROVISION_ID_MAX);
    case TAG_SITE:
        return take_text(page, length, p->site, PROVISION_ID_MAX);
    case TAG_HOST:
        return take_text(page, length, p->host, PROVISION_HOST_MAX);
    case TAG_HOST_ADDRESS:
        return take_bytes(page, length, p->host_address.bytes, sizeof p->host_address.bytes);
    case TAG_PORT:
        return take_port(page, length, &p->port);
    case TAG_USER:
        return take_text(page, length, p->user, PROVISION_ID_MAX);
    case TAG_PASSWORD:
        return take_text(page, length, p->password, PROVISION_PASSWORD_MAX);
    case TAG_CA:
        return take_ca(page, length, p);
    case TAG_SEED:
        return take_bytes(page, length, p->seed, sizeof p->seed);
    case TAG_TIME_SERVER:
        return take_time_server(page, length, p);
    case TAG_OWN_ADDRESS:
        return take_own_address(page, length, p);
    case TAG_EVERY:
        return take_time(page, length, &p->every_ns);
    case TAG_SPEED:
        return take_speed(page, length, p);
    case TAG_MAP:
        p->map_offset = page->at;
        p->map_length = (uint32_t)length;
        return length > 0 && length <= PROVISION_MAP_MAX;
    case TAG_CHANNELS:
        return take_channels(page, length, p);
    case TAG_TEAR:
        return take_tear(page, length, p);
    case TAG_TRAP:
        p->trap_offset = page->at;
        p->trap_length = (uint32_t)length;
        return length > 0 && length <= PROVISION_TRAP_MAX;
    case TAG_PHASE:
        return take_time(page, length, &p->phase_ns);
    case TAG_SAMPLING:
        return take_sampling(page, length, p);
    }
    return false;
}

/* The next field; PROVISION_OK also at the end. */
static enum provision_status take_next(struct page *page, struct provision *provision)
{
    uint8_t head[FIELD_BYTES];
    if (page->end - page->at < FIELD_BYTES || !read(page, page->at, head, sizeof head)) {
        return PROVISION_DAMAGED;
    }
    uint32_t length = (uint32_t)(head[1] | head[2] << 8);
    page->at += FIELD_BYTES;
    if (length > page->end - page->at) {
        return PROVISION_DAMAGED;
    }
    if (head[0] > TAG_SAMPLING || (page->seen >> head[0] & 1u) != 0 ||
        !take_field(page, head[0], length, provision)) {
        return PROVISION_UNKNOWN;
    }
    page->seen |= UINT32_C(1) << head[0];
    page->at += length;
    return PROVISION_OK;
}

static bool complete(const struct page *page)
{
    const uint32_t wanted = UINT32_C(1) << TAG_STATION | UINT32_C(1) << TAG_SITE |
                            UINT32_C(1) << TAG_HOST | UINT32_C(1) << TAG_PORT |
                            UINT32_C(1) << TAG_SEED | UINT32_C(1) << TAG_EVERY |
                            UINT32_C(1) << TAG_CHANNELS;
    return (page->seen & wanted) == wanted;
}

enum provision_status provision_read(const struct hal_flash *flash, struct provision *provision)
{
    struct page page = { .flash = flash };
    memset(provision, 0, sizeof *provision);
    provision->speed = 1;
    enum provision_status status = check(&page);
    while (status == PROVISION_OK && page.at < page.end) {
        status = take_next(&page, provision);
    }
    if (status != PROVISION_OK) {
        return status;
    }
    return complete(&page) ? PROVISION_OK : PROVISION_LACKING;
}

const char *provision_text(enum provision_status status)
{
    switch (status) {
    case PROVISION_OK:
        return "good";
    case PROVISION_ABSENT:
        return "this board is not provisioned";
    case PROVISION_DAMAGED:
        return "the provisioning page is damaged";
    case PROVISION_UNKNOWN:
        return "the provisioning page has a field that this firmware does not understand";
    case PROVISION_LACKING:
        return "the provisioning page lacks a field that is needed";
    }
    return "";
}
