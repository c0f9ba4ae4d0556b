/*
 * What people read: the texts of a rule's template (src/settings/template.h), and for rules
 * without one these sentences, with what is in {} filled in:
 *
 *   raised   vi  {message} – {station}: {label} {value} {unit} ({limit}). Mức: {to}.
 *            en  {message} – {station}: {label} {value} {unit} ({limit}). Severity: {to}.
 *   changed      ... Mức: {to} (trước đó: {from}).   ... Severity: {to} (was: {from}).
 *   normal   vi  Trở lại bình thường – {station}: {label} {value} {unit}. Hết cảnh báo: {message}.
 *            en  Back to normal – {station}: {label} {value} {unit}. Over: {message}.
 *
 * {limit} is what the value is to the level `to`, "≥ 4 g/L" or "chưa xuống dưới 3,5 g/L"
 * (display_limit). The value has the parameter's resolution, the limit is as configured; Vietnamese
 * has a decimal comma. {message} comes without full stops at its end: the sentence goes on, or has
 * its own. Without a value (nothing came) the sentence ends at {label}. Where nobody acknowledged,
 * or an alarm changes too often, a sentence more says so.
 *
 * With settings a sentence begins with who warns, says behind the limit when ("lúc 05:30 12/03"),
 * and ends with how to stop receiving it.
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "notify/delivery.h"
#include "settings/display.h"

#define CLOCK_MAX 32

struct words {
    char mark;
    const char *normal, *over, *severity, *was, *at;
    const char *escalated, *flapping; /* before and after all else */
};

