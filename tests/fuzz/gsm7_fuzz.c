/* Short messages: what was folded can be written, folded again and cut into its parts. */
#include "base/gsm7.h"
#include "fuzz.h"

static void check_cut(struct phusa_text text, enum sms_coding coding)
{
    size_t parts = sms_parts(text, coding), units = sms_units(text, coding);
    size_t room = coding == SMS_UCS2 ? SMS_UCS2_PART : SMS_GSM7_PART;

    ENSURE(parts >= 1 && units <= text.length * 2);
    ENSURE(parts == 1 || (units > room && parts <= units / (room - 1) + 1));
    ENSURE(sms_cut(text, coding, parts) == text.length);
    for (size_t most = 1; most < parts && most < 6; most++) {
        struct phusa_text piece = { text.data, sms_cut(text, coding, most) };

        ENSURE(piece.length < text.length && sms_parts(piece, coding) <= most);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char plain[GSM7_FOLD_MAX(70000)], again[GSM7_FOLD_MAX(70000)];
    struct phusa_text text = { fuzz_text(data, size), size > 70000 ? 70000 : size };
    size_t length = gsm7_fold(text, plain, sizeof(plain));
    struct phusa_text folded = { plain, length };

    ENSURE(length <= 2 * text.length && strlen(plain) == length);
    ENSURE(gsm7_writable(folded));
    ENSURE(gsm7_fold(folded, again, sizeof(again)) == length && memcmp(plain, again, length) == 0);
    ENSURE(gsm7_fold(text, again, length / 2 + 1) == length);
    ENSURE(strlen(again) <= length / 2 && memcmp(plain, again, strlen(again)) == 0);
    check_cut(folded, SMS_GSM7);
    check_cut(text, SMS_UCS2);
    return 0;
}
