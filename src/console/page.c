/*
 * The status page: plain HTML5, one inline stylesheet, no script. From top to bottom what
 * an operator asks: does the system run, what is wrong, what does each station say.
 * html is in Vietnamese; what is English says so by lang.
 */
#include <string.h>

#include "console/page_made.h"
#include "console/style.h"
#include "console/words.h"

#define REFRESH_S    10
#define BEHIND_SHOWN 1000 /* records not processed yet that are worth a word */

/* --- which alarms ------------------------------------------------------------------- */

/* Nobody is told of it now: shelved, suppressed by design or out of service. */
static bool is_held(const struct console_alarm *alarm)
{
    return strcmp(alarm->life, "SHLVD") == 0 || strcmp(alarm->life, "DSUPR") == 0 ||
           strcmp(alarm->life, "OOSRV") == 0;
}

static bool of_site(const struct station *station, const char *site)
{
    return site == NULL || strcmp(station->site, site) == 0;
}

/* Which alarms a list is of. */
struct choice {
    const char *site; /* NULL = all */
    bool held;
};

static bool is_chosen(const struct console_alarm *alarm, const struct choice *choice)
{
    return of_site(alarm->station, choice->site) && is_held(alarm) == choice->held;
}

static size_t count_alarms(const struct console_view *view, const struct choice *choice)
{
    size_t count = 0;
    for (size_t i = 0; i < view->alarm_count; i++) {
        count += is_chosen(&view->alarms[i], choice);
    }
    return count;
}

/* What is active and told: neither held back nor over. */
static size_t count_active(const struct console_view *view)
{
    size_t count = 0;
    for (size_t i = 0; i < view->alarm_count; i++) {
        const struct console_alarm *alarm = &view->alarms[i];
        count += !is_held(alarm) && strcmp(alarm->life, "RTNUN") != 0;
    }
    return count;
}

/* --- head ------------------------------------------------------------------------- */

static void add_head(const struct console_view *view, struct text_buffer *out)
{
    text_buffer_add(out,
                    "<!DOCTYPE html>\n<html lang=vi><head><meta charset=utf-8>"
                    "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
                    "<meta http-equiv=refresh content=%d><title>",
                    REFRESH_S);
    size_t alarms = count_active(view);
    if (alarms > 0) {
        text_buffer_add(out, "(%zu) ", alarms);
    }
    text_buffer_add_text(out, "Phù Sa</title><style>");
    for (const char *const *part = console_style; *part != NULL; part++) {
        text_buffer_add_text(out, *part);
    }
    text_buffer_add_text(out,
                         "</style></head>\n<body><header><h1><a href=\"/\">Phù Sa</a></h1><p>");
    add_both(out, "Giám sát trạm quan trắc", "Station monitoring");
    text_buffer_add_text(out, "</p><p class=now>");
    add_local_time(out, view->totals.now.ns, view->utc_offset_s, true);
    text_buffer_add_text(out, "</p></header>\n<main>");
}

/* --- summary ------------------------------------------------------------------------ */

static const char *mark_of(struct word word)
{
    return strcmp(word.style, "good") == 0 ? "✓" : strcmp(word.style, "warn") == 0 ? "!" : "✕";
}

static void add_health(struct text_buffer *out, const char *vi, const char *en, struct word word)
{
    text_buffer_add_text(out, "<li><span>");
    add_both(out, vi, en);
    text_buffer_add(out, "</span> <span class=\"badge %s\">%s ", word.style, mark_of(word));
    add_both(out, word.vi, word.en);
    text_buffer_add_text(out, "</span></li>");
}

/* While the disk takes no more, the broker is left so that it keeps what comes: no second fault. */
static struct word word_of_broker(const struct console_totals *totals)
{
    if (totals->broker_connected) {
        return (struct word){ "đã nối", "connected", "good" };
    }
    return totals->journal_held ? (struct word){ "chủ động ngắt", "left on purpose", "warn" }
                                : (struct word){ "mất kết nối", "not connected", "bad" };
}

static struct word word_of_journal(const struct console_totals *totals)
{
    if (totals->journal_held) {
        return (struct word){ "đĩa không nhận thêm", "the disk takes no more", "bad" };
    }
    return totals->journal_writable ? (struct word){ "ghi được", "writable", "good" }
                                    : (struct word){ "không ghi được", "not writable", "bad" };
}

