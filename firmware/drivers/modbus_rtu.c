/*
 * An exchange: the line is quiet for 3.5 characters - request - answer - 3.5 characters of
 * silence, which end a frame. Above 19,200 baud the silence is 1.75 ms whatever the speed.
 *
 * A frame that is no answer of this slave (a late one of another, noise) does not end the wait:
 * the right one may still come. A frame of this slave ends it, good or bad.
 */
#include "modbus_rtu.h"

#include <string.h>

#define MILLI         INT64_C(1000000)
#define SECOND        INT64_C(1000000000)
#define FAST_BAUD     19200
#define FAST_GAP      (1750 * INT64_C(1000))
#define QUIET_MAX     (500 * MILLI) /* a line that chatters longer than this is spoken into */
#define SEND_MAX      (2 * SECOND)  /* 8 bytes at 1,200 baud take 0.08 s */
#define ANSWER_LEAST  5             /* bytes: slave, function, count or code, CRC */
#define EXCEPTION_BIT 0x80u

uint16_t modbus_crc(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1u) != 0 ? crc >> 1 ^ 0xA001u : crc >> 1;
        }
    }
    return (uint16_t)crc;
}

void modbus_encode(const struct modbus_request *request, uint8_t frame[MODBUS_REQUEST_BYTES])
{
    frame[0] = request->slave;
    frame[1] = request->function;
    frame[2] = (uint8_t)(request->address >> 8);
    frame[3] = (uint8_t)request->address;
    frame[4] = (uint8_t)(request->count >> 8);
    frame[5] = (uint8_t)request->count;
    uint16_t crc = modbus_crc(frame, 6);
    frame[6] = (uint8_t)crc;
    frame[7] = (uint8_t)(crc >> 8);
}

/* --- judging an answer -------------------------------------------------------------- */

static bool crc_right(const uint8_t *frame, size_t length)
{
    uint16_t crc = modbus_crc(frame, length - 2);
    return frame[length - 2] == (uint8_t)crc && frame[length - 1] == (uint8_t)(crc >> 8);
}

/* A frame of this slave: is it the answer? */
static enum modbus_result judge_own(const struct modbus_request *request, const uint8_t *frame,
                                    size_t length, const uint8_t **data)
{
    if (frame[1] == (request->function | EXCEPTION_BIT) && length == ANSWER_LEAST) {
        *data = frame + 2;
        return MODBUS_EXCEPTION;
    }
    if (frame[1] != request->function || frame[2] != request->count * 2u ||
        length != ANSWER_LEAST + request->count * 2u) {
        return MODBUS_BAD_ANSWER;
    }
    *data = frame + 3;
    return MODBUS_OK;
}

static enum modbus_result judge_frame(const struct modbus_request *request, const uint8_t *frame,
                                      size_t length, const uint8_t **data)
{
    if (length < ANSWER_LEAST) {
        return length > 0 && frame[0] == request->slave ? MODBUS_BAD_ANSWER : MODBUS_NOISE;
    }
    if (crc_right(frame, length)) {
        return frame[0] == request->slave ? judge_own(request, frame, length, data)
                                          : MODBUS_BAD_ADDRESS;
    }
    bool own = frame[0] == request->slave && (frame[1] & ~EXCEPTION_BIT) == request->function;
    if (!own) {
        return MODBUS_NOISE;
    }
    bool refused = (frame[1] & EXCEPTION_BIT) != 0;
    size_t right = ANSWER_LEAST + (refused ? 0 : request->count * 2u);
    return length == right ? MODBUS_BAD_CRC : MODBUS_BAD_ANSWER;
}

/* Bytes at the begin that are the request itself. */
static size_t echo_length(const struct modbus_request *request, const uint8_t *bytes, size_t length)
{
    uint8_t own[MODBUS_REQUEST_BYTES];
    modbus_encode(request, own);
    return length >= sizeof own && memcmp(bytes, own, sizeof own) == 0 ? sizeof own : 0;
}

