/* SenML: what is read, what is refused and why, and that what is written reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "draws.h"
#include "phusa/senml.h"

#define NOW_NS ((int64_t)1700000000 * 1000000000)

/* One decode and all that it needs. The payload is copied to a buffer of exactly its size. */
struct decoded {
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_report report;
    struct phusa_senml_scratch scratch;
    struct phusa_senml_error error;
    enum phusa_status status;
    char *payload;
};

static struct decoded decoded;

static enum phusa_status decode_at(const void *payload, size_t length, int64_t now_ns)
{
    free(decoded.payload);
    decoded.payload = malloc(length + (length == 0));
    memcpy(decoded.payload, payload, length);
    decoded.report = (struct phusa_report){ .readings = decoded.readings,
                                            .capacity = PHUSA_REPORT_READINGS_MAX };
    decoded.status = phusa_senml_decode(decoded.payload, length, now_ns, &decoded.report,
                                        &decoded.scratch, &decoded.error);
    assert_true(decoded.error.offset <= length);
    assert_non_null(decoded.error.what);
    if (decoded.status != PHUSA_OK) {
        assert_int_equal(decoded.report.count, 0);
    }
    return decoded.status;
}

static enum phusa_status decode(const char *json)
{
    return decode_at(json, strlen(json), NOW_NS);
}

static int release(void **state)
{
    (void)state;
    free(decoded.payload);
    decoded.payload = NULL;
    return 0;
}

static void assert_text(struct phusa_text found, const char *expected)
{
    assert_int_equal(found.length, strlen(expected));
    if (found.length > 0) {
        assert_memory_equal(found.data, expected, found.length);
    }
}

static void reads_a_report_of_ours(void **state)
{
    (void)state;
    const struct phusa_reading *reading = decoded.readings;

    assert_int_equal(decode(" [ {\"bn\":\"s1:\",\"bt\":1700000000.25,\"log\":\"5F3a09c1\",\"seq\":"
                            "12,\"n\":\"temp\",\"u\":\"Cel\",\"v\":27.35},\n{\"n\":\"ph\",\"v\":7,"
                            "\"t\":-0.5,\"st\":1},{\"n\":\"open\",\"vb\":true,\"s\":2.5}] \r\n"),
                     PHUSA_OK);
    assert_int_equal(decoded.report.count, 3);
    assert_true(decoded.report.has_log && decoded.report.log == 0x5f3a09c1);
    assert_true(decoded.report.has_seq && decoded.report.seq == 12);
    assert_false(decoded.report.has_boot || decoded.report.has_up);
    assert_text(reading[0].base_name, "s1:");
    assert_text(reading[0].name, "temp");
    assert_text(reading[0].unit, "Cel");
    assert_int_equal(reading[0].kind, PHUSA_VALUE_NUMBER);
    assert_true(reading[0].value == 27.35 && reading[0].time_valid && !reading[0].has_sum);
    assert_true(reading[0].time_ns == 1700000000250000000);
    assert_text(reading[1].base_name, "s1:");
    assert_text(reading[1].unit, "");
    assert_true(reading[1].time_ns == 1699999999750000000);
    assert_int_equal(reading[1].device_state, PHUSA_DEVICE_CALIBRATING);
    assert_int_equal(reading[2].kind, PHUSA_VALUE_BOOLEAN);
    assert_true(reading[2].value == 1 && reading[2].has_sum && reading[2].sum == 2.5);
    assert_int_equal(reading[2].device_state, PHUSA_DEVICE_MEASURING);
}

static void base_fields_hold_from_their_record_on(void **state)
{
    (void)state;
    const struct phusa_reading *reading = decoded.readings;

    assert_int_equal(
        decode("[{\"n\":\"a\",\"v\":1},{\"v\":2,\"s\":3,\"bn\":\"x/\",\"bu\":\"m\",\"bv\":"
               "10,\"bs\":20,\"bt\":1000000000},{\"vs\":\"w\",\"u\":\"V\"},{\"bn\":"
               "\"y/\"},{\"s\":0,\"n\":\"b\"}]"),
        PHUSA_OK);
    assert_int_equal(decoded.report.count, 4);
    assert_text(reading[0].base_name, "");
    assert_true(reading[0].value == 1 && reading[0].time_ns == NOW_NS);
    assert_text(reading[1].base_name, "x/");
    assert_text(reading[1].unit, "m");
    assert_true(reading[1].value == 12 && reading[1].sum == 23);
    assert_true(reading[1].time_ns == (int64_t)1000000000 * 1000000000);
    assert_int_equal(reading[2].kind, PHUSA_VALUE_STRING);
    assert_text(reading[2].string, "w");
    assert_text(reading[2].unit, "V");
    assert_false(reading[2].has_sum);
    assert_int_equal(reading[3].kind, PHUSA_VALUE_NONE);
    assert_text(reading[3].base_name, "y/");
    assert_true(reading[3].has_sum && reading[3].sum == 20);
}

