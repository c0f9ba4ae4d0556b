#include "console/requeue.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    OK = 200,
    BAD_REQUEST = 400,
    UNAUTHORIZED = 401,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    UNAVAILABLE = 503
};

#define SCHEME "Bearer "

unsigned requeue_authorize(const char *authorization, const char *token)
{
    if (token == NULL || token[0] == '\0') {
        return FORBIDDEN;
    }
    size_t scheme = sizeof SCHEME - 1;
    if (authorization == NULL || strncasecmp(authorization, SCHEME, scheme) != 0) {
        return UNAUTHORIZED;
    }
    const char *given = authorization + scheme;
    size_t given_length = strlen(given), length = strlen(token);
    unsigned difference = given_length != length;
    for (size_t i = 0; i < given_length; i++) { /* as long as what was given, never the token */
        difference |= (unsigned)((unsigned char)given[i] ^ (unsigned char)token[i % length]);
    }
    return difference == 0 ? OK : UNAUTHORIZED;
}

static int by_position(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static bool any_twice(const uint64_t *ascending, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (ascending[i - 1] == ascending[i]) {
            return true;
        }
    }
    return false;
}

/* Ascending. NULL, or what is wrong. */
static const char *read_positions(const json_t *root, uint64_t *positions, size_t *count)
{
    const json_t *array = json_object_get(root, "positions");
    if (!json_is_array(array)) {
        return "the body is {\"positions\":[P, ...]}";
    }
    *count = json_array_size(array);
    if (*count == 0 || *count > CONSOLE_REQUEUE_MAX) {
        return "1 to 1000 positions in one request";
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *position = json_array_get(array, i);
        if (!json_is_integer(position) || json_integer_value(position) < 1) {
            return "a position is a whole number from 1 on";
        }
        positions[i] = (uint64_t)json_integer_value(position);
    }
    qsort(positions, *count, sizeof *positions, by_position);
    return any_twice(positions, *count) ? "a position stands twice" : NULL;
}

static unsigned ask_source(const struct console_source *source, const uint64_t *positions,
                           size_t positions_count, struct text_buffer *out)
{
    struct problem problem = { "" };
    uint64_t done = 0;
    switch (source->requeue(source->context, positions, positions_count, &done, &problem)) {
    case CONSOLE_REQUEUED:
        text_buffer_add(out, "{\"requeued\":%llu}\n", (unsigned long long)done);
        return OK;
    case CONSOLE_REQUEUE_UNKNOWN:
        text_buffer_add(out, "nothing was put back: %s\n", problem.text);
        return NOT_FOUND;
    case CONSOLE_REQUEUE_FAILED:
        break;
    }
    text_buffer_add(out, "%llu of %zu were put back: %s\n", (unsigned long long)done,
                    positions_count, problem.text);
    return UNAVAILABLE;
}

unsigned requeue_answer(const struct console_source *source, struct phusa_text body,
                        struct text_buffer *out)
{
    uint64_t positions[CONSOLE_REQUEUE_MAX];
    size_t count = 0;
    json_error_t error;
    json_t *root = json_loadb(body.data, body.length, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        text_buffer_add(out, "the body is no JSON: %s\n", error.text);
        return BAD_REQUEST;
    }
    const char *wrong = read_positions(root, positions, &count);
    json_decref(root);
    if (wrong != NULL) {
        text_buffer_add(out, "%s\n", wrong);
        return BAD_REQUEST;
    }
    return ask_source(source, positions, count, out);
}
