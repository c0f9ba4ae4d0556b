/*
 * The details of a letter as JSON, beside the body that webhooks get:
 *
 *   time_ns, since_ns   exactly
 *   name, lat, lon      of the station; lat and lon only when known
 *   unit, offset        as people write it; seconds east of UTC
 *   label, hazard, text, brief, line, action, stop, severity, value   [vi, en]
 *   text_stop, brief_stop   with how to stop receiving it, where that makes a difference
 *   cap                 [category, urgency, certainty]
 *   escalated, flapping only when true
 *
 * A letter of an older outbox has no details: its texts are those of the body.
 */
#include "notify/letter.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "notify/delivery.h"
#include "settings/display.h"

/* --- writing ------------------------------------------------------------------- */

static json_t *clean_string(const char *text)
{
    char clean[WORDING_MAX];
    wording_clean(text == NULL ? "" : text, clean);
    return json_string(clean);
}

static void put_pair(json_t *details, const char *name, const char *vi, const char *en)
{
    (void)json_object_set_new(details, name,
                              json_pack("[o, o]", clean_string(vi), clean_string(en)));
}

/* What a letter says, with the capacities of its texts. */
struct part_kind {
    const char *name, *with_stop; /* with_stop NULL: has no such variant */
    enum wording_part part;
    size_t capacity;
};

static void put_part(json_t *details, const struct notice *notice, const struct settings *settings,
                     const struct part_kind *kind)
{
    char plain[LANGUAGES][WORDING_MAX], stop[LANGUAGES][WORDING_MAX];
    bool differs = false;
    for (int i = 0; i < LANGUAGES; i++) {
        enum language language = (enum language)i;
        (void)wording_part(notice, settings, language, kind->part, false, plain[i], kind->capacity);
        (void)wording_part(notice, settings, language, kind->part, true, stop[i], kind->capacity);
        differs = differs || strcmp(plain[i], stop[i]) != 0;
    }
    put_pair(details, kind->name, plain[LANGUAGE_VI], plain[LANGUAGE_EN]);
    if (differs && kind->with_stop != NULL) {
        put_pair(details, kind->with_stop, stop[LANGUAGE_VI], stop[LANGUAGE_EN]);
    }
}

static void put_texts(json_t *details, const struct notice *notice, const struct settings *settings)
{
    static const struct part_kind kinds[] = {
        { "text", "text_stop", WORDING_TEXT, LETTER_TEXT_MAX },
        { "brief", "brief_stop", WORDING_BRIEF, LETTER_BRIEF_MAX },
        { "line", NULL, WORDING_LINE, LETTER_LINE_MAX },
    };
    char text[LANGUAGES][WORDING_MAX];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        put_part(details, notice, settings, &kinds[i]);
    }
    wording_hazard(notice, LANGUAGE_VI, text[LANGUAGE_VI]);
    wording_hazard(notice, LANGUAGE_EN, text[LANGUAGE_EN]);
    put_pair(details, "hazard", text[LANGUAGE_VI], text[LANGUAGE_EN]);
    wording_value(notice, LANGUAGE_VI, text[LANGUAGE_VI]);
    wording_value(notice, LANGUAGE_EN, text[LANGUAGE_EN]);
    put_pair(details, "value", text[LANGUAGE_VI], text[LANGUAGE_EN]);
    wording_unit(notice->rule, text[0]);
    (void)json_object_set_new(details, "unit", json_string(text[0]));
    const struct message_template *template = notice->rule->message;
    put_pair(details, "action", template_action(template, notice->to, LANGUAGE_VI),
             template_action(template, notice->to, LANGUAGE_EN));
}

static const char *given(const char *text, const char *otherwise)
{
    return text == NULL || text[0] == '\0' ? otherwise : text;
}

