/*
 * What people are told: the templates of messages, Vietnamese and English, that rules name.
 *
 * In a template text stands for itself and {field} for what is filled in; "{{" is a brace. Fields:
 *
 *   source    who warns (settings.source)         severity  the state's name
 *   hazard    the template's own                  was       that of the state before
 *   station   the station's name                  limit     display_limit, of the level; "" for
 * normal site      the site's id                       time      "05:30 12/03" local, of the
 * reading label     the parameter's                     since     likewise, when the state began
 *   value     with its decimal mark               action    what to do, by the level
 *   unit      as people write it                  stop      how to stop receiving it
 *   rule      the rule's id
 *
 * A field that is empty takes the space before it along, and the parentheses that hold nothing but
 * it: "{value} {unit} ({limit})." is "3." where there is neither unit nor limit.
 *
 * An unknown field is refused when the configuration is checked. {stop} is filled in for
 * subscribers, and is empty elsewhere. Hazards and actions are plain: they have no fields.
 */
#ifndef SETTINGS_TEMPLATE_H
#define SETTINGS_TEMPLATE_H

#include <stddef.h>

#include "settings/channel.h"
#include "settings/rule.h"

#define TEMPLATES_MAX     512
#define TEMPLATE_TEXT_MAX 500 /* bytes of one text as configured */
#define BRIEF_MAX         480 /* of a short message that is filled in, with its terminator */

enum template_field {
    FIELD_SOURCE,
    FIELD_HAZARD,
    FIELD_STATION,
    FIELD_SITE,
    FIELD_LABEL,
    FIELD_VALUE,
    FIELD_UNIT,
    FIELD_RULE,
    FIELD_SEVERITY,
    FIELD_WAS,
    FIELD_LIMIT,
    FIELD_TIME,
    FIELD_SINCE,
    FIELD_ACTION,
    FIELD_STOP,
    TEMPLATE_FIELDS
};

/* One text in both languages; index by enum language. Neither is NULL; "" = the default applies. */
struct template_text {
    const char *in[LANGUAGES];
};

/* What a rule's `message` names. Defaults that apply to "" stand in template.c. */
struct message_template {
    const char *id;               /* as rules' ids */
    struct template_text hazard;  /* "Xâm nhập mặn": subject line, CAP event */
    struct template_text raised;  /* the whole message when a state is raised or changes */
    struct template_text cleared; /* when it is normal again */
    struct template_text brief_raised, brief_cleared;   /* for SMS: one part of 160 */
    struct template_text line;                          /* one alarm in a digest or on a board */
    struct template_text actions[SEVERITY_EXTREME + 1]; /* by the state; that of a lower one applies
                                                           where a level has none */
    const char *category, *urgency, *certainty; /* CAP; default "Env", "Expected", "Observed" */
    const char *file;
    int line_number;
};

struct template_book {
    const struct message_template *templates; /* sorted by id */
    size_t count;
};

/* What fills the fields; texts in one language. */
struct template_values {
    const char *of[TEMPLATE_FIELDS]; /* NULL = empty */
};

enum template_part {
    TEMPLATE_RAISED,
    TEMPLATE_CLEARED,
    TEMPLATE_BRIEF_RAISED,
    TEMPLATE_BRIEF_CLEARED,
    TEMPLATE_LINE,
    TEMPLATE_PARTS
};

/* The template of that id, or NULL. Binary search. */
const struct message_template *template_find(const struct template_book *book, const char *id);

/* A text of the template, or the default where it has none; of NULL the default. */
const char *template_text_of(const struct message_template *template, enum template_part part,
                             enum language language);

/* What to do at that state, from the gravest level up to it that says something; "" if none does,
 * or the template is NULL. Normal has words of its own only. */
const char *template_action(const struct message_template *template, enum severity severity,
                            enum language language);

/* The hazard; the label where the template has none or is NULL. */
const char *template_hazard(const struct message_template *template, const char *label,
                            enum language language);

/* Its name as templates have it. */
const char *template_field_name(enum template_field field);

/* The field of that name, or -1. */
int template_field_find(struct phusa_text name);

/*
 * Checks a text: true if all its fields are known and its braces closed; else *bad receives where
 * the trouble begins (a piece of text).
 */
bool template_check(const char *text, struct phusa_text *bad);

/* Fills in; cut at a character, terminated. Returns the whole length in bytes, which may be
 * `capacity` (at least 1) or more: then it was cut. What is no field stays as it is. Pure. */
size_t template_fill(const char *text, const struct template_values *values, char *out,
                     size_t capacity);

#endif
