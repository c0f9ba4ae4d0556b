/* The JSON scanner: tokens, strictness, limits, and the JSONTestSuite read from its archive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <zlib.h>

#include "phusa/json.h"
#include "shared_data.h"

/* Scans all of a text, from a buffer of exactly its size. */
static enum phusa_status scan(const void *text, size_t length, size_t *offset)
{
    char *copy = malloc(length + (length == 0));
    struct phusa_json json;

    memcpy(copy, text, length);
    phusa_json_init(&json, (struct phusa_text){ copy, length });
    while (phusa_json_next(&json) > PHUSA_JSON_END) {
        ;
    }
    *offset = phusa_json_offset(&json);
    assert_true(*offset <= length);
    assert_int_equal(phusa_json_next(&json) == PHUSA_JSON_END, json.lexer.status == PHUSA_OK);
    assert_int_equal(json.lexer.what == NULL, json.lexer.status == PHUSA_OK);
    free(copy);
    return json.lexer.status;
}

static void hands_out_tokens(void **state)
{
    (void)state;
    static const struct {
        enum phusa_json_token token;
        const char *text;
        size_t depth;
    } expected[] = {
        { PHUSA_JSON_OBJECT, NULL, 1 },     { PHUSA_JSON_KEY, "a", 1 },
        { PHUSA_JSON_ARRAY, NULL, 2 },      { PHUSA_JSON_NUMBER, "-1.5e3", 2 },
        { PHUSA_JSON_TRUE, NULL, 2 },       { PHUSA_JSON_FALSE, NULL, 2 },
        { PHUSA_JSON_NULL, NULL, 2 },       { PHUSA_JSON_ARRAY, NULL, 3 },
        { PHUSA_JSON_ARRAY_END, NULL, 2 },  { PHUSA_JSON_ARRAY_END, NULL, 1 },
        { PHUSA_JSON_KEY, "", 1 },          { PHUSA_JSON_OBJECT, NULL, 2 },
        { PHUSA_JSON_OBJECT_END, NULL, 1 }, { PHUSA_JSON_KEY, "b\\n", 1 },
        { PHUSA_JSON_STRING, "phù sa", 1 }, { PHUSA_JSON_OBJECT_END, NULL, 0 },
        { PHUSA_JSON_END, NULL, 0 },        { PHUSA_JSON_END, NULL, 0 },
    };
    struct phusa_json json;

    phusa_json_init(&json, PHUSA_TEXT(" {\"a\" : [-1.5e3,true ,false, null,[ ]],\"\":{ },"
                                      "\"b\\n\":\"phù sa\"}\r\n"));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(phusa_json_next(&json), expected[i].token);
        assert_int_equal(json.depth, expected[i].depth);
        if (expected[i].text != NULL) {
            assert_true(phusa_text_equal(json.text, phusa_text_of(expected[i].text)));
        }
        if (expected[i].token == PHUSA_JSON_KEY) {
            assert_int_equal(json.escaped, strchr(expected[i].text, '\\') != NULL);
        }
    }
}

static void skips_whole_values(void **state)
{
    (void)state;
    struct phusa_json json;

    phusa_json_init(&json, PHUSA_TEXT("{\"a\":[1,{\"b\":[2]},\"]\"],\"c\":3,\"d\":{}}"));
    assert_int_equal(phusa_json_next(&json), PHUSA_JSON_OBJECT);
    for (const char *key = "acd"; *key != '\0'; key++) {
        assert_int_equal(phusa_json_next(&json), PHUSA_JSON_KEY);
        assert_memory_equal(json.text.data, key, 1);
        assert_true(phusa_json_skip(&json, PHUSA_JSON_KEY));
    }
    assert_int_equal(phusa_json_next(&json), PHUSA_JSON_OBJECT_END);
    phusa_json_init(&json, PHUSA_TEXT("[[1,2}]"));
    assert_false(phusa_json_skip(&json, phusa_json_next(&json)));
    assert_int_equal(json.lexer.status, PHUSA_ERR_SYNTAX);
}

