#include "console/alarms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/iso_time.h"
#include "console/load.h"
#include "console/values.h"

enum { OK = 200, BAD_REQUEST = 400, NOT_FOUND = 404, UNAVAILABLE = 503 };

#define DAY_NS (INT64_C(86400) * SECOND_NS)

/* A sentence about a name that somebody sent may hold any bytes, or half a character at its end. */
static json_t *words_of(const char *what)
{
    char plain[PROBLEM_TEXT_MAX];
    json_t *words = json_string(what);
    if (words != NULL) {
        return words;
    }
    (void)snprintf(plain, sizeof plain, "%s", what);
    for (char *at = plain; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    }
    return json_string(plain);
}

static void complain(struct text_buffer *out, const char *what)
{
    value_add(out, json_pack("{s:o}", "error", words_of(what)));
    text_buffer_add_text(out, "\n");
}

static bool is_asked(const char *asked, const char *id)
{
    return asked == NULL || strcmp(asked, id) == 0;
}

/* Nothing was found: 404 in place of an empty answer when a name is at fault. What the settings do
 * not know any more may well have a history, so names are looked at only here. */
static unsigned answer_nothing(const struct console_source *source,
                               const struct alarms_asked *asked, struct text_buffer *out)
{
    const struct console_names names = { asked->rule, asked->station, asked->channel };
    struct problem problem = { "" };
    bool named = names.rule != NULL || names.station != NULL || names.channel != NULL;
    if (!named || !source->unknown(source->context, &names, &problem)) {
        return OK;
    }
    out->used = 0;
    complain(out, problem.text);
    return NOT_FOUND;
}

/* --- what is active ------------------------------------------------------------------------- */

static json_t *alarm_value(const struct console_alarm *alarm)
{
    const struct rule *rule = alarm->rule;
    const struct station *station = alarm->station;
    bool never_raised = alarm->since_ns == 0; /* but shelved or out of service */
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:s, s:s%, s:s, s:s, s:s, s:b, s:{s:s, s:s}}", "rule", rule->id,
                  "site", station->site, "station", station->id, "name", station->name, "parameter",
                  rule->parameter->name.data, rule->parameter->name.length, "severity",
                  severity_name(alarm->severity), "told", severity_name(alarm->told), "state",
                  alarm->life, "flapping", alarm->flapping ? 1 : 0, "message", "vi",
                  rule->message_vi, "en", rule->message_en);
    (void)json_object_set_new(value, "since", value_time(alarm->since_ns));
    (void)json_object_set_new(value, "value",
                              never_raised ? json_null() : value_number(alarm->value));
    (void)json_object_set_new(
        value, "unit",
        json_stringn(rule->parameter->unit.data == NULL ? "" : rule->parameter->unit.data,
                     rule->parameter->unit.length));
    (void)json_object_set_new(value, "shelved_until", value_time(alarm->shelved_until_ns));
    return value;
}

/* How many there were. */
static size_t list_alarms(const struct console_view *view, const struct alarms_asked *asked,
                          struct text_buffer *out)
{
    size_t count = 0;
    text_buffer_add_text(out, "{\"alarms\":[");
    for (size_t i = 0; i < view->alarm_count; i++) {
        const struct console_alarm *alarm = &view->alarms[i];
        if (is_asked(asked->rule, alarm->rule->id) &&
            is_asked(asked->station, alarm->station->id)) {
            text_buffer_add_text(out, count++ == 0 ? "\n" : ",\n");
            value_add(out, alarm_value(alarm));
        }
    }
    text_buffer_add_text(out, "\n]}\n");
    return count;
}

unsigned alarms_list(const struct console_source *source, const struct alarms_asked *asked,
                     struct text_buffer *out)
{
    struct console_view *view = source->view(source->context);
    if (view == NULL) {
        complain(out, "out of memory");
        return UNAVAILABLE;
    }
    size_t count = list_alarms(view, asked, out);
    console_view_free(view);
    return count > 0 ? OK : answer_nothing(source, asked, out);
}

/* --- what operators do ------------------------------------------------------------------------ */

unsigned alarms_verb(const struct console_source *source, struct phusa_text body,
                     struct text_buffer *out)
{
    struct problem problem = { "" };
    switch (source->verb(source->context, body, &problem)) {
    case CONSOLE_VERB_TAKEN:
        text_buffer_add_text(out, "{\"taken\":true}\n");
        return OK;
    case CONSOLE_VERB_WRONG:
        complain(out, problem.text);
        return BAD_REQUEST;
    case CONSOLE_VERB_FAILED:
        break;
    }
    complain(out, problem.text);
    return UNAVAILABLE;
}

/* --- asking --------------------------------------------------------------------------------- */

