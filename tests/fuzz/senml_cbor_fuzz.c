/* SenML in CBOR: never beyond the input, and what is accepted reads back. */
#include "senml_roundtrip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pack pack;

    pack.report = (struct phusa_report){ .readings = pack.readings, .capacity = 3 };
    phusa_senml_decode_cbor(data, size, 0, &pack.report, &pack.scratch, NULL);
    check_pack(data, size);
    return 0;
}
