/*
 * Requests to gateways: the template and two values. What was filled in is read back as it was, by
 * those who read URLs, JSON and headers; a value never opens another, nor leaves its place.
 */
#include <jansson.h>

#include "notify/fill.h"
#include "pieces.h"
#include "shared/utf8.h"

#define TEXT_MAX 600
#define OUT_MAX  (7 * TEXT_MAX) /* every byte in its longest escape */

static char out[OUT_MAX];

static int digit(char hex)
{
    return hex >= 'A' ? hex - 'A' + 10 : hex - '0';
}

static void check_percent(const struct fill_value *value)
{
    const char *at = out, *wanted = value->text;
    ENSURE(fill_template("to={to}&end", value, 1, FILL_PERCENT, out, sizeof out) > 0);
    ENSURE(strncmp(at, "to=", 3) == 0);
    for (at += 3; *wanted != '\0'; wanted++) {
        ENSURE(strchr("&=/?#+ {}", *at) == NULL);
        int byte = *at == '%' ? digit(at[1]) * 16 + digit(at[2]) : *at;
        ENSURE((unsigned char)byte == (unsigned char)*wanted);
        at += *at == '%' ? 3 : 1;
    }
    ENSURE(strcmp(at, "&end") == 0);
}

static void check_json(const struct fill_value *value)
{
    if (!utf8_valid(value->text, strlen(value->text))) {
        return;
    }
    ENSURE(fill_template("{\"a\":\"{to}\",\"b\":{}}", value, 1, FILL_JSON, out, sizeof out) > 0);
    json_t *root = json_loads(out, JSON_REJECT_DUPLICATES, NULL);
    const char *read = json_string_value(json_object_get(root, "a"));
    ENSURE(json_object_size(root) == 2 && read != NULL && strcmp(read, value->text) == 0);
    json_decref(root);
}

static void check_line(const struct fill_value *value)
{
    size_t length = fill_template("X-To: {to}", value, 1, FILL_LINE, out, sizeof out);
    ENSURE(length == strlen("X-To: ") + strlen(value->text));
    for (size_t i = 0; i < length; i++) {
        ENSURE((unsigned char)out[i] >= ' ' && out[i] != 0x7f);
    }
}

/* It fits or it does not; with as much room as it needs it does. */
static void check_room(const char *template, const struct fill_value *values)
{
    for (int escape = FILL_PERCENT; escape <= FILL_LINE; escape++) {
        char *exact;
        size_t length =
            fill_template(template, values, 2, (enum fill_escape)escape, out, sizeof out);
        ENSURE(length < sizeof out && (length == 0 || strlen(out) == length));
        exact = malloc(length + 1);
        ENSURE(exact != NULL);
        ENSURE(fill_template(template, values, 2, (enum fill_escape)escape, exact, length) == 0);
        ENSURE(length == 0 || (fill_template(template, values, 2, (enum fill_escape)escape, exact,
                                             length + 1) == length &&
                               strcmp(exact, out) == 0));
        free(exact);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pieces pieces = pieces_cut(data, size < TEXT_MAX ? size : TEXT_MAX);
    const struct fill_value values[] = { { "to", pieces.of[1] }, { "text", pieces.of[2] } };
    for (size_t i = 0; i < 2; i++) {
        const struct fill_value value = { "to", values[i].text };
        check_percent(&value);
        check_json(&value);
        check_line(&value);
    }
    check_room(pieces.of[0], values);
    pieces_free(&pieces);
    return 0;
}
