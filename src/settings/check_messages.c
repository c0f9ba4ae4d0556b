/*
 * Whether short messages fit: each rule's short texts, filled in with the longest values there can
 * be at the station with the longest name, in the letters that they are sent in, within the parts
 * that the channel allows. Looked at for the narrowest channel of kind sms that sends without
 * diacritics, and for the narrowest that keeps them.
 *
 * And whether a board shows an alarm's value, when it has all of the board's lines.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/gsm7.h"
#include "settings/board_lines.h"
#include "settings/display.h"
#include "settings/load.h"

#define TEXT_MAX  4096 /* bytes of a filled text; what is longer does not fit anyhow */
#define WHAT_MAX  320  /* of a complaint */
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

/* ---- how a channel sends it ---- */

struct measure {
    enum sms_coding coding;
    size_t units, room;
};

/* A text without letters of its own is GSM-7 whatever the channel keeps; see sms.c. */
static struct measure measure(const struct channel_settings *channel, const char *text)
{
    bool plain = !channel->diacritics || gsm7_writable(phusa_text_of(text));
    enum sms_coding coding = plain ? SMS_GSM7 : SMS_UCS2;
    return (struct measure){
        .coding = coding,
        .units = plain ? septets(text) : sms_units(phusa_text_of(text), SMS_UCS2),
        .room = channel->parts == 0 ? SIZE_MAX : sms_room(coding, (size_t)channel->parts),
    };
}

static bool narrower(const struct channel_settings *one, const struct channel_settings *other)
{
    return other == NULL || (one->parts != 0 && (other->parts == 0 || one->parts < other->parts));
}

/* The channel of kind sms with the fewest parts, or NULL. */
static const struct channel_settings *narrowest(const struct settings *settings, bool diacritics)
{
    const struct channel_settings *found = NULL;
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *channel = &settings->channels[i];
        if (channel->kind == CHANNEL_SMS && channel->diacritics == diacritics &&
            narrower(channel, found)) {
            found = channel;
        }
    }
    return found;
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

/* A short message, and what it is complained of with. */
struct brief {
    const struct rule *rule;
    const struct station *station;
    enum language language;
    const char *text;
};

static void complain(struct loader *loader, const struct brief *brief, const char *what)
{
    loader_complain(loader, brief->rule->file, brief->rule->line,
                    "rule \"%s\": the short %s message of template \"%s\" %s", brief->rule->id,
                    brief->language == LANGUAGE_VI ? "Vietnamese" : "English",
                    brief->rule->message->id, what);
}

static bool check_room(struct loader *loader, const struct brief *brief,
                       const struct channel_settings *channel)
{
    char what[WHAT_MAX];
    struct measure measured = measure(channel, brief->text);
    if (measured.units <= measured.room) {
        return true;
    }
    (void)snprintf(what, sizeof what,
                   "can have %zu %s at station \"%s\", %zu more than the %zu of channel \"%s\"; "
                   "shorten it, or let the channel have more parts",
                   measured.units, measured.coding == SMS_UCS2 ? "characters" : "septets",
                   brief->station->id, measured.units - measured.room, measured.room, channel->id);
    complain(loader, brief, what);
    return false;
}

static bool check_letters(struct loader *loader, const struct brief *brief)
{
    char what[WHAT_MAX];
    struct phusa_text bad = gsm7_unspelt(phusa_text_of(brief->text));
    if (bad.length == 0) {
        return true;
    }
    (void)snprintf(what, sizeof what,
                   "holds \"%.*s\" at station \"%s\", which an SMS without diacritics shows as "
                   "\"?\"; write it with other letters",
                   (int)bad.length, bad.data, brief->station->id);
    complain(loader, brief, what);
    return false;
}

static bool check_bytes(struct loader *loader, const struct brief *brief)
{
    char what[WHAT_MAX];
    size_t length = strlen(brief->text);
    if (length < BRIEF_MAX) {
        return true;
    }
    (void)snprintf(what, sizeof what,
                   "can have %zu bytes at station \"%s\"; at most %d go out, shorten it", length,
                   brief->station->id, BRIEF_MAX - 1);
    complain(loader, brief, what);
    return false;
}

/* The narrowest channels that send without and with diacritics; NULL = there is none. */
struct channels {
    const struct channel_settings *plain, *marked;
};

