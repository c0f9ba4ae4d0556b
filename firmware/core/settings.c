#include "settings.h"

#include <math.h>

#include "bytes.h"
#include "phusa/crc32c.h"
#include "print.h"

#define VERSION    1u
#define SECOND     1e9
#define NAME_BYTES 32u /* of a parameter with its suffix */

/* Fields are kept by their place here: new ones go to the end. */
enum field {
    FIELD_EVERY,
    FIELD_SAMPLE_EVERY,
    FIELD_FAST_EVERY,
    FIELD_JITTER,
    FIELD_SHARE,
    FIELD_EVENTS,
    FIELD_BACKLOG,
    FIELD_EVENT_STEP,
    FIELD_LOW,
    FIELD_HIGH,
    FIELD_JUMP,
    FIELD_FLAT,
    FIELD_FLAT_S,
    FIELD_STUCK_S,
    FIELD_MINIMUM,
    FIELD_MAXIMUM,
    FIELD_DEVIATION,
    FIELD_COUNT,
    FIELD_RAW,
    FIELDS
};

enum kind { NUMBER, POSITIVE, WHOLE, FLAG };

#define NUMBER_MAX 1e12 /* and its negative where it may be one */

static const struct {
    const char *name;
    uint32_t most; /* of whole numbers */
    uint8_t least;
    bool of_channel;
    uint8_t kind;
} fields[FIELDS] = {
    [FIELD_EVERY] = { "every", SETTINGS_EVERY_MAX_S, 1, false, WHOLE },
    [FIELD_SAMPLE_EVERY] = { "sample_every", SETTINGS_EVERY_MAX_S, 1, false, WHOLE },
    [FIELD_FAST_EVERY] = { "fast_every", SETTINGS_EVERY_MAX_S, 0, false, WHOLE },
    [FIELD_JITTER] = { "publish_jitter", SETTINGS_JITTER_MAX_S, 0, false, WHOLE },
    [FIELD_SHARE] = { "share", 100, 1, false, WHOLE },
    [FIELD_EVENTS] = { "events_per_hour", 3600, 0, false, WHOLE },
    [FIELD_BACKLOG] = { "backlog_per_s", 100000, 1, false, WHOLE },
    [FIELD_EVENT_STEP] = { "event_step", 0, 0, true, POSITIVE },
    [FIELD_LOW] = { "low", 0, 0, true, NUMBER },
    [FIELD_HIGH] = { "high", 0, 0, true, NUMBER },
    [FIELD_JUMP] = { "jump", 0, 0, true, POSITIVE },
    [FIELD_FLAT] = { "flat", 0, 0, true, POSITIVE },
    [FIELD_FLAT_S] = { "flat_s", 31622400, 0, true, WHOLE },
    [FIELD_STUCK_S] = { "stuck_s", 31622400, 0, true, WHOLE },
    [FIELD_MINIMUM] = { "min", 1, 0, true, FLAG },
    [FIELD_MAXIMUM] = { "max", 1, 0, true, FLAG },
    [FIELD_DEVIATION] = { "sd", 1, 0, true, FLAG },
    [FIELD_COUNT] = { "n", 1, 0, true, FLAG },
    [FIELD_RAW] = { "raw", 1, 0, true, FLAG },
};

static double least_of(size_t field)
{
    return fields[field].kind == NUMBER ? -NUMBER_MAX : fields[field].least;
}

static double most_of(size_t field)
{
    return fields[field].kind <= POSITIVE ? NUMBER_MAX : fields[field].most;
}

/* --- reasons ------------------------------------------------------------------------ */

/* Part of a name that came in: as much of it as can be shown. */
static struct phusa_text shown(struct phusa_text name)
{
    size_t length = 0;
    while (length < name.length && length < NAME_BYTES && name.data[length] >= 0x20 &&
           name.data[length] < 0x7f && name.data[length] != '"' && name.data[length] != '\\') {
        length++;
    }
    return (struct phusa_text){ name.data, length };
}

