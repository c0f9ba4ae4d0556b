/* Status and receipt: small JSON objects, read with the pull scanner key by key. */
#include "phusa/message.h"

#include <math.h>

#include "phusa/json.h"
#include "shared/hex.h"
#include "shared/writer.h"

#define SEQ_MAX ((((uint64_t)1) << 53) - 1)

/* What a key may be, and what it is when read: a bit each in `seen`. */
enum key {
    KEY_STATE,
    KEY_LOG,
    KEY_FIRST,
    KEY_NEXT,
    KEY_CLOCK,
    KEY_DAYS_HELD,
    KEY_BOOT,
    KEY_FIRMWARE,
    KEY_HARDWARE,
    KEY_RESET,
    KEY_UPTO,
    KEY_MISSING,
    KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
    [KEY_STATE] = "state", [KEY_LOG] = "log",     [KEY_FIRST] = "first",
    [KEY_NEXT] = "next",   [KEY_CLOCK] = "clock", [KEY_DAYS_HELD] = "days_held",
    [KEY_BOOT] = "boot",   [KEY_FIRMWARE] = "fw", [KEY_HARDWARE] = "hw",
    [KEY_RESET] = "reset", [KEY_UPTO] = "upto",   [KEY_MISSING] = "missing",
};

static const char *const clock_names[] = {
    [PHUSA_CLOCK_UNSET] = "unset", [PHUSA_CLOCK_HELD] = "held", [PHUSA_CLOCK_SYNCED] = "synced"
};

/* One message being read. Each reader of a value returns false and sets status on a mistake. */
struct reader {
    struct phusa_json json;
    enum phusa_status status;
    uint32_t seen;
};

/* Reads the value of one known key into the message. */
typedef bool read_value_fn(struct reader *reader, enum key key, void *message);

static bool fail(struct reader *reader, enum phusa_status status)
{
    reader->status = status;
    return false;
}

/* The next token, which must be `wanted`. */
static bool expect(struct reader *reader, enum phusa_json_token wanted)
{
    enum phusa_json_token token = phusa_json_next(&reader->json);

    if (token == PHUSA_JSON_ERROR) {
        return fail(reader, reader->json.lexer.status);
    }
    return token == wanted || fail(reader, PHUSA_ERR_TYPE);
}

/* A string shorter than PHUSA_WORD_MAX, terminated, without bytes 0 inside. */
static bool read_word(struct reader *reader, char word[PHUSA_WORD_MAX])
{
    size_t length;

    if (!expect(reader, PHUSA_JSON_STRING)) {
        return false;
    }
    if (!phusa_json_unescape(reader->json.text, word, PHUSA_WORD_MAX - 1, &length)) {
        return fail(reader, PHUSA_ERR_RANGE);
    }
    word[length] = '\0';
    return strlen(word) == length || fail(reader, PHUSA_ERR_RANGE);
}

static bool read_integer(struct reader *reader, uint64_t limit, uint64_t *value)
{
    if (!expect(reader, PHUSA_JSON_NUMBER)) {
        return false;
    }
    return (phusa_decimal_to_uint(&reader->json.number, value) && *value <= limit) ||
           fail(reader, PHUSA_ERR_RANGE);
}

static bool read_double(struct reader *reader, double *value)
{
    if (!expect(reader, PHUSA_JSON_NUMBER)) {
        return false;
    }
    *value = phusa_decimal_to_double(reader->json.text.data, reader->json.text.length,
                                     &reader->json.number);
    return isfinite(*value) || fail(reader, PHUSA_ERR_RANGE);
}

static bool read_log(struct reader *reader, uint32_t *log)
{
    char word[PHUSA_WORD_MAX];

    return read_word(reader, word) &&
           (hex_log_parse(phusa_text_of(word), log) || fail(reader, PHUSA_ERR_RANGE));
}

/* One of the given words, as its index. */
static bool read_choice(struct reader *reader, const char *const *words, size_t count,
                        size_t *choice)
{
    char word[PHUSA_WORD_MAX];

    if (!read_word(reader, word)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (phusa_text_equal(phusa_text_of(word), phusa_text_of(words[i]))) {
            *choice = i;
            return true;
        }
    }
    return fail(reader, PHUSA_ERR_RANGE);
}

static enum key find_key(const struct phusa_json *json)
{
    char plain[PHUSA_WORD_MAX];
    struct phusa_text text = { plain, 0 };
    size_t key = 0;

    if (!phusa_json_unescape(json->text, plain, sizeof(plain), &text.length)) {
        return KEY_COUNT;
    }
    while (key < KEY_COUNT && !phusa_text_equal(text, phusa_text_of(key_names[key]))) {
        key++;
    }
    return (enum key)key;
}

