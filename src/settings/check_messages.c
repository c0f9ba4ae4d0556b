/*
 * Whether short messages fit: each rule's short texts, filled in with the longest values there can
 * be at the station with the longest name, folded as they are sent, within one SMS. Looked at when
 * there is a channel of kind sms that sends without diacritics.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/gsm7.h"
#include "settings/display.h"
#include "settings/load.h"

#define TEXT_MAX  4096 /* bytes of a filled text; what is longer does not fit anyhow */
#define WIDE_TIME "00:00 30/12"

struct filled {
    char limit[DISPLAY_LIMIT_MAX], value[DISPLAY_NUMBER_MAX], unit[DISPLAY_UNIT_MAX];
    struct template_values values;
};

static size_t septets(const char *text)
{
    char folded[GSM7_FOLD_MAX(TEXT_MAX)];
    size_t length = gsm7_fold(phusa_text_of(text), folded, sizeof folded);
    length = length < sizeof folded ? length : sizeof folded - 1;
    return sms_units((struct phusa_text){ folded, length }, SMS_GSM7);
}

/* ---- the longest values ---- */

static void longest_value(const struct phusa_parameter *parameter, char mark,
                          char value[DISPLAY_NUMBER_MAX])
{
    char low[DISPLAY_NUMBER_MAX], high[DISPLAY_NUMBER_MAX];
    display_value(parameter, parameter->minimum, mark, low);
    display_value(parameter, parameter->maximum, mark, high);
    (void)snprintf(value, DISPLAY_NUMBER_MAX, "%s", strlen(low) > strlen(high) ? low : high);
}

/* The longer of what can be said of the limit: a value at raise, or one at clear. */
static void longest_limit(const struct rule *rule, const struct rule_level *level,
                          enum language language, char limit[DISPLAY_LIMIT_MAX])
{
    char other[DISPLAY_LIMIT_MAX];
    limit[0] = '\0';
    if (level == NULL || rule->level_count == 0) {
        return;
    }
    double at_clear = rule->direction == RULE_BELOW ? level->clear_low : level->clear_high;
    display_limit(rule, level, (double)NAN, language, limit);
    display_limit(rule, level, at_clear, language, other);
    if (septets(other) > septets(limit)) {
        memcpy(limit, other, sizeof other);
    }
}

static const char *longest_severity(enum language language)
{
    const char *longest = "";
    for (int i = SEVERITY_NORMAL; i <= (int)SEVERITY_EXTREME; i++) {
        const char *name = language == LANGUAGE_VI ? severity_name_vi((enum severity)i)
                                                   : severity_name((enum severity)i);
        longest = septets(name) > septets(longest) ? name : longest;
    }
    return longest;
}

/* level NULL: normal again. */
static void fill(const struct settings *settings, const struct rule *rule,
                 const struct rule_level *level, const struct station *station,
                 enum language language, struct filled *filled)
{
    bool vietnamese = language == LANGUAGE_VI;
    char mark = vietnamese ? DECIMAL_VI : DECIMAL_EN;
    const char *label = vietnamese ? rule->parameter->label_vi : rule->parameter->label_en;
    enum severity severity = level == NULL ? SEVERITY_NORMAL : level->severity;
    display_rule_unit(rule, filled->unit);
    longest_value(rule->parameter, mark, filled->value);
    longest_limit(rule, level, language, filled->limit);
    filled->values = (struct template_values){
        .of = { [FIELD_SOURCE] = settings->alarms.source,
                [FIELD_HAZARD] = template_hazard(rule->message, label, language),
                [FIELD_STATION] = station->name,
                [FIELD_SITE] = station->site,
                [FIELD_LABEL] = label,
                [FIELD_VALUE] = filled->value,
                [FIELD_UNIT] = filled->unit,
                [FIELD_RULE] = rule->id,
                [FIELD_SEVERITY] =
                    vietnamese ? severity_name_vi(severity) : severity_name(severity),
                [FIELD_WAS] = longest_severity(language),
                [FIELD_LIMIT] = filled->limit,
                [FIELD_TIME] = WIDE_TIME,
                [FIELD_SINCE] = WIDE_TIME,
                [FIELD_ACTION] = template_action(rule->message, severity, language),
                [FIELD_STOP] = vietnamese ? settings->alarms.stop_vi : settings->alarms.stop_en }
    };
}