static const struct words words_of[] = {
    [LANGUAGE_VI] = { DECIMAL_VI, "Trở lại bình thường", "Hết cảnh báo", "Mức", "trước đó", "lúc",
                      "Chưa ai xác nhận: ",
                      " Trạng thái thay đổi liên tục: tạm ngừng báo cho đến khi ổn định." },
    [LANGUAGE_EN] = { DECIMAL_EN, "Back to normal", "Over", "Severity", "was", "at",
                      "Nobody has acknowledged: ",
                      " It changes too often: no more is told until it is calm." },
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
static void copy_clean(char *text, size_t capacity, const char *from)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t left = strlen(from), used = 0;
    while (left > 0) {
        int length = character_length((const unsigned char *)from, left);
        const char *piece = length == 0 ? replacement : from;
        size_t taken = length > 0 ? (size_t)length : 1;
        size_t size = length == 0 ? sizeof replacement - 1 : taken;
        if (length < 0 || used + size >= capacity) {
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

/* Nothing when the rule has no such level. */
static void print_limit(const struct notice *notice, enum language language,
                        char text[DISPLAY_LIMIT_MAX])
{
    const struct rule_level *level = level_of(notice->rule, notice->to);
    text[0] = '\0';
    if (level != NULL) {
        display_limit(notice->rule, level, notice->value, language, text);
    }
}

static const char *severity_word(enum severity severity, enum language language)
{
    return language == LANGUAGE_VI ? severity_name_vi(severity) : severity_name(severity);
}

static const char *label_of(const struct notice *notice, enum language language)
{
    const struct phusa_parameter *parameter = notice->rule->parameter;
    return language == LANGUAGE_VI ? parameter->label_vi : parameter->label_en;
}

/* "4,3 g/L"; nothing when there is no value. */
static void print_value(const struct notice *notice, enum language language,
                        char text[DISPLAY_LIMIT_MAX])
{
    char value[DISPLAY_NUMBER_MAX], unit[DISPLAY_UNIT_MAX];
    display_rule_unit(notice->rule, unit);
    text[0] = '\0';
    if (!isnan(notice->value)) {
        (void)snprintf(
            text, DISPLAY_LIMIT_MAX, "%s%s%s",
            display_value(notice->rule->parameter, notice->value, words_of[language].mark, value),
            unit[0] != '\0' ? " " : "", unit);
    }
}

/* "Trạm 1: Độ mặn 4,3 g/L" */
static void print_measured(const struct notice *notice, enum language language, char *text,
                           size_t capacity)
{
    char value[DISPLAY_LIMIT_MAX];
    print_value(notice, language, value);
    (void)snprintf(text, capacity, "%s: %s%s%s", notice->station->name, label_of(notice, language),
                   value[0] != '\0' ? " " : "", value);
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

/* "05:30 12/03", local. */
static void print_clock(int64_t time_ns, int32_t utc_offset_s, char text[CLOCK_MAX])
{
    int64_t local_s = time_ns / SECOND_NS - (time_ns % SECOND_NS < 0) + utc_offset_s;
    time_t at = (time_t)local_s;
    struct tm parts = { 0 };
    (void)gmtime_r(&at, &parts);
    (void)snprintf(text, CLOCK_MAX, "%02d:%02d %02d/%02d", parts.tm_hour, parts.tm_min,
                   parts.tm_mday, parts.tm_mon + 1);
}

/* What stands around a sentence: who warns, when, and how to stop it. Nothing without settings. */
struct frame {
    const char *source, *colon, *stop;
    char when[CLOCK_MAX + sizeof " lúc "];
};

static struct frame make_frame(const struct notice *notice, const struct settings *settings,
                               enum language language, bool stop)
{
    struct frame frame = { .source = "", .colon = "", .stop = "", .when = "" };
    if (settings == NULL) {
        return frame;
    }
    const struct alarm_settings *alarms = &settings->alarms;
    char clock[CLOCK_MAX];
    print_clock(notice->time_ns, settings->utc_offset_s, clock);
    (void)snprintf(frame.when, sizeof frame.when, " %s %s", words_of[language].at, clock);
    if (alarms->source != NULL && alarms->source[0] != '\0') {
        frame.source = alarms->source;
        frame.colon = ": ";
    }
    const char *how = language == LANGUAGE_VI ? alarms->stop_vi : alarms->stop_en;
    frame.stop = stop && how != NULL ? how : "";
    return frame;
}

static void print_raised(const struct notice *notice, enum language language,
                         const struct frame *frame, const char *message, const char *measured,
                         char raw[WORDING_MAX])
{
    const struct words *words = &words_of[language];
    char limit[DISPLAY_LIMIT_MAX], before[DISPLAY_LIMIT_MAX] = "";
    print_limit(notice, language, limit);
    if (notice->from != SEVERITY_NORMAL) {
        (void)snprintf(before, sizeof before, " (%s: %s)", words->was,
                       severity_word(notice->from, language));
    }
    bool limited = limit[0] != '\0';
    (void)snprintf(raw, WORDING_MAX, "%s%s%.*s – %s%s%s%s%s. %s: %s%s.%s%s", frame->source,
                   frame->colon, unstopped(message), message, measured, limited ? " (" : "", limit,
                   limited ? ")" : "", frame->when, words->severity,
                   severity_word(notice->to, language), before, frame->stop[0] != '\0' ? " " : "",
                   frame->stop);
}

static const char *message_of(const struct rule *rule, enum language language)
{
    return language == LANGUAGE_VI ? rule->message_vi : rule->message_en;
}

static void print_sentence(const struct notice *notice, const struct settings *settings,
                           enum language language, bool stop, char raw[WORDING_MAX])
{
    struct frame frame = make_frame(notice, settings, language, stop);
    const struct words *words = &words_of[language];
    const char *message = message_of(notice->rule, language);
    char measured[WORDING_MAX / 2];
    print_measured(notice, language, measured, sizeof measured);
    if (notice->to == SEVERITY_NORMAL) {
        (void)snprintf(raw, WORDING_MAX, "%s%s%s – %s%s. %s: %.*s.%s%s", frame.source, frame.colon,
                       words->normal, measured, frame.when, words->over, unstopped(message),
                       message, frame.stop[0] != '\0' ? " " : "", frame.stop);
    } else {
        print_raised(notice, language, &frame, message, measured, raw);
    }
}

/* --- templates ---------------------------------------------------------------- */

/* What the fields point into. */
struct filling {
    char hazard[WORDING_MAX], value[DISPLAY_NUMBER_MAX], unit[DISPLAY_UNIT_MAX],
        limit[DISPLAY_LIMIT_MAX];
    char time[CLOCK_MAX], since[CLOCK_MAX];
    struct template_values values;
};

static void print_hazard(const struct notice *notice, enum language language, char *text,
                         size_t capacity)
{
    const struct rule *rule = notice->rule;
    const char *message = message_of(rule, language);
    const char *hazard = rule->message != NULL
                             ? template_hazard(rule->message, label_of(notice, language), language)
                             : message;
    (void)snprintf(text, capacity, "%.*s", unstopped(hazard), hazard);
}

static void fill_in(const struct notice *notice, const struct settings *settings,
                    enum language language, bool stop, struct filling *filling)
{
    const struct alarm_settings *alarms = &settings->alarms;
    const struct rule *rule = notice->rule;
    print_hazard(notice, language, filling->hazard, sizeof filling->hazard);
    display_rule_unit(rule, filling->unit);
    display_value(rule->parameter, notice->value, words_of[language].mark, filling->value);
    print_limit(notice, language, filling->limit);
    print_clock(notice->time_ns, settings->utc_offset_s, filling->time);
    print_clock(notice->since_ns, settings->utc_offset_s, filling->since);
    bool valued = !isnan(notice->value);
    filling->values =
        (struct template_values){ .of = {
                                      [FIELD_SOURCE] = alarms->source,
                                      [FIELD_HAZARD] = filling->hazard,
                                      [FIELD_STATION] = notice->station->name,
                                      [FIELD_SITE] = notice->station->site,
                                      [FIELD_LABEL] = label_of(notice, language),
                                      [FIELD_VALUE] = valued ? filling->value : "",
                                      [FIELD_UNIT] = valued ? filling->unit : "",
                                      [FIELD_RULE] = rule->id,
                                      [FIELD_SEVERITY] = severity_word(notice->to, language),
                                      [FIELD_WAS] = severity_word(notice->from, language),
                                      [FIELD_LIMIT] = filling->limit,
                                      [FIELD_TIME] = filling->time,
                                      [FIELD_SINCE] = filling->since,
                                      [FIELD_ACTION] =
                                          template_action(rule->message, notice->to, language),
                                      [FIELD_STOP] = !stop                     ? ""
                                                     : language == LANGUAGE_VI ? alarms->stop_vi
                                                                               : alarms->stop_en,
                                  } };
}

static void print_template(const struct notice *notice, const struct settings *settings,
                           enum language language, enum wording_part part, bool stop,
                           char raw[WORDING_MAX])
{
    static const enum template_part parts[][2] = {
        [WORDING_TEXT] = { TEMPLATE_RAISED, TEMPLATE_CLEARED },
        [WORDING_BRIEF] = { TEMPLATE_BRIEF_RAISED, TEMPLATE_BRIEF_CLEARED },
        [WORDING_LINE] = { TEMPLATE_LINE, TEMPLATE_LINE },
    };
    struct filling filling;
    fill_in(notice, settings, language, stop, &filling);
    bool normal = notice->to == SEVERITY_NORMAL;
    (void)template_fill(template_text_of(notice->rule->message, parts[part][normal], language),
                        &filling.values, raw, WORDING_MAX);
}

size_t wording_part(const struct notice *notice, const struct settings *settings,
                    enum language language, enum wording_part part, bool stop, char *text,
                    size_t capacity)
{
    const struct words *words = &words_of[language];
    char raw[WORDING_MAX], whole[2 * WORDING_MAX];
    bool sentence = settings == NULL || (part == WORDING_TEXT && notice->rule->message == NULL);
    bool notes = part == WORDING_TEXT;
    if (sentence) {
        print_sentence(notice, settings, language, stop, raw);
    } else {
        print_template(notice, settings, language, part, stop, raw);
    }
    (void)snprintf(whole, sizeof whole, "%s%s%s",
                   notes && notice->escalated ? words->escalated : "", raw,
                   notes && notice->flapping ? words->flapping : "");
    copy_clean(text, capacity, whole);
    return strlen(text);
}

void wording_hazard(const struct notice *notice, enum language language, char text[WORDING_MAX])
{
    char raw[WORDING_MAX];
    print_hazard(notice, language, raw, sizeof raw);
    copy_clean(text, WORDING_MAX, raw);
}

void wording_value(const struct notice *notice, enum language language, char text[WORDING_MAX])
{
    char raw[DISPLAY_LIMIT_MAX];
    print_value(notice, language, raw);
    copy_clean(text, WORDING_MAX, raw);
}

void wording_clean(const char *from, char text[WORDING_MAX])
{
    copy_clean(text, WORDING_MAX, from);
}

void wording_unit(const struct rule *rule, char text[WORDING_MAX])
{
    char raw[DISPLAY_UNIT_MAX];
    display_rule_unit(rule, raw);
    copy_clean(text, WORDING_MAX, raw);
}
