/* Templates: what passes the check is filled in whole and without a trace of its fields; whatever
 * is filled in is cut at a character and says how long it would be. */
#include "fuzz.h"
#include "settings/template.h"
#include "shared/utf8.h"

#define TEXT_MAX 512
#define SHORT    16

static const struct template_values full = {
    .of = { "Phù Sa", "Mặn", "Mỹ Tho 1", "my-tho", "Độ mặn", "4,3", "g/L", "salinity", "nhẹ", "vừa",
            "≥ 4 g/L", "05:30", "05:00", "Đóng cống.", "Soạn DUNG." }
};
static const struct template_values none = { .of = { NULL } };

static void fill(const char *text, const struct template_values *values, bool utf8)
{
    char whole[TEXT_MAX * SHORT], cut[SHORT];
    size_t length = template_fill(text, values, whole, sizeof(whole));
    ENSURE(length < sizeof(whole) && strlen(whole) == length);
    ENSURE(template_fill(text, values, cut, sizeof(cut)) == length);
    ENSURE(strlen(cut) < sizeof(cut) && strncmp(cut, whole, strlen(cut)) == 0);
    ENSURE(!utf8 || utf8_valid(cut, strlen(cut)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX];
    size_t length = size < TEXT_MAX ? size : TEXT_MAX - 1;
    memcpy(text, fuzz_text(data, size), length);
    text[length] = '\0';
    length = strlen(text);
    struct phusa_text bad = { NULL, 0 };
    bool good = template_check(text, &bad);
    ENSURE(good == (bad.data == NULL));
    ENSURE(good || (bad.data >= text && bad.length > 0 && bad.data[0] == '{' &&
                    bad.data + bad.length <= text + length));
    bool utf8 = utf8_valid(text, length);
    fill(text, &full, utf8);
    fill(text, &none, utf8);
    return 0;
}
