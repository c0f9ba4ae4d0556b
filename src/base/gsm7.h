/*
 * The text of short messages. Pure.
 *
 * A message is written in one of two codings. In the GSM 7 bit default alphabet (3GPP TS 23.038,
 * section 6.2.1) a character is one septet; ^ { } \ [ ~ ] | and the euro sign stand in its
 * extension table (section 6.2.1.1) and are two. In UCS-2 (really UTF-16, section 6.2.3) a
 * character is one unit of 16 bits, above U+FFFF two.
 *
 * 140 octets hold 160 septets or 70 units. A longer text goes in parts, of which each gives six
 * octets to the header that joins them (3GPP TS 23.040, section 9.2.3.24.1): 153 septets or 67
 * units. A character of two is never divided between parts.
 *
 * Vietnamese letters are not in the GSM alphabet: one of them makes the whole text UCS-2. So it is
 * folded: letters lose their marks ("Độ mặn" to "Do man"), signs become what people type instead.
 */
#ifndef BASE_GSM7_H
#define BASE_GSM7_H

#include <stdbool.h>
#include <stddef.h>

#include "phusa/text.h"

/* The values are those of Kannel's "coding". */
enum sms_coding { SMS_GSM7 = 0, SMS_UCS2 = 2 };

#define SMS_GSM7_ONE  160 /* septets of a message that is one part */
#define SMS_GSM7_PART 153 /* of a part among several */
#define SMS_UCS2_ONE  70  /* units of 16 bits */
#define SMS_UCS2_PART 67

/* Room for what gsm7_fold makes of so many bytes, with its end: no sign's plain spelling is longer
 * than twice the sign. */
#define GSM7_FOLD_MAX(bytes) (2 * (bytes) + 1)

/*
 * Writes text, which should be UTF-8, in characters that ASCII and the GSM alphabet share: letters
 * without their marks, whether those are part of the character or follow it (U+0300 ..); dashes,
 * quotes and signs in plain spelling (">=", "ug/m3", "oC"); a line feed stays, other control
 * characters are spaces; anything else, and bytes that are no UTF-8, is "?". Folding twice changes
 * nothing. Terminated if capacity is not 0. Returns the whole length, without the terminator, which
 * may be `capacity` or more: then it was cut, not within a sign's spelling.
 */
size_t gsm7_fold(struct phusa_text text, char *out, size_t capacity);

/* True if every character of this UTF-8 text is in the GSM alphabet or its extension table. */
bool gsm7_writable(struct phusa_text text);

/* Septets or units of a UTF-8 text. A character that the GSM alphabet has not, and a byte that is
 * no UTF-8, counts one. */
size_t sms_units(struct phusa_text text, enum sms_coding coding);

/* The messages that the text makes, as above; 1 for the empty text. */
size_t sms_parts(struct phusa_text text, enum sms_coding coding);

/* Septets or units that so many parts (at least 1) hold. */
size_t sms_room(enum sms_coding coding, size_t parts);

/* The first character of a UTF-8 text that gsm7_fold has no spelling for and makes a "?", or an
 * empty piece. A byte that is no UTF-8 is one, too. */
struct phusa_text gsm7_unspelt(struct phusa_text text);

/* The length in bytes of as much of the text's beginning as `parts` (at least 1) hold. If that is
 * not all, it ends before a space or line feed, unless there is none in its latter half: then
 * before a character. */
size_t sms_cut(struct phusa_text text, enum sms_coding coding, size_t parts);

#endif
