/*
 * phusa rules test: unit tests of rules, written as data.
 *
 *   tests : (
 *     { name   = "durian is warned at half a gram";
 *       rules  = ["salinity-durian"];           # transitions of others do not count; default: all
 *       input  = [ "2026-03-01T06:00:00+07:00 my-tho-1 salinity 0.3",
 *                  "2026-03-01T06:15:00+07:00 every 15m my-tho-1 salinity 0.5 0.6 0.7 0.7" ];
 *       expect = [ "2026-03-01T06:30:00+07:00 salinity-durian my-tho-1 normal moderate" ]; } );
 *
 * A line of input is a time, a station, a parameter and values; with `every` each further value is
 * so much later. Words are separated by blanks; "!1" or "!2" right behind a value is the device
 * state of TT 10/2021. Expected are all transitions, in any order.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/iso_time.h"
#include "cli/cli.h"
#include "cli/past.h"
#include "phusa/number.h"

#define WORDS_MAX  4096 /* in one line of input */
#define TESTS_MAX  "10000"
#define LINES_MAX  "10000"
#define LINE_BYTES 65536
#define HINT_MAX   96

struct test {
    const char *name;
    struct config_list rules, input, expect;
};

#define AT(member) offsetof(struct test, member)
static const struct config_key test_keys[] = {
    { "name", CONFIG_STRING, AT(name), .required = true, .example = "at the limit" },
    { "rules", CONFIG_STRINGS, AT(rules), .most = "1024", .example = "[\"salinity\"]" },
    { "input", CONFIG_STRINGS, AT(input), .required = true, .most = LINES_MAX,
      .example = "[\"2026-03-01T06:00:00+07:00 s1 salinity 0.3\"]" },
    { "expect", CONFIG_STRINGS, AT(expect), .required = true, .most = LINES_MAX,
      .example = "[\"2026-03-01T06:00:00+07:00 salinity s1 normal minor\"]" },
};
#undef AT
static const struct config_schema schema_test = { "test", test_keys,
                                                  sizeof test_keys / sizeof *test_keys };

struct file {
    struct config_list tests;
};
static const struct config_key file_keys[] = {
    { "tests", CONFIG_GROUPS, offsetof(struct file, tests), .required = true, .most = TESTS_MAX,
      .example = "( { name = \"...\"; input = [...]; expect = [...]; } )" },
};
static const struct config_schema schema_file = { "rule tests", file_keys,
                                                  sizeof file_keys / sizeof *file_keys };

static int help(void)
{
    (void)fputs("usage: phusa rules test [-c FILE] TESTS...\n"
                "  -c, --config FILE  configuration with parameters, stations and rules\n"
                "                     (default: the shipped one)\n"
                "  -h, --help         print this\n"
                "Runs rule tests written as data: what goes in, which transitions are expected;\n"
                "see phusa(1). Prints a line for each test, and below it what differs.\n",
                stdout);
    return CLI_GOOD;
}

/* --- input ----------------------------------------------------------------------------------- */

/* A line of input as it is taken apart. */
struct line {
    char bytes[LINE_BYTES];
    size_t count;
    const char *words[WORDS_MAX];
};

static bool split(const char *text, struct line *line)
{
    size_t length = strlen(text);
    char *rest = line->bytes, *word;
    line->count = 0;
    if (length >= sizeof line->bytes) {
        return false;
    }
    memcpy(line->bytes, text, length + 1);
    while ((word = strtok_r(rest, " \t", &rest)) != NULL) {
        if (line->count == WORDS_MAX) {
            return false;
        }
        line->words[line->count++] = word;
    }
    return true;
}

