/* Vietnamese in short messages: without its marks, counted, cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gsm7.h"

/* Every vowel with every tone, in the order of the alphabet, and the d with its stroke. */
#define VIETNAMESE                                                                                 \
    "aàáãảạăằắẵẳặâầấẫẩậeèéẽẻẹêềếễểệiìíĩỉị"  \
    "oòóõỏọôồốỗổộơờớỡởợuùúũủụưừứữửựyỳýỹỷỵ" \
    "AÀÁÃẢẠĂẰẮẴẲẶÂẦẤẪẨẬEÈÉẼẺẸÊỀẾỄỂỆIÌÍĨỈỊ"  \
    "OÒÓÕỎỌÔỒỐỖỔỘƠỜỚỠỞỢUÙÚŨỦỤƯỪỨỮỬỰYỲÝỸỶỴ" \
    "đĐ"
#define PLAIN                                                                                      \
    "aaaaaaaaaaaaaaaaaaeeeeeeeeeeeeiiiiii"                                                         \
    "oooooooooooooooooouuuuuuuuuuuuyyyyyy"                                                         \
    "AAAAAAAAAAAAAAAAAAEEEEEEEEEEEEIIIIII"                                                         \
    "OOOOOOOOOOOOOOOOOOUUUUUUUUUUUUYYYYYY"                                                         \
    "dD"

static void folds_to(const char *text, const char *plain)
{
    char out[512], again[512];
    size_t length = gsm7_fold(phusa_text_of(text), out, sizeof out);
    assert_true(length < sizeof out);
    assert_string_equal(out, plain);
    assert_int_equal(length, strlen(plain));
    assert_true(gsm7_writable(phusa_text_of(out)));
    (void)gsm7_fold(phusa_text_of(out), again, sizeof again);
    assert_string_equal(again, out);
}

/* The letter with its marks as characters of their own (Unicode's form D), as some keyboards and
 * files of macOS have them. */
static size_t decompose(char *out, const char *letter, const char *first, const char *second)
{
    return (size_t)sprintf(out, "%s%s%s", letter, first, second);
}

static void every_vietnamese_letter_loses_its_marks(void **state)
{
    (void)state;
    folds_to(VIETNAMESE, PLAIN);
}

