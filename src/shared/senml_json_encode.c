/* A report written as SenML in JSON: compact, every record on its fields. */
#include "shared/senml_fields.h"
#include "shared/writer.h"

static void put_value(struct writer *writer, const struct senml_field *field)
{
    switch (field->want) {
    case SENML_WANT_NUMBER:
        put_double(writer, field->number);
        break;
    case SENML_WANT_INTEGER:
        put_uint(writer, field->integer);
        break;
    case SENML_WANT_TIME:
        put_seconds(writer, field->time_ns);
        break;
    case SENML_WANT_TEXT:
    case SENML_WANT_DATA:
        put_quoted(writer, field->text);
        break;
    case SENML_WANT_BOOLEAN:
        put_string(writer, field->boolean ? "true" : "false");
        break;
    case SENML_WANT_ANYTHING:
        break;
    }
}

static void put_record(struct writer *writer, const struct phusa_report *report, size_t index)
{
    enum senml_label labels[SENML_FIELDS_MAX];
    size_t count = senml_record_labels(report, index, labels);

    put_string(writer, "{");
    for (size_t i = 0; i < count; i++) {
        struct senml_field field;

        senml_field_of(report, index, labels[i], &field);
        put_string(writer, i == 0 ? "\"" : ",\"");
        put_string(writer, field.name);
        put_string(writer, "\":");
        put_value(writer, &field);
    }
    put_string(writer, "}");
}

enum phusa_status phusa_senml_encode_json(const struct phusa_report *report, char *buffer,
                                          size_t capacity, size_t *length)
{
    struct writer writer = { .buffer = buffer, .capacity = capacity };
    enum phusa_status status = senml_check(report, true);

    *length = 0;
    if (status != PHUSA_OK) {
        return status;
    }
    for (size_t i = 0; i < senml_record_count(report); i++) {
        put_string(&writer, i == 0 ? "[" : ",");
        put_record(&writer, report, i);
    }
    put_string(&writer, "]");
    if (writer.full) {
        return PHUSA_ERR_SPACE;
    }
    if (writer.used > PHUSA_REPORT_BYTES_MAX) {
        return PHUSA_ERR_OVERSIZED;
    }
    *length = writer.used;
    return PHUSA_OK;
}
