/*
 * A letter as a syslog message (RFC 5424). Pure.
 *
 *   <PRI>1 TIME HOST phusa - MSGID [phusa@32473 rule="..." ...] BOM text
 *
 * TIME       of the reading that changed the state, at the local offset.
 * Severity   RFC 5674, section 2, with CAP's severities in the place of ITU's: extreme is Alert
 *            (1), severe Critical (2), moderate Error (3), minor Warning (4), normal again is
 *            Notice (5).
 * MSGID      RAISED (from normal), CHANGED, CLEARED (to normal); ESCALATED and FLAPPING before
 *            those.
 * SD-ID      phusa@32473: 32473 is the number that is set aside for use without one of one's own
 *            (RFC 5612). Its parameters: rule, site, station, parameter, from, to, since; value and
 *            unit if there is a value; historical="true" when it is one; key, the message's
 *            own, the same at each try.
 * Text       UTF-8, in the channel's language.
 */
#ifndef NOTIFY_SYSLOG_LINE_H
#define NOTIFY_SYSLOG_LINE_H

#include "notify/letter.h"

#define SYSLOG_SD_ID    "phusa@32473"
#define SYSLOG_LINE_MAX 2048 /* bytes; what every receiver should take: RFC 5424, section 6.1 */
#define SYSLOG_HOST_MAX 255  /* RFC 5424, section 6 */

/* Writes the message, without framing; the text is cut, at a character, where it would be longer
 * than SYSLOG_LINE_MAX. host: printable ASCII, other characters become "-", as nothing does; the
 * facility is 0 .. 23. Terminated; returns the length, 0 if the rest of it does not fit. */
size_t syslog_print(const struct letter *letter, int facility, enum language language,
                    const char *host, char line[SYSLOG_LINE_MAX + 1]);

#endif