static bool refuse(char why[SETTINGS_WHY_MAX], struct phusa_text name, const char *text)
{
    struct print print = { .buffer = why, .capacity = SETTINGS_WHY_MAX - 1 };
    print_text(&print, shown(name));
    print_word(&print, text);
    why[print.length] = '\0';
    return false;
}

static bool refuse_range(char why[SETTINGS_WHY_MAX], size_t field)
{
    struct print print = { .buffer = why, .capacity = SETTINGS_WHY_MAX - 1 };
    print_word(&print, fields[field].name);
    if (fields[field].kind == FLAG) {
        print_word(&print, ": true or false expected");
    } else {
        print_word(&print,
                   fields[field].kind == WHOLE ? ": a whole number from " : ": a number from ");
        print_double(&print, least_of(field));
        print_word(&print, " to ");
        print_double(&print, most_of(field));
        print_word(&print, " expected");
    }
    why[print.length] = '\0';
    return false;
}

/* --- from JSON ------------------------------------------------------------------------ */

struct reading {
    struct phusa_json json;
    const struct settings_names *names;
    struct settings_changes changes;
    char *why;
};

static struct settings_change *find(struct settings_changes *changes, size_t field, size_t channel)
{
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->items[i].field == field && changes->items[i].channel == channel) {
            return &changes->items[i];
        }
    }
    return NULL;
}

static void take_back(struct settings_changes *changes, size_t field, size_t channel)
{
    struct settings_change *found = find(changes, field, channel);
    if (found != NULL) {
        *found = changes->items[--changes->count];
    }
}

static bool put(struct settings_changes *changes, size_t field, size_t channel, double value)
{
    struct settings_change *found = find(changes, field, channel);
    if (found == NULL && changes->count == SETTINGS_CHANGES_MAX) {
        return false;
    }
    if (found == NULL) {
        found = &changes->items[changes->count++];
    }
    *found = (struct settings_change){ (uint8_t)field, (uint8_t)channel, value };
    return true;
}

static bool value_right(size_t field, double value)
{
    /* Written so that NaN is refused. */
    return value >= least_of(field) && value <= most_of(field) &&
           (fields[field].kind <= POSITIVE || !(fabs(value - (double)(int64_t)value) > 0));
}

/* The value of a field: a number, or true and false where it is a flag. */
static bool read_value(struct reading *reading, size_t field, size_t channel)
{
    struct phusa_json *json = &reading->json;
    double value = 0;
    bool flag = fields[field].kind == FLAG, good = false;
    switch (phusa_json_next(json)) {
    case PHUSA_JSON_NULL:
        take_back(&reading->changes, field, channel);
        return true;
    case PHUSA_JSON_TRUE:
        value = 1;
        good = flag;
        break;
    case PHUSA_JSON_FALSE:
        good = flag;
        break;
    case PHUSA_JSON_NUMBER:
        good = !flag && phusa_double_parse(json->text.data, json->text.length, &value);
        break;
    default:
        break;
    }
    if (!good || !value_right(field, value)) {
        return refuse_range(reading->why, field);
    }
    return put(&reading->changes, field, channel, value) ||
           refuse(reading->why, PHUSA_TEXT(""), "more settings than a station can keep");
}

static bool read_field(struct reading *reading, bool of_channel, size_t channel)
{
    struct phusa_text name = reading->json.text;
    for (size_t i = 0; i < FIELDS; i++) {
        if (fields[i].of_channel == of_channel &&
            phusa_text_equal(name, phusa_text_of(fields[i].name))) {
            return read_value(reading, i, channel);
        }
    }
    return refuse(reading->why, name, ": no such setting");
}

