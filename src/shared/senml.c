/* Tells the two forms of SenML apart. */
#include "phusa/senml.h"

#include "shared/lexer.h"
#include "shared/senml_pack.h"

static enum phusa_status refuse(struct phusa_report *report, struct phusa_senml_scratch *scratch,
                                size_t offset, bool empty, struct phusa_senml_error *error)
{
    struct senml_pack pack;

    senml_pack_begin(&pack, report, scratch, 0);
    if (empty) {
        return senml_conclude(report, PHUSA_ERR_TRUNCATED, "nothing but white space", offset,
                              error);
    }
    return senml_conclude(report, PHUSA_ERR_SYNTAX, "neither SenML JSON nor SenML CBOR", offset,
                          error);
}

enum phusa_status phusa_senml_decode(const void *payload, size_t length, int64_t now_ns,
                                     struct phusa_report *report,
                                     struct phusa_senml_scratch *scratch,
                                     struct phusa_senml_error *error)
{
    const char *text = payload;
    size_t space = 0;

    while (space < length && lexer_is_space(text[space])) {
        space++;
    }

    uint8_t first = space < length ? (uint8_t)text[space] : 0;
    enum phusa_status status;

    if (first == '[') {
        return phusa_senml_decode_json(text, length, now_ns, report, scratch, error);
    }
    if (first < 0x80 || first > 0x9f) {
        return refuse(report, scratch, space, space == length, error);
    }
    status = phusa_senml_decode_cbor((const uint8_t *)text + space, length - space, now_ns, report,
                                     scratch, error);
    if (error != NULL) {
        error->offset += space;
    }
    return status;
}