static void tells_cut_short_from_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum phusa_status status;
        size_t offset;
    } cases[] = {
        { "", PHUSA_ERR_TRUNCATED, 0 },
        { "  ", PHUSA_ERR_TRUNCATED, 2 },
        { "[1,2", PHUSA_ERR_TRUNCATED, 4 },
        { "[1,", PHUSA_ERR_TRUNCATED, 3 },
        { "{\"a", PHUSA_ERR_TRUNCATED, 3 },
        { "{\"a\"", PHUSA_ERR_TRUNCATED, 4 },
        { "{\"a\":", PHUSA_ERR_TRUNCATED, 5 },
        { "{\"a\":1,", PHUSA_ERR_TRUNCATED, 7 },
        { "tru", PHUSA_ERR_TRUNCATED, 3 },
        { "-", PHUSA_ERR_TRUNCATED, 1 },
        { "[1.", PHUSA_ERR_TRUNCATED, 3 },
        { "[1e-", PHUSA_ERR_TRUNCATED, 4 },
        { "\"\\", PHUSA_ERR_TRUNCATED, 2 },
        { "\"\\u00", PHUSA_ERR_TRUNCATED, 5 },
        { "\"\\ud800", PHUSA_ERR_TRUNCATED, 7 },
        { "\"\xe1\xba", PHUSA_ERR_TRUNCATED, 3 },
        { "[1 2]", PHUSA_ERR_SYNTAX, 3 },
        { "[1,]", PHUSA_ERR_SYNTAX, 3 },
        { "{\"a\":1,}", PHUSA_ERR_SYNTAX, 7 },
        { "{1:2}", PHUSA_ERR_SYNTAX, 1 },
        { "[1}", PHUSA_ERR_SYNTAX, 2 },
        { "01", PHUSA_ERR_SYNTAX, 1 },
        { "[1.]", PHUSA_ERR_SYNTAX, 3 },
        { "[-]", PHUSA_ERR_SYNTAX, 2 },
        { "nulL", PHUSA_ERR_SYNTAX, 3 },
        { "1 x", PHUSA_ERR_SYNTAX, 2 },
        { "\"\t\"", PHUSA_ERR_SYNTAX, 1 },
        { "\"\\x\"", PHUSA_ERR_SYNTAX, 2 },
        { "\"\\ud800\"", PHUSA_ERR_SYNTAX, 7 },
        { "\"\\udc00\"", PHUSA_ERR_SYNTAX, 7 },
        { "\"\\ud800\\u0041\"", PHUSA_ERR_SYNTAX, 13 },
        { "\"\xc0\xaf\"", PHUSA_ERR_SYNTAX, 1 },
        { "\"\xed\xa0\x80\"", PHUSA_ERR_SYNTAX, 1 },
        { "\"\xf4\x90\x80\x80\"", PHUSA_ERR_SYNTAX, 1 },
        { "\"\xe1\xba\"", PHUSA_ERR_SYNTAX, 1 },
        { "\"\x80\"", PHUSA_ERR_SYNTAX, 1 },
        { "\xef\xbb\xbf[]", PHUSA_ERR_SYNTAX, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset;

        print_message("%s\n", cases[i].text);
        assert_int_equal(scan(cases[i].text, strlen(cases[i].text), &offset), cases[i].status);
        assert_int_equal(offset, cases[i].offset);
    }
}

static void nests_to_its_limit_and_no_deeper(void **state)
{
    (void)state;
    char text[4 * PHUSA_JSON_DEPTH_MAX];
    size_t offset;

    memset(text, '[', PHUSA_JSON_DEPTH_MAX);
    memset(text + PHUSA_JSON_DEPTH_MAX, ']', PHUSA_JSON_DEPTH_MAX);
    assert_int_equal(scan(text, (size_t)2 * PHUSA_JSON_DEPTH_MAX, &offset), PHUSA_OK);
    memset(text, '[', PHUSA_JSON_DEPTH_MAX + 1);
    memset(text + PHUSA_JSON_DEPTH_MAX + 1, ']', PHUSA_JSON_DEPTH_MAX + 1);
    assert_int_equal(scan(text, (size_t)2 * PHUSA_JSON_DEPTH_MAX + 2, &offset), PHUSA_ERR_SYNTAX);
    assert_int_equal(offset, PHUSA_JSON_DEPTH_MAX);
    /* Arrays and objects in turn: each level ends as it began. */
    for (size_t i = 0; i < 100; i++) {
        memcpy(text + 6 * i, "[{\"a\":", 6);
    }
    text[600] = '0';
    for (size_t i = 0; i < 100; i++) {
        memcpy(text + 601 + 2 * i, "}]", 2);
    }
    assert_int_equal(scan(text, 801, &offset), PHUSA_OK);
    text[700] = text[700] == ']' ? '}' : ']';
    assert_int_equal(scan(text, 801, &offset), PHUSA_ERR_SYNTAX);
    assert_int_equal(offset, 700);
}

