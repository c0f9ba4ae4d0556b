/*
 * phusa alarms: what operators see and do, asked of the running phusad.
 *
 * alarms.c        options, and what is asked
 * alarms_print.c  the answers for people
 */
#include "cli/alarms.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"

#define PATH_MAX_BYTES     1024
#define UTC_OFFSET_DEFAULT (7 * 3600)
#define BOOK_MAX           4096 /* bytes of a user's entry in the system's book */

struct options {
    const char *config, *url, *token_file;
    const char *by, *text, *lasting, *until; /* of verbs */
    const char *rule, *station, *from, *to, *limit, *operators, *channel;
    bool json, waiting;
};

/* What the words behind `alarms` ask for. */
struct action {
    const char *word;
    const char *path; /* of a GET; NULL: a POST of this verb */
    int words;        /* that follow: 2 = RULE STATION */
    void (*print)(const json_t *root, int32_t utc_offset_s);
};

static const struct action actions[] = {
    { "list", "/api/v1/alarms", 0, alarms_print_list },
    { "show", "/api/v1/alarms/history", 2, alarms_print_history },
    { "history", "/api/v1/alarms/history", 0, alarms_print_history },
    { "load", "/api/v1/alarms/load", 0, alarms_print_load },
    { "messages", "/api/v1/messages", 0, alarms_print_messages },
    { "ack", NULL, 2, NULL },
    { "comment", NULL, 2, NULL },
    { "shelve", NULL, 2, NULL },
    { "unshelve", NULL, 2, NULL },
    { "out-of-service", NULL, 2, NULL },
    { "in-service", NULL, 2, NULL },
};

static int help(void)
{
    (void)fputs(
        "usage: phusa alarms list [--rule ID] [--station ID] [--json]\n"
        "       phusa alarms history [--rule ID] [--station ID] [--from TIME] [--to TIME]\n"
        "       phusa alarms show RULE STATION\n"
        "       phusa alarms load [--from TIME] [--to TIME] [--operators N]\n"
        "       phusa alarms messages [--channel ID] [--waiting] [--limit N]\n"
        "       phusa alarms ack|unshelve|in-service RULE STATION [--text WHY]\n"
        "       phusa alarms comment|out-of-service RULE STATION --text WHY\n"
        "       phusa alarms shelve RULE STATION --for 2h|--until TIME --text WHY\n"
        "\n"
        "Alarms as operators see them (ISA-18.2): what is active, acknowledged, shelved; what\n"
        "befell them and who did what; how many there were, against EEMUA 191; what was sent\n"
        "(at real times, also where phusad has a simulated clock).\n"
        "A site's alarms have the site as STATION, the collector's its client_id.\n"
        "\n"
        "  -i, --station ID     only of this station\n"
        "  -r, --rule ID        only of this rule\n"
        "  -f, --from TIME      from then on: seconds since 1970, or ISO 8601 with offset\n"
        "                       (default: a day ago)\n"
        "  -t, --to TIME        before then (default: now)\n"
        "  -l, --limit N        at most N, up to 1000\n"
        "      --operators N    load: people who share the alarms (default 1)\n"
        "      --channel ID     messages: of this channel\n"
        "      --waiting        messages: that wait\n"
        "  -b, --by NAME        who does it (default: $USER, else the user's name)\n"
        "  -m, --text WHY       why\n"
        "      --for TIME       shelve for so long, such as 90m or 2h\n"
        "      --until TIME     shelve until then\n"
        "  -j, --json           as phusad answers\n"
        "  -c, --config FILE    phusad's configuration (default: the shipped one)\n"
        "      --url URL        where phusad listens (default: http.listen)\n"
        "      --token-file F   what phusad wants to hear (default: http.token_file)\n"
        "  -h, --help           print this\n",
        stdout);
    return CLI_GOOD;
}

/* --- asking ------------------------------------------------------------------------------- */

/* Where and as whom to ask. */
struct place {
    char url[ASK_URL_MAX], token[ASK_TOKEN_MAX];
    int32_t utc_offset_s;
};

