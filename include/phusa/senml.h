/*
 * SenML (RFC 8428) in JSON and in CBOR, with the extension labels of the
 * contract: `log` and `seq` (and `boot`, `up`) in the first record, `st` in
 * any. No heap, no recursion; the input is read once, from front to back.
 */
#ifndef PHUSA_SENML_H
#define PHUSA_SENML_H

#include "phusa/report.h"
#include "phusa/status.h"

/* Space for strings that cannot be pointed at in place: JSON strings with escapes
 * and CBOR strings in chunks. A pack that needs more is PHUSA_ERR_TOO_MANY. */
#define PHUSA_SENML_SCRATCH 2048

struct phusa_senml_scratch {
    size_t used;
    char bytes[PHUSA_SENML_SCRATCH];
};

/* Where and why a decode failed, for the person who has to mend the sender. */
struct phusa_senml_error {
    size_t offset;    /* byte in the payload at which it was noticed */
    const char *what; /* static English text, e.g. "label 'v' wants a number" */
};

/*
 * Decodes one pack; the format is told by the first byte after JSON white space
 * ('[' JSON, 0x80..0x9f CBOR). report->readings and ->capacity are the
 * caller's; everything else is set here. Records with neither value nor sum of their
 * own (v, vs, vb, vd, s) give no reading, whatever bases are in force. A known label
 * twice in a record, or two values, is PHUSA_ERR_SYNTAX. now_ns is what relative times (below 2^28
 * seconds) count from. Texts in the report live as long as payload and scratch.
 *
 * Even when the pack is refused, log and seq are set if they could be read
 * before the mistake (has_log, has_seq): a receipt covers such a report.
 * report->count is 0 then. error may be NULL.
 */
enum phusa_status phusa_senml_decode(const void *payload, size_t length, int64_t now_ns,
                                     struct phusa_report *report,
                                     struct phusa_senml_scratch *scratch,
                                     struct phusa_senml_error *error);

/* The same for one known format. */
enum phusa_status phusa_senml_decode_json(const char *payload, size_t length, int64_t now_ns,
                                          struct phusa_report *report,
                                          struct phusa_senml_scratch *scratch,
                                          struct phusa_senml_error *error);
enum phusa_status phusa_senml_decode_cbor(const uint8_t *payload, size_t length, int64_t now_ns,
                                          struct phusa_report *report,
                                          struct phusa_senml_scratch *scratch,
                                          struct phusa_senml_error *error);

/*
 * True only if payload, when it is a pack at all, is one in JSON whose first record has `log` and
 * `seq` as the contract wants them: told from its first bytes, for a fraction of what decoding
 * costs. False says nothing: a numbered report may be in CBOR, or written otherwise than our
 * stations do (spaces, escapes, nested values, `seq` as the last label, labels further behind).
 */
bool phusa_senml_is_numbered(struct phusa_text payload);

/*
 * Encodes a report so that decoding it gives the report again: bt is the first
 * reading's time, later records carry t only where it differs; bn is the first
 * reading's base_name, repeated only when it changes. Times are written exactly
 * (JSON: decimal seconds with up to nine places; CBOR: integer or a decimal
 * fraction, tag 4, where not whole). Numbers are written as the shortest form
 * that reads back as the same double (CBOR: an integer or the shortest float). With
 * has_boot/has_up the times are written relative to the time of the report, which is
 * time_ns 0. A report without readings becomes one record with its identity.
 * PHUSA_ERR_RANGE: what would not read back, such as a time below 2^28 s without boot and
 * up or above it with them, a time not valid, text that is not UTF-8, a reading with
 * neither value nor sum. NaN and infinity: PHUSA_ERR_RANGE (JSON), a half float (CBOR).
 * *length receives the bytes written; PHUSA_ERR_SPACE if capacity is too small.
 */
enum phusa_status phusa_senml_encode_json(const struct phusa_report *report, char *buffer,
                                          size_t capacity, size_t *length);
enum phusa_status phusa_senml_encode_cbor(const struct phusa_report *report, uint8_t *buffer,
                                          size_t capacity, size_t *length);

#endif
