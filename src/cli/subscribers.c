/*
 * phusa subscribers: the table of those who want to be warned.
 *
 * A change reads the table, whole, under a lock (FILE.lock), and replaces it; the collector reads
 * it at its next reload. A table of another form than ours, as a spreadsheet wrote it, is kept
 * beside it as FILE.old. Who has opted out stays so until opt-in: an import does not change lines
 * that stand there already.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/files.h"
#include "cli/cli.h"
#include "cli/people.h"

struct options {
    const char *config;
    const char *of[SUBSCRIBER_COLUMNS]; /* NULL = not given */
    char quiet[2][8];                   /* --quiet, taken apart */
    bool all, full, json, trying;
};

static int help(void)
{
    (void)fputs(
        "usage: phusa subscribers list    [WHOSE ...] [--full] [--json]\n"
        "       phusa subscribers export  [WHOSE ...] [--all]\n"
        "       phusa subscribers import  [--dry-run] FILE\n"
        "       phusa subscribers add     --channel ID --address A (--station ID | --site ID)\n"
        "                                 [--name N] [--use U] [--language vi|en]\n"
        "                                 [--threshold X] [--quiet 21:00-05:00]\n"
        "       phusa subscribers opt-out|opt-in|remove --address A [WHOSE ...]\n"
        "\n"
        "Keeps the CSV table that `subscribers` names in phusad's configuration: who wants to be\n"
        "warned, of what, and how. phusad reads it when it is reloaded.\n"
        "\n"
        "  list     the table, addresses with their middle left out\n"
        "  export   the table as CSV, addresses in full, of those who have not opted out\n"
        "  import   adds the good lines of a CSV table (\"-\": stdin), names each bad one;\n"
        "           what stands there already stays as it is, opted out or not\n"
        "  opt-out  they get nothing more, but stay in the table; opt-in is the reverse\n"
        "  remove   takes them out\n"
        "WHOSE:\n"
        "      --address A      a number, with or without +84, or an e-mail address\n"
        "      --channel ID     on this channel\n"
        "  -i, --station ID     for this station\n"
        "  -s, --site ID        for all of this site\n"
        "      --use U          for this use\n"
        "Options:\n"
        "  -n, --name N         add: who it is\n"
        "      --language L     add: vi (default) or en\n"
        "      --threshold X    add: an own limit instead of the rule's, in the parameter's unit\n"
        "      --quiet A-B      add: own quiet hours, such as 21:00-05:00\n"
        "  -a, --all            export: also who has opted out, and lines that are wrong\n"
        "      --full           list: addresses in full\n"
        "      --dry-run        import: only says what would be done\n"
        "  -j, --json           list: one JSON object a line\n"
        "  -c, --config FILE    phusad's configuration (default: the shipped one)\n"
        "  -h, --help           print this\n",
        stdout);
    return CLI_GOOD;
}

static void complain(const char *text)
{
    (void)fprintf(stderr, "phusa subscribers: %s\n", text);
}

/* --- reading a table -------------------------------------------------------------------------- */

struct reading {
    struct people *people;
    const char *file;
    size_t broken; /* lines that could not be taken apart */
    bool failed;   /* out of memory, or more than a table holds */
};

static void name_line(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, what);
}

static void take_broken(void *context, int line, const char *what)
{
    struct reading *reading = context;
    reading->broken++;
    name_line(reading->file, line, what);
}

static void take_row(void *context, const struct subscriber_row *row)
{
    struct reading *reading = context;
    struct problem problem = { "" };
    struct person *person = person_make(reading->people->settings, row, &problem);
    if (person != NULL && !person->good) {
        name_line(reading->file, row->line, problem.text);
    }
    if (person == NULL || !people_add(reading->people, person)) {
        free(person);
        reading->failed = true;
    }
}

static bool has_our_form(const char *text, size_t length)
{
    size_t header = strlen(SUBSCRIBER_HEADER);
    return length == 0 || (length >= header && memcmp(text, SUBSCRIBER_HEADER, header) == 0);
}

