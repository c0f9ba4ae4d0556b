/*
 * A line is
 *
 *   measurement[,tag=value]... field=value[,field=value]... [time]
 *
 * Measurement: any byte but control characters; ',' and ' ' escaped with '\'.
 * Tag and field keys: the same, and '=' escaped as well. Tag values: as keys, and
 * control characters allowed but for line breaks. A '\' before anything else
 * stands for itself, so none may come last. Strings stand in '"', with '"' and
 * '\' escaped. Everything is UTF-8. No tag key twice, no empty part.
 */
#include "store/lineproto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIME_LEAST       (INT64_MIN + 2) /* what InfluxDB takes: models.MinNanoTime and MaxNanoTime */
#define TIME_MOST        (INT64_MAX - 1)
#define FLOAT_EXPONENT   308                 /* decimal exponent of the largest double */
#define EXPONENT_CAP     9999                /* larger ones are as good as this one */
#define FLOAT_LEADING    "17976931348623157" /* leading digits of the largest double */
#define FLOAT_DIGITS     (sizeof(FLOAT_LEADING) - 1)
#define MAGNITUDE_DIGITS 20 /* of 2^64 - 1 */

/* --- writing ------------------------------------------------------------- */

void line_writer_init(struct line_writer *writer, char *buffer, size_t capacity)
{
    memset(writer, 0, sizeof *writer);
    writer->buffer = buffer;
    writer->capacity = capacity;
}

/* Room for bytes more; without it the open line is taken back. */
static bool reserve(struct line_writer *writer, size_t bytes)
{
    if (writer->full) {
        return false;
    }
    if (bytes > writer->capacity - writer->used) {
        writer->full = true;
        writer->used = writer->line_start;
        return false;
    }
    return true;
}

static void put(struct line_writer *writer, struct phusa_text text)
{
    memcpy(writer->buffer + writer->used, text.data, text.length);
    writer->used += text.length;
}

void line_begin(struct line_writer *writer, struct phusa_text head)
{
    writer->line_start = writer->used;
    writer->fields = false;
    if (reserve(writer, head.length)) {
        put(writer, head);
    }
}

/* Room for a field and its key with '='; the separator depends on what came before. */
static bool open_field(struct line_writer *writer, struct phusa_text key, struct phusa_text suffix)
{
    if (!reserve(writer, key.length + suffix.length + 2 + PHUSA_DOUBLE_CHARS)) {
        return false;
    }
    writer->buffer[writer->used++] = writer->fields ? ',' : ' ';
    put(writer, key);
    if (suffix.length > 0) {
        put(writer, suffix);
    }
    writer->buffer[writer->used++] = '=';
    return true;
}

void line_field_double(struct line_writer *writer, struct phusa_text key, double value)
{
    size_t before = writer->used;
    if (!open_field(writer, key, (struct phusa_text){ 0 })) {
        return;
    }
    size_t printed = phusa_double_print(value, writer->buffer + writer->used);
    if (printed == 0) { /* not finite */
        writer->used = before;
        return;
    }
    writer->used += printed;
    writer->fields = true;
}

void line_field_int(struct line_writer *writer, struct phusa_text key, struct phusa_text suffix,
                    int64_t value)
{
    if (!open_field(writer, key, suffix)) {
        return;
    }
    writer->used += phusa_int_print(value, writer->buffer + writer->used);
    writer->buffer[writer->used++] = 'i';
    writer->fields = true;
}

bool line_end(struct line_writer *writer, int64_t time_ns)
{
    if (!writer->fields || time_ns < TIME_LEAST || time_ns > TIME_MOST) {
        writer->used = writer->line_start;
        return false;
    }
    if (!reserve(writer, PHUSA_INTEGER_CHARS + 2)) {
        return false;
    }
    if (writer->time_length == 0 || time_ns != writer->time_ns) {
        writer->time_ns = time_ns;
        writer->time_length = (uint8_t)phusa_int_print(time_ns, writer->time);
    }
    writer->buffer[writer->used++] = ' ';
    put(writer, (struct phusa_text){ writer->time, writer->time_length });
    writer->buffer[writer->used++] = '\n';
    writer->line_start = writer->used;
    writer->fields = false;
    return true;
}

