/* What is measured, in the form that people read. Pure. */
#ifndef SETTINGS_DISPLAY_H
#define SETTINGS_DISPLAY_H

#include <stddef.h>

#include "phusa/parameter.h"
#include "settings/channel.h"
#include "settings/rule.h"

#define DISPLAY_NUMBER_MAX 32  /* bytes of any number here, with its terminator */
#define DISPLAY_UNIT_MAX   64  /* of a unit */
#define DISPLAY_LIMIT_MAX  160 /* of a limit, with two numbers and the unit */

/* Decimal marks: Vietnamese and English. */
#define DECIMAL_VI ','
#define DECIMAL_EN '.'

/* The value with as many places as the parameter's resolution has, at most 6; "-" when it is
 * not finite. Terminated; returns buffer. */
char *display_value(const struct phusa_parameter *parameter, double value, char mark,
                    char buffer[DISPLAY_NUMBER_MAX]);

/* The number in its shortest form: a limit as it was configured. Terminated; returns buffer. */
char *display_number(double value, char mark, char buffer[DISPLAY_NUMBER_MAX]);

/* The unit as people write it: "Cel" gives "°C", "ug/m3" "µg/m³", those of plain
 * numbers nothing; others as they are. */
struct phusa_text display_unit(struct phusa_text unit);

/* The unit of what a rule judges: "g/L", of a change "g/L/h". Terminated. */
void display_rule_unit(const struct rule *rule, char unit[DISPLAY_UNIT_MAX]);

/*
 * What the value is to the level, in that language:
 *
 *   "≥ 4 g/L", "≤ 5 mg/L", "≤ 6 hoặc ≥ 9"        beyond raise, or NaN (the limit, whatever came)
 *   "chưa xuống dưới 3,5 g/L", "chưa lên trên …"  no longer, but not on the good side of clear
 *   ""                                            on the good side, not long enough; or no limit
 *
 * Between the limits of two sides it is "". Terminated.
 */
void display_limit(const struct rule *rule, const struct rule_level *level, double value,
                   enum language language, char text[DISPLAY_LIMIT_MAX]);

/* "bình thường", "nhẹ", "trung bình", "nghiêm trọng", "đặc biệt nghiêm trọng"; never NULL. */
const char *severity_name_vi(enum severity severity);

#endif
