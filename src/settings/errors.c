#include <stdlib.h>
#include <string.h>

#include "settings/mistakes.h"

void mistakes_add(struct mistakes *mistakes, const char *file, int line, const char *text)
{
    if (mistakes_full(mistakes)) {
        mistakes->dropped++;
        return;
    }
    struct mistake *mistake = &mistakes->items[mistakes->count];
    if (asprintf(&mistake->text, "%s:%d: %s", file, line, text) < 0) {
        mistake->text = NULL;
        mistakes->no_memory = true;
        return;
    }
    mistake->file_length = strlen(file);
    mistake->line = line;
    mistake->order = mistakes->count++;
}

bool mistakes_full(const struct mistakes *mistakes)
{
    return mistakes->count == SETTINGS_ERRORS_MAX;
}

static bool is_file(const struct mistake *mistake, const char *file)
{
    return strlen(file) == mistake->file_length &&
           memcmp(mistake->text, file, mistake->file_length) == 0;
}

static int compare_names(const struct mistake *a, const struct mistake *b)
{
    size_t shorter = a->file_length < b->file_length ? a->file_length : b->file_length;
    int order = memcmp(a->text, b->text, shorter);
    return order != 0 ? order
                      : (a->file_length > b->file_length) - (a->file_length < b->file_length);
}

static int compare(const void *left, const void *right, void *first_file)
{
    const struct mistake *a = left, *b = right;
    int order = is_file(b, first_file) - is_file(a, first_file);
    order = order != 0 ? order : compare_names(a, b);
    order = order != 0 ? order : (a->line > b->line) - (a->line < b->line);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

void mistakes_hand_over(struct mistakes *mistakes, struct settings_errors *errors)
{
    qsort_r(mistakes->items, mistakes->count, sizeof *mistakes->items, compare,
            (void *)(uintptr_t)mistakes->first_file);
    settings_errors_clear(errors);
    for (size_t i = 0; i < mistakes->count; i++) {
        errors->items[i].text = mistakes->items[i].text;
    }
    errors->count = mistakes->count;
    errors->dropped = mistakes->dropped;
    mistakes->count = 0;
}

void settings_errors_print(const struct settings_errors *errors, FILE *out)
{
    for (size_t i = 0; i < errors->count; i++) {
        (void)fprintf(out, "%s\n", errors->items[i].text);
    }
    if (errors->dropped > 0) {
        (void)fprintf(out, "and %zu more\n", errors->dropped);
    }
}

void settings_warnings_print(const struct settings_warnings *warnings, FILE *out)
{
    for (size_t i = 0; i < warnings->count; i++) {
        (void)fprintf(out, "%s\n", warnings->items[i]);
    }
    if (warnings->dropped > 0) {
        (void)fprintf(out, "and %zu more warnings\n", warnings->dropped);
    }
}

void settings_errors_clear(struct settings_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->items[i].text);
        errors->items[i].text = NULL;
    }
    errors->count = 0;
    errors->dropped = 0;
}
