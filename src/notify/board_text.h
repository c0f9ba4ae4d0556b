/*
 * What an LED board or a loudspeaker shows: lines of plain text, joined by "\n". Pure.
 *
 * The gravest alarms first. Each has a line; lines that are left over go to the first that need
 * more than one. A text too long for its lines is cut (settings/board_lines.h). When there are more
 * alarms than lines, the last line says how many more: "+3"; on a board of one line that stands
 * behind its alarm. Without an alarm there is the calm text.
 */
#ifndef NOTIFY_BOARD_TEXT_H
#define NOTIFY_BOARD_TEXT_H

#include "notify/delivery.h"
#include "settings/board_lines.h"

#define BOARD_TEXT_MAX ((size_t)BOARD_LINES_MAX * BOARD_WRAP_MAX)

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

#endif
