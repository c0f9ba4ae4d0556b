/* What boards show: which alarms, in how many lines, cut where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "letter_sample.h"
#include "notify/board_text.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static struct board_text text;

static const char *shown(const struct board_settings *board, size_t active)
{
    static char out[BOARD_TEXT_MAX];
    board_text_begin(&text, board);
    for (size_t i = 0; i < active; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "Trạm %zu mặn %zu,5 g/L", i + 1, 9 - i);
        board_text_add(&text, line);
    }
    size_t length = board_text_finish(&text, out);
    assert_int_equal(length, strlen(out));
    return out;
}

static void lines_are_cut_behind_a_word(void **state)
{
    static const struct {
        const char *line;
        bool ascii;
        size_t width;
        const char *fitted;
    } cases[] = {
        { "Độ mặn 4,25 g/L", false, 15, "Độ mặn 4,25 g/L" },
        { "Độ mặn 4,25 g/L", false, 14, "Độ mặn 4,25…" },
        { "Độ mặn 4,25 g/L", false, 12, "Độ mặn 4,25…" },
        { "Độ mặn 4,25 g/L", false, 11, "Độ mặn…" },
        { "Độ mặn 4,25 g/L", false, 8, "Độ mặn…" },
        { "Độ mặn 4,25 g/L", true, 14, "Do man 4,25." },
        { "Độ mặn 4,25 g/L", true, 11, "Do man." },
        { "Độ  mặn", false, 5, "Độ…" },
        { "Nghiêmtrọng", false, 8, "Nghiêmt…" }, /* a word alone is cut */
        { "a Nghiêmtrọng", false, 8, "a Nghiê…" },
        { "Nghiêmtrọng", false, 1, "…" },
        { "Nghiêmtrọng", true, 2, "N." },
        { "dòng\nhai\x7f", false, 20, "dòng hai " },
        { "Đo\xCC\xA3\xCC\x82 ma\xCC\xA3\xCC\x86n", false, 6, /* marks of their own */
          "Đo\xCC\xA3\xCC\x82 ma\xCC\xA3\xCC\x86n" },
        { "Đo\xCC\xA3\xCC\x82 ma\xCC\xA3\xCC\x86n", false, 3, "Đo\xCC\xA3\xCC\x82…" },
        { "", false, 8, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[BOARD_WRAP_MAX];
        assert_int_equal(board_line_wrap(cases[i].line, cases[i].ascii, cases[i].width, 1, out), 1);
        assert_string_equal(out, cases[i].fitted);
    }
}

/* However long, it stays within its room, and characters stay whole. */
static void very_long_lines_stay_whole_characters(void **state)
{
    (void)state;
    char line[2000], out[BOARD_WRAP_MAX];
    for (size_t mark = 0; mark < 2; mark++) {
        for (size_t i = 0; i + 2 < sizeof line; i += 2) {
            memcpy(line + i, mark == 0 || i == 0 ? "\xC3\xA0" : "\xCC\x80", 2);
        }
        line[sizeof line - 2] = '\0';
        for (size_t width = 1; width <= BOARD_WIDTH_MAX; width++) {
            (void)board_line_wrap(line, false, width, BOARD_LINES_MAX, out);
            assert_true(strlen(out) < BOARD_WRAP_MAX);
            (void)board_line_wrap(line, false, width, 1, out);
            assert_true(strlen(out) < BOARD_LINE_MAX);
            if (mark == 0) {
                assert_int_equal(strlen(out), (width - 1) * 2 + strlen("…"));
            }
        }
    }
}

static void the_gravest_alarms_are_shown_and_the_others_counted(void **state)
{
    static const struct board_settings board = { .width = 24, .lines = 3, .calm = "Bình thường" };
    static const struct board_settings single = { .width = 16, .lines = 1, .calm = "Bình thường" };
    (void)state;
    assert_string_equal(shown(&board, 0), "Bình thường");
    assert_string_equal(shown(&board, 1), "Trạm 1 mặn 9,5 g/L");
    assert_string_equal(shown(&board, 3),
                        "Trạm 1 mặn 9,5 g/L\nTrạm 2 mặn 8,5 g/L\nTrạm 3 mặn 7,5 g/L");
    assert_string_equal(shown(&board, 4), "Trạm 1 mặn 9,5 g/L\nTrạm 2 mặn 8,5 g/L\n+2");
    assert_string_equal(shown(&board, 9), "Trạm 1 mặn 9,5 g/L\nTrạm 2 mặn 8,5 g/L\n+7");
    assert_string_equal(shown(&single, 1), "Trạm 1 mặn 9,5…");
    assert_string_equal(shown(&single, 9), "Trạm 1 mặn… +8");
}

