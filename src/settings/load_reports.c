/* Delivery reports of an SMS gateway: where they come to, and what its words in them mean. */
#include <string.h>

#include "settings/load.h"

static bool asks_for_reports(const struct channel_settings *channel)
{
    bool asks =
        strstr(channel->url, "{report}") != NULL || strstr(channel->body, "{report}") != NULL;
    for (size_t i = 0; !asks && i < CHANNEL_HEADERS_MAX && channel->headers[i] != NULL; i++) {
        asks = strstr(channel->headers[i], "{report}") != NULL;
    }
    return asks;
}

static const char *const *keep_states(struct loader *loader, const struct config_list *list,
                                      const char *key, size_t *count)
{
    const char **states = arena_alloc(loader->arena, list->count + 1, sizeof *states);
    for (size_t i = 0; states != NULL && i < list->count; i++) {
        const char *state = config_string_at(list, i);
        size_t length = strlen(state);
        if (length == 0 || length > CHANNEL_STATE_MAX) {
            config_complain(config_element(list->node, i),
                            "\"%s\" holds a state of %zu bytes; write 1 to %d of the gateway's own "
                            "word, such as \"2\"",
                            key, length, CHANNEL_STATE_MAX);
        }
        states[i] = arena_text(loader->arena, state);
    }
    *count = states == NULL ? 0 : list->count;
    return states;
}

static void check_states(const struct config_node *group, const struct channel_settings *channel)
{
    for (size_t i = 0; i < channel->report_failed_count; i++) {
        for (size_t j = 0; j < channel->report_done_count; j++) {
            if (strcmp(channel->report_failed[i], channel->report_done[j]) == 0) {
                config_complain_at(group, "report_done",
                                   "state \"%s\" stands in \"report_failed\", too; keep it in one",
                                   channel->report_done[j]);
            }
        }
    }
    if (channel->report_failed_count + channel->report_done_count == 0) {
        config_complain_at(group, "report_base",
                           "\"report_base\" is given, but not what reports say; add "
                           "report_failed = [\"2\", \"16\"]; and report_done = [\"1\"];");
    }
}

/* Without an address for reports nothing else of them means anything. */
static void check_no_reports(const struct config_node *group,
                             const struct channel_settings *channel)
{
    static const char *const others[] = { "report_failed", "report_done", "report_within",
                                          "secret_file" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (config_at(group, others[i]) != group) {
            config_complain_at(group, others[i],
                               "\"%s\" is for delivery reports; add report_base = "
                               "\"http://127.0.0.1:8080\"; or leave it out",
                               others[i]);
        }
    }
    if (asks_for_reports(channel)) {
        config_complain_at(group, "url",
                           "the request holds {report}, but no reports are asked for; add "
                           "report_base = \"http://127.0.0.1:8080\";");
    }
}

/* Reports have their place in the request. */
static void check_reports(const struct config_node *group, const struct channel_settings *channel)
{
    if (!asks_for_reports(channel)) {
        config_complain_at(group, "report_base",
                           "\"report_base\" is given, but the request does not hold {report}; "
                           "write such as &dlr-mask=19&dlr-url={report}%%26state%%3D%%25d");
    }
    check_states(group, channel);
}

/* What follows is added behind it, and gateways fill in what stands behind a '%'. */
static void check_report_base(const struct config_node *group, const char *base)
{
    if (check_url(group, "report_base", base) && strpbrk(base, "?#%{}") != NULL) {
        config_complain_at(group, "report_base",
                           "\"report_base\" is \"%.64s\"; write where the gateway reaches http, "
                           "such as \"http://127.0.0.1:8080\"",
                           base);
    }
}

void load_reports(struct loader *loader, const struct config_node *group,
                  const struct config_list *failed, const struct config_list *done,
                  struct channel_settings *channel)
{
    channel->report_failed =
        keep_states(loader, failed, "report_failed", &channel->report_failed_count);
    channel->report_done = keep_states(loader, done, "report_done", &channel->report_done_count);
    if (channel->url == NULL) {
        return;
    }
    if (!channel_reports(channel)) {
        check_no_reports(group, channel);
    } else {
        check_report_base(group, channel->report_base);
        check_reports(group, channel);
    }
}
