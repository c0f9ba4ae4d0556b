#include "pipeline_aside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/lineproto.h"

/* --- writing ------------------------------------------------------------------------------- */

static json_t *hex_of(struct phusa_text bytes)
{
    char *digits = malloc(2 * bytes.length + 1);
    if (digits == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < bytes.length; i++) {
        digits[2 * i] = "0123456789abcdef"[(uint8_t)bytes.data[i] >> 4];
        digits[2 * i + 1] = "0123456789abcdef"[(uint8_t)bytes.data[i] & 15];
    }
    json_t *hex = json_stringn(digits, 2 * bytes.length);
    free(digits);
    return hex;
}

/* As text when it is UTF-8, otherwise in hex under another key. */
static void add_text(json_t *object, const char *key, const char *hex_key, struct phusa_text text)
{
    json_t *string = json_stringn(text.length == 0 ? "" : text.data, text.length);
    if (string != NULL) {
        (void)json_object_set_new(object, key, string);
    } else {
        (void)json_object_set_new(object, hex_key, hex_of(text));
    }
}

static void add_integer(json_t *object, const char *key, int64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void describe_message(json_t *object, const struct set_aside *item)
{
    const struct journal_record *record = item->record;
    add_integer(object, "offset", (int64_t)item->offset);
    add_integer(object, "received_ns", record->time.ns);
    add_text(object, "message", "message_hex", record->payload);
    if ((record->flags & JOURNAL_FLAG_CUT) != 0) {
        (void)json_object_set_new(object, "cut", json_true());
    }
}

static void describe_name(json_t *object, const struct phusa_reading *reading)
{
    size_t length = reading->base_name.length + reading->name.length;
    char *name = malloc(length + 1);
    if (name == NULL) {
        return;
    }
    if (reading->base_name.length > 0) {
        memcpy(name, reading->base_name.data, reading->base_name.length);
    }
    if (reading->name.length > 0) {
        memcpy(name + reading->base_name.length, reading->name.data, reading->name.length);
    }
    add_text(object, "name", "name_hex", (struct phusa_text){ name, length });
    free(name);
}

static void describe_value(json_t *object, const struct phusa_reading *reading)
{
    switch ((enum phusa_value_kind)reading->kind) {
    case PHUSA_VALUE_NUMBER:
        if (isfinite(reading->value)) { /* JSON has no other; it reads back as NaN */
            (void)json_object_set_new(object, "value", json_real(reading->value));
        }
        break;
    case PHUSA_VALUE_BOOLEAN:
        (void)json_object_set_new(object, "value", json_boolean(reading->value != 0));
        break;
    case PHUSA_VALUE_STRING:
        add_text(object, "string", "string_hex", reading->string);
        break;
    case PHUSA_VALUE_DATA:
        add_text(object, "data", "data_hex", reading->string);
        break;
    case PHUSA_VALUE_NONE:
        break;
    }
}

static void describe_reading(json_t *object, const struct set_aside *item)
{
    const struct phusa_reading *reading = item->reading;
    describe_name(object, reading);
    describe_value(object, reading);
    add_text(object, "unit", "unit_hex", reading->unit);
    if (reading->time_valid) {
        add_integer(object, "time_ns", item->time_ns);
    }
    add_integer(object, "state", reading->device_state);
    add_integer(object, "received_ns", item->record->time.ns);
    if (item->reconstructed) {
        (void)json_object_set_new(object, "doubtful", json_true());
    }
}

json_t *aside_describe(const struct set_aside *item)
{
    json_t *object = json_object();
    if (object == NULL) {
        return NULL;
    }
    (void)json_object_set_new(object, "reason", json_string(phusa_reason_name(item->reason)));
    (void)json_object_set_new(object, "detail", json_string(item->detail));
    if (item->station != NULL) {
        (void)json_object_set_new(object, "station", json_string(item->station->id));
    }
    if (item->whole) {
        describe_message(object, item);
    } else {
        describe_reading(object, item);
    }
    return object;
}

/* --- reading ------------------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* What a key's string holds; false if it is missing or none. */
static bool get_string(const json_t *object, const char *key, struct phusa_text *text)
{
    const json_t *string = json_object_get(object, key);
    *text = (struct phusa_text){ json_string_value(string), json_string_length(string) };
    return json_is_string(string);
}

/* The text of a key, or the bytes of its key in hex, which go to *free_bytes. */
static bool get_text(const json_t *object, const char *key, const char *hex_key, char **free_bytes,
                     struct phusa_text *text)
{
    struct phusa_text hex;
    if (get_string(object, key, text)) {
        return true;
    }
    if (!get_string(object, hex_key, &hex) || hex.length % 2 != 0) {
        return false;
    }
    char *bytes = *free_bytes;
    for (size_t i = 0; i < hex.length / 2; i++) {
        int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (char)(high << 4 | low);
    }
    *text = (struct phusa_text){ bytes, hex.length / 2 };
    *free_bytes += hex.length / 2;
    return true;
}

static bool get_integer(const json_t *object, const char *key, int64_t least, int64_t most,
                        int64_t *value)
{
    const json_t *integer = json_object_get(object, key);
    *value = (int64_t)json_integer_value(integer);
    return json_is_integer(integer) && *value >= least && *value <= most;
}

/* PHUSA_REASON_NONE if there is none of that name. */
static enum phusa_reason get_reason(const json_t *object)
{
    struct phusa_text name;
    if (!get_string(object, "reason", &name)) {
        return PHUSA_REASON_NONE;
    }
    for (int reason = PHUSA_REASON_NONE + 1; reason < PHUSA_REASON_COUNT; reason++) {
        if (phusa_text_equal(name, phusa_text_of(phusa_reason_name((enum phusa_reason)reason)))) {
            return (enum phusa_reason)reason;
        }
    }
    return PHUSA_REASON_NONE;
}

/* Without any of them it was a number that JSON cannot write. */
static void get_value(const json_t *object, char **free_bytes, struct phusa_reading *reading)
{
    const json_t *value = json_object_get(object, "value");
    reading->kind = PHUSA_VALUE_NUMBER;
    reading->value = NAN;
    if (json_is_number(value)) {
        reading->value = json_number_value(value);
    } else if (json_is_boolean(value)) {
        reading->kind = PHUSA_VALUE_BOOLEAN;
        reading->value = json_is_true(value) ? 1 : 0;
    } else if (get_text(object, "string", "string_hex", free_bytes, &reading->string)) {
        reading->kind = PHUSA_VALUE_STRING;
    } else if (get_text(object, "data", "data_hex", free_bytes, &reading->string)) {
        reading->kind = PHUSA_VALUE_DATA;
    }
}

static bool parse_reading(const json_t *object, char **free_bytes, struct aside *aside)
{
    struct phusa_reading *reading = &aside->reading;
    int64_t state;
    aside->kind = ASIDE_READING;
    if (!get_text(object, "name", "name_hex", free_bytes, &reading->name) ||
        !get_text(object, "unit", "unit_hex", free_bytes, &reading->unit) ||
        !get_integer(object, "state", PHUSA_DEVICE_MEASURING, PHUSA_DEVICE_FAULT, &state) ||
        reading->name.length > PHUSA_REPORT_BYTES_MAX) {
        return false;
    }
    reading->device_state = (uint8_t)state;
    reading->time_valid = get_integer(object, "time_ns", INT64_MIN, INT64_MAX, &reading->time_ns);
    aside->reconstructed = json_is_true(json_object_get(object, "doubtful"));
    get_value(object, free_bytes, reading);
    return true;
}

static bool parse_line(struct aside *aside)
{
    aside->kind = ASIDE_LINE;
    if (aside->station.length == 0) {
        aside->station = line_tag(aside->text, "station");
    }
    return aside->reason == PHUSA_REASON_STORE && aside->text.length <= ASIDE_LINE_MAX &&
           line_valid(aside->text);
}

static bool parse_object(const json_t *object, char *free_bytes, struct aside *aside)
{
    aside->reason = get_reason(object);
    (void)get_string(object, "station", &aside->station);
    if (aside->reason == PHUSA_REASON_NONE || aside->reason == PHUSA_REASON_SPOOL ||
        json_object_get(object, "cut") != NULL) {
        return false;
    }
    if (get_string(object, "line", &aside->text)) {
        return parse_line(aside);
    }
    if (!get_integer(object, "received_ns", 0, INT64_MAX, &aside->received_ns)) {
        return false;
    }
    if (get_text(object, "message", "message_hex", &free_bytes, &aside->text)) {
        aside->kind = ASIDE_MESSAGE;
        return aside->text.length <= PHUSA_REPORT_BYTES_MAX;
    }
    return parse_reading(object, &free_bytes, aside);
}

bool aside_parse(struct phusa_text description, struct aside *aside)
{
    *aside = (struct aside){ .reason = PHUSA_REASON_NONE };
    aside->json = json_loadb(description.length == 0 ? "" : description.data, description.length,
                             JSON_ALLOW_NUL, NULL);
    aside->bytes = malloc(description.length + 1); /* more than all its hex */
    if (aside->json == NULL || aside->bytes == NULL ||
        !parse_object(aside->json, aside->bytes, aside)) {
        aside_free(aside);
        return false;
    }
    return true;
}

void aside_free(struct aside *aside)
{
    json_decref(aside->json);
    free(aside->bytes);
    *aside = (struct aside){ .reason = PHUSA_REASON_NONE };
}

bool aside_can_requeue(struct phusa_text description)
{
    struct aside aside;
    bool can = aside_parse(description, &aside);
    if (can) {
        aside_free(&aside);
    }
    return can;
}