static void times_are_relative_below_2_to_28(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        bool valid;
        int64_t ns;
    } cases[] = {
        { "\"t\":0", true, NOW_NS },
        { "\"t\":-0.000000001", true, NOW_NS - 1 },
        { "\"t\":268435455", true, NOW_NS + (int64_t)268435455 * 1000000000 },
        { "\"t\":268435456", true, (int64_t)268435456 * 1000000000 },
        { "\"bt\":268435450,\"t\":6", true, (int64_t)268435456 * 1000000000 },
        { "\"bt\":1700000000,\"t\":-1700000010", true, NOW_NS - (int64_t)10 * 1000000000 },
        { "\"t\":1.7e9", true, NOW_NS },
        { "\"t\":1e300", false, 0 },
        { "\"t\":-1e300", false, 0 },
        { "\"bt\":9223372036,\"t\":9223372036", false, 0 },
        { "\"t\":9223372036.854775807", true, INT64_MAX },
        { "\"ut\":5", true, NOW_NS },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char json[128];

        snprintf(json, sizeof(json), "[{\"n\":\"a\",\"v\":1,%s}]", cases[i].fields);
        print_message("%s\n", json);
        assert_int_equal(decode(json), PHUSA_OK);
        assert_int_equal(decoded.readings[0].time_valid, cases[i].valid);
        assert_true(decoded.readings[0].time_ns == cases[i].ns);
    }
}

static const struct {
    const char *json;
    enum phusa_status status;
} judged[] = {
    { "[{}]", PHUSA_OK },
    { "[{\"bver\":5,\"n\":\"a\",\"v\":1}]", PHUSA_OK },
    { "[{\"bver\":10,\"n\":\"a\",\"v\":1}]", PHUSA_OK },
    { "[{\"bver\":11,\"n\":\"a\",\"v\":1}]", PHUSA_ERR_VERSION },
    { "[{\"bver\":0}]", PHUSA_ERR_RANGE },
    { "[{\"bver\":-1}]", PHUSA_ERR_RANGE },
    { "[{\"bver\":1.5}]", PHUSA_ERR_RANGE },
    { "[{\"bver\":\"5\"}]", PHUSA_ERR_TYPE },
    { "[{\"odd\":[1,{\"x\":[]}],\"v\":1}]", PHUSA_OK },
    { "[{\"odd\":[1,{\"x\":[}],\"v\":1}]", PHUSA_ERR_SYNTAX },
    { "[{\"odd\":[1", PHUSA_ERR_TRUNCATED },
    { "[{\"odd_\":1,\"v\":1}]", PHUSA_ERR_LABEL },
    { "[{\"odd\\u005f\":1,\"v\":1}]", PHUSA_ERR_LABEL },
    { "[{\"\\u0076\":\"x\"}]", PHUSA_ERR_TYPE },
    { "[{\"v\":1},{\"log\":17,\"seq\":\"x\",\"up\":null,\"boot\":{}}]", PHUSA_OK },
    { "[{\"v\":1,\"v\":1}]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":1,\"vs\":\"x\"}]", PHUSA_ERR_SYNTAX },
    { "[{\"n\":\"a\",\"n\":\"a\"}]", PHUSA_ERR_SYNTAX },
    { "[{\"n\":1}]", PHUSA_ERR_TYPE },
    { "[{\"n\":null}]", PHUSA_ERR_TYPE },
    { "[{\"v\":\"1\"}]", PHUSA_ERR_TYPE },
    { "[{\"v\":NaN}]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":nul", PHUSA_ERR_TRUNCATED },
    { "[{\"v\":true}]", PHUSA_ERR_TYPE },
    { "[{\"v\":[1]}]", PHUSA_ERR_TYPE },
    { "[{\"vb\":1}]", PHUSA_ERR_TYPE },
    { "[{\"vb\":truth}]", PHUSA_ERR_SYNTAX },
    { "[{\"vd\":1}]", PHUSA_ERR_TYPE },
    { "[{\"bt\":\"now\"}]", PHUSA_ERR_TYPE },
    { "[{\"st\":0},{\"st\":2}]", PHUSA_OK },
    { "[{\"st\":3}]", PHUSA_ERR_RANGE },
    { "[{\"st\":-1}]", PHUSA_ERR_RANGE },
    { "[{\"st\":0.5}]", PHUSA_ERR_RANGE },
    { "[{\"log\":\"5f3a09c\"}]", PHUSA_ERR_RANGE },
    { "[{\"log\":\"5f3a09cx\"}]", PHUSA_ERR_RANGE },
    { "[{\"log\":1}]", PHUSA_ERR_TYPE },
    { "[{\"seq\":0}]", PHUSA_ERR_RANGE },
    { "[{\"seq\":9007199254740991}]", PHUSA_OK },
    { "[{\"seq\":9007199254740992}]", PHUSA_ERR_RANGE },
    { "[{\"seq\":1.5}]", PHUSA_ERR_RANGE },
    { "[{\"boot\":4294967296}]", PHUSA_ERR_RANGE },
    { "[{\"up\":-1}]", PHUSA_ERR_RANGE },
    { "[{\"up\":1e999}]", PHUSA_ERR_RANGE },
    { "", PHUSA_ERR_TRUNCATED },
    { " \n", PHUSA_ERR_TRUNCATED },
    { "[", PHUSA_ERR_TRUNCATED },
    { "[{\"v\":1}", PHUSA_ERR_TRUNCATED },
    { "[{\"v\":1},", PHUSA_ERR_TRUNCATED },
    { "[{\"v\":1.", PHUSA_ERR_TRUNCATED },
    { "[{\"v\"", PHUSA_ERR_TRUNCATED },
    { "[]", PHUSA_ERR_SYNTAX },
    { "{}", PHUSA_ERR_SYNTAX },
    { "hello", PHUSA_ERR_SYNTAX },
    { "\x01", PHUSA_ERR_SYNTAX },
    { "[1]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":1},]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":1,}]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":01}]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":1}]]", PHUSA_ERR_SYNTAX },
    { "[{\"v\":1}] x", PHUSA_ERR_SYNTAX },
    { "[{\"n\":\"\xff\"}]", PHUSA_ERR_SYNTAX },
    { "[{\"n\":\"a\nb\"}]", PHUSA_ERR_SYNTAX },
};