static bool find_token(const struct options *options, const struct settings *settings,
                       struct place *place)
{
    struct problem problem = { "" };
    if (options->token_file != NULL &&
        !ask_read_token(options->token_file, place->token, &problem)) {
        (void)fprintf(stderr, "phusa alarms: %s\n", problem.text);
        return false;
    }
    if (options->token_file == NULL && settings != NULL && settings->http.token != NULL) {
        (void)snprintf(place->token, sizeof place->token, "%s", settings->http.token);
    }
    return true;
}

static bool find_url(const struct options *options, const struct settings *settings,
                     struct place *place)
{
    if (options->url != NULL) {
        (void)snprintf(place->url, sizeof place->url, "%s", options->url);
        return true;
    }
    if (settings != NULL && ask_url_of(settings->http.listen, place->url)) {
        return true;
    }
    (void)fputs("phusa alarms: where does phusad listen? Name it with --url\n", stderr);
    return false;
}

static bool find_place(const struct options *options, bool changes, struct place *place)
{
    struct settings *settings = NULL;
    bool enough = options->url != NULL && (!changes || options->token_file != NULL);
    *place = (struct place){ .utc_offset_s = UTC_OFFSET_DEFAULT };
    if (options->config != NULL || !enough) {
        settings = cli_load_or_default("alarms", options->config, SETTINGS_SERVICES);
        if (settings == NULL) {
            return false;
        }
        place->utc_offset_s = settings->utc_offset_s;
    }
    bool found = find_url(options, settings, place) && find_token(options, settings, place);
    settings_free(settings);
    return found;
}

static int say_refusal(const struct place *place, int code, const struct text_buffer *body)
{
    json_t *root = json_loads(body->data, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));
    if (code == 401) {
        (void)fprintf(stderr,
                      "phusa alarms: phusad at %s wants %s token: name the file that its "
                      "http.token_file names with --token-file\n",
                      place->url, place->token[0] == '\0' ? "a" : "another");
    } else {
        (void)fprintf(stderr, "phusa alarms: %s\n", error != NULL ? error : body->data);
    }
    json_decref(root);
    return CLI_BAD;
}

static int print_answer(const struct action *action, const struct options *options,
                        const struct place *place, const struct text_buffer *body)
{
    if (options->json || action->print == NULL) {
        (void)fputs(action->print == NULL && !options->json ? "" : body->data, stdout);
        return CLI_GOOD;
    }
    json_t *root = json_loads(body->data, 0, NULL);
    if (root == NULL) {
        (void)fputs("phusa alarms: phusad's answer is no JSON\n", stderr);
        return CLI_BAD;
    }
    action->print(root, place->utc_offset_s);
    json_decref(root);
    return CLI_GOOD;
}

static int ask(const struct action *action, const struct options *options,
               const struct place *place, const char *path, const char *posted)
{
    struct text_buffer body = { 0 };
    struct problem problem = { "" };
    struct ask *asking = ask_create(place->url, posted == NULL ? "" : place->token, &problem);
    int code = asking == NULL ? 0 : ask_perform(asking, path, posted, &body, &problem);
    int result = CLI_BAD;
    if (code == 0) {
        (void)fprintf(stderr, "phusa alarms: %s\n", problem.text);
    } else if (code == 200) {
        result = print_answer(action, options, place, &body);
    } else {
        result = say_refusal(place, code, &body);
    }
    text_buffer_free(&body);
    ask_free(asking);
    return result;
}

/* --- what to ask ---------------------------------------------------------------------------- */

/* Appends a value of the query, percent-encoded where it is no plain character. */
static void add_query(struct text_buffer *path, const char *key, const char *value)
{
    if (value == NULL) {
        return;
    }
    text_buffer_add(path, "%s%s=", strchr(path->data, '?') == NULL ? "?" : "&", key);
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                     (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '.' || byte == ':';
        text_buffer_add(path, plain ? "%c" : "%%%02X", byte);
    }
}

