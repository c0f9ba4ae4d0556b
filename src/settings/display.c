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
        { { "/1000", 5 }, { "‰", 3 } },     { { "count", 5 }, { "", 0 } },
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