static void put_cap(json_t *details, const struct message_template *template)
{
    static const struct message_template none = { .category = NULL };
    const struct message_template *of = template == NULL ? &none : template;
    (void)json_object_set_new(details, "cap",
                              json_pack("[o, o, o]", clean_string(given(of->category, "Env")),
                                        clean_string(given(of->urgency, "Expected")),
                                        clean_string(given(of->certainty, "Observed"))));
}

static void put_facts(json_t *details, const struct notice *notice, const struct settings *settings)
{
    const struct station *station = notice->station;
    const struct phusa_parameter *parameter = notice->rule->parameter;
    (void)json_object_set_new(details, "time_ns", json_integer(notice->time_ns));
    (void)json_object_set_new(details, "since_ns", json_integer(notice->since_ns));
    (void)json_object_set_new(details, "name", clean_string(station->name));
    (void)json_object_set_new(details, "offset", json_integer(settings->utc_offset_s));
    if (!isnan(station->lat) && !isnan(station->lon)) {
        (void)json_object_set_new(details, "lat", json_real(station->lat));
        (void)json_object_set_new(details, "lon", json_real(station->lon));
    }
    put_pair(details, "label", parameter->label_vi, parameter->label_en);
    put_pair(details, "severity", severity_name_vi(notice->to), severity_name(notice->to));
    put_pair(details, "stop", settings->alarms.stop_vi, settings->alarms.stop_en);
    if (notice->escalated) {
        (void)json_object_set_new(details, "escalated", json_true());
    }
    if (notice->flapping) {
        (void)json_object_set_new(details, "flapping", json_true());
    }
}

size_t letter_details(const struct notice *notice, const struct settings *settings, char *buffer,
                      size_t capacity)
{
    json_t *details = json_object();
    put_facts(details, notice, settings);
    put_texts(details, notice, settings);
    put_cap(details, notice->rule->message);
    bool whole = json_object_size(details) >= 15; /* else memory is out */
    size_t length = whole ? json_dumpb(details, buffer, capacity, JSON_COMPACT) : 0;
    json_decref(details);
    if (length >= capacity) {
        length = 0;
    }
    if (capacity > 0) {
        buffer[length] = '\0';
    }
    return length;
}

/* --- reading -------------------------------------------------------------------- */

struct letter_store {
    json_t *body, *details;
    char *text; /* of the body */
    char topic[PHUSA_TOPIC_MAX + 1];
};

static const char *string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* NaN when there is none. */
static double number_of(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);
    return json_is_number(number) ? json_number_value(number) : (double)NAN;
}

static int64_t time_of(const struct letter_store *store, const char *exact, const char *seconds)
{
    const json_t *time = json_object_get(store->details, exact);
    if (json_is_integer(time)) {
        return json_integer_value(time);
    }
    double value = number_of(store->body, seconds);
    if (!isfinite(value) || fabs(value) > 9e9) {
        return 0;
    }
    double whole = floor(value); /* a double has no more than microseconds beside it */
    return (int64_t)whole * SECOND_NS + llround((value - whole) * 1e6) * 1000;
}

/* The pair of that name, or the other. */
static struct letter_text pair_of(const json_t *details, const char *name,
                                  struct letter_text otherwise)
{
    const json_t *pair = json_object_get(details, name);
    struct letter_text text = otherwise;
    for (size_t i = 0; i < LANGUAGES && json_array_size(pair) == LANGUAGES; i++) {
        const char *one = json_string_value(json_array_get(pair, i));
        text.in[i] = one == NULL ? otherwise.in[i] : one;
    }
    return text;
}

static enum severity severity_of(const json_t *body, const char *name)
{
    const char *text = string_of(body, name);
    enum severity severity = SEVERITY_EXTREME;
    while (severity > SEVERITY_NORMAL && strcmp(severity_name(severity), text) != 0) {
        severity--;
    }
    return severity;
}