/* Epoch seconds or ISO 8601; fallback when there is none. False when it is neither. */
static bool read_moment(const char *text, int64_t fallback_ns, int64_t *ns)
{
    *ns = fallback_ns;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (*end == '\0' && seconds >= 0 && seconds < 9e9) {
        *ns = (int64_t)(seconds * SECOND_NS);
        return true;
    }
    return iso_time_parse(phusa_text_of(text), ns);
}

static bool read_number(const char *text, uint64_t fallback, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    *number = fallback;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    char *end = NULL;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *number >= least && *number <= most;
}

static bool read_span(const struct alarms_asked *asked, wall_time now, int64_t most_ns,
                      struct console_events_query *query, struct text_buffer *out)
{
    if (!read_moment(asked->to, now.ns + 1, &query->to_ns) ||
        !read_moment(asked->from, query->to_ns - DAY_NS, &query->from_ns)) {
        complain(out, "from and to are epoch seconds, or times such as 2026-03-12T05:30:00+07:00");
        return false;
    }
    if (query->from_ns >= query->to_ns || query->to_ns - query->from_ns > most_ns) {
        complain(out, "from lies before to, and a load report spans 92 days at most");
        return false;
    }
    query->rule = asked->rule;
    query->station = asked->station;
    return true;
}

/* --- history -------------------------------------------------------------------------------- */

struct listing {
    struct text_buffer *out;
    uint64_t count, most;
    bool more;
};

static json_t *event_value(const struct console_event *event)
{
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "rule", event->rule, "site",
                  event->site, "station", event->station, "parameter", event->parameter, "event",
                  event->event[0] == '\0' ? "state" : event->event, "from",
                  severity_name(event->from), "to", severity_name(event->to), "told",
                  event->told ? 1 : 0, "historical", event->historical ? 1 : 0);
    (void)json_object_set_new(value, "time", value_time(event->time_ns));
    (void)json_object_set_new(value, "value", value_number(event->value));
    if (event->life[0] != '\0') {
        (void)json_object_set_new(value, "state", json_string(event->life));
    }
    if (event->who[0] != '\0') {
        (void)json_object_set_new(value, "who", json_string(event->who));
    }
    if (event->text[0] != '\0') {
        (void)json_object_set_new(value, "text", json_string(event->text));
    }
    if (event->until_ns != 0) {
        (void)json_object_set_new(value, "until", value_time(event->until_ns));
    }
    return value;
}

static bool list_event(void *context, const struct console_event *event)
{
    struct listing *listing = context;
    if (listing->count == listing->most) {
        listing->more = true;
        return false;
    }
    text_buffer_add_text(listing->out, listing->count > 0 ? ",\n" : "\n");
    value_add(listing->out, event_value(event));
    listing->count++;
    return true;
}

unsigned alarms_history(const struct console_source *source, const struct alarms_asked *asked,
                        wall_time now, struct text_buffer *out)
{
    struct console_events_query query;
    struct listing listing = { .out = out };
    if (!read_span(asked, now, INT64_MAX, &query, out)) {
        return BAD_REQUEST;
    }
    if (!read_number(asked->limit, HISTORY_EVENTS_MAX, 1, HISTORY_EVENTS_MAX, &listing.most)) {
        complain(out, "limit is 1 to 1000");
        return BAD_REQUEST;
    }
    text_buffer_add_text(out, "{\"events\":[");
    bool read = source->events(source->context, &query, list_event, &listing);
    text_buffer_add(out, "\n],\"more\":%s,\"whole\":%s}\n", listing.more ? "true" : "false",
                    read ? "true" : "false");
    return !read ? UNAVAILABLE : listing.count > 0 ? OK : answer_nothing(source, asked, out);
}

/* --- load ----------------------------------------------------------------------------------- */

static bool take_event(void *context, const struct console_event *event)
{
    if (event->told && event->event[0] == '\0') {
        load_take(context, event->rule, event->station, event->from, event->to, event->time_ns);
    }
    return true;
}

/* What has no change within the span and stands all the same. Without a view the report goes
 * without. */
static void take_standing(const struct console_source *source,
                          const struct console_events_query *query, struct load *load)
{
    struct console_view *view = source->view(source->context);
    for (size_t i = 0; view != NULL && i < view->alarm_count; i++) {
        const struct console_alarm *alarm = &view->alarms[i];
        bool meant =
            is_asked(query->rule, alarm->rule->id) && is_asked(query->station, alarm->station->id);
        if (meant && alarm->told != SEVERITY_NORMAL && alarm->since_ns < query->from_ns) {
            load_stand(load, alarm->rule->id, alarm->station->id);
        }
    }
    console_view_free(view);
}

