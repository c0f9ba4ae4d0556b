#include "settings/template.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a template does not say ---- */

static const char *const defaults[TEMPLATE_PARTS][LANGUAGES] = {
    [TEMPLATE_RAISED] = { "{source}: {hazard} – {station}: {value} {unit} ({limit}) lúc "
                          "{time}. Mức: {severity}. {action} {stop}",
                          "{source}: {hazard} – {station}: {value} {unit} ({limit}) at "
                          "{time}. Severity: {severity}. {action} {stop}" },
    [TEMPLATE_CLEARED] = { "{source}: Hết cảnh báo – {hazard}, {station}: {value} {unit} "
                           "lúc {time}. {action} {stop}",
                           "{source}: All clear – {hazard}, {station}: {value} {unit} at "
                           "{time}. {action} {stop}" },
    [TEMPLATE_BRIEF_RAISED] = { "{source}: {hazard}, {station} {value} {unit} lúc {time}. "
                                "{action} {stop}",
                                "{source}: {hazard}, {station} {value} {unit} at {time}. "
                                "{action} {stop}" },
    [TEMPLATE_BRIEF_CLEARED] = { "{source}: Hết cảnh báo {hazard}, {station} {value} {unit} "
                                 "lúc {time}. {action} {stop}",
                                 "{source}: All clear, {hazard}, {station} {value} {unit} at "
                                 "{time}. {action} {stop}" },
    [TEMPLATE_LINE] = { "{label} {value} {unit} ({severity}), {station}",
                        "{label} {value} {unit} ({severity}), {station}" },
};

static const struct template_text *own_text(const struct message_template *template,
                                            enum template_part part)
{
    const struct template_text *const texts[TEMPLATE_PARTS] = {
        [TEMPLATE_RAISED] = &template->raised,
        [TEMPLATE_CLEARED] = &template->cleared,
        [TEMPLATE_BRIEF_RAISED] = &template->brief_raised,
        [TEMPLATE_BRIEF_CLEARED] = &template->brief_cleared,
        [TEMPLATE_LINE] = &template->line,
    };
    return texts[part];
}

const char *template_text_of(const struct message_template *template, enum template_part part,
                             enum language language)
{
    const char *own = template == NULL ? "" : own_text(template, part)->in[language];
    return own[0] != '\0' ? own : defaults[part][language];
}

const char *template_action(const struct message_template *template, enum severity severity,
                            enum language language)
{
    if (template == NULL) {
        return "";
    }
    int at = (int)severity;
    while (at > (int)SEVERITY_MINOR && template->actions[at].in[language][0] == '\0') {
        at--;
    }
    return template->actions[at].in[language];
}

const char *template_hazard(const struct message_template *template, const char *label,
                            enum language language)
{
    bool own = template != NULL && template->hazard.in[language][0] != '\0';
    return own ? template->hazard.in[language] : label;
}

/* ---- finding ---- */

static int compare_id(const void *id, const void *template)
{
    return strcmp(id, ((const struct message_template *)template)->id);
}

const struct message_template *template_find(const struct template_book *book, const char *id)
{
    return book->count == 0
               ? NULL
               : bsearch(id, book->templates, book->count, sizeof *book->templates, compare_id);
}

const char *template_field_name(enum template_field field)
{
    static const char *const names[TEMPLATE_FIELDS] = {
        [FIELD_SOURCE] = "source", [FIELD_HAZARD] = "hazard", [FIELD_STATION] = "station",
        [FIELD_SITE] = "site",     [FIELD_LABEL] = "label",   [FIELD_VALUE] = "value",
        [FIELD_UNIT] = "unit",     [FIELD_RULE] = "rule",     [FIELD_SEVERITY] = "severity",
        [FIELD_WAS] = "was",       [FIELD_LIMIT] = "limit",   [FIELD_TIME] = "time",
        [FIELD_SINCE] = "since",   [FIELD_ACTION] = "action", [FIELD_STOP] = "stop",
    };
    return names[field];
}

int template_field_find(struct phusa_text name)
{
    for (int i = 0; i < TEMPLATE_FIELDS; i++) {
        if (phusa_text_equal(name, phusa_text_of(template_field_name((enum template_field)i)))) {
            return i;
        }
    }
    return -1;
}

/* ---- reading ---- */

/* The field that begins at text ('{'); -1 if none does. *length receives its bytes with braces. */
static int field_at(const char *text, size_t *length)
{
    if (text[0] != '{') {
        return -1;
    }
    size_t name = strcspn(text + 1, "{}");
    if (text[1 + name] != '}') {
        return -1;
    }
    *length = name + 2;
    return template_field_find((struct phusa_text){ text + 1, name });
}

bool template_check(const char *text, struct phusa_text *bad)
{
    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at, '{')) {
        size_t length = 2;
        if (at[1] != '{' && field_at(at, &length) < 0) {
            size_t name = strcspn(at + 1, "{} ");
            *bad = (struct phusa_text){ at, 1 + name + (at[1 + name] == '}' ? 1 : 0) };
            return false;
        }
        at += length;
    }
    return true;
}

/* ---- filling in ---- */

struct filled {
    char *out;
    size_t capacity, length; /* length: of the whole, be it cut or not */
};

static void put(struct filled *filled, const char *text, size_t length)
{
    if (filled->length < filled->capacity) {
        size_t room = filled->capacity - filled->length;
        memcpy(filled->out + filled->length, text, length < room ? length : room);
    }
    filled->length += length;
}

static const char *value_of(const struct template_values *values, int field)
{
    return values->of[field] == NULL ? "" : values->of[field];
}

/* Bytes at text that an empty field takes along, itself included; 0 if there is none. */
static size_t vanishing(const char *text, const struct template_values *values)
{
    size_t before = text[0] == ' ' ? 1 : 0;
    bool held = text[before] == '(';
    before += held ? 1 : 0;
    size_t length = 0;
    int field = field_at(text + before, &length);
    if (field < 0 || value_of(values, field)[0] != '\0') {
        return 0;
    }
    if (!held) {
        return before + length;
    }
    /* A parenthesis that holds more stays: the field alone goes when it is its turn. */
    return text[before + length] == ')' ? before + length + 1 : 0;
}

/* Puts the piece at text: a field, a brace or a character; returns its bytes in the template. */
static size_t put_piece(struct filled *filled, const char *text,
                        const struct template_values *values)
{
    size_t length = vanishing(text, values);
    if (length > 0 || (text[0] == ' ' && filled->length == 0)) {
        return length > 0 ? length : 1;
    }
    int field = field_at(text, &length);
    if (field >= 0) {
        put(filled, value_of(values, field), strlen(value_of(values, field)));
        return length;
    }
    put(filled, text, 1);
    return text[0] == '{' && text[1] == '{' ? 2 : 1;
}

/* The last place not above `end` where a character of a text longer than that begins. */
static size_t cut_at_character(const char *text, size_t end)
{
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    return end;
}

size_t template_fill(const char *text, const struct template_values *values, char *out,
                     size_t capacity)
{
    struct filled filled = { out, capacity, 0 };
    while (*text != '\0') {
        text += put_piece(&filled, text, values);
    }
    bool cut = filled.length >= capacity;
    out[cut ? cut_at_character(out, capacity - 1) : filled.length] = '\0';
    return filled.length;
}