static void add_links(const struct console_totals *totals, struct text_buffer *out)
{
    const struct word answers = { "trả lời", "answers", "good" };
    const struct word silent = { "không trả lời", "no answer", "bad" };
    const struct word current = { "theo kịp", "up to date", "good" };
    const struct word behind = { "đang trễ", "behind", "warn" };
    text_buffer_add_text(out, "<ul class=links>");
    add_health(out, "Máy chủ MQTT", "broker", word_of_broker(totals));
    add_health(out, "Nhật ký", "journal", word_of_journal(totals));
    add_health(out, "Kho dữ liệu", "store", totals->store_up ? answers : silent);
    add_health(out, "Xử lý", "pipeline", totals->pipeline_behind < BEHIND_SHOWN ? current : behind);
    text_buffer_add_text(out, "</ul>");
}

static void add_counted(struct text_buffer *out, const char *vi, const char *en, uint64_t count)
{
    text_buffer_add_text(out, "<div><dt>");
    add_both(out, vi, en);
    text_buffer_add_text(out, "</dt><dd>");
    add_count(out, count);
    text_buffer_add_text(out, "</dd></div>");
}

static void add_note(struct text_buffer *out, const char *vi, const char *en, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        return;
    }
    text_buffer_add_text(out, "<p class=note><b>");
    add_both(out, vi, en);
    text_buffer_add_text(out, ":</b> <span lang=en>");
    text_buffer_add_html(out, text);
    text_buffer_add_text(out, "</span></p>");
}

/* Why it is not ready, in Vietnamese where the reason is known. */
static void add_not_ready(struct text_buffer *out, const char *reason)
{
    const char *vi = vietnamese_of(reason);
    if (vi == NULL) {
        add_note(out, "Chưa sẵn sàng", "not ready", reason);
        return;
    }
    text_buffer_add_text(out, "<p class=note><b>");
    add_both(out, "Chưa sẵn sàng", "not ready");
    text_buffer_add_text(out, ":</b> ");
    add_both(out, vi, reason);
    text_buffer_add_text(out, "</p>");
}

static void add_reports(const struct console_view *view, struct text_buffer *out)
{
    uint64_t missing = 0, closed = 0;
    for (size_t i = 0; i < view->station_count; i++) {
        missing += view->stations[i].missing_reports;
        closed += view->stations[i].closed_reports;
    }
    add_counted(out, "Bản tin thiếu", "missing", missing);
    add_counted(out, "Bản tin mất", "lost", closed);
}

/* What is so wrong that it stands above everything else. */
static void add_banner(const struct console_totals *totals, struct text_buffer *out)
{
    if (totals->journal_held) {
        text_buffer_add_text(out, "<p class=banner role=alert><b>Đĩa đầy hoặc hỏng: đã ngừng nhận "
                                  "bản tin.</b> Các trạm giữ số liệu và gửi lại khi nhật ký ghi "
                                  "được. Hãy giải phóng dung lượng, ít nhất bằng journal.reserve. "
                                  "<span class=en lang=en>Disk full or failing: no reports "
                                  "are taken. Stations keep theirs and send them again when the "
                                  "journal can be written. Free some space, at least as much as "
                                  "journal.reserve.</span></p>");
    }
}

static void add_progress(double share, struct text_buffer *out)
{
    int percent = share > 0 ? (int)(share * 100) : 0;
    text_buffer_add_text(out, "<p class=note><b>");
    add_both(out, "Đang đọc lại nhật ký sau khi khởi động",
             "reading the journal again after the start");
    text_buffer_add(out, ":</b> %d %% <progress max=100 value=%d></progress></p>", percent,
                    percent);
}

static void add_notes(const struct console_totals *totals, struct text_buffer *out)
{
    if (totals->start_progress < 1) {
        add_progress(totals->start_progress, out); /* and so it is not ready */
    } else {
        add_not_ready(out, totals->ready ? "" : totals->not_ready);
    }
    add_note(out, "Kho dữ liệu", "store", totals->store_problem);
    add_note(out, "Cấu hình mới bị từ chối", "new configuration refused",
             totals->configuration_problem);
}