/* The configuration's table. False after saying why. foreign: it has another form than ours. */
static bool read_table(struct people *people, bool *foreign)
{
    struct problem problem = { "" };
    struct reading reading = { .people = people, .file = people->settings->subscribers.path };
    const struct subscriber_rows to = { &reading, take_row, take_broken };
    size_t length = 0;
    char *text = people_read_file(reading.file, true, &length, &problem);
    if (text == NULL) {
        complain(problem.text);
        return false;
    }
    *foreign = !has_our_form(text, length);
    if (length > 0) {
        (void)subscribers_each_row((struct phusa_text){ text, length }, &to);
    }
    free(text);
    if (reading.failed) {
        complain("out of memory, or more than 100000 subscribers");
    } else if (reading.broken > 0) {
        complain("these lines cannot be taken apart; mend or remove them in the file");
    }
    return !reading.failed && reading.broken == 0;
}

/* --- whose ------------------------------------------------------------------------------------ */

static bool is_or_any(const char *wanted, const char *text)
{
    return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

static bool is_meant(const struct options *options, const struct person *person)
{
    char address[SUBSCRIBER_ADDRESS_MAX + 1] = "";
    if (options->of[SUBSCRIBER_ADDRESS] != NULL) {
        people_address(options->of[SUBSCRIBER_ADDRESS], address);
    }
    return (options->of[SUBSCRIBER_ADDRESS] == NULL ||
            strcasecmp(address, person->wish.address) == 0) &&
           is_or_any(options->of[SUBSCRIBER_CHANNEL], person->wish.channel) &&
           is_or_any(options->of[SUBSCRIBER_STATION], person->wish.station) &&
           is_or_any(options->of[SUBSCRIBER_SITE], person->wish.site) &&
           is_or_any(options->of[SUBSCRIBER_USE], person->wish.use);
}

/* --- list and export -------------------------------------------------------------------------- */

static const char *shown_address(const struct options *options, const struct person *person,
                                 char masked[ADDRESS_MASKED_MAX])
{
    return options->full ? person->wish.address : subscriber_mask(person->wish.address, masked);
}

static const char *state_of(const struct person *person)
{
    return !person->good ? "wrong" : person->wish.active ? "yes" : "no";
}

static void print_json(const struct options *options, const struct person *person)
{
    char masked[ADDRESS_MASKED_MAX];
    json_t *object = json_object();
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        const char *text =
            i == SUBSCRIBER_ADDRESS ? shown_address(options, person, masked) : person->row.of[i];
        (void)json_object_set_new(object, subscriber_column_name((enum subscriber_column)i),
                                  json_string(text));
    }
    (void)json_object_set_new(object, "active", json_string(state_of(person)));
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}

static void print_line(const struct options *options, const struct person *person)
{
    const char *const *of = person->row.of;
    char masked[ADDRESS_MASKED_MAX], quiet[32];
    bool own_hours = of[SUBSCRIBER_QUIET_FROM][0] != '\0';
    (void)snprintf(quiet, sizeof quiet, "%.8s%s%.8s", of[SUBSCRIBER_QUIET_FROM],
                   own_hours ? "-" : "", of[SUBSCRIBER_QUIET_UNTIL]);
    (void)printf("%-24s  %-10s  %-20s  %-10s  %-4s  %-8s  %-11s  %-6s  ",
                 shown_address(options, person, masked), of[SUBSCRIBER_CHANNEL],
                 of[SUBSCRIBER_STATION][0] != '\0' ? of[SUBSCRIBER_STATION] : of[SUBSCRIBER_SITE],
                 of[SUBSCRIBER_USE][0] != '\0' ? of[SUBSCRIBER_USE] : "any",
                 of[SUBSCRIBER_LANGUAGE][0] != '\0' ? of[SUBSCRIBER_LANGUAGE] : "vi",
                 of[SUBSCRIBER_THRESHOLD][0] != '\0' ? of[SUBSCRIBER_THRESHOLD] : "-",
                 own_hours ? quiet : "-", state_of(person));
    cli_print_plain(stdout, phusa_text_of(of[SUBSCRIBER_NAME]));
    (void)putchar('\n');
}

