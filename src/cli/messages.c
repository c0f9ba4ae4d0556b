/*
 * phusa messages list: every message that the rules of a configuration make, as it would be sent.
 *
 * For each rule and each of its states, the normal one last, at the station with the longest name
 * that it concerns: the value is the limit itself or the first that clears it, the time one morning
 * in March. What is printed is made by the code that makes messages.
 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gsm7.h"
#include "cli/cli.h"
#include "notify/delivery.h"

#define EXAMPLE_TIME_NS (INT64_C(1773268200) * SECOND_NS) /* 2026-03-12T05:30:00+07:00 */

static int help(void)
{
    (void)fputs(
        "usage: phusa messages list [-c FILE] [--rule ID] [--json]\n"
        "  -r, --rule ID      only of this rule\n"
        "  -j, --json         one JSON object a line: rule, template, station, from, to,\n"
        "                     language, text, sms, septets, brief, units, line\n"
        "  -c, --config FILE  configuration (default: the shipped one)\n"
        "  -h, --help         print this\n"
        "Prints what people are told by each rule and by the collector's own alarms, in\n"
        "both languages: the whole text, the short message without diacritics with its\n"
        "length in septets (one SMS has 160), the same as channels that keep them send it\n"
        "with its length in characters (one SMS has 70), and the line of boards and digests.\n",
        stdout);
    return CLI_GOOD;
}

/* --- one message ------------------------------------------------------------------------------ */

struct message {
    char text[LETTER_TEXT_MAX], brief[LETTER_BRIEF_MAX], line[LETTER_LINE_MAX];
    char sms[GSM7_FOLD_MAX(LETTER_BRIEF_MAX)]; /* brief without diacritics */
    size_t septets, units;
};

static void make_message(const struct notice *notice, const struct settings *settings,
                         enum language language, struct message *message)
{
    (void)wording_part(notice, settings, language, WORDING_TEXT, true, message->text,
                       sizeof message->text);
    (void)wording_part(notice, settings, language, WORDING_BRIEF, true, message->brief,
                       sizeof message->brief);
    (void)wording_part(notice, settings, language, WORDING_LINE, false, message->line,
                       sizeof message->line);
    (void)gsm7_fold(phusa_text_of(message->brief), message->sms, sizeof message->sms);
    message->septets = sms_units(phusa_text_of(message->sms), SMS_GSM7);
    message->units = sms_units(phusa_text_of(message->brief), SMS_UCS2);
}

static void print_json(const struct notice *notice, const char *language,
                       const struct message *message)
{
    const struct message_template *template = notice->rule->message;
    json_t *object = json_pack(
        "{s:s, s:s?, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "rule", notice->rule->id,
        "template", template == NULL ? NULL : template->id, "station", notice->station->id, "from",
        severity_name(notice->from), "to", severity_name(notice->to), "language", language, "text",
        message->text, "sms", message->sms, "septets", (json_int_t)message->septets, "brief",
        message->brief, "units", (json_int_t)message->units, "line", message->line);
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(object);
}

static void print_plain(const struct notice *notice, const char *language,
                        const struct message *message)
{
    (void)printf("%s  %s  %s\n  text  ", notice->rule->id, severity_name(notice->to), language);
    cli_print_plain(stdout, phusa_text_of(message->text));
    (void)printf("\n  sms   ");
    cli_print_plain(stdout, phusa_text_of(message->sms));
    (void)printf("  (%zu)\n  brief ", message->septets);
    cli_print_plain(stdout, phusa_text_of(message->brief));
    (void)printf("  (%zu)\n  line  ", message->units);
    cli_print_plain(stdout, phusa_text_of(message->line));
    (void)putchar('\n');
}

/* --- one rule --------------------------------------------------------------------------------- */

struct listing {
    const struct settings *settings;
    const char *rule; /* NULL = all */
    bool json;
    size_t printed;
};

static void print_notice(struct listing *listing, const struct notice *notice)
{
    static const char *const names[LANGUAGES] = { "vi", "en" };
    for (int i = 0; i < LANGUAGES; i++) {
        struct message message;
        make_message(notice, listing->settings, (enum language)i, &message);
        (listing->json ? print_json : print_plain)(notice, names[i], &message);
    }
    listing->printed++;
}