static int run_get(const struct action *action, const struct options *options, char **words)
{
    struct place place;
    struct text_buffer path = { 0 };
    if (!find_place(options, false, &place)) {
        return CLI_BAD;
    }
    bool show = action->words == 2;
    text_buffer_add_text(&path, action->path);
    add_query(&path, "rule", show ? words[0] : options->rule);
    add_query(&path, "station", show ? words[1] : options->station);
    add_query(&path, "from", show && options->from == NULL ? "0" : options->from);
    add_query(&path, "to", options->to);
    add_query(&path, "limit", options->limit);
    add_query(&path, "operators", options->operators);
    add_query(&path, "channel", options->channel);
    add_query(&path, "waiting", options->waiting ? "yes" : NULL);
    int result = ask(action, options, &place, path.data, NULL);
    text_buffer_free(&path);
    return result;
}

/* Epoch seconds of a shelving's end, 0 when none is given; -1 after saying what is wrong. now_s is
 * that of the collector, whose clock may be another one. */
static int64_t end_of_shelving(const struct options *options, int64_t now_s)
{
    int64_t ns = 0;
    if (options->until != NULL) {
        return cli_read_time("alarms", "until", options->until, &ns) ? ns / SECOND_NS : -1;
    }
    if (options->lasting == NULL) {
        return 0;
    }
    if (!config_parse_duration(options->lasting, &ns) || ns <= 0) {
        (void)fprintf(stderr,
                      "phusa alarms: --for \"%s\": write a time such as 90m or 2h, at most "
                      "phusad's alarms.shelve_most\n",
                      options->lasting);
        return -1;
    }
    return now_s + ns / SECOND_NS;
}

/* The collector's time; 0 after saying that it does not answer. */
static int64_t ask_now(const struct place *place)
{
    struct text_buffer body = { 0 };
    struct problem problem = { "" };
    struct ask *asking = ask_create(place->url, "", &problem);
    int code = asking == NULL ? 0 : ask_perform(asking, "/api/v1/status", NULL, &body, &problem);
    json_t *root = code == 200 ? json_loads(body.data, 0, NULL) : NULL;
    double now = json_number_value(json_object_get(json_object_get(root, "totals"), "now"));
    if (now <= 0) {
        (void)fprintf(stderr, "phusa alarms: %s\n",
                      code == 0 ? problem.text : "phusad does not say what time it is");
    }
    json_decref(root);
    text_buffer_free(&body);
    ask_free(asking);
    return (int64_t)now;
}

/* Who does it: as it is said, else the user's name, which jobs and containers may have only in the
 * system's book (read into book). NULL when there is none. */
static const char *who_does_it(const struct options *options, char book[BOOK_MAX])
{
    if (options->by != NULL) {
        return options->by;
    }
    const char *user = getenv("USER");
    struct passwd entry, *found = NULL;
    bool known = user != NULL && user[0] != '\0';
    return !known && getpwuid_r(geteuid(), &entry, book, BOOK_MAX, &found) == 0 && found != NULL
               ? entry.pw_name
               : user;
}

/* NULL, or what is wrong with the options of a verb. */
static const char *mistake_of(const struct action *action, const struct options *options,
                              const char *by)
{
    bool shelves = strcmp(action->word, "shelve") == 0;
    bool ends = options->lasting != NULL || options->until != NULL;
    return options->lasting != NULL && options->until != NULL ? "either --for or --until, not both"
           : ends && !shelves                                 ? "--for and --until are of shelve"
           : shelves && !ends
               ? "until when? --for 2h or --until TIME; what is not wanted at all is "
                 "out-of-service"
           : by == NULL || by[0] == '\0' ? "who does it? --by NAME"
                                         : NULL;
}

static int post(const struct action *action, const struct options *options,
                const struct place *place, char **words, int64_t until_s)
{
    char book[BOOK_MAX];
    json_t *verb =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "do", action->word, "rule", words[0], "station",
                  words[1], "who", who_does_it(options, book), "text",
                  options->text == NULL ? "" : options->text, "until", (json_int_t)until_s);
    char *posted = verb == NULL ? NULL : json_dumps(verb, JSON_COMPACT);
    int result = CLI_BAD;
    if (posted == NULL) {
        (void)fputs("phusa alarms: the words are no UTF-8, or out of memory\n", stderr);
    } else {
        result = ask(action, options, place, "/api/v1/alarms", posted);
    }
    free(posted);
    json_decref(verb);
    return result;
}