static int list(const struct options *options, const struct people *people)
{
    size_t active = 0, wrong = 0, shown = 0;
    for (size_t i = 0; i < people->count; i++) {
        const struct person *person = people->items[i];
        if (!is_meant(options, person)) {
            continue;
        }
        if (shown++ == 0 && !options->json) {
            (void)printf("%-24s  %-10s  %-20s  %-10s  %-4s  %-8s  %-11s  %-6s  %s\n", "ADDRESS",
                         "CHANNEL", "PLACE", "USE", "LANG", "LIMIT", "QUIET", "ACTIVE", "NAME");
        }
        (options->json ? print_json : print_line)(options, person);
        active += person->good && person->wish.active ? 1 : 0;
        wrong += person->good ? 0 : 1;
    }
    if (!options->json) {
        (void)printf("%zu active, %zu opted out, %zu wrong\n", active, shown - active - wrong,
                     wrong);
    }
    return CLI_GOOD;
}

static int export(const struct options *options, const struct people *people)
{
    (void)fputs(SUBSCRIBER_HEADER, stdout);
    for (size_t i = 0; i < people->count; i++) {
        const struct person *person = people->items[i];
        char line[SUBSCRIBER_LINE_MAX];
        bool wanted = options->all || (person->good && person->wish.active);
        if (wanted && is_meant(options, person) &&
            subscriber_row_print(&person->row, line, sizeof line) > 0) {
            (void)fputs(line, stdout);
        }
    }
    return CLI_GOOD;
}

/* --- add and import --------------------------------------------------------------------------- */

static const char *add_one(const struct options *options, struct people *people,
                           struct problem *problem)
{
    struct subscriber_row row = { .line = 1 };
    for (int i = 0; i < SUBSCRIBER_COLUMNS; i++) {
        row.of[i] = options->of[i] == NULL ? "" : options->of[i];
    }
    row.of[SUBSCRIBER_ACTIVE] = "yes";
    struct person *person = person_make(people->settings, &row, problem);
    const char *wrong = person == NULL || !person->good ? problem->text : NULL;
    if (wrong == NULL && people_find(people, person) != NULL) {
        wrong = "the same wish stands there already; opt-in, or remove it first";
    }
    if (wrong == NULL && !people_add(people, person)) {
        wrong = "out of memory, or more than 100000 subscribers";
    }
    if (wrong != NULL) {
        free(person);
    }
    return wrong;
}

static int add(const struct options *options, struct people *people, char **words, bool *changed)
{
    (void)words;
    struct problem problem = { "" };
    const char *wrong = add_one(options, people, &problem);
    if (wrong != NULL) {
        complain(wrong);
        return CLI_BAD;
    }
    *changed = true;
    (void)puts("1 added");
    return CLI_GOOD;
}

struct import {
    struct people *people;
    const char *file;
    size_t taken, there, bad;
};

static void import_broken(void *context, int line, const char *what)
{
    struct import *import = context;
    import->bad++;
    name_line(import->file, line, what);
}

static void import_row(void *context, const struct subscriber_row *row)
{
    struct import *import = context;
    struct problem problem = { "" };
    struct person *person = person_make(import->people->settings, row, &problem);
    if (person == NULL || !person->good) {
        import_broken(import, row->line, problem.text);
        free(person);
    } else if (people_find(import->people, person) != NULL) {
        import->there++;
        free(person);
    } else if (!people_add(import->people, person)) {
        import_broken(import, row->line, "out of memory, or more than 100000 subscribers");
        free(person);
    } else {
        import->taken++;
    }
}

