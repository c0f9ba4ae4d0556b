#include "notify/cap_xml.h"

#include <math.h>
#include <stdio.h>

#include "phusa/number.h"

#define NAMESPACE   "urn:oasis:names:tc:emergency:cap:1.2"
#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

/* Day from which on the names in our tag URIs (RFC 4151) count; it never changes, or all entries
 * would be new ones. */
#define TAG_DATE "2026-01-01"

#define DEGREE_PLACES 5 /* about a metre */

/* --- a bounded XML writer ----------------------------------------------------------- */

struct writer {
    char *buffer;
    size_t capacity, used;
    bool full;
};

static void put(struct writer *writer, const char *bytes, size_t length)
{
    if (writer->full || length > writer->capacity - writer->used) {
        writer->full = true;
        return;
    }
    memcpy(writer->buffer + writer->used, bytes, length);
    writer->used += length;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static void put_slice(struct writer *writer, struct phusa_text text)
{
    put(writer, text.data, text.length);
}

/* U+FFFE and U+FFFF are characters of UTF-8 but not of XML. */
static bool is_no_character(const char *text)
{
    return memcmp(text, "\xEF\xBF", 2) == 0 &&
           ((unsigned char)text[2] == 0xBE || (unsigned char)text[2] == 0xBF);
}

/* Text of an element, which is UTF-8; XML 1.0 has no control characters but three. */
static void put_escaped(struct writer *writer, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '&') {
            put_text(writer, "&amp;");
        } else if (byte == '<') {
            put_text(writer, "&lt;");
        } else if (byte == '>') {
            put_text(writer, "&gt;");
        } else if (byte < ' ' || byte == 0x7F) {
            put_text(writer, " ");
        } else if (byte == 0xEF && text[1] != '\0' && is_no_character(text)) {
            put_text(writer, "?");
            text += 2;
        } else {
            put(writer, text, 1);
        }
    }
}

static void open_element(struct writer *writer, const char *name)
{
    put_text(writer, "<");
    put_text(writer, name);
    put_text(writer, ">");
}

static void close_element(struct writer *writer, const char *name)
{
    put_text(writer, "</");
    put_text(writer, name);
    put_text(writer, ">\n");
}

static void put_element(struct writer *writer, const char *name, const char *text)
{
    open_element(writer, name);
    put_escaped(writer, text);
    close_element(writer, name);
}

/* Nothing at all without text. */
static void put_if_said(struct writer *writer, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        put_element(writer, name, text);
    }
}

static void put_time(struct writer *writer, const char *name, int64_t ns, int32_t utc_offset_s)
{
    char text[ISO_TIME_CHARS + 1];
    iso_time_print(ns, utc_offset_s, text);
    put_element(writer, name, text);
}

/* Terminates; returns the length, 0 if it did not fit. */
static size_t finish(struct writer *writer)
{
    put(writer, "", 1);
    if (writer->full && writer->capacity > 0) {
        writer->buffer[0] = '\0';
    }
    return writer->full ? 0 : writer->used - 1;
}

/* --- the message -------------------------------------------------------------------- */

static const char *const type_names[] = {
    [CAP_ALERT] = "Alert",
    [CAP_UPDATE] = "Update",
    [CAP_CANCEL] = "Cancel",
};

static const char *cap_severity(enum severity severity)
{
    switch (severity) {
    case SEVERITY_MINOR:
        return "Minor";
    case SEVERITY_MODERATE:
        return "Moderate";
    case SEVERITY_SEVERE:
        return "Severe";
    case SEVERITY_EXTREME:
        return "Extreme";
    case SEVERITY_NORMAL:
        break;
    }
    return "Unknown";
}

/* "Execute" is for an activity that stands in the instruction (CAP 1.2, section 3.2.2). */
static const char *response_of(const struct letter *letter, enum language language)
{
    if (letter->to == SEVERITY_NORMAL) {
        return "AllClear";
    }
    if (letter->to == SEVERITY_MINOR || letter->action.in[language][0] == '\0') {
        return "Monitor";
    }
    return letter->to == SEVERITY_MODERATE ? "Prepare" : "Execute";
}

static void put_parameter(struct writer *writer, const char *name, const char *value)
{
    if (value[0] != '\0') {
        open_element(writer, "parameter");
        put_element(writer, "valueName", name);
        put_element(writer, "value", value);
        close_element(writer, "parameter");
    }
}

/* For machines: what was measured, and the rule that it met. */
static void put_parameters(struct writer *writer, const struct letter *letter)
{
    char value[PHUSA_DOUBLE_CHARS + 1];
    value[phusa_double_print(letter->value, value)] = '\0';
    put_parameter(writer, letter->parameter, value);
    put_parameter(writer, "unit", value[0] == '\0' ? "" : letter->unit);
    put_parameter(writer, "rule", letter->rule);
    put_parameter(writer, "station", letter->station);
    put_parameter(writer, "state", severity_name(letter->to));
}

