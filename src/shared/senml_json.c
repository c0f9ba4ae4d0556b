/*
 * SenML in JSON, read in one pass: the tokens of lexer.h in the shape of a pack, an array of
 * flat objects. Only the value of an unknown label may nest; the pull scanner passes over it.
 */
#include "shared/lexer.h"
#include "shared/senml_pack.h"

struct reader {
    struct phusa_lexer lexer;
    struct senml_pack pack;
};

/* A mistake that the pack has noted happened at lexer.at. Always false. */
static bool pack_failed(struct reader *reader)
{
    return lexer_fail(&reader->lexer, reader->pack.status, reader->pack.what);
}

static char next_byte(const struct phusa_lexer *lexer)
{
    return lexer->at < lexer->end ? *lexer->at : '\0';
}

/* Puts what an escaped string means into the scratch space, to be kept there or not. */
static bool unescape(struct reader *reader, struct phusa_text *text)
{
    size_t capacity;
    char *space = senml_free_space(&reader->pack, &capacity);

    if (!phusa_json_unescape(*text, space, capacity, &text->length)) {
        senml_no_space(&reader->pack);
        return pack_failed(reader);
    }
    text->data = space;
    return true;
}

/* The value's type is wrong, unless there is no JSON value at all. */
static bool wrong_type(struct reader *reader, enum senml_label label)
{
    struct phusa_json json;
    struct phusa_lexer *lexer = &reader->lexer;

    phusa_json_init(&json, (struct phusa_text){ lexer->at, (size_t)(lexer->end - lexer->at) });
    if (phusa_json_next(&json) == PHUSA_JSON_ERROR) {
        lexer->at += phusa_json_offset(&json);
        return lexer_fail(lexer, json.lexer.status, json.lexer.what);
    }
    senml_wrong_type(&reader->pack, label);
    return pack_failed(reader);
}

static bool read_text(struct reader *reader, enum senml_label label)
{
    struct phusa_text text;
    bool escaped;

    if (next_byte(&reader->lexer) != '"') {
        return wrong_type(reader, label);
    }
    if (!lexer_string(&reader->lexer, &text, &escaped)) {
        return false;
    }
    if (escaped) {
        if (!unescape(reader, &text)) {
            return false;
        }
        text = senml_keep(&reader->pack, text.length);
    }
    return senml_put_text(&reader->pack, label, text) || pack_failed(reader);
}

static bool read_number(struct reader *reader, enum senml_label label, enum senml_want want)
{
    struct phusa_decimal decimal;
    struct phusa_text text;
    char first = next_byte(&reader->lexer);

    if (first != '-' && (first < '0' || first > '9')) {
        return wrong_type(reader, label);
    }
    if (!lexer_number(&reader->lexer, &text, &decimal)) {
        return false;
    }
    if (want == SENML_WANT_TIME) {
        struct senml_time time = { 0, true };

        time.valid = phusa_decimal_to_nanos(&decimal, &time.ns);
        senml_put_time(&reader->pack, label, time);
        return true;
    }
    if (want == SENML_WANT_INTEGER) {
        uint64_t value = 0;
        bool fits = phusa_decimal_to_uint(&decimal, &value);

        return senml_put_integer(&reader->pack, label, fits, value) || pack_failed(reader);
    }
    return senml_put_number(&reader->pack, label,
                            phusa_decimal_to_double(text.data, text.length, &decimal)) ||
           pack_failed(reader);
}

static bool read_boolean(struct reader *reader, enum senml_label label)
{
    bool value = next_byte(&reader->lexer) == 't';

    if (!value && next_byte(&reader->lexer) != 'f') {
        return wrong_type(reader, label);
    }
    senml_put_boolean(&reader->pack, value);
    return lexer_word(&reader->lexer, value ? PHUSA_TEXT("true") : PHUSA_TEXT("false"));
}

static bool skip_value(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;
    struct phusa_json json;

    phusa_json_init(&json, (struct phusa_text){ lexer->at, (size_t)(lexer->end - lexer->at) });

    bool right = phusa_json_skip(&json, phusa_json_next(&json));

    lexer->at += phusa_json_offset(&json);
    return right || lexer_fail(lexer, json.lexer.status, json.lexer.what);
}

