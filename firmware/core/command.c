#include "command.h"

struct reader {
    const char *at, *end;
};

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r')) {
        reader->at++;
    }
}

static bool take(struct reader *reader, char wanted)
{
    skip_space(reader);
    if (reader->at < reader->end && *reader->at == wanted) {
        reader->at++;
        return true;
    }
    return false;
}

/* A string; *plain says that it holds nothing that would need an escape. */
static bool take_string(struct reader *reader, struct phusa_text *text, bool *plain)
{
    if (!take(reader, '"')) {
        return false;
    }
    const char *begin = reader->at;
    *plain = true;
    for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at < 0x20 || *reader->at > 0x7e || *reader->at == '\\') {
            *plain = false;
            reader->at += *reader->at == '\\' && reader->end - reader->at > 1;
        }
    }
    *text = (struct phusa_text){ begin, (size_t)(reader->at - begin) };
    return take(reader, '"');
}

/* Passes over any value; nesting is counted, not followed. */
static bool skip_value(struct reader *reader)
{
    struct phusa_text text;
    bool plain;
    size_t depth = 0;
    for (skip_space(reader); reader->at < reader->end; skip_space(reader)) {
        char here = *reader->at;
        if (depth == 0 && (here == ',' || here == '}')) {
            return true;
        }
        if (here == '"') {
            if (!take_string(reader, &text, &plain)) {
                return false;
            }
            continue;
        }
        depth += here == '[' || here == '{';
        depth -= here == ']' || here == '}';
        reader->at++;
    }
    return false;
}

static bool take_member(struct reader *reader, struct command *command)
{
    struct phusa_text key, value = { NULL, 0 };
    bool plain;
    if (!take_string(reader, &key, &plain) || !take(reader, ':')) {
        return false;
    }
    bool is_id = phusa_text_equal(key, PHUSA_TEXT("id"));
    bool is_action = phusa_text_equal(key, PHUSA_TEXT("do"));
    if (!is_id && !is_action) {
        return skip_value(reader);
    }
    if (!take_string(reader, &value, &plain) || !plain || value.length > COMMAND_ID_MAX) {
        return false;
    }
    *(is_id ? &command->id : &command->action) = value;
    return true;
}

bool command_parse(struct phusa_text json, struct command *command)
{
    struct reader reader = { json.data, json.data + json.length };
    *command = (struct command){ 0 };
    if (json.length > COMMAND_BYTES_MAX || !take(&reader, '{')) {
        return false;
    }
    do {
        if (!take_member(&reader, command)) {
            return false;
        }
    } while (take(&reader, ','));
    bool closed = take(&reader, '}');
    skip_space(&reader);
    return closed && reader.at == reader.end && command->id.data != NULL &&
           command->action.data != NULL;
}

static size_t append(char *buffer, size_t at, struct phusa_text text)
{
    memcpy(buffer + at, text.data, text.length);
    return at + text.length;
}

size_t command_answer(const struct command *command, const char *error,
                      char buffer[COMMAND_RSP_MAX])
{
    size_t at = append(buffer, 0, PHUSA_TEXT("{\"id\":\""));
    at = append(buffer, at, command->id);
    if (error == NULL) {
        return append(buffer, at, PHUSA_TEXT("\",\"ok\":true}"));
    }
    at = append(buffer, at, PHUSA_TEXT("\",\"ok\":false,\"error\":\""));
    at = append(buffer, at, phusa_text_of(error));
    return append(buffer, at, PHUSA_TEXT("\"}"));
}
