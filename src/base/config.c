#include "base/config.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_node.h"
#include "base/config_scan.h"

#define MESSAGE_MAX PROBLEM_TEXT_MAX
#define FIRST_READ  16384 /* bytes; doubled as long as a file fills it */

/*
 * A node is libconfig's setting under another name. The root's hook leads back
 * to the file, so that a node alone is enough to complain about.
 */
struct config {
    config_t tree;
    const struct config_sink *sink;
    char *path;
};

static const config_setting_t *setting_of(const struct config_node *node)
{
    return (const config_setting_t *)(const void *)node;
}

static const struct config_node *node_of(const config_setting_t *setting)
{
    return (const struct config_node *)(const void *)setting;
}

static const struct config *file_of(const struct config_node *node)
{
    return config_root_setting(setting_of(node)->config)->hook;
}

/* ---- opening ---- */

/* Makes room for another read; false when out of memory. */
static bool widen(char **buffer, size_t *capacity)
{
    size_t wanted = *capacity == 0 ? FIRST_READ : *capacity * 2;
    char *wider = realloc(*buffer, wanted + 1);
    if (wider == NULL) {
        return false;
    }
    *buffer = wider;
    *capacity = wanted;
    return true;
}

/* The bytes of a file, terminated and to be freed; NULL with errno (EFBIG: too large). */
static char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return NULL;
    }
    char *buffer = NULL;
    size_t capacity = 0, used = 0;
    int failed = 0;
    while (failed == 0 && used == capacity) {
        failed = used > CONFIG_FILE_MAX ? EFBIG : widen(&buffer, &capacity) ? 0 : ENOMEM;
        errno = 0;
        used += failed == 0 ? fread(buffer + used, 1, capacity - used, file) : 0;
        failed = ferror(file) ? errno : failed;
    }
    (void)fclose(file);
    if (failed == 0 && used > CONFIG_FILE_MAX) {
        failed = EFBIG;
    }
    if (failed != 0) {
        free(buffer);
        errno = failed;
        return NULL;
    }
    buffer[used] = '\0';
    *length = used;
    return buffer;
}

static void report(const struct config *config, int line, const char *text)
{
    config->sink->report(config->sink->context, config->path, line, text);
}

static void report_scanned(void *context, int line, const char *text)
{
    report(context, line, text);
}

/* The words libconfig has, said so that one knows what to write. */
static void report_parse_error(const struct config *config, const char *text)
{
    int line = config_error_line(&config->tree);
    const char *why = config_error_text(&config->tree);
    char message[MESSAGE_MAX], found[64];
    if (strcmp(why, "mismatched element type in array") == 0) {
        (void)snprintf(message, sizeof message,
                       "a list in [ ] may not mix whole and fractional numbers or other types; "
                       "write [0.0, 14.0] instead of [0, 14.0], or use ( )");
    } else if (strcmp(why, "duplicate setting name") == 0) {
        (void)snprintf(message, sizeof message,
                       "a key is given twice in one group near '%s'; keep one of them",
                       config_scan_line(text, line, found, sizeof found));
    } else {
        (void)snprintf(message, sizeof message,
                       "%s at or just before '%s'; the rest of this file was not read", why,
                       config_scan_line(text, line, found, sizeof found));
    }
    report(config, line, message);
}

static enum config_status parse(struct config *config, const char *text, size_t length)
{
    if (!config_scan(text, length, report_scanned, config)) {
        return CONFIG_SYNTAX;
    }
    if (config_read_string(&config->tree, text) != CONFIG_TRUE) {
        report_parse_error(config, text);
        return CONFIG_SYNTAX;
    }
    config_setting_set_hook(config_root_setting(&config->tree), config);
    return CONFIG_OK;
}

static struct config *create(const char *path, const struct config_sink *sink)
{
    struct config *config = calloc(1, sizeof *config);
    char *copy = strdup(path);
    if (config == NULL || copy == NULL) {
        free(config);
        free(copy);
        return NULL;
    }
    config_init(&config->tree);
    config->sink = sink;
    config->path = copy;
    return config;
}

