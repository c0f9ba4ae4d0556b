/* Reads a group by its table of keys (config.h). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_node.h"

#define KNOWN_MAX 256 /* bytes of a list of known words in a message */

/* A scalar of any type; which member counts is told by the key's type. */
struct value {
    const char *string;
    double number;
    int64_t integer;
    bool boolean;
};

struct type_words {
    const char *wanted;  /* "write ..." */
    const char *example; /* in the file's syntax */
};

static const struct type_words type_words[] = {
    [CONFIG_STRING] = { "a string", "\"text\"" },
    [CONFIG_BOOL] = { "true or false", "true" },
    [CONFIG_INTEGER] = { "a whole number", "1" },
    [CONFIG_NUMBER] = { "a number", "1.5" },
    [CONFIG_DURATION] = { "a string of a whole number and ms, s, m, h or d", "\"5m\"" },
    [CONFIG_SIZE] = { "a string of a whole number and K, M, G or T", "\"64M\"" },
    [CONFIG_OFFSET] = { "a string of sign, hours and minutes", "\"+07:00\"" },
    [CONFIG_CHOICE] = { "a string", "\"text\"" },
    [CONFIG_LIMIT] = { "a number, or two in a list", "4.0 or (6.5, 8.5)" },
    [CONFIG_STRINGS] = { "a list of strings", "[\"a\", \"b\"]" },
    [CONFIG_INTEGERS] = { "a list of whole numbers", "[1, 2]" },
    [CONFIG_GROUPS] = { "a list of groups", "( { key = \"value\"; } )" },
    [CONFIG_GROUP] = { "a group", "{ key = \"value\"; }" },
    [CONFIG_ANY] = { "a value", "\"text\"" },
    [CONFIG_LATER] = { "nothing", "" },
};

static const char *kind_name(enum config_kind kind)
{
    static const char *const names[] = {
        [CONFIG_KIND_GROUP] = "a group",    [CONFIG_KIND_LIST] = "a list",
        [CONFIG_KIND_STRING] = "a string",  [CONFIG_KIND_BOOL] = "true or false",
        [CONFIG_KIND_INTEGER] = "a number", [CONFIG_KIND_FLOAT] = "a number with a fraction",
    };
    return names[kind];
}

/* What would be right, with its unit of quotes: the key's example, its default, or one by type. */
static const char *example_of(const struct config_key *key, char *buffer, size_t capacity)
{
    bool quoted = key->type == CONFIG_STRING || key->type == CONFIG_DURATION ||
                  key->type == CONFIG_SIZE || key->type == CONFIG_OFFSET ||
                  key->type == CONFIG_CHOICE;
    const char *text = key->example;
    if (text == NULL && key->fallback != NULL && key->fallback[0] != '\0') {
        text = key->fallback;
    }
    if (text == NULL && key->choices != NULL) {
        text = key->choices[0];
    }
    if (text == NULL) {
        return type_words[key->type].example;
    }
    (void)snprintf(buffer, capacity, quoted ? "\"%s\"" : "%s", text);
    return buffer;
}

static bool complain_type(const struct config_node *node, const struct config_key *key)
{
    char example[KNOWN_MAX];
    const char *wanted = type_words[key->type].wanted, *found = kind_name(config_kind(node));
    if (key->type == CONFIG_BOOL) {
        config_complain(node, "\"%s\" is %s; write %s", key->name, found, wanted);
    } else {
        config_complain(node, "\"%s\" is %s; write %s such as %s", key->name, found, wanted,
                        example_of(key, example, sizeof example));
    }
    return false;
}

/* ---- texts to values ---- */

static bool choose(const char *const *choices, const char *text, int64_t *index)
{
    for (int64_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* A text of the file's syntax, as it stands in a table or in a string; false if it is not of the
 * type. */
static bool value_of_text(const struct config_key *key, const char *text, struct value *value)
{
    int32_t seconds = 0;
    bool good;
    switch (key->type) {
    case CONFIG_STRING:
        value->string = text;
        return true;
    case CONFIG_BOOL:
        value->boolean = strcmp(text, "true") == 0;
        return true;
    case CONFIG_INTEGER:
        value->integer = strtoll(text, NULL, 10);
        return true;
    case CONFIG_NUMBER:
        value->number = strtod(text, NULL);
        return true;
    case CONFIG_DURATION:
        return config_parse_duration(text, &value->integer);
    case CONFIG_SIZE:
        return config_parse_size(text, &value->integer);
    case CONFIG_OFFSET:
        good = config_parse_offset(text, &seconds);
        value->integer = seconds;
        return good;
    case CONFIG_CHOICE:
        return choose(key->choices, text, &value->integer);
    default:
        return false;
    }
}

static const char *list_choices(const char *const *choices, char *buffer, size_t capacity)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && used < capacity; i++) {
        const char *joint = i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ";
        int written = snprintf(buffer + used, capacity - used, "%s\"%s\"", joint, choices[i]);
        used += written > 0 ? (size_t)written : 0;
    }
    return buffer;
}

