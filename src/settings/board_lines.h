/*
 * A text in the lines of a board. Pure.
 *
 * Width counts characters, not bytes; a mark that follows its letter (U+0300 .. U+036F) takes no
 * room. What is too long is cut behind a word and marked with "…" ("." without diacritics).
 */
#ifndef SETTINGS_BOARD_LINES_H
#define SETTINGS_BOARD_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/channel.h"

#define BOARD_LINE_MAX 512 /* bytes of a text with its terminator; what does not fit is cut off */
#define BOARD_WRAP_MAX (BOARD_LINE_MAX + BOARD_LINES_MAX + 1) /* of the same in lines */

/* Copies what fits whole; without diacritics if wanted, control characters as spaces. */
void board_line_clean(const char *from, bool ascii, char out[BOARD_LINE_MAX]);

/* The text in at most `lines` lines (at least 1) of at most `width` characters (at least 1), joined
 * by "\n", broken and cut behind words. Terminated; returns the number of lines. */
size_t board_line_wrap(const char *line, bool ascii, size_t width, size_t lines,
                       char out[BOARD_WRAP_MAX]);

#endif