/* The settings of one channel, whose name was the key. */
static bool read_channel(struct reading *reading)
{
    struct phusa_text name = reading->json.text;
    size_t channel = 0;
    while (channel < reading->names->count &&
           !phusa_text_equal(name, reading->names->names[channel])) {
        channel++;
    }
    if (channel == reading->names->count) {
        return refuse(reading->why, name, ": no such channel");
    }
    if (phusa_json_next(&reading->json) != PHUSA_JSON_OBJECT) {
        return refuse(reading->why, name, ": an object expected");
    }
    while (phusa_json_next(&reading->json) == PHUSA_JSON_KEY) {
        if (!read_field(reading, true, channel)) {
            return false;
        }
    }
    return true;
}

static bool read_channels(struct reading *reading)
{
    if (phusa_json_next(&reading->json) != PHUSA_JSON_OBJECT) {
        return refuse(reading->why, PHUSA_TEXT("channels"), ": an object expected");
    }
    while (phusa_json_next(&reading->json) == PHUSA_JSON_KEY) {
        if (!read_channel(reading)) {
            return false;
        }
    }
    return true;
}

static bool host_right(struct phusa_text host)
{
    bool good = host.length > 0 && host.length <= SETTINGS_HOST_MAX;
    for (size_t i = 0; good && i < host.length; i++) {
        char c = host.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == ':';
    }
    return good;
}

static bool read_broker_member(struct reading *reading, struct settings_broker *broker)
{
    struct phusa_json *json = &reading->json;
    struct phusa_text name = json->text;
    enum phusa_json_token token = phusa_json_next(json);
    if (phusa_text_equal(name, PHUSA_TEXT("host"))) {
        if (token != PHUSA_JSON_STRING || json->escaped || !host_right(json->text)) {
            return refuse(reading->why, name, ": a host name or address expected");
        }
        memcpy(broker->host, json->text.data, json->text.length);
        broker->host[json->text.length] = '\0';
        return true;
    }
    uint64_t port = 0;
    if (!phusa_text_equal(name, PHUSA_TEXT("port"))) {
        return refuse(reading->why, name, ": no such setting");
    }
    if (token != PHUSA_JSON_NUMBER || !phusa_decimal_to_uint(&json->number, &port) || port == 0 ||
        port > UINT16_MAX) {
        return refuse(reading->why, name, ": a whole number from 1 to 65535 expected");
    }
    broker->port = (uint16_t)port;
    return true;
}

static bool read_broker(struct reading *reading)
{
    struct settings_broker broker = { 0 };
    enum phusa_json_token token = phusa_json_next(&reading->json);
    if (token == PHUSA_JSON_OBJECT) {
        while (phusa_json_next(&reading->json) == PHUSA_JSON_KEY) {
            if (!read_broker_member(reading, &broker)) {
                return false;
            }
        }
    }
    if ((token != PHUSA_JSON_OBJECT && token != PHUSA_JSON_NULL) ||
        (broker.host[0] == '\0') != (broker.port == 0) ||
        (token == PHUSA_JSON_OBJECT && broker.port == 0)) {
        return refuse(reading->why, PHUSA_TEXT("broker"), ": host and port, or null, expected");
    }
    reading->changes.broker = broker;
    return true;
}

static bool read_all(struct reading *reading)
{
    if (phusa_json_next(&reading->json) != PHUSA_JSON_OBJECT) {
        return refuse(reading->why, PHUSA_TEXT("settings"), ": an object expected");
    }
    while (phusa_json_next(&reading->json) == PHUSA_JSON_KEY) {
        struct phusa_text name = reading->json.text;
        bool good = phusa_text_equal(name, PHUSA_TEXT("channels")) ? read_channels(reading)
                    : phusa_text_equal(name, PHUSA_TEXT("broker")) ? read_broker(reading)
                                                                   : read_field(reading, false, 0);
        if (!good) {
            return false;
        }
    }
    return phusa_json_next(&reading->json) == PHUSA_JSON_END ||
           refuse(reading->why, PHUSA_TEXT("settings"), ": no valid JSON");
}

