/*
 * The tokens of JSON, one function each: what the pull scanner and the SenML decoder
 * share. Each reads at lexer->at and moves behind what it read; on a mistake it returns false,
 * and status, what and at tell which and where.
 */
#ifndef SHARED_LEXER_H
#define SHARED_LEXER_H

#include "phusa/json.h"

static inline void lexer_init(struct phusa_lexer *lexer, const char *text, size_t length)
{
    if (length == 0) {
        text = ""; /* nothing may be NULL, and NULL takes no arithmetic */
    }
    *lexer = (struct phusa_lexer){ .start = text, .at = text, .end = text + length };
}

/* Notes a mistake at lexer->at. Always false. */
bool lexer_fail(struct phusa_lexer *lexer, enum phusa_status status, const char *what);

/* The next byte cannot stand there: truncated if there is none, else a mistake in syntax. */
bool lexer_unexpected(struct phusa_lexer *lexer, const char *what);

static inline bool lexer_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void lexer_space(struct phusa_lexer *lexer)
{
    while (lexer->at < lexer->end && lexer_is_space(*lexer->at)) {
        lexer->at++;
    }
}

/* Takes c if it comes next. Notes no mistake. */
static inline bool lexer_take(struct phusa_lexer *lexer, char c)
{
    if (lexer->at == lexer->end || *lexer->at != c) {
        return false;
    }
    lexer->at++;
    return true;
}

/* A string, its opening quote being the next byte. */
bool lexer_string(struct phusa_lexer *lexer, struct phusa_text *text, bool *escaped);

bool lexer_number(struct phusa_lexer *lexer, struct phusa_text *text, struct phusa_decimal *number);

/* true, false or null as given. */
bool lexer_word(struct phusa_lexer *lexer, struct phusa_text word);

#endif
