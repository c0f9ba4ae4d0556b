/*
 * SenML in CBOR (RFC 8428 section 6), read in one pass: an array of maps, either of
 * definite or indefinite length, with labels as integers or as text.
 */
#include <math.h>

#include "shared/cbor.h"
#include "shared/senml_pack.h"

#define MICROS_IN_S       1e6
#define NANOS_IN_MICRO    1000
#define FLOAT_SECONDS_MAX 9223372036.0 /* what fits in 64 bits of nanoseconds */

struct reader {
    struct cbor cbor;
    struct senml_pack pack;
};

/* A mistake that the pack has noted happened at cbor.at. Always false. */
static bool pack_failed(struct reader *reader)
{
    return cbor_fail(&reader->cbor, reader->pack.status, reader->pack.what);
}

/* The item is not of the type its label wants: checks that it is well-formed first. */
static bool wrong_type(struct reader *reader, const struct cbor_head *head, enum senml_label label)
{
    if (!cbor_skip(&reader->cbor, head)) {
        return false;
    }
    senml_wrong_type(&reader->pack, label);
    return pack_failed(reader);
}

/* A string into the scratch space if it comes in chunks, to be kept there or not. */
static bool read_string(struct reader *reader, const struct cbor_head *head,
                        struct phusa_text *text, bool *copied)
{
    size_t capacity;
    char *space = senml_free_space(&reader->pack, &capacity);

    if (cbor_read_string(&reader->cbor, head, space, capacity, text, copied)) {
        return true;
    }
    if (reader->cbor.status != PHUSA_ERR_SPACE) {
        return false;
    }
    senml_no_space(&reader->pack);
    return pack_failed(reader);
}

static bool read_text(struct reader *reader, const struct cbor_head *head, enum senml_label label)
{
    uint8_t wanted = senml_want_of(label) == SENML_WANT_DATA ? CBOR_BYTES : CBOR_TEXT;
    struct phusa_text text;
    bool copied;

    if (head->major != wanted) {
        return wrong_type(reader, head, label);
    }
    if (!read_string(reader, head, &text, &copied)) {
        return false;
    }
    if (copied) {
        text = senml_keep(&reader->pack, text.length);
    }
    return senml_put_text(&reader->pack, label, text) || pack_failed(reader);
}

/* A float has no more than microseconds of a present time to give: rounded to them, 0.1 is 0.1. */
static struct senml_time time_of_float(double seconds)
{
    if (!(fabs(seconds) < FLOAT_SECONDS_MAX)) {
        return (struct senml_time){ 0, false };
    }

    double micros = seconds * MICROS_IN_S;

    return (struct senml_time){ (int64_t)(micros + (micros < 0 ? -0.5 : 0.5)) * NANOS_IN_MICRO,
                                true };
}

static struct senml_time time_of(const struct cbor_number *number)
{
    struct senml_time time = { 0, true };

    if (!number->exact) {
        return time_of_float(number->value);
    }
    time.valid = phusa_decimal_to_nanos(&number->decimal, &time.ns);
    return time;
}

/* The number as an integer; false if it is not whole, negative or too large. */
static bool integer_of(const struct cbor_number *number, uint64_t *value)
{
    if (number->exact) {
        return phusa_decimal_to_uint(&number->decimal, value);
    }
    if (!(number->value >= 0 && number->value < 0x1p64)) {
        return false;
    }
    *value = (uint64_t)number->value;
    return (double)*value == number->value;
}

static bool read_number(struct reader *reader, const struct cbor_head *head, enum senml_label label,
                        enum senml_want want)
{
    struct cbor item = reader->cbor;
    struct cbor_number number;
    uint64_t value = 0;

    if (!cbor_read_number(&reader->cbor, head, &number)) {
        reader->cbor = item; /* back to the item, to see whether it is well-formed */
        return wrong_type(reader, head, label);
    }
    if (want == SENML_WANT_TIME) {
        senml_put_time(&reader->pack, label, time_of(&number));
        return true;
    }
    if (want == SENML_WANT_INTEGER) {
        bool fits = integer_of(&number, &value);

        return senml_put_integer(&reader->pack, label, fits, value) || pack_failed(reader);
    }
    return senml_put_number(&reader->pack, label, cbor_double(&number)) || pack_failed(reader);
}

static bool read_boolean(struct reader *reader, const struct cbor_head *head,
                         enum senml_label label)
{
    if (head->major != CBOR_OTHER || (head->info != CBOR_TRUE && head->info != CBOR_FALSE)) {
        return wrong_type(reader, head, label);
    }
    senml_put_boolean(&reader->pack, head->info == CBOR_TRUE);
    return true;
}