bool settings_read(struct phusa_text json, const struct settings_names *names,
                   struct settings_changes *changes, char why[SETTINGS_WHY_MAX])
{
    struct reading reading = { .names = names, .changes = *changes, .why = why };
    phusa_json_init(&reading.json, json);
    if (!read_all(&reading)) {
        return false;
    }
    *changes = reading.changes;
    return true;
}

/* --- laid over -------------------------------------------------------------------------- */

static int64_t nanos(double seconds)
{
    return (int64_t)(seconds * SECOND);
}

static void lay_station(struct station_settings *settings, const struct settings_change *change)
{
    switch (change->field) {
    case FIELD_EVERY:
        settings->every_ns = nanos(change->value);
        break;
    case FIELD_SAMPLE_EVERY:
        settings->sample_every_ns = nanos(change->value);
        break;
    case FIELD_FAST_EVERY:
        settings->fast_every_ns = nanos(change->value);
        break;
    case FIELD_JITTER:
        settings->jitter_ns = nanos(change->value);
        break;
    case FIELD_SHARE:
        settings->share = (uint32_t)change->value;
        break;
    case FIELD_EVENTS:
        settings->events_per_hour = (uint32_t)change->value;
        break;
    default:
        settings->backlog_per_s = (uint32_t)change->value;
        break;
    }
}

static void lay_channel(struct station_channel_settings *channel,
                        const struct settings_change *change)
{
    uint8_t bit =
        (uint8_t)(change->field >= FIELD_MINIMUM ? 1u << (change->field - FIELD_MINIMUM) : 0);
    switch (change->field) {
    case FIELD_EVENT_STEP:
        channel->event_step = change->value;
        break;
    case FIELD_LOW:
        channel->checks.low = change->value;
        break;
    case FIELD_HIGH:
        channel->checks.high = change->value;
        break;
    case FIELD_JUMP:
        channel->checks.step = change->value;
        break;
    case FIELD_FLAT:
        channel->checks.flat = change->value;
        break;
    case FIELD_FLAT_S:
        channel->checks.flat_s = (uint32_t)change->value;
        break;
    case FIELD_STUCK_S:
        channel->checks.stuck_s = (uint32_t)change->value;
        break;
    default: /* a statistic */
        channel->statistics =
            (uint8_t)(change->value > 0 ? channel->statistics | bit : channel->statistics & ~bit);
        break;
    }
}

bool settings_checked(const struct check_limits *limits)
{
    return limits->low < limits->high || limits->step > 0 || limits->flat_s > 0 ||
           limits->stuck_s > 0;
}

static size_t channel_values(const struct station_channel_settings *channel)
{
    size_t count = 1;
    for (unsigned bits = channel->statistics; bits != 0; bits &= bits - 1) {
        count++;
    }
    return count + settings_checked(&channel->checks);
}

size_t settings_values(const struct station_settings *settings, size_t channels)
{
    size_t count = 0;
    for (size_t i = 0; i < channels; i++) {
        count += channel_values(&settings->channels[i]);
    }
    return count;
}

static bool judge(const struct station_settings *settings, const struct settings_names *names,
                  char why[SETTINGS_WHY_MAX])
{
    if (settings->sample_every_ns <= 0 || settings->every_ns % settings->sample_every_ns != 0) {
        return refuse(why, PHUSA_TEXT("every"), ": a multiple of sample_every expected");
    }
    if (settings->fast_every_ns > 0 && settings->sample_every_ns % settings->fast_every_ns != 0) {
        return refuse(why, PHUSA_TEXT("sample_every"), ": a multiple of fast_every expected");
    }
    if (settings->jitter_ns >= settings->every_ns) {
        return refuse(why, PHUSA_TEXT("publish_jitter"), ": less than every expected");
    }
    for (size_t i = 0; i < names->count; i++) {
        const struct station_channel_settings *channel = &settings->channels[i];
        if (!check_limits_valid(&channel->checks)) {
            return refuse(why, names->names[i], ": low must not lie above high");
        }
        if (channel_values(channel) > 1 && names->names[i].length > SETTINGS_STATISTIC_NAME_MAX) {
            return refuse(why, names->names[i], ": too long a name for statistics or checks");
        }
    }
    return settings_values(settings, names->count) <= STATION_CHANNELS_MAX ||
           refuse(why, PHUSA_TEXT("channels"), ": more values than a report can hold");
}

