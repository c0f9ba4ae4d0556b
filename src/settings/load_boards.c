/* LED boards and loudspeakers: what a channel of kind "board" writes to. */
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

struct board_read {
    struct board_settings kept;
    struct config_list stations;
};

#define AT(member) offsetof(struct board_read, member)
static const struct config_key board_keys[] = {
    { "id", CONFIG_STRING, AT(kept.id), .required = true, .example = "gate" },
    { "site", CONFIG_STRING, AT(kept.site), .required = true, .example = "my-tho" },
    { "stations", CONFIG_STRINGS, AT(stations), .least = "1", .most = "64",
      .example = "[\"my-tho-1\"]" },
    { "width", CONFIG_INTEGER, AT(kept.width), .fallback = "32", .least = "8", .most = "64" },
    { "lines", CONFIG_INTEGER, AT(kept.lines), .fallback = "4", .least = "1", .most = "16" },
    { "ascii", CONFIG_BOOL, AT(kept.ascii), .fallback = "false" },
    { "calm", CONFIG_STRING, AT(kept.calm), .fallback = "Bình thường", .least = "1",
      .most = "256" },
};
#undef AT
const struct config_schema schema_board = SCHEMA("board", board_keys);

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
}

static bool same_board(const struct board_settings *one, const struct board_settings *other)
{
    return one->id != NULL && other->id != NULL && one->site != NULL && other->site != NULL &&
           strcmp(one->id, other->id) == 0 && strcmp(one->site, other->site) == 0;
}

/* A board has one writer: two would overwrite each other on its topic. */
static void check_alone(const struct settings *settings, const struct config_node *node,
                        const struct channel_settings *channel)
{
    const struct board_settings *last = &channel->boards[channel->board_count - 1];
    for (size_t i = 0; i <= settings->channel_count; i++) {
        const struct channel_settings *other =
            i < settings->channel_count ? &settings->channels[i] : channel;
        for (size_t j = 0; j < other->board_count; j++) {
            if (&other->boards[j] != last && same_board(&other->boards[j], last)) {
                config_complain_at(node, "id",
                                   "board \"%s\" of site \"%s\" is already written by channel "
                                   "\"%s\"; keep one",
                                   last->id, last->site, other->id == NULL ? "" : other->id);
                return;
            }
        }
    }
}

static bool check_site(struct loader *loader, const struct config_node *node, const char *site)
{
    char hint[128];
    const struct registry *registry = &loader->settings->registry;
    struct config_nearest nearest = { .word = site };
    for (size_t i = 0; i < registry->count; i++) {
        if (strcmp(registry->stations[i].site, site) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < registry->count && !mistakes_full(loader->mistakes); i++) {
        config_nearest_offer(&nearest, registry->stations[i].site);
    }
    config_complain_at(node, "site", "no station is of site \"%.64s\"%s", site,
                       config_nearest_hint(&nearest, hint, sizeof hint));
    return false;
}

static void set_stations(struct loader *loader, const struct config_list *list,
                         struct board_settings *board)
{
    const char **stations = arena_alloc(loader->arena, list->count, sizeof *stations);
    board->stations = stations;
    for (size_t i = 0; stations != NULL && i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const struct station *station = loader_station(loader, node, config_string_at(list, i));
        if (station != NULL) {
            stations[board->station_count++] = station->id;
        }
    }
}

static void load_board(struct loader *loader, const struct config_node *node,
                       struct board_settings *board)
{
    struct board_read read = { .kept = { .id = NULL } };
    (void)config_read_group(node, &schema_board, &read);
    *board = read.kept;
    bool whole = board->site != NULL && check_id(node, "site", board->site) &&
                 loader->registry_whole && check_site(loader, node, board->site);
    if (board->id != NULL) {
        (void)check_id(node, "id", board->id);
    }
    if (whole) {
        set_stations(loader, &read.stations, board);
    }
    size_t length = characters(board->calm);
    if (length > (size_t)board->width) {
        config_complain_at(node, "calm",
                           "\"calm\" has %zu characters; a line of this board has %lld", length,
                           (long long)board->width);
    }
}

void load_boards(struct loader *loader, const struct config_node *group,
                 const struct config_list *list, struct channel_settings *channel)
{
    if (list->count == 0) {
        config_complain_at(group, "boards",
                           "\"boards\" names none; write boards = ( { id = "
                           "\"gate\"; site = \"my-tho\"; } );");
    }
    struct board_settings *boards = arena_alloc(loader->arena, list->count, sizeof *boards);
    channel->boards = boards;
    for (size_t i = 0; boards != NULL && i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        load_board(loader, node, &boards[channel->board_count++]);
        check_alone(loader->settings, node, channel);
    }
}
