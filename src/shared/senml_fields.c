/* A report as SenML fields. */
#include "shared/senml_fields.h"

#include <math.h>

#include "shared/utf8.h"
#include "shared/wide.h"

static const char *const label_names[] = {
    [SENML_BN] = "bn",   [SENML_BT] = "bt",     [SENML_N] = "n",   [SENML_U] = "u",
    [SENML_V] = "v",     [SENML_VS] = "vs",     [SENML_VB] = "vb", [SENML_VD] = "vd",
    [SENML_S] = "s",     [SENML_T] = "t",       [SENML_ST] = "st", [SENML_LOG] = "log",
    [SENML_SEQ] = "seq", [SENML_BOOT] = "boot", [SENML_UP] = "up",
};

static bool text_valid(struct phusa_text text)
{
    return text.length == 0 || utf8_valid(text.data, text.length);
}

static bool texts_valid(const struct phusa_reading *reading, bool json)
{
    bool string =
        reading->kind == PHUSA_VALUE_STRING || (json && reading->kind == PHUSA_VALUE_DATA);

    return text_valid(reading->base_name) && text_valid(reading->name) &&
           text_valid(reading->unit) && (!string || text_valid(reading->string));
}

static bool numbers_valid(const struct phusa_reading *reading, bool json)
{
    if (json && reading->kind == PHUSA_VALUE_NUMBER && !isfinite(reading->value)) {
        return false;
    }
    return !json || !reading->has_sum || isfinite(reading->sum);
}

/* A time that reads back as itself: a relative one stays below the limit, others do not, and
 * the distance from the base time fits. */
static bool time_valid(const struct phusa_report *report, const struct phusa_reading *reading)
{
    bool relative = report->has_boot || report->has_up;
    int64_t distance;

    return reading->time_valid &&
           (reading->time_ns < SENML_RELATIVE_S * SENML_NANOS_IN_S) == relative &&
           wide_subtract(reading->time_ns, report->readings[0].time_ns, &distance);
}

static bool reading_valid(const struct phusa_report *report, const struct phusa_reading *reading,
                          bool json)
{
    return reading->kind <= PHUSA_VALUE_DATA &&
           (reading->kind != PHUSA_VALUE_NONE || reading->has_sum) &&
           reading->device_state <= PHUSA_DEVICE_FAULT && time_valid(report, reading) &&
           numbers_valid(reading, json) && texts_valid(reading, json);
}

enum phusa_status senml_check(const struct phusa_report *report, bool json)
{
    if (report->count > PHUSA_REPORT_READINGS_MAX) {
        return PHUSA_ERR_TOO_MANY;
    }
    if (report->has_seq && (report->seq == 0 || report->seq > SENML_SEQ_MAX)) {
        return PHUSA_ERR_RANGE;
    }
    if (report->has_up && !(report->up >= 0 && isfinite(report->up))) {
        return PHUSA_ERR_RANGE;
    }
    for (size_t i = 0; i < report->count; i++) {
        if (!reading_valid(report, &report->readings[i], json)) {
            return PHUSA_ERR_RANGE;
        }
    }
    return PHUSA_OK;
}

size_t senml_record_count(const struct phusa_report *report)
{
    return report->count > 0 ? report->count : 1;
}

static const enum senml_label value_labels[] = { [PHUSA_VALUE_NUMBER] = SENML_V,
                                                 [PHUSA_VALUE_BOOLEAN] = SENML_VB,
                                                 [PHUSA_VALUE_STRING] = SENML_VS,
                                                 [PHUSA_VALUE_DATA] = SENML_VD };

/* A list of labels that grows. */
struct list {
    enum senml_label *labels;
    size_t count;
};

static void add_if(struct list *list, bool present, enum senml_label label)
{
    if (present) {
        list->labels[list->count++] = label;
    }
}

static void add_identity(struct list *list, const struct phusa_report *report)
{
    add_if(list, report->has_log, SENML_LOG);
    add_if(list, report->has_seq, SENML_SEQ);
    add_if(list, report->has_boot, SENML_BOOT);
    add_if(list, report->has_up, SENML_UP);
}

static void add_value(struct list *list, const struct phusa_reading *reading)
{
    add_if(list, reading->name.length > 0, SENML_N);
    add_if(list, reading->unit.length > 0, SENML_U);
    if (reading->kind != PHUSA_VALUE_NONE) {
        add_if(list, true, value_labels[reading->kind]);
    }
    add_if(list, reading->has_sum, SENML_S);
}

size_t senml_record_labels(const struct phusa_report *report, size_t index,
                           enum senml_label labels[SENML_FIELDS_MAX])
{
    struct list list = { labels, 0 };

    if (report->count == 0) {
        add_identity(&list, report);
        return list.count;
    }

    const struct phusa_reading *reading = &report->readings[index], *first = report->readings;
    struct phusa_text base_before = index == 0 ? PHUSA_TEXT("") : reading[-1].base_name;

    add_if(&list, !phusa_text_equal(reading->base_name, base_before), SENML_BN);
    if (index == 0) {
        add_if(&list, first->time_ns != 0, SENML_BT);
        add_identity(&list, report);
    }
    add_value(&list, reading);
    add_if(&list, reading->time_ns != first->time_ns, SENML_T);
    add_if(&list, reading->device_state != PHUSA_DEVICE_MEASURING, SENML_ST);
    return list.count;
}

static void identity_of(const struct phusa_report *report, struct senml_field *field)
{
    switch (field->label) {
    case SENML_LOG:
        hex_log_print(report->log, field->log);
        field->text = (struct phusa_text){ field->log, HEX_LOG_DIGITS };
        break;
    case SENML_SEQ:
        field->integer = report->seq;
        break;
    case SENML_BOOT:
        field->integer = report->boot;
        break;
    default: /* SENML_UP */
        field->number = report->up;
        break;
    }
}

static void reading_of(const struct phusa_report *report, size_t index, struct senml_field *field)
{
    const struct phusa_reading *reading = &report->readings[index];

    switch (field->label) {
    case SENML_BN:
        field->text = reading->base_name;
        break;
    case SENML_N:
        field->text = reading->name;
        break;
    case SENML_U:
        field->text = reading->unit;
        break;
    case SENML_V:
        field->number = reading->value;
        break;
    case SENML_S:
        field->number = reading->sum;
        break;
    case SENML_VB:
        field->boolean = reading->value != 0;
        break;
    case SENML_BT:
        field->time_ns = reading->time_ns;
        break;
    case SENML_T:
        field->time_ns = reading->time_ns - report->readings[0].time_ns;
        break;
    case SENML_ST:
        field->integer = reading->device_state;
        break;
    default: /* SENML_VS, SENML_VD */
        field->text = reading->string;
        break;
    }
}

void senml_field_of(const struct phusa_report *report, size_t index, enum senml_label label,
                    struct senml_field *field)
{
    field->label = label;
    field->name = label_names[label];
    field->want = senml_want_of(label);
    if (label >= SENML_LOG) {
        identity_of(report, field);
    } else {
        reading_of(report, index, field);
    }
}