static void judges_each_mistake_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
        print_message("%s\n", judged[i].json);
        assert_int_equal(decode(judged[i].json), judged[i].status);
    }
}

static void says_where_and_what(void **state)
{
    (void)state;
    assert_int_equal(decode("[{\"n\":\"a\",\"v\":\"1\"}]"), PHUSA_ERR_TYPE);
    assert_int_equal(decoded.error.offset, 14);
    assert_string_equal(decoded.error.what, "label 'v' wants a number");
    assert_int_equal(phusa_senml_decode("[", 1, 0, &decoded.report, &decoded.scratch, NULL),
                     PHUSA_ERR_TRUNCATED);
}

static void keeps_the_identity_of_what_it_refuses(void **state)
{
    (void)state;
    static const char head[] = "[{\"log\":\"5f3a09c1\",\"seq\":7,\"n\":\"a\",\"v\":1";
    static char big[PHUSA_REPORT_BYTES_MAX + 1];

    assert_int_equal(decode(head), PHUSA_ERR_TRUNCATED);
    assert_true(decoded.report.has_log && decoded.report.log == 0x5f3a09c1);
    assert_true(decoded.report.has_seq && decoded.report.seq == 7);
    assert_int_equal(decode("[{\"seq\":7,\"v\":\"x\"}]"), PHUSA_ERR_TYPE);
    assert_true(decoded.report.has_seq && !decoded.report.has_log);
    assert_int_equal(decode("[{\"v\":\"x\",\"seq\":7}]"), PHUSA_ERR_TYPE);
    assert_false(decoded.report.has_seq);

    memset(big, ' ', sizeof(big));
    memcpy(big, head, sizeof(head) - 1);
    memcpy(big + sizeof(big) - 2, "}]", 2);
    assert_int_equal(decode_at(big, sizeof(big), NOW_NS), PHUSA_ERR_OVERSIZED);
    assert_true(decoded.report.has_log && decoded.report.has_seq);
    memcpy(big + sizeof(big) - 3, "}]", 2);
    assert_int_equal(decode_at(big, sizeof(big) - 1, NOW_NS), PHUSA_OK);
}

#define NUMBERS "\"log\":\"5f3a09c1\",\"seq\":17,"

static void tells_numbered_reports_by_their_first_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool numbered;
    } cases[] = {
        { "[{\"bn\":\"s1:\",\"bt\":1700000000.25," NUMBERS "\"n\":\"temp\",\"v\":1}]", true },
        { " [\r\n{" NUMBERS "\"n\":\"temp\",\"v\":1}]", true },
        { "[{\"seq\":1,\"log\":\"5F3A09C1\",\"n\":\"temp\",\"v\":1}]", true },
        { "[{\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"seq\":17,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"n\":\"temp\",\"v\":1},{" NUMBERS "\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"x\":{" NUMBERS "\"y\":1},\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"x\":[{" NUMBERS "\"y\":1}],\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"vs\":\"{\\\"log\\\":\\\"5f3a09c1\\\",\\\"seq\\\":17,\",\"n\":\"temp\"}]", false },
        { "[{\"\\\"log\":\"5f3a09c1\",\"\\\"seq\":17,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c\",\"seq\":17,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1a\",\"seq\":17,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09g1\",\"seq\":17,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":0,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":-1,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":1.5,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":1e3,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":1234567890123456,\"n\":\"temp\",\"v\":1}]", false },
        { "[{\"log\":\"5f3a09c1\",\"seq\":\"17\",\"n\":\"temp\",\"v\":1}]", false },
        { "{" NUMBERS "\"n\":\"temp\",\"v\":1}", false },
        { "\x81\xa3{" NUMBERS, false },
        { "[", false },
        { "", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)decode(cases[i].json); /* a copy of exactly its size */
        struct phusa_text payload = { decoded.payload, strlen(cases[i].json) };
        if (phusa_senml_is_numbered(payload) != cases[i].numbered) {
            fail_msg("%s", cases[i].json);
        }
        assert_true(!cases[i].numbered || (decoded.report.has_log && decoded.report.has_seq));
    }
}

