/*
 * The sentences. Templates, with what is in {} filled in:
 *
 *   raised   vi  {message} – {station}: {label} {value} {unit} ({limit}). Mức: {to}.
 *            en  {message} – {station}: {label} {value} {unit} ({limit}). Severity: {to}.
 *   changed      ... Mức: {to} (trước đó: {from}).   ... Severity: {to} (was: {from}).
 *   normal   vi  Trở lại bình thường – {station}: {label} {value} {unit}. Hết cảnh báo: {message}.
 *            en  Back to normal – {station}: {label} {value} {unit}. Over: {message}.
 *
 * {limit} is that of the level `to`: "≥ 4 g/L", "≤ 5 mg/L", "≤ 6 hoặc ≥ 9". The value
 * has the parameter's resolution, the limit is as configured; Vietnamese has a decimal comma.
 * {message} comes without full stops at its end: the sentence goes on, or has its own.
 */
#include <stdio.h>

#include "notify/delivery.h"
#include "settings/display.h"

#define LIMIT_MAX 160

struct words {
    char mark;
    const char * or, *normal, *over, *severity, *was;
};

static const struct words words_of[] = {
    [LANGUAGE_VI] = { DECIMAL_VI, "hoặc", "Trở lại bình thường", "Hết cảnh báo", "Mức",
                      "trước đó" },
    [LANGUAGE_EN] = { DECIMAL_EN, "or", "Back to normal", "Over", "Severity", "was" },
};

/* --- UTF-8 -------------------------------------------------------------------- */

/* What the second byte of a character may be after this lead (RFC 3629, section 4). */
static bool second_fits(unsigned char lead, unsigned char second)
{
    unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= least && second <= most;
}

static int length_by_lead(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Bytes of the character at text, 0 if it is none, -1 if the end cuts it off. */
static int character_length(const unsigned char *text, size_t room)
{
    int length = length_by_lead(text[0]);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= room) {
            return -1;
        }
        if ((text[i] & 0xC0) != 0x80 || (i == 1 && !second_fits(text[0], text[1]))) {
            return 0;
        }
    }
    return length;
}

/* Copies what is printable; a byte that is no character becomes U+FFFD, a control a space. */
static void copy_clean(char text[WORDING_MAX], const char *from)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t left = strlen(from), used = 0;
    while (left > 0) {
        int length = character_length((const unsigned char *)from, left);
        const char *piece = length == 0 ? replacement : from;
        size_t taken = length > 0 ? (size_t)length : 1;
        size_t size = length == 0 ? sizeof replacement - 1 : taken;
        if (length < 0 || used + size >= WORDING_MAX) {
            break;
        }
        bool control = size == 1 && ((unsigned char)*piece < 0x20 || *piece == 0x7F);
        memcpy(text + used, control ? " " : piece, size);
        used += size;
        from += taken;
        left -= taken;
    }
    text[used] = '\0';
}

/* --- sentences ---------------------------------------------------------------- */

static const struct rule_level *level_of(const struct rule *rule, enum severity severity)
{
    for (size_t i = 0; i < rule->level_count; i++) {
        if (rule->levels[i].severity == severity) {
            return &rule->levels[i];
        }
    }
    return NULL;
}

/* " (≥ 4 g/L)", or nothing when the rule has no such level. */
static void print_limit(const struct notice *notice, const struct words *words,
                        char text[LIMIT_MAX])
{
    const struct rule *rule = notice->rule;
    const struct rule_level *level = level_of(rule, notice->to);
    text[0] = '\0';
    if (level == NULL) {
        return;
    }
    char low[DISPLAY_NUMBER_MAX], high[DISPLAY_NUMBER_MAX];
    display_number(level->raise_low, words->mark, low);
    display_number(level->raise_high, words->mark, high);
    struct phusa_text unit = display_unit(rule->parameter->unit);
    const char *space = unit.length > 0 ? " " : "";
    int width = (int)unit.length;
    switch (rule->direction) {
    case RULE_ABOVE:
        (void)snprintf(text, LIMIT_MAX, " (≥ %s%s%.*s)", high, space, width, unit.data);
        break;
    case RULE_BELOW:
        (void)snprintf(text, LIMIT_MAX, " (≤ %s%s%.*s)", low, space, width, unit.data);
        break;
    case RULE_OUTSIDE:
        (void)snprintf(text, LIMIT_MAX, " (≤ %s %s ≥ %s%s%.*s)", low, words->or, high, space, width,
                       unit.data);
        break;
    }
}

static const char *severity_word(enum severity severity, enum language language)
{
    return language == LANGUAGE_VI ? severity_name_vi(severity) : severity_name(severity);
}

/* "Trạm 1: Độ mặn 4,3 g/L" */
static void print_measured(const struct notice *notice, enum language language, char *text,
                           size_t capacity)
{
    const struct phusa_parameter *parameter = notice->rule->parameter;
    char value[DISPLAY_NUMBER_MAX];
    struct phusa_text unit = display_unit(parameter->unit);
    (void)snprintf(text, capacity, "%s: %s %s%s%.*s", notice->station->name,
                   language == LANGUAGE_VI ? parameter->label_vi : parameter->label_en,
                   display_value(parameter, notice->value, words_of[language].mark, value),
                   unit.length > 0 ? " " : "", (int)unit.length, unit.data);
}

/* Length without full stops at the end. */
static int unstopped(const char *message)
{
    size_t length = strnlen(message, WORDING_MAX);
    while (length > 0 && message[length - 1] == '.') {
        length--;
    }
    return (int)length;
}

static void print_raised(const struct notice *notice, enum language language, const char *message,
                         const char *measured, char raw[WORDING_MAX])
{
    const struct words *words = &words_of[language];
    char limit[LIMIT_MAX], before[LIMIT_MAX] = "";
    print_limit(notice, words, limit);
    if (notice->from != SEVERITY_NORMAL) {
        (void)snprintf(before, sizeof before, " (%s: %s)", words->was,
                       severity_word(notice->from, language));
    }
    (void)snprintf(raw, WORDING_MAX, "%.*s – %s%s. %s: %s%s.", unstopped(message), message,
                   measured, limit, words->severity, severity_word(notice->to, language), before);
}

void wording_print(const struct notice *notice, enum language language, char text[WORDING_MAX])
{
    const struct words *words = &words_of[language];
    const char *message =
        language == LANGUAGE_VI ? notice->rule->message_vi : notice->rule->message_en;
    char raw[WORDING_MAX], measured[WORDING_MAX / 2];
    print_measured(notice, language, measured, sizeof measured);
    if (notice->to == SEVERITY_NORMAL) {
        (void)snprintf(raw, sizeof raw, "%s – %s. %s: %.*s.", words->normal, measured, words->over,
                       unstopped(message), message);
    } else {
        print_raised(notice, language, message, measured, raw);
    }
    copy_clean(text, raw);
}