/* The value at which a level is raised or, for normal, the first that clears the lowest of them. */
static double example_value(const struct rule *rule, const struct rule_level *level, bool normal)
{
    if (level == NULL || rule->subject == RULE_MISSING) {
        return (double)NAN;
    }
    bool low = rule->direction == RULE_BELOW;
    double step = rule->parameter->resolution;
    return normal ? (low ? level->clear_low + step : level->clear_high - step)
                  : (low ? level->raise_low : level->raise_high);
}

static void print_rule(struct listing *listing, const struct rule *rule,
                       const struct station *station)
{
    struct notice notice = { .rule = rule,
                             .station = station,
                             .time_ns = EXAMPLE_TIME_NS,
                             .since_ns = EXAMPLE_TIME_NS,
                             .transition = true,
                             .tell = true };
    if (listing->rule != NULL && strcmp(listing->rule, rule->id) != 0) {
        return;
    }
    for (size_t i = 0; i < rule->level_count; i++) {
        notice.to = rule->levels[i].severity;
        notice.value = example_value(rule, &rule->levels[i], false);
        print_notice(listing, &notice);
        notice.from = notice.to;
    }
    int own = maintenance_find(&listing->settings->maintenance, rule->id);
    if (own >= 0) {
        notice.to = maintenance_severity((enum maintenance)own);
        notice.value = (double)NAN;
        print_notice(listing, &notice);
        notice.from = notice.to;
    }
    notice.to = SEVERITY_NORMAL;
    notice.value = example_value(rule, own >= 0 ? NULL : &rule->levels[0], true);
    print_notice(listing, &notice);
}

/* --- all -------------------------------------------------------------------------------------- */

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
}

/* The station with the longest name among those that the rule concerns, or the one it is given. */
static const struct station *find_station(const struct registry *registry, const struct rule *rule,
                                          const struct station *otherwise)
{
    const struct station *longest = NULL;
    for (size_t i = 0; i < registry->count; i++) {
        const struct station *station = &registry->stations[i];
        if (rule_concerns(rule, station) &&
            (longest == NULL || characters(station->name) > characters(longest->name))) {
            longest = station;
        }
    }
    return longest == NULL ? otherwise : longest;
}

static void print_all(struct listing *listing)
{
    static const struct station nowhere = {
        .id = "station", .site = "site", .name = "Trạm", .lat = (double)NAN, .lon = (double)NAN
    };
    const struct settings *settings = listing->settings;
    for (size_t i = 0; i < settings->rulebook.count; i++) {
        const struct rule *rule = &settings->rulebook.rules[i];
        if (isnan(rule->threshold)) { /* others say what the rule says that they are made of */
            print_rule(listing, rule, find_station(&settings->registry, rule, &nowhere));
        }
    }
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        const struct rule *rule = &settings->maintenance.rules[i];
        bool of_stations = i == MAINTENANCE_REPORTS_MISSING || i == MAINTENANCE_NEVER_SEEN ||
                           i == MAINTENANCE_QUIET || i == MAINTENANCE_FLAT ||
                           i == MAINTENANCE_CLOCK_WRONG;
        bool any = of_stations && settings->registry.count > 0;
        print_rule(listing, rule,
                   any ? &settings->registry.stations[0] : &settings->maintenance.self);
    }
}

int cli_messages(int argc, char **argv)
{
    static const struct option known[] = {
        { "rule", required_argument, NULL, 'r' },
        { "json", no_argument, NULL, 'j' },
        { "config", required_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct listing listing = { .rule = NULL };
    const char *config = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "r:jc:h", known, NULL)) != -1) {
        switch (option) {
        case 'r':
            listing.rule = optarg;
            break;
        case 'j':
            listing.json = true;
            break;
        case 'c':
            config = optarg;
            break;
        default:
            return option == 'h' ? help() : cli_point_to_help("messages");
        }
    }
    if (argc - optind != 1 || strcmp(argv[optind], "list") != 0) {
        return cli_misuse("messages", "what is to be done? list");
    }
    struct settings *settings = cli_load_or_default("messages", config, SETTINGS_ALL);
    if (settings == NULL) {
        return CLI_BAD;
    }
    listing.settings = settings;
    print_all(&listing);
    settings_free(settings);
    if (listing.printed == 0) {
        (void)fprintf(stderr, "phusa messages: no rule \"%s\"\n", listing.rule);
    }
    return listing.printed > 0 ? CLI_GOOD : CLI_BAD;
}