static int run_post(const struct action *action, const struct options *options, char **words)
{
    struct place place;
    char book[BOOK_MAX];
    const char *mistake = mistake_of(action, options, who_does_it(options, book));
    if (mistake != NULL) {
        return cli_misuse("alarms", "%s", mistake);
    }
    if (!find_place(options, true, &place)) {
        return CLI_BAD;
    }
    int64_t now_s = options->lasting == NULL ? 1 : ask_now(&place);
    int64_t until_s = now_s == 0 ? -1 : end_of_shelving(options, now_s);
    return until_s < 0 ? CLI_BAD : post(action, options, &place, words, until_s);
}

/* --- words ----------------------------------------------------------------------------------- */

static const struct action *find_action(const char *word)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].word, word) == 0) {
            return &actions[i];
        }
    }
    return NULL;
}

static int run(const struct options *options, int argc, char **argv)
{
    if (argc == 0) {
        return cli_misuse("alarms", "what is to be done? list, show, history, load, messages, ack, "
                                    "comment, shelve, unshelve, out-of-service or in-service");
    }
    const struct action *action = find_action(argv[0]);
    if (action == NULL) {
        return cli_misuse("alarms", "no verb \"%s\"", argv[0]);
    }
    if (argc - 1 != action->words) {
        return action->words == 2
                   ? cli_misuse("alarms", "%s takes a rule and a station, as list prints them",
                                action->word)
                   : cli_misuse("alarms", "\"%s\" is too much", argv[1]);
    }
    return action->path != NULL ? run_get(action, options, argv + 1)
                                : run_post(action, options, argv + 1);
}

/* Options without a letter have numbers beyond all letters. */
enum { URL = 256, TOKEN_FILE, OPERATORS, CHANNEL, WAITING, LASTING, UNTIL };

static const char **text_option(struct options *options, int option)
{
    switch (option) {
    case 'i':
        return &options->station;
    case 'r':
        return &options->rule;
    case 'f':
        return &options->from;
    case 't':
        return &options->to;
    case 'l':
        return &options->limit;
    case 'b':
        return &options->by;
    case 'm':
        return &options->text;
    case 'c':
        return &options->config;
    case URL:
        return &options->url;
    case TOKEN_FILE:
        return &options->token_file;
    case OPERATORS:
        return &options->operators;
    case CHANNEL:
        return &options->channel;
    case LASTING:
        return &options->lasting;
    case UNTIL:
        return &options->until;
    default:
        return NULL;
    }
}

int cli_alarms(int argc, char **argv)
{
    static const struct option known[] = {
        { "station", required_argument, NULL, 'i' },
        { "rule", required_argument, NULL, 'r' },
        { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 't' },
        { "limit", required_argument, NULL, 'l' },
        { "by", required_argument, NULL, 'b' },
        { "text", required_argument, NULL, 'm' },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "url", required_argument, NULL, URL },
        { "token-file", required_argument, NULL, TOKEN_FILE },
        { "operators", required_argument, NULL, OPERATORS },
        { "channel", required_argument, NULL, CHANNEL },
        { "waiting", no_argument, NULL, WAITING },
        { "for", required_argument, NULL, LASTING },
        { "until", required_argument, NULL, UNTIL },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "i:r:f:t:l:b:m:jc:h", known, NULL)) != -1) {
        const char **text = text_option(&options, option);
        if (text != NULL) {
            *text = optarg;
        } else if (option == 'j') {
            options.json = true;
        } else if (option == WAITING) {
            options.waiting = true;
        } else {
            return option == 'h' ? help() : cli_point_to_help("alarms");
        }
    }
    return run(&options, argc - optind, argv + optind);
}
