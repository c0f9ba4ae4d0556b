/*
 * SenML against others' data: the 13 examples of RFC 8428 with their resolved forms, and
 * every item of RFC 8949 appendix A as a value. Needs PHUSA_SHARED; skipped when absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "phusa/senml.h"
#include "shared_data.h"

static struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
static struct phusa_report report;
static struct phusa_senml_scratch scratch;

static enum phusa_status decode(const void *payload, size_t length, int64_t now_ns)
{
    report = (struct phusa_report){ .readings = readings, .capacity = PHUSA_REPORT_READINGS_MAX };
    return phusa_senml_decode(payload, length, now_ns, &report, &scratch, NULL);
}

/* Parses a file of the data; NULL if it is absent. */
static json_t *load(const char *name)
{
    size_t length;
    unsigned char *text = shared_read(name, &length);
    json_t *root = NULL;

    if (text != NULL) {
        root =
            json_loadb((const char *)text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        assert_non_null(root);
    }
    free(text);
    return root;
}

static size_t from_hex(const char *hex, uint8_t *bytes, size_t capacity)
{
    size_t length = strlen(hex) / 2;

    assert_true(length <= capacity);
    for (size_t i = 0; i < length; i++) {
        char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return length;
}

static const char *string_of(const json_t *record, const char *label)
{
    const char *string = json_string_value(json_object_get(record, label));

    return string == NULL ? "" : string;
}

static void assert_text(struct phusa_text found, const char *expected)
{
    assert_true(phusa_text_equal(found, phusa_text_of(expected)));
}

/* One of our readings is the resolved record of the listing. */
static void assert_resolved(const struct phusa_reading *reading, const json_t *record)
{
    char name[256];
    const json_t *number = json_object_get(record, "v"), *boolean = json_object_get(record, "vb");
    int64_t time_ns = llround(json_real_value(json_object_get(record, "t")) * 1e6) * 1000;

    snprintf(name, sizeof(name), "%.*s%.*s", (int)reading->base_name.length,
             reading->base_name.length > 0 ? reading->base_name.data : "",
             (int)reading->name.length, reading->name.length > 0 ? reading->name.data : "");
    assert_string_equal(name, string_of(record, "n"));
    assert_text(reading->unit, string_of(record, "u"));
    assert_true(reading->time_valid && reading->time_ns == time_ns);
    if (number != NULL) {
        assert_int_equal(reading->kind, PHUSA_VALUE_NUMBER);
        assert_true(reading->value == json_real_value(number));
    } else if (boolean != NULL) {
        assert_int_equal(reading->kind, PHUSA_VALUE_BOOLEAN);
        assert_true((reading->value != 0) == json_is_true(boolean));
    } else {
        assert_int_equal(reading->kind, PHUSA_VALUE_STRING);
        assert_text(reading->string, string_of(record, "vs"));
    }
}

/* The report against the listing, whose generator left out what carries data (vd). */
static void assert_all_resolved(const json_t *resolved)
{
    size_t listed = 0;

    for (size_t i = 0; i < report.count; i++) {
        if (readings[i].kind == PHUSA_VALUE_DATA) {
            continue;
        }
        assert_resolved(&readings[i], json_array_get(resolved, listed));
        listed++;
    }
    assert_int_equal(listed, json_array_size(resolved));
}

/* The example's records that carry a value. */
static size_t values_in(const json_t *records)
{
    static const char *const labels[] = { "v", "vs", "vb", "vd" };
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(records); i++) {
        for (size_t k = 0; k < 4; k++) {
            count += json_object_get(json_array_get(records, i), labels[k]) != NULL ? 1 : 0;
        }
    }
    return count;
}

/* What the listing's generator took for now: the time of its first record when that has none. */
static int64_t now_of(const json_t *resolved)
{
    return llround(json_real_value(json_object_get(json_array_get(resolved, 0), "t"))) * 1000000000;
}

static void check_example(const json_t *example)
{
    static const int64_t some_now = (int64_t)1498780179 * 1000000000;
    const json_t *resolved = json_object_get(example, "resolved");
    const char *text = string_of(example, "json_text"), *hex = string_of(example, "cbor_hex");
    int64_t now_ns = resolved != NULL ? now_of(resolved) : some_now;
    uint8_t cbor[1024];

    print_message("%s%s%s\n", string_of(example, "id"), resolved != NULL ? ", resolved" : "",
                  *hex != '\0' ? ", CBOR" : "");
    assert_int_equal(decode(text, strlen(text), now_ns), PHUSA_OK);
    assert_int_equal(report.count, values_in(json_object_get(example, "json")));
    if (resolved != NULL) {
        assert_all_resolved(resolved);
    }
    if (*hex != '\0') {
        assert_int_equal(decode(cbor, from_hex(hex, cbor, sizeof(cbor)), now_ns), PHUSA_OK);
        assert_all_resolved(resolved);
    }
}

static void the_examples_of_rfc_8428_resolve_as_listed(void **state)
{
    (void)state;
    json_t *root = load("8-senml-sparkplug/senml_rfc8428_examples.json");

    if (root == NULL) {
        skip();
        return;
    }

    const json_t *examples = json_object_get(root, "examples");

    assert_int_equal(json_array_size(examples), 13);
    for (size_t i = 0; i < json_array_size(examples); i++) {
        check_example(json_array_get(examples, i));
    }
    json_decref(root);
}

/* [{label: item}] around an item of CBOR. */
static enum phusa_status decode_item(const char *hex, uint8_t label)
{
    static uint8_t pack[256];
    size_t length = 3 + from_hex(hex, pack + 3, sizeof(pack) - 3);

    pack[0] = 0x81;
    pack[1] = 0xa1;
    pack[2] = label;
    return decode(pack, length, 0);
}

/* The item is a number that we take: an integer or a float, no bignum. */
static bool is_plain_number(const char *hex, const json_t *expected)
{
    return json_is_number(expected) && strchr("01f23", hex[0]) != NULL;
}

static void every_item_of_rfc_8949_is_met(void **state)
{
    (void)state;
    json_t *root = load("8-senml-sparkplug/cbor_appendix_a.json");
    size_t numbers = 0;

    if (root == NULL) {
        skip();
        return;
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *item = json_array_get(root, i), *expected = json_object_get(item, "decoded");
        const char *hex = string_of(item, "hex");
        enum phusa_status status = decode_item(hex, 2);
        /* simple(24): RFC 7049 had it, RFC 8949 section 3.3 says that it is not well-formed. */
        bool well_formed = strcmp(hex, "f818") != 0;

        print_message("%s: %s\n", hex, phusa_status_name(status));
        if (is_plain_number(hex, expected)) {
            assert_int_equal(status, PHUSA_OK);
            assert_true(readings[0].value == json_real_value(expected));
            numbers++;
        } else if (status != PHUSA_OK) {
            assert_int_equal(status, well_formed ? PHUSA_ERR_TYPE : PHUSA_ERR_SYNTAX);
        }
        /* As the value of labels of other types, and of one that we do not know. */
        for (uint8_t label = 0; label <= 9; label++) {
            decode_item(hex, label);
        }
        assert_int_equal(decode_item(hex, 9), well_formed ? PHUSA_OK : PHUSA_ERR_SYNTAX);
    }
    print_message("%zu numbers\n", numbers);
    assert_true(numbers >= 25);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_8428_resolve_as_listed),
        cmocka_unit_test(every_item_of_rfc_8949_is_met),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
