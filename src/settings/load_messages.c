/* Templates of messages. Texts may be one string for both languages or a group of vi and en. */
#include <stdlib.h>
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

/* ---- keys ---- */

static const char *const categories[] = { "Geo",   "Met",    "Safety", "Security",  "Rescue",
                                          "Fire",  "Health", "Env",    "Transport", "Infra",
                                          "CBRNE", "Other",  NULL };
static const char *const urgencies[] = {
    "Immediate", "Expected", "Future", "Past", "Unknown", NULL
};
static const char *const certainties[] = { "Observed", "Likely",  "Possible",
                                           "Unlikely", "Unknown", NULL };

struct words_read {
    const char *vi, *en;
};

static const struct config_key words_keys[] = {
    { "vi", CONFIG_STRING, offsetof(struct words_read, vi), .fallback = "", .most = "500",
      .example = "Xâm nhập mặn" },
    { "en", CONFIG_STRING, offsetof(struct words_read, en), .fallback = "", .most = "500",
      .example = "Salt intrusion" },
};
const struct config_schema schema_words = SCHEMA("text of a template", words_keys);

struct actions_read {
    const struct config_node *of[SEVERITY_EXTREME + 1];
};

#define AT(severity) offsetof(struct actions_read, of[severity])
static const struct config_key actions_keys[] = {
    { "normal", CONFIG_ANY, AT(SEVERITY_NORMAL), .example = "\"Có thể lấy nước.\"" },
    { "minor", CONFIG_ANY, AT(SEVERITY_MINOR), .example = "\"Hạn chế lấy nước.\"" },
    { "moderate", CONFIG_ANY, AT(SEVERITY_MODERATE), .example = "\"Không lấy nước.\"" },
    { "severe", CONFIG_ANY, AT(SEVERITY_SEVERE), .example = "\"Đóng cống.\"" },
    { "extreme", CONFIG_ANY, AT(SEVERITY_EXTREME), .example = "\"Đóng cống.\"" },
};
#undef AT
const struct config_schema schema_actions = SCHEMA("actions", actions_keys);

struct template_read {
    const char *id;
    const struct config_node *hazard, *raised, *cleared, *brief_raised, *brief_cleared, *line,
        *actions;
    unsigned category, urgency, certainty;
};

#define AT(member) offsetof(struct template_read, member)
static const struct config_key template_keys[] = {
    { "id", CONFIG_STRING, AT(id), .required = true, .example = "salinity-durian" },
    { "hazard", CONFIG_ANY, AT(hazard), .example = "\"Xâm nhập mặn\"" },
    { "raised", CONFIG_ANY, AT(raised), .example = "\"{station}: {value} {unit}\"" },
    { "cleared", CONFIG_ANY, AT(cleared), .example = "\"{station}: {value} {unit}\"" },
    { "brief_raised", CONFIG_ANY, AT(brief_raised), .example = "\"{station}: {value} {unit}\"" },
    { "brief_cleared", CONFIG_ANY, AT(brief_cleared), .example = "\"{station}: {value} {unit}\"" },
    { "line", CONFIG_ANY, AT(line), .example = "\"{station}: {value} {unit}\"" },
    { "actions", CONFIG_GROUP, AT(actions), .example = "{ severe = \"Đóng cống.\"; }" },
    { "category", CONFIG_CHOICE, AT(category), .fallback = "Env", .choices = categories },
    { "urgency", CONFIG_CHOICE, AT(urgency), .fallback = "Expected", .choices = urgencies },
    { "certainty", CONFIG_CHOICE, AT(certainty), .fallback = "Observed", .choices = certainties },
};
#undef AT
const struct config_schema schema_template = SCHEMA("template", template_keys);

struct file_read {
    struct config_list messages;
};

static const struct config_key file_keys[] = {
    { "messages", CONFIG_GROUPS, offsetof(struct file_read, messages), .required = true,
      .example = "( { id = \"salinity\"; } )" },
};
const struct config_schema schema_messages_file = SCHEMA("messages file", file_keys);

struct gathering {
    struct message_template *templates;
    size_t count, capacity;
};

/* ---- texts ---- */

static void complain_length(const struct config_node *node, const char *name, const char *text)
{
    if (strlen(text) > TEMPLATE_TEXT_MAX) {
        config_complain(node, "\"%s\" has %zu bytes; at most %d are allowed", name, strlen(text),
                        TEMPLATE_TEXT_MAX);
    }
}

/* Both languages of a text; without one it is empty. */
static struct words_read read_words(struct loader *loader, const struct config_node *node,
                                    const char *name)
{
    struct words_read read = { "", "" };
    if (node == NULL) {
        return read;
    }
    if (config_is_group(node)) {
        (void)config_read_group(node, &schema_words, &read);
    } else if (config_string(node) == NULL) {
        config_complain(node, "\"%s\" wants a string, or { vi = \"...\"; en = \"...\"; }", name);
    } else if (config_check_line(node, name)) {
        complain_length(node, name, config_string(node));
        read.vi = read.en = arena_text(loader->arena, config_string(node));
    }
    return read;
}

