/* The status page: what it says, in which words, and what hostile names cannot do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "console/words.h"
#include "console_sample.h"

static struct text_buffer page;

static int clear(void **state)
{
    (void)state;
    text_buffer_free(&page);
    return 0;
}

static void render(const char *site)
{
    struct console_view view;
    sample_fill(&view);
    assert_true(console_page(&view, site, &page));
    assert_false(page.failed);
}

static void assert_has(const char *text)
{
    if (strstr(page.data, text) == NULL) {
        fail_msg("the page lacks: %s\n%s", text, page.data);
    }
}

static void assert_lacks(const char *text)
{
    if (strstr(page.data, text) != NULL) {
        fail_msg("the page has: %s", text);
    }
}

static size_t occurrences(const char *text)
{
    size_t count = 0;
    for (const char *at = page.data; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    return count;
}

static void is_plain_html_for_phones(void **state)
{
    (void)state;
    render(NULL);
    assert_int_equal(strncmp(page.data, "<!DOCTYPE html>", 15), 0);
    assert_has("<html lang=vi>");
    assert_has("<meta name=viewport content=\"width=device-width,initial-scale=1\">");
    assert_has("<meta http-equiv=refresh content=10>");
    assert_lacks("<script");
    assert_lacks("http://");
    assert_int_equal(occurrences("<style>"), 1);
    assert_int_equal(occurrences("</html>"), 1);
}

static void escapes_names(void **state)
{
    (void)state;
    render(NULL);
    assert_has("Cống &lt;Xuân Hòa&gt; &amp; &quot;Bảo Định&quot;");
    assert_lacks("<Xuân");
}

static void says_states_and_flags_in_words(void **state)
{
    (void)state;
    static const char *const words[] = {
        "đang hoạt động <span class=en lang=en>online<",
        "không có tín hiệu <span class=en lang=en>quiet<",
        "mất kết nối <span class=en lang=en>offline<",
        "chưa từng thấy <span class=en lang=en>never seen<",
        "tốt <span class=en lang=en>good<",
        "nghi ngờ <span class=en lang=en>suspect<",
        "hỏng <span class=en lang=en>fail<",
        "chưa đánh giá <span class=en lang=en>not evaluated<",
        "thiếu <span class=en lang=en>missing<",
        "nghiêm trọng <span class=en lang=en>severe<",
        "trung bình <span class=en lang=en>moderate<",
    };
    render(NULL);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_has(words[i]);
    }
}

static void shows_values_as_people_write_them(void **state)
{
    (void)state;
    render(NULL);
    assert_has("<b>4,32</b> <span class=unit>g/L<");
    assert_has("<b>-0,482</b> <span class=unit>m<");
    assert_has("<b>28,4</b> <span class=unit>°C<");
    assert_has("<b>18,3</b> <span class=unit>µg/m³<");
    assert_has("<b>5321</b> <span class=unit>NTU<");
    assert_has("<b>-</b>"); /* not a number */
    assert_has("1\xE2\x80\xAF"
               "234\xE2\x80\xAF"
               "567");
}

static void puts_alarms_first_with_local_time(void **state)
{
    (void)state;
    render(NULL);
    const char *grave = strstr(page.data, "Nước mặn: đóng cống");
    const char *other = strstr(page.data, "Ôxy thấp");
    const char *station = strstr(page.data, "<article");
    assert_true(grave != NULL && other != NULL && grave < other && other < station);
    assert_has("từ <span class=en lang=en>since</span> 21:05 21/11/2025");
    assert_has("<title>(2) Phù Sa</title>");
}

