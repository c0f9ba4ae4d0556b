#include "console/delivery.h"

#include <string.h>

enum { OK = 200, BAD_REQUEST = 400, FORBIDDEN = 403, UNAVAILABLE = 503 };

/* --- forms -------------------------------------------------------------------------- */

/* What stands before the next '&'; the rest goes on behind it. */
static struct phusa_text next_pair(struct phusa_text *rest)
{
    const char *end = memchr(rest->data, '&', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);
    struct phusa_text pair = { rest->data, length };
    size_t skipped = length + (end != NULL);
    *rest = (struct phusa_text){ rest->data + skipped, rest->length - skipped };
    return pair;
}

/* 0 .. 15, or -1. */
static int hex_value(char digit)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit);
    int value = at == NULL ? -1 : (int)(at - digits);
    return value > 15 ? value - 6 : value;
}

/* The byte at the beginning of text, which is not empty; *taken receives how many it is made of. */
static char next_byte(struct phusa_text text, size_t *taken)
{
    int high = text.length < 3 ? -1 : hex_value(text.data[1]);
    int low = text.length < 3 ? -1 : hex_value(text.data[2]);
    bool escaped = text.data[0] == '%' && high >= 0 && low >= 0;
    *taken = escaped ? 3 : 1;
    if (escaped) {
        return (char)(high * 16 + low);
    }
    return text.data[0] == '+' ? ' ' : text.data[0];
}

static void decode(struct phusa_text value, char state[DELIVERY_STATE_MAX + 1])
{
    size_t used = 0, taken = 0;
    for (; value.length > 0 && used < DELIVERY_STATE_MAX; used++) {
        state[used] = next_byte(value, &taken);
        value = (struct phusa_text){ value.data + taken, value.length - taken };
    }
    state[value.length > 0 ? 0 : used] = '\0';
}

void delivery_read_form(struct phusa_text form, char state[DELIVERY_STATE_MAX + 1])
{
    static const char name[] = "state=";
    const size_t length = sizeof name - 1;
    state[0] = '\0';
    while (form.length > 0) {
        struct phusa_text pair = next_pair(&form);
        if (pair.length >= length && memcmp(pair.data, name, length) == 0) {
            decode((struct phusa_text){ pair.data + length, pair.length - length }, state);
            return;
        }
    }
}

/* --- answers ------------------------------------------------------------------------- */

static const char *text_or_none(const char *text)
{
    return text == NULL ? "" : text;
}

static unsigned say(struct text_buffer *out, const char *what)
{
    text_buffer_add(out, "{\"report\":\"%s\"}\n", what);
    return OK;
}

static unsigned complain(struct text_buffer *out, unsigned code, const char *what)
{
    text_buffer_add(out, "{\"error\":\"%s\"}\n", what);
    return code;
}

unsigned delivery_answer(const struct console_source *source, const struct console_delivery *asked,
                         struct text_buffer *out)
{
    const struct console_delivery report = { .channel = text_or_none(asked->channel),
                                             .key = text_or_none(asked->key),
                                             .proof = text_or_none(asked->proof),
                                             .state = text_or_none(asked->state) };
    switch (source->delivery(source->context, &report)) {
    case CONSOLE_DELIVERY_UNCHANGED:
        return report.state[0] == '\0'
                   ? complain(out, BAD_REQUEST, "it says no state; add such as &state=1")
                   : say(out, "unchanged");
    case CONSOLE_DELIVERY_NOTED:
        return say(out, "noted");
    case CONSOLE_DELIVERY_DONE:
        return say(out, "delivered");
    case CONSOLE_DELIVERY_AGAIN:
        return say(out, "again");
    case CONSOLE_DELIVERY_FAILED:
        return say(out, "failed");
    case CONSOLE_DELIVERY_LOST:
        return complain(out, UNAVAILABLE, "it could not be written down; say it again");
    case CONSOLE_DELIVERY_FORGED:
        break;
    }
    return complain(out, FORBIDDEN, "this is no address that was given to a gateway");
}
