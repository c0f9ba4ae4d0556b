/*
 * CBOR (RFC 8949), read in place: heads, numbers, strings, and passing over what is not wanted.
 * Well-formedness is checked strictly; shortest forms are not demanded. Each function reads at
 * cbor->at and moves behind what it read; on a mistake it returns false, and status, what
 * and at tell which and where.
 */
#ifndef SHARED_CBOR_H
#define SHARED_CBOR_H

#include "phusa/number.h"
#include "phusa/status.h"
#include "phusa/text.h"

#define CBOR_DEPTH_MAX 64 /* arrays, maps and tags open at once in a value passed over */

enum cbor_major {
    CBOR_UNSIGNED = 0,
    CBOR_NEGATIVE = 1, /* -1 - argument */
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_MAP = 5,
    CBOR_TAG = 6,
    CBOR_OTHER = 7 /* simple values, floats, break */
};

/* Additional information of CBOR_OTHER. */
enum {
    CBOR_FALSE = 20,
    CBOR_TRUE = 21,
    CBOR_HALF = 25,
    CBOR_SINGLE = 26,
    CBOR_DOUBLE = 27,
    CBOR_INDEFINITE = 31 /* of other majors: until a break; of CBOR_OTHER: the break itself */
};

#define CBOR_TAG_FRACTION 4 /* [exponent, digits]: digits * 10^exponent */

struct cbor {
    const uint8_t *start, *at, *end;
    enum phusa_status status;
    const char *what;
};

struct cbor_head {
    uint8_t major, info;
    uint64_t argument; /* of a float its bits */
};

/* A number: decimal when exact is set (integers and decimal fractions), else value. */
struct cbor_number {
    bool exact;
    struct phusa_decimal decimal;
    double value;
};

static inline void cbor_init(struct cbor *cbor, const uint8_t *bytes, size_t length)
{
    if (length == 0) {
        bytes = (const uint8_t *)""; /* nothing may be NULL, and NULL takes no arithmetic */
    }
    *cbor = (struct cbor){ .start = bytes, .at = bytes, .end = bytes + length };
}

/* Notes a mistake at cbor->at. Always false. */
bool cbor_fail(struct cbor *cbor, enum phusa_status status, const char *what);

bool cbor_read_head(struct cbor *cbor, struct cbor_head *head);

static inline bool cbor_is_break(const struct cbor_head *head)
{
    return head->major == CBOR_OTHER && head->info == CBOR_INDEFINITE;
}

/* Takes a break if it comes next. Notes no mistake. */
bool cbor_take_break(struct cbor *cbor);

/*
 * The rest of an array or map whose head was read: true while another item (of a map, a pair)
 * comes, taking the break where there is one. *left starts as the head's argument.
 */
bool cbor_more(struct cbor *cbor, const struct cbor_head *head, uint64_t *left);

/*
 * The rest of a number whose head was read. False if the item
 * is no number of these kinds; the caller goes back to the item to see what it is.
 */
bool cbor_read_number(struct cbor *cbor, const struct cbor_head *head, struct cbor_number *number);

double cbor_double(const struct cbor_number *number);

/*
 * The rest of a CBOR_TEXT or CBOR_BYTES string whose head was read: in place, or in
 * chunks put together in space. PHUSA_ERR_SPACE if that does not suffice. *copied tells
 * which. Text is checked to be UTF-8.
 */
bool cbor_read_string(struct cbor *cbor, const struct cbor_head *head, char *space, size_t capacity,
                      struct phusa_text *text, bool *copied);

/* The rest of an item whose head was read, with all that is inside. */
bool cbor_skip(struct cbor *cbor, const struct cbor_head *head);

#endif
