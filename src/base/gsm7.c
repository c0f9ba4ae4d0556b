#include "base/gsm7.h"

#include <stdint.h>

#define NO_CHARACTER 0xfffd /* what a byte that is no UTF-8 counts as */

/* --- characters --------------------------------------------------------------- */

struct lead {
    size_t length;
    uint32_t bits, least; /* of the code; a smaller one has a shorter form */
};

static struct lead lead_of(unsigned char byte)
{
    if (byte >= 0xc0 && byte < 0xe0) {
        return (struct lead){ 2, byte & 0x1fU, 0x80 };
    }
    if (byte >= 0xe0 && byte < 0xf0) {
        return (struct lead){ 3, byte & 0x0fU, 0x800 };
    }
    if (byte >= 0xf0 && byte < 0xf8) {
        return (struct lead){ 4, byte & 0x07U, 0x10000 };
    }
    return (struct lead){ 1, byte < 0x80 ? byte : NO_CHARACTER, 0 };
}

/* The character at `offset` and its bytes; a byte that begins none is NO_CHARACTER. */
static size_t next_code(struct phusa_text text, size_t offset, uint32_t *code)
{
    struct lead lead = lead_of((unsigned char)text.data[offset]);
    uint32_t bits = lead.bits;
    bool good = lead.length <= text.length - offset;
    for (size_t i = 1; good && i < lead.length; i++) {
        unsigned char byte = (unsigned char)text.data[offset + i];
        good = (byte & 0xc0U) == 0x80;
        bits = bits << 6 | (byte & 0x3fU);
    }
    good = good && bits >= lead.least && bits <= 0x10ffff && (bits < 0xd800 || bits > 0xdfff);
    *code = good ? bits : NO_CHARACTER;
    return good ? lead.length : 1;
}

/* --- folding ------------------------------------------------------------------ */

/* Letters that lose their marks, one for each code from `first` on; '?' has none (see signs). */
struct letters {
    uint32_t first, last;
    const char *plain;
};

static const struct letters letters[] = {
    { 0x00c0, 0x00ff, "AAAAAA?CEEEEIIIIDNOOOOOxOUUUUY??aaaaaa?ceeeeiiiidnooooo/ouuuuy?y" },
    { 0x0100, 0x017f,
      "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKkkLlLlLlLlLlNnNnNnnNnOoOoOo??RrRrRr"
      "SsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs" },
    { 0x01a0, 0x01a1, "Oo" },
    { 0x01af, 0x01b0, "Uu" },
    { 0x01cd, 0x01dc, "AaIiOoUuUuUuUuUu" },
    { 0x1ea0, 0x1ef9,
      "AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyY"
      "y" },
    { 0x2070, 0x2079, "0i??456789" }, /* superscript and subscript digits */
    { 0x2080, 0x2089, "0123456789" },
};

/* What people type instead. Ascending. */
struct sign {
    uint32_t code;
    const char *plain;
};

static const struct sign signs[] = {
    { 0x0060, "'" }, /* ` */
    { 0x00a0, " " }, /* no-break space */
    { 0x00a1, "!" },   { 0x00a2, "c" },   { 0x00a3, "GBP" }, { 0x00a5, "JPY" }, { 0x00a6, "|" },
    { 0x00a7, "S" },   { 0x00a8, "\"" },  { 0x00a9, "(c)" }, { 0x00aa, "a" },   { 0x00ab, "\"" },
    { 0x00ac, "-" },   { 0x00ad, "" },    { 0x00ae, "(R)" }, { 0x00af, "-" },   { 0x00b0, "o" },
    { 0x00b1, "+-" },  { 0x00b2, "2" },   { 0x00b3, "3" },   { 0x00b4, "'" },   { 0x00b5, "u" },
    { 0x00b7, "." },   { 0x00b9, "1" },   { 0x00ba, "o" },   { 0x00bb, "\"" },  { 0x00bc, "1/4" },
    { 0x00bd, "1/2" }, { 0x00be, "3/4" }, { 0x00c6, "AE" },  { 0x00de, "Th" },  { 0x00df, "ss" },
    { 0x00e6, "ae" },  { 0x00fe, "th" },  { 0x0132, "IJ" },  { 0x0133, "ij" },  { 0x0152, "OE" },
    { 0x0153, "oe" },  { 0x02bc, "'" },   { 0x0394, "D" },   { 0x03a9, "Ohm" }, { 0x03b1, "a" },
    { 0x03b2, "b" },   { 0x03bc, "u" },   { 0x200b, "" },    { 0x200c, "" },    { 0x200d, "" },
    { 0x200e, "" },    { 0x200f, "" },    { 0x2022, "-" },   { 0x2024, "." },   { 0x2025, ".." },
    { 0x2026, "..." }, { 0x2028, "\n" },  { 0x2029, "\n" },  { 0x202f, " " },   { 0x2030, "%o" },
    { 0x2032, "'" },   { 0x2033, "\"" },  { 0x2039, "'" },   { 0x203a, "'" },   { 0x2044, "/" },
    { 0x2060, "" },    { 0x207a, "+" },   { 0x207b, "-" },   { 0x20ab, "d" },   { 0x20ac, "EUR" },
    { 0x2103, "oC" },  { 0x2109, "oF" },  { 0x2116, "No" },  { 0x2122, "TM" },  { 0x2126, "Ohm" },
    { 0x212a, "K" },   { 0x212b, "A" },   { 0x2190, "<-" },  { 0x2192, "->" },  { 0x21d2, "=>" },
    { 0x2206, "D" },   { 0x2212, "-" },   { 0x2215, "/" },   { 0x2217, "*" },   { 0x2219, "." },
    { 0x221e, "inf" }, { 0x2236, ":" },   { 0x223c, "~" },   { 0x2248, "~" },   { 0x2260, "!=" },
    { 0x2264, "<=" },  { 0x2265, ">=" },  { 0x226a, "<<" },  { 0x226b, ">>" },  { 0x22c5, "." },
    { 0x2a7d, "<=" },  { 0x2a7e, ">=" },  { 0x3000, " " },   { 0x3001, "," },   { 0x3002, "." },
    { 0x338d, "ug" },  { 0x338e, "mg" },  { 0x338f, "kg" },  { 0x339c, "mm" },  { 0x339d, "cm" },
    { 0x339e, "km" },  { 0x33a5, "m3" },  { 0xfeff, "" },
};

