#include "console/words.h"

#include <stdio.h>
#include <string.h>

#include "settings/display.h"

#define DAY_S INT64_C(86400)

struct word word_of_link(enum console_link link)
{
    switch (link) {
    case CONSOLE_ONLINE:
        return (struct word){ "đang hoạt động", "online", "good" };
    case CONSOLE_QUIET:
        return (struct word){ "không có tín hiệu", "quiet", "warn" };
    case CONSOLE_OFFLINE:
        return (struct word){ "mất kết nối", "offline", "bad" };
    case CONSOLE_NEVER_SEEN:
        break;
    }
    return (struct word){ "chưa từng thấy", "never seen", "none" };
}

struct word word_of_flag(uint8_t flag)
{
    switch (flag) {
    case PHUSA_FLAG_GOOD:
        return (struct word){ "tốt", "good", "good" };
    case PHUSA_FLAG_SUSPECT:
        return (struct word){ "nghi ngờ", "suspect", "warn" };
    case PHUSA_FLAG_FAIL:
        return (struct word){ "hỏng", "fail", "bad" };
    case PHUSA_FLAG_MISSING:
        return (struct word){ "thiếu", "missing", "none" };
    default:
        return (struct word){ "chưa đánh giá", "not evaluated", "none" };
    }
}

struct word word_of_severity(enum severity severity)
{
    const char *style = severity == SEVERITY_NORMAL ? "good" : severity_name(severity);
    return (struct word){ severity_name_vi(severity), severity_name(severity), style };
}

struct word word_of_life(const struct console_alarm *alarm)
{
    static const struct {
        const char *life;
        struct word word;
    } words[] = {
        { "UNACK", { "chưa xác nhận", "not acknowledged", "warn" } },
        { "ACKED", { "đã xác nhận", "acknowledged", "none" } },
        { "RTNUN", { "đã hết, chưa xác nhận", "over, not acknowledged", "good" } },
        { "SHLVD", { "tạm gác", "shelved", "none" } },
        { "OOSRV", { "ngừng theo dõi", "out of service", "none" } },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].life, alarm->life) == 0) {
            return words[i].word;
        }
    }
    return alarm->rule->inhibit_count > 0
               ? (struct word){ "bị che bởi cảnh báo khác", "suppressed by another alarm", "none" }
               : (struct word){ "ngoài giờ báo", "outside of its hours", "none" };
}

struct word word_of_outcome(enum console_outcome outcome)
{
    switch (outcome) {
    case CONSOLE_COUNTED:
        return (struct word){ "đã đếm", "counted", "good" };
    case CONSOLE_TRAP_OFF:
        return (struct word){ "bẫy tắt", "trap off", "warn" };
    case CONSOLE_NIGHT_MISSING:
        break;
    }
    return (struct word){ "thiếu số liệu", "night missing", "bad" };
}

static bool is_bad(uint8_t flag)
{
    return flag == PHUSA_FLAG_SUSPECT || flag == PHUSA_FLAG_FAIL;
}

void add_tests(struct text_buffer *out, const struct console_tests *tests)
{
    const struct {
        uint8_t flag;
        const char *vi, *en;
    } all[] = { { tests->gross, "ngoài khoảng", "range" },
                { tests->spike, "nhọn bất thường", "spike" },
                { tests->rate, "đổi quá nhanh", "rate" },
                { tests->flat_line, "đứng yên", "flat line" },
                { tests->attenuated, "ít dao động", "attenuated" } };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (is_bad(all[i].flag)) {
            text_buffer_add_text(out, " · ");
            add_both(out, all[i].vi, all[i].en);
        }
    }
}

/* The reasons that the collector gives (src/collector_view.c). */
static const struct {
    const char *en, *vi;
} reasons[] = {
    { "reading the journal again after the start", "đang đọc lại nhật ký sau khi khởi động" },
    { "broker not connected", "mất kết nối với máy chủ MQTT" },
    { "journal not writable", "không ghi được nhật ký" },
    { "pipeline behind", "xử lý đang trễ" },
    { "the disk takes no more", "đĩa không nhận thêm dữ liệu" },
};

const char *vietnamese_of(const char *reason)
{
    for (size_t i = 0; reason != NULL && i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reasons[i].en, reason) == 0) {
            return reasons[i].vi;
        }
    }
    return NULL;
}

void add_both(struct text_buffer *out, const char *vi, const char *en)
{
    text_buffer_add(out, "%s <span class=en lang=en>%s</span>", vi, en);
}

void add_badge(struct text_buffer *out, struct word word)
{
    text_buffer_add(out, "<span class=\"badge %s\">", word.style);
    add_both(out, word.vi, word.en);
    text_buffer_add_text(out, "</span>");
}

