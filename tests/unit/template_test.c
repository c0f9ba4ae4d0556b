/* Templates of messages: what is filled in, what an empty field takes along, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "settings/template.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct template_values full = { .of = { [FIELD_SOURCE] = "Phù Sa",
                                                     [FIELD_HAZARD] = "Xâm nhập mặn",
                                                     [FIELD_STATION] = "Mỹ Tho 1",
                                                     [FIELD_SITE] = "my-tho",
                                                     [FIELD_LABEL] = "Độ mặn",
                                                     [FIELD_VALUE] = "4,3",
                                                     [FIELD_UNIT] = "g/L",
                                                     [FIELD_RULE] = "salinity",
                                                     [FIELD_SEVERITY] = "nghiêm trọng",
                                                     [FIELD_WAS] = "nhẹ",
                                                     [FIELD_LIMIT] = "≥ 4 g/L",
                                                     [FIELD_TIME] = "05:30 12/03",
                                                     [FIELD_SINCE] = "05:00 12/03",
                                                     [FIELD_ACTION] = "Đóng cống.",
                                                     [FIELD_STOP] = "Soạn DUNG." } };
static const struct template_values bare = {
    .of = { [FIELD_VALUE] = "3", [FIELD_STATION] = "Mỹ Tho 1", [FIELD_UNIT] = "" }
};

static void fields_are_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *text, *full, *bare;
    } cases[] = {
        { "", "", "" },
        { "Nước mặn", "Nước mặn", "Nước mặn" },
        { "{station}", "Mỹ Tho 1", "Mỹ Tho 1" },
        { "{value} {unit} ({limit}).", "4,3 g/L (≥ 4 g/L).", "3." },
        { "{value}({limit})!", "4,3(≥ 4 g/L)!", "3!" },
        { "{value} (mức {limit})", "4,3 (mức ≥ 4 g/L)", "3 (mức)" },
        { "{value} ({limit}, {was})", "4,3 (≥ 4 g/L, nhẹ)", "3 (,)" },
        { "{source}: {value}", "Phù Sa: 4,3", ": 3" },
        { "{action} {value}", "Đóng cống. 4,3", "3" },
        { "{value} {action} {stop}", "4,3 Đóng cống. Soạn DUNG.", "3" },
        { "{{station} {value}}", "{station} 4,3}", "{station} 3}" },
        { "{hazard}{site}{label}{rule}{severity}{time}{since}",
          "Xâm nhập mặnmy-thoĐộ mặnsalinitynghiêm trọng05:30 12/0305:00 12/03", "" },
        { "{nonsense} { {", "{nonsense} { {", "{nonsense} { {" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[256];
        assert_int_equal(template_fill(cases[i].text, &full, out, sizeof out),
                         strlen(cases[i].full));
        assert_string_equal(out, cases[i].full);
        assert_int_equal(template_fill(cases[i].text, &bare, out, sizeof out),
                         strlen(cases[i].bare));
        assert_string_equal(out, cases[i].bare);
    }
}

/* "Mỹ Tho 1": the second character has three bytes. */
static void what_is_too_long_is_cut_at_a_character(void **state)
{
    (void)state;
    static const char *const cut[] = { "", "M", "M", "M", "Mỹ", "Mỹ ", "Mỹ T", "Mỹ Th" };
    for (size_t capacity = 1; capacity <= COUNT(cut); capacity++) {
        char *out = malloc(capacity);
        assert_int_equal(template_fill("{station}", &full, out, capacity), strlen("Mỹ Tho 1"));
        assert_string_equal(out, cut[capacity - 1]);
        free(out);
    }
}

static void a_text_with_an_unknown_field_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *bad; /* NULL: nothing */
    } cases[] = {
        { "", NULL },
        { "{station}: {value} {unit}", NULL },
        { "{{nonsense}}", NULL },
        { "{{", NULL },
        { "}", NULL },
        { "{station} {valeu} {unit}", "{valeu}" },
        { "{}", "{}" },
        { "{Station}", "{Station}" },
        { "{ station}", "{" },
        { "{station", "{station" },
        { "{station {value}", "{station" },
        { "{value} {", "{" },
        { "{{{", "{" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct phusa_text bad = { NULL, 0 };
        assert_int_equal(template_check(cases[i].text, &bad), cases[i].bad == NULL);
        if (cases[i].bad != NULL) {
            assert_true(phusa_text_equal(bad, phusa_text_of(cases[i].bad)));
        }
    }
}

