/* CBOR, read in place. */
#include "shared/cbor.h"

#include <math.h>

#include "shared/utf8.h"

/* Exponents of decimal fractions beyond this are cut to it: far outside a double. */
#define EXPONENT_LIMIT 1000000

/* 2^64, the one magnitude of an integer that 64 bits do not hold. */
#define TWO_TO_64 18446744073709551616.0

bool cbor_fail(struct cbor *cbor, enum phusa_status status, const char *what)
{
    cbor->status = status;
    cbor->what = what;
    return false;
}

static bool truncated(struct cbor *cbor)
{
    cbor->at = cbor->end;
    return cbor_fail(cbor, PHUSA_ERR_TRUNCATED, "the bytes end too early");
}

static bool malformed(struct cbor *cbor)
{
    return cbor_fail(cbor, PHUSA_ERR_SYNTAX, "not well-formed CBOR");
}

static size_t bytes_left(const struct cbor *cbor)
{
    return (size_t)(cbor->end - cbor->at);
}

/* Whether a major type may be of indefinite length (RFC 8949 section 3.2), or is the break. */
static bool may_be_indefinite(uint8_t major)
{
    return major >= CBOR_BYTES && major != CBOR_TAG;
}

static bool read_argument(struct cbor *cbor, struct cbor_head *head)
{
    size_t count = (size_t)1 << (head->info - 24);

    if (bytes_left(cbor) < count) {
        return truncated(cbor);
    }
    head->argument = 0;
    for (size_t i = 0; i < count; i++) {
        head->argument = head->argument << 8 | *cbor->at++;
    }
    if (head->major == CBOR_OTHER && count == 1 && head->argument < 32) {
        return malformed(cbor); /* simple values below 32 have one form only */
    }
    return true;
}

bool cbor_read_head(struct cbor *cbor, struct cbor_head *head)
{
    if (cbor->at == cbor->end) {
        return truncated(cbor);
    }
    head->major = *cbor->at >> 5;
    head->info = *cbor->at & 31;
    head->argument = head->info;
    if (head->info >= 24 && head->info <= 27) {
        cbor->at++;
        return read_argument(cbor, head);
    }
    if (head->info > 27 && (head->info != CBOR_INDEFINITE || !may_be_indefinite(head->major))) {
        return malformed(cbor);
    }
    cbor->at++;
    return true;
}

bool cbor_take_break(struct cbor *cbor)
{
    if (cbor->at == cbor->end || *cbor->at != 0xff) {
        return false;
    }
    cbor->at++;
    return true;
}

bool cbor_more(struct cbor *cbor, const struct cbor_head *head, uint64_t *left)
{
    if (head->info == CBOR_INDEFINITE) {
        return !cbor_take_break(cbor);
    }
    return (*left)-- > 0;
}

static double from_half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023), value;

    if (exponent == 0) {
        value = fraction * 0x1p-24;
    } else if (exponent == 31) {
        value = fraction == 0 ? HUGE_VAL : (double)NAN;
    } else {
        value = (1024 + fraction) * (double)((uint64_t)1 << exponent) * 0x1p-25;
    }
    return (bits & 0x8000) != 0 ? -value : value;
}

static double from_single(uint64_t argument)
{
    uint32_t bits = (uint32_t)argument;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return (double)value;
}

static double from_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool read_float(const struct cbor_head *head, struct cbor_number *number)
{
    number->exact = false;
    switch (head->info) {
    case CBOR_HALF:
        number->value = from_half(head->argument);
        return true;
    case CBOR_SINGLE:
        number->value = from_single(head->argument);
        return true;
    case CBOR_DOUBLE:
        number->value = from_double(head->argument);
        return true;
    default:
        return false;
    }
}

/* An integer; false if head is none. */
static bool read_integer(const struct cbor_head *head, struct cbor_number *number)
{
    bool negative = head->major == CBOR_NEGATIVE;

    if (head->major > CBOR_NEGATIVE) {
        return false;
    }
    *number = (struct cbor_number){ .exact = true };
    number->decimal.negative = negative;
    number->decimal.digits = head->argument + negative;
    if (negative && head->argument == UINT64_MAX) {
        number->exact = false;
        number->value = -TWO_TO_64;
    }
    return true;
}

static int32_t limit_exponent(const struct phusa_decimal *exponent)
{
    int32_t magnitude =
        exponent->digits > EXPONENT_LIMIT ? EXPONENT_LIMIT : (int32_t)exponent->digits;

    return exponent->negative ? -magnitude : magnitude;
}

/* The array of a decimal fraction (RFC 8949 section 3.4.4), definite and of two integers. */
static bool read_fraction(struct cbor *cbor, struct cbor_number *number)
{
    struct cbor_number exponent;
    struct cbor_head array, first, second;

    if (!cbor_read_head(cbor, &array) || array.major != CBOR_ARRAY || array.argument != 2 ||
        array.info == CBOR_INDEFINITE) {
        return false;
    }
    if (!cbor_read_head(cbor, &first) || !read_integer(&first, &exponent) || !exponent.exact) {
        return false;
    }
    if (!cbor_read_head(cbor, &second) || !read_integer(&second, number) || !number->exact) {
        return false;
    }
    number->decimal.exponent = limit_exponent(&exponent.decimal);
    return true;
}

