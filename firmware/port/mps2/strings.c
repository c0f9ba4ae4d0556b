/*
 * The C library's own go by words and are up to ten times as large; here they are given a few
 * bytes, and seldom.
 */
#include <stdint.h>
#include <string.h>

/*
 * The compiler may make calls of them when all is linked, long after it looked for one; and must
 * not see in one of them a reason to call itself.
 */
#define LIBRARY __attribute__((used, optimize("no-tree-loop-distribute-patterns")))

LIBRARY size_t strlen(const char *text)
{
    const char *at = text;
    while (*at != '\0') {
        at++;
    }
    return (size_t)(at - text);
}

LIBRARY int strcmp(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

LIBRARY int memcmp(const void *a, const void *b, size_t length)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < length; i++) {
        if (left[i] != right[i]) {
            return left[i] - right[i];
        }
    }
    return 0;
}

LIBRARY void *memchr(const void *bytes, int wanted, size_t length)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        if (at[i] == (unsigned char)wanted) {
            return (void *)(uintptr_t)&at[i];
        }
    }
    return NULL;
}

LIBRARY void *memset(void *bytes, int value, size_t length)
{
    unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++) {
        at[i] = (unsigned char)value;
    }
    return bytes;
}

LIBRARY void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    for (size_t i = 0; i < length; i++) {
        target[i] = source[i];
    }
    return to;
}

LIBRARY void *memmove(void *to, const void *from, size_t length)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    if (target <= source) {
        for (size_t i = 0; i < length; i++) {
            target[i] = source[i];
        }
    } else {
        for (size_t i = length; i > 0; i--) {
            target[i - 1] = source[i - 1];
        }
    }
    return to;
}