static void read_texts(const struct letter_store *store, struct letter *letter)
{
    const json_t *details = store->details, *message = json_object_get(store->body, "message");
    const struct letter_text empty = { { "", "" } };
    const struct letter_text sentence = { { string_of(message, "vi"), string_of(message, "en") } };
    const struct letter_text states = { { severity_name_vi(letter->to),
                                          severity_name(letter->to) } };
    const struct letter_text rule = { { letter->rule, letter->rule } };
    letter->text = pair_of(details, "text", sentence);
    letter->brief = pair_of(details, "brief", sentence);
    letter->line = pair_of(details, "line", sentence);
    letter->text_stop = pair_of(details, "text_stop", letter->text);
    letter->brief_stop = pair_of(details, "brief_stop", letter->brief);
    letter->label =
        pair_of(details, "label", (struct letter_text){ { letter->parameter, letter->parameter } });
    letter->hazard = pair_of(details, "hazard", rule);
    letter->action = pair_of(details, "action", empty);
    letter->stop = pair_of(details, "stop", empty);
    letter->severity_name = pair_of(details, "severity", states);
    letter->value_text = pair_of(details, "value", empty);
}

static const char *cap_of(const json_t *details, size_t at, const char *otherwise)
{
    const char *text = json_string_value(json_array_get(json_object_get(details, "cap"), at));
    return text == NULL ? otherwise : text;
}

static void read_facts(const struct letter_store *store, struct letter *letter)
{
    const json_t *body = store->body, *details = store->details;
    *letter = (struct letter){
        .key = string_of(body, "key"),
        .body = store->text,
        .body_length = strlen(store->text),
        .topic = store->topic,
        .rule = string_of(body, "rule"),
        .site = string_of(body, "site"),
        .station = string_of(body, "station"),
        .parameter = string_of(body, "parameter"),
        .from = severity_of(body, "from"),
        .to = severity_of(body, "to"),
        .time_ns = time_of(store, "time_ns", "time"),
        .since_ns = time_of(store, "since_ns", "since"),
        .value = number_of(body, "value"),
        .historical = json_is_true(json_object_get(body, "historical")),
        .escalated = json_is_true(json_object_get(details, "escalated")),
        .flapping = json_is_true(json_object_get(details, "flapping")),
        .station_name = given(string_of(details, "name"), string_of(body, "station")),
        .lat = number_of(details, "lat"),
        .lon = number_of(details, "lon"),
        .unit = string_of(details, "unit"),
        .category = cap_of(details, 0, "Env"),
        .urgency = cap_of(details, 1, "Expected"),
        .certainty = cap_of(details, 2, "Observed"),
        .utc_offset_s = (int32_t)json_integer_value(json_object_get(details, "offset")),
    };
}

static bool find_topic(struct letter_store *store)
{
    struct phusa_topic topic = { .site = phusa_text_of(string_of(store->body, "site")),
                                 .station = phusa_text_of(string_of(store->body, "station")),
                                 .leaf = PHUSA_LEAF_ALARM,
                                 .rest = phusa_text_of(string_of(store->body, "rule")) };
    return phusa_topic_print(&topic, store->topic, sizeof store->topic) > 0;
}

bool letter_read(struct phusa_text body, struct phusa_text details, struct letter *letter,
                 struct letter_store **store)
{
    struct letter_store *read = calloc(1, sizeof *read);
    *store = read;
    if (read == NULL) {
        return false;
    }
    read->text = strndup(body.data == NULL ? "" : body.data, body.length);
    read->body = json_loadb(body.data == NULL ? "" : body.data, body.length, 0, NULL);
    read->details =
        details.length == 0 ? json_object() : json_loadb(details.data, details.length, 0, NULL);
    if (read->text == NULL || !json_is_object(read->body) || !json_is_object(read->details) ||
        !find_topic(read)) {
        letter_store_free(read);
        *store = NULL;
        return false;
    }
    read_facts(read, letter);
    read_texts(read, letter);
    return true;
}

void letter_store_free(struct letter_store *store)
{
    if (store != NULL) {
        json_decref(store->body);
        json_decref(store->details);
        free(store->text);
        free(store);
    }
}