static void add_summary(const struct console_view *view, struct text_buffer *out)
{
    const struct console_totals *totals = &view->totals;
    add_banner(totals, out);
    text_buffer_add_text(out, "<section class=strip>");
    add_links(totals, out);
    text_buffer_add_text(out, "<dl class=counts>");
    add_counted(out, "Số đo nhận", "received", totals->received);
    add_counted(out, "Đã lưu", "stored", totals->stored);
    add_counted(out, "Đang chờ", "pending", totals->pending);
    add_counted(out, "Tạm giữ", "quarantined", totals->quarantined);
    add_counted(out, "Trùng", "duplicates", totals->duplicates);
    add_reports(view, out);
    text_buffer_add_text(out, "</dl></section>");
    add_notes(totals, out);
}

/* --- alarms ---------------------------------------------------------------------------- */

static void add_life(const struct console_view *view, const struct console_alarm *alarm,
                     struct text_buffer *out)
{
    add_badge(out, word_of_life(alarm));
    if (alarm->shelved_until_ns != 0) {
        text_buffer_add_text(out, " ");
        add_both(out, "đến", "until");
        text_buffer_add_text(out, " ");
        add_local_time(out, alarm->shelved_until_ns, view->utc_offset_s, false);
        text_buffer_add_text(out, " ·");
    }
    if (alarm->flapping) {
        text_buffer_add_text(out, " ");
        add_badge(out, (struct word){ "dao động liên tục", "flapping", "warn" });
    }
    text_buffer_add_text(out, " ");
}

static void add_alarm(const struct console_view *view, const struct console_alarm *alarm,
                      struct text_buffer *out)
{
    struct word severity = word_of_severity(alarm->severity);
    text_buffer_add(out, "<li class=%s><div class=headline>", severity.style);
    add_badge(out, severity);
    text_buffer_add_text(out, "<h3>");
    text_buffer_add_html(out, alarm->rule->message_vi);
    text_buffer_add_text(out, " <span class=en lang=en>");
    text_buffer_add_html(out, alarm->rule->message_en);
    text_buffer_add_text(out, "</span></h3></div><p>");
    text_buffer_add_html(out, alarm->station->name);
    text_buffer_add_text(out, " <span class=id>");
    text_buffer_add_html(out, alarm->station->id);
    text_buffer_add_text(out, "</span> · ");
    add_label(out, alarm->rule->parameter);
    text_buffer_add_text(out, " ");
    add_value(out, alarm->rule->parameter, alarm->value);
    text_buffer_add_text(out, "</p><p class=how>");
    add_life(view, alarm, out);
    add_both(out, "từ", "since");
    text_buffer_add_text(out, " ");
    add_local_time(out, alarm->since_ns, view->utc_offset_s, false);
    text_buffer_add_text(out, " · ");
    add_age(out, view->totals.now, alarm->since_ns);
    text_buffer_add_text(out, "</p></li>");
}

static void list_alarms(const struct console_view *view, const struct choice *choice, size_t count,
                        struct text_buffer *out)
{
    size_t listed = 0;
    text_buffer_add_text(out, "<ul class=alarms>");
    for (size_t i = 0; i < view->alarm_count && listed < CONSOLE_ALARMS_MAX; i++) {
        if (is_chosen(&view->alarms[i], choice)) {
            add_alarm(view, &view->alarms[i], out);
            listed++;
        }
    }
    text_buffer_add_text(out, "</ul>");
    if (listed < count) {
        text_buffer_add(out, "<p>… +%zu</p>", count - listed);
    }
}

static void add_alarms(const struct console_view *view, const char *site, struct text_buffer *out)
{
    const struct choice choice = { site, false };
    size_t count = count_alarms(view, &choice);
    text_buffer_add_text(out, "<section><h2>");
    add_both(out, "Cảnh báo đang có", "Active alarms");
    text_buffer_add(out, " <small>%zu</small></h2>", count);
    if (count == 0) {
        text_buffer_add_text(out, "<p class=calm>✓ ");
        add_both(out, "Không có cảnh báo nào.", "No alarm.");
        text_buffer_add_text(out, "</p>");
    } else {
        list_alarms(view, &choice, count, out);
    }
    text_buffer_add_text(out, "</section>");
}