/* Packs like ours with a few bytes changed: what is taken for numbered, decodes as numbered. */
static void never_takes_another_report_for_numbered(void **state)
{
    (void)state;
    static const char pack[] =
        "[{\"x\":0 ," NUMBERS "\"y\":1 ,\"n\":\"a\",\"v\":1},{\"n\":\"b\",\"v\":2}]";
    static const char bytes[] = "\"\\{}[]:, 0179aefglogseqnv.-";
    struct draws draws = draws_begin();
    unsigned numbered = 0, read = 0;

    for (int i = 0; i < 200000; i++) {
        char changed[sizeof pack];
        memcpy(changed, pack, sizeof pack);
        size_t length = sizeof pack - 1;
        for (uint64_t k = draw_below(&draws, 5); k > 0; k--) {
            size_t at = (size_t)draw_below(&draws, length),
                   from = (size_t)draw_below(&draws, length);
            changed[at] = draw_below(&draws, 2) == 0 ? bytes[draw_below(&draws, sizeof bytes - 1)]
                                                     : changed[from];
        }
        bool taken = phusa_senml_is_numbered((struct phusa_text){ changed, length });
        bool good = decode_at(changed, length, NOW_NS) == PHUSA_OK;
        numbered += taken;
        read += taken && good;
        if (taken && good && !(decoded.report.has_log && decoded.report.has_seq)) {
            fail_msg("%.*s", (int)length, changed);
        }
    }
    assert_true(read > 1000 && numbered > read);
}

static void counts_records_and_readings(void **state)
{
    (void)state;
    char json[8 * 300] = "[";
    size_t used = 1;

    for (int i = 0; i < 256; i++) {
        used += (size_t)snprintf(json + used, sizeof(json) - used, "{\"v\":1},");
    }
    json[used - 1] = ']';
    assert_int_equal(decode(json), PHUSA_OK);
    assert_int_equal(decoded.report.count, 256);
    snprintf(json + used - 1, sizeof(json) - used, ",{}]");
    assert_int_equal(decode(json), PHUSA_ERR_TOO_MANY);

    struct phusa_report small = { .readings = decoded.readings, .capacity = 1 };

    assert_int_equal(phusa_senml_decode("[{},{\"v\":1}]", 12, 0, &small, &decoded.scratch, NULL),
                     PHUSA_OK);
    assert_int_equal(
        phusa_senml_decode("[{\"v\":1},{\"v\":1}]", 17, 0, &small, &decoded.scratch, NULL),
        PHUSA_ERR_TOO_MANY);
}

static void escaped_text_goes_to_scratch_while_it_lasts(void **state)
{
    (void)state;
    static char json[PHUSA_SENML_SCRATCH + 64];
    int used = snprintf(json, sizeof(json), "[{\"n\":\"\\u00e0\",\"vs\":\"\\n");

    memset(json + used, 'x', PHUSA_SENML_SCRATCH - 3);
    snprintf(json + used + PHUSA_SENML_SCRATCH - 3, 8, "\"}]");
    assert_int_equal(decode(json), PHUSA_OK);
    assert_text(decoded.readings[0].name, "à");
    assert_int_equal(decoded.readings[0].string.length, PHUSA_SENML_SCRATCH - 2);
    snprintf(json + used + PHUSA_SENML_SCRATCH - 3, 8, "y\"}]");
    assert_int_equal(decode(json), PHUSA_ERR_TOO_MANY);
}

/* Hexadecimal digits as bytes, blanks between them. */
static enum phusa_status decode_hex(const char *hex)
{
    uint8_t bytes[256];
    size_t length = 0;

    for (const char *at = hex; *at != '\0'; at++) {
        if (*at == ' ') {
            continue;
        }

        char pair[3] = { at[0], at[1], '\0' };

        assert_true(length < sizeof(bytes));
        bytes[length++] = (uint8_t)strtoul(pair, NULL, 16);
        at++;
    }
    return decode_at(bytes, length, NOW_NS);
}