static void complain_field(const struct config_node *node, struct phusa_text bad)
{
    char word[48], hint[96];
    size_t inside = bad.length > 1 && bad.data[bad.length - 1] == '}' ? bad.length - 2 : 0;
    if (inside == 0) {
        config_complain(node,
                        "\"%.*s\" begins a field that does not end; a brace is written \"{{\"",
                        bad.length > 40 ? 40 : (int)bad.length, bad.data);
        return;
    }
    inside = inside < sizeof word ? inside : sizeof word - 1;
    memcpy(word, bad.data + 1, inside);
    word[inside] = '\0';
    struct config_nearest nearest = { .word = word };
    for (int i = 0; i < TEMPLATE_FIELDS; i++) {
        config_nearest_offer(&nearest, template_field_name((enum template_field)i));
    }
    config_nearest_hint(&nearest, hint, sizeof hint);
    config_complain(node, "unknown field {%s}%s", word,
                    hint[0] == '\0' ? "; phusa.cfg(5) lists them" : hint);
}

static const struct config_node *language_node(const struct config_node *node, int language)
{
    return config_is_group(node) ? config_at(node, language == LANGUAGE_VI ? "vi" : "en") : node;
}

static struct template_text read_text(struct loader *loader, const struct config_node *node,
                                      const char *name)
{
    struct words_read words = read_words(loader, node, name);
    struct template_text text = { { words.vi, words.en } };
    for (int i = 0; node != NULL && i < LANGUAGES; i++) {
        struct phusa_text bad;
        if (!template_check(text.in[i], &bad)) {
            complain_field(language_node(node, i), bad);
            break;
        }
    }
    return text;
}

/* A text without fields. */
static struct template_text read_plain(struct loader *loader, const struct config_node *node,
                                       const char *name)
{
    struct words_read words = read_words(loader, node, name);
    struct template_text text = { { words.vi, words.en } };
    for (int i = 0; node != NULL && i < LANGUAGES; i++) {
        if (strchr(text.in[i], '{') != NULL) {
            config_complain(language_node(node, i),
                            "\"%s\" holds a brace; it is plain text, fields belong into raised, "
                            "cleared, brief_raised, brief_cleared and line",
                            name);
            break;
        }
    }
    return text;
}

/* ---- one template ---- */

static void read_actions(struct loader *loader, const struct config_node *group,
                         struct message_template *template)
{
    struct actions_read read = { { NULL } };
    if (group != NULL) {
        (void)config_read_group(group, &schema_actions, &read);
    }
    for (int i = 0; i <= (int)SEVERITY_EXTREME; i++) {
        template->actions[i] = read_plain(loader, read.of[i], severity_name((enum severity)i));
    }
}

static struct message_template *add_template(struct loader *loader, struct gathering *gathering,
                                             const struct config_node *node)
{
    if (gathering->count == TEMPLATES_MAX) {
        config_complain(node, "more than %d templates", TEMPLATES_MAX);
        return NULL;
    }
    struct message_template *templates =
        arena_extend(loader->arena, gathering->templates, gathering->count, &gathering->capacity,
                     sizeof *templates);
    if (templates == NULL) {
        return NULL;
    }
    gathering->templates = templates;
    return &templates[gathering->count++];
}

static void read_template(struct loader *loader, struct gathering *gathering,
                          const struct config_node *node)
{
    struct template_read read = { .id = NULL };
    (void)config_read_group(node, &schema_template, &read);
    struct message_template *template = add_template(loader, gathering, node);
    if (template == NULL) {
        return;
    }
    *template = (struct message_template){
        .id = read.id != NULL && check_id(node, "id", read.id) ? read.id : "",
        .hazard = read_plain(loader, read.hazard, "hazard"),
        .raised = read_text(loader, read.raised, "raised"),
        .cleared = read_text(loader, read.cleared, "cleared"),
        .brief_raised = read_text(loader, read.brief_raised, "brief_raised"),
        .brief_cleared = read_text(loader, read.brief_cleared, "brief_cleared"),
        .line = read_text(loader, read.line, "line"),
        .category = categories[read.category],
        .urgency = urgencies[read.urgency],
        .certainty = certainties[read.certainty],
        .file = loader->open_file,
        .line_number = config_line(node),
    };
    read_actions(loader, read.actions, template);
}

static void read_messages_file(struct loader *loader, void *context, const struct config_node *root)
{
    struct file_read read = { .messages = { NULL, 0 } };
    (void)config_read_group(root, &schema_messages_file, &read);
    for (size_t i = 0; i < read.messages.count; i++) {
        read_template(loader, context, config_element(read.messages.node, i));
    }
}

/* ---- all ---- */

static int compare_templates(const void *left, const void *right)
{
    const struct message_template *a = left, *b = right;
    int order = strcmp(a->id, b->id);
    order = order != 0 ? order : strcmp(a->file, b->file);
    return order != 0 ? order
                      : (a->line_number > b->line_number) - (a->line_number < b->line_number);
}

static void check_unique(struct loader *loader, const struct gathering *gathering)
{
    for (size_t i = 1; i < gathering->count; i++) {
        const struct message_template *first = &gathering->templates[i - 1], *second = first + 1;
        if (second->id[0] != '\0' && strcmp(first->id, second->id) == 0) {
            loader_complain(loader, second->file, second->line_number,
                            "template \"%s\" is already defined at %s:%d; give each its own id",
                            second->id, first->file, first->line_number);
        }
    }
}

void load_messages(struct loader *loader, const struct config_node *phusa, const char *name)
{
    struct gathering gathering = { 0 };
    if (name[0] == '\0') {
        return;
    }
    (void)source_each(loader, phusa, "messages", name, read_messages_file, &gathering);
    if (gathering.count > 0) {
        qsort(gathering.templates, gathering.count, sizeof *gathering.templates, compare_templates);
    }
    check_unique(loader, &gathering);
    loader->settings->templates = (struct template_book){ gathering.templates, gathering.count };
}