static bool check_state(struct loader *loader, const struct channels *channels,
                        const struct rule_level *level, struct brief *brief)
{
    struct filled filled = { .unit = "" };
    char text[TEXT_MAX];
    fill(loader->settings, brief->rule, level, brief->station, brief->language, &filled);
    enum template_part part = level == NULL ? TEMPLATE_BRIEF_CLEARED : TEMPLATE_BRIEF_RAISED;
    (void)template_fill(template_text_of(brief->rule->message, part, brief->language),
                        &filled.values, text, sizeof text);
    brief->text = text;
    bool good = (channels->plain == NULL ||
                 (check_letters(loader, brief) && check_room(loader, brief, channels->plain))) &&
                (channels->marked == NULL || check_room(loader, brief, channels->marked)) &&
                check_bytes(loader, brief);
    brief->text = NULL;
    return good;
}

static void check_rule(struct loader *loader, const struct channels *channels,
                       const struct rule *rule, const struct station *station)
{
    bool own = rule->level_count == 0;
    const struct rule_level *levels = own ? own_levels : rule->levels;
    size_t count = own ? sizeof own_levels / sizeof *own_levels : rule->level_count;
    for (int language = 0; language < LANGUAGES; language++) {
        struct brief brief = { rule, station, (enum language)language, NULL };
        bool fits = check_state(loader, channels, NULL, &brief);
        for (size_t i = 0; fits && i < count; i++) {
            fits = check_state(loader, channels, &levels[i], &brief);
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

/* ---- boards ---- */

static bool board_has(const struct board_settings *board, const struct station *station)
{
    bool has = board->station_count == 0;
    for (size_t i = 0; i < board->station_count && !has; i++) {
        has = strcmp(board->stations[i], station->id) == 0;
    }
    return has && board->site != NULL && strcmp(board->site, station->site) == 0;
}

static bool goes_to(const struct rule *rule, size_t channel)
{
    for (size_t i = 0; i < rule->channel_count; i++) {
        if (rule->channels[i] == channel) {
            return true;
        }
    }
    return false;
}

/* False if the rule's line has a value that is cut off. */
static bool shows_value(const struct settings *settings, const struct board_settings *board,
                        const struct rule *rule, const struct station *station,
                        enum language language)
{
    struct filled filled = { .unit = "" };
    char text[TEXT_MAX], shown[BOARD_WRAP_MAX];
    fill(settings, rule, &rule->levels[rule->level_count - 1], station, language, &filled);
    (void)template_fill(template_text_of(rule->message, TEMPLATE_LINE, language), &filled.values,
                        text, sizeof text);
    (void)board_line_wrap(text, board->ascii, (size_t)board->width, (size_t)board->lines, shown);
    return strstr(text, filled.value) == NULL || strstr(shown, filled.value) != NULL;
}

static void check_board(struct loader *loader, size_t channel, const struct board_settings *board,
                        const struct rule *rule)
{
    const struct settings *settings = loader->settings;
    const struct channel_settings *of = &settings->channels[channel];
    for (size_t i = 0; i < settings->registry.count; i++) {
        const struct station *station = &settings->registry.stations[i];
        if (board_has(board, station) && rule_concerns(rule, station) &&
            !shows_value(settings, board, rule, station, of->language)) {
            loader_complain(
                loader, of->file, of->line,
                "board \"%s\" of %lld x %lld characters does not show the value of rule "
                "\"%s\" at station \"%s\"; give it more, or the rule's template a "
                "\"line\" that begins with {value}",
                board->id, (long long)board->width, (long long)board->lines, rule->id, station->id);
            return;
        }
    }
}

static void check_boards(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *channel = &settings->channels[i];
        for (size_t j = 0; j < settings->rulebook.count; j++) {
            const struct rule *rule = &settings->rulebook.rules[j];
            bool valued = rule->parameter != NULL && rule->subject != RULE_MISSING &&
                          rule->level_count > 0 && goes_to(rule, i);
            for (size_t k = 0; valued && k < channel->board_count; k++) {
                check_board(loader, i, &channel->boards[k], rule);
            }
        }
    }
}

void check_messages(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    const struct registry *registry = &settings->registry;
    size_t *lengths = arena_alloc(loader->arena, registry->count, sizeof *lengths);
    struct channels channels = { narrowest(settings, false), narrowest(settings, true) };
    check_boards(loader);
    if (lengths == NULL || (channels.plain == NULL && channels.marked == NULL)) {
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
            check_rule(loader, &channels, rule, station);
        }
    }
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        const struct rule *rule = &settings->maintenance.rules[i];
        if (rule->message != NULL && rule->enabled) {
            check_rule(loader, &channels, rule,
                       longest_of_all(registry, lengths, &settings->maintenance.self));
        }
    }
}
