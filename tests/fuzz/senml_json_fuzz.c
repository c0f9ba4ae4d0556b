/* SenML in JSON: never beyond the input; what is accepted is also JSON, and reads back. */
#include "phusa/json.h"
#include "senml_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pack pack;
    struct phusa_json json;

    pack.report = (struct phusa_report){ .readings = pack.readings, .capacity = 3 };
    if (phusa_senml_decode_json(fuzz_text(data, size), size, 0, &pack.report, &pack.scratch,
                                NULL) == PHUSA_OK) {
        phusa_json_init(&json, (struct phusa_text){ fuzz_text(data, size), size });
        while (phusa_json_next(&json) > PHUSA_JSON_END) {
            ;
        }
        ENSURE(json.lexer.status == PHUSA_OK);
        ENSURE(!phusa_senml_is_numbered((struct phusa_text){ fuzz_text(data, size), size }) ||
               (pack.report.has_log && pack.report.has_seq));
    }
    check_pack(data, size);
    return 0;
}