bool cbor_read_number(struct cbor *cbor, const struct cbor_head *head, struct cbor_number *number)
{
    if (head->major == CBOR_OTHER) {
        return read_float(head, number);
    }
    if (head->major == CBOR_TAG && head->argument == CBOR_TAG_FRACTION) {
        return read_fraction(cbor, number);
    }
    return read_integer(head, number);
}

double cbor_double(const struct cbor_number *number)
{
    return number->exact ? phusa_decimal_to_double(NULL, 0, &number->decimal) : number->value;
}

/* A run of bytes in place. */
static bool read_run(struct cbor *cbor, const struct cbor_head *head, struct phusa_text *text)
{
    if (head->argument > bytes_left(cbor)) {
        return truncated(cbor);
    }
    *text = (struct phusa_text){ (const char *)cbor->at, (size_t)head->argument };
    if (head->major == CBOR_TEXT && !utf8_valid(text->data, text->length)) {
        return cbor_fail(cbor, PHUSA_ERR_SYNTAX, "not UTF-8");
    }
    cbor->at += text->length;
    return true;
}

/* The next chunk of a string of indefinite length. */
static bool read_chunk(struct cbor *cbor, uint8_t major, struct phusa_text *chunk)
{
    struct cbor_head head;

    if (!cbor_read_head(cbor, &head)) {
        return false;
    }
    if (head.major != major || head.info == CBOR_INDEFINITE) {
        return malformed(cbor);
    }
    return read_run(cbor, &head, chunk);
}

bool cbor_read_string(struct cbor *cbor, const struct cbor_head *head, char *space, size_t capacity,
                      struct phusa_text *text, bool *copied)
{
    struct phusa_text chunk;

    *copied = head->info == CBOR_INDEFINITE;
    if (!*copied) {
        return read_run(cbor, head, text);
    }
    *text = (struct phusa_text){ space, 0 };
    while (!cbor_take_break(cbor)) {
        if (!read_chunk(cbor, head->major, &chunk)) {
            return false;
        }
        if (chunk.length > capacity - text->length) {
            return cbor_fail(cbor, PHUSA_ERR_SPACE, "strings in chunks are too long");
        }
        memcpy(space + text->length, chunk.data, chunk.length);
        text->length += chunk.length;
    }
    return true;
}

static bool skip_string(struct cbor *cbor, const struct cbor_head *head)
{
    struct phusa_text run;

    if (head->info != CBOR_INDEFINITE) {
        return read_run(cbor, head, &run);
    }
    while (!cbor_take_break(cbor)) {
        if (!read_chunk(cbor, head->major, &run)) {
            return false;
        }
    }
    return true;
}

/* An array, map or tag that is being passed over. */
struct level {
    uint64_t left; /* items to come; of an indefinite one, those read so far */
    bool indefinite, map;
};

/* The level that a container or tag opens. */
static bool level_of(struct cbor *cbor, const struct cbor_head *head, struct level *level)
{
    uint64_t items = head->major == CBOR_TAG ? 1 : head->argument;

    *level = (struct level){ .indefinite = head->info == CBOR_INDEFINITE,
                             .map = head->major == CBOR_MAP };
    if (level->indefinite) {
        return true;
    }
    if (items > bytes_left(cbor)) { /* an item takes a byte at least */
        return truncated(cbor);
    }
    level->left = level->map ? items * 2 : items;
    return true;
}

/* Reads to the next head inside the innermost level that has one, closing those that are over. */
static bool next_inside(struct cbor *cbor, struct level *levels, size_t *depth,
                        struct cbor_head *head)
{
    while (*depth > 0) {
        struct level *level = &levels[*depth - 1];

        if (!level->indefinite && level->left > 0) {
            level->left--;
            return cbor_read_head(cbor, head);
        }
        if (level->indefinite && !cbor_take_break(cbor)) {
            level->left++;
            return cbor_read_head(cbor, head);
        }
        if (level->indefinite && level->map && level->left % 2 == 1) {
            return malformed(cbor); /* a key without its value */
        }
        --*depth;
    }
    return false;
}

bool cbor_skip(struct cbor *cbor, const struct cbor_head *head)
{
    struct level levels[CBOR_DEPTH_MAX];
    struct cbor_head item = *head;
    size_t depth = 0;

    do { /* every turn has consumed a head */
        if (cbor_is_break(&item)) {
            return malformed(cbor);
        }
        if (item.major == CBOR_BYTES || item.major == CBOR_TEXT) {
            if (!skip_string(cbor, &item)) {
                return false;
            }
        } else if (item.major >= CBOR_ARRAY && item.major <= CBOR_TAG) {
            if (depth == CBOR_DEPTH_MAX) {
                return cbor_fail(cbor, PHUSA_ERR_SYNTAX, "nested deeper than 64 levels");
            }
            if (!level_of(cbor, &item, &levels[depth])) {
                return false;
            }
            depth++;
        }
    } while (next_inside(cbor, levels, &depth, &item));
    return cbor->status == PHUSA_OK;
}
