#include "settings/board_lines.h"

#include <stdio.h>
#include <string.h>

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

void board_line_clean(const char *from, bool ascii, char out[BOARD_LINE_MAX])
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

/* What is left of a text too long for a line of that width: cut behind a word, and marked. */
static void cut_line(char *text, bool ascii, size_t width)
{
    const char *mark = ascii ? ELLIPSIS_ASCII : ELLIPSIS;
    size_t end = behind_word(text, behind(text, width - 1)), length = strlen(mark);
    end = end + length < BOARD_LINE_MAX ? end : BOARD_LINE_MAX - 1 - length;
    memcpy(text + end, mark, length + 1);
}

size_t board_line_wrap(const char *line, bool ascii, size_t width, size_t lines,
                       char out[BOARD_WRAP_MAX])
{
    char clean[BOARD_LINE_MAX];
    char *at = clean;
    size_t used = 0, count = 1;
    board_line_clean(line, ascii, clean);
    for (; count < lines && at[behind(at, width)] != '\0'; count++) {
        size_t length = behind_word(at, behind(at, width));
        used += (size_t)snprintf(out + used, BOARD_WRAP_MAX - used, "%.*s\n", (int)length, at);
        at += length;
        at += strspn(at, " ");
    }
    if (at[behind(at, width)] != '\0') {
        cut_line(at, ascii, width);
    }
    (void)snprintf(out + used, BOARD_WRAP_MAX - used, "%s", at);
    return count;
}
