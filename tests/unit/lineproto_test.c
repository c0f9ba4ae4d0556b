/*
 * Line protocol: what is written, what is accepted, and both against the public
 * corpus of the format's authors (PHUSA_SHARED, skipped when absent).
 *
 * Where the corpus and line_valid differ on purpose: the corpus lets a string
 * hold a line break; a line of ours never does, since VictoriaMetrics cuts at
 * every break. A corpus text of several lines, or with a break at its end, is
 * checked line by line. Its three cases of another precision than ns are lines
 * like any other here: the time is only a number to the check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/lineproto.h"

#define CORPUS_TEXT_MAX 16384 /* the longest text of the corpus has 4 KiB */

static const struct phusa_text flag = { "_qc", 3 };

/* --- writing --------------------------------------------------------------- */

static void writes_a_line(void **state)
{
    (void)state;
    char buffer[256];
    struct line_writer writer;
    line_writer_init(&writer, buffer, sizeof buffer);
    line_begin(&writer, PHUSA_TEXT("water,site=my-tho,station=s1"));
    line_field_double(&writer, PHUSA_TEXT("salinity"), 1.25);
    line_field_int(&writer, PHUSA_TEXT("salinity"), flag, 1);
    line_field_double(&writer, PHUSA_TEXT("temp"), -0.5);
    line_field_int(&writer, PHUSA_TEXT("count"), (struct phusa_text){ 0 }, -7);
    assert_true(line_end(&writer, 1700000000000000000));
    const char *expected = "water,site=my-tho,station=s1 salinity=1.25,salinity_qc=1i,temp=-0.5,"
                           "count=-7i 1700000000000000000\n";
    assert_int_equal(writer.used, strlen(expected));
    assert_memory_equal(buffer, expected, writer.used);
    assert_true(line_valid((struct phusa_text){ buffer, writer.used - 1 }));
}

static void takes_back_what_is_no_line(void **state)
{
    (void)state;
    char buffer[256];
    struct line_writer writer;
    line_writer_init(&writer, buffer, sizeof buffer);
    line_begin(&writer, PHUSA_TEXT("water"));
    assert_false(line_end(&writer, 1)); /* no field */
    assert_int_equal(writer.used, 0);
    line_begin(&writer, PHUSA_TEXT("water"));
    line_field_double(&writer, PHUSA_TEXT("a"), NAN);
    line_field_double(&writer, PHUSA_TEXT("b"), INFINITY);
    assert_false(line_end(&writer, 1)); /* none that can be written */
    assert_int_equal(writer.used, 0);
    line_begin(&writer, PHUSA_TEXT("water"));
    line_field_double(&writer, PHUSA_TEXT("a"), NAN);
    line_field_double(&writer, PHUSA_TEXT("b"), 2);
    assert_true(line_end(&writer, -1)); /* the comma follows what was written, not what was tried */
    assert_memory_equal(buffer, "water b=2 -1\n", writer.used);
    size_t whole = writer.used;
    static const int64_t refused[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX };
    for (size_t i = 0; i < 3; i++) {
        line_begin(&writer, PHUSA_TEXT("water"));
        line_field_double(&writer, PHUSA_TEXT("a"), 1);
        assert_false(line_end(&writer, refused[i]));
        assert_int_equal(writer.used, whole);
    }
    assert_false(writer.full);
}

