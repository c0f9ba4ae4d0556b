/*
 * What an LED board or a loudspeaker shows: lines of plain text, joined by "\n". Pure.
 *
 * The gravest alarms first, a line each. A line too long is cut behind a word and marked with
 * "…" ("." without diacritics). When there are more alarms than lines, the last line says how many
 * more: "+3"; on a board of one line that stands behind its alarm. Without an alarm there is the
 * calm text. Width counts characters, not bytes; a mark that follows its letter (U+0300 ..
 * U+036F) takes no room.
 */
#ifndef NOTIFY_BOARD_TEXT_H
#define NOTIFY_BOARD_TEXT_H

#include "notify/delivery.h"

#define BOARD_LINE_MAX 512 /* bytes of a line with its terminator; what does not fit is cut off */
#define BOARD_TEXT_MAX ((size_t)BOARD_LINES_MAX * BOARD_LINE_MAX)

/* Alarms as they come, the gravest first. */
struct board_text {
    const struct board_settings *board;
    size_t active; /* alarms; the lines of the first ones are kept */
    char lines[BOARD_LINES_MAX][BOARD_LINE_MAX];
};

/* The board must outlive it. */
void board_text_begin(struct board_text *text, const struct board_settings *board);

/* True if the letter's station is one of the board's. */
bool board_concerns(const struct board_settings *board, const struct letter *letter);

void board_text_add(struct board_text *text, const char *line);

/* What the board shows; terminated, returns the length. */
size_t board_text_finish(const struct board_text *text, char out[BOARD_TEXT_MAX]);

/* One line in at most `width` characters (at least 1), cut as said above. Terminated. */
void board_line_fit(const char *line, bool ascii, size_t width, char out[BOARD_LINE_MAX]);

#endif