static void reads_the_numbers_of_cbor(void **state)
{
    (void)state;
    static const struct {
        const char *hex; /* the value of label v */
        double value;
    } cases[] = {
        { "00", 0 },
        { "17", 23 },
        { "1818", 24 },
        { "1903e8", 1000 },
        { "1a000f4240", 1000000 },
        { "1bffffffffffffffff", 18446744073709551615.0 },
        { "20", -1 },
        { "3863", -100 },
        { "3bffffffffffffffff", -18446744073709551616.0 },
        { "f93e00", 1.5 },
        { "f97bff", 65504 },
        { "f90001", 5.960464477539063e-8 },
        { "f9c400", -4 },
        { "fa47c35000", 100000 },
        { "fb3ff199999999999a", 1.1 },
        { "f97c00", HUGE_VAL },
        { "fbfff0000000000000", -HUGE_VAL },
        { "c48221196ab3", 273.15 }, /* 4([-2, 27315]) */
        { "c4822120", -0.01 },
        { "c4820305", 5000 },
        { "c4823903e705", 0 },
        { "c4821903e705", HUGE_VAL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[64];

        snprintf(hex, sizeof(hex), "81 a1 02 %s", cases[i].hex);
        print_message("%s\n", hex);
        assert_int_equal(decode_hex(hex), PHUSA_OK);
        assert_int_equal(decoded.readings[0].kind, PHUSA_VALUE_NUMBER);
        assert_true(decoded.readings[0].value == cases[i].value);
    }
    assert_int_equal(decode_hex("81 a1 02 f97e00"), PHUSA_OK);
    assert_true(isnan(decoded.readings[0].value));
}

static void reads_the_times_of_cbor(void **state)
{
    (void)state;
    static const struct {
        const char *hex; /* the value of label t */
        bool valid;
        int64_t ns;
    } cases[] = {
        { "1a65539f00", true, (int64_t)1699979008 * 1000000000 },
        { "24", true, NOW_NS - (int64_t)5 * 1000000000 },
        { "fb41d303a15b001062", true, 1276020076001000000 }, /* rounded to microseconds */
        { "fb3fb999999999999a", true, NOW_NS + 100000000 },
        { "fa3dcccccd", true, NOW_NS + 100000000 },
        { "fabdcccccd", true, NOW_NS - 100000000 },
        { "c4822820", true, NOW_NS - 1 },
        { "f97e00", false, 0 },
        { "f97c00", false, 0 },
        { "fb7e37e43c8800759c", false, 0 },
        { "1bffffffffffffffff", false, 0 },
        { "3bffffffffffffffff", false, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[64];

        snprintf(hex, sizeof(hex), "81 a2 02 01 06 %s", cases[i].hex);
        print_message("%s\n", hex);
        assert_int_equal(decode_hex(hex), PHUSA_OK);
        assert_int_equal(decoded.readings[0].time_valid, cases[i].valid);
        assert_true(decoded.readings[0].time_ns == cases[i].ns);
    }
}

static void judges_each_mistake_in_cbor(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum phusa_status status;
    } cases[] = {
        { "9f bf 02 01 ff ff", PHUSA_OK },
        { "0a 81 a1 02 01", PHUSA_OK },                      /* white space before */
        { "81 a1 61 76 01", PHUSA_OK },                      /* "v": 1 */
        { "81 a1 7f 61 76 ff 01", PHUSA_OK },                /* (_ "v"): 1 */
        { "81 a2 02 01 18 63 82 01 a1 01 f6", PHUSA_OK },    /* 99: [1, {1: null}] */
        { "81 a2 02 01 38 63 5f 41 00 41 01 ff", PHUSA_OK }, /* -100: (_ h'00', h'01') */
        { "81 a2 02 01 61 78 c1 9f f6 f8ff ff", PHUSA_OK },  /* "x": 1([_ null, simple]) */
        { "81 a2 02 01 61 78 bf 01 ff", PHUSA_ERR_SYNTAX },  /* a key without value */
        { "81 a1 08 41 ff", PHUSA_OK },                      /* vd: h'ff' */
        { "81 a1 08 61 61", PHUSA_ERR_TYPE },                /* vd: "a" */
        { "81 a1 62 785f 01", PHUSA_ERR_LABEL },             /* "x_" */
        { "81 a1 20 0b", PHUSA_ERR_VERSION },
        { "81 a1 20 00", PHUSA_ERR_RANGE },
        { "81 a1 20 f94900", PHUSA_OK }, /* bver 10.0 */
        { "81 a1 02 61 31", PHUSA_ERR_TYPE },
        { "81 a1 02 f6", PHUSA_ERR_TYPE },
        { "81 a1 02 c2 41 01", PHUSA_ERR_TYPE }, /* a bignum */
        { "81 a1 02 c4 82 01 c2 41 01", PHUSA_ERR_TYPE },
        { "81 a1 02 c4 81 01", PHUSA_ERR_TYPE },
        { "81 a1 02 c4 82 01", PHUSA_ERR_TRUNCATED },
        { "81 a1 04 01", PHUSA_ERR_TYPE },
        { "81 a1 00 41 61", PHUSA_ERR_TYPE },     /* n: h'61' */
        { "81 a1 00 62 c328", PHUSA_ERR_SYNTAX }, /* not UTF-8 */
        { "81 a1 61 c3 01", PHUSA_ERR_SYNTAX },
        { "81 a1 00 7f 61 61 41 62 ff", PHUSA_ERR_SYNTAX }, /* a chunk of another type */
        { "81 a2 02 01 02 01", PHUSA_ERR_SYNTAX },          /* twice */
        { "81 a2 02 01 61 76 01", PHUSA_ERR_SYNTAX },
        { "81 a2 02 01 03 61 61", PHUSA_ERR_SYNTAX }, /* two values */
        { "80", PHUSA_ERR_SYNTAX },
        { "9f ff", PHUSA_ERR_SYNTAX },
        { "81", PHUSA_ERR_TRUNCATED },
        { "82 a1 02 01", PHUSA_ERR_TRUNCATED },
        { "9f a1 02 01", PHUSA_ERR_TRUNCATED },
        { "81 a1 02", PHUSA_ERR_TRUNCATED },
        { "81 a1 02 fb 00", PHUSA_ERR_TRUNCATED },
        { "81 a1 00 65 61", PHUSA_ERR_TRUNCATED },
        { "81 a1 00 7b ffffffffffffffff 61", PHUSA_ERR_TRUNCATED },
        { "81 a2 02 01 61 78 9b ffffffffffffffff", PHUSA_ERR_TRUNCATED },
        { "9b ffffffffffffffff a1 02 01", PHUSA_ERR_TRUNCATED },
        { "81 01", PHUSA_ERR_SYNTAX },
        { "81 a1 f6 01", PHUSA_ERR_SYNTAX },    /* label null */
        { "81 a1 02 1c", PHUSA_ERR_SYNTAX },    /* reserved */
        { "81 a1 02 f81f", PHUSA_ERR_SYNTAX },  /* simple value in a wrong form */
        { "81 a1 02 ff", PHUSA_ERR_SYNTAX },    /* break without a beginning */
        { "81 a1 02 01 00", PHUSA_ERR_SYNTAX }, /* something follows */
        { "9e", PHUSA_ERR_SYNTAX },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].hex);
        assert_int_equal(decode_hex(cases[i].hex), cases[i].status);
    }
}

