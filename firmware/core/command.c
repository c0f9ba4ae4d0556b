#include "command.h"

#include <stddef.h>

#include "phusa/json.h"

enum kind { ID, TEXT, WHOLE, NUMBER, FLAG, OBJECT, ARRAY };

static const struct {
    const char *name;
    uint8_t kind; /* enum kind */
    uint8_t has;
    uint16_t place;
} members[] = {
    { "id", ID, 0, offsetof(struct command, id) },
    { "do", ID, 0, offsetof(struct command, action) },
    { "parameter", TEXT, 0, offsetof(struct command, parameter) },
    { "step", TEXT, 0, offsetof(struct command, step) },
    { "operator", TEXT, 0, offsetof(struct command, operator_name) },
    { "settings", OBJECT, 0, offsetof(struct command, settings) },
    { "coefficients", ARRAY, 0, offsetof(struct command, coefficients) },
    { "on", FLAG, COMMAND_HAS_ON, offsetof(struct command, on) },
    { "from", WHOLE, COMMAND_HAS_FROM, offsetof(struct command, from) },
    { "to", WHOLE, COMMAND_HAS_TO, offsetof(struct command, to) },
    { "minutes", WHOLE, COMMAND_HAS_MINUTES, offsetof(struct command, minutes) },
    { "seconds", WHOLE, COMMAND_HAS_SECONDS, offsetof(struct command, seconds) },
    { "trial_s", WHOLE, COMMAND_HAS_TRIAL, offsetof(struct command, trial_s) },
    { "reference", NUMBER, COMMAND_HAS_REFERENCE, offsetof(struct command, reference) },
};
#define MEMBERS (sizeof members / sizeof members[0])

static bool is_plain(struct phusa_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.length <= COMMAND_ID_MAX;
}

/* The text of a whole object or array whose first token was taken. */
static bool take_span(struct phusa_json *json, enum phusa_json_token token, struct phusa_text *span)
{
    const char *start = json->lexer.at - 1;
    if (!phusa_json_skip(json, token)) {
        return false;
    }
    *span = (struct phusa_text){ start, (size_t)(json->lexer.at - start) };
    return true;
}

/* An id has no escapes; of the other texts one may have some. */
static bool take_text(const struct phusa_json *json, enum phusa_json_token token, enum kind kind,
                      struct command *command, struct phusa_text *text)
{
    if (token != PHUSA_JSON_STRING) {
        return false;
    }
    *text = json->text;
    if (kind == ID) {
        bool plain = !json->escaped && is_plain(json->text);
        *text = plain ? json->text : (struct phusa_text){ NULL, 0 };
        return plain;
    }
    if (!json->escaped) {
        return true;
    }
    *text = (struct phusa_text){ command->meant, 0 };
    if (command->meant_length > 0 ||
        !phusa_json_unescape(json->text, command->meant, sizeof command->meant, &text->length)) {
        return false;
    }
    command->meant_length = text->length;
    return true;
}

static bool take_value(struct phusa_json *json, size_t member, struct command *command)
{
    void *place = (char *)command + members[member].place;
    enum phusa_json_token token = phusa_json_next(json);
    command->has |= members[member].has;
    switch (members[member].kind) {
    case ID:
    case TEXT:
        return take_text(json, token, members[member].kind, command, place);
    case OBJECT:
        return token == PHUSA_JSON_OBJECT && take_span(json, token, place);
    case ARRAY:
        return token == PHUSA_JSON_ARRAY && take_span(json, token, place);
    case WHOLE:
        return token == PHUSA_JSON_NUMBER && phusa_decimal_to_uint(&json->number, place);
    case NUMBER:
        return token == PHUSA_JSON_NUMBER &&
               phusa_double_parse(json->text.data, json->text.length, place);
    case FLAG:
        *(bool *)place = token == PHUSA_JSON_TRUE;
        return token == PHUSA_JSON_TRUE || token == PHUSA_JSON_FALSE;
    }
    return false;
}

static bool take_member(struct phusa_json *json, struct command *command)
{
    struct phusa_text name = json->text;
    for (size_t i = 0; i < MEMBERS; i++) {
        if (phusa_text_equal(name, phusa_text_of(members[i].name))) {
            return take_value(json, i, command);
        }
    }
    return phusa_json_skip(json, PHUSA_JSON_KEY);
}

bool command_parse(struct phusa_text json, struct command *command)
{
    struct phusa_json scanner;
    *command = (struct command){ 0 };
    phusa_json_init(&scanner, json);
    if (phusa_json_next(&scanner) != PHUSA_JSON_OBJECT) {
        return false;
    }
    enum phusa_json_token token;
    while ((token = phusa_json_next(&scanner)) == PHUSA_JSON_KEY) {
        if (!take_member(&scanner, command)) {
            return false;
        }
    }
    return token == PHUSA_JSON_OBJECT_END && phusa_json_next(&scanner) == PHUSA_JSON_END &&
           json.length <= COMMAND_BYTES_MAX && command->id.length > 0 &&
           command->action.data != NULL;
}

size_t command_numbers(struct phusa_text array, double *numbers, size_t most)
{
    struct phusa_json scanner;
    size_t count = 0;
    phusa_json_init(&scanner, array);
    if (phusa_json_next(&scanner) != PHUSA_JSON_ARRAY) {
        return 0;
    }
    enum phusa_json_token token;
    while ((token = phusa_json_next(&scanner)) == PHUSA_JSON_NUMBER) {
        if (count == most ||
            !phusa_double_parse(scanner.text.data, scanner.text.length, &numbers[count])) {
            return 0;
        }
        count++;
    }
    return token == PHUSA_JSON_ARRAY_END && phusa_json_next(&scanner) == PHUSA_JSON_END ? count : 0;
}