static void says_when_nothing_is_wrong(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.alarm_count = 0;
    assert_true(console_page(&view, NULL, &page));
    assert_has("Không có cảnh báo nào");
    assert_lacks("class=note");
    assert_has("<title>Phù Sa</title>");
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.totals.broker_connected = view.totals.store_up = view.totals.ready = false;
    view.totals.not_ready = "broker <away>";
    (void)strcpy(view.totals.store_problem, "no answer from the store");
    (void)strcpy(view.totals.configuration_problem, "rules/a.cfg:3: unknown key");
    assert_true(console_page(&view, NULL, &page));
    assert_has("✕ mất kết nối");
    assert_has("✕ không trả lời");
    assert_has("broker &lt;away&gt;");
    assert_has("no answer from the store");
    assert_has("rules/a.cfg:3: unknown key");
}

static void says_which_reports_are_missing(void **state)
{
    (void)state;
    render(NULL);
    assert_has("<dt>Bản tin thiếu <span class=en lang=en>missing</span></dt><dd>5<");
    assert_has("<dt>Bản tin mất <span class=en lang=en>lost</span></dt><dd>19<");
    assert_has("còn thiếu 5 bản tin</b> <span class=en lang=en>5 missing</span> · từ <span "
               "class=en lang=en>since</span> 3 giờ trước");
    assert_has("19 mất hẳn <span class=en lang=en>19 lost for good</span>");
    assert_int_equal(occurrences("<p class=lacks>"), 1);
    assert_lacks("role=alert");
    assert_lacks("<progress");
}

static void warns_of_a_full_disk(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.totals.journal_held = true;
    view.totals.broker_connected = view.totals.ready = false;
    view.totals.not_ready = "the disk takes no more";
    assert_true(console_page(&view, NULL, &page));
    const char *banner = strstr(page.data, "Đĩa đầy"), *summary = strstr(page.data, "class=strip");
    assert_true(banner != NULL && summary != NULL && banner < summary);
    assert_has("Disk full");
    assert_has("✕ đĩa không nhận thêm <span class=en lang=en>the disk takes no more<");
    assert_has("! chủ động ngắt <span class=en lang=en>left on purpose<");
    assert_lacks("ghi được <span");
    assert_lacks("mất kết nối <span class=en lang=en>not connected<");
}

static void says_in_vietnamese_why_it_is_not_ready(void **state)
{
    (void)state;
    static const char *const reasons[] = { "reading the journal again after the start",
                                           "broker not connected", "journal not writable",
                                           "pipeline behind", "the disk takes no more" };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        assert_non_null(vietnamese_of(reasons[i]));
    }
    assert_null(vietnamese_of("something else"));
    struct console_view view;
    sample_fill(&view);
    view.totals.ready = false;
    view.totals.not_ready = "pipeline behind";
    assert_true(console_page(&view, NULL, &page));
    assert_has("Chưa sẵn sàng <span class=en lang=en>not ready</span>:</b> xử lý đang trễ <span "
               "class=en lang=en>pipeline behind</span></p>");
}

static void shows_how_far_the_start_is(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.totals.start_progress = 0.437;
    view.totals.ready = false;
    view.totals.not_ready = "the same in other words";
    assert_true(console_page(&view, NULL, &page));
    assert_has("Đang đọc lại nhật ký");
    assert_has("</b> 43 % <progress max=100 value=43>");
    assert_lacks("the same in other words");
}

static void shows_one_site(void **state)
{
    (void)state;
    render("phu-quoc");
    assert_has("An Thới");
    assert_lacks("Cầu Rạch Miễu");
    assert_lacks("Nước mặn");
    assert_has("<a href=\"/\">");
}

static void knows_no_other_site(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    assert_false(console_page(&view, "<b>x", &page));
    assert_has("Không có trạm nào");
    assert_has("&lt;b&gt;x");
    assert_lacks("<b>x");
}

static void collapses_stations_without_readings(void **state)
{
    (void)state;
    render(NULL);
    assert_int_equal(occurrences("<article"), 4);
    const char *list = strstr(page.data, "<ul class=silent>");
    assert_non_null(list);
    assert_non_null(strstr(list, "Trạm mới"));
}

/* --- many stations ------------------------------------------------------------------ */

#define MANY 700

static struct console_station many[MANY];

