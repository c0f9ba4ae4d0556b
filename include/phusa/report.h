/*
 * A report: what a station says at once, after SenML resolution (RFC 8428
 * section 4.6). Both sides use it: the station encodes it, the collector
 * decodes into it. Nothing here owns memory: texts point into the payload or
 * into the decoder's scratch space, readings lie in the caller's array.
 */
#ifndef PHUSA_REPORT_H
#define PHUSA_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phusa/text.h"

#define PHUSA_REPORT_READINGS_MAX 256   /* records in a pack (contract) */
#define PHUSA_REPORT_BYTES_MAX    65536 /* bytes in a pack (contract) */

/* What TT 10/2021 calls the device's state while it measured. */
enum phusa_device_state {
    PHUSA_DEVICE_MEASURING = 0,
    PHUSA_DEVICE_CALIBRATING = 1,
    PHUSA_DEVICE_FAULT = 2
};

/* QARTOD flags (IOOS, Manual for the use of real-time data quality control). */
enum phusa_flag {
    PHUSA_FLAG_GOOD = 1,
    PHUSA_FLAG_NOT_EVALUATED = 2,
    PHUSA_FLAG_SUSPECT = 3,
    PHUSA_FLAG_FAIL = 4,
    PHUSA_FLAG_MISSING = 9
};

enum phusa_value_kind {
    PHUSA_VALUE_NONE = 0, /* the record carries only a sum */
    PHUSA_VALUE_NUMBER,   /* `value`; may be NaN or infinite (CBOR only) */
    PHUSA_VALUE_BOOLEAN,  /* `value` is 0 or 1 */
    PHUSA_VALUE_STRING,   /* `string` */
    PHUSA_VALUE_DATA      /* `string`, as it stood in the pack (base64url in JSON) */
};

struct phusa_reading {
    struct phusa_text base_name; /* bn in force; the full name is base_name followed by name */
    struct phusa_text name;      /* n; may be empty */
    struct phusa_text unit;      /* u, else bu; empty = the parameter's own */
    struct phusa_text string;    /* for kinds STRING and DATA */
    int64_t time_ns;             /* absolute, nanoseconds since 1970-01-01 UTC */
    double value;                /* bv + v */
    double sum;                  /* bs + s, valid when has_sum */
    bool has_sum;
    bool time_valid;      /* false: the time was not finite or beyond the years 1678..2262 */
    bool time_relative;   /* decoded: it was counted from now_ns, so the same report at another
                             time gives another */
    uint8_t kind;         /* enum phusa_value_kind */
    uint8_t device_state; /* enum phusa_device_state */
};

struct phusa_report {
    struct phusa_reading *readings; /* the caller's array */
    size_t capacity;                /* of that array, at least 1 */
    size_t count;                   /* readings in use */
    bool has_log, has_seq, has_boot, has_up;
    uint32_t log;  /* identity of the station's log; written as 8 hex digits */
    uint64_t seq;  /* 1 .. 2^53 - 1 */
    uint32_t boot; /* count of boots; only with an unset clock */
    double up;     /* seconds since boot; only with an unset clock */
};

#endif