static json_t *series_values(const struct load_series *series, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:f, s:b}", "rule", series[i].rule, "station",
                            series[i].station, "raises", (json_int_t)series[i].raises, "longest_s",
                            (double)series[i].longest_ns / SECOND_NS, "active",
                            series[i].since_ns != 0 ? 1 : 0));
    }
    return list;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static void print_load(const struct console_events_query *query, uint64_t operators,
                       const struct load_report *report, struct text_buffer *out)
{
    uint64_t all = report->low + report->medium + report->high;
    json_t *value = json_pack(
        "{s:I, s:I, s:I, s:{s:f, s:I, s:I, s:I}, s:{s:f, s:f, s:f}, s:o, s:o, s:I}", "operators",
        (json_int_t)operators, "alarms", (json_int_t)report->raises, "ten_minutes",
        (json_int_t)report->steps, "per_operator_and_ten_minutes", "mean", report->mean,
        "manageable", (json_int_t)LOAD_MANAGEABLE, "flood", (json_int_t)LOAD_FLOOD, "flooded",
        (json_int_t)report->flooded, "shares", "low", share(report->low, all), "medium",
        share(report->medium, all), "high", share(report->high, all), "most_frequent",
        series_values(report->frequent, report->frequent_count), "longest_standing",
        series_values(report->standing, report->standing_count), "others",
        (json_int_t)report->others);
    (void)json_object_set_new(value, "from", value_time(query->from_ns));
    (void)json_object_set_new(value, "to", value_time(query->to_ns));
    (void)json_object_set_new(value, "worst",
                              json_pack("{s:o, s:I}", "time", value_time(report->most_at_ns),
                                        "alarms", (json_int_t)report->most));
    value_add(out, value);
    text_buffer_add_text(out, "\n");
}

unsigned alarms_load(const struct console_source *source, const struct alarms_asked *asked,
                     wall_time now, struct text_buffer *out)
{
    struct console_events_query query;
    uint64_t operators = 1;
    if (!read_span(asked, now, LOAD_DAYS_MAX * DAY_NS, &query, out)) {
        return BAD_REQUEST;
    }
    if (!read_number(asked->operators, 1, 1, LOAD_OPERATORS_MAX, &operators)) {
        complain(out, "operators is 1 to 1000");
        return BAD_REQUEST;
    }
    struct load *load = load_create(query.from_ns, query.to_ns, (unsigned)operators);
    struct load_report *report = malloc(sizeof *report);
    bool read =
        load != NULL && report != NULL && source->events(source->context, &query, take_event, load);
    if (read) {
        take_standing(source, &query, load);
        load_finish(load, report);
        print_load(&query, operators, report, out);
    } else {
        complain(out, "the history of alarms cannot be read");
    }
    bool nothing = read && report->raises == 0 && report->standing_count == 0;
    free(report);
    load_free(load);
    return !read ? UNAVAILABLE : nothing ? answer_nothing(source, asked, out) : OK;
}

/* --- messages ------------------------------------------------------------------------------- */

static void list_message(void *context, const struct console_message *message)
{
    struct listing *listing = context;
    json_t *value =
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "id", (json_int_t)message->id, "rule",
                  message->rule, "station", message->station, "to", severity_name(message->to),
                  "channel", message->channel, "recipient", message->recipient, "state",
                  message->state, "tries", (json_int_t)message->tries);
    (void)json_object_set_new(value, "time", value_time(message->time_ns));
    (void)json_object_set_new(value, "created", value_time(message->created_ns));
    (void)json_object_set_new(value, "due", value_time(message->due_ns));
    (void)json_object_set_new(value, "sent", value_time(message->sent_ns));
    if (message->digest != 0) {
        (void)json_object_set_new(value, "digest", json_integer((json_int_t)message->digest));
    }
    if (message->report[0] != '\0' || message->awaited) {
        (void)json_object_set_new(value, "report",
                                  message->awaited ? json_null() : json_string(message->report));
    }
    if (message->problem[0] != '\0') {
        (void)json_object_set_new(value, "problem", json_string(message->problem));
    }
    text_buffer_add_text(listing->out, listing->count > 0 ? ",\n" : "\n");
    value_add(listing->out, value);
    listing->count++;
}

unsigned alarms_messages(const struct console_source *source, const struct alarms_asked *asked,
                         struct text_buffer *out)
{
    struct console_messages_query query = { .channel = asked->channel,
                                            .rule = asked->rule,
                                            .station = asked->station,
                                            .waiting = asked->waiting != NULL };
    uint64_t before = 0, limit = 0;
    if (!read_number(asked->before, 0, 1, INT64_MAX, &before) ||
        !read_number(asked->limit, 100, 1, MESSAGES_MAX, &limit)) {
        complain(out, "before is an id, limit 1 to 1000");
        return BAD_REQUEST;
    }
    query.before_id = (int64_t)before;
    query.most = (size_t)limit;
    struct listing listing = { .out = out };
    text_buffer_add_text(out, "{\"messages\":[");
    bool read = source->messages(source->context, &query, list_message, &listing);
    text_buffer_add(out, "\n],\"whole\":%s}\n", read ? "true" : "false");
    return !read ? UNAVAILABLE : listing.count > 0 ? OK : answer_nothing(source, asked, out);
}