static void marks_that_follow_their_letter_go_too(void **state)
{
    (void)state;
    static const char *const tones[] = { "", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323" };
    static const char *const shapes[] = { "", "\u0302", "\u0306", "\u031b" };
    static const char *const vowels[] = {
        "a", "e", "i", "o", "u", "y", "A", "E", "I", "O", "U", "Y"
    };
    char text[32];
    for (size_t vowel = 0; vowel < 12; vowel++) {
        for (size_t shape = 0; shape < 4; shape++) {
            for (size_t tone = 0; tone < 6; tone++) {
                (void)decompose(text, vowels[vowel], shapes[shape], tones[tone]);
                folds_to(text, vowels[vowel]);
                (void)decompose(text, vowels[vowel], tones[tone], shapes[shape]);
                folds_to(text, vowels[vowel]);
            }
        }
    }
}

static void sentences_stay_readable(void **state)
{
    (void)state;
    folds_to(
        "Độ mặn tại cống Vàm Giồng 4,3 g/L (≥ 4 g/L) lúc 05:30 12/03. Đóng cống, trữ nước ngọt.",
        "Do man tai cong Vam Giong 4,3 g/L (>= 4 g/L) luc 05:30 12/03. Dong cong, tru nuoc ngot.");
    folds_to("NGUY HIỂM: PM₂.₅ 150,5 µg/m³ — “rất xấu”",
             "NGUY HIEM: PM2.5 150,5 ug/m3 - \"rat xau\"");
}

static void signs_become_what_people_type(void **state)
{
    (void)state;
    folds_to("≥ ≤ ≠ ± × ÷ −1 ‰ °C ℃ m² m³ μS µS Ω", ">= <= != +- x / -1 %o oC oC m2 m3 uS uS Ohm");
    folds_to("– — ‐ ‑ … ‘a’ “b” «c» ‹d› `e` ´", "- - - - ... 'a' \"b\" \"c\" 'd' 'e' '");
    folds_to("½ ¼ ¾ H₂S NH₄⁺ 10⁻³ → ₫ €", "1/2 1/4 3/4 H2S NH4+ 10-3 -> d EUR");
    folds_to("a\u00a0b\u2009c\u202fd\u3000e\u200bf\ufeff", "a b c d ef");
    folds_to("\uff21\uff22\uff23\uff40", "ABC'");
    folds_to("{}[]~\\|^@$_", "{}[]~\\|^@$_");
    folds_to("a\tb\rc\nd\x01"
             "e\x7f"
             "f\xc2\x85g",
             "a b c\nd e f g");
}

static void what_is_unknown_is_a_question_mark(void **state)
{
    (void)state;
    folds_to("水 \U0001F30A\ufe0f", "? ?");
    folds_to("a\xff"
             "b\xc3",
             "a?b?");
    folds_to("\xc0\xafx", "??x");         /* overlong "/" */
    folds_to("\xed\xa0\x80", "???");      /* a surrogate */
    folds_to("\xf4\x90\x80\x80", "????"); /* above U+10FFFF */
    folds_to("\xe1\xba(", "?\?(");        /* cut off within a letter */
    folds_to("", "");
}

/* Never within the spelling of a sign. */
static void what_has_no_spelling_is_found(void **state)
{
    static const struct {
        const char *text, *found;
    } cases[] = {
        { "", "" },       { "Độ mặn ≥ 4 ‰?", "" }, { "a？b", "" }, { "Vàm 漢字 ☂", "漢" },
        { "4 🌊 g", "🌊" }, { "x\xff", "\xff" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct phusa_text found = gsm7_unspelt(phusa_text_of(cases[i].text));
        assert_true(phusa_text_equal(found, phusa_text_of(cases[i].found)));
    }
}

static void parts_have_room(void **state)
{
    (void)state;
    assert_int_equal(sms_room(SMS_GSM7, 1), 160);
    assert_int_equal(sms_room(SMS_GSM7, 2), 306);
    assert_int_equal(sms_room(SMS_UCS2, 1), 70);
    assert_int_equal(sms_room(SMS_UCS2, 3), 201);
}

static void what_does_not_fit_is_cut(void **state)
{
    (void)state;
    char out[8];
    struct phusa_text text = phusa_text_of("ấn ½ ấn");
    static const char *const cut[] = { "", "a", "an", "an ", "an ", "an ", "an 1/2" };
    for (size_t capacity = 1; capacity <= 7; capacity++) {
        memset(out, 'x', sizeof out);
        assert_int_equal(gsm7_fold(text, out, capacity), 9);
        assert_string_equal(out, cut[capacity - 1]);
    }
    assert_int_equal(gsm7_fold(text, NULL, 0), 9);
}

/* 3GPP TS 23.038, the table of section 6.2.1, all but ESC, and that of 6.2.1.1. */
#define TABLE                                                                                         \
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡" \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
#define EXTENSION "\f^{}\\[~]|€"

static void the_alphabet_is_that_of_the_standard(void **state)
{
    (void)state;
    assert_true(gsm7_writable(PHUSA_TEXT(TABLE)));
    assert_int_equal(sms_units(PHUSA_TEXT(TABLE), SMS_GSM7), 127);
    assert_true(gsm7_writable(PHUSA_TEXT(EXTENSION)));
    assert_int_equal(sms_units(PHUSA_TEXT(EXTENSION), SMS_GSM7), 20);
    int ascii = 0;
    for (int code = 0; code < 128; code++) {
        char byte = (char)code;
        ascii += gsm7_writable((struct phusa_text){ &byte, 1 });
    }
    assert_int_equal(ascii, 95 - 1 + 3); /* no grave accent; LF, CR, FF */
    assert_false(gsm7_writable(PHUSA_TEXT("ç")));
    assert_false(gsm7_writable(PHUSA_TEXT("ạ")));
    assert_false(gsm7_writable(PHUSA_TEXT("\x1b")));
    assert_false(gsm7_writable(PHUSA_TEXT("\xff")));
    assert_true(gsm7_writable(PHUSA_TEXT("")));
}

static void units_of_ucs2(void **state)
{
    (void)state;
    assert_int_equal(sms_units(PHUSA_TEXT("Độ mặn {}"), SMS_UCS2), 9);
    assert_int_equal(sms_units(PHUSA_TEXT("\U0001F30A"), SMS_UCS2), 2);
    assert_int_equal(sms_units(PHUSA_TEXT(""), SMS_UCS2), 0);
}

/* `count` times the character, and behind it the end. */
static struct phusa_text many(const char *character, size_t count, const char *end)
{
    static char text[4096];
    text[0] = '\0';
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", character);
    }
    (void)snprintf(text + used, sizeof text - used, "%s", end);
    return phusa_text_of(text);
}

static void parts_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *character;
        enum sms_coding coding;
        size_t count, parts;
    } cases[] = {
        { "a", SMS_GSM7, 0, 1 },   { "a", SMS_GSM7, 160, 1 }, { "a", SMS_GSM7, 161, 2 },
        { "a", SMS_GSM7, 306, 2 }, { "a", SMS_GSM7, 307, 3 }, { "a", SMS_GSM7, 612, 4 },
        { "{", SMS_GSM7, 80, 1 },  { "{", SMS_GSM7, 81, 2 }, /* 76 in a part: 152 of 153 */
        { "{", SMS_GSM7, 152, 2 }, { "{", SMS_GSM7, 153, 3 }, { "ạ", SMS_UCS2, 70, 1 },
        { "ạ", SMS_UCS2, 71, 2 },  { "ạ", SMS_UCS2, 134, 2 }, { "ạ", SMS_UCS2, 135, 3 },
        { "🌊", SMS_UCS2, 35, 1 },  { "🌊", SMS_UCS2, 36, 2 },  { "🌊", SMS_UCS2, 66, 2 },
        { "🌊", SMS_UCS2, 67, 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct phusa_text text = many(cases[i].character, cases[i].count, "");
        if (sms_parts(text, cases[i].coding) != cases[i].parts) {
            fail_msg("case %zu: %zu parts", i, sms_parts(text, cases[i].coding));
        }
    }
}