bool settings_apply(const struct settings_changes *changes, const struct settings_names *names,
                    struct station_settings *settings, char why[SETTINGS_WHY_MAX])
{
    bool sampled_apart = settings->sample_every_ns != settings->every_ns;
    for (size_t i = 0; i < changes->count; i++) {
        const struct settings_change *change = &changes->items[i];
        if (fields[change->field].of_channel) {
            lay_channel(&settings->channels[change->channel], change);
        } else {
            lay_station(settings, change);
            sampled_apart |= change->field == FIELD_SAMPLE_EVERY;
        }
    }
    if (!sampled_apart) { /* one sample a report stays one */
        settings->sample_every_ns = settings->every_ns;
    }
    return judge(settings, names, why);
}

/* --- kept ------------------------------------------------------------------------------- */

static uint32_t key_of(const struct settings_names *names, const struct settings_change *change)
{
    const struct phusa_text *name = &names->names[change->channel];
    return fields[change->field].of_channel ? phusa_crc32c(0, name->data, name->length) : 0;
}

size_t settings_pack(const struct settings_changes *changes, const struct settings_names *names,
                     uint8_t bytes[SETTINGS_BYTES_MAX])
{
    size_t at = 2;
    bytes[0] = VERSION;
    bytes[1] = (uint8_t)changes->count;
    for (size_t i = 0; i < changes->count; i++, at += 13) {
        const struct settings_change *change = &changes->items[i];
        bytes[at] = change->field;
        put_u32(bytes + at + 1, key_of(names, change));
        put_double(bytes + at + 5, change->value);
    }
    size_t length = strlen(changes->broker.host);
    put_u16(bytes + at, changes->broker.port);
    bytes[at + 2] = (uint8_t)length;
    memcpy(bytes + at + 3, changes->broker.host, length);
    return at + 3 + length;
}

/* A change as it was kept; one of a channel that is gone is passed over. False: it is none. */
static bool unpack_change(const uint8_t *bytes, const struct settings_names *names,
                          struct settings_changes *changes)
{
    size_t field = bytes[0];
    uint32_t key = get_u32(bytes + 1);
    double value = get_double(bytes + 5);
    if (field >= FIELDS || !value_right(field, value)) {
        return false;
    }
    size_t count = fields[field].of_channel ? names->count : 1;
    for (size_t channel = 0; channel < count; channel++) {
        struct settings_change change = { (uint8_t)field, (uint8_t)channel, value };
        if (key_of(names, &change) == key) {
            return put(changes, field, channel, value);
        }
    }
    return true;
}

bool settings_unpack(const uint8_t *bytes, size_t length, const struct settings_names *names,
                     struct settings_changes *changes)
{
    *changes = (struct settings_changes){ 0 };
    if (length < 5 || bytes[0] != VERSION || bytes[1] > SETTINGS_CHANGES_MAX ||
        length < 5u + 13u * bytes[1]) {
        return false;
    }
    size_t at = 2;
    for (size_t i = 0; i < bytes[1]; i++, at += 13) {
        if (!unpack_change(bytes + at, names, changes)) {
            return false;
        }
    }
    struct phusa_text host = { (const char *)bytes + at + 3, bytes[at + 2] };
    changes->broker.port = (uint16_t)get_u16(bytes + at);
    if (host.length != length - at - 3 || (host.length == 0) != (changes->broker.port == 0) ||
        (host.length > 0 && !host_right(host))) {
        return false;
    }
    memcpy(changes->broker.host, host.data, host.length);
    return true;
}
