/* The subscribers: their file, and whether anything would ever reach them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "settings/load.h"

struct gathering {
    struct loader *loader;
    const char *path;
    struct subscriber *items;
    size_t count, capacity;
    const char **mistakes;
    size_t mistake_count, mistake_capacity, bad;
};

/* ---- bad lines ---- */

static void add_bad(void *context, int line, const char *what)
{
    struct gathering *gathering = context;
    struct arena *arena = gathering->loader->arena;
    gathering->bad++;
    if (gathering->mistake_count == SUBSCRIBER_BAD_MAX) {
        return;
    }
    const char **mistakes = arena_extend(arena, gathering->mistakes, gathering->mistake_count,
                                         &gathering->mistake_capacity, sizeof *mistakes);
    if (mistakes != NULL) {
        gathering->mistakes = mistakes;
        mistakes[gathering->mistake_count++] =
            arena_print(arena, "%s:%d: %s", gathering->path, line, what);
    }
}

/* ---- whom nothing would reach ---- */

static bool names_channel(const struct settings *settings, const struct rule *rule, const char *id)
{
    for (size_t i = 0; i < rule->channel_count; i++) {
        if (strcmp(settings->channels[rule->channels[i]].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* A rule of this use, that goes to the channel or is judged by an own limit. */
static bool wanted(const struct settings *settings, const struct rule *rule,
                   const struct subscriber *subscriber)
{
    bool used = subscriber->use[0] == '\0' ||
                (rule->use != NULL && strcmp(rule->use, subscriber->use) == 0);
    return used &&
           (!isnan(subscriber->threshold) || names_channel(settings, rule, subscriber->channel));
}

static bool concerns(const struct settings *settings, const struct rule *rule,
                     const struct subscriber *subscriber)
{
    const struct registry *registry = &settings->registry;
    if (subscriber->station != NULL) {
        return rule_concerns(rule, registry_find(registry, phusa_text_of(subscriber->station)));
    }
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->stations[i].site, subscriber->site) == 0 &&
            rule_concerns(rule, &registry->stations[i])) {
            return true;
        }
    }
    return false;
}

bool subscriber_reached(const struct settings *settings, const struct subscriber *subscriber)
{
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        bool own = !isnan(rule->threshold); /* made of somebody's limit, for that one */
        if (!own && wanted(settings, rule, subscriber) && concerns(settings, rule, subscriber)) {
            return true;
        }
    }
    return false;
}

/* ---- taking rows ---- */

static void add_row(void *context, const struct subscriber_row *row)
{
    struct gathering *gathering = context;
    struct loader *loader = gathering->loader;
    struct subscriber subscriber;
    char address[SUBSCRIBER_ADDRESS_MAX + 1];
    struct problem problem = { "" };
    if (!subscriber_make(loader->settings, row, &subscriber, address, &problem)) {
        add_bad(gathering, row->line, problem.text);
    } else if (!subscriber_reached(loader->settings, &subscriber)) {
        add_bad(gathering, row->line,
                "no rule of this use is for this place and names the channel; nothing would ever "
                "be sent");
    } else if (gathering->count == SUBSCRIBERS_MAX) {
        add_bad(gathering, row->line, "more than 100000 subscribers");
    } else {
        struct subscriber *items = arena_extend(loader->arena, gathering->items, gathering->count,
                                                &gathering->capacity, sizeof *items);
        if (items != NULL) {
            subscriber.name = arena_text(loader->arena, subscriber.name);
            subscriber.address = arena_text(loader->arena, address);
            gathering->items = items;
            items[gathering->count++] = subscriber;
        }
    }
}

/* ---- the same wish twice ---- */

static int compare_texts(const char *one, const char *other)
{
    return strcmp(one == NULL ? "" : one, other == NULL ? "" : other);
}

static int compare_wishes(const struct subscriber *a, const struct subscriber *b)
{
    int order = strcmp(a->address, b->address);
    order = order != 0 ? order : strcmp(a->channel, b->channel);
    order = order != 0 ? order : compare_texts(a->station, b->station);
    order = order != 0 ? order : compare_texts(a->site, b->site);
    return order != 0 ? order : strcmp(a->use, b->use);
}

static int compare_subscribers(const void *left, const void *right)
{
    const struct subscriber *const *a = left, *const *b = right;
    int order = compare_wishes(*a, *b);
    return order != 0 ? order : ((*a)->line > (*b)->line) - ((*a)->line < (*b)->line);
}

/* The first of those that are the same stays; whoever wishes twice would hear all twice. */
static void drop_repeated(struct gathering *gathering)
{
    struct subscriber **sorted =
        arena_alloc(gathering->loader->arena, gathering->count, sizeof *sorted);
    if (sorted == NULL || gathering->count == 0) {
        return;
    }
    for (size_t i = 0; i < gathering->count; i++) {
        sorted[i] = &gathering->items[i];
    }
    qsort(sorted, gathering->count, sizeof *sorted, compare_subscribers);
    const struct subscriber *first = sorted[0];
    for (size_t i = 1; i < gathering->count; i++) {
        if (compare_wishes(first, sorted[i]) != 0) {
            first = sorted[i];
            continue;
        }
        char what[96];
        (void)snprintf(what, sizeof what, "the same wish stands in line %d; keep one", first->line);
        add_bad(gathering, sorted[i]->line, what);
        sorted[i]->line = 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < gathering->count; i++) {
        if (gathering->items[i].line != 0) {
            gathering->items[kept++] = gathering->items[i];
        }
    }
    gathering->count = kept;
}

/* ---- the file ---- */

/* Its content, to be freed, or NULL after a complaint; one that is not there is empty. */
static char *read_file(struct loader *loader, const struct config_node *phusa, const char *path,
                       size_t *length)
{
    FILE *file = fopen(path, "rbe");
    *length = 0;
    if (file == NULL && errno == ENOENT) {
        return calloc(1, 1);
    }
    char *text = file == NULL ? NULL : malloc(SUBSCRIBER_FILE_MAX + 1);
    if (file != NULL && text == NULL) {
        loader->arena->failed = true;
    } else if (file != NULL) {
        *length = fread(text, 1, SUBSCRIBER_FILE_MAX + 1, file);
    }
    bool failed = file == NULL || ferror(file) != 0;
    if (failed || *length > SUBSCRIBER_FILE_MAX) {
        config_complain_at(phusa, "subscribers", "\"subscribers\" names %s, which %s%s", path,
                           failed ? "cannot be read: " : "is larger than 64 MB",
                           failed ? strerror(errno) : "");
        free(text);
        text = NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return text;
}

void load_subscribers(struct loader *loader, const struct config_node *phusa, const char *name)
{
    if (name[0] == '\0') {
        return;
    }
    struct gathering gathering = { .loader = loader, .path = source_path(loader, name) };
    size_t length = 0;
    char *text = read_file(loader, phusa, gathering.path, &length);
    const struct subscriber_rows to = { &gathering, add_row, add_bad };
    if (text != NULL && length > 0) {
        (void)subscribers_each_row((struct phusa_text){ text, length }, &to);
    }
    free(text);
    drop_repeated(&gathering);
    load_own_limits(loader, gathering.items, gathering.count, &to);
    loader->settings->subscribers =
        (struct subscribers){ .path = gathering.path,
                              .items = gathering.items,
                              .count = gathering.count,
                              .bad = gathering.bad,
                              .mistakes = gathering.mistakes,
                              .mistake_count = gathering.mistake_count };
}