/* At every capacity the buffer holds whole lines only, and never more than fits. */
static void stops_at_the_last_whole_line(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < 300; capacity++) {
        char *buffer = malloc(capacity + 1);
        assert_non_null(buffer);
        struct line_writer writer;
        line_writer_init(&writer, buffer, capacity);
        size_t written = 0;
        for (int line = 0; line < 4; line++) {
            line_begin(&writer, PHUSA_TEXT("m,t=v"));
            line_field_double(&writer, PHUSA_TEXT("a"), 0.1 + line);
            line_field_int(&writer, PHUSA_TEXT("a"), flag, INT64_MIN);
            written += line_end(&writer, INT64_MAX - 1) ? 1 : 0;
        }
        assert_true(writer.used <= capacity);
        assert_true(writer.full == (written < 4));
        size_t breaks = 0;
        for (size_t i = 0; i < writer.used; i++) {
            breaks += buffer[i] == '\n' ? 1 : 0;
        }
        assert_int_equal(breaks, written);
        assert_true(writer.used == 0 || buffer[writer.used - 1] == '\n');
        free(buffer);
    }
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *measurement, *tag; /* NULL = refused */
    } cases[] = {
        { "water", "water", "water" },
        { "a b", "a\\ b", "a\\ b" },
        { "a,b=c", "a\\,b=c", "a\\,b\\=c" },
        { "a\\b", "a\\b", "a\\b" },
        { "\\ x", "\\\\ x", "\\\\ x" },
        { "Mỹ Tho", "Mỹ\\ Tho", "Mỹ\\ Tho" },
        { "\"q\"", "\"q\"", "\"q\"" },
        { "#1", NULL, "#1" },
        { "", NULL, NULL },
        { "a\\", NULL, NULL },
        { "a\nb", NULL, NULL },
        { "a\rb", NULL, NULL },
        { "a\x01", NULL, NULL },
        { "a\x7f", NULL, NULL },
        { "bad\xff", NULL, NULL },
        { "\xed\xa0\x80", NULL, NULL }, /* a surrogate */
        { "\xc0\xaf", NULL, NULL },     /* overlong */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buffer[64];
        struct phusa_text text = phusa_text_of(cases[i].text);
        const char *wanted[] = { cases[i].measurement, cases[i].tag };
        size_t (*const function[])(struct phusa_text, char *, size_t) = { line_escape_measurement,
                                                                          line_escape_tag };
        for (int which = 0; which < 2; which++) {
            size_t expected = wanted[which] == NULL ? 0 : strlen(wanted[which]);
            assert_int_equal(function[which](text, buffer, sizeof buffer), expected);
            assert_memory_equal(buffer, wanted[which] == NULL ? "" : wanted[which], expected);
            if (expected > 0) {
                assert_int_equal(function[which](text, buffer, expected), expected);
                assert_int_equal(function[which](text, buffer, expected - 1), 0);
            }
        }
    }
}

/* --- checking -------------------------------------------------------------- */

static const struct {
    const char *line;
    bool valid;
} judged_lines[] = {
    { "m f=1", true },
    { "m f=1 ", true },
    { "m f=1 0", true },
    { "m f=1 -0", true },
    { "m f=1 00000000000000000000000001", true },
    { "m f=1 9223372036854775806", true },
    { "m f=1 9223372036854775807", false }, /* InfluxDB: time outside range */
    { "m f=1 -9223372036854775806", true },
    { "m f=1 -9223372036854775807", false },
    { "m f=1 1.5", false },
    { "m f=1 - 1", false },
    { "m f=1  ", true },
    { "m f=1,", false },
    { "m f=1,,g=1", false },
    { "m ,f=1", false },
    { " m f=1", true },
    { "#m f=1", false },
    { "", false },
    { " ", false },
    { "m f=1\n", false },
    { "m f=1\r", false },
    { "m f=\"a\nb\"", false },
    { "m,t=a\nb f=1", false },
    { "m f=+1", false },
    { "m f=1e", false },
    { "m f=1e+", false },
    { "m f=1e+5", true },
    { "m f=0x10", false },
    { "m f=inf", false },
    { "m f=-Inf", false },
    { "m f=.", false },
    { "m f=-", false },
    { "m f=i", false },
    { "m f=u", false },
    { "m f=-1u", false },
    { "m f=-0i", true },
    { "m f=tRUE", false },
    { "m f=1.7976931348623157e308", true },
    { "m f=1.7976931348623157081452742373170435679807e308", true },
    { "m f=0.000017976931348623157e313", true },
    { "m f=17976931348623157000e289", true },
    { "m f=1.7976931348623158e308", false }, /* the documented edge */
    { "m f=1.8e308", false },
    { "m f=1e309", false },
    { "m f=1e99999999999999999999", false },
    { "m f=1e-99999999999999999999", true },
    { "m f=0e99999999999999999999", true },
    { "m f=0.0e309", true },
    { "m f=9e307", true },
    { "m f=1e308", true },
    { "m f=\"\"", true },
    { "m f=\"a\\\"", false },
    { "m f=\"a\\\\\"", true },
    { "m f=\"a\" 1", true },
    { "m f=\"a\"1", false },
    { "m f=\xc3\xa9", false },
    { "m f=\"\xc3\xa9\"", true },
    { "m f=\"\xc3\"", false },
    { "m,k=v,k=w f=1", false },
    { "m,k=v,kk=w f=1", true },
};