/* --- characters ------------------------------------------------------------ */

enum character {
    CHAR_CONTROL = 1, /* 0x00..0x1f, 0x7f */
    CHAR_COMMA = 2,
    CHAR_SPACE = 4,
    CHAR_EQUALS = 8,
    CHAR_BACKSLASH = 16,
    CHAR_BREAK = 32, /* line feed, carriage return */
    CHAR_HIGH = 64   /* part of a longer UTF-8 sequence */
};

#define MEASUREMENT_STOPS (CHAR_CONTROL | CHAR_COMMA | CHAR_SPACE)
#define KEY_STOPS         (CHAR_CONTROL | CHAR_COMMA | CHAR_SPACE | CHAR_EQUALS)
#define TAG_VALUE_STOPS   (CHAR_BREAK | CHAR_COMMA | CHAR_SPACE | CHAR_EQUALS)
#define ESCAPED           (CHAR_COMMA | CHAR_SPACE | CHAR_EQUALS)

/* clang-format off */
#define CONTROL CHAR_CONTROL, CHAR_CONTROL, CHAR_CONTROL, CHAR_CONTROL
#define BREAK   (CHAR_CONTROL | CHAR_BREAK)
#define PLAIN   0, 0, 0, 0, 0, 0, 0, 0
#define HIGH    CHAR_HIGH, CHAR_HIGH, CHAR_HIGH, CHAR_HIGH, CHAR_HIGH, CHAR_HIGH, CHAR_HIGH, CHAR_HIGH

static const uint8_t classes[256] = {
    CONTROL, CONTROL, CHAR_CONTROL, CHAR_CONTROL, BREAK, CHAR_CONTROL, /* 0x00 */
    CHAR_CONTROL, BREAK, CHAR_CONTROL, CHAR_CONTROL,                   /* 0x0c */
    CONTROL, CONTROL, CONTROL, CONTROL,                                /* 0x10 */
    CHAR_SPACE, 0, 0, 0, 0, 0, 0, 0,                                   /* 0x20 */
    0, 0, 0, 0, CHAR_COMMA, 0, 0, 0,                                   /* 0x28 */
    PLAIN, 0, 0, 0, 0, 0, CHAR_EQUALS, 0, 0,                           /* 0x30 */
    PLAIN, PLAIN,                                                      /* 0x40 */
    PLAIN, 0, 0, 0, 0, CHAR_BACKSLASH, 0, 0, 0,                        /* 0x50 */
    PLAIN, PLAIN,                                                      /* 0x60 */
    PLAIN, 0, 0, 0, 0, 0, 0, 0, CHAR_CONTROL,                          /* 0x70 */
    HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH,                    /* 0x80 */
    HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH,                    /* 0xc0 */
};
/* clang-format on */

