/* The JSON scanner: levels add up, skipping agrees with walking, strings unescape and quote. */
#include "fuzz.h"
#include "phusa/json.h"

static void check_string(const struct phusa_json *json)
{
    char meaning[8192], quoted[6 * 8192 + 2], again[8192];
    size_t length, written, same;
    struct phusa_json inner;

    if (json->text.length > sizeof(meaning)) {
        return;
    }
    ENSURE(phusa_json_unescape(json->text, meaning, json->text.length, &length));
    ENSURE(json->escaped || length == json->text.length);
    written = phusa_json_quote((struct phusa_text){ meaning, length }, quoted, sizeof(quoted));
    ENSURE(written >= length + 2);
    phusa_json_init(&inner, (struct phusa_text){ quoted, written });
    ENSURE(phusa_json_next(&inner) == PHUSA_JSON_STRING);
    ENSURE(phusa_json_next(&inner) == PHUSA_JSON_END);
    ENSURE(phusa_json_unescape(inner.text, again, sizeof(again), &same));
    ENSURE(same == length && memcmp(again, meaning, length) == 0);
}

static void check_number(const struct phusa_json *json)
{
    double value;

    phusa_double_parse(json->text.data, json->text.length, &value);
    ENSURE(phusa_decimal_scan(json->text.data, json->text.length, NULL) == json->text.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct phusa_text text = { fuzz_text(data, size), size };
    struct phusa_json walker, skipper;
    enum phusa_json_token token;
    size_t last = 0;

    phusa_json_init(&walker, text);
    while ((token = phusa_json_next(&walker)) > PHUSA_JSON_END) {
        ENSURE(phusa_json_offset(&walker) > last && phusa_json_offset(&walker) <= size);
        ENSURE(walker.depth <= PHUSA_JSON_DEPTH_MAX);
        last = phusa_json_offset(&walker);
        if (token == PHUSA_JSON_KEY || token == PHUSA_JSON_STRING) {
            check_string(&walker);
        } else if (token == PHUSA_JSON_NUMBER) {
            check_number(&walker);
        }
    }
    ENSURE((token == PHUSA_JSON_END) == (walker.lexer.status == PHUSA_OK));
    ENSURE(token == PHUSA_JSON_END || walker.lexer.what != NULL);
    ENSURE(walker.lexer.status != PHUSA_ERR_TRUNCATED || phusa_json_offset(&walker) == size);

    phusa_json_init(&skipper, text);
    bool skipped = phusa_json_skip(&skipper, phusa_json_next(&skipper)) &&
                   phusa_json_next(&skipper) == PHUSA_JSON_END;
    ENSURE(skipped == (token == PHUSA_JSON_END));
    ENSURE(skipper.lexer.status == walker.lexer.status);
    return 0;
}