static bool read_value(struct reader *reader, enum senml_label label)
{
    enum senml_want want = senml_want_of(label);

    switch (want) {
    case SENML_WANT_NUMBER:
    case SENML_WANT_INTEGER:
    case SENML_WANT_TIME:
        return read_number(reader, label, want);
    case SENML_WANT_TEXT:
    case SENML_WANT_DATA:
        return read_text(reader, label);
    case SENML_WANT_BOOLEAN:
        return read_boolean(reader, label);
    case SENML_WANT_ANYTHING:
        break;
    }
    return skip_value(reader);
}

/* A label, its colon and its value. */
static bool read_pair(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;
    struct phusa_text key;
    bool escaped;

    if (next_byte(lexer) != '"') {
        return lexer_unexpected(lexer, "a label in quotes was expected here");
    }
    if (!lexer_string(lexer, &key, &escaped) || (escaped && !unescape(reader, &key))) {
        return false;
    }

    enum senml_label label = senml_label_of(key);

    if (!senml_label_begin(&reader->pack, key, &label)) {
        return pack_failed(reader);
    }
    lexer_space(lexer);
    if (!lexer_take(lexer, ':')) {
        return lexer_unexpected(lexer, "a colon was expected here");
    }
    lexer_space(lexer);
    return read_value(reader, label);
}

/* What stands between two braces. */
static bool read_pairs(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;

    lexer_space(lexer);
    if (lexer_take(lexer, '}')) {
        return true;
    }
    for (;;) { /* every turn reads a pair or returns */
        if (!read_pair(reader)) {
            return false;
        }
        lexer_space(lexer);
        if (lexer_take(lexer, '}')) {
            return true;
        }
        if (!lexer_take(lexer, ',')) {
            return lexer_unexpected(lexer, "a comma or } was expected here");
        }
        lexer_space(lexer);
    }
}

static bool read_record(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;

    if (next_byte(lexer) != '{') {
        return lexer_unexpected(lexer, "a record in braces was expected here");
    }
    if (!senml_record_begin(&reader->pack)) {
        return pack_failed(reader);
    }
    lexer->at++;
    if (!read_pairs(reader)) {
        return false;
    }
    return senml_record_end(&reader->pack) || pack_failed(reader);
}

static bool read_records(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;

    lexer_space(lexer);
    if (lexer_take(lexer, ']')) {
        return true;
    }
    for (;;) { /* every turn reads a record or returns */
        if (!read_record(reader)) {
            return false;
        }
        lexer_space(lexer);
        if (lexer_take(lexer, ']')) {
            return true;
        }
        if (!lexer_take(lexer, ',')) {
            return lexer_unexpected(lexer, "a comma or ] was expected here");
        }
        lexer_space(lexer);
    }
}

static bool read_pack(struct reader *reader)
{
    struct phusa_lexer *lexer = &reader->lexer;

    lexer_space(lexer);
    if (!lexer_take(lexer, '[')) {
        return lexer_unexpected(lexer, "a pack begins with [");
    }
    if (!read_records(reader)) {
        return false;
    }
    if (!senml_pack_end(&reader->pack)) {
        return pack_failed(reader);
    }
    lexer_space(lexer);
    return lexer->at == lexer->end || lexer_unexpected(lexer, "something follows the pack");
}

enum phusa_status phusa_senml_decode_json(const char *payload, size_t length, int64_t now_ns,
                                          struct phusa_report *report,
                                          struct phusa_senml_scratch *scratch,
                                          struct phusa_senml_error *error)
{
    bool oversized = length > PHUSA_REPORT_BYTES_MAX;
    struct reader reader;

    senml_pack_begin(&reader.pack, report, scratch, now_ns);
    lexer_init(&reader.lexer, payload, oversized ? PHUSA_REPORT_BYTES_MAX : length);
    read_pack(&reader);
    if (oversized) { /* read as far as allowed, for log and seq */
        return senml_conclude(report, PHUSA_ERR_OVERSIZED, "more than 65536 bytes",
                              PHUSA_REPORT_BYTES_MAX, error);
    }
    return senml_conclude(report, reader.lexer.status, reader.lexer.what,
                          (size_t)(reader.lexer.at - reader.lexer.start), error);
}