static int import(const struct options *options, struct people *people, char **words, bool *changed)
{
    struct problem problem = { "" };
    struct import import = { .people = people, .file = words[0] };
    const struct subscriber_rows to = { &import, import_row, import_broken };
    size_t length = 0;
    char *text = people_read_file(words[0], false, &length, &problem);
    if (text == NULL) {
        complain(problem.text);
        return CLI_BAD;
    }
    (void)subscribers_each_row((struct phusa_text){ text, length }, &to);
    free(text);
    (void)printf("%zu %s, %zu there already, %zu bad\n", import.taken,
                 options->trying ? "would be taken" : "taken", import.there, import.bad);
    *changed = import.taken > 0 && !options->trying;
    return import.bad == 0 ? CLI_GOOD : CLI_BAD;
}

/* --- opt-out, opt-in, remove ------------------------------------------------------------------ */

/* Nobody is meant: by what is none, or by what nobody has. */
static int say_nobody(const struct options *options)
{
    char number[17];
    const char *address = options->of[SUBSCRIBER_ADDRESS];
    bool good = subscriber_phone(phusa_text_of(address), number) ||
                subscriber_email(phusa_text_of(address));
    (void)fprintf(stderr,
                  good ? "phusa subscribers: nobody of that kind stands in the table\n"
                       : "phusa subscribers: \"%.64s\" is no mobile number such as \"0901234567\", "
                         "no e-mail address, and nobody in the table has it\n",
                  address);
    return CLI_BAD;
}

static int say_changed(size_t changed, size_t meant, const char *what)
{
    (void)printf("%zu %s%s\n", changed, what, changed < meant ? "; others were so already" : "");
    return CLI_GOOD;
}

static int switch_all(const struct options *options, struct people *people, bool active,
                      bool *changed)
{
    size_t meant = 0, switched = 0;
    for (size_t i = 0; i < people->count; i++) {
        struct person *person = people->items[i];
        if (is_meant(options, person)) {
            meant++;
            switched += person->wish.active != active ? 1 : 0;
            person->wish.active = active;
            person->row.of[SUBSCRIBER_ACTIVE] = active ? "yes" : "no";
        }
    }
    *changed = switched > 0;
    return meant == 0 ? say_nobody(options)
                      : say_changed(switched, meant, active ? "opted in" : "opted out");
}

static int opt_out(const struct options *options, struct people *people, char **words,
                   bool *changed)
{
    (void)words;
    return switch_all(options, people, false, changed);
}

static int opt_in(const struct options *options, struct people *people, char **words, bool *changed)
{
    (void)words;
    return switch_all(options, people, true, changed);
}

static int take_out(const struct options *options, struct people *people, char **words,
                    bool *changed)
{
    (void)words;
    size_t meant = 0;
    bool *gone = calloc(people->count + 1, sizeof *gone);
    if (gone == NULL) {
        complain("out of memory");
        return CLI_BAD;
    }
    for (size_t i = 0; i < people->count; i++) {
        gone[i] = is_meant(options, people->items[i]);
        meant += gone[i] ? 1 : 0;
    }
    people_remove(people, gone);
    free(gone);
    *changed = meant > 0;
    return meant == 0 ? say_nobody(options) : say_changed(meant, meant, "removed");
}

/* --- a change --------------------------------------------------------------------------------- */

typedef int change(const struct options *options, struct people *people, char **words,
                   bool *changed);

/* A table of another form stays beside ours. */
static bool keep_old(const char *path)
{
    char old[CLI_PATH_MAX];
    if (snprintf(old, sizeof old, "%s.old", path) >= (int)sizeof old) {
        return false;
    }
    (void)unlink(old);
    if (link(path, old) != 0) {
        return false;
    }
    (void)fprintf(stderr, "phusa subscribers: the table as it was is kept as %s\n", old);
    return true;
}