static const char *sign_plain(uint32_t code)
{
    size_t low = 0, high = sizeof signs / sizeof signs[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (signs[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sizeof signs / sizeof signs[0] && signs[low].code == code ? signs[low].plain
                                                                           : NULL;
}

static char letter_plain(uint32_t code)
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (code >= letters[i].first && code <= letters[i].last) {
            return letters[i].plain[code - letters[i].first];
        }
    }
    return '?';
}

/* Marks that combine with the letter before, and variation selectors. */
static bool is_mark(uint32_t code)
{
    return (code >= 0x0300 && code <= 0x036f) || (code >= 0x1ab0 && code <= 0x1aff) ||
           (code >= 0x1dc0 && code <= 0x1dff) || (code >= 0x20d0 && code <= 0x20ff) ||
           (code >= 0xfe00 && code <= 0xfe0f);
}

/* Characters of which a whole range is the same. */
static char range_plain(uint32_t code)
{
    if (code >= 0xff01 && code <= 0xff5e) { /* full width */
        return (char)(code - 0xff01 + '!');
    }
    if (code >= 0x2000 && code <= 0x200a) { /* spaces */
        return ' ';
    }
    if (code >= 0x2010 && code <= 0x2015) { /* hyphens and dashes */
        return '-';
    }
    if (code >= 0x2018 && code <= 0x201b) {
        return '\'';
    }
    if (code >= 0x201c && code <= 0x201f) {
        return '"';
    }
    return letter_plain(code);
}

static char ascii_plain(uint32_t code)
{
    return code == '\n' || (code >= ' ' && code < 0x7f) ? (char)code : ' ';
}

/* The plain spelling; it may point to *one, which has room for a character and its end. */
static const char *plain_of(uint32_t code, char one[2])
{
    const char *spelling = is_mark(code) ? "" : sign_plain(code);
    if (spelling != NULL) {
        return spelling;
    }
    one[0] = code < 0x80 ? ascii_plain(code) : code < 0xa0 ? ' ' : range_plain(code);
    one[1] = '\0';
    if (one[0] == '`') { /* of full width */
        one[0] = '\'';
    }
    return one;
}

size_t gsm7_fold(struct phusa_text text, char *out, size_t capacity)
{
    size_t whole = 0, used = 0;
    for (size_t at = 0; at < text.length;) {
        char one[2];
        uint32_t code;
        at += next_code(text, at, &code);
        const char *plain = plain_of(code, one);
        size_t length = strlen(plain);
        if (used == whole && used + length < capacity) {
            memcpy(out + used, plain, length);
            used += length;
        }
        whole += length;
    }
    if (capacity > 0) {
        out[used] = '\0';
    }
    return whole;
}

#define FULL_WIDTH_QUESTION 0xff1f

struct phusa_text gsm7_unspelt(struct phusa_text text)
{
    size_t length = 0;
    for (size_t at = 0; at < text.length; at += length) {
        char one[2];
        uint32_t code;
        length = next_code(text, at, &code);
        const char *plain = plain_of(code, one);
        if (plain == one && one[0] == '?' && code != '?' && code != FULL_WIDTH_QUESTION) {
            return (struct phusa_text){ text.data + at, length };
        }
    }
    return (struct phusa_text){ text.data + text.length, 0 };
}

/* --- counting ------------------------------------------------------------------ */

/* Those of the GSM alphabet that are not ASCII; ascending. */
static const uint32_t not_ascii[] = {
    0x00a1, 0x00a3, 0x00a4, 0x00a5, 0x00a7, 0x00bf, 0x00c4, 0x00c5, 0x00c6, 0x00c7,
    0x00c9, 0x00d1, 0x00d6, 0x00d8, 0x00dc, 0x00df, 0x00e0, 0x00e4, 0x00e5, 0x00e6,
    0x00e8, 0x00e9, 0x00ec, 0x00f1, 0x00f2, 0x00f6, 0x00f8, 0x00f9, 0x00fc, 0x0393,
    0x0394, 0x0398, 0x039b, 0x039e, 0x03a0, 0x03a3, 0x03a6, 0x03a8, 0x03a9,
};

#define EURO 0x20ac

/* 1 or 2; 0 if the alphabet has it not. */
static size_t septets(uint32_t code)
{
    if (code == EURO || (code > 0 && code < 0x80 && strchr("\f^{}\\[~]|", (int)code) != NULL)) {
        return 2;
    }
    if (code < 0x80) {
        return code == '\n' || code == '\r' || (code >= ' ' && code != '`' && code != 0x7f);
    }
    for (size_t i = 0; i < sizeof not_ascii / sizeof not_ascii[0]; i++) {
        if (not_ascii[i] == code) {
            return 1;
        }
    }
    return 0;
}

static size_t units_of(uint32_t code, enum sms_coding coding)
{
    if (coding == SMS_UCS2) {
        return code > 0xffff ? 2 : 1;
    }
    return septets(code) == 2 ? 2 : 1;
}

bool gsm7_writable(struct phusa_text text)
{
    for (size_t at = 0; at < text.length;) {
        uint32_t code;
        at += next_code(text, at, &code);
        if (septets(code) == 0) {
            return false;
        }
    }
    return true;
}

/* The bytes from `from` on that fit into so many units, whole characters. *units receives what
 * they take. */
static size_t fill(struct phusa_text text, enum sms_coding coding, size_t from, size_t most,
                   size_t *units)
{
    size_t at = from;
    *units = 0;
    while (at < text.length) {
        uint32_t code;
        size_t bytes = next_code(text, at, &code), more = units_of(code, coding);
        if (more > most - *units) {
            break;
        }
        *units += more;
        at += bytes;
    }
    return at - from;
}

size_t sms_units(struct phusa_text text, enum sms_coding coding)
{
    size_t units;
    (void)fill(text, coding, 0, SIZE_MAX, &units);
    return units;
}

static size_t one_part(enum sms_coding coding)
{
    return coding == SMS_UCS2 ? SMS_UCS2_ONE : SMS_GSM7_ONE;
}

/* As much as `most` parts of several hold. *parts receives how many it takes. */
static size_t fill_parts(struct phusa_text text, enum sms_coding coding, size_t most, size_t *parts)
{
    size_t room = coding == SMS_UCS2 ? SMS_UCS2_PART : SMS_GSM7_PART, at = 0, units;
    for (*parts = 0; *parts < most && at < text.length; (*parts)++) {
        at += fill(text, coding, at, room, &units);
    }
    return at;
}

size_t sms_parts(struct phusa_text text, enum sms_coding coding)
{
    size_t parts;
    if (sms_units(text, coding) <= one_part(coding)) {
        return 1;
    }
    (void)fill_parts(text, coding, SIZE_MAX, &parts);
    return parts;
}

size_t sms_room(enum sms_coding coding, size_t parts)
{
    size_t part = coding == SMS_UCS2 ? SMS_UCS2_PART : SMS_GSM7_PART;
    return parts <= 1 ? one_part(coding) : parts * part;
}

/* The end of a word at or before `at`, in the latter half of what stands before it; else `at`. */
static size_t word_end(struct phusa_text text, size_t at)
{
    size_t end = at;
    while (end > at / 2 && text.data[end] != ' ' && text.data[end] != '\n') {
        end--;
    }
    if (end <= at / 2) {
        return at;
    }
    while (end > 0 && (text.data[end - 1] == ' ' || text.data[end - 1] == '\n')) {
        end--;
    }
    return end;
}

size_t sms_cut(struct phusa_text text, enum sms_coding coding, size_t parts)
{
    size_t units, used;
    size_t end = fill(text, coding, 0, one_part(coding), &units);
    if (parts > 1 && end < text.length) {
        end = fill_parts(text, coding, parts, &used);
    }
    return end == text.length ? end : word_end(text, end);
}