/* One key with its value; keys that are not in `known` are passed over. */
static bool read_pair(struct reader *reader, uint32_t known, read_value_fn *read_value,
                      void *message)
{
    enum key key = find_key(&reader->json);

    if (key == KEY_COUNT || (known >> key & 1) == 0) {
        return phusa_json_skip(&reader->json, PHUSA_JSON_KEY) ||
               fail(reader, reader->json.lexer.status);
    }
    if ((reader->seen >> key & 1) != 0) {
        return fail(reader, PHUSA_ERR_SYNTAX);
    }
    reader->seen |= (uint32_t)1 << key;
    return read_value(reader, key, message);
}

/* The whole text: one object, read key by key, that has all the required ones. */
static enum phusa_status read_message(struct phusa_text text, uint32_t known, uint32_t required,
                                      read_value_fn *read_value, void *message,
                                      struct reader *reader)
{
    enum phusa_json_token token;

    reader->status = PHUSA_OK;
    reader->seen = 0;
    phusa_json_init(&reader->json, text);
    if (!expect(reader, PHUSA_JSON_OBJECT)) {
        return reader->status;
    }
    while ((token = phusa_json_next(&reader->json)) == PHUSA_JSON_KEY) {
        if (!read_pair(reader, known, read_value, message)) {
            return reader->status;
        }
    }
    if (token != PHUSA_JSON_OBJECT_END || phusa_json_next(&reader->json) != PHUSA_JSON_END) {
        return reader->json.lexer.status;
    }
    return (reader->seen & required) == required ? PHUSA_OK : PHUSA_ERR_TYPE;
}

#define BIT(key) ((uint32_t)1 << (key))

static bool read_status_number(struct reader *reader, enum key key,
                               struct phusa_status_message *status)
{
    uint64_t boot;

    switch (key) {
    case KEY_FIRST:
        return read_integer(reader, SEQ_MAX, &status->first);
    case KEY_NEXT:
        return read_integer(reader, SEQ_MAX, &status->next);
    case KEY_DAYS_HELD:
        return read_double(reader, &status->days_held);
    default: /* KEY_BOOT */
        if (!read_integer(reader, UINT32_MAX, &boot)) {
            return false;
        }
        status->boot = (uint32_t)boot;
        return true;
    }
}

static bool read_status_value(struct reader *reader, enum key key, void *message)
{
    static const char *const states[] = { "offline", "online" };
    struct phusa_status_message *status = message;
    size_t choice;

    switch (key) {
    case KEY_STATE:
        if (!read_choice(reader, states, 2, &choice)) {
            return false;
        }
        status->online = choice == 1;
        return true;
    case KEY_LOG:
        return read_log(reader, &status->log);
    case KEY_CLOCK:
        if (!read_choice(reader, clock_names, 3, &choice)) {
            return false;
        }
        status->clock = (enum phusa_clock_state)choice;
        return true;
    case KEY_FIRMWARE:
        return read_word(reader, status->firmware);
    case KEY_HARDWARE:
        return read_word(reader, status->hardware);
    case KEY_RESET:
        return read_word(reader, status->reset);
    default:
        return read_status_number(reader, key, status);
    }
}

enum phusa_status phusa_status_parse(struct phusa_text json, struct phusa_status_message *message)
{
    const uint32_t known = BIT(KEY_UPTO) - 1; /* all that stand before it */
    struct reader reader;

    *message = (struct phusa_status_message){ 0 };

    enum phusa_status status =
        read_message(json, known, BIT(KEY_STATE), read_status_value, message, &reader);

    if (status != PHUSA_OK) {
        return status;
    }
    message->has_log = (reader.seen & BIT(KEY_LOG)) != 0;
    message->has_first = (reader.seen & BIT(KEY_FIRST)) != 0;
    message->has_next = (reader.seen & BIT(KEY_NEXT)) != 0;
    return PHUSA_OK;
}

/* One [first, last] of a receipt; its opening bracket was read. */
static bool read_range(struct reader *reader, struct phusa_receipt *receipt)
{
    struct phusa_seq_range *range = &receipt->missing[receipt->missing_count];

    if (receipt->missing_count == PHUSA_RECEIPT_RANGES_MAX) {
        return fail(reader, PHUSA_ERR_RANGE);
    }
    if (!read_integer(reader, SEQ_MAX, &range->first) ||
        !read_integer(reader, SEQ_MAX, &range->last) || !expect(reader, PHUSA_JSON_ARRAY_END)) {
        return false;
    }
    receipt->missing_count++;
    return true;
}

static bool read_missing(struct reader *reader, struct phusa_receipt *receipt)
{
    enum phusa_json_token token;

    if (!expect(reader, PHUSA_JSON_ARRAY)) {
        return false;
    }
    while ((token = phusa_json_next(&reader->json)) == PHUSA_JSON_ARRAY) {
        if (!read_range(reader, receipt)) {
            return false;
        }
    }
    if (token == PHUSA_JSON_ERROR) {
        return fail(reader, reader->json.lexer.status);
    }
    return token == PHUSA_JSON_ARRAY_END || fail(reader, PHUSA_ERR_TYPE);
}