static unsigned class_of(char c)
{
    return classes[(uint8_t)c];
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of the UTF-8 sequence at text (RFC 3629), 0 if there is none. */
static size_t utf8_sequence(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t first = bytes[0];
    if (first < 0x80) {
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > length) {
        return 0;
    }
    /* The second byte's limits keep out overlong forms, surrogates and what lies above U+10FFFF. */
    uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < least || bytes[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

static bool utf8_valid(struct phusa_text text)
{
    size_t at = 0;
    while (at < text.length) {
        size_t size = utf8_sequence(text.data + at, text.length - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* --- escaping -------------------------------------------------------------- */

static size_t escape(struct phusa_text text, unsigned escaped, char *buffer, size_t capacity)
{
    if (text.length == 0 || text.data[text.length - 1] == '\\' || !utf8_valid(text)) {
        return 0;
    }
    size_t used = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned class = class_of(text.data[i]);
        size_t size = (class & escaped) != 0 ? 2 : 1;
        if ((class & CHAR_CONTROL) != 0 || size > capacity - used) {
            return 0;
        }
        if (size == 2) {
            buffer[used++] = '\\';
        }
        buffer[used++] = text.data[i];
    }
    return used;
}

size_t line_escape_measurement(struct phusa_text text, char *buffer, size_t capacity)
{
    if (text.length > 0 && text.data[0] == '#') {
        return 0; /* it would be a comment */
    }
    return escape(text, CHAR_COMMA | CHAR_SPACE, buffer, capacity);
}

size_t line_escape_tag(struct phusa_text text, char *buffer, size_t capacity)
{
    return escape(text, ESCAPED, buffer, capacity);
}

/* --- checking -------------------------------------------------------------- */

/* What is left of the line. */
struct cursor {
    const char *at, *end;
    bool high; /* a byte above 0x7f was passed: look at the line's UTF-8 in the end */
};

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c) {
        return false;
    }
    cursor->at++;
    return true;
}

static bool skip_spaces(struct cursor *cursor)
{
    const char *begin = cursor->at;
    while (take(cursor, ' ')) {
    }
    return cursor->at > begin;
}

/* Takes bytes up to the first that is one of stops and not escaped; true if there are any. */
static bool take_name(struct cursor *cursor, unsigned stops, struct phusa_text *name)
{
    const char *at = cursor->at;
    unsigned seen = 0;
    for (; at < cursor->end; at++) {
        unsigned class = class_of(*at);
        if ((class & stops) != 0) {
            break;
        }
        seen |= class;
        if (class == CHAR_BACKSLASH && at + 1 < cursor->end &&
            (class_of(at[1]) & ESCAPED & stops) != 0) {
            at++;
        }
    }
    *name = (struct phusa_text){ cursor->at, (size_t)(at - cursor->at) };
    cursor->at = at;
    cursor->high |= (seen & CHAR_HIGH) != 0;
    return name->length > 0;
}

static bool known_tag(const struct phusa_text *keys, size_t count, struct phusa_text key)
{
    for (size_t i = 0; i < count; i++) {
        if (phusa_text_equal(keys[i], key)) {
            return true;
        }
    }
    return false;
}

static bool take_tags(struct cursor *cursor)
{
    struct phusa_text keys[LINE_TAGS_MAX], value;
    size_t count = 0;
    while (take(cursor, ',')) {
        if (count == LINE_TAGS_MAX || !take_name(cursor, KEY_STOPS, &keys[count]) ||
            known_tag(keys, count, keys[count]) || !take(cursor, '=') ||
            !take_name(cursor, TAG_VALUE_STOPS, &value)) {
            return false;
        }
        count++;
    }
    return true;
}

static bool take_string(struct cursor *cursor)
{
    for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
        char c = *cursor->at;
        unsigned class = class_of(c);
        if ((class & CHAR_BREAK) != 0) {
            return false;
        }
        cursor->high |= class == CHAR_HIGH;
        if (c == '"') {
            cursor->at++;
            return true;
        }
        if (c == '\\' && cursor->at + 1 < cursor->end &&
            (cursor->at[1] == '"' || cursor->at[1] == '\\')) {
            cursor->at++;
        }
    }
    return false; /* never closed */
}

static bool is_boolean(struct phusa_text value)
{
    static const char *const words[] = { "t", "T", "true",  "True",  "TRUE",
                                         "f", "F", "false", "False", "FALSE" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (phusa_text_equal(phusa_text_of(words[i]), value)) {
            return true;
        }
    }
    return false;
}

static struct phusa_text without_first(struct phusa_text text)
{
    return (struct phusa_text){ text.data + 1, text.length - 1 };
}

/* True for decimal digits of a number not above most. */
static bool is_magnitude(struct phusa_text digits, uint64_t most)
{
    if (digits.length == 0) {
        return false;
    }
    while (digits.length > 1 && *digits.data == '0') {
        digits = without_first(digits);
    }
    if (digits.length > MAGNITUDE_DIGITS) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit = (uint64_t)(digits.data[i] - '0');
        if (!is_digit(digits.data[i]) || value > (most - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    return true;
}

static bool is_integer(struct phusa_text digits)
{
    if (digits.length > 0 && *digits.data == '-') {
        return is_magnitude(without_first(digits), (uint64_t)INT64_MAX + 1);
    }
    return is_magnitude(digits, INT64_MAX);
}

/* A float's digits while they are read: where the first that counts stands, and the leading ones.
 */
struct float_scan {
    int64_t exponent; /* decimal exponent of the first digit that is not 0 */
    size_t kept;      /* digits from there on, at most FLOAT_DIGITS */
    char leading[FLOAT_DIGITS];
    bool any; /* there is a digit at all */
};

/* Takes digits; in the fraction each leading zero moves the first digit down, else each digit
 * behind the first moves it up. */
static void scan_digits(struct cursor *cursor, struct float_scan *scan, bool fraction)
{
    for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++) {
        bool leading_zero = scan->kept == 0 && *cursor->at == '0';
        scan->any = true;
        if (fraction ? scan->kept == 0 : scan->kept > 0) {
            scan->exponent += fraction ? -1 : 1;
        }
        if (!leading_zero && scan->kept < FLOAT_DIGITS) {
            scan->leading[scan->kept++] = *cursor->at;
        }
    }
}

/* Takes [eE][+-]digits if it is there; false if it is broken. */
static bool scan_exponent(struct cursor *cursor, int64_t *exponent)
{
    if (!take(cursor, 'e') && !take(cursor, 'E')) {
        return true;
    }
    bool negative = take(cursor, '-');
    if (!negative) {
        (void)take(cursor, '+');
    }
    const char *begin = cursor->at;
    int64_t value = 0;
    for (; cursor->at < cursor->end && is_digit(*cursor->at); cursor->at++) {
        value = value < EXPONENT_CAP ? value * 10 + (*cursor->at - '0') : value;
    }
    *exponent += negative ? -value : value;
    return cursor->at > begin;
}

static bool is_finite(const struct float_scan *scan)
{
    if (scan->kept == 0 || scan->exponent != FLOAT_EXPONENT) {
        return scan->kept == 0 || scan->exponent < FLOAT_EXPONENT;
    }
    return memcmp(scan->leading, FLOAT_LEADING, scan->kept) <= 0;
}

static bool is_float(struct phusa_text text)
{
    struct cursor cursor = { .at = text.data, .end = text.data + text.length };
    struct float_scan scan = { 0 };
    (void)take(&cursor, '-');
    scan_digits(&cursor, &scan, false);
    if (take(&cursor, '.')) {
        scan_digits(&cursor, &scan, true);
    }
    return scan.any && scan_exponent(&cursor, &scan.exponent) && cursor.at == cursor.end &&
           is_finite(&scan);
}

static bool take_value(struct cursor *cursor)
{
    if (cursor->at < cursor->end && *cursor->at == '"') {
        return take_string(cursor);
    }
    const char *begin = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != ',' && *cursor->at != ' ') {
        cursor->at++;
    }
    struct phusa_text value = { begin, (size_t)(cursor->at - begin) };
    if (value.length == 0) {
        return false;
    }
    struct phusa_text number = { begin, value.length - 1 };
    switch (begin[value.length - 1]) {
    case 'i':
        return is_integer(number);
    case 'u':
        return is_magnitude(number, UINT64_MAX);
    default:
        return is_float(value) || is_boolean(value);
    }
}

static bool take_fields(struct cursor *cursor)
{
    struct phusa_text key;
    do {
        if (!take_name(cursor, KEY_STOPS, &key) || !take(cursor, '=') || !take_value(cursor)) {
            return false;
        }
    } while (take(cursor, ','));
    return true;
}

/* Nothing, or spaces and a time that a store takes, and spaces. */
static bool take_time(struct cursor *cursor)
{
    if (cursor->at == cursor->end) {
        return true;
    }
    if (!skip_spaces(cursor)) {
        return false;
    }
    bool negative = take(cursor, '-');
    const char *begin = cursor->at;
    while (cursor->at < cursor->end && is_digit(*cursor->at)) {
        cursor->at++;
    }
    struct phusa_text digits = { begin, (size_t)(cursor->at - begin) };
    if (digits.length > 0 ? !is_magnitude(digits, TIME_MOST) : negative) {
        return false;
    }
    (void)skip_spaces(cursor);
    return cursor->at == cursor->end;
}

bool line_valid(struct phusa_text text)
{
    if (text.length == 0) {
        return false;
    }
    struct cursor cursor = { .at = text.data, .end = text.data + text.length };
    struct phusa_text measurement;
    (void)skip_spaces(&cursor);
    if (cursor.at < cursor.end && *cursor.at == '#') {
        return false; /* a comment */
    }
    return take_name(&cursor, MEASUREMENT_STOPS, &measurement) && take_tags(&cursor) &&
           skip_spaces(&cursor) && take_fields(&cursor) && take_time(&cursor) &&
           (!cursor.high || utf8_valid(text));
}

/* --- counting -------------------------------------------------------------- */

static bool is_flag(struct phusa_text key)
{
    return key.length > 3 && memcmp(key.data + key.length - 3, "_qc", 3) == 0;
}

/* Goes over a value without judging it. */
static void skip_value(struct cursor *cursor)
{
    if (cursor->at < cursor->end && *cursor->at == '"') {
        (void)take_string(cursor);
    }
    while (cursor->at < cursor->end && *cursor->at != ',' && *cursor->at != ' ') {
        cursor->at++;
    }
}

/* What is made of readings is none. */
static bool holds_readings(struct phusa_text line)
{
    static const char *const others[] = { "window", "correction", "index" };
    struct cursor cursor = { .at = line.data, .end = line.data + line.length };
    struct phusa_text measurement;
    (void)skip_spaces(&cursor);
    (void)take_name(&cursor, MEASUREMENT_STOPS, &measurement);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (phusa_text_equal(measurement, phusa_text_of(others[i]))) {
            return false;
        }
    }
    return line.length > 0;
}

static bool is_derived(const struct station *station, struct phusa_text key)
{
    for (size_t i = 0; station != NULL && i < station->derivation_count; i++) {
        if (phusa_text_equal(station->derivations[i].parameter->name, key)) {
            return true;
        }
    }
    return false;
}

static bool is_reading(const struct station *station, struct phusa_text key)
{
    return !is_flag(key) && !phusa_text_equal(key, PHUSA_TEXT(LINE_RECONSTRUCTED)) &&
           !is_derived(station, key);
}

uint32_t line_readings(struct phusa_text text, const struct registry *registry)
{
    struct cursor cursor = { .at = text.data, .end = text.data + text.length };
    struct phusa_text head, key;
    uint32_t count = 0;
    if (!holds_readings(text)) {
        return 0;
    }
    const struct station *station =
        registry == NULL ? NULL : registry_find(registry, line_tag(text, "station"));
    (void)skip_spaces(&cursor);
    (void)take_name(&cursor, CHAR_SPACE, &head);
    (void)skip_spaces(&cursor);
    do {
        if (!take_name(&cursor, KEY_STOPS, &key) || !take(&cursor, '=')) {
            return count;
        }
        skip_value(&cursor);
        count += is_reading(station, key) ? 1 : 0;
    } while (take(&cursor, ','));
    return count;
}

/* --- taking lines apart ------------------------------------------------------------------- */

bool text_next_line(struct phusa_text *text, struct phusa_text *line)
{
    if (text->length == 0) {
        return false;
    }
    const char *found = memchr(text->data, '\n', text->length);
    size_t length = found == NULL ? text->length : (size_t)(found - text->data);
    size_t taken = found == NULL ? length : length + 1;
    *line = (struct phusa_text){ text->data, length };
    *text = (struct phusa_text){ text->data + taken, text->length - taken };
    return true;
}

struct phusa_text line_tag(struct phusa_text line, const char *key)
{
    struct cursor cursor = { .at = line.data, .end = line.data + line.length };
    struct phusa_text wanted = phusa_text_of(key), name, value;
    (void)take_name(&cursor, KEY_STOPS, &name); /* the measurement */
    for (unsigned tags = 0; tags < LINE_TAGS_MAX && take(&cursor, ','); tags++) {
        if (!take_name(&cursor, KEY_STOPS, &name) || !take(&cursor, '=') ||
            !take_name(&cursor, TAG_VALUE_STOPS, &value)) {
            break;
        }
        if (phusa_text_equal(name, wanted)) {
            return value;
        }
    }
    return (struct phusa_text){ "", 0 };
}

bool line_time(struct phusa_text line, int64_t *time_ns)
{
    char digits[24];
    size_t begin = line.length;
    while (begin > 0 && line.data[begin - 1] != ' ') {
        begin--;
    }
    size_t length = line.length - begin;
    if (begin == 0 || length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, line.data + begin, length);
    digits[length] = '\0';
    char *end = NULL;
    errno = 0;
    *time_ns = strtoll(digits, &end, 10);
    return errno == 0 && *end == '\0';
}
