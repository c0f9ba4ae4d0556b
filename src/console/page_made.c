/*
 * On a station's card, what is made of its readings: VN_AQI in the Decision's colours, a stuck bus,
 * the latest night's catch of a light trap.
 */
#include "console/page_made.h"

#include <math.h>

#include "console/words.h"

/* WCAG 2.1: the relative luminance of a colour from which on black is read better than white. */
#define BLACK_FROM 0.179

static double linear(uint8_t part)
{
    double share = part / 255.0;
    return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4);
}

static bool is_bright(const uint8_t rgb[3])
{
    return 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]) > BLACK_FROM;
}

static void add_corrected(struct text_buffer *out, const struct console_index *index)
{
    if (index->corrected) {
        text_buffer_add_text(out, " · ");
        add_both(out, "đã sửa", "corrected");
        text_buffer_add(out, " %d → %d", index->first, index->value);
    }
}

/* In the Decision's colour, with the level's name beside it. */
static void begin_index(const struct console_index *index, struct text_buffer *out)
{
    text_buffer_add(out,
                    "<div class=aqi><b style=\"background:#%02x%02x%02x;color:%s\">%d</b><p><b>",
                    index->rgb[0], index->rgb[1], index->rgb[2],
                    is_bright(index->rgb) ? "#000" : "#fff", index->value);
    add_both(out, index->vi, index->en);
    text_buffer_add_text(out, "</b><br><span class=how>VN_AQI ");
}

static void end_index(const struct console_index *index, struct text_buffer *out)
{
    if (index->dominant != NULL) {
        text_buffer_add_text(out, " · ");
        add_both(out, "chủ yếu do", "mainly");
        text_buffer_add_text(out, " ");
        add_label_in(out, index->dominant->label_vi, index->dominant->name);
    }
    add_corrected(out, index);
    text_buffer_add_text(out, "</span></p></div>");
}

/* One that is not of now says how old it is. */
static void add_hour(const struct console_view *view, const struct console_index *hour,
                     struct text_buffer *out)
{
    if (hour->end_ns == 0) {
        return;
    }
    begin_index(hour, out);
    add_both(out, "giờ", "hour");
    text_buffer_add_text(out, " ");
    add_local_time(out, hour->end_ns, view->utc_offset_s, false);
    if (view->totals.now.ns - hour->end_ns > CONSOLE_INDEX_FRESH_NS) {
        text_buffer_add_text(out, " · ");
        add_age(out, view->totals.now, hour->end_ns);
    }
    end_index(hour, out);
}

/* A day ends with the 00:00 of the next. */
static void add_day(const struct console_view *view, const struct console_index *day,
                    struct text_buffer *out)
{
    if (day->end_ns == 0) {
        return;
    }
    begin_index(day, out);
    add_both(out, "ngày", "day");
    text_buffer_add_text(out, " ");
    add_local_date(out, day->end_ns - SECOND_NS, view->utc_offset_s);
    end_index(day, out);
}

/* All parameters of a device stand still: what it sends is no measurement. */
static void add_stuck(const struct console_view *view, const struct console_station *station,
                      struct text_buffer *out)
{
    if (station->stuck_since_ns == 0) {
        return;
    }
    text_buffer_add_text(out,
                         "<p class=lacks><b>mọi thông số đứng yên: thiết bị có thể bị treo</b> "
                         "<span class=en lang=en>all parameters frozen: the device may hang"
                         "</span> · từ <span class=en lang=en>since</span> ");
    add_local_time(out, station->stuck_since_ns, view->utc_offset_s, false);
    text_buffer_add_text(out, "</p>");
}

static void add_caught(const struct console_night *night, struct text_buffer *out)
{
    if (night->outcome == CONSOLE_COUNTED) {
        text_buffer_add(out, "%s", night->saturated ? "≥ " : "");
        add_value(out, night->parameter, night->count);
    } else {
        add_badge(out, word_of_outcome(night->outcome));
    }
}

static void add_night(const struct console_view *view, const struct console_night *night,
                      struct text_buffer *out)
{
    text_buffer_add_text(out, "<tr><th scope=row>");
    add_label(out, night->parameter);
    text_buffer_add_text(out, "</th><td class=num>");
    add_caught(night, out);
    text_buffer_add_text(out, "</td></tr><tr class=how><td colspan=2>");
    add_both(out, "đêm đến", "night to");
    text_buffer_add_text(out, " ");
    add_local_time(out, night->end_ns, view->utc_offset_s, false);
    if (night->known_minutes > 0) {
        text_buffer_add(out,
                        " · đèn sáng <span class=en lang=en>lamp on</span> %.0f phút <span "
                        "class=en lang=en>min</span>",
                        night->lamp_minutes);
    }
    if (night->gated_minutes > 0) {
        text_buffer_add(out,
                        " · đóng vì mưa <span class=en lang=en>closed for rain</span> %.0f phút "
                        "<span class=en lang=en>min</span>",
                        night->gated_minutes);
    }
    text_buffer_add_text(out, "</td></tr>");
}

static void add_nights(const struct console_view *view, const struct console_station *station,
                       struct text_buffer *out)
{
    if (station->night_count == 0) {
        return;
    }
    text_buffer_add_text(out, "<p class=part>");
    add_both(out, "Đêm gần nhất", "latest night");
    text_buffer_add_text(out, "</p><table>");
    for (size_t i = 0; i < station->night_count; i++) {
        add_night(view, &station->nights[i], out);
    }
    text_buffer_add_text(out, "</table><p class=part>");
    add_both(out, "Bản tin mới nhất", "newest report");
    text_buffer_add_text(out, "</p>");
}

void add_made(const struct console_view *view, const struct console_station *station,
              struct text_buffer *out)
{
    add_stuck(view, station, out);
    add_hour(view, &station->hour, out);
    add_day(view, &station->day, out);
    add_nights(view, station, out);
}