static void deep_cbor_is_refused_without_recursion(void **state)
{
    (void)state;
    static uint8_t bytes[60000];

    memset(bytes, 0x81, sizeof(bytes));
    memcpy(bytes, "\x81\xa1\x61x", 4);
    assert_int_equal(decode_at(bytes, sizeof(bytes), NOW_NS), PHUSA_ERR_SYNTAX);
    assert_int_equal(decoded.error.offset, 4 + 65);
    memset(bytes + 4, 0xc1, sizeof(bytes) - 4);
    assert_int_equal(decode_at(bytes, sizeof(bytes), NOW_NS), PHUSA_ERR_SYNTAX);
}

/* --- writing --- */

static struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];

static void encodes_as_documented(void **state)
{
    (void)state;
    char json[512];
    uint8_t cbor[256];
    size_t length;

    readings[0] = (struct phusa_reading){ .base_name = { "s1:", 3 },
                                          .name = { "temp", 4 },
                                          .unit = { "Cel", 3 },
                                          .time_ns = 1700000000250000000,
                                          .value = 27.5,
                                          .time_valid = true,
                                          .kind = PHUSA_VALUE_NUMBER };
    readings[1] = readings[0];
    readings[1].name = PHUSA_TEXT("a\"b");
    readings[1].time_ns -= 250000000;
    readings[1].device_state = PHUSA_DEVICE_FAULT;

    struct phusa_report report = {
        .readings = readings, .count = 2, .has_log = true, .log = 0xc1, .has_seq = true, .seq = 12
    };

    assert_int_equal(phusa_senml_encode_json(&report, json, sizeof(json), &length), PHUSA_OK);
    json[length] = '\0';
    assert_string_equal(json,
                        "[{\"bn\":\"s1:\",\"bt\":1700000000.25,\"log\":\"000000c1\",\"seq\":12,"
                        "\"n\":\"temp\",\"u\":\"Cel\",\"v\":27.5},{\"n\":\"a\\\"b\",\"u\":\"Cel\","
                        "\"v\":27.5,\"t\":-0.25,\"st\":2}]");
    for (size_t capacity = 0; capacity < length; capacity++) {
        assert_int_equal(phusa_senml_encode_json(&report, json, capacity, &length),
                         PHUSA_ERR_SPACE);
    }

    report.count = 1;
    assert_int_equal(phusa_senml_encode_cbor(&report, cbor, sizeof(cbor), &length), PHUSA_OK);
    static const uint8_t expected[] =
        "\x81\xa7\x21\x63s1:\x22\xc4\x82\x21\x1b\x00\x00\x00\x27\x94\xca\x24\x19"
        "\x63log\x68"
        "000000c1\x63seq\x0c\x00\x64temp\x01\x63\x43\x65l\x02\xf9\x4e\xe0";
    assert_int_equal(length, sizeof(expected) - 1);
    assert_memory_equal(cbor, expected, length);
    report.count = 2;
    assert_int_equal(phusa_senml_encode_cbor(&report, cbor, sizeof(cbor), &length), PHUSA_OK);
    for (size_t capacity = length; capacity-- > 0;) {
        assert_int_equal(phusa_senml_encode_cbor(&report, cbor, capacity, &length),
                         PHUSA_ERR_SPACE);
    }
}