/* "0.5" or "0.5!1" */
static bool read_value(const char *word, double *value, enum phusa_device_state *state)
{
    char *end = NULL;
    errno = 0;
    *value = strtod(word, &end);
    *state = PHUSA_DEVICE_MEASURING;
    if (end == word || errno != 0 || !isfinite(*value)) {
        return false;
    }
    if (end[0] == '!' && (end[1] == '1' || end[1] == '2') && end[2] == '\0') {
        *state = end[1] == '1' ? PHUSA_DEVICE_CALIBRATING : PHUSA_DEVICE_FAULT;
        return true;
    }
    return *end == '\0';
}

/* True for "5 !1". */
static bool has_loose_state(const struct line *line)
{
    bool loose = false;
    for (size_t i = 0; i < line->count; i++) {
        loose = loose || line->words[i][0] == '!';
    }
    return loose;
}

/* NULL or what is wrong. */
static const char *add_series(struct past *past, const struct line *line)
{
    int64_t time_ns = 0, every_ns = 0;
    if (line->count < 4 || !iso_time_parse(phusa_text_of(line->words[0]), &time_ns)) {
        return "a line of input is: time with offset, station, parameter, values";
    }
    if (has_loose_state(line)) {
        return "the device's state stands right behind its value, without a blank: 0.5!1";
    }
    size_t at = 1;
    if (strcmp(line->words[1], "every") == 0) {
        if (!config_parse_duration(line->words[2], &every_ns) || every_ns <= 0) {
            return "\"every\" is followed by a time such as 15m";
        }
        at = 3;
    }
    if (line->count < at + 3 || (every_ns == 0 && line->count > at + 3)) {
        return "several values need \"every 15m\" behind the time; one is the least";
    }
    struct pipeline_sample sample = { .station = phusa_text_of(line->words[at]),
                                      .parameter = phusa_text_of(line->words[at + 1]) };
    for (size_t i = at + 2; i < line->count; i++) {
        if (i > at + 2 && __builtin_add_overflow(time_ns, every_ns, &time_ns)) {
            return "the last values lie behind the year 2262";
        }
        sample.time_ns = sample.received_ns = time_ns;
        if (!read_value(line->words[i], &sample.value, &sample.state)) {
            return "a value is a number, or one with the device's state such as 0.5!1";
        }
        const char *wrong = past_add(past, &sample);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

static bool read_input(const struct test *test, struct past *past, struct line *line)
{
    bool good = true;
    for (size_t i = 0; i < test->input.count; i++) {
        const char *text = config_string_at(&test->input, i);
        const char *wrong = split(text, line) ? add_series(past, line) : "the line is too long";
        if (wrong != NULL) {
            config_complain(config_element(test->input.node, i), "%s", wrong);
            good = false;
        }
    }
    return good;
}

/* --- words of a test -------------------------------------------------------------------------- */

static bool know_rule(const struct settings *settings, const struct config_node *node,
                      const char *id)
{
    const struct rulebook *book = &settings->rulebook;
    struct config_nearest nearest = { .word = id };
    char hint[HINT_MAX];
    bool known = maintenance_find(&settings->maintenance, id) >= 0;
    for (size_t i = 0; i < book->count; i++) {
        known = known || strcmp(book->rules[i].id, id) == 0;
        config_nearest_offer(&nearest, book->rules[i].id);
    }
    if (!known) {
        config_complain(node, "no rule that is switched on is called \"%.64s\"%s", id,
                        config_nearest_hint(&nearest, hint, sizeof hint));
    }
    return known;
}

static bool know_severity(const struct config_node *node, const char *name)
{
    for (int i = 0; i <= SEVERITY_EXTREME; i++) {
        if (strcmp(severity_name((enum severity)i), name) == 0) {
            return true;
        }
    }
    config_complain(node, "\"%.64s\" is no state; write normal, minor, moderate, severe or extreme",
                    name);
    return false;
}

static bool know_expected(const struct settings *settings, const struct config_node *node,
                          const struct line *line)
{
    int64_t time_ns = 0;
    if (line->count != 5 || !iso_time_parse(phusa_text_of(line->words[0]), &time_ns)) {
        config_complain(node, "what is expected is: time with offset, rule, station, state before, "
                              "state after");
        return false;
    }
    return know_rule(settings, node, line->words[1]) && know_severity(node, line->words[3]) &&
           know_severity(node, line->words[4]);
}

/* A rule that there is not has no transitions: a test of it would pass whatever comes. What can
 * never come is a mistake of the test. */
static bool know_words(const struct test *test, const struct settings *settings, struct line *line)
{
    bool good = true;
    for (size_t i = 0; i < test->rules.count; i++) {
        good = know_rule(settings, config_element(test->rules.node, i),
                         config_string_at(&test->rules, i)) &&
               good;
    }
    for (size_t i = 0; i < test->expect.count; i++) {
        line->count = 0;
        (void)split(config_string_at(&test->expect, i), line);
        good = know_expected(settings, config_element(test->expect.node, i), line) && good;
    }
    return good;
}

/* --- expected --------------------------------------------------------------------------------- */

static bool is_asked(const struct test *test, const struct notice *notice)
{
    for (size_t i = 0; i < test->rules.count; i++) {
        if (strcmp(config_string_at(&test->rules, i), notice->rule->id) == 0) {
            return true;
        }
    }
    return test->rules.count == 0;
}

static bool is_it(const struct line *line, const struct notice *notice)
{
    int64_t time_ns = 0;
    return line->count == 5 && iso_time_parse(phusa_text_of(line->words[0]), &time_ns) &&
           time_ns == notice->time_ns && strcmp(line->words[1], notice->rule->id) == 0 &&
           strcmp(line->words[2], notice->station->id) == 0 &&
           strcmp(line->words[3], severity_name(notice->from)) == 0 &&
           strcmp(line->words[4], severity_name(notice->to)) == 0;
}

/* Strikes out what was expected and came; false when it did not come. */
static bool strike_out(const struct test *test, const struct line *line, struct verdicts *verdicts,
                       bool *struck)
{
    for (size_t i = 0; i < verdicts->count; i++) {
        if (!struck[i] && is_asked(test, &verdicts->notices[i]) &&
            is_it(line, &verdicts->notices[i])) {
            struck[i] = true;
            return true;
        }
    }
    return false;
}

static void print_unexpected(FILE *out, const struct notice *notice, int32_t utc_offset_s)
{
    char time[CLI_TIME_MAX];
    cli_local_time(notice->time_ns, utc_offset_s, time);
    (void)fprintf(out, "  not expected: %s %s %s %s %s  (%g)\n", time, notice->rule->id,
                  notice->station->id, severity_name(notice->from), severity_name(notice->to),
                  notice->value);
}

/* True if all that was expected came, and nothing else; `out` receives what differs. */
static bool compare(const struct test *test, struct verdicts *verdicts, struct line *line,
                    int32_t utc_offset_s, FILE *out)
{
    bool good = true;
    bool *struck = calloc(verdicts->count + 1, sizeof *struck);
    for (size_t i = 0; struck != NULL && i < test->expect.count; i++) {
        const char *text = config_string_at(&test->expect, i);
        if (!split(text, line) || !strike_out(test, line, verdicts, struck)) {
            (void)fprintf(out, "  did not come: %s\n", text);
            good = false;
        }
    }
    for (size_t i = 0; struck != NULL && i < verdicts->count; i++) {
        if (!struck[i] && is_asked(test, &verdicts->notices[i])) {
            print_unexpected(out, &verdicts->notices[i], utc_offset_s);
            good = false;
        }
    }
    good = good && struck != NULL;
    free(struck);
    return good;
}

/* --- running -------------------------------------------------------------------------------- */

struct run {
    const struct settings *settings;
    struct config_sink sink;
    struct line *line;
    size_t passed, failed;
    size_t kept_count, kept_room;
    char **kept; /* strings of the files */
};

/* What differs from what was expected goes to `differences`; mistakes of the test are reported. */
static bool run_test(struct run *run, const struct test *test, FILE *differences)
{
    struct past *past = past_create(run->settings);
    struct verdicts verdicts = { 0 };
    bool good = past != NULL && know_words(test, run->settings, run->line) &&
                read_input(test, past, run->line) &&
                past_judge(past, run->settings, false, &verdicts) &&
                compare(test, &verdicts, run->line, run->settings->utc_offset_s, differences);
    verdicts_free(&verdicts);
    past_free(past);
    return good;
}

/* Prints the verdict, and below it what differs. */
static void judge_test(struct run *run, const struct config_node *node)
{
    struct test test = { .name = "" };
    char *text = NULL;
    size_t length = 0;
    FILE *differences = open_memstream(&text, &length);
    bool read = config_read_group(node, &schema_test, &test);
    bool good = read && differences != NULL && run_test(run, &test, differences);
    (void)printf("%s  %s\n", good ? "PASS" : "FAIL", test.name == NULL ? "" : test.name);
    if (differences != NULL && fclose(differences) == 0) {
        (void)fputs(text, stdout);
    }
    free(text);
    run->passed += good ? 1 : 0;
    run->failed += good ? 0 : 1;
}

static void run_tests(struct run *run, const struct config *config)
{
    struct file file = { .tests = { NULL, 0 } };
    if (!config_read_group(config_root(config), &schema_file, &file)) {
        run->failed++;
        return;
    }
    for (size_t i = 0; i < file.tests.count; i++) {
        judge_test(run, config_element(file.tests.node, i));
    }
}

static void run_file(struct run *run, const char *path)
{
    struct config *config = NULL;
    struct problem problem = { "" };
    if (config_open(path, &run->sink, &config, &problem) != CONFIG_OK) {
        if (problem.text[0] != '\0') {
            (void)fprintf(stderr, "phusa rules: %s: %s\n", path, problem.text);
        }
        run->failed++;
        return;
    }
    run_tests(run, config);
    config_close(config);
}

static void report(void *context, const char *file, int line, const char *text)
{
    (void)context;
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, text);
}

static const char *keep(void *context, const char *text)
{
    struct run *run = context;
    if (run->kept_count == run->kept_room) {
        size_t room = run->kept_room == 0 ? 16 : 2 * run->kept_room;
        char **kept = realloc(run->kept, room * sizeof *kept);
        if (kept == NULL) {
            return NULL;
        }
        run->kept = kept;
        run->kept_room = room;
    }
    run->kept[run->kept_count] = strdup(text);
    return run->kept[run->kept_count] == NULL ? NULL : run->kept[run->kept_count++];
}

static int run_all(const struct settings *settings, char **files, int count)
{
    struct run run = { .settings = settings, .sink = { .report = report, .keep = keep } };
    run.sink.context = &run;
    run.line = malloc(sizeof *run.line);
    for (int i = 0; run.line != NULL && i < count; i++) {
        run_file(&run, files[i]);
    }
    (void)printf("%zu passed, %zu failed\n", run.passed, run.failed);
    bool good = run.line != NULL && run.failed == 0;
    while (run.kept_count > 0) {
        free(run.kept[--run.kept_count]);
    }
    free((void *)run.kept);
    free(run.line);
    return good ? CLI_GOOD : CLI_BAD;
}

int cli_rules(int argc, char **argv)
{
    static const struct option known[] = { { "config", required_argument, NULL, 'c' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    const char *config = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        if (option != 'c') {
            return option == 'h' ? help() : cli_point_to_help("rules");
        }
        config = optarg;
    }
    if (optind == argc || strcmp(argv[optind], "test") != 0) {
        return cli_misuse("rules", "what is to be done? test");
    }
    if (++optind == argc) {
        return cli_misuse("rules", "which tests? test FILE");
    }
    struct settings *settings = cli_load_or_default("rules", config, SETTINGS_RULES);
    int result = settings == NULL ? CLI_BAD : run_all(settings, argv + optind, argc - optind);
    settings_free(settings);
    return result;
}
