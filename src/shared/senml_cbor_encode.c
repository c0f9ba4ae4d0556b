/* A report written as SenML in CBOR: everything in its shortest form. */
#include <float.h>
#include <math.h>

#include "shared/cbor.h"
#include "shared/senml_fields.h"
#include "shared/writer.h"

#define HALF_NAN      0x7e00
#define HALF_INFINITY 0x7c00
#define HALF_SIGN     0x8000

/* Bytes of a head with its argument. */
static size_t head_length(uint64_t argument)
{
    if (argument < 24) {
        return 1;
    }
    if (argument <= UINT8_MAX) {
        return 2;
    }
    if (argument <= UINT16_MAX) {
        return 3;
    }
    return argument <= UINT32_MAX ? 5 : 9;
}

/* A head whose argument takes length - 1 bytes; info as it is written for that length. */
static void put_wide_head(struct writer *writer, enum cbor_major major, unsigned info,
                          uint64_t argument, size_t length)
{
    uint8_t bytes[9];

    bytes[0] = (uint8_t)((unsigned)major << 5 | info);
    for (size_t i = 1; i < length; i++) {
        bytes[i] = (uint8_t)(argument >> 8 * (length - 1 - i));
    }
    put_bytes(writer, bytes, length);
}

static void put_head(struct writer *writer, enum cbor_major major, uint64_t argument)
{
    size_t length = head_length(argument);
    unsigned info = 24;

    if (length == 1) {
        info = (unsigned)argument;
    }
    for (size_t bytes = 2; bytes < length; bytes = bytes * 2 - 1) {
        info++;
    }
    put_wide_head(writer, major, info, argument, length);
}

static void put_integer(struct writer *writer, int64_t value)
{
    if (value < 0) {
        put_head(writer, CBOR_NEGATIVE, (uint64_t)(-1 - value));
    } else {
        put_head(writer, CBOR_UNSIGNED, (uint64_t)value);
    }
}

static void put_words(struct writer *writer, enum cbor_major major, struct phusa_text text)
{
    put_head(writer, major, text.length);
    put_text(writer, text);
}

/* The bits of a half float that is exactly value; false if there is none. */
static bool half_bits(float value, uint16_t *half)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));

    uint32_t sign = bits >> 16 & HALF_SIGN, fraction = bits & 0x7fffff;
    int exponent = (int)(bits >> 23 & 0xff) - 127;
    int drop =
        exponent < -14 ? -1 - exponent : 13; /* bits a denormal half has not, or a normal one */

    if (exponent == -127 && fraction == 0) {
        *half = (uint16_t)sign;
        return true;
    }
    if (exponent < -24 || exponent > 15) {
        return false;
    }
    fraction |= 0x800000;
    if ((fraction & (((uint32_t)1 << drop) - 1)) != 0) {
        return false;
    }
    /* The hidden bit of a normal number raises the exponent by one. */
    *half = (uint16_t)(sign | ((exponent < -14 ? 0 : (uint32_t)(exponent + 14) << 10) +
                               (fraction >> drop)));
    return true;
}

static bool fits_single(double value)
{
    return fabs(value) <= (double)FLT_MAX && (double)(float)value == value;
}

/* Bytes of the shortest float that is exactly value. */
static size_t float_length(double value)
{
    uint16_t half;

    if (isnan(value) || isinf(value)) {
        return 3;
    }
    if (!fits_single(value)) {
        return 9;
    }
    return half_bits((float)value, &half) ? 3 : 5;
}

static void put_half(struct writer *writer, double value)
{
    uint16_t half = HALF_NAN;

    if (isinf(value)) {
        half = value < 0 ? HALF_INFINITY | HALF_SIGN : HALF_INFINITY;
    } else if (!isnan(value)) {
        half_bits((float)value, &half);
    }
    put_wide_head(writer, CBOR_OTHER, CBOR_HALF, half, 3);
}