static bool read_value(struct reader *reader, enum senml_label label)
{
    enum senml_want want = senml_want_of(label);
    struct cbor_head head;

    if (!cbor_read_head(&reader->cbor, &head)) {
        return false;
    }
    switch (want) {
    case SENML_WANT_NUMBER:
    case SENML_WANT_INTEGER:
    case SENML_WANT_TIME:
        return read_number(reader, &head, label, want);
    case SENML_WANT_TEXT:
    case SENML_WANT_DATA:
        return read_text(reader, &head, label);
    case SENML_WANT_BOOLEAN:
        return read_boolean(reader, &head, label);
    case SENML_WANT_ANYTHING:
        break;
    }
    return cbor_skip(&reader->cbor, &head);
}

static enum senml_label integer_label(const struct cbor_head *head)
{
    if (head->argument > INT32_MAX) {
        return SENML_UNKNOWN;
    }
    if (head->major == CBOR_NEGATIVE) {
        return senml_label_of_integer(-1 - (int64_t)head->argument);
    }
    return senml_label_of_integer((int64_t)head->argument);
}

/* A label: an integer or a text. Integers that we do not know are never "must understand". */
static bool read_label(struct reader *reader, enum senml_label *label)
{
    struct phusa_text key = { "", 0 };
    struct cbor_head head;
    bool copied;

    if (!cbor_read_head(&reader->cbor, &head)) {
        return false;
    }
    if (head.major <= CBOR_NEGATIVE) {
        *label = integer_label(&head);
    } else if (head.major == CBOR_TEXT) {
        if (!read_string(reader, &head, &key, &copied)) {
            return false;
        }
        *label = senml_label_of(key);
    } else {
        return cbor_fail(&reader->cbor, PHUSA_ERR_SYNTAX, "a label is an integer or a text");
    }
    return senml_label_begin(&reader->pack, key, label) || pack_failed(reader);
}

static bool read_record(struct reader *reader)
{
    struct cbor_head map;
    enum senml_label label = SENML_UNKNOWN;

    if (!cbor_read_head(&reader->cbor, &map)) {
        return false;
    }
    if (map.major != CBOR_MAP) {
        return cbor_fail(&reader->cbor, PHUSA_ERR_SYNTAX, "a record is a map");
    }
    if (!senml_record_begin(&reader->pack)) {
        return pack_failed(reader);
    }
    for (uint64_t left = map.argument; cbor_more(&reader->cbor, &map, &left);) {
        if (!read_label(reader, &label) || !read_value(reader, label)) {
            return false;
        }
    }
    return senml_record_end(&reader->pack) || pack_failed(reader);
}

static bool read_pack(struct reader *reader)
{
    struct cbor *cbor = &reader->cbor;
    struct cbor_head array;

    if (!cbor_read_head(cbor, &array)) {
        return false;
    }
    if (array.major != CBOR_ARRAY) {
        return cbor_fail(cbor, PHUSA_ERR_SYNTAX, "a pack is an array");
    }
    for (uint64_t left = array.argument; cbor_more(cbor, &array, &left);) {
        if (!read_record(reader)) {
            return false;
        }
    }
    if (!senml_pack_end(&reader->pack)) {
        return pack_failed(reader);
    }
    return cbor->at == cbor->end || cbor_fail(cbor, PHUSA_ERR_SYNTAX, "something follows the pack");
}

enum phusa_status phusa_senml_decode_cbor(const uint8_t *payload, size_t length, int64_t now_ns,
                                          struct phusa_report *report,
                                          struct phusa_senml_scratch *scratch,
                                          struct phusa_senml_error *error)
{
    bool oversized = length > PHUSA_REPORT_BYTES_MAX;
    struct reader reader;

    senml_pack_begin(&reader.pack, report, scratch, now_ns);
    cbor_init(&reader.cbor, payload, oversized ? PHUSA_REPORT_BYTES_MAX : length);
    read_pack(&reader);
    if (oversized) { /* read as far as allowed, for log and seq */
        return senml_conclude(report, PHUSA_ERR_OVERSIZED, "more than 65536 bytes",
                              PHUSA_REPORT_BYTES_MAX, error);
    }
    return senml_conclude(report, reader.cbor.status, reader.cbor.what,
                          (size_t)(reader.cbor.at - reader.cbor.start), error);
}