static void put_area(struct writer *writer, const struct letter *letter)
{
    open_element(writer, "area");
    open_element(writer, "areaDesc");
    put_escaped(writer, letter->station_name);
    put_text(writer, " (");
    put_escaped(writer, letter->site);
    put_text(writer, ")");
    close_element(writer, "areaDesc");
    if (isfinite(letter->lat) && isfinite(letter->lon)) {
        char circle[96];
        (void)snprintf(circle, sizeof circle, "%.*f,%.*f " CAP_RADIUS_KM, DEGREE_PLACES,
                       letter->lat, DEGREE_PLACES, letter->lon);
        put_element(writer, "circle", circle);
    }
    close_element(writer, "area");
}

static void put_headline(struct writer *writer, const struct letter *letter, enum language language)
{
    char headline[HEADLINE_MAX];
    (void)letter_headline(letter, language, headline, sizeof headline);
    put_element(writer, "headline", headline);
}

/* A Cancel has the severity of what is over. */
static void put_grades(struct writer *writer, const struct letter *letter, enum language language)
{
    bool over = letter->to == SEVERITY_NORMAL;
    put_element(writer, "responseType", response_of(letter, language));
    put_element(writer, "urgency", over ? "Past" : letter->urgency);
    put_element(writer, "severity", cap_severity(over ? letter->from : letter->to));
    put_element(writer, "certainty", letter->certainty);
}

static void put_info(struct writer *writer, const struct letter *letter,
                     const struct cap_message *message, const struct cap_source *source,
                     enum language language)
{
    open_element(writer, "info");
    put_text(writer, "\n");
    put_element(writer, "language", language == LANGUAGE_VI ? "vi-VN" : "en-US");
    put_element(writer, "category", letter->category);
    put_element(writer, "event", letter->hazard.in[language]);
    put_grades(writer, letter, language);
    put_time(writer, "effective", message->sent_ns, letter->utc_offset_s);
    put_time(writer, "onset", letter->since_ns, letter->utc_offset_s);
    put_time(writer, "expires", message->expires_ns, letter->utc_offset_s);
    put_if_said(writer, "senderName", source->sender_name);
    put_headline(writer, letter, language);
    put_element(writer, "description", letter->text.in[language]);
    put_if_said(writer, "instruction", letter->action.in[language]);
    put_if_said(writer, "web", source->link);
    put_parameters(writer, letter);
    put_area(writer, letter);
    close_element(writer, "info");
}

static void put_references(struct writer *writer, const struct cap_message *message)
{
    if (message->reference_count == 0) {
        return;
    }
    open_element(writer, "references");
    for (size_t i = 0; i < message->reference_count; i++) {
        put_text(writer, i == 0 ? "" : " ");
        put_text(writer, message->references[i]);
    }
    close_element(writer, "references");
}

bool cap_series_print(const struct letter *letter, char series[CAP_INCIDENT_MAX + 1])
{
    int length = snprintf(series, CAP_INCIDENT_MAX + 1, "%s/%s/%s/%s", letter->site,
                          letter->station, letter->rule, letter->parameter);
    return length > 0 && length + 2 + PHUSA_DOUBLE_CHARS <= CAP_INCIDENT_MAX;
}

size_t cap_write(const struct letter *letter, const struct cap_message *message,
                 const struct cap_source *source, char *buffer, size_t capacity)
{
    struct writer writer = { buffer, capacity, 0, false };
    put_text(&writer, DECLARATION "<alert xmlns=\"" NAMESPACE "\">\n");
    put_element(&writer, "identifier", message->identifier);
    put_element(&writer, "sender", source->sender);
    put_time(&writer, "sent", message->sent_ns, letter->utc_offset_s);
    put_element(&writer, "status", source->status);
    put_element(&writer, "msgType", type_names[message->type]);
    put_element(&writer, "scope", "Public");
    put_references(&writer, message);
    put_element(&writer, "incidents", message->incident);
    put_info(&writer, letter, message, source, LANGUAGE_VI);
    put_info(&writer, letter, message, source, LANGUAGE_EN);
    close_element(&writer, "alert");
    return finish(&writer);
}

/* --- read back ------------------------------------------------------------------------ */

/* The text of the first element of that name; empty if there is none. */
static struct phusa_text find(struct phusa_text message, const char *name)
{
    static const struct phusa_text none = { "", 0 };
    char tag[32];
    int length = snprintf(tag, sizeof tag, "<%s>", name);
    const char *begin = memmem(message.data, message.length, tag, (size_t)length);
    if (begin == NULL) {
        return none;
    }
    begin += length;
    size_t left = (size_t)(message.data + message.length - begin);
    const char *end = memchr(begin, '<', left);
    return end == NULL ? none : (struct phusa_text){ begin, (size_t)(end - begin) };
}