static void accepts_lines_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof judged_lines / sizeof *judged_lines; i++) {
        if (line_valid(phusa_text_of(judged_lines[i].line)) != judged_lines[i].valid) {
            fail_msg("\"%s\" should be %s", judged_lines[i].line,
                     judged_lines[i].valid ? "valid" : "refused");
        }
    }
    assert_false(line_valid((struct phusa_text){ "m f=1\0", 6 }));
    assert_false(line_valid((struct phusa_text){ NULL, 0 }));
}

static void limits_the_tags(void **state)
{
    (void)state;
    for (int tags = LINE_TAGS_MAX; tags <= LINE_TAGS_MAX + 1; tags++) {
        char line[4096] = "m";
        size_t used = 1;
        for (int i = 0; i < tags; i++) {
            used += (size_t)snprintf(line + used, sizeof line - used, ",t%d=v", i);
        }
        used += (size_t)snprintf(line + used, sizeof line - used, " f=1");
        assert_int_equal(line_valid((struct phusa_text){ line, used }), tags == LINE_TAGS_MAX);
    }
}

static void counts_readings(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t readings;
    } cases[] = {
        { "water,site=a,station=b salinity=1,salinity_qc=1i,temp=2,temp_qc=1i 5", 2 },
        { "water salinity_qc=4i 5", 0 },
        { "water,a=b,c\\ d=e mean=1,coverage=1 5", 2 },
        { "water time_reconstructed=1i,ph=7,ph_qc=3i 5", 1 },
        { "window,site=a,station=b,parameter=ph,window=1h mean=1,coverage=1 5", 0 },
        { "correction,site=a,station=b,parameter=ph,window=1h old=1,new=2 5", 0 },
        { "index,site=a,station=b,window=day vn_aqi=57i,pm25=57i 5", 0 },
        { "windows a=1", 1 },
        { " index a=1", 0 },
        { "m a=\"x,y=1,z=2\",b=1", 2 },
        { "water temp=2,temp_qc=3i,time_reconstructed=1i 5", 1 },
        { "m _qc=1", 1 }, /* a name, not a suffix */
        { "m a=NaN,b=1", 2 },
        { "garbage", 0 },
        { "m a", 0 },
        { "m a=1,b", 1 },
        { "", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(line_readings(phusa_text_of(cases[i].line), NULL), cases[i].readings);
    }
}