static void make_many(struct console_view *view)
{
    sample_fill(view);
    for (size_t i = 0; i < MANY; i++) {
        many[i] = sample_station_views[i < MANY - 50 ? 0 : 4];
    }
    view->stations = many;
    view->station_count = MANY;
}

static void gives_an_overview_of_many(void **state)
{
    (void)state;
    struct console_view view;
    make_many(&view);
    assert_true(console_page(&view, NULL, &page));
    assert_lacks("<table>");
    assert_has("<a href=\"/?site=my-tho\">");
    assert_has("650 trạm");
    assert_has("50 trạm");
    assert_has("650 có cảnh báo");
    assert_lacks("thiếu bản tin <");
    many[3].missing_reports = 1;
    text_buffer_free(&page);
    assert_true(console_page(&view, NULL, &page));
    assert_has("1 thiếu bản tin <span class=en lang=en>reports missing</span>");
    assert_int_equal(occurrences("<article"), 2);
}

static void limits_the_detail_of_a_site(void **state)
{
    (void)state;
    struct console_view view;
    make_many(&view);
    assert_true(console_page(&view, "my-tho", &page));
    assert_int_equal(occurrences("<article"), CONSOLE_DETAIL_MAX);
    assert_int_equal(occurrences("<h3>Cầu Rạch Miễu"), MANY - 50);
}

static void render_alarms(struct console_alarm *alarms, size_t count)
{
    struct console_view view;
    sample_fill(&view);
    view.alarms = alarms;
    view.alarm_count = count;
    text_buffer_free(&page);
    page = (struct text_buffer){ 0 };
    assert_true(console_page(&view, NULL, &page));
}