static void unescapes_and_quotes(void **state)
{
    (void)state;
    static const struct {
        const char *escaped, *meaning;
    } cases[] = {
        { "", "" },
        { "phù sa", "phù sa" },
        { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
        { "ph\\u00f9 sa", "phù sa" },
        { "\\u1EA1\\u0041", "ạA" },
        { "\\ud83c\\udf0a!", "\xf0\x9f\x8c\x8a!" },
        { "\\uffff", "\xef\xbf\xbf" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct phusa_text text = phusa_text_of(cases[i].escaped);
        char buffer[64], quoted[64];
        size_t length, meaning = strlen(cases[i].meaning);

        assert_true(phusa_json_unescape(text, buffer, meaning, &length));
        assert_int_equal(length, meaning);
        assert_memory_equal(buffer, cases[i].meaning, meaning);
        if (meaning > 0) {
            assert_false(phusa_json_unescape(text, buffer, meaning - 1, &length));
        }
        /* What is quoted is one string token that means the same. */
        size_t written = phusa_json_quote(phusa_text_of(cases[i].meaning), quoted, sizeof(quoted));
        struct phusa_json json;

        phusa_json_init(&json, (struct phusa_text){ quoted, written });
        assert_int_equal(phusa_json_next(&json), PHUSA_JSON_STRING);
        assert_true(phusa_json_unescape(json.text, buffer, sizeof(buffer), &length));
        assert_int_equal(length, meaning);
        assert_memory_equal(buffer, cases[i].meaning, meaning);
        assert_int_equal(phusa_json_next(&json), PHUSA_JSON_END);
        assert_int_equal(phusa_json_quote(phusa_text_of(cases[i].meaning), quoted, written - 1), 0);
    }
    char quoted[16];

    assert_int_equal(phusa_json_quote(PHUSA_TEXT("a\0\x1f"), quoted, sizeof(quoted)), 15);
    assert_memory_equal(quoted, "\"a\\u0000\\u001f\"", 15);
    assert_int_equal(phusa_json_quote(PHUSA_TEXT("\xff"), quoted, sizeof(quoted)), 0);
}

/* --- the JSONTestSuite: a zip archive of files y_*.json, n_*.json, i_*.json --- */

#define ZIP_ENTRY    0x02014b50u
#define ZIP_DEFLATED 8
#define UNPACKED_MAX 1000000

static uint32_t little(const unsigned char *at, int bytes)
{
    uint32_t value = 0;

    for (int i = bytes; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

/* Unpacks what the archive's directory entry at `entry` describes; returns its length. */
static size_t unpack(const unsigned char *zip, const unsigned char *entry, unsigned char *buffer)
{
    const unsigned char *local = zip + little(entry + 42, 4);
    const unsigned char *data = local + 30 + little(local + 26, 2) + little(local + 28, 2);
    size_t packed = little(entry + 20, 4), size = little(entry + 24, 4);
    z_stream stream = { .next_in = (unsigned char *)(uintptr_t)data,
                        .avail_in = (unsigned)packed,
                        .next_out = buffer,
                        .avail_out = UNPACKED_MAX };

    assert_true(size <= UNPACKED_MAX);
    if (little(entry + 10, 2) != ZIP_DEFLATED) {
        memcpy(buffer, data, size);
        return size;
    }
    assert_int_equal(inflateInit2(&stream, -MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    assert_int_equal(stream.total_out, size);
    return size;
}

/* How one file is judged: its name says what must be. Returns its kind. */
static char judge(const char *path, size_t path_length, const unsigned char *text, size_t length)
{
    const char *name = path + path_length;
    size_t offset;

    while (name > path && name[-1] != '/') {
        name--;
    }
    if (name + 2 > path + path_length || name[1] != '_') {
        return '\0'; /* of the folder test_transform, which judges nothing */
    }

    bool accepted = scan(text, length, &offset) == PHUSA_OK;

    if ((*name == 'y' && !accepted) || (*name == 'n' && accepted)) {
        fail_msg("%.*s %s", (int)path_length, path, accepted ? "accepted" : "refused");
    }
    return *name;
}

static void agrees_with_the_json_test_suite(void **state)
{
    (void)state;
    size_t size, yes = 0, no = 0, open = 0;
    unsigned char *zip = shared_read("12-hostile/JSONTestSuite_test_parsing.zip", &size);
    static unsigned char text[UNPACKED_MAX];

    if (zip == NULL) {
        skip();
        return;
    }
    for (size_t at = 0; at + 46 <= size; at++) {
        if (little(zip + at, 4) != ZIP_ENTRY) {
            continue;
        }

        char kind = judge((const char *)zip + at + 46, little(zip + at + 28, 2), text,
                          unpack(zip, zip + at, text));

        yes += kind == 'y' ? 1 : 0;
        no += kind == 'n' ? 1 : 0;
        open += kind == 'i' ? 1 : 0;
    }
    print_message("%zu accepted, %zu refused, %zu left open\n", yes, no, open);
    assert_true(yes > 90 && no > 180 && open > 30);
    free(zip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_tokens),
        cmocka_unit_test(skips_whole_values),
        cmocka_unit_test(tells_cut_short_from_wrong),
        cmocka_unit_test(nests_to_its_limit_and_no_deeper),
        cmocka_unit_test(unescapes_and_quotes),
        cmocka_unit_test(agrees_with_the_json_test_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
