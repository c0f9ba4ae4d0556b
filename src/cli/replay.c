/*
 * phusa replay: takes the past in order of reading time through the pipeline and prints
 * the transitions that the rules make of it, ordered by time, rule, station.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/csv.h"
#include "journal/journal.h"
#include "pipeline.h"

#define SAMPLES_MAX (1u << 28) /* readings held at once */
#define MINUTE_NS   (60 * SECOND_NS)
#define HOUR_NS     (60 * MINUTE_NS)
#define QUIET_NS    (27 * HOUR_NS) /* after it no window holds a reading: 24 h, lateness, some */

struct sample {
    int64_t time_ns;
    double value;
    uint32_t order;     /* of arrival: the first value for a time wins */
    uint32_t station;   /* index in the registry */
    uint16_t parameter; /* index in the catalogue */
    uint8_t state;
};

struct samples {
    struct sample *items;
    size_t count, capacity;
    bool failed; /* out of memory, or more than SAMPLES_MAX */
    const struct settings *settings;
};

struct transitions {
    struct notice *items;
    size_t count, capacity;
    int64_t end_ns;       /* of the last reading */
    int64_t last_hour_ns; /* the end of its hour */
    bool failed;
};

static int help(void)
{
    (void)fputs(
        "usage: phusa replay -c FILE (--csv FILE | --journal DIR)\n"
        "  -c, --config FILE  configuration with parameters, stations and rules\n"
        "      --csv FILE     time,station,parameter,value[,status] with a header; - is stdin\n"
        "      --journal DIR  a journal of phusad\n"
        "      --as-received  with --journal: as phusad judged it, in the order of arrival\n"
        "                     (late readings as history); otherwise by time of reading\n"
        "  -h, --help         print this\n"
        "Prints one JSON object a line for each change of an alarm's state; sends nothing.\n",
        stdout);
    return CLI_GOOD;
}

/* --- collecting --------------------------------------------------------------------- */

static void add_sample(struct samples *samples, struct sample sample)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity == 0 ? 65536 : samples->capacity * 2;
        struct sample *items =
            capacity > SAMPLES_MAX ? NULL : realloc(samples->items, capacity * sizeof *items);
        if (items == NULL) {
            samples->failed = true;
            return;
        }
        samples->items = items;
        samples->capacity = capacity;
    }
    sample.order = (uint32_t)samples->count;
    samples->items[samples->count++] = sample;
}

/* NULL if it was taken, otherwise what is wrong with it. */
static const char *collect(struct samples *samples, const struct pipeline_sample *given)
{
    const struct registry *registry = &samples->settings->registry;
    const struct phusa_catalogue *catalogue = &samples->settings->catalogue;
    const struct station *station = registry_find(registry, given->station);
    const struct phusa_parameter *parameter = phusa_catalogue_find(catalogue, given->parameter);
    if (station == NULL) {
        return "the registry has no such station";
    }
    if (parameter == NULL) {
        return "the catalogue has no such parameter";
    }
    add_sample(samples, (struct sample){ .time_ns = given->time_ns,
                                         .value = given->value,
                                         .station = (uint32_t)(station - registry->stations),
                                         .parameter = (uint16_t)(parameter - catalogue->parameters),
                                         .state = (uint8_t)given->state });
    return NULL;
}

static void collect_reading(void *context, const struct pipeline_sample *sample,
                            enum phusa_flag flag)
{
    (void)flag; /* given again when the rules judge */
    (void)collect(context, sample);
}

/* Takes a journal through a pipeline, in its order. False after saying why not. */
static bool read_journal(const struct settings *settings, const char *path,
                         const struct pipeline_sink *sink)
{
    struct pipeline *pipeline = pipeline_create(settings, sink);
    struct journal_reader *reader = NULL;
    struct journal_record record;
    struct problem problem = { 0 };
    if (pipeline == NULL ||
        journal_reader_open_path(path, NULL, 0, &reader, &problem) != JOURNAL_OK) {
        (void)fprintf(stderr, "phusa replay: %s\n",
                      pipeline == NULL ? "out of memory" : problem.text);
        pipeline_free(pipeline);
        return false;
    }
    enum journal_status status;
    while ((status = journal_next(reader, &record)) == JOURNAL_OK) {
        pipeline_take(pipeline, &record);
    }
    uint64_t damaged = journal_reader_damaged(reader);
    if (damaged > 0) {
        (void)fprintf(stderr, "phusa replay: %s: %llu damaged bytes were passed over\n", path,
                      (unsigned long long)damaged);
    }
    journal_reader_close(reader);
    pipeline_free(pipeline);
    return status != JOURNAL_FAILED;
}

