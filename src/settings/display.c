#include "settings/display.h"

#include <math.h>
#include <stdio.h>

#include "phusa/number.h"

#define PLACES_MAX 6
#define FIXED_MAX  1e12 /* beyond it digits before the point say nothing to people */

static int places_of(double resolution)
{
    double scaled = resolution;
    int places = 0;
    while (places < PLACES_MAX && fabs(scaled - round(scaled)) > 1e-6 * scaled) {
        scaled *= 10;
        places++;
    }
    return places;
}

static void set_mark(char *text, char mark)
{
    char *point = strchr(text, '.');
    if (point != NULL) {
        *point = mark;
    }
}

char *display_number(double value, char mark, char buffer[DISPLAY_NUMBER_MAX])
{
    char digits[PHUSA_DOUBLE_CHARS];
    size_t length = phusa_double_print(value, digits);
    if (length == 0 || length >= DISPLAY_NUMBER_MAX) {
        (void)snprintf(buffer, DISPLAY_NUMBER_MAX, "-");
        return buffer;
    }
    memcpy(buffer, digits, length);
    buffer[length] = '\0';
    set_mark(buffer, mark);
    return buffer;
}

char *display_value(const struct phusa_parameter *parameter, double value, char mark,
                    char buffer[DISPLAY_NUMBER_MAX])
{
    if (!isfinite(value) || fabs(value) >= FIXED_MAX) {
        return display_number(value, mark, buffer);
    }
    int places = places_of(parameter->resolution);
    double step = pow(10, places);
    double shown = round(value * step) / step;
    (void)snprintf(buffer, DISPLAY_NUMBER_MAX, "%.*f", places, shown == 0 ? 0.0 : shown);
    set_mark(buffer, mark);
    return buffer;
}

struct phusa_text display_unit(struct phusa_text unit)
{
    static const struct {
        struct phusa_text from, to;
    } forms[] = {
        { { "Cel", 3 }, { "°C", 3 } },      { { "%RH", 3 }, { "%", 1 } },
        { { "/", 1 }, { "", 0 } },          { { "/100", 4 }, { "%", 1 } },
        { { "/1000", 5 }, { "g/L", 3 } },   { { "count", 5 }, { "", 0 } },
        { { "pH", 2 }, { "", 0 } },         { { "deg", 3 }, { "°", 2 } },
        { { "ug/m3", 5 }, { "µg/m³", 7 } }, { { "mg/m3", 5 }, { "mg/m³", 6 } },
        { { "m3", 2 }, { "m³", 3 } },       { { "m3/s", 4 }, { "m³/s", 5 } },
        { { "m3/h", 4 }, { "m³/h", 5 } },   { { "W/m2", 4 }, { "W/m²", 5 } },
        { { "uS/cm", 5 }, { "µS/cm", 6 } },
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (phusa_text_equal(forms[i].from, unit)) {
            return forms[i].to;
        }
    }
    return unit;
}

/* ---- limits ---- */

void display_rule_unit(const struct rule *rule, char unit[DISPLAY_UNIT_MAX])
{
    struct phusa_text name = display_unit(rule->parameter->unit);
    (void)snprintf(unit, DISPLAY_UNIT_MAX, "%.*s%s", (int)name.length, name.data,
                   rule->subject == RULE_RATE ? "/h" : "");
}

struct limit_words {
    char mark;
    const char * or, *not_below, *not_above;
};

static const struct limit_words limit_words_of[] = {
    [LANGUAGE_VI] = { DECIMAL_VI, "hoặc", "chưa xuống dưới", "chưa lên trên" },
    [LANGUAGE_EN] = { DECIMAL_EN, "or", "not yet below", "not yet above" },
};

static void print_outside(const struct limit_words *words, const struct rule_level *level,
                          double value, const char *unit, char text[DISPLAY_LIMIT_MAX])
{
    char low[DISPLAY_NUMBER_MAX], high[DISPLAY_NUMBER_MAX];
    if (value > level->raise_low && value < level->raise_high) { /* false for NaN */
        return;
    }
    display_number(level->raise_low, words->mark, low);
    display_number(level->raise_high, words->mark, high);
    (void)snprintf(text, DISPLAY_LIMIT_MAX, "≤ %s %s ≥ %s%s", low, words->or, high, unit);
}

/* sign 1: beyond is above; -1: below. */
static void print_one_sided(const char *beyond, const char *not_yet, double sign, double value,
                            const double limits[2], char mark, const char *unit,
                            char text[DISPLAY_LIMIT_MAX])
{
    char number[DISPLAY_NUMBER_MAX];
    bool inside = sign * value < sign * limits[0]; /* false for NaN */
    if (inside && sign * value < sign * limits[1]) {
        return;
    }
    display_number(limits[inside ? 1 : 0], mark, number);
    (void)snprintf(text, DISPLAY_LIMIT_MAX, "%s %s%s", inside ? not_yet : beyond, number, unit);
}

void display_limit(const struct rule *rule, const struct rule_level *level, double value,
                   enum language language, char text[DISPLAY_LIMIT_MAX])
{
    const struct limit_words *words = &limit_words_of[language];
    char unit[DISPLAY_UNIT_MAX + 1] = " ";
    text[0] = '\0';
    if (rule->subject == RULE_MISSING) {
        return;
    }
    display_rule_unit(rule, unit + 1);
    const char *spaced = unit[1] != '\0' ? unit : "";
    switch (rule->direction) {
    case RULE_ABOVE:
        print_one_sided("≥", words->not_below, 1, value,
                        (const double[]){ level->raise_high, level->clear_high }, words->mark,
                        spaced, text);
        break;
    case RULE_BELOW:
        print_one_sided("≤", words->not_above, -1, value,
                        (const double[]){ level->raise_low, level->clear_low }, words->mark, spaced,
                        text);
        break;
    case RULE_OUTSIDE:
        print_outside(words, level, value, spaced, text);
        break;
    }
}

const char *severity_name_vi(enum severity severity)
{
    switch (severity) {
    case SEVERITY_NORMAL:
        return "bình thường";
    case SEVERITY_MINOR:
        return "nhẹ";
    case SEVERITY_MODERATE:
        return "trung bình";
    case SEVERITY_SEVERE:
        return "nghiêm trọng";
    case SEVERITY_EXTREME:
        return "đặc biệt nghiêm trọng";
    }
    return "không rõ";
}
