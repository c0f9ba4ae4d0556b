/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SHARED_UTF8_H
#define SHARED_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The length of the character of two to four bytes that begins at `at` (a byte >= 0x80, at <
 * end); 0 if it is none. *cut then says whether it is only the end that comes too early.
 */
size_t utf8_sequence(const char *at, const char *end, bool *cut);

/* True if all of text is UTF-8. */
bool utf8_valid(const char *text, size_t length);

/* Writes a character's code (no surrogate, at most U+10FFFF) to buffer; returns 1 to 4. */
size_t utf8_put(uint32_t code, char *buffer);

#endif