static void add_held_alarms(const struct console_view *view, const char *site,
                            struct text_buffer *out)
{
    const struct choice choice = { site, true };
    size_t count = count_alarms(view, &choice);
    if (count > 0) {
        text_buffer_add_text(out, "<section><h2>");
        add_both(out, "Cảnh báo đang gác lại", "Alarms held back");
        text_buffer_add(out, " <small>%zu</small></h2>", count);
        list_alarms(view, &choice, count, out);
        text_buffer_add_text(out, "</section>");
    }
}

/* --- stations --------------------------------------------------------------------------- */

static void add_reading(const struct console_view *view, const struct console_reading *reading,
                        struct text_buffer *out)
{
    struct word flag = word_of_flag(reading->flag);
    text_buffer_add_text(out, "<tr><th scope=row>");
    add_label(out, reading->parameter);
    text_buffer_add_text(out, "</th><td class=num>");
    add_value(out, reading->parameter, reading->value);
    text_buffer_add(out, "</td></tr><tr class=how><td colspan=2><span class=\"flag %s\">",
                    flag.style);
    add_both(out, flag.vi, flag.en);
    text_buffer_add_text(out, "</span>");
    if (reading->tests.given && reading->tests.time_ns == reading->time_ns) {
        add_tests(out, &reading->tests);
    }
    if (reading->derived) {
        text_buffer_add_text(out, " · ");
        add_both(out, "tính toán", "derived");
    }
    text_buffer_add_text(out, " · ");
    add_age(out, view->totals.now, reading->time_ns);
    text_buffer_add_text(out, "</td></tr>");
}

/* The index stands above, with more to it. */
static bool is_index(const struct console_station *station, const struct console_reading *reading)
{
    return station->has_index &&
           (phusa_text_equal(reading->parameter->name, PHUSA_TEXT("vn_aqi")) ||
            phusa_text_equal(reading->parameter->name, PHUSA_TEXT("vn_aqi_day")));
}

/* --- cards ---------------------------------------------------------------------------------- */

static void add_name(const struct console_station *station, struct text_buffer *out)
{
    text_buffer_add_text(out, "<h3>");
    text_buffer_add_html(out, station->station->name);
    text_buffer_add_text(out, " <span class=id>");
    text_buffer_add_html(out, station->station->id);
    text_buffer_add_text(out, "</span></h3>");
}

static void add_seen(const struct console_view *view, const struct console_station *station,
                     struct text_buffer *out)
{
    if (station->last_seen_ns == 0) {
        return;
    }
    text_buffer_add_text(out, "<p class=seen>");
    add_both(out, "lần cuối", "last seen");
    text_buffer_add_text(out, " ");
    add_local_time(out, station->last_seen_ns, view->utc_offset_s, false);
    text_buffer_add_text(out, " · ");
    add_age(out, view->totals.now, station->last_seen_ns);
    text_buffer_add_text(out, "</p>");
}

/* Reports that the numbering of its log says exist, or existed, but never came. */
static void add_lacking(const struct console_view *view, const struct console_station *station,
                        struct text_buffer *out)
{
    unsigned long long missing = station->missing_reports, closed = station->closed_reports;
    if (missing == 0 && closed == 0) {
        return;
    }
    text_buffer_add_text(out, "<p class=lacks>");
    if (missing > 0) {
        text_buffer_add(out,
                        "<b>còn thiếu %llu bản tin</b> <span class=en lang=en>%llu missing</span>",
                        missing, missing);
    }
    if (station->oldest_gap_ns != 0) {
        text_buffer_add_text(out, " · từ <span class=en lang=en>since</span> ");
        add_age(out, view->totals.now, station->oldest_gap_ns);
    }
    if (closed > 0) {
        text_buffer_add(out, "%s%llu mất hẳn <span class=en lang=en>%llu lost for good</span>",
                        missing > 0 ? " · " : "", closed, closed);
    }
    text_buffer_add_text(out, "</p>");
}

