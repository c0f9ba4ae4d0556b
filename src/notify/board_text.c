#include "notify/board_text.h"

#include <stdio.h>

#include "base/gsm7.h"

#define ELLIPSIS       "…"
#define ELLIPSIS_ASCII "."

/* --- characters -------------------------------------------------------------------- */

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* A mark on the letter before it: U+0300 .. U+036F. */
static bool is_mark(const char *at)
{
    unsigned char first = (unsigned char)at[0], second = (unsigned char)at[1];
    return first == 0xCC || (first == 0xCD && second < 0xB0);
}

/* The byte behind the first `count` characters and the marks on them. */
static size_t behind(const char *text, size_t count)
{
    size_t at = 0, seen = 0;
    for (; text[at] != '\0'; at++) {
        if (continues(text[at]) || is_mark(text + at)) {
            continue;
        }
        if (seen == count) {
            break;
        }
        seen++;
    }
    return at;
}

/* Where the text of `end` bytes is cut behind a word; `end` when that leaves less than half. */
static size_t behind_word(const char *text, size_t end)
{
    size_t at = end;
    if (text[end] != ' ') {
        while (at > end / 2 && text[at - 1] != ' ') {
            at--;
        }
        at = at > end / 2 ? at : end;
    }
    while (at > 0 && text[at - 1] == ' ') {
        at--;
    }
    return at;
}

/* Copies what fits whole; without diacritics if wanted, control characters as spaces. */
static void copy_clean(const char *from, bool ascii, char out[BOARD_LINE_MAX])
{
    if (ascii) {
        (void)gsm7_fold(phusa_text_of(from), out, BOARD_LINE_MAX);
    } else {
        size_t length = strlen(from);
        if (length >= BOARD_LINE_MAX) {
            for (length = BOARD_LINE_MAX - 1; length > 0 && continues(from[length]);) {
                length--;
            }
        }
        memcpy(out, from, length);
        out[length] = '\0';
    }
    for (size_t i = 0; out[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)out[i];
        out[i] = byte < ' ' || byte == 0x7F ? ' ' : out[i];
    }
}

void board_line_fit(const char *line, bool ascii, size_t width, char out[BOARD_LINE_MAX])
{
    const char *mark = ascii ? ELLIPSIS_ASCII : ELLIPSIS;
    copy_clean(line, ascii, out);
    if (out[behind(out, width)] == '\0') {
        return;
    }
    size_t end = behind_word(out, behind(out, width - 1)), length = strlen(mark);
    end = end + length < BOARD_LINE_MAX ? end : BOARD_LINE_MAX - 1 - length;
    memcpy(out + end, mark, length + 1);
}

/* --- lines ------------------------------------------------------------------------- */

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
        copy_clean(line, text->board->ascii, text->lines[text->active]);
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
    char more[32], line[BOARD_LINE_MAX];
    size_t width = width_of(text->board);
    size_t length = (size_t)snprintf(more, sizeof more, " +%zu", text->active - 1);
    board_line_fit(text->lines[0], text->board->ascii, width > length ? width - length : 1, line);
    return (size_t)snprintf(out, BOARD_TEXT_MAX, "%s%s", line, more);
}

size_t board_text_finish(const struct board_text *text, char out[BOARD_TEXT_MAX])
{
    const struct board_settings *board = text->board;
    size_t lines = lines_of(board), width = width_of(board), used = 0;
    bool full = text->active > lines;
    char line[BOARD_LINE_MAX];
    out[0] = '\0';
    if (text->active == 0) {
        board_line_fit(board->calm, board->ascii, width, line);
        return add_line(out, used, line);
    }
    if (full && lines == 1) {
        return finish_single(text, out);
    }
    size_t shown = full ? lines - 1 : text->active;
    for (size_t i = 0; i < shown; i++) {
        board_line_fit(text->lines[i], board->ascii, width, line);
        used = add_line(out, used, line);
    }
    if (full) {
        (void)snprintf(line, sizeof line, "+%zu", text->active - shown);
        used = add_line(out, used, line);
    }
    return used;
}
