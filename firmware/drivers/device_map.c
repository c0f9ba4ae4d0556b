#include "device_map.h"

#include <string.h>

#include "phusa/number.h"

#define TIMEOUT_DEFAULT 500   /* ms */
#define TIMEOUT_MAX     10000 /* ms */
#define WAIT_DEFAULT    60    /* s */
#define WAIT_MAX        999   /* s; all that SDI-12 can say */
#define INPUT_MAX       255
#define DEBOUNCE_MAX    10000 /* ms */
#define RATE_MAX        60000 /* a minute */
#define BAUD_DEFAULT    9600
#define BAUD_LEAST      1200
#define BAUD_MAX        115200

/* A number as a literal text, for messages that name a limit. */
#define TEXT_OF(number)  LITERAL_OF(number)
#define LITERAL_OF(word) #word

struct reader {
    struct device_map *map;
    struct device_map_error *error;
    struct phusa_text rest; /* of the line */
    struct phusa_text key, value;
    int section; /* enum device_protocol of the bus under way; -1 = none yet */
};

/* Refuses the word under way; always false. */
static bool refuse(struct reader *reader, const char *what)
{
    if (reader->error->what == NULL) {
        reader->error->what = what;
        reader->error->word = reader->key.length > 0 ? reader->key : reader->value;
    }
    return false;
}

/* --- words and values --------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; false at its end. */
static bool next_word(struct reader *reader, struct phusa_text *word)
{
    struct phusa_text *rest = &reader->rest;
    size_t length = 0;
    while (rest->length > 0 && is_blank(*rest->data)) {
        rest->data++;
        rest->length--;
    }
    while (length < rest->length && !is_blank(rest->data[length])) {
        length++;
    }
    *word = (struct phusa_text){ rest->data, length };
    rest->data += length;
    rest->length -= length;
    return length > 0;
}

/* The next key=value; false at the end of the line, or, with error->what set, if it is none. */
static bool next_pair(struct reader *reader)
{
    struct phusa_text word;
    reader->key = reader->value = (struct phusa_text){ NULL, 0 };
    if (!next_word(reader, &word)) {
        return false;
    }
    const char *equals = memchr(word.data, '=', word.length);
    reader->value = word;
    if (equals == NULL || equals == word.data) {
        return refuse(reader, "is not key=value");
    }
    size_t length = (size_t)(equals - word.data);
    reader->key = (struct phusa_text){ word.data, length };
    reader->value = (struct phusa_text){ equals + 1, word.length - length - 1 };
    return true;
}

/* Nothing more may stand in the line. */
static bool read_end(struct reader *reader, const char *what)
{
    struct phusa_text word;
    if (!next_word(reader, &word)) {
        return true;
    }
    reader->key = word;
    return refuse(reader, what);
}

static bool is_key(const struct reader *reader, const char *key)
{
    return phusa_text_equal(reader->key, phusa_text_of(key));
}

static bool name_good(struct phusa_text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return name.length > 0 && name.length <= DEVICE_MAP_NAME_MAX;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* A whole number, decimal or 0x; false if it is none or outside low .. high. */
static bool read_whole(const struct reader *reader, uint32_t low, uint32_t high, uint32_t *number)
{
    struct phusa_text text = reader->value;
    bool hex = text.length > 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
    uint32_t base = hex ? 16 : 10;
    *number = 0;
    for (size_t i = hex ? 2 : 0; i < text.length; i++) {
        uint32_t digit = (uint32_t)hex_digit(text.data[i]);
        if (digit >= base || *number > high) {
            return false;
        }
        *number = *number * base + digit; /* high is far below 2^28 */
    }
    return text.length > 0 && *number >= low && *number <= high;
}

static bool take_u16(struct reader *reader, uint32_t low, uint32_t high, uint16_t *number,
                     const char *what)
{
    uint32_t whole = 0;
    if (!read_whole(reader, low, high, &whole)) {
        return refuse(reader, what);
    }
    *number = (uint16_t)whole;
    return true;
}

static bool take_real(struct reader *reader, double *number)
{
    if (!phusa_double_parse(reader->value.data, reader->value.length, number)) {
        return refuse(reader, "is not a number like 12, -0.5 or 1e-3");
    }
    return true;
}

/* The place of the value in a list of words. */
static bool take_choice(struct reader *reader, const char *const *words, size_t count,
                        uint8_t *choice, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if (phusa_text_equal(reader->value, phusa_text_of(words[i]))) {
            *choice = (uint8_t)i;
            return true;
        }
    }
    return refuse(reader, what);
}

/* --- bus ---------------------------------------------------------------------------- */