/* By its line alone nobody knows what was derived; by the registry it is no reading. */
static void counts_no_derived_quantity(void **state)
{
    (void)state;
    static const struct phusa_parameter ec = { .name = { "ec", 2 } };
    static const struct phusa_parameter salinity = { .name = { "salinity", 8 } };
    static const struct derivation derivations[] = {
        { .kind = DERIVE_SALINITY, .parameter = &salinity, .from = &ec }
    };
    static const struct station stations[] = {
        { .id = "a" }, { .id = "b", .derivations = derivations, .derivation_count = 1 }
    };
    static const struct registry registry = { .stations = stations, .count = 2 };
    static const struct {
        const char *station;
        uint32_t readings;
    } cases[] = { { "a", 2 }, { "b", 1 }, { "c", 2 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[128];
        (void)snprintf(line, sizeof line,
                       "water,site=x,station=%s ec=8.1,ec_qc=1i,salinity=4.4,salinity_qc=1i 5",
                       cases[i].station);
        assert_int_equal(line_readings(phusa_text_of(line), &registry), cases[i].readings);
        assert_int_equal(line_readings(phusa_text_of(line), NULL), 2);
    }
}

/* --- the public corpus -------------------------------------------------------- */

/* NULL when the corpus is not there; one that cannot be read fails the test. */
static json_t *load_corpus(const char *name, size_t flags)
{
    const char *shared = getenv("PHUSA_SHARED");
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/data/7-lineprotocol/%s",
                   shared == NULL ? "../shared" : shared, name);
    if (access(path, R_OK) != 0) {
        print_message("skipped: no %s (set PHUSA_SHARED)\n", path);
        return NULL;
    }
    json_error_t error;
    json_t *corpus = json_load_file(path, flags, &error);
    if (corpus == NULL) {
        fail_msg("%s:%d: %s", path, error.line, error.text);
    }
    return corpus;
}

/* The text of a case: a string, or {"binary": base64}. Returns its length. */
static size_t corpus_text(json_t *text, char *buffer)
{
    json_t *binary = json_object_get(text, "binary");
    size_t length = json_string_length(binary == NULL ? text : binary);
    const char *value = json_string_value(binary == NULL ? text : binary);
    assert_non_null(value);
    assert_true(length < CORPUS_TEXT_MAX);
    if (binary == NULL) {
        memcpy(buffer, value, length);
        return length;
    }
    int decoded =
        EVP_DecodeBlock((unsigned char *)buffer, (const unsigned char *)value, (int)length);
    assert_true(decoded >= 0);
    while (length > 0 && value[length - 1] == '=') {
        decoded--;
        length--;
    }
    return (size_t)decoded;
}

/* All lines of a text are valid. */
static bool all_valid(const char *text, size_t length)
{
    size_t begin = 0;
    while (begin < length) {
        const char *found = memchr(text + begin, '\n', length - begin);
        size_t end = found == NULL ? length : (size_t)(found - text);
        if (!line_valid((struct phusa_text){ text + begin, end - begin })) {
            return false;
        }
        begin = end + 1;
    }
    return true;
}

/* The expected result holds a string with a line break, which a line of ours may not. */
static bool breaks_inside(json_t *result)
{
    size_t i, k;
    json_t *point, *field;
    json_array_foreach(result, i, point)
    {
        json_array_foreach(json_object_get(point, "fields"), k, field)
        {
            const char *text =
                json_string_value(json_object_get(json_object_get(field, "value"), "string"));
            if (text != NULL && strpbrk(text, "\r\n") != NULL) {
                return true;
            }
        }
    }
    return false;
}

static void agrees_with_the_decoding_corpus(void **state)
{
    (void)state;
    static char text[CORPUS_TEXT_MAX];
    json_t *corpus = load_corpus("corpus_decode_handwritten.json", JSON_DECODE_INT_AS_REAL), *item;
    if (corpus == NULL) {
        skip();
    }
    size_t index, wrong = 0, broken = 0;
    json_array_foreach(corpus, index, item)
    {
        size_t length = corpus_text(json_object_get(item, "text"), text);
        bool expected = strcmp(json_string_value(json_object_get(item, "expect")), "ok") == 0;
        if (expected && breaks_inside(json_object_get(item, "result"))) {
            expected = false;
            broken++;
        }
        if (all_valid(text, length) != expected) {
            print_error("%s: \"%.*s\" should be %s\n",
                        json_string_value(json_object_get(item, "key")), (int)length, text,
                        expected ? "valid" : "refused");
            wrong++;
        }
    }
    print_message("%zu cases, %zu refused here for a line break in a string\n", index, broken);
    assert_true(index >= 240);
    json_decref(corpus);
    assert_int_equal(wrong, 0);
}

