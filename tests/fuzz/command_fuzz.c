/*
 * Commands to a station: what is read lies inside the text; a whole station takes any of them.
 * With '!' in front, the byte behind it names a kept record and the rest is what it holds when
 * the station starts.
 */
#include "command.h"
#include "fuzz.h"
#include "station.h"

static struct station_core station;
static struct keep keep;
static uint8_t flash_bytes[8 * 4096], keep_bytes[2 * 1024];
static const uint8_t *message;
static size_t message_length;
static bool waiting;

/* --- a port that does nothing of its own --- */

static enum hal_result read_bytes(void *context, uint32_t offset, void *bytes, size_t length)
{
    memcpy(bytes, (uint8_t *)context + offset, length);
    return HAL_OK;
}

static enum hal_result program(void *context, uint32_t offset, const void *bytes, size_t length)
{
    memcpy((uint8_t *)context + offset, bytes, length);
    return HAL_OK;
}

static enum hal_result erase_log(void *context, uint32_t block)
{
    memset((uint8_t *)context + block * 4096u, 0xff, 4096);
    return HAL_OK;
}

static enum hal_result erase_keep(void *context, uint32_t block)
{
    memset((uint8_t *)context + block * 1024u, 0xff, 1024);
    return HAL_OK;
}

static enum hal_result sync_all(void *context)
{
    (void)context;
    return HAL_OK;
}

static struct hal_sample sample(void *context, size_t channel, int64_t at_ns)
{
    (void)context;
    return (struct hal_sample){ .kind = HAL_SAMPLE_VALUE,
                                .value = (double)(at_ns / 1000000000 % 100) + (double)channel };
}

static uint32_t connection(void *context)
{
    (void)context;
    return 1;
}

static enum hal_result publish(void *context, enum hal_leaf leaf, const void *bytes, size_t length)
{
    (void)context;
    ENSURE(leaf != HAL_LEAF_RSP || (length >= 2 && length <= COMMAND_RSP_MAX));
    ENSURE(length == 0 || bytes != NULL);
    return HAL_OK;
}

static enum hal_inbound receive(void *context, void *buffer, size_t capacity, size_t *length)
{
    (void)context;
    if (!waiting || message_length > capacity) {
        return HAL_INBOUND_NONE;
    }
    waiting = false;
    memcpy(buffer, message, message_length);
    *length = message_length;
    return HAL_INBOUND_CMD;
}

static void connect_to(void *context, const char *host, uint16_t tcp_port)
{
    (void)context;
    ENSURE(host == NULL || (host[0] != '\0' && tcp_port != 0));
}

static uint32_t next_random(void *context)
{
    (void)context;
    return 7;
}

/* slot 0: nothing is kept. */
static void start(unsigned slot, const uint8_t *kept_bytes, size_t kept_length)
{
    static const struct station_options options = {
        .id = { "s1", 2 },
        .channels = { { { "salinity", 8 }, { "g/L", 3 } }, { { "level", 5 }, { "m", 1 } } },
        .channel_count = 2,
        .every_ns = INT64_C(900000000000),
        .resend_after_ns = INT64_C(60000000000),
        .sendings_max = 5,
        .backlog_per_s = 10,
        .has_lamp = true,
    };
    const struct hal_flash kept = {
        keep_bytes, 1024, 2, read_bytes, program, erase_keep, sync_all
    };
    const struct station_ports ports = {
        .sensors = { NULL, NULL, sample },
        .flash = { flash_bytes, 4096, 8, read_bytes, program, erase_log, sync_all },
        .network = { NULL, connection, publish, receive, connect_to },
        .random = { NULL, next_random },
        .keep = &keep,
    };
    const struct hal_time now = { INT64_C(1767225600000000000), 1, true, true };
    memset(flash_bytes, 0xff, sizeof flash_bytes);
    memset(keep_bytes, 0xff, sizeof keep_bytes);
    ENSURE(keep_open(&keep, &kept) == KEEP_OK);
    ENSURE(slot == 0 || keep_write(&keep, slot, kept_bytes, kept_length) != KEEP_BROKEN);
    ENSURE(station_init(&station, &options, &ports, now) == STATION_OK);
}

static bool inside(struct phusa_text text, const char *data, size_t size)
{
    return text.data == NULL || (text.data >= data && text.data + text.length <= data + size);
}

static void check_parsed(const char *data, size_t size)
{
    struct command command;
    double numbers[4];
    bool good = command_parse((struct phusa_text){ data, size }, &command);
    ENSURE(command.id.length <= COMMAND_ID_MAX);
    ENSURE(!good || (command.id.length > 0 && size <= COMMAND_BYTES_MAX));
    ENSURE(inside(command.id, data, size) && inside(command.action, data, size));
    ENSURE(inside(command.settings, data, size) && inside(command.coefficients, data, size));
    const struct phusa_text texts[] = { command.parameter, command.step, command.operator_name };
    for (size_t i = 0; i < 3; i++) {
        ENSURE(inside(texts[i], data, size) ||
               inside(texts[i], command.meant, sizeof command.meant));
    }
    if (good && command.coefficients.data != NULL) {
        ENSURE(command_numbers(command.coefficients, numbers, 4) <= 4);
    }
}

/* What a station holds after any command is what it could have been started with. */
static void check_station(void)
{
    const struct station_settings *s = &station.settings;
    ENSURE(s->every_ns > 0 && s->sample_every_ns > 0 && s->every_ns % s->sample_every_ns == 0);
    ENSURE(s->jitter_ns < s->every_ns && s->backlog_per_s > 0 && s->share <= 100);
    ENSURE(station.value_count <= STATION_CHANNELS_MAX);
    ENSURE(station.schedule.every_ns > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool keeps = size >= 2 && data[0] == '!';
    if (keeps && size - 2 > KEEP_BYTES_MAX) {
        return 0;
    }
    check_parsed(fuzz_text(data, size), size);
    start(keeps ? data[1] % KEEP_SLOTS + 1u : 0, keeps ? data + 2 : data, keeps ? size - 2 : 0);
    message = data;
    message_length = size;
    struct hal_time now = { INT64_C(1767225600000000000), 1, true, true };
    for (int i = 0; i < 4; i++) { /* once more the same, then on in time, over the trial's end */
        waiting = i < 2 && size > 0;
        now.wall_ns += i * INT64_C(100000000000);
        now.mono_ns += i * INT64_C(100000000000);
        station_step(&station, now);
        check_station();
    }
    return 0;
}