static void says_what_people_did_about_an_alarm(void **state)
{
    (void)state;
    static const struct {
        const char *life, *badge;
        bool held;
    } cases[] = {
        { "UNACK",
          "<span class=\"badge warn\">chưa xác nhận <span class=en lang=en>not acknowledged<",
          false },
        { "ACKED", "<span class=\"badge none\">đã xác nhận <span class=en lang=en>acknowledged<",
          false },
        { "RTNUN",
          "<span class=\"badge good\">đã hết, chưa xác nhận <span class=en lang=en>over, not "
          "acknowledged<",
          false },
        { "SHLVD", "<span class=\"badge none\">tạm gác <span class=en lang=en>shelved<", true },
        { "DSUPR", "ngoài giờ báo <span class=en lang=en>outside of its hours<", true },
        { "OOSRV", "ngừng theo dõi <span class=en lang=en>out of service<", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct console_alarm alarm = sample_alarms[0];
        alarm.life = cases[i].life;
        render_alarms(&alarm, 1);
        assert_has(cases[i].badge);
        assert_int_equal(occurrences("Alarms held back"), cases[i].held ? 1 : 0);
        assert_int_equal(occurrences("Không có cảnh báo nào"), cases[i].held ? 1 : 0);
        bool over = strcmp(cases[i].life, "RTNUN") == 0;
        assert_int_equal(occurrences("<title>(1) Phù Sa"), cases[i].held || over ? 0 : 1);
        assert_lacks("flapping");
    }
}

static void says_until_when_and_why_an_alarm_is_held_back(void **state)
{
    (void)state;
    struct rule rule = sample_rules[0];
    struct console_alarm alarms[] = { sample_alarms[0], sample_alarms[0], sample_alarms[1] };
    rule.inhibit_count = 1;
    alarms[0].life = "DSUPR";
    alarms[0].rule = &rule;
    alarms[1].life = "SHLVD";
    alarms[1].shelved_until_ns = (SAMPLE_NOW_S + 7200) * SECOND_NS;
    alarms[2].flapping = true;
    render_alarms(alarms, 3);
    assert_has("bị che bởi cảnh báo khác <span class=en lang=en>suppressed by another alarm<");
    assert_has("</span></span> đến <span class=en lang=en>until</span> 23:35 21/11/2025 · từ ");
    assert_has("dao động liên tục <span class=en lang=en>flapping<");
    const char *active = strstr(page.data, "Ôxy thấp"), *held = strstr(page.data, "held back");
    assert_true(active != NULL && held != NULL && active < held);
    assert_has("<title>(1) Phù Sa");
}

static void limits_the_list_of_alarms(void **state)
{
    (void)state;
    static struct console_alarm alarms[CONSOLE_ALARMS_MAX + 5];
    struct console_view view;
    sample_fill(&view);
    for (size_t i = 0; i < CONSOLE_ALARMS_MAX + 5; i++) {
        alarms[i] = sample_alarms[0];
    }
    view.alarms = alarms;
    view.alarm_count = CONSOLE_ALARMS_MAX + 5;
    assert_true(console_page(&view, NULL, &page));
    assert_int_equal(occurrences("<li class=severe>"), CONSOLE_ALARMS_MAX);
    assert_has("… +5");
}

/* --- words --------------------------------------------------------------------------- */

static void tells_ages(void **state)
{
    (void)state;
    static const struct {
        int64_t age_s;
        const char *text;
    } cases[] = {
        { 0, "vừa xong <span class=en lang=en>just now</span>" },
        { 40, "40 giây trước <span class=en lang=en>40 s ago</span>" },
        { 180, "3 phút trước <span class=en lang=en>3 min ago</span>" },
        { 7199, "119 phút trước <span class=en lang=en>119 min ago</span>" },
        { 7200, "2 giờ trước <span class=en lang=en>2 h ago</span>" },
        { 5 * 86400, "5 ngày trước <span class=en lang=en>5 d ago</span>" },
        { -300, "sớm 5 phút <span class=en lang=en>5 min ahead</span>" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_buffer_free(&page);
        add_age(&page, (wall_time){ SAMPLE_NOW_S * SECOND_NS },
                (SAMPLE_NOW_S - cases[i].age_s) * SECOND_NS);
        assert_string_equal(page.data, cases[i].text);
    }
    add_age(&page, (wall_time){ INT64_MAX }, INT64_MIN); /* defined all the same */
}

static void tells_local_time(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ns;
        int32_t offset_s;
        const char *text;
    } cases[] = {
        { 0, 0, "00:00:00 01/01/1970" },
        { -1, 0, "23:59:59 31/12/1969" },
        { INT64_C(951782400) * SECOND_NS, 0, "00:00:00 29/02/2000" },
        { INT64_C(1362096000) * SECOND_NS, 25200, "07:00:00 01/03/2013" },
        { INT64_MAX, 0, "23:47:16 11/04/2262" },
        { INT64_MIN, 0, "00:12:43 21/09/1677" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_buffer_free(&page);
        add_local_time(&page, cases[i].time_ns, cases[i].offset_s, true);
        assert_string_equal(page.data, cases[i].text);
    }
}

/* --- what is made of readings ------------------------------------------------------ */

static struct console_index sample_index(int value, int64_t age_s)
{
    return (struct console_index){ .end_ns = (SAMPLE_NOW_S - age_s) * SECOND_NS,
                                   .value = value,
                                   .first = value,
                                   .dominant = &sample_parameters[SAMPLE_PM25],
                                   .level = "poor",
                                   .vi = "Kém",
                                   .en = "Poor",
                                   .message_vi = "m",
                                   .message_en = "m",
                                   .rgb = { 255, 126, 0 } };
}

static void shows_the_index_in_colour_and_words(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.stations[4].has_index = true;
    view.stations[4].hour = sample_index(123, 2110); /* of 21:00 */
    view.stations[4].day = sample_index(101, 77710); /* ended with 00:00 */
    view.stations[4].day.corrected = true;
    view.stations[4].day.first = 99;
    assert_true(console_page(&view, NULL, &page));
    assert_has("<b style=\"background:#ff7e00;color:#000\">123</b><p><b>Kém <span class=en "
               "lang=en>Poor</span></b>");
    assert_has("VN_AQI giờ <span class=en lang=en>hour</span> 21:00 21/11/2025 · chủ yếu do <span "
               "class=en lang=en>mainly</span> Bụi mịn PM2.5<");
    assert_has("VN_AQI ngày <span class=en lang=en>day</span> 20/11/2025 · ");
    assert_has("đã sửa <span class=en lang=en>corrected</span> 99 → 101");
    assert_int_equal(occurrences("class=aqi"), 2);
}

static void says_how_old_an_index_is(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.stations[4].has_index = true;
    view.stations[4].hour = sample_index(400, 20000);
    memcpy(view.stations[4].hour.rgb, (const uint8_t[]){ 126, 0, 35 }, 3);
    assert_true(console_page(&view, NULL, &page));
    assert_has("style=\"background:#7e0023;color:#fff\">400<");
    assert_has("5 giờ trước <span class=en lang=en>5 h ago</span> · chủ yếu");
}

static void lists_no_index_among_the_readings(void **state)
{
    (void)state;
    static const struct phusa_parameter index = { .name = { "vn_aqi", 6 }, .label_vi = "Chỉ số" };
    struct console_view view;
    for (int has = 0; has <= 1; has++) {
        text_buffer_free(&page);
        sample_fill(&view);
        view.stations[4].readings[1].parameter = &index;
        view.stations[4].has_index = has;
        assert_true(console_page(&view, NULL, &page));
        assert_int_equal(occurrences("Chỉ số"), 1 - has);
    }
}

static void says_which_test_a_reading_failed(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    struct console_reading *temp = &view.stations[0].readings[3];
    temp->derived = true;
    temp->tests = (struct console_tests){ .given = true,
                                          .time_ns = temp->time_ns,
                                          .gross = PHUSA_FLAG_GOOD,
                                          .spike = PHUSA_FLAG_SUSPECT,
                                          .rate = PHUSA_FLAG_GOOD,
                                          .flat_line = PHUSA_FLAG_FAIL,
                                          .attenuated = PHUSA_FLAG_NOT_EVALUATED };
    assert_true(console_page(&view, NULL, &page));
    assert_has("nghi ngờ <span class=en lang=en>suspect</span></span> · nhọn bất thường <span "
               "class=en lang=en>spike</span> · đứng yên <span class=en lang=en>flat line</span> · "
               "tính toán <span class=en lang=en>derived</span> · 40 giây");
    text_buffer_free(&page);
    temp->tests.time_ns--; /* of another reading */
    assert_true(console_page(&view, NULL, &page));
    assert_lacks("nhọn");
}

static void says_that_a_bus_is_stuck(void **state)
{
    (void)state;
    struct console_view view;
    sample_fill(&view);
    view.stations[0].stuck_since_ns = (SAMPLE_NOW_S - 36310) * SECOND_NS;
    assert_true(console_page(&view, NULL, &page));
    assert_has("mọi thông số đứng yên: thiết bị có thể bị treo</b> <span class=en lang=en>all "
               "parameters frozen: the device may hang</span> · từ <span class=en "
               "lang=en>since</span> 11:30 21/11/2025");
    assert_int_equal(occurrences("đứng yên"), 1);
}

static void tells_zero_off_and_missing_nights_apart(void **state)
{
    (void)state;
    static const struct phusa_parameter species[] = {
        { .name = { "bph", 3 }, .unit = { "insects", 7 }, .label_vi = "Rầy nâu", .resolution = 1 },
        { .name = { "glh", 3 }, .label_vi = "Rầy xanh", .resolution = 1 },
        { .name = { "wbph", 4 }, .label_vi = "Rầy lưng trắng", .resolution = 1 },
        { .name = { "zigzag", 6 }, .label_vi = "Rầy zigzag", .resolution = 1 },
    };
    int64_t noon = (SAMPLE_NOW_S - 34510) * SECOND_NS;
    struct console_night nights[] = {
        { &species[0], noon, CONSOLE_COUNTED, 0, false, 720, 600, 15, 1 },
        { &species[1], noon, CONSOLE_COUNTED, 999, true, 0, 0, 0, 1 },
        { &species[2], noon, CONSOLE_TRAP_OFF, NAN, false, 1440, 0, 0, 0 },
        { &species[3], noon, CONSOLE_NIGHT_MISSING, NAN, false, 0, 0, 0, 0 },
    };
    struct console_view view;
    sample_fill(&view);
    view.stations[0].nights = nights;
    view.stations[0].night_count = 4;
    assert_true(console_page(&view, NULL, &page));
    assert_has("Đêm gần nhất <span class=en lang=en>latest night</span>");
    assert_has("Rầy nâu");
    assert_has("<b>0</b>");
    assert_has("≥ <b>999</b>");
    assert_has("bẫy tắt <span class=en lang=en>trap off<");
    assert_has("thiếu số liệu <span class=en lang=en>night missing<");
    assert_has("12:00 21/11/2025 · đèn sáng <span class=en lang=en>lamp on</span> 600 phút");
    assert_has("đóng vì mưa <span class=en lang=en>closed for rain</span> 15 phút");
    assert_int_equal(occurrences("đèn sáng"), 2); /* where the lamp's state is known */
}

static void buffer_stops_at_its_limit(void **state)
{
    (void)state;
    static char block[1 << 20];
    memset(block, 'x', sizeof block - 1);
    for (size_t i = 0; i < (TEXT_BUFFER_MAX >> 20) + 1; i++) {
        text_buffer_add_text(&page, block);
    }
    assert_true(page.failed);
    assert_true(page.used < TEXT_BUFFER_MAX);
    assert_int_equal(strlen(page.data), page.used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(is_plain_html_for_phones, clear),
        cmocka_unit_test_teardown(escapes_names, clear),
        cmocka_unit_test_teardown(says_states_and_flags_in_words, clear),
        cmocka_unit_test_teardown(shows_values_as_people_write_them, clear),
        cmocka_unit_test_teardown(puts_alarms_first_with_local_time, clear),
        cmocka_unit_test_teardown(says_when_nothing_is_wrong, clear),
        cmocka_unit_test_teardown(says_what_is_wrong, clear),
        cmocka_unit_test_teardown(says_which_reports_are_missing, clear),
        cmocka_unit_test_teardown(warns_of_a_full_disk, clear),
        cmocka_unit_test_teardown(says_in_vietnamese_why_it_is_not_ready, clear),
        cmocka_unit_test_teardown(shows_how_far_the_start_is, clear),
        cmocka_unit_test_teardown(shows_one_site, clear),
        cmocka_unit_test_teardown(knows_no_other_site, clear),
        cmocka_unit_test_teardown(collapses_stations_without_readings, clear),
        cmocka_unit_test_teardown(gives_an_overview_of_many, clear),
        cmocka_unit_test_teardown(limits_the_detail_of_a_site, clear),
        cmocka_unit_test_teardown(says_what_people_did_about_an_alarm, clear),
        cmocka_unit_test_teardown(says_until_when_and_why_an_alarm_is_held_back, clear),
        cmocka_unit_test_teardown(limits_the_list_of_alarms, clear),
        cmocka_unit_test_teardown(tells_ages, clear),
        cmocka_unit_test_teardown(tells_local_time, clear),
        cmocka_unit_test_teardown(shows_the_index_in_colour_and_words, clear),
        cmocka_unit_test_teardown(says_how_old_an_index_is, clear),
        cmocka_unit_test_teardown(lists_no_index_among_the_readings, clear),
        cmocka_unit_test_teardown(says_which_test_a_reading_failed, clear),
        cmocka_unit_test_teardown(says_that_a_bus_is_stuck, clear),
        cmocka_unit_test_teardown(tells_zero_off_and_missing_nights_apart, clear),
        cmocka_unit_test_teardown(buffer_stops_at_its_limit, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