static void lines_break_behind_a_word(void **state)
{
    static const struct {
        const char *line;
        size_t width, lines, taken;
        const char *wrapped;
    } cases[] = {
        { "Độ mặn 4,25 g/L (nhẹ)", 15, 2, 2, "Độ mặn 4,25 g/L\n(nhẹ)" },
        { "Độ mặn 4,25 g/L (nhẹ)", 14, 2, 2, "Độ mặn 4,25\ng/L (nhẹ)" },
        { "Độ mặn 4,25 g/L (nhẹ)", 8, 3, 3, "Độ mặn\n4,25 g/L\n(nhẹ)" },
        { "Độ mặn 4,25 g/L (nhẹ)", 8, 2, 2, "Độ mặn\n4,25…" },
        { "Độ mặn 4,25 g/L (nhẹ)", 21, 4, 1, "Độ mặn 4,25 g/L (nhẹ)" },
        { "Nghiêmtrọng", 8, 2, 2, "Nghiêmtr\nọng" },
        { "", 8, 2, 1, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[BOARD_WRAP_MAX];
        assert_int_equal(board_line_wrap(cases[i].line, false, cases[i].width, cases[i].lines, out),
                         cases[i].taken);
        assert_string_equal(out, cases[i].wrapped);
    }
}

static void the_gravest_has_the_lines_that_are_left(void **state)
{
    static const struct board_settings board = { .width = 12, .lines = 3, .calm = "Bình thường" };
    (void)state;
    assert_string_equal(shown(&board, 1), "Trạm 1 mặn\n9,5 g/L");
    assert_string_equal(shown(&board, 2), "Trạm 1 mặn\n9,5 g/L\nTrạm 2 mặn…");
    assert_string_equal(shown(&board, 3), "Trạm 1 mặn…\nTrạm 2 mặn…\nTrạm 3 mặn…");
    assert_string_equal(shown(&board, 5), "Trạm 1 mặn…\nTrạm 2 mặn…\n+3");
}

static void a_board_without_diacritics(void **state)
{
    static const struct board_settings board = {
        .width = 16, .lines = 2, .ascii = true, .calm = "Bình thường"
    };
    (void)state;
    assert_string_equal(shown(&board, 0), "Binh thuong");
    assert_string_equal(shown(&board, 2), "Tram 1 man 9,5.\nTram 2 man 8,5.");
}

static void settings_out_of_range_do_no_harm(void **state)
{
    static const struct board_settings wide = { .width = INT64_MAX,
                                                .lines = INT64_MAX,
                                                .calm = "" };
    static const struct board_settings none = { .width = 0, .lines = -1, .calm = "" };
    (void)state;
    assert_string_equal(shown(&wide, 0), "");
    assert_string_equal(shown(&wide, 1), "Trạm 1 mặn 9,5 g/L");
    assert_non_null(strstr(shown(&wide, BOARD_LINES_MAX + 1), "\n+2"));
    assert_string_equal(shown(&none, 1), "…");
}

static void a_board_has_its_stations(void **state)
{
    static const char *const stations[] = { "s2", "s1" };
    static const char *const others[] = { "s2", "s3" };
    const struct board_settings cases[] = {
        { .site = "my-tho" },
        { .site = "my-tho", .stations = stations, .station_count = 2 },
        { .site = "my-tho", .stations = others, .station_count = 2 },
        { .site = "my-tho-2" },
        { .site = "my-tho-2", .stations = stations, .station_count = 2 },
    };
    static const bool concerned[] = { true, true, false, false, false };
    struct letter letter = sample_letter("0f", SEVERITY_NORMAL, SEVERITY_MINOR, 0);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(board_concerns(&cases[i], &letter), concerned[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_behind_a_word),
        cmocka_unit_test(very_long_lines_stay_whole_characters),
        cmocka_unit_test(the_gravest_alarms_are_shown_and_the_others_counted),
        cmocka_unit_test(lines_break_behind_a_word),
        cmocka_unit_test(the_gravest_has_the_lines_that_are_left),
        cmocka_unit_test(a_board_without_diacritics),
        cmocka_unit_test(settings_out_of_range_do_no_harm),
        cmocka_unit_test(a_board_has_its_stations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
