/* UTF-8, checked and written. */
#include "shared/utf8.h"

/* What the second byte may be, after RFC 3629 section 4; all further ones are 80..BF. */
struct lead {
    size_t length; /* 0: no lead byte */
    uint8_t low, high;
};

static struct lead lead_of(uint8_t byte)
{
    if (byte >= 0xc2 && byte <= 0xdf) {
        return (struct lead){ 2, 0x80, 0xbf };
    }
    if (byte >= 0xe0 && byte <= 0xef) {
        return (struct lead){ 3, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf };
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
        return (struct lead){ 4, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf };
    }
    return (struct lead){ 0, 0, 0 };
}

size_t utf8_sequence(const char *at, const char *end, bool *cut)
{
    struct lead lead = lead_of((uint8_t)*at);
    size_t left = (size_t)(end - at);

    *cut = false;
    for (size_t i = 1; i < lead.length; i++) {
        if (i == left) {
            *cut = true;
            return 0;
        }

        uint8_t byte = (uint8_t)at[i];

        if (byte < (i == 1 ? lead.low : 0x80) || byte > (i == 1 ? lead.high : 0xbf)) {
            return 0;
        }
    }
    return lead.length;
}

bool utf8_valid(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    bool cut;

    while (at < end) {
        size_t step = (uint8_t)*at < 0x80 ? 1 : utf8_sequence(at, end, &cut);

        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

static char continuation(uint32_t code, unsigned shift)
{
    return (char)(0x80 | (code >> shift & 0x3f));
}

size_t utf8_put(uint32_t code, char *buffer)
{
    if (code < 0x80) {
        buffer[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        buffer[0] = (char)(0xc0 | code >> 6);
        buffer[1] = continuation(code, 0);
        return 2;
    }
    if (code < 0x10000) {
        buffer[0] = (char)(0xe0 | code >> 12);
        buffer[1] = continuation(code, 6);
        buffer[2] = continuation(code, 0);
        return 3;
    }
    buffer[0] = (char)(0xf0 | code >> 18);
    buffer[1] = continuation(code, 12);
    buffer[2] = continuation(code, 6);
    buffer[3] = continuation(code, 0);
    return 4;
}