static void add_badges(const struct console_station *station, struct text_buffer *out)
{
    text_buffer_add_text(out, "<span>");
    if (station->severity != SEVERITY_NORMAL) {
        add_badge(out, word_of_severity(station->severity));
        text_buffer_add_text(out, " ");
    }
    add_badge(out, word_of_link(station->link));
    text_buffer_add_text(out, "</span>");
}

static void add_card(const struct console_view *view, const struct console_station *station,
                     struct text_buffer *out)
{
    if (station->severity == SEVERITY_NORMAL) {
        text_buffer_add_text(out, "<article class=card>");
    } else {
        text_buffer_add(out, "<article class=\"card alarmed %s\">",
                        severity_name(station->severity));
    }
    text_buffer_add_text(out, "<div class=top>");
    add_name(station, out);
    add_badges(station, out);
    text_buffer_add_text(out, "</div>");
    add_seen(view, station, out);
    add_lacking(view, station, out);
    add_made(view, station, out);
    text_buffer_add_text(out, "<table>");
    for (size_t i = 0; i < station->reading_count; i++) {
        if (!is_index(station, &station->readings[i])) {
            add_reading(view, &station->readings[i], out);
        }
    }
    text_buffer_add_text(out, "</table></article>\n");
}

static void add_line(const struct console_view *view, const struct console_station *station,
                     struct text_buffer *out)
{
    text_buffer_add_text(out, "<li>");
    add_name(station, out);
    add_badges(station, out);
    add_seen(view, station, out);
    add_lacking(view, station, out);
    text_buffer_add_text(out, "</li>\n");
}

/* --- sites ----------------------------------------------------------------------------- */

/* One site's stations stand together: [first, end) of the view's. */
struct site {
    const char *id;
    size_t first, end;
    size_t links[CONSOLE_OFFLINE + 1]; /* how many are in each state */
    size_t alarmed;                    /* how many have an active alarm */
    size_t lacking;                    /* how many have reports missing */
};

/* The site that begins at `first`. */
static struct site site_at(const struct console_view *view, size_t first)
{
    struct site site = { .id = view->stations[first].station->site, .first = first, .end = first };
    while (site.end < view->station_count && of_site(view->stations[site.end].station, site.id)) {
        const struct console_station *station = &view->stations[site.end++];
        site.links[station->link]++;
        site.alarmed += station->severity != SEVERITY_NORMAL;
        site.lacking += station->missing_reports > 0;
    }
    return site;
}

static void add_site_link(const char *id, struct text_buffer *out)
{
    text_buffer_add_text(out, "<a href=\"/?site=");
    text_buffer_add_html(out, id);
    text_buffer_add_text(out, "\">");
    text_buffer_add_html(out, id);
    text_buffer_add_text(out, "</a>");
}

static void add_site_size(const struct site *site, struct text_buffer *out)
{
    size_t count = site->end - site->first;
    text_buffer_add(out, "%zu trạm <span class=en lang=en>station%s</span>", count,
                    count == 1 ? "" : "s");
}

/* *detail_left counts the stations whose readings may still be shown. */
static void add_site(const struct console_view *view, const struct site *site, size_t *detail_left,
                     struct text_buffer *out)
{
    size_t shown = 0, last = site->first;
    text_buffer_add_text(out, "<section><h2>");
    add_site_link(site->id, out);
    text_buffer_add_text(out, " <small>");
    add_site_size(site, out);
    text_buffer_add_text(out, "</small></h2><div class=cards>");
    for (; last<site->end && * detail_left> 0; last++) {
        if (view->stations[last].reading_count > 0) {
            add_card(view, &view->stations[last], out);
            --*detail_left;
            shown++;
        }
    }
    text_buffer_add_text(out, "</div>");
    if (shown < site->end - site->first) {
        text_buffer_add_text(out, "<ul class=silent>");
        for (size_t i = site->first; i < site->end; i++) {
            if (i >= last || view->stations[i].reading_count == 0) {
                add_line(view, &view->stations[i], out);
            }
        }
        text_buffer_add_text(out, "</ul>");
    }
    text_buffer_add_text(out, "</section>\n");
}

static void add_state_count(struct text_buffer *out, size_t count, struct word word)
{
    if (count > 0) {
        text_buffer_add(out, "<span class=\"badge %s\">%zu ", word.style, count);
        add_both(out, word.vi, word.en);
        text_buffer_add_text(out, "</span>");
    }
}