#define NONE                                                                                       \
    {                                                                                              \
        {                                                                                          \
            "", ""                                                                                 \
        }                                                                                          \
    }

static const struct message_template durian = {
    .id = "durian",
    .hazard = { { "Xâm nhập mặn", "" } },
    .raised = { { "{station} mặn", "" } },
    .cleared = NONE,
    .brief_raised = NONE,
    .brief_cleared = NONE,
    .line = NONE,
    .actions = { [SEVERITY_NORMAL] = { { "Có thể lấy nước.", "Water can be taken." } },
                 [SEVERITY_MINOR] = NONE,
                 [SEVERITY_MODERATE] = { { "Không tưới.", "" } },
                 [SEVERITY_SEVERE] = NONE,
                 [SEVERITY_EXTREME] = NONE },
};

static void what_a_template_does_not_say_has_a_default(void **state)
{
    (void)state;
    assert_string_equal(template_text_of(&durian, TEMPLATE_RAISED, LANGUAGE_VI), "{station} mặn");
    for (int part = 0; part < TEMPLATE_PARTS; part++) {
        for (int language = 0; language < LANGUAGES; language++) {
            struct phusa_text bad;
            const char *text =
                template_text_of(NULL, (enum template_part)part, (enum language)language);
            assert_true(template_check(text, &bad));
            assert_non_null(strstr(text, "{value}"));
            if (part != TEMPLATE_RAISED || language != LANGUAGE_VI) {
                assert_ptr_equal(text, template_text_of(&durian, (enum template_part)part,
                                                        (enum language)language));
            }
        }
    }
    assert_string_equal(template_hazard(&durian, "Độ mặn", LANGUAGE_VI), "Xâm nhập mặn");
    assert_string_equal(template_hazard(&durian, "Salinity", LANGUAGE_EN), "Salinity");
    assert_string_equal(template_hazard(NULL, "Salinity", LANGUAGE_EN), "Salinity");
}

static void a_grave_state_asks_for_what_a_lower_one_does(void **state)
{
    (void)state;
    assert_string_equal(template_action(&durian, SEVERITY_NORMAL, LANGUAGE_VI), "Có thể lấy nước.");
    assert_string_equal(template_action(&durian, SEVERITY_MINOR, LANGUAGE_VI), "");
    assert_string_equal(template_action(&durian, SEVERITY_MODERATE, LANGUAGE_VI), "Không tưới.");
    assert_string_equal(template_action(&durian, SEVERITY_EXTREME, LANGUAGE_VI), "Không tưới.");
    assert_string_equal(template_action(&durian, SEVERITY_EXTREME, LANGUAGE_EN), "");
    assert_string_equal(template_action(NULL, SEVERITY_EXTREME, LANGUAGE_VI), "");
}

static void templates_are_found_by_id(void **state)
{
    (void)state;
    static const struct message_template sorted[] = { { .id = "a" },
                                                      { .id = "b-1" },
                                                      { .id = "c" } };
    const struct template_book book = { sorted, COUNT(sorted) };
    const struct template_book none = { NULL, 0 };
    assert_ptr_equal(template_find(&book, "a"), &sorted[0]);
    assert_ptr_equal(template_find(&book, "b-1"), &sorted[1]);
    assert_ptr_equal(template_find(&book, "c"), &sorted[2]);
    assert_null(template_find(&book, "b"));
    assert_null(template_find(&none, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_filled_in),
        cmocka_unit_test(what_is_too_long_is_cut_at_a_character),
        cmocka_unit_test(a_text_with_an_unknown_field_is_refused),
        cmocka_unit_test(what_a_template_does_not_say_has_a_default),
        cmocka_unit_test(a_grave_state_asks_for_what_a_lower_one_does),
        cmocka_unit_test(templates_are_found_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