/* ---- one rule ---- */

/* The collector's own alarms have no levels; they are told as one of these. */
static const struct rule_level own_levels[] = { { .severity = SEVERITY_MINOR },
                                                { .severity = SEVERITY_MODERATE },
                                                { .severity = SEVERITY_SEVERE } };

static bool check_state(struct loader *loader, const struct rule *rule,
                        const struct rule_level *level, const struct station *station,
                        enum language language)
{
    struct filled filled = { .unit = "" };
    char text[TEXT_MAX];
    fill(loader->settings, rule, level, station, language, &filled);
    enum template_part part = level == NULL ? TEMPLATE_BRIEF_CLEARED : TEMPLATE_BRIEF_RAISED;
    (void)template_fill(template_text_of(rule->message, part, language), &filled.values, text,
                        sizeof text);
    size_t count = septets(text);
    if (count <= SMS_GSM7_ONE) {
        return true;
    }
    loader_complain(loader, rule->file, rule->line,
                    "rule \"%s\": the short %s message of template \"%s\" can have %zu septets at "
                    "station \"%s\", %zu more than an SMS; shorten it",
                    rule->id, language == LANGUAGE_VI ? "Vietnamese" : "English", rule->message->id,
                    count, station->id, count - SMS_GSM7_ONE);
    return false;
}

static void check_rule(struct loader *loader, const struct rule *rule,
                       const struct station *station)
{
    bool own = rule->level_count == 0;
    const struct rule_level *levels = own ? own_levels : rule->levels;
    size_t count = own ? sizeof own_levels / sizeof *own_levels : rule->level_count;
    for (int language = 0; language < LANGUAGES; language++) {
        bool fits = check_state(loader, rule, NULL, station, (enum language)language);
        for (size_t i = 0; fits && i < count; i++) {
            fits = check_state(loader, rule, &levels[i], station, (enum language)language);
        }
    }
}

/* ---- all ---- */

/* The concerned station whose name and site take the most room, or NULL. */
static const struct station *longest_station(const struct registry *registry, const size_t *lengths,
                                             const struct rule *rule)
{
    const struct station *longest = NULL;
    size_t most = 0;
    for (size_t i = 0; i < registry->count; i++) {
        if ((longest == NULL || lengths[i] > most) && rule_concerns(rule, &registry->stations[i])) {
            longest = &registry->stations[i];
            most = lengths[i];
        }
    }
    return longest;
}

static bool sends_short(const struct settings *settings)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].kind == CHANNEL_SMS && !settings->channels[i].diacritics) {
            return true;
        }
    }
    return false;
}

static const struct station *longest_of_all(const struct registry *registry, const size_t *lengths,
                                            const struct station *self)
{
    const struct station *longest = self;
    size_t most = septets(self->name);
    for (size_t i = 0; i < registry->count; i++) {
        if (lengths[i] > most) {
            longest = &registry->stations[i];
            most = lengths[i];
        }
    }
    return longest;
}

void check_messages(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    const struct registry *registry = &settings->registry;
    size_t *lengths = arena_alloc(loader->arena, registry->count, sizeof *lengths);
    if (lengths == NULL || !sends_short(settings)) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        lengths[i] = septets(registry->stations[i].name);
    }
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        bool told = rule->message != NULL && rule->parameter != NULL && isnan(rule->threshold);
        const struct station *station = told ? longest_station(registry, lengths, rule) : NULL;
        if (station != NULL) {
            check_rule(loader, rule, station);
        }
    }
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        const struct rule *rule = &settings->maintenance.rules[i];
        if (rule->message != NULL && rule->enabled) {
            check_rule(loader, rule,
                       longest_of_all(registry, lengths, &settings->maintenance.self));
        }
    }
}