static void a_text_is_cut_at_a_word(void **state)
{
    (void)state;
    assert_int_equal(sms_cut(many("a", 160, ""), SMS_GSM7, 1), 160);
    assert_int_equal(sms_cut(many("a", 200, ""), SMS_GSM7, 1), 160); /* no word ends */
    assert_int_equal(sms_cut(many("abcd ", 40, ""), SMS_GSM7, 1), 159);
    assert_int_equal(sms_cut(many("abcdef ", 40, ""), SMS_GSM7, 1), 22 * 7 + 6);
    assert_int_equal(sms_cut(many("a", 160, " b"), SMS_GSM7, 1), 160); /* ends just there */
    assert_int_equal(sms_cut(many("{", 100, ""), SMS_GSM7, 1), 80);
    assert_int_equal(sms_cut(many("a", 1000, ""), SMS_GSM7, 4), 612);
    assert_int_equal(sms_cut(many("a", 161, ""), SMS_GSM7, 2), 161);
    assert_int_equal(sms_cut(many("ạ", 100, ""), SMS_UCS2, 1), 70 * strlen("ạ"));
    assert_int_equal(sms_cut(many("ạ ", 100, ""), SMS_UCS2, 1), 35 * strlen("ạ ") - 1);
    assert_int_equal(sms_cut(many("", 0, ""), SMS_GSM7, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vietnamese_letter_loses_its_marks),
        cmocka_unit_test(marks_that_follow_their_letter_go_too),
        cmocka_unit_test(sentences_stay_readable),
        cmocka_unit_test(signs_become_what_people_type),
        cmocka_unit_test(what_is_unknown_is_a_question_mark),
        cmocka_unit_test(what_has_no_spelling_is_found),
        cmocka_unit_test(parts_have_room),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(the_alphabet_is_that_of_the_standard),
        cmocka_unit_test(units_of_ucs2),
        cmocka_unit_test(parts_are_counted),
        cmocka_unit_test(a_text_is_cut_at_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