static bool is_identifier(struct phusa_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\0' || strchr("0123456789abcdef-", text.data[i]) == NULL) {
            return false;
        }
    }
    return text.length > 0 && text.length <= CAP_IDENTIFIER_MAX;
}

static bool find_type(struct phusa_text name, enum cap_type *type)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (phusa_text_equal(name, phusa_text_of(type_names[i]))) {
            *type = (enum cap_type)i;
            return true;
        }
    }
    return false;
}

bool cap_facts_read(struct phusa_text message, struct cap_facts *facts)
{
    *facts = (struct cap_facts){
        .identifier = find(message, "identifier"),
        .sender = find(message, "sender"),
        .sent = find(message, "sent"),
        .incident = find(message, "incidents"),
        .event = find(message, "event"),
        .urgency = find(message, "urgency"),
        .severity = find(message, "severity"),
        .certainty = find(message, "certainty"),
        .expires = find(message, "expires"),
        .headline = find(message, "headline"),
        .description = find(message, "description"),
        .area = find(message, "areaDesc"),
    };
    return is_identifier(facts->identifier) && facts->sender.length > 0 &&
           facts->sender.length <= CAP_SENDER_MAX && facts->incident.length > 0 &&
           facts->incident.length <= CAP_INCIDENT_MAX && facts->sent.length == ISO_TIME_CHARS &&
           iso_time_parse(facts->sent, &facts->sent_ns) &&
           iso_time_parse(facts->expires, &facts->expires_ns) &&
           find_type(find(message, "msgType"), &facts->type);
}

/* --- Atom ----------------------------------------------------------------------------- */

static void put_slice_element(struct writer *writer, const char *name, struct phusa_text text)
{
    open_element(writer, name);
    put_slice(writer, text);
    close_element(writer, name);
}

/* Text that is escaped already. */
static void put_entry_head(struct writer *writer, const struct cap_facts *facts)
{
    open_element(writer, "id");
    put_text(writer, "tag:");
    put_slice(writer, facts->sender);
    put_text(writer, "," TAG_DATE ":phusa/");
    put_slice(writer, facts->identifier);
    close_element(writer, "id");
    put_slice_element(writer, "title", facts->headline);
    put_slice_element(writer, "updated", facts->sent);
    put_text(writer, "<link rel=\"alternate\" type=\"application/cap+xml\" href=\"");
    put_slice(writer, facts->identifier);
    put_text(writer, ".xml\"/>\n");
    put_slice_element(writer, "summary", facts->description);
}

size_t cap_entry_write(const struct cap_facts *facts, char *buffer, size_t capacity)
{
    struct writer writer = { buffer, capacity, 0, false };
    put_text(&writer, "<entry>\n");
    put_entry_head(&writer, facts);
    put_element(&writer, "cap:msgType", type_names[facts->type]);
    put_slice_element(&writer, "cap:event", facts->event);
    put_slice_element(&writer, "cap:urgency", facts->urgency);
    put_slice_element(&writer, "cap:severity", facts->severity);
    put_slice_element(&writer, "cap:certainty", facts->certainty);
    put_slice_element(&writer, "cap:expires", facts->expires);
    put_slice_element(&writer, "cap:areaDesc", facts->area);
    close_element(&writer, "entry");
    return writer.full ? 0 : writer.used;
}

size_t cap_head_write(const struct cap_source *source, const char *channel, int64_t updated_ns,
                      int32_t utc_offset_s, char *buffer, size_t capacity)
{
    struct writer writer = { buffer, capacity, 0, false };
    bool named = source->sender_name != NULL && source->sender_name[0] != '\0';
    const char *name = named ? source->sender_name : source->sender;
    put_text(&writer,
             DECLARATION "<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:cap=\"" NAMESPACE
                         "\" xml:lang=\"vi-VN\">\n");
    open_element(&writer, "id");
    put_text(&writer, "tag:");
    put_escaped(&writer, source->sender);
    put_text(&writer, "," TAG_DATE ":phusa/");
    put_escaped(&writer, channel);
    close_element(&writer, "id");
    open_element(&writer, "title");
    put_text(&writer, "Cảnh báo – ");
    put_escaped(&writer, name);
    close_element(&writer, "title");
    put_time(&writer, "updated", updated_ns, utc_offset_s);
    put_text(&writer, "<author>");
    put_element(&writer, "name", name);
    close_element(&writer, "author");
    put_text(&writer, "<link rel=\"self\" type=\"application/atom+xml\" href=\"alerts.atom\"/>\n"
                      "<generator>Phù Sa</generator>\n");
    return writer.full ? 0 : writer.used;
}