static bool take_line(struct reader *reader, struct hal_line *line)
{
    struct phusa_text text = reader->value;
    if (text.length != 3 || (text.data[0] != '7' && text.data[0] != '8') ||
        (text.data[1] != 'N' && text.data[1] != 'E' && text.data[1] != 'O') ||
        (text.data[2] != '1' && text.data[2] != '2')) {
        return refuse(reader, "is not data bits, parity and stop bits like 8N1, 8E1, 7O2");
    }
    line->data_bits = (uint8_t)(text.data[0] - '0');
    line->stop_bits = (uint8_t)(text.data[2] - '0');
    line->parity = text.data[1] == 'N'   ? HAL_PARITY_NONE
                   : text.data[1] == 'E' ? HAL_PARITY_EVEN
                                         : HAL_PARITY_ODD;
    return true;
}

static bool read_modbus(struct reader *reader, struct hal_line *line)
{
    while (next_pair(reader)) {
        if (is_key(reader, "baud")) {
            if (!read_whole(reader, BAUD_LEAST, BAUD_MAX, &line->baud)) {
                return refuse(reader, "is not 1200 .. 115200");
            }
        } else if (!is_key(reader, "line")) {
            return refuse(reader, "is unknown here; a bus has baud and line");
        } else if (!take_line(reader, line)) {
            return false;
        }
    }
    return reader->error->what == NULL;
}

static bool read_bus(struct reader *reader)
{
    static const char *const PROTOCOLS[] = { "modbus", "sdi12" };
    struct device_map *map = reader->map;
    uint8_t protocol = 0;
    if (map->bus_count == DEVICE_MAP_BUSES_MAX) {
        return refuse(reader, "is one bus too many; at most 2");
    }
    if (next_word(reader, &reader->value)) {
        reader->key = reader->value;
    }
    if (!take_choice(reader, PROTOCOLS, 2, &protocol, "is no protocol; write modbus or sdi12")) {
        return false;
    }
    struct device_bus *bus = &map->buses[map->bus_count++];
    reader->section = protocol;
    *bus = (struct device_bus){ .protocol = (enum device_protocol)protocol, .line = SDI12_LINE };
    if (protocol == DEVICE_MODBUS) {
        bus->line = (struct hal_line){ BAUD_DEFAULT, 8, 1, HAL_PARITY_NONE };
        return read_modbus(reader, &bus->line);
    }
    return read_end(reader, "is unknown here; SDI-12 is always 1200 7E1");
}

/* --- device --------------------------------------------------------------------------------- */

/* M, MC, C, CC, each with 1 .. 9 behind it or not. */
static bool take_measure(struct reader *reader, struct sdi12_measurement *measurement)
{
    struct phusa_text text = reader->value;
    size_t at = 1;
    if (text.length == 0 || (text.data[0] != 'M' && text.data[0] != 'C')) {
        return refuse(reader, "is not M, MC, C, CC or one of them with 1 .. 9");
    }
    measurement->concurrent = text.data[0] == 'C';
    measurement->crc = at < text.length && text.data[at] == 'C';
    at += measurement->crc;
    measurement->number = 0;
    if (at < text.length && text.data[at] >= '1' && text.data[at] <= '9') {
        measurement->number = (uint8_t)(text.data[at++] - '0');
    }
    return at == text.length || refuse(reader, "is not M, MC, C, CC or one of them with 1 .. 9");
}

static bool set_modbus_device(struct reader *reader, struct device *device)
{
    if (is_key(reader, "address")) {
        uint16_t slave = 0;
        bool good = take_u16(reader, 1, MODBUS_SLAVE_MAX, &slave, "is not 1 .. 247");
        device->slave = (uint8_t)slave;
        return good;
    }
    if (is_key(reader, "timeout")) {
        return take_u16(reader, 1, TIMEOUT_MAX, &device->timeout_ms, "is not 1 .. 10000 ms");
    }
    if (is_key(reader, "span")) {
        return take_u16(reader, 2, MODBUS_REGISTERS_MAX, &device->span, "is not 2 .. 125");
    }
    return refuse(reader, "is unknown here; a device on modbus has address, timeout, span");
}

static bool set_sdi12_device(struct reader *reader, struct device *device)
{
    if (is_key(reader, "address")) {
        if (reader->value.length != 1 || !sdi12_is_address(reader->value.data[0])) {
            return refuse(reader, "is not one character of 0-9, A-Z, a-z");
        }
        device->measurement.address = reader->value.data[0];
        return true;
    }
    if (is_key(reader, "measure")) {
        return take_measure(reader, &device->measurement);
    }
    if (is_key(reader, "wait")) {
        return take_u16(reader, 1, WAIT_MAX, &device->wait_max_s, "is not 1 .. 999 s");
    }
    return refuse(reader, "is unknown here; a device on sdi12 has address, measure, wait");
}

