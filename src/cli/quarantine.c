/* phusa quarantine: what was set aside, and putting it back after a fix. */
#include "cli/quarantine.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "phusa/status.h"
#include "phusa/topic.h"

#define UTC_OFFSET_DEFAULT 25200 /* without a configuration: Vietnam */
#define STATIONS_NAMED     20    /* of the registry, when one is asked for that is not in it */

static int help(void)
{
    (void)fputs(
        "usage: phusa quarantine list    [FILTER ...] [--all] [--limit N] [--json]\n"
        "       phusa quarantine show    [--json] POSITION ...\n"
        "       phusa quarantine requeue [--token-file FILE] [--url URL]\n"
        "                                (POSITION ... | FILTER ... | --all)\n"
        "  list                 one line for each thing that was set aside, newest last\n"
        "  show                 everything about some\n"
        "  requeue              phusad takes them again, e.g. after its configuration was mended\n"
        "FILTER:\n"
        "  -i, --station ID     of this station\n"
        "  -r, --reason REASON  set aside for this reason (unit, parameter, store, ...)\n"
        "  -f, --from TIME      received from then on: seconds since 1970, or ISO 8601 with "
        "offset\n"
        "  -t, --to TIME        received before\n"
        "Options:\n"
        "  -a, --all            list: also what was put back; requeue: all that was not\n"
        "  -l, --limit N        only the newest N\n"
        "  -j, --json           one JSON object a line\n"
        "  -c, --config FILE    phusad's configuration (default: the shipped one)\n"
        "  -p, --path DIR       the quarantine itself (default: quarantine in journal.path)\n"
        "      --url URL        where phusad listens (default: http.listen)\n"
        "      --token-file F   what phusad wants to hear (default: http.token_file)\n"
        "  -h, --help           print this\n",
        stdout);
    return CLI_GOOD;
}

/* --- list ----------------------------------------------------------------------------- */

struct listing {
    const struct quarantine_options *options;
    struct book_positions found;              /* all that pass, when only the newest are wanted */
    uint64_t reasons[PHUSA_REASON_COUNT + 1]; /* the last one: reasons of no known name */
};

static void count_reason(struct listing *listing, const char *name)
{
    int reason = PHUSA_REASON_NONE + 1;
    while (reason < PHUSA_REASON_COUNT &&
           strcmp(phusa_reason_name((enum phusa_reason)reason), name) != 0) {
        reason++;
    }
    listing->reasons[reason]++;
}

static bool collect(void *context, const struct book_item *item)
{
    struct listing *listing = context;
    return book_positions_add(&listing->found, item->position);
}

static bool print_item(void *context, const struct book_item *item)
{
    struct listing *listing = context;
    struct phusa_text station = phusa_id_valid(item->station) ? item->station : PHUSA_TEXT("-");
    char time[CLI_TIME_MAX];
    count_reason(listing, item->reason);
    if (listing->options->json) {
        quarantine_print_json(item);
        return true;
    }
    cli_local_time(item->time_ns, listing->options->utc_offset_s, time);
    (void)printf("%8llu  %s  %-12.*s  %-9s  ", (unsigned long long)item->position, time,
                 (int)station.length, station.data, item->reason);
    quarantine_print_what(item, listing->options->utc_offset_s);
    (void)fputs(item->put_back ? " (put back)\n" : "\n", stdout);
    return true;
}

static void print_reasons(const struct listing *listing)
{
    for (int reason = PHUSA_REASON_NONE + 1; reason <= PHUSA_REASON_COUNT; reason++) {
        if (listing->reasons[reason] > 0) {
            (void)fprintf(
                stderr, "%-10s %llu\n",
                reason == PHUSA_REASON_COUNT ? "?" : phusa_reason_name((enum phusa_reason)reason),
                (unsigned long long)listing->reasons[reason]);
        }
    }
}

/* Where the newest `limit` begin; 0 when all are wanted. False when it cannot be found out. */
static bool find_begin(const struct book *book, struct listing *listing, uint64_t *begin,
                       struct problem *problem)
{
    const struct quarantine_options *options = listing->options;
    *begin = 0;
    if (options->limit == UINT64_MAX) {
        return true;
    }
    if (!book_each(book, &options->filter, 0, collect, listing, problem)) {
        return false;
    }
    if (options->limit == 0) {
        *begin = UINT64_MAX;
    } else if (listing->found.count > options->limit) {
        *begin = listing->found.items[listing->found.count - options->limit];
    }
    return true;
}

int quarantine_list(const struct book *book, const struct quarantine_options *options)
{
    struct listing listing = { .options = options };
    struct problem problem = { "" };
    uint64_t begin;
    bool good = find_begin(book, &listing, &begin, &problem) &&
                book_each(book, &options->filter, begin, print_item, &listing, &problem);
    book_positions_free(&listing.found);
    (void)fflush(stdout);
    print_reasons(&listing);
    if (!good) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
    }
    return good ? CLI_GOOD : CLI_BAD;
}

