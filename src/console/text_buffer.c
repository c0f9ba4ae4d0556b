#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/console.h"

#define FIRST_CAPACITY 16384

void text_buffer_free(struct text_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct text_buffer){ 0 };
}

/* Room for `more` bytes and a terminator. */
static bool reserve(struct text_buffer *buffer, size_t more)
{
    size_t wanted = buffer->used + more + 1;
    if (buffer->failed || more >= TEXT_BUFFER_MAX || wanted > TEXT_BUFFER_MAX) {
        buffer->failed = true;
        return false;
    }
    if (wanted <= buffer->capacity) {
        return true;
    }
    size_t capacity = buffer->capacity == 0 ? FIRST_CAPACITY : buffer->capacity;
    while (capacity < wanted) {
        capacity *= 2;
    }
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static void add_bytes(struct text_buffer *buffer, const char *bytes, size_t length)
{
    if (reserve(buffer, length)) {
        memcpy(buffer->data + buffer->used, bytes, length);
        buffer->used += length;
        buffer->data[buffer->used] = '\0';
    }
}

void text_buffer_add_text(struct text_buffer *buffer, const char *text)
{
    add_bytes(buffer, text, strlen(text));
}

void text_buffer_add(struct text_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(buffer, (size_t)length)) {
        buffer->failed = true;
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(buffer->data + buffer->used, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->used += (size_t)length;
}

static const char *entity_of(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void text_buffer_add_html(struct text_buffer *buffer, const char *text)
{
    while (*text != '\0') {
        size_t plain = strcspn(text, "&<>\"'");
        add_bytes(buffer, text, plain);
        text += plain;
        if (*text != '\0') {
            text_buffer_add_text(buffer, entity_of(*text++));
        }
    }
}
