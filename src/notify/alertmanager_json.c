/*
 * Alerts as JSON. Pure.
 *
 * Labels, which are an alert's identity: alertname (the rule), severity, site, station, parameter.
 * Severity is among them because routes and inhibitions go by labels. So a change from one severity
 * to another is two alerts in one request: the old one ends when the new one starts. Annotations
 * may differ from try to try: summary and description (Vietnamese), summary_en, description_en,
 * value, station_name.
 *
 * Times. startsAt is when the state began, which under a simulated clock lies far back; endsAt
 * decides whether Alertmanager takes the alert for firing, so of one that fires it is
 * ALERTMANAGER_AHEAD_NS after the real time. One that is over has only endsAt, the time of the
 * change: Alertmanager puts it to the alert it has, whose start it keeps. Neither is ever in the
 * future of the real time, where a station's clock that is wrong might put it.
 */
#include "notify/alertmanager.h"

#include <jansson.h>
#include <stdio.h>

#include "base/iso_time.h"

#define TEXT_MAX (2 * LETTER_TEXT_MAX + 8) /* a text and an action */

static json_t *labels_of(const struct letter *letter, enum severity severity)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "alertname", letter->rule, "severity",
                     severity_name(severity), "site", letter->site, "station", letter->station,
                     "parameter", letter->parameter);
}

/* What happens, and what to do. */
static const char *describe(const struct letter *letter, enum language language,
                            char text[TEXT_MAX])
{
    const char *said = letter->text.in[language], *action = letter->action.in[language];
    bool more = action[0] != '\0' && strstr(said, action) == NULL;
    (void)snprintf(text, TEXT_MAX, "%s%s%s", said, more ? " " : "", more ? action : "");
    return text;
}

static json_t *annotations_of(const struct letter *letter)
{
    char vi[TEXT_MAX], en[TEXT_MAX];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "summary", letter->line.in[LANGUAGE_VI],
                     "description", describe(letter, LANGUAGE_VI, vi), "summary_en",
                     letter->line.in[LANGUAGE_EN], "description_en",
                     describe(letter, LANGUAGE_EN, en), "value", letter->value_text.in[LANGUAGE_VI],
                     "station_name", letter->station_name);
}

static void set_time(json_t *alert, const char *name, int64_t ns)
{
    char text[ISO_TIME_CHARS + 1];
    iso_time_print(ns, 0, text);
    (void)json_object_set_new(alert, name, json_string(text));
}

static int64_t not_after(int64_t ns, wall_time real)
{
    return ns < real.ns ? ns : real.ns;
}

/* NULL when out of memory. */
static json_t *make_alert(const struct letter *letter, enum severity severity, const char *link)
{
    json_t *alert = json_pack("{s:o, s:o}", "labels", labels_of(letter, severity), "annotations",
                              annotations_of(letter));
    if (alert != NULL && link[0] != '\0') {
        (void)json_object_set_new(alert, "generatorURL", json_string(link));
    }
    return alert;
}

static json_t *firing(const struct letter *letter, const char *link, wall_time real)
{
    json_t *alert = make_alert(letter, letter->to, link);
    if (alert != NULL) {
        set_time(alert, "startsAt", not_after(letter->since_ns, real));
        set_time(alert, "endsAt", real.ns + ALERTMANAGER_AHEAD_NS);
    }
    return alert;
}

static json_t *ended(const struct letter *letter, const char *link, wall_time real)
{
    json_t *alert = make_alert(letter, letter->from, link);
    if (alert != NULL) {
        set_time(alert, "endsAt", not_after(letter->time_ns, real));
    }
    return alert;
}

/* Adds to the array what one letter tells; false when out of memory. */
static bool add_change(json_t *alerts, const struct letter *letter, const char *link,
                       wall_time real)
{
    bool good = true;
    if (letter->from != SEVERITY_NORMAL && letter->from != letter->to) {
        good = json_array_append_new(alerts, ended(letter, link, real)) == 0;
    }
    if (letter->to != SEVERITY_NORMAL) {
        good = json_array_append_new(alerts, firing(letter, link, real)) == 0 && good;
    }
    return good;
}

static char *to_text(json_t *json, bool good)
{
    char *text = good ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

char *alertmanager_changes(const struct letter *letters, size_t count, const char *link,
                           wall_time real)
{
    json_t *alerts = json_array();
    bool good = alerts != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = add_change(alerts, &letters[i], link, real);
    }
    return to_text(alerts, good);
}

char *alertmanager_active(const struct letter *letter, const char *link, wall_time real)
{
    json_t *alert = firing(letter, link, real);
    return to_text(alert, alert != NULL);
}