static void add_site_summary(const struct site *site, struct text_buffer *out)
{
    static const enum console_link order[] = { CONSOLE_ONLINE, CONSOLE_QUIET, CONSOLE_OFFLINE,
                                               CONSOLE_NEVER_SEEN };
    text_buffer_add_text(out, "<article class=card><div class=top><h3>");
    add_site_link(site->id, out);
    text_buffer_add_text(out, "</h3><span>");
    add_site_size(site, out);
    text_buffer_add_text(out, "</span></div><div class=states>");
    add_state_count(out, site->alarmed, (struct word){ "có cảnh báo", "in alarm", "severe" });
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        add_state_count(out, site->links[order[i]], word_of_link(order[i]));
    }
    add_state_count(out, site->lacking,
                    (struct word){ "thiếu bản tin", "reports missing", "warn" });
    text_buffer_add_text(out, "</div></article>\n");
}

static void add_overview(const struct console_view *view, struct text_buffer *out)
{
    text_buffer_add_text(out, "<section><h2>");
    add_both(out, "Địa điểm", "Sites");
    text_buffer_add_text(out, "</h2><div class=cards>");
    for (size_t at = 0; at < view->station_count;) {
        struct site site = site_at(view, at);
        add_site_summary(&site, out);
        at = site.end;
    }
    text_buffer_add_text(out, "</div></section>\n");
}

/* Returns false if there is no such site. */
static bool add_sites(const struct console_view *view, const char *only, struct text_buffer *out)
{
    size_t detail_left = CONSOLE_DETAIL_MAX;
    bool any = only == NULL;
    for (size_t at = 0; at < view->station_count;) {
        struct site site = site_at(view, at);
        if (only == NULL || strcmp(site.id, only) == 0) {
            add_site(view, &site, &detail_left, out);
            any = true;
        }
        at = site.end;
    }
    return any;
}

static void add_way_back(struct text_buffer *out)
{
    text_buffer_add_text(out, "<p><a href=\"/\">← ");
    add_both(out, "Tất cả địa điểm", "All sites");
    text_buffer_add_text(out, "</a></p>");
}

static void add_unknown_site(const char *site, struct text_buffer *out)
{
    text_buffer_add_text(out, "<p class=note>");
    add_both(out, "Không có trạm nào ở địa điểm này", "No station at this site");
    text_buffer_add_text(out, ": <b>");
    text_buffer_add_html(out, site);
    text_buffer_add_text(out, "</b></p>");
}

static void add_foot(const struct console_view *view, struct text_buffer *out)
{
    const struct console_totals *totals = &view->totals;
    text_buffer_add_text(out, "</main><footer><p>Phù Sa ");
    text_buffer_add_html(out, totals->version == NULL ? "" : totals->version);
    text_buffer_add_text(out, " · ");
    add_both(out, "chạy được", "up");
    text_buffer_add_text(out, " ");
    add_duration(out, totals->up_ns);
    text_buffer_add_text(out, " · ");
    add_both(out, "bản tin nhận", "messages");
    text_buffer_add_text(out, " ");
    add_count(out, totals->messages);
    text_buffer_add_text(out, "</p><p>");
    add_both(out, "Trang tự làm mới mỗi 10 giây.", "The page refreshes every 10 s.");
    text_buffer_add_text(
        out, " <a href=\"/metrics\">metrics</a> · "
             "<a href=\"/api/v1/status\">JSON</a> · "
             "<a href=\"/api/v1/ledger\">sổ cái ledger</a></p></footer></body></html>\n");
}

bool console_page(const struct console_view *view, const char *site, struct text_buffer *out)
{
    bool found = true;
    add_head(view, out);
    if (site == NULL) {
        add_summary(view, out);
    } else {
        add_way_back(out);
    }
    add_alarms(view, site, out);
    add_held_alarms(view, site, out);
    if (site == NULL && view->station_count > CONSOLE_OVERVIEW_ABOVE) {
        add_overview(view, out);
    } else {
        found = add_sites(view, site, out);
    }
    if (!found) {
        add_unknown_site(site, out);
    }
    add_foot(view, out);
    return found;
}