/* --- options -------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Ascending, none twice; false if one is no number. */
static bool read_positions(char **words, size_t count, struct quarantine_options *options)
{
    options->positions = calloc(count + 1, sizeof *options->positions);
    for (size_t i = 0; i < count; i++) {
        if (options->positions == NULL || !cli_read_number(words[i], &options->positions[i]) ||
            options->positions[i] == 0) {
            (void)fprintf(stderr, "phusa quarantine: %s: a position is a whole number from 1 on\n",
                          words[i]);
            return false;
        }
    }
    if (count > 1) {
        qsort(options->positions, count, sizeof *options->positions, by_position);
    }
    for (size_t i = 0; i < count; i++) {
        size_t kept = options->position_count;
        if (kept == 0 || options->positions[kept - 1] != options->positions[i]) {
            options->positions[options->position_count++] = options->positions[i];
        }
    }
    return options->position_count > 0 || count == 0;
}

static bool check_reason(const char *name)
{
    int reason = PHUSA_REASON_NONE + 1;
    while (reason < PHUSA_REASON_COUNT &&
           strcmp(phusa_reason_name((enum phusa_reason)reason), name) != 0) {
        reason++;
    }
    if (reason < PHUSA_REASON_COUNT) {
        return true;
    }
    (void)fprintf(stderr, "phusa quarantine: no reason \"%s\"; there are", name);
    for (reason = PHUSA_REASON_NONE + 1; reason < PHUSA_REASON_COUNT; reason++) {
        (void)fprintf(stderr, " %s", phusa_reason_name((enum phusa_reason)reason));
    }
    (void)fputc('\n', stderr);
    return false;
}

static bool take_option(struct quarantine_options *options, int option)
{
    switch (option) {
    case 'i':
        options->filter.station = optarg;
        return true;
    case 'r':
        options->filter.reason = optarg;
        return check_reason(optarg);
    case 'f':
        return cli_read_time("quarantine", "from", optarg, &options->filter.from_ns);
    case 't':
        return cli_read_time("quarantine", "to", optarg, &options->filter.to_ns);
    case 'l':
        return cli_read_count("quarantine", "limit", optarg, &options->limit);
    case 'a':
        options->all = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'c':
        options->config = optarg;
        return true;
    case 'p':
        options->path = optarg;
        return true;
    case 'u':
        options->url = optarg;
        return true;
    case 'k':
        options->token_file = optarg;
        return true;
    default:
        return false;
    }
}

static bool is_filtered(const struct book_filter *filter)
{
    return filter->station != NULL || filter->reason != NULL || filter->from_ns != INT64_MIN ||
           filter->to_ns != INT64_MAX;
}

/* What each verb needs and has no use for; NULL when it fits. */
static const char *mistake_of(const char *verb, const struct quarantine_options *options)
{
    bool positions = options->position_count > 0;
    bool chosen = is_filtered(&options->filter) || options->all;
    if (strcmp(verb, "list") == 0) {
        return positions ? "list takes no positions; show does" : NULL;
    }
    if (strcmp(verb, "show") == 0) {
        return positions && !chosen ? NULL : "show takes positions, as list prints them";
    }
    if (!positions && !chosen) {
        return "requeue what? Positions, a filter, or --all";
    }
    return positions && chosen ? "requeue takes either positions or a filter" : NULL;
}

static bool is_verb(const char *word)
{
    return strcmp(word, "list") == 0 || strcmp(word, "show") == 0 || strcmp(word, "requeue") == 0;
}

static int check_words(const char *verb, const struct quarantine_options *options)
{
    if (verb[0] == '\0') {
        return cli_misuse("quarantine", "what is to be done? list, show or requeue");
    }
    if (!is_verb(verb)) {
        return cli_misuse("quarantine", "no verb \"%s\"; list, show or requeue", verb);
    }
    const char *mistake = mistake_of(verb, options);
    return mistake == NULL ? CLI_GOOD : cli_misuse("quarantine", "%s", mistake);
}

/* --- running ------------------------------------------------------------------------------ */

/* What of the configuration is not said otherwise. */
struct place {
    char path[CLI_PATH_MAX], url[ASK_URL_MAX], token[ASK_TOKEN_MAX];
    struct settings *settings; /* NULL if none was needed */
};