static bool write_table(struct people *people, bool foreign)
{
    struct problem problem = { "" };
    const char *path = people->settings->subscribers.path;
    if (foreign && !keep_old(path)) {
        (void)fprintf(stderr, "phusa subscribers: %s.old: %s; nothing was changed\n", path,
                      strerror(errno));
        return false;
    }
    if (!people_write(people, path, &problem)) {
        complain(problem.text);
        return false;
    }
    return true;
}

/* What the collector will say to the table; false when it leaves out more lines than before. */
static bool look_again(const char *config, size_t bad_before)
{
    struct settings *settings = cli_load_or_default("subscribers", config, SETTINGS_ALL);
    if (settings == NULL) {
        return false;
    }
    const struct subscribers *subscribers = &settings->subscribers;
    bool good = subscribers->bad <= bad_before;
    for (size_t i = 0; !good && i < subscribers->mistake_count; i++) {
        (void)fprintf(stderr, "%s\n", subscribers->mistakes[i]);
    }
    settings_free(settings);
    return good;
}

static int change_locked(const struct options *options, const struct settings *settings,
                         change *apply, char **words)
{
    struct people people = people_of(settings);
    bool foreign = false, changed = false;
    int result = CLI_BAD;
    if (read_table(&people, &foreign)) {
        result = apply(options, &people, words, &changed);
        if (changed && !write_table(&people, foreign)) {
            result = CLI_BAD;
            changed = false;
        }
    }
    people_free(&people);
    if (changed) {
        result = look_again(options->config, settings->subscribers.bad) ? result : CLI_BAD;
        complain("phusad goes by it after `systemctl reload phusad` (SIGHUP)");
    }
    return result;
}

static int run_change(const struct options *options, const struct settings *settings, change *apply,
                      char **words)
{
    char lock[CLI_PATH_MAX];
    bool fits =
        snprintf(lock, sizeof lock, "%s.lock", settings->subscribers.path) < (int)sizeof lock;
    int fd = fits ? files_lock(lock) : -1;
    if (fd < 0) {
        (void)fprintf(stderr, "phusa subscribers: %s: %s\n", lock,
                      !fits                  ? "the path is too long"
                      : errno == EWOULDBLOCK ? "somebody else is changing the table"
                                             : strerror(errno));
        return CLI_BAD;
    }
    int result = change_locked(options, settings, apply, words);
    (void)close(fd);
    return result;
}

/* --- words ------------------------------------------------------------------------------------ */

struct action {
    const char *word;
    int words; /* that follow */
    change *apply;
    int (*print)(const struct options *options, const struct people *people);
    bool of_one; /* needs an address */
};

static const struct action actions[] = {
    { "list", 0, NULL, list, false },      { "export", 0, NULL, export, false },
    { "import", 1, import, NULL, false },  { "add", 0, add, NULL, true },
    { "opt-out", 0, opt_out, NULL, true }, { "opt-in", 0, opt_in, NULL, true },
    { "remove", 0, take_out, NULL, true },
};

static int run_print(const struct options *options, const struct settings *settings,
                     const struct action *action)
{
    struct people people = people_of(settings);
    bool foreign = false;
    int result = read_table(&people, &foreign) ? action->print(options, &people) : CLI_BAD;
    people_free(&people);
    return result;
}

static int run(const struct options *options, const struct action *action, char **words)
{
    struct settings *settings = cli_load_or_default("subscribers", options->config, SETTINGS_ALL);
    int result = CLI_BAD;
    if (settings != NULL && settings->subscribers.path == NULL) {
        (void)fprintf(stderr,
                      "phusa subscribers: %s names no table; write subscribers = "
                      "\"subscribers.csv\"; in its group phusa\n",
                      settings->file);
    } else if (settings != NULL) {
        result = action->print != NULL ? run_print(options, settings, action)
                                       : run_change(options, settings, action->apply, words);
    }
    settings_free(settings);
    return result;
}