/* Writes one point of the corpus; false if it holds what the writer has no call for (strings,
 * booleans, escaped field keys). */
static bool write_point(json_t *point, struct line_writer *writer, bool *refused)
{
    static char head[4096];
    size_t i,
        used = line_escape_measurement(
            phusa_text_of(json_string_value(json_object_get(point, "name"))), head, sizeof head);
    json_t *item;
    *refused = used == 0;
    json_array_foreach(json_object_get(point, "tags"), i, item)
    {
        head[used++] = ',';
        size_t key = line_escape_tag(phusa_text_of(json_string_value(json_object_get(item, "key"))),
                                     head + used, sizeof head - used - 1);
        used += key;
        head[used++] = '=';
        size_t value =
            line_escape_tag(phusa_text_of(json_string_value(json_object_get(item, "value"))),
                            head + used, sizeof head - used - 1);
        used += value;
        *refused |= key == 0 || value == 0;
    }
    line_begin(writer, (struct phusa_text){ head, used });
    json_array_foreach(json_object_get(point, "fields"), i, item)
    {
        struct phusa_text key = phusa_text_of(json_string_value(json_object_get(item, "key")));
        json_t *value = json_object_get(item, "value");
        json_t *real = json_object_get(value, "float"), *whole = json_object_get(value, "int");
        if ((real == NULL && whole == NULL) || strpbrk(key.data, ", =") != NULL) {
            return false;
        }
        if (real != NULL) {
            line_field_double(writer, key, json_number_value(real));
        } else {
            line_field_int(writer, key, (struct phusa_text){ 0 }, json_integer_value(whole));
        }
    }
    return true;
}

static void agrees_with_the_encoding_corpus(void **state)
{
    (void)state;
    json_t *corpus = load_corpus("corpus_encode.json", 0), *item;
    if (corpus == NULL) {
        skip();
    }
    size_t index, written = 0, exponents = 0;
    json_array_foreach(corpus, index, item)
    {
        static char buffer[8192];
        struct line_writer writer;
        line_writer_init(&writer, buffer, sizeof buffer);
        json_t *point = json_object_get(item, "point");
        bool refused, ok = strcmp(json_string_value(json_object_get(item, "expect")), "ok") == 0;
        const char *line = json_string_value(json_object_get(item, "line"));
        assert_true(!ok || strpbrk(line, "\r\n") != NULL || line_valid(phusa_text_of(line)));
        if (!write_point(point, &writer, &refused)) {
            continue;
        }
        assert_int_equal(refused, !ok);
        if (!ok) {
            continue;
        }
        assert_true(line_end(&writer, json_integer_value(json_object_get(point, "time"))));
        if (strstr(line, "e+06") != NULL) { /* theirs 6.632243e+06, ours the plain number */
            exponents++;
            continue;
        }
        assert_int_equal(writer.used - 1, strlen(line));
        assert_memory_equal(buffer, line, writer.used - 1);
        written++;
    }
    print_message("%zu points, %zu written alike, %zu with another form of the same number\n",
                  index, written, exponents);
    json_decref(corpus);
    assert_true(written >= 40);
    assert_int_equal(exponents, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_line),
        cmocka_unit_test(takes_back_what_is_no_line),
        cmocka_unit_test(stops_at_the_last_whole_line),
        cmocka_unit_test(escapes),
        cmocka_unit_test(accepts_lines_and_nothing_else),
        cmocka_unit_test(limits_the_tags),
        cmocka_unit_test(counts_readings),
        cmocka_unit_test(counts_no_derived_quantity),
        cmocka_unit_test(agrees_with_the_decoding_corpus),
        cmocka_unit_test(agrees_with_the_encoding_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
