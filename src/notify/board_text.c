#include "notify/board_text.h"

#include <stdio.h>
#include <string.h>

void board_text_begin(struct board_text *text, const struct board_settings *board)
{
    text->board = board;
    text->active = 0;
}

bool board_concerns(const struct board_settings *board, const struct letter *letter)
{
    if (strcmp(board->site, letter->site) != 0) {
        return false;
    }
    for (size_t i = 0; i < board->station_count; i++) {
        if (strcmp(board->stations[i], letter->station) == 0) {
            return true;
        }
    }
    return board->station_count == 0;
}

static size_t between(int64_t number, size_t most)
{
    return number < 1 ? 1 : (uint64_t)number > most ? most : (size_t)number;
}

static size_t lines_of(const struct board_settings *board)
{
    return between(board->lines, BOARD_LINES_MAX);
}

static size_t width_of(const struct board_settings *board)
{
    return between(board->width, BOARD_WIDTH_MAX);
}

void board_text_add(struct board_text *text, const char *line)
{
    if (text->active < lines_of(text->board)) {
        board_line_clean(line, text->board->ascii, text->lines[text->active]);
    }
    text->active++;
}

static size_t add_line(char *out, size_t used, const char *line)
{
    int length = snprintf(out + used, BOARD_TEXT_MAX - used, "%s%s", used == 0 ? "" : "\n", line);
    return used + (size_t)length;
}

/* The alarm and "+3" behind it, in one line. */
static size_t finish_single(const struct board_text *text, char out[BOARD_TEXT_MAX])
{
    char more[32], line[BOARD_WRAP_MAX];
    size_t width = width_of(text->board);
    size_t length = (size_t)snprintf(more, sizeof more, " +%zu", text->active - 1);
    (void)board_line_wrap(text->lines[0], text->board->ascii, width > length ? width - length : 1,
                          1, line);
    return (size_t)snprintf(out, BOARD_TEXT_MAX, "%s%s", line, more);
}

size_t board_text_finish(const struct board_text *text, char out[BOARD_TEXT_MAX])
{
    const struct board_settings *board = text->board;
    size_t lines = lines_of(board), width = width_of(board), used = 0;
    bool full = text->active > lines;
    char line[BOARD_WRAP_MAX];
    out[0] = '\0';
    if (text->active == 0) {
        (void)board_line_wrap(board->calm, board->ascii, width, 1, line);
        return add_line(out, used, line);
    }
    if (full && lines == 1) {
        return finish_single(text, out);
    }
    size_t shown = full ? lines - 1 : text->active, left = full ? shown : lines;
    for (size_t i = 0; i < shown; i++) {
        size_t behind = shown - 1 - i; /* alarms that want a line each */
        left -= board_line_wrap(text->lines[i], board->ascii, width, left - behind, line);
        used = add_line(out, used, line);
    }
    if (full) {
        (void)snprintf(line, sizeof line, "+%zu", text->active - shown);
        used = add_line(out, used, line);
    }
    return used;
}