static void refuses_to_write_what_would_not_read_back(void **state)
{
    (void)state;
    const struct phusa_reading good = {
        .time_ns = NOW_NS, .value = 1, .time_valid = true, .kind = PHUSA_VALUE_NUMBER
    };
    struct phusa_report report = { .readings = readings, .count = 1 };
    char buffer[256];
    size_t length;

#define REFUSED(status, ...)                                                                       \
    do {                                                                                           \
        readings[0] = good;                                                                        \
        __VA_ARGS__;                                                                               \
        assert_int_equal(phusa_senml_encode_json(&report, buffer, sizeof(buffer), &length),        \
                         status);                                                                  \
        assert_int_equal(length == 0, (status) != PHUSA_OK);                                       \
    } while (0)
    REFUSED(PHUSA_OK, (void)0);
    REFUSED(PHUSA_ERR_RANGE, readings[0].value = (double)NAN);
    REFUSED(PHUSA_ERR_RANGE, readings[0].value = HUGE_VAL);
    REFUSED(PHUSA_ERR_RANGE, readings[0].has_sum = true; readings[0].sum = (double)NAN);
    REFUSED(PHUSA_ERR_RANGE, readings[0].kind = PHUSA_VALUE_NONE);
    REFUSED(PHUSA_ERR_RANGE, readings[0].time_valid = false);
    REFUSED(PHUSA_ERR_RANGE, readings[0].time_ns = 5);
    REFUSED(PHUSA_ERR_RANGE, readings[0].name = PHUSA_TEXT("\xff"));
    REFUSED(PHUSA_ERR_RANGE, readings[0].device_state = 3);
    REFUSED(PHUSA_ERR_RANGE, report.has_seq = true; report.seq = 0);
    REFUSED(PHUSA_OK, report.seq = 1);
    REFUSED(PHUSA_ERR_RANGE, report.has_up = true);
    REFUSED(PHUSA_OK, readings[0].time_ns = -5);
    REFUSED(PHUSA_ERR_RANGE, readings[0].time_ns = 0; report.up = -1);
    REFUSED(PHUSA_ERR_TOO_MANY, report.count = 257);
#undef REFUSED
}

static struct phusa_text draw_text(struct draws *draws, char buffer[32])
{
    static const char *const pieces[] = { "temp", ":",  "ạ",
                                          "\"",   "\\", "\n",
                                          "x",    "",   "\xf0\x9f\x8c\x8a" };
    struct phusa_text text = { buffer, 0 };

    for (size_t i = draw_below(draws, 5); i > 0; i--) {
        const char *piece = pieces[draw_below(draws, sizeof(pieces) / sizeof(pieces[0]))];

        memcpy(buffer + text.length, piece, strlen(piece));
        text.length += strlen(piece);
    }
    return text;
}

static double draw_value(struct draws *draws)
{
    switch (draw_below(draws, 5)) {
    case 0:
        return draw_double(draws);
    case 1:
        return (double)(float)ldexp((double)draw_below(draws, 4096),
                                    (int)draw_below(draws, 40) - 30);
    case 2:
        return (double)(int64_t)draw(draws);
    case 3:
        return -(double)draw_below(draws, 70000);
    default:
        return (double)draw_below(draws, 1000000) / 1000;
    }
}

static struct phusa_reading draw_reading(struct draws *draws, bool relative, char texts[4][32])
{
    struct phusa_reading reading = {
        .base_name = draw_text(draws, texts[0]),
        .name = draw_text(draws, texts[1]),
        .unit = draw_text(draws, texts[2]),
        .time_valid = true,
        .kind = (uint8_t)draw_below(draws, PHUSA_VALUE_DATA + 1),
        .device_state = (uint8_t)draw_below(draws, 3),
    };
    int64_t step = draw_below(draws, 2) == 0 ? 1000000000 : 1;

    reading.time_ns = (relative ? 0 : NOW_NS) - (int64_t)draw_below(draws, 100000000) * step;
    reading.has_sum = reading.kind == PHUSA_VALUE_NONE || draw_below(draws, 4) == 0;
    reading.sum = reading.has_sum ? draw_value(draws) : 0;
    if (reading.kind == PHUSA_VALUE_NUMBER) {
        reading.value = draw_value(draws);
    }
    if (reading.kind == PHUSA_VALUE_BOOLEAN) {
        reading.value = (double)draw_below(draws, 2);
    }
    if (reading.kind >= PHUSA_VALUE_STRING) {
        reading.string = draw_text(draws, texts[3]);
    }
    return reading;
}

static void assert_same_double(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof(a));
}