static void put_float(struct writer *writer, double value)
{
    size_t length = float_length(value);
    float single;
    uint32_t single_bits;
    uint64_t bits;

    if (length == 3) {
        put_half(writer, value);
    } else if (length == 5) {
        single = (float)value;
        memcpy(&single_bits, &single, sizeof(single_bits));
        put_wide_head(writer, CBOR_OTHER, CBOR_SINGLE, single_bits, length);
    } else {
        memcpy(&bits, &value, sizeof(bits));
        put_wide_head(writer, CBOR_OTHER, CBOR_DOUBLE, bits, length);
    }
}

static void put_number(struct writer *writer, double value)
{
    bool in_range = fabs(value) < 0x1p63 && !(value == 0 && signbit(value));
    int64_t whole = in_range ? (int64_t)value : 0;

    if (in_range && (double)whole == value &&
        head_length((uint64_t)(whole < 0 ? -1 - whole : whole)) <= float_length(value)) {
        put_integer(writer, whole);
    } else {
        put_float(writer, value);
    }
}

/* Whole seconds as an integer, others as a decimal fraction. */
static void put_time(struct writer *writer, int64_t nanos)
{
    int64_t exponent = -9;

    while (exponent < 0 && nanos % 10 == 0) {
        nanos /= 10;
        exponent++;
    }
    if (exponent == 0) {
        put_integer(writer, nanos);
        return;
    }
    put_head(writer, CBOR_TAG, CBOR_TAG_FRACTION);
    put_head(writer, CBOR_ARRAY, 2);
    put_integer(writer, exponent);
    put_integer(writer, nanos);
}

static void put_value(struct writer *writer, const struct senml_field *field)
{
    switch (field->want) {
    case SENML_WANT_NUMBER:
        put_number(writer, field->number);
        break;
    case SENML_WANT_INTEGER:
        put_head(writer, CBOR_UNSIGNED, field->integer);
        break;
    case SENML_WANT_TIME:
        put_time(writer, field->time_ns);
        break;
    case SENML_WANT_TEXT:
        put_words(writer, CBOR_TEXT, field->text);
        break;
    case SENML_WANT_DATA:
        put_words(writer, CBOR_BYTES, field->text);
        break;
    case SENML_WANT_BOOLEAN:
        put_head(writer, CBOR_OTHER, field->boolean ? CBOR_TRUE : CBOR_FALSE);
        break;
    case SENML_WANT_ANYTHING:
        break;
    }
}

/* RFC 8428 section 6; labels of ours have no integer and are written as text. */
static void put_label(struct writer *writer, const struct senml_field *field)
{
    for (int64_t number = -6; number <= 8; number++) {
        if (senml_label_of_integer(number) == field->label) {
            put_integer(writer, number);
            return;
        }
    }
    put_words(writer, CBOR_TEXT, phusa_text_of(field->name));
}

static void put_record(struct writer *writer, const struct phusa_report *report, size_t index)
{
    enum senml_label labels[SENML_FIELDS_MAX];
    size_t count = senml_record_labels(report, index, labels);

    put_head(writer, CBOR_MAP, count);
    for (size_t i = 0; i < count; i++) {
        struct senml_field field;

        senml_field_of(report, index, labels[i], &field);
        put_label(writer, &field);
        put_value(writer, &field);
    }
}

enum phusa_status phusa_senml_encode_cbor(const struct phusa_report *report, uint8_t *buffer,
                                          size_t capacity, size_t *length)
{
    struct writer writer = { .buffer = (char *)buffer, .capacity = capacity };
    enum phusa_status status = senml_check(report, false);

    *length = 0;
    if (status != PHUSA_OK) {
        return status;
    }
    put_head(&writer, CBOR_ARRAY, senml_record_count(report));
    for (size_t i = 0; i < senml_record_count(report); i++) {
        put_record(&writer, report, i);
    }
    if (writer.full) {
        return PHUSA_ERR_SPACE;
    }
    if (writer.used > PHUSA_REPORT_BYTES_MAX) {
        return PHUSA_ERR_OVERSIZED;
    }
    *length = writer.used;
    return PHUSA_OK;
}
