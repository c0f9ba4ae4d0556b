/* What is measured, in the form that people read. Pure. */
#ifndef SETTINGS_DISPLAY_H
#define SETTINGS_DISPLAY_H

#include <stddef.h>

#include "phusa/parameter.h"
#include "settings/rule.h"

#define DISPLAY_NUMBER_MAX 32 /* bytes of any number here, with its terminator */

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

/* "bình thường", "nhẹ", "trung bình", "nghiêm trọng", "đặc biệt nghiêm trọng"; never NULL. */
const char *severity_name_vi(enum severity severity);

#endif