static bool collect_journal(struct samples *samples, const char *path)
{
    struct pipeline_sink sink = { .context = samples, .reading = collect_reading };
    return read_journal(samples->settings, path, &sink);
}

static const char *collect_row(void *context, const struct csv_row *row)
{
    return collect(context, &row->sample);
}

static int by_time(const void *a, const void *b)
{
    const struct sample *left = a, *right = b;
    if (left->time_ns != right->time_ns) {
        return left->time_ns < right->time_ns ? -1 : 1;
    }
    if (left->station != right->station) {
        return left->station < right->station ? -1 : 1;
    }
    return (left->order > right->order) - (left->order < right->order);
}

/* --- printing ------------------------------------------------------------------------ */

/* The transitions that phusad made of this journal, in the order in which it made them. */
static void print_notice(void *context, const struct notice *notice)
{
    char line[NOTICE_BODY_MAX];
    (void)context;
    if (notice->transition && notice->rule->level_count > 0) {
        size_t length = notice_replay_json(notice, line, sizeof line);
        (void)fwrite(line, 1, length, stdout);
        (void)putchar('\n');
    }
}

static int replay_as_received(const struct settings *settings, const char *journal)
{
    struct pipeline_sink sink = { .notice = print_notice };
    return read_journal(settings, journal, &sink) ? CLI_GOOD : CLI_BAD;
}

/* A window's transition comes when it closes, later than its time. */
static int by_time_and_rule(const void *a, const void *b)
{
    const struct notice *left = a, *right = b;
    if (left->time_ns != right->time_ns) {
        return left->time_ns < right->time_ns ? -1 : 1;
    }
    int order = strcmp(left->rule->id, right->rule->id);
    return order != 0 ? order : strcmp(left->station->id, right->station->id);
}

static void print_transitions(struct transitions *transitions)
{
    char line[NOTICE_BODY_MAX];
    if (transitions->count > 1) {
        qsort(transitions->items, transitions->count, sizeof *transitions->items, by_time_and_rule);
    }
    for (size_t i = 0; i < transitions->count; i++) {
        size_t length = notice_replay_json(&transitions->items[i], line, sizeof line);
        (void)fwrite(line, 1, length, stdout);
        (void)putchar('\n');
    }
}

/* A day or night that the recording ends in is told whole; hours and what moves by the hour end
 * with it, and nobody listened to what would be missing after it. */
static bool is_beyond(const struct transitions *transitions, const struct notice *notice)
{
    const struct rule_window *window = &notice->rule->window;
    if (notice->rule->subject == RULE_MISSING) {
        return notice->time_ns > transitions->end_ns;
    }
    return notice->time_ns > transitions->last_hour_ns && window->given &&
           window->length <= RULE_24H;
}

static void take_notice(void *context, const struct notice *notice)
{
    struct transitions *transitions = context;
    if (!notice->transition || notice->rule->level_count == 0 || /* no rule of the rulebook */
        is_beyond(transitions, notice)) {
        return;
    }
    if (transitions->count == transitions->capacity) {
        size_t capacity = transitions->capacity == 0 ? 64 : transitions->capacity * 2;
        struct notice *items = realloc(transitions->items, capacity * sizeof *items);
        if (items == NULL) {
            transitions->failed = true;
            return;
        }
        transitions->items = items;
        transitions->capacity = capacity;
    }
    transitions->items[transitions->count++] = *notice;
}

/* A recording has no ticks: windows close on time all the same, until nothing is left in them. */
static void pass_time(struct pipeline *pipeline, int64_t *now_ns, int64_t to_ns)
{
    int64_t last_ns = *now_ns + QUIET_NS < to_ns ? *now_ns + QUIET_NS : to_ns;
    for (int64_t ns = (*now_ns / MINUTE_NS + 1) * MINUTE_NS; ns < last_ns; ns += MINUTE_NS) {
        pipeline_tick(pipeline, ns);
    }
    *now_ns = to_ns;
}