static bool read_device_pairs(struct reader *reader, struct device *device)
{
    while (next_pair(reader)) {
        bool good = false;
        if (reader->section == DEVICE_MODBUS) {
            good = set_modbus_device(reader, device);
        } else if (reader->section == DEVICE_SDI12) {
            good = set_sdi12_device(reader, device);
        } else {
            good = refuse(reader, "is unknown here; a device of the inputs has a name only");
        }
        if (!good) {
            return false;
        }
    }
    return reader->error->what == NULL;
}

static bool read_device(struct reader *reader)
{
    struct device_map *map = reader->map;
    if (reader->section < 0) {
        return refuse(reader, "stands before a bus or inputs");
    }
    if (map->device_count == DEVICE_MAP_DEVICES_MAX) {
        return refuse(reader, "is one device too many; at most 12");
    }
    struct device *device = &map->devices[map->device_count++];
    *device = (struct device){ .protocol = (enum device_protocol)reader->section,
                               .bus = (uint8_t)(map->bus_count - (map->bus_count > 0)),
                               .timeout_ms = TIMEOUT_DEFAULT,
                               .span = MODBUS_REGISTERS_MAX,
                               .wait_max_s = WAIT_DEFAULT };
    (void)next_word(reader, &device->name);
    reader->value = device->name;
    if (!name_good(device->name)) {
        return refuse(reader, "is no name of a device; 1 .. 32 of a-z 0-9 _ -");
    }
    if (!read_device_pairs(reader, device)) {
        return false;
    }
    reader->key = reader->value = device->name;
    bool addressed =
        device->protocol == DEVICE_INPUTS || device->slave > 0 || device->measurement.address != 0;
    return addressed || refuse(reader, "has no address=");
}

/* --- points --------------------------------------------------------------------------------- */

/* Room for a point of the device under way; NULL if there is none. */
static struct device_point *add_point(struct reader *reader)
{
    struct device_map *map = reader->map;
    if (map->device_count == 0 || reader->section < 0 ||
        (int)map->devices[map->device_count - 1].protocol != reader->section) {
        (void)refuse(reader, "stands before a device");
        return NULL;
    }
    if (map->point_count == DEVICE_MAP_POINTS_MAX) {
        (void)refuse(reader, "is one too many; at most " TEXT_OF(
                                 DEVICE_MAP_POINTS_MAX) " channels and states");
        return NULL;
    }
    struct device_point *point = &map->points[map->point_count++];
    *point = (struct device_point){ .device = (uint8_t)(map->device_count - 1),
                                    .function = MODBUS_HOLDING,
                                    .decimals = -1,
                                    .multiply = 1,
                                    .divide = 1,
                                    .full = 0 };
    return point;
}

static bool set_function(struct reader *reader, struct device_point *point)
{
    uint16_t function = 0;
    bool good = take_u16(reader, MODBUS_HOLDING, MODBUS_INPUT, &function,
                         "is not 3 (holding) or 4 (input registers)");
    point->function = (uint8_t)function;
    return good;
}

static bool set_state(struct reader *reader, struct device *device, struct device_point *point)
{
    if (is_key(reader, "register")) {
        return take_u16(reader, 0, UINT16_MAX, &point->at, "is not 0 .. 65535");
    }
    if (is_key(reader, "function")) {
        return set_function(reader, point);
    }
    if (is_key(reader, "calibrating")) {
        return take_u16(reader, 0, UINT16_MAX, &device->state_calibrating, "is not 0 .. 0xFFFF");
    }
    if (is_key(reader, "fault")) {
        return take_u16(reader, 0, UINT16_MAX, &device->state_fault, "is not 0 .. 0xFFFF");
    }
    return refuse(reader, "is unknown here; a state has register, function, calibrating, fault");
}

static bool read_state(struct reader *reader)
{
    struct phusa_text statement = reader->key;
    bool placed = false;
    if (reader->section != DEVICE_MODBUS) {
        return refuse(reader, "is for devices on modbus");
    }
    struct device_point *point = add_point(reader);
    if (point == NULL) {
        return false;
    }
    struct device *device = &reader->map->devices[point->device];
    if (device->has_state) {
        return refuse(reader, "is there twice");
    }
    device->has_state = true;
    point->source = DEVICE_STATE;
    while (next_pair(reader)) {
        placed = placed || is_key(reader, "register");
        if (!set_state(reader, device, point)) {
            return false;
        }
    }
    reader->key = statement;
    return reader->error->what == NULL && (placed || refuse(reader, "has no register="));
}