static enum config_status why_unreadable(struct problem *problem)
{
    if (errno == ENOMEM) {
        return CONFIG_NO_MEMORY;
    }
    if (errno == EFBIG) {
        problem_set(problem, "is larger than %ld MiB", CONFIG_FILE_MAX / (1024L * 1024));
    } else {
        problem_set(problem, "cannot be read: %s", strerror(errno));
    }
    return CONFIG_UNREADABLE;
}

enum config_status config_open(const char *path, const struct config_sink *sink,
                               struct config **config, struct problem *problem)
{
    *config = NULL;
    size_t length = 0;
    char *text = read_whole(path, &length);
    if (text == NULL) {
        return why_unreadable(problem);
    }
    struct config *opened = create(path, sink);
    enum config_status status = opened == NULL ? CONFIG_NO_MEMORY : parse(opened, text, length);
    free(text);
    if (status == CONFIG_OK) {
        *config = opened;
    } else {
        config_close(opened);
    }
    return status;
}

void config_close(struct config *config)
{
    if (config == NULL) {
        return;
    }
    config_destroy(&config->tree);
    free(config->path);
    free(config);
}

/* ---- nodes ---- */

const struct config_node *config_root(const struct config *config)
{
    return node_of(config_root_setting(&config->tree));
}

const struct config_sink *config_sink_of(const struct config_node *node)
{
    return file_of(node)->sink;
}

const char *config_file(const struct config_node *node)
{
    return file_of(node)->path;
}

int config_line(const struct config_node *node)
{
    int line = (int)config_setting_source_line(setting_of(node));
    return line > 0 ? line : 1; /* the root has none */
}

enum config_kind config_kind(const struct config_node *node)
{
    switch (config_setting_type(setting_of(node))) {
    case CONFIG_TYPE_GROUP:
        return CONFIG_KIND_GROUP;
    case CONFIG_TYPE_STRING:
        return CONFIG_KIND_STRING;
    case CONFIG_TYPE_BOOL:
        return CONFIG_KIND_BOOL;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return CONFIG_KIND_INTEGER;
    case CONFIG_TYPE_FLOAT:
        return CONFIG_KIND_FLOAT;
    default:
        return CONFIG_KIND_LIST;
    }
}

bool config_is_group(const struct config_node *node)
{
    return config_kind(node) == CONFIG_KIND_GROUP;
}

bool config_is_list(const struct config_node *node)
{
    return config_kind(node) == CONFIG_KIND_LIST;
}

bool config_bool(const struct config_node *node)
{
    return config_setting_get_bool(setting_of(node)) == CONFIG_TRUE;
}

int64_t config_integer(const struct config_node *node)
{
    return config_setting_get_int64(setting_of(node));
}

double config_number(const struct config_node *node)
{
    return config_kind(node) == CONFIG_KIND_FLOAT ? config_setting_get_float(setting_of(node))
                                                  : (double)config_integer(node);
}

const char *config_string(const struct config_node *node)
{
    return config_setting_get_string(setting_of(node));
}

const char *config_name(const struct config_node *node)
{
    return config_setting_name(setting_of(node));
}

size_t config_count(const struct config_node *node)
{
    return (size_t)config_setting_length(setting_of(node));
}

const struct config_node *config_element(const struct config_node *node, size_t place)
{
    return node_of(config_setting_get_elem(setting_of(node), (unsigned)place));
}

const struct config_node *config_member(const struct config_node *group, const char *name)
{
    return node_of(config_setting_get_member(setting_of(group), name));
}

const struct config_node *config_at(const struct config_node *group, const char *key)
{
    const struct config_node *node = config_member(group, key);
    return node != NULL ? node : group;
}

/* ---- complaints ---- */

static void complain(const struct config_node *node, const char *format, va_list arguments)
{
    char text[MESSAGE_MAX];
    (void)vsnprintf(text, sizeof text, format, arguments);
    report(file_of(node), config_line(node), text);
}

void config_complain(const struct config_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(node, format, arguments);
    va_end(arguments);
}

void config_complain_at(const struct config_node *group, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    complain(config_at(group, key), format, arguments);
    va_end(arguments);
}