static bool find_token(const struct quarantine_options *options, struct place *place)
{
    struct problem problem = { "" };
    if (options->token_file != NULL) {
        if (!ask_read_token(options->token_file, place->token, &problem)) {
            (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
            return false;
        }
    } else if (place->settings != NULL) {
        (void)snprintf(place->token, sizeof place->token, "%s", place->settings->http.token);
    }
    return true;
}

static bool find_url(const struct quarantine_options *options, struct place *place)
{
    if (options->url != NULL) {
        (void)snprintf(place->url, sizeof place->url, "%s", options->url);
        return true;
    }
    if (place->settings != NULL && ask_url_of(place->settings->http.listen, place->url)) {
        return true;
    }
    (void)fputs("phusa quarantine: where does phusad listen? Name it with --url\n", stderr);
    return false;
}

static bool is_of_station(void *context, const struct book_item *item)
{
    (void)item;
    *(bool *)context = true;
    return false;
}

static void list_stations(const struct registry *registry)
{
    for (size_t i = 0; i < registry->count && i < STATIONS_NAMED; i++) {
        (void)fprintf(stderr, " %s", registry->stations[i].id);
    }
    (void)fputs(registry->count > STATIONS_NAMED ? " ...\n" : "\n", stderr);
}

/* A misspelt station must not look like one without anything set aside. One that nobody has
 * described may well have something: that is a reason to set aside. */
static bool check_station(const struct book *book, const struct quarantine_options *options,
                          const struct settings *settings)
{
    const char *id = options->filter.station;
    struct book_filter filter = { id, NULL, INT64_MIN, INT64_MAX, true };
    struct problem problem = { "" };
    bool any = false;
    if (id == NULL || settings == NULL ||
        registry_find(&settings->registry, phusa_text_of(id)) != NULL ||
        !book_each(book, &filter, 0, is_of_station, &any, &problem) || any) {
        return true; /* what cannot be read is told by what reads it next */
    }
    (void)fprintf(stderr,
                  "phusa quarantine: no station \"%s\", and nothing was set aside under that name; "
                  "there are",
                  id);
    list_stations(&settings->registry);
    return false;
}

static bool find_place(struct quarantine_options *options, const char *verb, struct place *place)
{
    bool requeue = strcmp(verb, "requeue") == 0;
    bool enough = options->path != NULL &&
                  (!requeue || (options->url != NULL && options->token_file != NULL));
    options->utc_offset_s = UTC_OFFSET_DEFAULT;
    if (!enough || options->config != NULL) {
        unsigned need = SETTINGS_SERVICES;
        need |= options->filter.station != NULL ? SETTINGS_STATIONS : 0u;
        place->settings = cli_load_or_default("quarantine", options->config, need);
        if (place->settings == NULL) {
            return false;
        }
        options->utc_offset_s = place->settings->utc_offset_s;
    }
    if (options->path != NULL) {
        (void)snprintf(place->path, sizeof place->path, "%s", options->path);
    } else {
        (void)snprintf(place->path, sizeof place->path, "%s/quarantine",
                       place->settings->journal.path);
    }
    return !requeue || (find_token(options, place) && find_url(options, place));
}

static int run(const char *verb, struct quarantine_options *options)
{
    struct place place = { .settings = NULL };
    struct problem problem = { "" };
    struct book *book = NULL;
    int result = CLI_BAD;
    if (find_place(options, verb, &place) && (book = book_open(place.path, &problem)) == NULL) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
    }
    if (book != NULL && check_station(book, options, place.settings)) {
        result = strcmp(verb, "list") == 0 ? quarantine_list(book, options)
                 : strcmp(verb, "show") == 0
                     ? quarantine_show(book, options)
                     : quarantine_requeue(book, options, place.url, place.token);
    }
    book_close(book);
    settings_free(place.settings);
    return result;
}

int cli_quarantine(int argc, char **argv)
{
    static const struct option known[] = {
        { "station", required_argument, NULL, 'i' },
        { "reason", required_argument, NULL, 'r' },
        { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 't' },
        { "limit", required_argument, NULL, 'l' },
        { "all", no_argument, NULL, 'a' },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "path", required_argument, NULL, 'p' },
        { "url", required_argument, NULL, 'u' },
        { "token-file", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct quarantine_options options = { .limit = UINT64_MAX, .filter = BOOK_FILTER_ALL };
    int option, result;
    while ((option = getopt_long(argc, argv, "i:r:f:t:l:ajc:p:h", known, NULL)) != -1) {
        if (option == 'h') {
            return help();
        }
        if (!take_option(&options, option)) {
            return cli_point_to_help("quarantine");
        }
    }
    const char *verb = optind < argc ? argv[optind++] : "";
    if (is_verb(verb) && !read_positions(argv + optind, (size_t)(argc - optind), &options)) {
        result = cli_point_to_help("quarantine");
    } else if ((result = check_words(verb, &options)) == CLI_GOOD) {
        options.filter.put_back_too = options.all && strcmp(verb, "list") == 0;
        result = run(verb, &options);
    }
    free(options.positions);
    return result;
}
