/*
 * A SenML pack while it is read: what both decoders share. They tell labels and
 * values; this keeps base fields, the open record and the report, and knows what RFC 8428
 * and the contract say about them.
 *
 *     senml_pack_begin
 *         senml_record_begin
 *             senml_label_begin, then senml_put_... as senml_want of the label says
 *         senml_record_end
 *     senml_pack_end
 *
 * Every call returns false on a mistake, which pack->status and ->what then name.
 */
#ifndef SHARED_SENML_PACK_H
#define SHARED_SENML_PACK_H

#include "phusa/senml.h"

#define SENML_VERSION_MAX 10                 /* RFC 8428 section 4.4 */
#define SENML_RELATIVE_S  ((int64_t)1 << 28) /* times below are relative: section 4.5.3 */
#define SENML_SEQ_MAX     (((uint64_t)1 << 53) - 1)
#define SENML_NANOS_IN_S  ((int64_t)1000000000)

/* The order matters to senml_label_begin: first the base fields, last those of the first record. */
enum senml_label {
    SENML_BN,
    SENML_BT,
    SENML_BU,
    SENML_BV,
    SENML_BS,
    SENML_BVER,
    SENML_N,
    SENML_U,
    SENML_V,
    SENML_VS,
    SENML_VB,
    SENML_VD,
    SENML_S,
    SENML_T,
    SENML_UT,
    SENML_ST,
    SENML_LOG,
    SENML_SEQ,
    SENML_BOOT,
    SENML_UP,
    SENML_UNKNOWN
};

/* What the value of a label must be. */
enum senml_want {
    SENML_WANT_NUMBER,
    SENML_WANT_INTEGER, /* a number that is whole and not negative */
    SENML_WANT_TIME,    /* a number of seconds, wanted in nanoseconds */
    SENML_WANT_TEXT,
    SENML_WANT_DATA, /* a string in JSON, a byte string in CBOR */
    SENML_WANT_BOOLEAN,
    SENML_WANT_ANYTHING
};

struct senml_time {
    int64_t ns;
    bool valid;
};

struct senml_record {
    uint32_t seen; /* bit n: label n stood in this record */
    struct phusa_text name, unit, string;
    struct senml_time time;
    double value, sum;
    uint8_t kind, device_state;
};

struct senml_pack {
    struct phusa_report *report;
    struct phusa_senml_scratch *scratch;
    int64_t now_ns;
    size_t records; /* closed ones */
    struct phusa_text base_name, base_unit;
    struct senml_time base_time;
    double base_value, base_sum;
    struct senml_record record;
    enum phusa_status status;
    const char *what;
};

void senml_pack_begin(struct senml_pack *pack, struct phusa_report *report,
                      struct phusa_senml_scratch *scratch, int64_t now_ns);
/* The pack is over: it must have had a record. */
bool senml_pack_end(struct senml_pack *pack);

bool senml_record_begin(struct senml_pack *pack);
bool senml_record_end(struct senml_pack *pack);

/* The label that a text names; SENML_UNKNOWN for any other. */
enum senml_label senml_label_of(struct phusa_text key);
/* The label that an integer names in CBOR (RFC 8428 section 6). */
enum senml_label senml_label_of_integer(int64_t key);

/*
 * A label of the open record; key is its text, for a label unknown. *label
 * becomes SENML_UNKNOWN where this record gives it no meaning.
 */
bool senml_label_begin(struct senml_pack *pack, struct phusa_text key, enum senml_label *label);
enum senml_want senml_want_of(enum senml_label label);
/* The value is not what the label wants. Always false. */
bool senml_wrong_type(struct senml_pack *pack, enum senml_label label);

bool senml_put_number(struct senml_pack *pack, enum senml_label label, double value);
/* fits: the number is whole, not negative and below 2^64. */
bool senml_put_integer(struct senml_pack *pack, enum senml_label label, bool fits, uint64_t value);
void senml_put_time(struct senml_pack *pack, enum senml_label label, struct senml_time time);
bool senml_put_text(struct senml_pack *pack, enum senml_label label, struct phusa_text text);
void senml_put_boolean(struct senml_pack *pack, bool value);

/* The free part of the scratch space, to be claimed by senml_keep. */
char *senml_free_space(struct senml_pack *pack, size_t *capacity);
/* Claims length bytes of it. */
struct phusa_text senml_keep(struct senml_pack *pack, size_t length);
/* The scratch space does not suffice. Always false. */
bool senml_no_space(struct senml_pack *pack);

/* Notes a mistake. Always false. */
bool senml_fail(struct senml_pack *pack, enum phusa_status status, const char *what);

/* What a decode comes to: on a refusal the report keeps only its identity. */
enum phusa_status senml_conclude(struct phusa_report *report, enum phusa_status status,
                                 const char *what, size_t offset, struct phusa_senml_error *error);

#endif
