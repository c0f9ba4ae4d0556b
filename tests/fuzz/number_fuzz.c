/* Numbers: read as the C library reads them, and what is printed reads back. */
#include <math.h>

#include "fuzz.h"
#include "phusa/number.h"

/* As text. */
static void check_text(const char *text, size_t size)
{
    struct phusa_decimal decimal;
    size_t taken = phusa_decimal_scan(text, size, &decimal);
    int64_t nanos;
    uint64_t whole;
    char copy[5000];

    ENSURE(taken <= size);
    if (taken == 0 || taken >= sizeof(copy)) {
        return;
    }
    memcpy(copy, text, taken);
    copy[taken] = '\0';

    double expected = strtod(copy, NULL), found;

    ENSURE(phusa_decimal_scan(text, taken, &decimal) == taken);
    found = phusa_decimal_to_double(text, taken, &decimal);
    ENSURE(fuzz_same_double(expected, found));
    ENSURE(phusa_double_parse(text, taken, &found) == (bool)isfinite(expected));
    if (phusa_decimal_to_nanos(&decimal, &nanos)) {
        ENSURE(fabs((double)nanos - expected * 1e9) <= fabs(expected) * 1e9 * 0x1p-50 + 1);
    }
    if (phusa_decimal_to_uint(&decimal, &whole)) {
        ENSURE((double)whole == expected);
    }
}

/* As the bits of a double and of an integer. */
static void check_bits(const uint8_t *data)
{
    char text[PHUSA_DOUBLE_CHARS];
    struct phusa_decimal decimal;
    double value, again;
    int64_t nanos, same;

    memcpy(&value, data, sizeof(value));
    memcpy(&nanos, data, sizeof(nanos));

    size_t length = phusa_double_print(value, text);

    ENSURE(length <= PHUSA_DOUBLE_CHARS && (length > 0) == (bool)isfinite(value));
    if (length > 0) {
        ENSURE(phusa_double_parse(text, length, &again));
        ENSURE(fuzz_same_double(value, again));
    }
    length = phusa_seconds_print(nanos, text);
    ENSURE(phusa_decimal_scan(text, length, &decimal) == length);
    ENSURE(phusa_decimal_to_nanos(&decimal, &same) && same == nanos);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(fuzz_text(data, size), size);
    if (size >= 8) {
        check_bits(data);
    }
    return 0;
}
