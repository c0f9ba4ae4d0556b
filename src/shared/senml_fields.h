/*
 * A report seen as SenML fields, before they are written: which labels a record carries, in
 * which order, and what each is worth. Both encoders walk over these.
 */
#ifndef SHARED_SENML_FIELDS_H
#define SHARED_SENML_FIELDS_H

#include "shared/hex.h"
#include "shared/senml_pack.h"

struct senml_field {
    enum senml_label label;
    const char *name; /* of the label, terminated */
    enum senml_want want;
    /* As `want` says, one of these. */
    struct phusa_text text;
    double number;
    uint64_t integer;
    int64_t time_ns;
    bool boolean;
    char log[HEX_LOG_DIGITS]; /* what text points to for SENML_LOG */
};

#define SENML_FIELDS_MAX 12 /* fields of one record */

/*
 * PHUSA_OK if the report can be written so that it reads back the same. json: NaN and
 * infinity cannot, nor data that is not text.
 */
enum phusa_status senml_check(const struct phusa_report *report, bool json);

/* The records of the pack: one for each reading, one for a report without any. */
size_t senml_record_count(const struct phusa_report *report);

/* The labels of record `index`, in the order they are written; returns how many. */
size_t senml_record_labels(const struct phusa_report *report, size_t index,
                           enum senml_label labels[SENML_FIELDS_MAX]);

/* What a label of record `index` is worth. */
void senml_field_of(const struct phusa_report *report, size_t index, enum senml_label label,
                    struct senml_field *field);

#endif