static void assert_same_report(const struct phusa_report *a, const struct phusa_report *b)
{
    assert_int_equal(a->count, b->count);
    assert_true(a->has_log == b->has_log && a->log == b->log && a->has_seq == b->has_seq &&
                a->seq == b->seq && a->has_boot == b->has_boot && a->boot == b->boot &&
                a->has_up == b->has_up);
    assert_same_double(a->up, b->up);
    for (size_t i = 0; i < a->count; i++) {
        const struct phusa_reading *x = &a->readings[i], *y = &b->readings[i];

        assert_true(phusa_text_equal(x->base_name, y->base_name));
        assert_true(phusa_text_equal(x->name, y->name));
        assert_true(phusa_text_equal(x->unit, y->unit));
        assert_true(phusa_text_equal(x->string, y->string));
        assert_true(x->time_ns == y->time_ns && x->time_valid == y->time_valid);
        assert_true(x->kind == y->kind && x->device_state == y->device_state);
        assert_int_equal(x->has_sum, y->has_sum);
        assert_same_double(x->value, y->value);
        assert_same_double(x->sum, y->sum);
    }
}

static void assert_reads_back(const struct phusa_report *report)
{
    static char json[PHUSA_REPORT_BYTES_MAX];
    static uint8_t cbor[PHUSA_REPORT_BYTES_MAX];
    size_t length;

    assert_int_equal(phusa_senml_encode_json(report, json, sizeof(json), &length), PHUSA_OK);
    assert_int_equal(decode_at(json, length, 0), PHUSA_OK);
    assert_same_report(report, &decoded.report);
    assert_int_equal(phusa_senml_encode_cbor(report, cbor, sizeof(cbor), &length), PHUSA_OK);
    assert_int_equal(decode_at(cbor, length, 0), PHUSA_OK);
    assert_same_report(report, &decoded.report);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static char texts[20][4][32];
    struct draws draws = draws_begin();

    for (int round = 0; round < 3000; round++) {
        bool unset_clock = draw_below(&draws, 3) == 0;
        struct phusa_report report = { .readings = readings, .count = draw_below(&draws, 20) };

        report.has_log = draw_below(&draws, 2) == 0;
        report.log = report.has_log ? (uint32_t)draw(&draws) : 0;
        report.has_seq = draw_below(&draws, 2) == 0;
        report.seq = report.has_seq ? (draw(&draws) >> 11) + 1 - (draw(&draws) & 1) : 0;
        report.seq += report.has_seq && report.seq == 0 ? 1 : 0;
        report.seq -= report.seq >> 53;
        report.has_boot = report.has_up = unset_clock;
        report.boot = unset_clock ? (uint32_t)draw(&draws) : 0;
        report.up = unset_clock ? fabs(draw_value(&draws)) : 0;
        for (size_t i = 0; i < report.count; i++) {
            readings[i] = draw_reading(&draws, unset_clock, texts[i]);
        }
        assert_reads_back(&report);
    }
}

static void cbor_keeps_what_is_no_number(void **state)
{
    (void)state;
    const double values[] = { HUGE_VAL, -HUGE_VAL, -0.0, (double)NAN };
    struct phusa_report report = { .readings = readings, .count = 1 };
    uint8_t cbor[64];
    size_t length;

    for (size_t i = 0; i < 4; i++) {
        readings[0] = (struct phusa_reading){
            .time_ns = NOW_NS, .value = values[i], .time_valid = true, .kind = PHUSA_VALUE_NUMBER
        };
        assert_int_equal(phusa_senml_encode_cbor(&report, cbor, sizeof(cbor), &length), PHUSA_OK);
        assert_int_equal(length, 1 + 1 + 6 + 1 + 3); /* array, map, bt, label, half float */
        assert_int_equal(decode_at(cbor, length, 0), PHUSA_OK);
        assert_int_equal(decoded.report.count, 1);
        assert_int_equal(isnan(decoded.readings[0].value), isnan(values[i]));
        if (!isnan(values[i])) {
            assert_same_double(decoded.readings[0].value, values[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_report_of_ours),
        cmocka_unit_test(base_fields_hold_from_their_record_on),
        cmocka_unit_test(times_are_relative_below_2_to_28),
        cmocka_unit_test(judges_each_mistake_by_its_name),
        cmocka_unit_test(says_where_and_what),
        cmocka_unit_test(keeps_the_identity_of_what_it_refuses),
        cmocka_unit_test(tells_numbered_reports_by_their_first_bytes),
        cmocka_unit_test(never_takes_another_report_for_numbered),
        cmocka_unit_test(counts_records_and_readings),
        cmocka_unit_test(escaped_text_goes_to_scratch_while_it_lasts),
        cmocka_unit_test(reads_the_numbers_of_cbor),
        cmocka_unit_test(reads_the_times_of_cbor),
        cmocka_unit_test(judges_each_mistake_in_cbor),
        cmocka_unit_test(deep_cbor_is_refused_without_recursion),
        cmocka_unit_test(encodes_as_documented),
        cmocka_unit_test(refuses_to_write_what_would_not_read_back),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(cbor_keeps_what_is_no_number),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
