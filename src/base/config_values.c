/* Durations, sizes, offsets and near misses: texts only, no file. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"

#define WORD_MAX 64 /* longer words are not compared */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    { "ms", INT64_C(1000000) },           { "s", INT64_C(1000000000) },
    { "m", INT64_C(60) * 1000000000 },    { "h", INT64_C(3600) * 1000000000 },
    { "d", INT64_C(86400) * 1000000000 },
};

static const struct unit size_units[] = {
    { "", 1 },
    { "K", INT64_C(1) << 10 },
    { "M", INT64_C(1) << 20 },
    { "G", INT64_C(1) << 30 },
    { "T", INT64_C(1) << 40 },
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The digits at the start of text; NULL if there are none or too many. */
static const char *parse_digits(const char *text, int64_t *value)
{
    int64_t sum = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, *at - '0', &sum)) {
            return NULL;
        }
    }
    *value = sum;
    return at == text ? NULL : at;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t count,
                            int64_t *value)
{
    int64_t number = 0;
    const char *rest = parse_digits(text, &number);
    for (size_t i = 0; rest != NULL && i < count; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            return !__builtin_mul_overflow(number, units[i].factor, value);
        }
    }
    return false;
}

bool config_parse_duration(const char *text, int64_t *ns)
{
    return parse_with_unit(text, duration_units, COUNT(duration_units), ns);
}

bool config_parse_size(const char *text, int64_t *bytes)
{
    return parse_with_unit(text, size_units, COUNT(size_units), bytes);
}

bool config_parse_offset(const char *text, int32_t *seconds)
{
    static const char form[] = "s00:00";
    if (strlen(text) != sizeof form - 1 || (text[0] != '+' && text[0] != '-') || text[3] != ':') {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if (form[at - text] == '0' && !isdigit((unsigned char)*at)) {
            return false;
        }
    }
    int hours = (text[1] - '0') * 10 + text[2] - '0',
        minutes = (text[4] - '0') * 10 + text[5] - '0';
    if (hours > 23 || minutes > 59) {
        return false;
    }
    *seconds = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* ---- near misses ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; both <= WORD_MAX.
 */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_length; j++) {
        last[j] = j;
        before[j] = 0;
    }
    for (size_t i = 1; i <= a_length; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_length];
}

/* How many mistakes a word may hold and still be taken for another. */
static size_t tolerance(size_t length)
{
    return length < 3 ? 1 : length < 7 ? 2 : 3;
}

void config_nearest_offer(struct config_nearest *nearest, const char *candidate)
{
    size_t length = strlen(nearest->word), other = strlen(candidate);
    size_t difference = length > other ? length - other : other - length;
    if (length > WORD_MAX || other > WORD_MAX || difference > tolerance(length)) {
        return;
    }
    size_t distance = edit_distance(nearest->word, length, candidate, other);
    bool near = distance <= tolerance(length) && distance < other;
    if (near && (nearest->best == NULL || distance < nearest->distance)) {
        nearest->best = candidate;
        nearest->distance = distance;
    }
}

const char *config_nearest_hint(const struct config_nearest *nearest, char *buffer, size_t capacity)
{
    if (nearest->best == NULL) {
        buffer[0] = '\0';
    } else {
        (void)snprintf(buffer, capacity, "; did you mean \"%s\"?", nearest->best);
    }
    return buffer;
}