enum modbus_result modbus_judge(const struct modbus_request *request, const uint8_t *bytes,
                                size_t length, const uint8_t **data)
{
    size_t echo = echo_length(request, bytes, length);
    bytes += echo;
    length -= echo;
    enum modbus_result first = judge_frame(request, bytes, length, data);
    for (size_t skip = 1; skip <= MODBUS_GLITCH_MAX && skip < length; skip++) {
        if (first == MODBUS_OK || first == MODBUS_EXCEPTION) {
            break;
        }
        enum modbus_result later = judge_frame(request, bytes + skip, length - skip, data);
        if (later == MODBUS_OK || later == MODBUS_EXCEPTION) {
            return later;
        }
    }
    return first;
}

/* --- values ------------------------------------------------------------------------- */

size_t modbus_width(enum modbus_type type)
{
    return type == MODBUS_U16 || type == MODBUS_S16 ? 1 : 2;
}

/* The value's bytes, the most significant first. */
static uint32_t gather(const uint8_t *data, size_t bytes, enum modbus_order order)
{
    /* Which byte of the line is A, B, C, D. */
    static const uint8_t PLACES[][4] = { [MODBUS_ABCD] = { 0, 1, 2, 3 },
                                         [MODBUS_CDAB] = { 2, 3, 0, 1 },
                                         [MODBUS_BADC] = { 1, 0, 3, 2 },
                                         [MODBUS_DCBA] = { 3, 2, 1, 0 } };
    bool swapped = order == MODBUS_BADC || order == MODBUS_DCBA;
    if (bytes == 2) {
        return (uint32_t)data[swapped] << 8 | data[!swapped];
    }
    const uint8_t *place = PLACES[order];
    return (uint32_t)data[place[0]] << 24 | (uint32_t)data[place[1]] << 16 |
           (uint32_t)data[place[2]] << 8 | data[place[3]];
}

double modbus_value(const uint8_t *data, enum modbus_type type, enum modbus_order order)
{
    uint32_t bits = gather(data, modbus_width(type) * 2, order);
    float real;
    switch (type) {
    case MODBUS_U16:
    case MODBUS_U32:
        return bits;
    case MODBUS_S16:
        return (double)bits - (bits >= 0x8000u ? 65536.0 : 0.0);
    case MODBUS_S32:
        return (double)bits - (bits >= 0x80000000u ? 4294967296.0 : 0.0);
    case MODBUS_F32:
        memcpy(&real, &bits, sizeof real);
        return (double)real;
    }
    return 0;
}

/* --- an exchange -------------------------------------------------------------------- */

/* Nanoseconds of characters / 2 characters on the line. */
static int64_t half_characters(const struct hal_line *line, int64_t halves)
{
    int64_t bits = 1 + line->data_bits + (line->parity != HAL_PARITY_NONE) + line->stop_bits;
    return halves * bits * SECOND / (2 * (int64_t)line->baud);
}

void modbus_init(struct modbus_master *master, const struct hal_bus *bus,
                 const struct hal_line *line, int64_t slack_ns)
{
    memset(master, 0, sizeof *master);
    master->bus = bus;
    master->gap_ns = line->baud > FAST_BAUD ? FAST_GAP : half_characters(line, 7);
    master->slack_ns = slack_ns > master->gap_ns ? slack_ns : master->gap_ns;
}

void modbus_begin(struct modbus_master *master, const struct modbus_request *request,
                  int64_t timeout_ns, int64_t mono_ns)
{
    master->request = *request;
    master->timeout_ns = timeout_ns;
    master->state = MODBUS_QUIET;
    master->so_far = MODBUS_SILENT;
    master->length = 0;
    master->data = NULL;
    master->heard_ns = mono_ns;
    master->until_ns = mono_ns + QUIET_MAX;
}

static enum modbus_result finish(struct modbus_master *master, enum modbus_result result)
{
    master->state = MODBUS_IDLE;
    return result;
}

