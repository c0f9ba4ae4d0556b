/*
 * The pull scanner. Its state is what may come next; the kinds of the open levels are
 * bits, so that the depth costs an eighth of a byte a level and no stack.
 */
#include "phusa/json.h"

#include "shared/lexer.h"

enum state {
    WANT_VALUE = 0, /* the one value, a key's value, or an element after a comma */
    WANT_FIRST,     /* after [: an element or ] */
    WANT_FIRST_KEY, /* after {: a key or } */
    WANT_MORE,      /* after a value: a comma or the end of the level */
    WANT_NOTHING    /* only white space and the end of the text */
};

void phusa_json_init(struct phusa_json *json, struct phusa_text text)
{
    json->text = (struct phusa_text){ 0 };
    json->escaped = false;
    json->number = (struct phusa_decimal){ 0 };
    json->depth = 0;
    json->state = WANT_VALUE;
    lexer_init(&json->lexer, text.data, text.length);
}

static enum phusa_json_token fail(struct phusa_json *json, const char *what)
{
    lexer_unexpected(&json->lexer, what);
    return PHUSA_JSON_ERROR;
}

static enum phusa_json_token done(struct phusa_json *json, bool right, enum phusa_json_token token)
{
    json->state = json->depth == 0 ? WANT_NOTHING : WANT_MORE;
    return right ? token : PHUSA_JSON_ERROR;
}

static bool in_object(const struct phusa_json *json)
{
    size_t level = json->depth - 1;

    return (json->objects[level / 64] >> level % 64 & 1) != 0;
}

static enum phusa_json_token open_level(struct phusa_json *json, bool object)
{
    size_t level = json->depth;
    uint64_t bit = (uint64_t)1 << level % 64;

    if (level == PHUSA_JSON_DEPTH_MAX) {
        return fail(json, "nested deeper than 512 levels");
    }
    if (object) {
        json->objects[level / 64] |= bit;
    } else {
        json->objects[level / 64] &= ~bit;
    }
    json->depth++;
    json->lexer.at++;
    json->state = object ? WANT_FIRST_KEY : WANT_FIRST;
    return object ? PHUSA_JSON_OBJECT : PHUSA_JSON_ARRAY;
}

static enum phusa_json_token close_level(struct phusa_json *json)
{
    bool object = in_object(json);

    if (!lexer_take(&json->lexer, object ? '}' : ']')) {
        return fail(json,
                    object ? "a comma or } was expected here" : "a comma or ] was expected here");
    }
    json->depth--;
    return done(json, true, object ? PHUSA_JSON_OBJECT_END : PHUSA_JSON_ARRAY_END);
}

static enum phusa_json_token read_key(struct phusa_json *json)
{
    struct phusa_lexer *lexer = &json->lexer;

    if (lexer->at == lexer->end || *lexer->at != '"') {
        return fail(json, "a key in quotes was expected here");
    }
    if (!lexer_string(lexer, &json->text, &json->escaped)) {
        return PHUSA_JSON_ERROR;
    }
    lexer_space(lexer);
    if (!lexer_take(lexer, ':')) {
        return fail(json, "a colon was expected here");
    }
    json->state = WANT_VALUE;
    return PHUSA_JSON_KEY;
}

static enum phusa_json_token read_value(struct phusa_json *json)
{
    struct phusa_lexer *lexer = &json->lexer;

    switch (lexer->at == lexer->end ? '\0' : *lexer->at) {
    case '{':
        return open_level(json, true);
    case '[':
        return open_level(json, false);
    case '"':
        return done(json, lexer_string(lexer, &json->text, &json->escaped), PHUSA_JSON_STRING);
    case 't':
        return done(json, lexer_word(lexer, PHUSA_TEXT("true")), PHUSA_JSON_TRUE);
    case 'f':
        return done(json, lexer_word(lexer, PHUSA_TEXT("false")), PHUSA_JSON_FALSE);
    case 'n':
        return done(json, lexer_word(lexer, PHUSA_TEXT("null")), PHUSA_JSON_NULL);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return done(json, lexer_number(lexer, &json->text, &json->number), PHUSA_JSON_NUMBER);
    default:
        return fail(json, "a value was expected here");
    }
}

static enum phusa_json_token read_more(struct phusa_json *json)
{
    if (!lexer_take(&json->lexer, ',')) {
        return close_level(json);
    }
    lexer_space(&json->lexer);
    return in_object(json) ? read_key(json) : read_value(json);
}

static enum phusa_json_token read_end(struct phusa_json *json)
{
    if (json->lexer.at < json->lexer.end) {
        return fail(json, "something follows the value");
    }
    return PHUSA_JSON_END;
}

static bool next_is(const struct phusa_lexer *lexer, char c)
{
    return lexer->at < lexer->end && *lexer->at == c;
}

enum phusa_json_token phusa_json_next(struct phusa_json *json)
{
    struct phusa_lexer *lexer = &json->lexer;

    if (lexer->status != PHUSA_OK) {
        return PHUSA_JSON_ERROR;
    }
    lexer_space(lexer);
    switch ((enum state)json->state) {
    case WANT_FIRST:
        return next_is(lexer, ']') ? close_level(json) : read_value(json);
    case WANT_FIRST_KEY:
        return next_is(lexer, '}') ? close_level(json) : read_key(json);
    case WANT_MORE:
        return read_more(json);
    case WANT_NOTHING:
        return read_end(json);
    case WANT_VALUE:
        break;
    }
    return read_value(json);
}

bool phusa_json_skip(struct phusa_json *json, enum phusa_json_token token)
{
    if (token == PHUSA_JSON_KEY) {
        token = phusa_json_next(json);
    }
    if (token != PHUSA_JSON_OBJECT && token != PHUSA_JSON_ARRAY) {
        return token != PHUSA_JSON_ERROR;
    }

    size_t outside = json->depth - 1;

    while (json->depth > outside) { /* every token consumes a byte at least */
        if (phusa_json_next(json) == PHUSA_JSON_ERROR) {
            return false;
        }
    }
    return true;
}
