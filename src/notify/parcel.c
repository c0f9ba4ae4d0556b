/* The texts of a parcel: of its letter, or of many together. Pure. */
#include <stdio.h>
#include <string.h>

#include "notify/letter.h"

#define HEADING_MAX 96
#define TAIL_MAX    (HEADING_MAX + LETTER_TEXT_MAX)

static const struct digest_words {
    const char *alarms, *changes, *and, *more, *gravest, *over;
} words_of[] = {
    [LANGUAGE_VI] = { "cảnh báo", "thay đổi cảnh báo", "… và", "tin khác", "cao nhất",
                      "hết cảnh báo" },
    [LANGUAGE_EN] = { "alarms", "changes of alarms", "… and", "more", "gravest", "all clear" },
};

/* What is written; what does not fit is left out whole. */
struct page {
    char *out;
    size_t used, capacity; /* with room for the terminator */
};

static bool put(struct page *page, const char *text, size_t reserve)
{
    size_t length = strlen(text);
    if (page->used + length + reserve >= page->capacity) {
        return false;
    }
    memcpy(page->out + page->used, text, length + 1);
    page->used += length;
    return true;
}

/* Cut at a character. */
static size_t copy_cut(const char *text, char *out, size_t capacity)
{
    size_t length = strnlen(text, capacity);
    if (capacity == 0) {
        return 0;
    }
    if (length == capacity) {
        length = capacity - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return length;
}

static size_t count_normal(const struct parcel *parcel)
{
    size_t normal = 0;
    for (size_t i = 0; i < parcel->count; i++) {
        normal += parcel->letters[i].to == SEVERITY_NORMAL;
    }
    return normal;
}

/* "30 cảnh báo", or with some that are normal again "30 thay đổi cảnh báo". */
static void print_heading(const struct parcel *parcel, char heading[HEADING_MAX])
{
    const struct digest_words *words = &words_of[parcel->language];
    (void)snprintf(heading, HEADING_MAX, "%zu %s", parcel->count + parcel->more,
                   count_normal(parcel) > 0 ? words->changes : words->alarms);
}

/* How to stop receiving it; "" when that need not be said. */
static const char *stop_of(const struct parcel *parcel)
{
    return parcel->subscriber ? parcel->letters[0].stop.in[parcel->language] : "";
}

/* What ends a digest: how many were left out, and how to stop receiving it. */
static void print_tail(const struct parcel *parcel, size_t left_out, char tail[TAIL_MAX])
{
    const struct digest_words *words = &words_of[parcel->language];
    const char *stop = stop_of(parcel);
    char more[HEADING_MAX] = "";
    if (left_out > 0) {
        (void)snprintf(more, sizeof more, "%s %zu %s\n", words->and, left_out, words->more);
    }
    (void)snprintf(tail, TAIL_MAX, "%s%s%s", more, stop, stop[0] != '\0' ? "\n" : "");
}

static size_t digest_text(const struct parcel *parcel, char *out, size_t capacity)
{
    struct page page = { out, 0, capacity };
    char heading[HEADING_MAX], tail[TAIL_MAX], line[LETTER_LINE_MAX + 2];
    print_heading(parcel, heading);
    if (capacity > 0) {
        out[0] = '\0';
    }
    (void)(put(&page, heading, 2) && put(&page, ":\n", 0));
    print_tail(parcel, parcel->count + parcel->more, tail); /* at its longest */
    size_t reserve = strlen(tail), shown = 0;
    for (bool fits = true; fits && shown < parcel->count; shown += fits) {
        (void)snprintf(line, sizeof line, "%s\n", parcel->letters[shown].line.in[parcel->language]);
        fits = put(&page, line, reserve);
    }
    print_tail(parcel, parcel->count + parcel->more - shown, tail);
    (void)put(&page, tail, 0);
    return page.used;
}

size_t parcel_text(const struct parcel *parcel, bool brief, char *out, size_t capacity)
{
    if (parcel->count + parcel->more > 1) {
        return digest_text(parcel, out, capacity);
    }
    const struct letter *letter = parcel->letters;
    const struct letter_text *texts[2][2] = { { &letter->text, &letter->text_stop },
                                              { &letter->brief, &letter->brief_stop } };
    return copy_cut(texts[brief][parcel->subscriber]->in[parcel->language], out, capacity);
}

size_t letter_headline(const struct letter *letter, enum language language, char *out,
                       size_t capacity)
{
    char text[HEADLINE_MAX];
    if (letter->to == SEVERITY_NORMAL) {
        (void)snprintf(text, sizeof text, "%s: %s – %s",
                       language == LANGUAGE_VI ? "Hết cảnh báo" : "All clear",
                       letter->hazard.in[language], letter->station_name);
    } else {
        (void)snprintf(text, sizeof text, "%s – %s: %s", letter->hazard.in[language],
                       letter->station_name, letter->severity_name.in[language]);
    }
    return copy_cut(text, out, capacity);
}

size_t parcel_subject(const struct parcel *parcel, char *out, size_t capacity)
{
    enum language language = parcel->language;
    const struct letter *gravest = parcel->letters;
    char text[2 * HEADING_MAX], heading[HEADING_MAX];
    for (size_t i = 1; i < parcel->count; i++) {
        if (parcel->letters[i].to > gravest->to) {
            gravest = &parcel->letters[i];
        }
    }
    if (parcel->count + parcel->more == 1) {
        return letter_headline(gravest, language, out, capacity);
    }
    print_heading(parcel, heading);
    if (gravest->to == SEVERITY_NORMAL) {
        (void)snprintf(text, sizeof text, "%s: %s", heading, words_of[language].over);
    } else {
        (void)snprintf(text, sizeof text, "%s, %s: %s", heading, words_of[language].gravest,
                       gravest->severity_name.in[language]);
    }
    return copy_cut(text, out, capacity);
}