/* Waits until nobody has spoken for a gap; what is heard belongs to nobody. */
static enum modbus_result step_quiet(struct modbus_master *master, int64_t mono_ns)
{
    uint8_t frame[MODBUS_REQUEST_BYTES];
    if (master->bus->read(master->bus->context, master->frame, sizeof master->frame) > 0) {
        master->heard_ns = mono_ns;
    }
    if (mono_ns - master->heard_ns < master->gap_ns && mono_ns < master->until_ns) {
        return MODBUS_BUSY;
    }
    modbus_encode(&master->request, frame);
    enum hal_result sent = master->bus->write(master->bus->context, frame, sizeof frame);
    if (sent == HAL_AGAIN && mono_ns < master->until_ns + SEND_MAX) {
        return MODBUS_BUSY;
    }
    if (sent != HAL_OK) {
        return finish(master, MODBUS_BUS_FAILED);
    }
    master->state = MODBUS_SENDING;
    master->until_ns = mono_ns + SEND_MAX;
    return MODBUS_BUSY;
}

static enum modbus_result step_sending(struct modbus_master *master, int64_t mono_ns)
{
    if (master->bus->sent(master->bus->context)) {
        master->state = MODBUS_LISTENING;
        master->heard_ns = mono_ns;
        master->until_ns = mono_ns + master->timeout_ns;
        return MODBUS_BUSY;
    }
    return mono_ns < master->until_ns ? MODBUS_BUSY : finish(master, MODBUS_BUS_FAILED);
}

/* Takes in what came; a frame longer than any can be keeps its begin. */
static void take_bytes(struct modbus_master *master, int64_t mono_ns)
{
    uint8_t surplus[32];
    size_t room = sizeof master->frame - master->length;
    uint8_t *into = room > 0 ? master->frame + master->length : surplus;
    size_t got = master->bus->read(master->bus->context, into, room > 0 ? room : sizeof surplus);
    if (got > 0) {
        master->heard_ns = mono_ns;
        master->length += room > 0 ? got : 0;
    }
}

static bool is_final(enum modbus_result result)
{
    return result != MODBUS_NOISE && result != MODBUS_BAD_ADDRESS;
}

/* Silence has ended a frame. */
static enum modbus_result end_frame(struct modbus_master *master, int64_t mono_ns)
{
    enum modbus_result result =
        modbus_judge(&master->request, master->frame, master->length, &master->data);
    bool whole = result == MODBUS_OK || result == MODBUS_EXCEPTION;
    if (!whole && mono_ns - master->heard_ns < master->slack_ns) {
        return MODBUS_BUSY;
    }
    if (is_final(result)) {
        return finish(master, result);
    }
    master->so_far = result;
    master->length = 0;
    return MODBUS_BUSY;
}

static enum modbus_result step_listening(struct modbus_master *master, int64_t mono_ns)
{
    take_bytes(master, mono_ns);
    bool silent = mono_ns - master->heard_ns >= master->gap_ns;
    if (master->length > 0 && silent) {
        enum modbus_result result = end_frame(master, mono_ns);
        if (result != MODBUS_BUSY) {
            return result;
        }
    }
    /* A frame that has begun may end; one that never does is noise. */
    int64_t end = master->until_ns + (master->length > 0 ? QUIET_MAX : 0);
    if (mono_ns < end) {
        return MODBUS_BUSY;
    }
    return finish(master, master->length > 0 ? MODBUS_NOISE : master->so_far);
}

enum modbus_result modbus_step(struct modbus_master *master, int64_t mono_ns)
{
    switch (master->state) {
    case MODBUS_QUIET:
        return step_quiet(master, mono_ns);
    case MODBUS_SENDING:
        return step_sending(master, mono_ns);
    case MODBUS_LISTENING:
        return step_listening(master, mono_ns);
    case MODBUS_IDLE:
        break;
    }
    return MODBUS_BUS_FAILED; /* nothing was begun */
}

const uint8_t *modbus_data(const struct modbus_master *master)
{
    return master->data;
}

uint8_t modbus_exception(const struct modbus_master *master)
{
    return master->data == NULL ? 0 : *master->data;
}
