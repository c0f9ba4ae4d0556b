/* Whether a report is numbered, told from its first bytes. */
#include <string.h>

#include "phusa/senml.h"
#include "shared/hex.h"

#define LOOKED_AT      160 /* bytes; ours have both labels within 80 */
#define SEQ_DIGITS_MAX 15  /* always below 2^53 */

static void skip_space(struct phusa_text *text)
{
    while (text->length > 0 && text->data[0] != '\0' && strchr(" \t\r\n", text->data[0]) != NULL) {
        text->data++;
        text->length--;
    }
}

static bool take(struct phusa_text *text, char c)
{
    skip_space(text);
    if (text->length == 0 || text->data[0] != c) {
        return false;
    }
    text->data++;
    text->length--;
    return true;
}

static bool holds(struct phusa_text text, char c)
{
    return memchr(text.data, c, text.length) != NULL;
}

/*
 * What stands in the first record up to its first '}', or as far as is looked. In it each quotation
 * mark begins or ends a string, for none is escaped, and what stands before a colon is a label of
 * the record itself, for nothing in it is nested.
 */
static bool plain_begin(struct phusa_text payload, struct phusa_text *begin)
{
    if (payload.length > LOOKED_AT) {
        payload.length = LOOKED_AT;
    }
    if (!take(&payload, '[') || !take(&payload, '{')) {
        return false;
    }
    const char *end = memchr(payload.data, '}', payload.length);
    if (end != NULL) {
        payload.length = (size_t)(end - payload.data);
    }
    *begin = payload;
    return !holds(payload, '\\') && !holds(payload, '{') && !holds(payload, '[');
}

/* What follows a label and its colon; empty if it is not there. */
static struct phusa_text value_of(struct phusa_text record, struct phusa_text label)
{
    const char *at = record.data, *end = record.data + record.length;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        if ((size_t)(end - at) >= label.length && memcmp(at, label.data, label.length) == 0) {
            return (struct phusa_text){ at + label.length, (size_t)(end - at) - label.length };
        }
        at++;
    }
    return PHUSA_TEXT("");
}

static bool is_log(struct phusa_text value)
{
    uint32_t log;
    return value.length > HEX_LOG_DIGITS && value.data[HEX_LOG_DIGITS] == '"' &&
           hex_log_parse((struct phusa_text){ value.data, HEX_LOG_DIGITS }, &log);
}

/* 1 or more, whole, and seen to its end. */
static bool is_seq(struct phusa_text value)
{
    size_t digits = 0;
    while (digits < value.length && value.data[digits] >= '0' && value.data[digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits <= SEQ_DIGITS_MAX && value.data[0] != '0' &&
           digits < value.length && value.data[digits] == ',';
}

bool phusa_senml_is_numbered(struct phusa_text payload)
{
    struct phusa_text record;
    return plain_begin(payload, &record) && is_log(value_of(record, PHUSA_TEXT("\"log\":\""))) &&
           is_seq(value_of(record, PHUSA_TEXT("\"seq\":")));
}