struct span_unit {
    int64_t seconds; /* of one */
    int64_t until;   /* used for spans shorter than this */
    const char *vi, *en;
};

static const struct span_unit span_units[] = {
    { 1, 120, "giây", "s" },
    { 60, 7200, "phút", "min" },
    { 3600, 2 * DAY_S, "giờ", "h" },
    { DAY_S, INT64_MAX, "ngày", "d" },
};

static const struct span_unit *unit_of(int64_t seconds)
{
    const struct span_unit *unit = span_units;
    while (seconds >= unit->until) {
        unit++;
    }
    return unit;
}

void add_duration(struct text_buffer *out, int64_t lasted_ns)
{
    int64_t seconds = lasted_ns < 0 ? 0 : lasted_ns / SECOND_NS;
    const struct span_unit *unit = unit_of(seconds);
    long long count = (long long)(seconds / unit->seconds);
    text_buffer_add(out, "%lld %s <span class=en lang=en>%lld %s</span>", count, unit->vi, count,
                    unit->en);
}

void add_age(struct text_buffer *out, wall_time now, int64_t then_ns)
{
    /* Far times may not be subtracted in nanoseconds. */
    int64_t seconds = now.ns / SECOND_NS - then_ns / SECOND_NS;
    bool ahead = seconds < 0;
    seconds = ahead ? -seconds : seconds;
    if (seconds < 2) {
        add_both(out, "vừa xong", "just now");
        return;
    }
    const struct span_unit *unit = unit_of(seconds);
    long long count = (long long)(seconds / unit->seconds);
    if (ahead) {
        text_buffer_add(out, "sớm %lld %s <span class=en lang=en>%lld %s ahead</span>", count,
                        unit->vi, count, unit->en);
    } else {
        text_buffer_add(out, "%lld %s trước <span class=en lang=en>%lld %s ago</span>", count,
                        unit->vi, count, unit->en);
    }
}

struct date {
    int64_t year;
    int month, day;
};

/* Days since 1970-01-01 to the proleptic Gregorian calendar, for any 64-bit time in nanoseconds. */
static struct date date_of(int64_t days)
{
    int64_t shifted = days + 719468; /* since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct date){ .year = year_of_era + era * 400 + (month <= 2),
                          .month = month,
                          .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1) };
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

void add_local_date(struct text_buffer *out, int64_t time_ns, int32_t utc_offset_s)
{
    int64_t local = floor_divide(time_ns, SECOND_NS) + utc_offset_s;
    struct date date = date_of(floor_divide(local, DAY_S));
    text_buffer_add(out, "%02d/%02d/%04lld", date.day, date.month, (long long)date.year);
}

void add_local_time(struct text_buffer *out, int64_t time_ns, int32_t utc_offset_s, bool seconds)
{
    int64_t local = floor_divide(time_ns, SECOND_NS) + utc_offset_s;
    int second = (int)(local - floor_divide(local, DAY_S) * DAY_S);
    text_buffer_add(out, "%02d:%02d", second / 3600, second / 60 % 60);
    if (seconds) {
        text_buffer_add(out, ":%02d", second % 60);
    }
    text_buffer_add_text(out, " ");
    add_local_date(out, time_ns, utc_offset_s);
}

void add_count(struct text_buffer *out, uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < length; i++) {
        bool apart = i > 0 && (length - i) % 3 == 0;
        text_buffer_add(out, "%s%c", apart ? "\xE2\x80\xAF" : "", digits[i]);
    }
}

static void add_text(struct text_buffer *out, struct phusa_text text)
{
    text_buffer_add(out, "%.*s", (int)text.length, text.data);
}

void add_value(struct text_buffer *out, const struct phusa_parameter *parameter, double value)
{
    char number[DISPLAY_NUMBER_MAX];
    struct phusa_text unit = display_unit(parameter->unit);
    text_buffer_add(out, "<b>%s</b>", display_value(parameter, value, DECIMAL_VI, number));
    if (unit.length > 0) {
        text_buffer_add_text(out, " <span class=unit>");
        add_text(out, unit);
        text_buffer_add_text(out, "</span>");
    }
}

void add_label_in(struct text_buffer *out, const char *label, struct phusa_text name)
{
    if (label == NULL || label[0] == '\0') {
        add_text(out, name); /* [a-z0-9_] */
    } else {
        text_buffer_add_html(out, label);
    }
}

void add_label(struct text_buffer *out, const struct phusa_parameter *parameter)
{
    add_label_in(out, parameter->label_vi, parameter->name);
    text_buffer_add_text(out, " <span class=en lang=en>");
    add_label_in(out, parameter->label_en, parameter->name);
    text_buffer_add_text(out, "</span>");
}