/* Where a register stands and how it is read; false with no error set: another key. */
static bool set_register(struct reader *reader, struct device_point *point)
{
    static const char *const TYPES[] = { "u16", "s16", "u32", "s32", "f32" };
    static const char *const ORDERS[] = { "abcd", "cdab", "badc", "dcba" };
    if (is_key(reader, "register")) {
        point->source = DEVICE_REGISTER;
        return take_u16(reader, 0, UINT16_MAX, &point->at, "is not 0 .. 65535");
    }
    if (is_key(reader, "function")) {
        return set_function(reader, point);
    }
    if (is_key(reader, "type")) {
        return take_choice(reader, TYPES, 5, &point->type, "is not u16, s16, u32, s32 or f32");
    }
    if (is_key(reader, "order")) {
        return take_choice(reader, ORDERS, 4, &point->order, "is not abcd, cdab, badc or dcba");
    }
    return false;
}

static bool set_input(struct reader *reader, struct device_point *point)
{
    if (is_key(reader, "loop")) {
        point->source = DEVICE_LOOP;
        return take_u16(reader, 0, INPUT_MAX, &point->at, "is not 0 .. 255");
    }
    if (is_key(reader, "pulse")) {
        point->source = DEVICE_PULSE;
        return take_u16(reader, 0, INPUT_MAX, &point->at, "is not 0 .. 255");
    }
    if (is_key(reader, "debounce")) {
        return take_u16(reader, 0, DEBOUNCE_MAX, &point->debounce_ms, "is not 0 .. 10000 ms");
    }
    if (is_key(reader, "rate")) {
        return take_u16(reader, 1, RATE_MAX, &point->rate, "is not 1 .. 60000 a minute");
    }
    if (is_key(reader, "zero")) {
        return take_real(reader, &point->zero);
    }
    return is_key(reader, "full") && take_real(reader, &point->full);
}

static bool set_value(struct reader *reader, struct device_point *point)
{
    if (!is_key(reader, "value")) {
        return false;
    }
    bool good = take_u16(reader, 1, SDI12_VALUES_MAX, &point->at, "is not 1 .. 20");
    point->source = DEVICE_VALUE;
    point->at = (uint16_t)(point->at - good);
    return good;
}

static bool set_divide(struct reader *reader, struct device_point *point)
{
    return take_real(reader, &point->divide) &&
           (point->divide != 0 || refuse(reader, "must not be 0"));
}

static bool set_decimals(struct reader *reader, struct device_point *point)
{
    uint16_t decimals = 0;
    bool good = take_u16(reader, 0, DEVICE_MAP_DECIMALS_MAX, &decimals, "is not 0 .. 9");
    point->decimals = (int8_t)decimals;
    return good;
}

/* What every channel may have. */
static bool set_meaning(struct reader *reader, struct device_point *point)
{
    if (is_key(reader, "unit")) {
        point->unit = reader->value;
        return point->unit.length <= DEVICE_MAP_UNIT_MAX || refuse(reader, "is over 16 bytes");
    }
    if (is_key(reader, "multiply")) {
        return take_real(reader, &point->multiply);
    }
    if (is_key(reader, "divide")) {
        return set_divide(reader, point);
    }
    if (is_key(reader, "offset")) {
        return take_real(reader, &point->offset);
    }
    if (is_key(reader, "absent")) {
        point->has_absent = true;
        return take_real(reader, &point->absent);
    }
    return is_key(reader, "decimals") && set_decimals(reader, point);
}

static bool set_channel(struct reader *reader, struct device_point *point)
{
    bool good = set_meaning(reader, point);
    if (good || reader->error->what != NULL) {
        return good;
    }
    switch ((enum device_protocol)reader->section) {
    case DEVICE_MODBUS:
        good = set_register(reader, point);
        break;
    case DEVICE_SDI12:
        good = set_value(reader, point);
        break;
    case DEVICE_INPUTS:
        good = set_input(reader, point);
        break;
    }
    return good || refuse(reader, "is unknown here; see the keys of a channel");
}

