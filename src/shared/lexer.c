/* The tokens of JSON. */
#include "shared/lexer.h"

#include "shared/decimal.h"
#include "shared/utf8.h"

bool lexer_fail(struct phusa_lexer *lexer, enum phusa_status status, const char *what)
{
    lexer->status = status;
    lexer->what = what;
    return false;
}

bool lexer_unexpected(struct phusa_lexer *lexer, const char *what)
{
    if (lexer->at == lexer->end) {
        return lexer_fail(lexer, PHUSA_ERR_TRUNCATED, "the text ends too early");
    }
    return lexer_fail(lexer, PHUSA_ERR_SYNTAX, what);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits at lexer->at. */
static bool read_hex4(struct phusa_lexer *lexer, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, lexer->at++) {
        int digit = lexer->at == lexer->end ? -1 : hex_digit(*lexer->at);

        if (digit < 0) {
            return lexer_unexpected(lexer, "an escape \\u wants four hexadecimal digits");
        }
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

/* What follows \u: one code, or both halves of a surrogate pair. */
static bool read_unicode_escape(struct phusa_lexer *lexer)
{
    static const char *const lone = "a surrogate without its other half";
    uint32_t code;

    if (!read_hex4(lexer, &code)) {
        return false;
    }
    if (code < 0xd800 || code > 0xdfff) {
        return true;
    }
    if (code >= 0xdc00) {
        return lexer_fail(lexer, PHUSA_ERR_SYNTAX, lone);
    }
    if (!lexer_take(lexer, '\\') || !lexer_take(lexer, 'u')) {
        return lexer_unexpected(lexer, lone);
    }
    if (!read_hex4(lexer, &code)) {
        return false;
    }
    return (code >= 0xdc00 && code <= 0xdfff) || lexer_fail(lexer, PHUSA_ERR_SYNTAX, lone);
}

/* What follows a backslash. */
static bool read_escape(struct phusa_lexer *lexer)
{
    if (lexer->at == lexer->end) {
        return lexer_unexpected(lexer, "");
    }
    switch (*lexer->at) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        lexer->at++;
        return true;
    case 'u':
        lexer->at++;
        return read_unicode_escape(lexer);
    default:
        return lexer_fail(lexer, PHUSA_ERR_SYNTAX, "no such escape");
    }
}

static bool read_multibyte(struct phusa_lexer *lexer)
{
    bool cut;
    size_t length = utf8_sequence(lexer->at, lexer->end, &cut);

    if (length == 0) {
        if (cut) {
            lexer->at = lexer->end;
        }
        return lexer_unexpected(lexer, "not UTF-8");
    }
    lexer->at += length;
    return true;
}

/* Bytes that stand for themselves and by themselves. */
static bool is_plain(char c)
{
    uint8_t byte = (uint8_t)c;

    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

bool lexer_string(struct phusa_lexer *lexer, struct phusa_text *text, bool *escaped)
{
    *escaped = false;
    text->data = ++lexer->at;
    for (;;) { /* ends with the text at the latest: every turn moves on or returns */
        const char *at = lexer->at, *end = lexer->end;

        while (at < end && is_plain(*at)) {
            at++;
        }
        lexer->at = at;
        if (at == end) {
            return lexer_unexpected(lexer, "");
        }
        if (*at == '"') {
            text->length = (size_t)(at - text->data);
            lexer->at++;
            return true;
        }
        if (*at == '\\') {
            *escaped = true;
            lexer->at++;
            if (!read_escape(lexer)) {
                return false;
            }
        } else if ((uint8_t)*at < 0x20) {
            return lexer_unexpected(lexer, "a control character in a string");
        } else if (!read_multibyte(lexer)) {
            return false;
        }
    }
}

bool lexer_number(struct phusa_lexer *lexer, struct phusa_text *text, struct phusa_decimal *number)
{
    size_t right = 0;

    text->data = lexer->at;
    text->length = decimal_scan(lexer->at, (size_t)(lexer->end - lexer->at), number, &right);
    lexer->at += text->length > 0 ? text->length : right;
    return text->length > 0 || lexer_unexpected(lexer, "a digit is missing here");
}

bool lexer_word(struct phusa_lexer *lexer, struct phusa_text word)
{
    for (size_t i = 0; i < word.length; i++) {
        if (!lexer_take(lexer, word.data[i])) {
            return lexer_unexpected(lexer, "a value was expected here");
        }
    }
    return true;
}

static uint32_t decode_hex4(const char *digits)
{
    uint32_t code = 0;

    for (int i = 0; i < 4; i++) {
        code = code << 4 | (uint32_t)hex_digit(digits[i]);
    }
    return code;
}

/* The character that the escape at `at` (behind its backslash) means; *taken bytes of text. */
static uint32_t decode_escape(const char *at, size_t *taken)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";

    *taken = 1;
    if (*at == 'u') {
        uint32_t code = decode_hex4(at + 1);

        *taken = 5;
        if (code >= 0xd800 && code <= 0xdbff) {
            *taken = 11;
            code = 0x10000 + ((code - 0xd800) << 10) + (decode_hex4(at + 7) - 0xdc00);
        }
        return code;
    }
    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (*at == letters[i]) {
            return (uint32_t)meanings[i];
        }
    }
    return (uint32_t)*at;
}

bool phusa_json_unescape(struct phusa_text text, char *buffer, size_t capacity, size_t *length)
{
    const char *at = text.data, *end = text.data + text.length;
    size_t used = 0;

    while (at < end) {
        char character[4];
        size_t taken, count = 1;

        character[0] = *at++;
        if (character[0] == '\\') {
            count = utf8_put(decode_escape(at, &taken), character);
            at += taken;
        }
        if (count > capacity - used) {
            return false;
        }
        memcpy(buffer + used, character, count);
        used += count;
    }
    *length = used;
    return true;
}

/* Writes the byte as it stands in a JSON string; returns up to 6. */
static size_t quote_byte(char byte, char *buffer)
{
    static const char hex[] = "0123456789abcdef";

    if (byte == '"' || byte == '\\') {
        buffer[0] = '\\';
        buffer[1] = byte;
        return 2;
    }
    if ((uint8_t)byte >= 0x20) {
        buffer[0] = byte;
        return 1;
    }
    memcpy(buffer, "\\u00", 4);
    buffer[4] = hex[byte >> 4];
    buffer[5] = hex[byte & 15];
    return 6;
}

size_t phusa_json_quote(struct phusa_text text, char *buffer, size_t capacity)
{
    size_t used = 1;

    if (capacity < text.length + 2 || !utf8_valid(text.data, text.length)) {
        return 0;
    }
    buffer[0] = '"';
    for (size_t i = 0; i < text.length; i++) {
        char quoted[6];
        size_t count = quote_byte(text.data[i], quoted);

        if (count > capacity - used - 1) { /* keeps room for the closing quote */
            return 0;
        }
        memcpy(buffer + used, quoted, count);
        used += count;
    }
    buffer[used++] = '"';
    return used;
}
