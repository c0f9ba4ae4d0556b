/*
 * A pull scanner for JSON (RFC 8259), strict, in place: it reads the text once, front to
 * back, and hands out one token a call. No heap, no recursion, no copy.
 *
 *     struct phusa_json json;
 *     phusa_json_init(&json, text);
 *     while (phusa_json_next(&json) > PHUSA_JSON_END)
 *         ...
 *     return json.lexer.status;
 *
 * Strict means: exactly one value with white space around it; the grammar to the letter; strings
 * in valid UTF-8 (no overlong forms, no surrogates) and with valid escapes, a lone
 * surrogate escape refused; nesting up to PHUSA_JSON_DEPTH_MAX. What RFC 8259 leaves
 * open: a byte order mark is refused, duplicate keys are the caller's to judge, numbers of any
 * size are accepted.
 */
#ifndef PHUSA_JSON_H
#define PHUSA_JSON_H

#include "phusa/number.h"
#include "phusa/status.h"
#include "phusa/text.h"

#define PHUSA_JSON_DEPTH_MAX 512 /* arrays and objects open at once; deeper is PHUSA_ERR_SYNTAX */

enum phusa_json_token {
    PHUSA_JSON_ERROR = -1, /* see lexer.status; every further call gives it again */
    PHUSA_JSON_END = 0,    /* the one value is over and nothing follows; repeats */
    PHUSA_JSON_OBJECT,     /* { */
    PHUSA_JSON_OBJECT_END,
    PHUSA_JSON_ARRAY, /* [ */
    PHUSA_JSON_ARRAY_END,
    PHUSA_JSON_KEY,    /* `text`, `escaped`; its value is the next token */
    PHUSA_JSON_STRING, /* `text`, `escaped` */
    PHUSA_JSON_NUMBER, /* `text`, `number` */
    PHUSA_JSON_TRUE,
    PHUSA_JSON_FALSE,
    PHUSA_JSON_NULL
};

/* Where the scanner stands. Readers need status, what and phusa_json_offset. */
struct phusa_lexer {
    const char *start, *at, *end;
    enum phusa_status
        status;       /* PHUSA_OK, _SYNTAX, or _TRUNCATED: right so far, but the text ends */
    const char *what; /* with a mistake: static English text */
};

struct phusa_json {
    struct phusa_lexer lexer;
    struct phusa_text text;      /* KEY, STRING: between the quotes; NUMBER: as written */
    bool escaped;                /* text holds escapes: phusa_json_unescape gives what it means */
    struct phusa_decimal number; /* NUMBER */
    size_t depth;                /* arrays and objects open after the token */
    /* Inside only: what may come next, and for each open level whether it is an object. */
    uint8_t state;
    uint64_t objects[PHUSA_JSON_DEPTH_MAX / 64];
};

/* Starts at the front of text, which must outlive the scanner. */
void phusa_json_init(struct phusa_json *json, struct phusa_text text);

/* The next token. */
enum phusa_json_token phusa_json_next(struct phusa_json *json);

/*
 * Passes over the rest of the value whose first token was `token`: for an array or object
 * up to its end, for a KEY its value, else nothing. False on a mistake.
 */
bool phusa_json_skip(struct phusa_json *json, enum phusa_json_token token);

/* The byte at which the scanner stands, or noticed a mistake. */
static inline size_t phusa_json_offset(const struct phusa_json *json)
{
    return (size_t)(json->lexer.at - json->lexer.start);
}

/*
 * Writes what a string that the scanner accepted means, in UTF-8, not terminated; never more
 * bytes than text has. False if capacity is too small.
 */
bool phusa_json_unescape(struct phusa_text text, char *buffer, size_t capacity, size_t *length);

/*
 * Writes text as a JSON string with its quotes, not terminated. Returns the bytes written, 0
 * if capacity is too small or text is not UTF-8.
 */
size_t phusa_json_quote(struct phusa_text text, char *buffer, size_t capacity);

#endif