/* Those of one station and time, from `first` on; returns where the next ones begin. */
static size_t take_together(const struct samples *samples, size_t first,
                            struct pipeline_sample together[PHUSA_REPORT_READINGS_MAX])
{
    const struct settings *settings = samples->settings;
    const struct sample *begin = &samples->items[first], *item = begin;
    size_t count = 0;
    while (first + count < samples->count && count < PHUSA_REPORT_READINGS_MAX &&
           item->time_ns == begin->time_ns && item->station == begin->station) {
        together[count] = (struct pipeline_sample){
            .station = phusa_text_of(settings->registry.stations[item->station].id),
            .parameter = settings->catalogue.parameters[item->parameter].name,
            .value = item->value,
            .time_ns = item->time_ns,
            .received_ns = item->time_ns,
            .state = (enum phusa_device_state)item->state
        };
        count++;
        item++;
    }
    return first + count;
}

static bool judge(const struct samples *samples)
{
    int64_t end_ns = samples->count > 0 ? samples->items[samples->count - 1].time_ns : 0;
    struct transitions transitions = { .end_ns = end_ns };
    transitions.last_hour_ns = (end_ns + HOUR_NS - 1) / HOUR_NS * HOUR_NS;
    struct pipeline_sink sink = { .context = &transitions, .notice = take_notice };
    struct pipeline *pipeline = pipeline_create(samples->settings, &sink);
    if (pipeline == NULL) {
        return false;
    }
    int64_t now_ns = samples->count > 0 ? samples->items[0].time_ns : 0;
    for (size_t i = 0, next; i < samples->count; i = next) {
        struct pipeline_sample together[PHUSA_REPORT_READINGS_MAX];
        next = take_together(samples, i, together);
        pass_time(pipeline, &now_ns, samples->items[i].time_ns);
        (void)pipeline_take_samples(pipeline, together, next - i);
    }
    pass_time(pipeline, &now_ns, now_ns + QUIET_NS);
    print_transitions(&transitions);
    pipeline_free(pipeline);
    free(transitions.items);
    return !transitions.failed;
}

static int replay(const struct settings *settings, const char *csv, const char *journal)
{
    struct samples samples = { .settings = settings };
    bool good =
        csv != NULL ? csv_read(csv, collect_row, &samples) : collect_journal(&samples, journal);
    if (samples.count > 1) {
        qsort(samples.items, samples.count, sizeof *samples.items, by_time);
    }
    if (samples.failed || !judge(&samples)) {
        (void)fputs("phusa replay: out of memory\n", stderr);
        good = false;
    }
    free(samples.items);
    return good ? CLI_GOOD : CLI_BAD;
}

int cli_replay(int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },  { "csv", required_argument, NULL, 's' },
        { "journal", required_argument, NULL, 'j' }, { "as-received", no_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    const char *config = NULL, *csv = NULL, *journal = NULL;
    bool as_received = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        if (option == 'c') {
            config = optarg;
        } else if (option == 's') {
            csv = optarg;
        } else if (option == 'j') {
            journal = optarg;
        } else if (option == 'a') {
            as_received = true;
        } else {
            return option == 'h' ? help() : cli_point_to_help("replay");
        }
    }
    if (config == NULL) {
        return cli_misuse("replay", "which configuration? -c FILE");
    }
    if ((csv == NULL) == (journal == NULL)) {
        return cli_misuse("replay", "either --csv FILE or --journal DIR");
    }
    if (as_received && csv != NULL) {
        return cli_misuse("replay", "--as-received goes with --journal only");
    }
    if (optind != argc) {
        return cli_misuse("replay", "\"%s\" is too much", argv[optind]);
    }
    struct settings *settings = cli_load(config, SETTINGS_RULES);
    if (settings == NULL) {
        return CLI_BAD;
    }
    int result =
        as_received ? replay_as_received(settings, journal) : replay(settings, csv, journal);
    settings_free(settings);
    return result;
}