/* What a channel must have, each with what to write. */
static bool channel_whole(struct reader *reader, const struct device_point *point)
{
    size_t width = modbus_width((enum modbus_type)point->type);
    switch (point->source) {
    case DEVICE_REGISTER:
        if (point->at + width > UINT16_MAX + 1u) {
            return refuse(reader, "ends beyond register 65535");
        }
        return true;
    case DEVICE_LOOP:
        return point->full != point->zero || refuse(reader, "has the same zero= and full=");
    case DEVICE_PULSE:
        if (point->decimals >= 0 || point->offset != 0) {
            return refuse(reader, "counts pulses: amounts add up only without decimals= and "
                                  "offset=");
        }
        return ++reader->map->pulse_count <= DEVICE_MAP_PULSES_MAX ||
               refuse(reader, "is one pulse input too many; at most 4");
    case DEVICE_VALUE:
        return true;
    default:
        return refuse(reader, "does not say where it stands: register=, value=, loop= or pulse=");
    }
}

static bool read_channel(struct reader *reader)
{
    struct device_point *point = add_point(reader);
    if (point == NULL) {
        return false;
    }
    point->source = DEVICE_STATE; /* until a key says where it stands */
    (void)next_word(reader, &point->name);
    reader->value = point->name;
    reader->key = (struct phusa_text){ NULL, 0 };
    if (!name_good(point->name)) {
        return refuse(reader, "is no name of a parameter; 1 .. 32 of a-z 0-9 _");
    }
    if (device_map_find(reader->map, point->name) != NULL) {
        return refuse(reader, "is there twice");
    }
    while (next_pair(reader)) {
        if (!set_channel(reader, point)) {
            return false;
        }
    }
    reader->key = point->name;
    return reader->error->what == NULL && channel_whole(reader, point);
}

/* --- the text ----------------------------------------------------------------------- */

static bool read_inputs(struct reader *reader)
{
    reader->section = DEVICE_INPUTS;
    return read_end(reader, "is unknown here; inputs stands alone");
}

static bool read_statement(struct reader *reader)
{
    static const struct {
        const char *word;
        bool (*read)(struct reader *reader);
    } STATEMENTS[] = { { "bus", read_bus },
                       { "inputs", read_inputs },
                       { "device", read_device },
                       { "state", read_state },
                       { "channel", read_channel } };
    struct phusa_text word;
    reader->key = reader->value = (struct phusa_text){ NULL, 0 };
    if (!next_word(reader, &word)) {
        return true;
    }
    reader->key = word;
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof STATEMENTS[0]; i++) {
        if (phusa_text_equal(word, phusa_text_of(STATEMENTS[i].word))) {
            return STATEMENTS[i].read(reader);
        }
    }
    return refuse(reader, "is no statement; write bus, inputs, device, state or channel");
}

/* Cuts the next line off *text, without its comment. */
static struct phusa_text cut_line(struct phusa_text *text)
{
    const char *end = memchr(text->data, '\n', text->length);
    size_t length = end == NULL ? text->length : (size_t)(end - text->data);
    struct phusa_text line = { text->data, length };
    size_t taken = end == NULL ? length : length + 1;
    text->data += taken;
    text->length -= taken;
    const char *comment = length > 0 ? memchr(line.data, '#', length) : NULL;
    if (comment != NULL) {
        line.length = (size_t)(comment - line.data);
    }
    return line;
}

bool device_map_parse(struct device_map *map, struct phusa_text text,
                      struct device_map_error *error)
{
    struct reader reader = { .map = map, .error = error, .section = -1 };
    memset(map, 0, sizeof *map);
    *error = (struct device_map_error){ 0 };
    while (text.length > 0) {
        error->line++;
        reader.rest = cut_line(&text);
        if (!read_statement(&reader)) {
            return false;
        }
    }
    reader.key = reader.value = (struct phusa_text){ NULL, 0 };
    return map->point_count > 0 || refuse(&reader, "there is no channel");
}

const struct device_point *device_map_find(const struct device_map *map,
                                           struct phusa_text parameter)
{
    for (size_t i = 0; i < map->point_count; i++) {
        const struct device_point *point = &map->points[i];
        if (point->source != DEVICE_STATE && phusa_text_equal(point->name, parameter)) {
            return point;
        }
    }
    return NULL;
}

/* --- values ------------------------------------------------------------------------- */

/* Rounded half away from zero to so many decimals; too large numbers have none to lose. */
static double round_to(double value, int decimals)
{
    double power = 1;
    for (int i = 0; i < decimals; i++) {
        power *= 10;
    }
    double scaled = value * power;
    if (!(scaled > -9e15 && scaled < 9e15)) {
        return value;
    }
    int64_t whole = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    return (double)whole / power;
}

double device_point_value(const struct device_point *point, double raw)
{
    double value = raw * point->multiply / point->divide + point->offset;
    return point->decimals < 0 ? value : round_to(value, point->decimals);
}