static int find_and_run(const struct options *options, int argc, char **argv)
{
    if (argc == 0) {
        return cli_misuse("subscribers", "what is to be done? list, export, import, add, opt-out, "
                                         "opt-in or remove");
    }
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        const struct action *action = &actions[i];
        if (strcmp(action->word, argv[0]) != 0) {
            continue;
        }
        if (argc - 1 != action->words) {
            return action->words == 1 ? cli_misuse("subscribers", "import takes one file")
                                      : cli_misuse("subscribers", "\"%s\" is too much", argv[1]);
        }
        if (action->of_one && options->of[SUBSCRIBER_ADDRESS] == NULL) {
            return cli_misuse("subscribers", "whom? %s --address A", action->word);
        }
        return run(options, action, argv + 1);
    }
    return cli_misuse("subscribers", "no verb \"%s\"", argv[0]);
}

/* "21:00-05:00"; what the times are is seen with all else. */
static bool take_quiet(struct options *options, const char *text)
{
    const char *middle = strchr(text, '-');
    size_t first = middle == NULL ? 0 : (size_t)(middle - text);
    if (middle == NULL || first >= sizeof options->quiet[0] ||
        strlen(middle + 1) >= sizeof options->quiet[1]) {
        return false;
    }
    memcpy(options->quiet[0], text, first);
    memcpy(options->quiet[1], middle + 1, strlen(middle + 1));
    options->of[SUBSCRIBER_QUIET_FROM] = options->quiet[0];
    options->of[SUBSCRIBER_QUIET_UNTIL] = options->quiet[1];
    return true;
}

/* Options without a letter have numbers beyond all letters; those of a column follow it. */
enum { COLUMN = 256, QUIET = COLUMN + SUBSCRIBER_COLUMNS, FULL, TRYING };

static bool take_option(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'a':
        options->all = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    case 'c':
        options->config = text;
        return true;
    case FULL:
        options->full = true;
        return true;
    case TRYING:
        options->trying = true;
        return true;
    default:
        if (option >= COLUMN && option < QUIET) {
            options->of[option - COLUMN] = text;
        }
        return option >= COLUMN && option < QUIET;
    }
}

int cli_subscribers(int argc, char **argv)
{
    static const struct option known[] = {
        { "name", required_argument, NULL, COLUMN + SUBSCRIBER_NAME },
        { "channel", required_argument, NULL, COLUMN + SUBSCRIBER_CHANNEL },
        { "address", required_argument, NULL, COLUMN + SUBSCRIBER_ADDRESS },
        { "site", required_argument, NULL, COLUMN + SUBSCRIBER_SITE },
        { "station", required_argument, NULL, COLUMN + SUBSCRIBER_STATION },
        { "use", required_argument, NULL, COLUMN + SUBSCRIBER_USE },
        { "language", required_argument, NULL, COLUMN + SUBSCRIBER_LANGUAGE },
        { "threshold", required_argument, NULL, COLUMN + SUBSCRIBER_THRESHOLD },
        { "quiet", required_argument, NULL, QUIET },
        { "all", no_argument, NULL, 'a' },
        { "full", no_argument, NULL, FULL },
        { "dry-run", no_argument, NULL, TRYING },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { 0 };
    int option;
    while ((option = getopt_long(argc, argv, "i:s:n:ajc:h", known, NULL)) != -1) {
        option = option == 'i'   ? COLUMN + SUBSCRIBER_STATION
                 : option == 's' ? COLUMN + SUBSCRIBER_SITE
                 : option == 'n' ? COLUMN + SUBSCRIBER_NAME
                                 : option;
        if (option == 'h') {
            return help();
        }
        if (option == QUIET && !take_quiet(&options, optarg)) {
            return cli_misuse("subscribers", "--quiet %s: write two times such as 21:00-05:00",
                              optarg);
        }
        if (option != QUIET && !take_option(&options, option, optarg)) {
            return cli_point_to_help("subscribers");
        }
    }
    return find_and_run(&options, argc - optind, argv + optind);
}
