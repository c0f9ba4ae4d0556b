/*
 * An e-mail as it goes over the wire (RFC 5322, 2045, 2047): one text, UTF-8 in base64; ASCII, with
 * CRLF at the ends of lines. Pure.
 *
 * Nothing that is handed in can make a header of its own: the subject is an encoded word unless it
 * is short printable ASCII, the text is base64, and what stands in the rest of the header
 * must be plain (smtp_address_plain) or is left out.
 */
#ifndef NOTIFY_MIME_H
#define NOTIFY_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "settings/channel.h"

#define MIME_HEADER_MAX 8192 /* bytes of a header: subjects are at most LETTER_TEXT_MAX x 2 */

/* Room for a mail with so many bytes of text: each may be a line feed, which is CRLF; base64 makes
 * four of three, and lines of 76 get their end. */
#define MIME_MAX(text) (MIME_HEADER_MAX + (text)*2 * 3 / 2 + 8)

struct mime_mail {
    const char *from, *to; /* plain addresses */
    const char *subject;   /* UTF-8; control characters in it are spaces */
    const char *text;      /* UTF-8, lines ended by "\n" */
    const char *key;       /* Message-ID is <key@domain of from>: the same at each try */
    enum language language;
    wall_time now;
    int32_t utc_offset_s;
    const char *unsubscribe; /* text in which a mailto: address may stand; "" = none */
};

/* Writes the mail; terminated. Returns its length, 0 if it does not fit. */
size_t mime_compose(const struct mime_mail *mail, char *out, size_t capacity);

#endif