static bool complain_text(const struct config_node *node, const struct config_key *key)
{
    char known[KNOWN_MAX], hint[CONFIG_STRING_MAX / 8], example[KNOWN_MAX];
    const char *text = config_string(node);
    if (key->type == CONFIG_CHOICE) {
        struct config_nearest nearest = { .word = text };
        for (size_t i = 0; key->choices[i] != NULL; i++) {
            config_nearest_offer(&nearest, key->choices[i]);
        }
        config_complain(node, "\"%s\" is \"%.64s\"; write %s%s", key->name, text,
                        list_choices(key->choices, known, sizeof known),
                        config_nearest_hint(&nearest, hint, sizeof hint));
    } else {
        config_complain(node, "\"%s\" is \"%.64s\"; write %s such as %s", key->name, text,
                        type_words[key->type].wanted, example_of(key, example, sizeof example));
    }
    return false;
}

/* ---- strings ---- */

/* Bytes of the UTF-8 character at text (RFC 3629), 0 if it is none. */
static size_t character_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
    return overlong || beyond ? 0 : length;
}

bool config_is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t length = 1; *at != '\0' && length > 0; at += length) {
        length = character_length(at);
    }
    return *at == '\0';
}

bool config_check_line(const struct config_node *node, const char *name)
{
    const unsigned char *at = (const unsigned char *)config_string(node);
    while (*at != '\0') {
        size_t length = character_length(at);
        if (length == 0) {
            config_complain(node, "\"%s\" is not UTF-8; save the file as UTF-8", name);
            return false;
        }
        if (*at < 0x20 || *at == 0x7f) {
            config_complain(node, "\"%s\" holds a line break or control character; write one line",
                            name);
            return false;
        }
        at += length;
    }
    return true;
}

/* ---- limits ---- */

/* -1 below least, +1 above most, 0 within. */
static int compare_limits(const struct config_key *key, const struct value *value)
{
    struct value least = { 0 }, most = { 0 };
    bool has_least = key->least != NULL && value_of_text(key, key->least, &least);
    bool has_most = key->most != NULL && value_of_text(key, key->most, &most);
    if (key->type == CONFIG_NUMBER) {
        return has_least && value->number < least.number ? -1
               : has_most && value->number > most.number ? 1
                                                         : 0;
    }
    return has_least && value->integer < least.integer ? -1
           : has_most && value->integer > most.integer ? 1
                                                       : 0;
}

/* The value as it stands in the file. */
static const char *print_node(const struct config_node *node, char *buffer, size_t capacity)
{
    switch (config_kind(node)) {
    case CONFIG_KIND_STRING:
        (void)snprintf(buffer, capacity, "\"%.64s\"", config_string(node));
        break;
    case CONFIG_KIND_INTEGER:
        (void)snprintf(buffer, capacity, "%lld", (long long)config_integer(node));
        break;
    default:
        (void)snprintf(buffer, capacity, "%g", config_number(node));
        break;
    }
    return buffer;
}

static bool check_limits(const struct config_node *node, const struct config_key *key,
                         const struct value *value)
{
    if (compare_limits(key, value) == 0) {
        return true;
    }
    char found[80];
    print_node(node, found, sizeof found);
    if (key->least != NULL && key->most != NULL) {
        config_complain(node, "\"%s\" is %s; it must lie between %s and %s", key->name, found,
                        key->least, key->most);
    } else if (key->least != NULL) {
        config_complain(node, "\"%s\" is %s; it must be at least %s", key->name, found, key->least);
    } else {
        config_complain(node, "\"%s\" is %s; it must be at most %s", key->name, found, key->most);
    }
    return false;
}

