/* What both SenML targets check: a pack that is read can be written and read again, the same. */
#ifndef TESTS_SENML_ROUNDTRIP_H
#define TESTS_SENML_ROUNDTRIP_H

#include <math.h>

#include "fuzz.h"
#include "phusa/senml.h"

/* A decoded pack with all its parts. */
struct pack {
    struct phusa_reading readings[PHUSA_REPORT_READINGS_MAX];
    struct phusa_report report;
    struct phusa_senml_scratch scratch;
    struct phusa_senml_error error;
};

static inline enum phusa_status decode(struct pack *pack, const void *payload, size_t size)
{
    pack->report =
        (struct phusa_report){ .readings = pack->readings, .capacity = PHUSA_REPORT_READINGS_MAX };

    enum phusa_status status =
        phusa_senml_decode(payload, size, 0, &pack->report, &pack->scratch, &pack->error);

    ENSURE(pack->error.offset <= size && pack->error.what != NULL);
    ENSURE(status == PHUSA_OK || pack->report.count == 0);
    return status;
}

static inline bool same_double(double a, double b)
{
    return fuzz_same_double(a, b) || (isnan(a) && isnan(b));
}

static inline bool same_reading(const struct phusa_reading *a, const struct phusa_reading *b)
{
    return phusa_text_equal(a->base_name, b->base_name) && phusa_text_equal(a->name, b->name) &&
           phusa_text_equal(a->unit, b->unit) && phusa_text_equal(a->string, b->string) &&
           a->time_ns == b->time_ns && a->time_valid == b->time_valid && a->kind == b->kind &&
           a->device_state == b->device_state && a->has_sum == b->has_sum &&
           same_double(a->value, b->value) && same_double(a->sum, b->sum);
}

static inline void ensure_same(const struct phusa_report *a, const struct phusa_report *b)
{
    ENSURE(a->count == b->count);
    ENSURE(a->has_log == b->has_log && a->log == b->log);
    ENSURE(a->has_seq == b->has_seq && a->seq == b->seq);
    ENSURE(a->has_boot == b->has_boot && a->boot == b->boot);
    ENSURE(a->has_up == b->has_up && same_double(a->up, b->up));
    for (size_t i = 0; i < a->count; i++) {
        ENSURE(same_reading(&a->readings[i], &b->readings[i]));
    }
}

/*
 * Writes and reads back, where that is possible: a report of old times or of values that the
 * form has not is refused, and so may a longer text than fits be.
 */
static inline void there_and_back(const struct phusa_report *report, bool json)
{
    static char buffer[8 * PHUSA_REPORT_BYTES_MAX];
    static struct pack again;
    size_t length;
    enum phusa_status status =
        json ? phusa_senml_encode_json(report, buffer, sizeof(buffer), &length)
             : phusa_senml_encode_cbor(report, (uint8_t *)buffer, sizeof(buffer), &length);

    ENSURE(status == PHUSA_OK || status == PHUSA_ERR_RANGE || status == PHUSA_ERR_OVERSIZED);
    if (status != PHUSA_OK) {
        return;
    }
    status = decode(&again, buffer, length);
    if (json && status == PHUSA_ERR_TOO_MANY) {
        return; /* more escapes than the scratch space holds */
    }
    ENSURE(status == PHUSA_OK);
    ensure_same(report, &again.report);
}

/*
 * Times of the report as one form can have them: relative ones (now is 0) need boot or up, others
 * must not. Data of the one form means nothing in the other, but is kept.
 */
static inline void check_pack(const uint8_t *data, size_t size)
{
    static struct pack pack;

    if (decode(&pack, data, size) != PHUSA_OK) {
        return;
    }
    there_and_back(&pack.report, true);
    there_and_back(&pack.report, false);
    pack.report.has_boot = !pack.report.has_boot && !pack.report.has_up;
    pack.report.has_up = false;
    pack.report.boot = 0;
    pack.report.up = 0;
    there_and_back(&pack.report, true);
    there_and_back(&pack.report, false);
}

#endif
