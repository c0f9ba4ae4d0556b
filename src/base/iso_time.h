/* Points in time as people write them (ISO 8601). Pure. */
#ifndef BASE_ISO_TIME_H
#define BASE_ISO_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "phusa/text.h"

/*
 * "2026-01-01T00:00:00.5+07:00" to nanoseconds since 1970 (UTC). Seconds and their fraction may be
 * left out; the offset may not: it is Z, +hh:mm or +hhmm. Years 1970 to 2261. False if text is not
 * of this form, or there is no such day or time of day.
 */
bool iso_time_parse(struct phusa_text text, int64_t *ns);

/*
 * A local day, "2026-01-01", stands for its beginning at utc_offset_s (whole minutes east of UTC);
 * any other text is as above.
 */
bool iso_time_or_day_parse(struct phusa_text text, int32_t utc_offset_s, int64_t *ns);

#define ISO_TIME_CHARS 25 /* of what is printed, without the terminator */

/*
 * "2026-01-01T07:00:00+07:00" at utc_offset_s (whole minutes east of UTC), terminated; the fraction
 * is dropped. UTC itself is "-00:00", as CAP 1.2 (section 3.3.2) wants it and RFC 3339 allows.
 */
void iso_time_print(int64_t ns, int32_t utc_offset_s, char text[ISO_TIME_CHARS + 1]);

#endif