/* Of bytes or elements. */
static bool check_count(const struct config_node *node, const struct config_key *key, size_t count,
                        const char *of_what, size_t default_most)
{
    size_t least = key->least == NULL ? 0 : (size_t)strtoul(key->least, NULL, 10);
    size_t most = key->most == NULL ? default_most : (size_t)strtoul(key->most, NULL, 10);
    if (count < least) {
        config_complain(node, "\"%s\" has %zu %s; at least %zu %s needed", key->name, count,
                        of_what, least, least == 1 ? "is" : "are");
    } else if (count > most) {
        config_complain(node, "\"%s\" has %zu %s; at most %zu are allowed", key->name, count,
                        of_what, most);
    }
    return least <= count && count <= most;
}

/* ---- scalars ---- */

static bool scalar_value(const struct config_node *node, const struct config_key *key,
                         struct value *value)
{
    enum config_kind kind = config_kind(node);
    switch (key->type) {
    case CONFIG_BOOL:
        value->boolean = kind == CONFIG_KIND_BOOL && config_bool(node);
        return kind == CONFIG_KIND_BOOL || complain_type(node, key);
    case CONFIG_INTEGER:
        if (kind != CONFIG_KIND_INTEGER) {
            return complain_type(node, key);
        }
        value->integer = config_integer(node);
        return check_limits(node, key, value);
    case CONFIG_NUMBER:
        if (kind != CONFIG_KIND_INTEGER && kind != CONFIG_KIND_FLOAT) {
            return complain_type(node, key);
        }
        value->number = config_number(node);
        return check_limits(node, key, value);
    default:
        break;
    }
    if (kind != CONFIG_KIND_STRING) {
        return complain_type(node, key);
    }
    if (!config_check_line(node, key->name)) {
        return false;
    }
    if (!value_of_text(key, config_string(node), value)) {
        return complain_text(node, key);
    }
    return key->type == CONFIG_STRING
               ? check_count(node, key, strlen(value->string), "bytes", CONFIG_STRING_MAX)
               : check_limits(node, key, value);
}

static void store_scalar(const struct config_sink *sink, const struct config_key *key,
                         const struct value *value, void *target)
{
    void *place = (char *)target + key->offset;
    switch (key->type) {
    case CONFIG_STRING:
        *(const char **)place = sink->keep(sink->context, value->string);
        break;
    case CONFIG_BOOL:
        *(bool *)place = value->boolean;
        break;
    case CONFIG_NUMBER:
        *(double *)place = value->number;
        break;
    case CONFIG_OFFSET:
        *(int32_t *)place = (int32_t)value->integer;
        break;
    case CONFIG_CHOICE:
        *(unsigned *)place = (unsigned)value->integer;
        break;
    default:
        *(int64_t *)place = value->integer;
        break;
    }
}

void config_read_fallbacks(const struct config_sink *sink, const struct config_schema *schema,
                           void *target)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        struct value value = { 0 };
        if (key->fallback != NULL && value_of_text(key, key->fallback, &value)) {
            store_scalar(sink, key, &value, target);
        }
    }
}

static bool read_scalar(const struct config_node *node, const struct config_key *key, void *target)
{
    struct value value = { 0 };
    bool good = scalar_value(node, key, &value);
    if (good) {
        store_scalar(config_sink_of(node), key, &value, target);
    }
    return good;
}

/* ---- lists ---- */

static bool element_fits(const struct config_node *element, const struct config_key *key)
{
    static const enum config_kind wanted[] = {
        [CONFIG_STRINGS] = CONFIG_KIND_STRING,
        [CONFIG_INTEGERS] = CONFIG_KIND_INTEGER,
        [CONFIG_GROUPS] = CONFIG_KIND_GROUP,
    };
    enum config_kind kind = config_kind(element);
    if (kind != wanted[key->type]) {
        config_complain(element, "\"%s\" holds %s; write %s such as %s", key->name, kind_name(kind),
                        type_words[key->type].wanted,
                        key->example != NULL ? key->example : type_words[key->type].example);
        return false;
    }
    return kind != CONFIG_KIND_STRING || config_check_line(element, key->name);
}

static bool read_list(const struct config_node *node, const struct config_key *key, void *target)
{
    if (config_kind(node) != CONFIG_KIND_LIST) {
        return complain_type(node, key);
    }
    size_t count = config_count(node);
    bool good = check_count(node, key, count, "elements", CONFIG_LIST_MAX);
    for (size_t i = 0; good && i < count; i++) {
        good = element_fits(config_element(node, i), key);
    }
    if (good) {
        *(struct config_list *)(void *)((char *)target + key->offset) =
            (struct config_list){ node, count };
    }
    return good;
}