static bool read_receipt_value(struct reader *reader, enum key key, void *message)
{
    struct phusa_receipt *receipt = message;

    switch (key) {
    case KEY_LOG:
        return read_log(reader, &receipt->log);
    case KEY_UPTO:
        return read_integer(reader, SEQ_MAX, &receipt->upto);
    default: /* KEY_MISSING */
        return read_missing(reader, receipt);
    }
}

/* Ranges ascending, disjoint, from 1 to upto. */
static bool ranges_valid(const struct phusa_receipt *receipt)
{
    uint64_t before = 0;

    for (size_t i = 0; i < receipt->missing_count; i++) {
        const struct phusa_seq_range *range = &receipt->missing[i];

        if (range->first <= before || range->last < range->first || range->last > receipt->upto) {
            return false;
        }
        before = range->last;
    }
    return true;
}

enum phusa_status phusa_receipt_parse(struct phusa_text json, struct phusa_receipt *receipt)
{
    const uint32_t required = BIT(KEY_LOG) | BIT(KEY_UPTO);
    struct reader reader;

    *receipt = (struct phusa_receipt){ 0 };

    enum phusa_status status = read_message(json, required | BIT(KEY_MISSING), required,
                                            read_receipt_value, receipt, &reader);

    if (status == PHUSA_OK && !ranges_valid(receipt)) {
        return PHUSA_ERR_RANGE;
    }
    return status;
}

static void put_key(struct writer *writer, enum key key)
{
    put_string(writer, writer->used == 0 ? "{\"" : ",\"");
    put_string(writer, key_names[key]);
    put_string(writer, "\":");
}

static void put_word(struct writer *writer, enum key key, const char *word)
{
    put_key(writer, key);
    put_quoted(writer, phusa_text_of(word));
}

static void put_integer(struct writer *writer, enum key key, uint64_t value)
{
    put_key(writer, key);
    put_uint(writer, value);
}

static void put_log(struct writer *writer, uint32_t log)
{
    char digits[HEX_LOG_DIGITS];

    hex_log_print(log, digits);
    put_key(writer, KEY_LOG);
    put_quoted(writer, (struct phusa_text){ digits, HEX_LOG_DIGITS });
}

static size_t finish(struct writer *writer)
{
    put_string(writer, "}");
    return writer->full ? 0 : writer->used;
}

static bool is_will(const struct phusa_status_message *message)
{
    return !message->online && !message->has_first;
}

static void put_details(struct writer *writer, const struct phusa_status_message *message)
{
    put_word(writer, KEY_FIRMWARE, message->firmware);
    put_word(writer, KEY_HARDWARE, message->hardware);
    if (message->has_first) {
        put_integer(writer, KEY_FIRST, message->first);
    }
    if (message->has_next) {
        put_integer(writer, KEY_NEXT, message->next);
    }
    put_word(writer, KEY_CLOCK, clock_names[message->clock]);
    put_key(writer, KEY_DAYS_HELD);
    put_double(writer, message->days_held);
    put_integer(writer, KEY_BOOT, message->boot);
    put_word(writer, KEY_RESET, message->reset);
}

size_t phusa_status_print(const struct phusa_status_message *message, char *buffer, size_t capacity)
{
    struct writer writer = { .buffer = buffer, .capacity = capacity };

    if (!isfinite(message->days_held) || (size_t)message->clock > PHUSA_CLOCK_SYNCED) {
        return 0;
    }
    put_word(&writer, KEY_STATE, message->online ? "online" : "offline");
    if (message->has_log) {
        put_log(&writer, message->log);
    }
    if (!is_will(message)) {
        put_details(&writer, message);
    }
    return finish(&writer);
}

static void put_range(struct writer *writer, const struct phusa_seq_range *range, bool first)
{
    put_string(writer, first ? "[" : ",[");
    put_uint(writer, range->first);
    put_string(writer, ",");
    put_uint(writer, range->last);
    put_string(writer, "]");
}

size_t phusa_receipt_print(const struct phusa_receipt *receipt, char *buffer, size_t capacity)
{
    struct writer writer = { .buffer = buffer, .capacity = capacity };

    if (receipt->missing_count > PHUSA_RECEIPT_RANGES_MAX || !ranges_valid(receipt)) {
        return 0;
    }
    put_log(&writer, receipt->log);
    put_integer(&writer, KEY_UPTO, receipt->upto);
    put_key(&writer, KEY_MISSING);
    put_string(&writer, "[");
    for (size_t i = 0; i < receipt->missing_count; i++) {
        put_range(&writer, &receipt->missing[i], i == 0);
    }
    put_string(&writer, "]");
    return finish(&writer);
}

bool phusa_receipt_covers(const struct phusa_receipt *receipt, uint64_t seq)
{
    if (seq == 0 || seq > receipt->upto) {
        return false;
    }
    for (size_t i = 0; i < receipt->missing_count; i++) {
        if (seq >= receipt->missing[i].first && seq <= receipt->missing[i].last) {
            return false;
        }
    }
    return true;
}