static bool is_number(const struct config_node *node)
{
    enum config_kind kind = config_kind(node);
    return kind == CONFIG_KIND_INTEGER || kind == CONFIG_KIND_FLOAT;
}

static bool read_limit(const struct config_node *node, const struct config_key *key, void *target)
{
    struct config_limit *limit = (void *)((char *)target + key->offset);
    if (is_number(node)) {
        *limit = (struct config_limit){ 1, { config_number(node), 0 } };
        return true;
    }
    bool pair = config_kind(node) == CONFIG_KIND_LIST && config_count(node) == 2 &&
                is_number(config_element(node, 0)) && is_number(config_element(node, 1));
    if (!pair) {
        return complain_type(node, key);
    }
    *limit = (struct config_limit){
        2, { config_number(config_element(node, 0)), config_number(config_element(node, 1)) }
    };
    return true;
}

/* ---- groups ---- */

static bool read_node(const struct config_node *node, const struct config_key *key, void *target)
{
    if (key->type == CONFIG_GROUP && !config_is_group(node)) {
        return complain_type(node, key);
    }
    *(const struct config_node **)(void *)((char *)target + key->offset) = node;
    return true;
}

static bool read_key(const struct config_node *node, const struct config_key *key, void *target)
{
    switch (key->type) {
    case CONFIG_LATER:
        config_complain(node, "%s", key->note);
        return false;
    case CONFIG_LIMIT:
        return read_limit(node, key, target);
    case CONFIG_STRINGS:
    case CONFIG_INTEGERS:
    case CONFIG_GROUPS:
        return read_list(node, key, target);
    case CONFIG_GROUP:
    case CONFIG_ANY:
        return read_node(node, key, target);
    default:
        return read_scalar(node, key, target);
    }
}

static const struct config_key *find_key(const struct config_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->keys[i].name, name) == 0) {
            return &schema->keys[i];
        }
    }
    return NULL;
}

static const char *list_keys(const struct config_schema *schema, char *buffer, size_t capacity)
{
    size_t used = (size_t)snprintf(buffer, capacity, "; a %s has ", schema->title);
    for (size_t i = 0; i < schema->count && used < capacity; i++) {
        if (schema->keys[i].type != CONFIG_LATER) {
            int written = snprintf(buffer + used, capacity - used, "%s%s", i == 0 ? "" : ", ",
                                   schema->keys[i].name);
            used += written > 0 ? (size_t)written : 0;
        }
    }
    return buffer;
}

static bool complain_unknown(const struct config_node *node, const struct config_schema *schema)
{
    char known[KNOWN_MAX], hint[KNOWN_MAX];
    struct config_nearest nearest = { .word = config_name(node) };
    for (size_t i = 0; i < schema->count; i++) {
        config_nearest_offer(&nearest, schema->keys[i].name);
    }
    config_complain(node, "unknown key \"%.64s\"%s", config_name(node),
                    nearest.best != NULL ? config_nearest_hint(&nearest, hint, sizeof hint)
                                         : list_keys(schema, known, sizeof known));
    return false;
}

static bool complain_missing(const struct config_node *group, const struct config_schema *schema,
                             const struct config_key *key)
{
    char example[KNOWN_MAX];
    bool composite = key->type == CONFIG_GROUP || key->type == CONFIG_GROUPS;
    config_complain(group, "missing key \"%s\" in %s; write %s %s %s;", key->name, schema->title,
                    key->name, composite ? ":" : "=", example_of(key, example, sizeof example));
    return false;
}

bool config_read_group(const struct config_node *group, const struct config_schema *schema,
                       void *target)
{
    bool good = true;
    config_read_fallbacks(config_sink_of(group), schema, target);
    for (size_t i = 0; i < schema->count; i++) {
        const struct config_key *key = &schema->keys[i];
        if (key->required && config_member(group, key->name) == NULL) {
            good = complain_missing(group, schema, key);
        }
    }
    size_t count = config_count(group);
    for (size_t i = 0; i < count; i++) {
        const struct config_node *node = config_element(group, i);
        const struct config_key *key = find_key(schema, config_name(node));
        bool one = key != NULL ? read_key(node, key, target) : complain_unknown(node, schema);
        good = good && one;
    }
    return good;
}

const char *config_string_at(const struct config_list *list, size_t place)
{
    return config_string(config_element(list->node, place));
}

int64_t config_integer_at(const struct config_list *list, size_t place)
{
    return config_integer(config_element(list->node, place));
}
