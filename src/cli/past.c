#include "cli/past.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "journal/journal.h"

#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS   (60 * MINUTE_NS)
#define QUIET_NS  (27 * HOUR_NS) /* after it no window holds a reading: 24 h, lateness, some */

struct sample {
    int64_t time_ns;
    double value;
    uint32_t order;     /* of arrival: the first value for a time wins */
    uint32_t station;   /* index in the registry */
    uint16_t parameter; /* index in the catalogue */
    uint8_t state;
};

struct past {
    const struct settings *settings;
    struct sample *items;
    size_t count, capacity;
    bool failed; /* out of memory, or more than PAST_SAMPLES_MAX */
    bool sorted;
    struct problem wrong; /* with the last reading that was not taken */
};

struct past *past_create(const struct settings *settings)
{
    struct past *past = calloc(1, sizeof *past);
    if (past != NULL) {
        past->settings = settings;
    }
    return past;
}

void past_free(struct past *past)
{
    if (past != NULL) {
        free(past->items);
        free(past);
    }
}

/* --- collecting --------------------------------------------------------------------- */

static void add_sample(struct past *past, struct sample sample)
{
    if (past->count == past->capacity) {
        size_t capacity = past->capacity == 0 ? 65536 : past->capacity * 2;
        struct sample *items =
            capacity > PAST_SAMPLES_MAX ? NULL : realloc(past->items, capacity * sizeof *items);
        if (items == NULL) {
            past->failed = true;
            return;
        }
        past->items = items;
        past->capacity = capacity;
    }
    sample.order = (uint32_t)past->count;
    past->items[past->count++] = sample;
}

const char *past_add(struct past *past, const struct pipeline_sample *given)
{
    const struct registry *registry = &past->settings->registry;
    const struct phusa_catalogue *catalogue = &past->settings->catalogue;
    const struct station *station = registry_find(registry, given->station);
    const struct phusa_parameter *parameter = phusa_catalogue_find(catalogue, given->parameter);
    if (station == NULL) {
        problem_set(&past->wrong, "the registry has no station \"%.*s\"",
                    (int)given->station.length, given->station.data);
        return past->wrong.text;
    }
    if (parameter == NULL) {
        problem_set(&past->wrong, "the catalogue has no parameter \"%.*s\"",
                    (int)given->parameter.length, given->parameter.data);
        return past->wrong.text;
    }
    add_sample(past, (struct sample){ .time_ns = given->time_ns,
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
    (void)past_add(context, sample);
}

bool past_take_journal(const char *command, const struct settings *settings, const char *path,
                       const struct pipeline_sink *sink)
{
    struct pipeline *pipeline = pipeline_create(settings, sink);
    struct journal_reader *reader = NULL;
    struct journal_record record;
    struct problem problem = { 0 };
    if (pipeline == NULL ||
        journal_reader_open_path(path, NULL, 0, &reader, &problem) != JOURNAL_OK) {
        (void)fprintf(stderr, "phusa %s: %s\n", command,
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
        (void)fprintf(stderr, "phusa %s: %s: %llu damaged bytes were passed over\n", command, path,
                      (unsigned long long)damaged);
    }
    journal_reader_close(reader);
    pipeline_free(pipeline);
    return status != JOURNAL_FAILED;
}

bool past_read_journal(struct past *past, const char *command, const char *path)
{
    struct pipeline_sink sink = { .context = past, .reading = collect_reading };
    return past_take_journal(command, past->settings, path, &sink);
}

static const char *collect_row(void *context, const struct csv_row *row)
{
    return past_add(context, &row->sample);
}

bool past_read_csv(struct past *past, const char *path)
{
    return csv_read(path, collect_row, past);
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

/* --- judging ------------------------------------------------------------------------- */

struct judging {
    struct verdicts *verdicts;
    size_t capacity;
    int64_t last_hour_ns; /* the end of the hour of the last reading */
    int64_t end_ns;       /* the last reading */
    bool all, failed;
};

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

/* A day or night that the recording ends in is told whole; hours and what moves by the hour end
 * with it, and nobody knows whether silence follows. */
static bool is_beyond(const struct judging *judging, const struct notice *notice)
{
    const struct rule_window *window = &notice->rule->window;
    bool moves = window->given && window->length <= RULE_24H;
    return (notice->time_ns > judging->last_hour_ns && moves) ||
           (notice->time_ns > judging->end_ns && notice->rule->subject == RULE_MISSING);
}

static bool is_wanted(const struct judging *judging, const struct notice *notice)
{
    return notice->event == NULL && (notice->transition || (judging->all && notice->tell)) &&
           notice->rule->level_count > 0 && /* else no rule of the rulebook */
           !is_beyond(judging, notice);
}

static void take_notice(void *context, const struct notice *notice)
{
    struct judging *judging = context;
    struct verdicts *verdicts = judging->verdicts;
    if (!is_wanted(judging, notice)) {
        return;
    }
    if (verdicts->count == judging->capacity) {
        size_t capacity = judging->capacity == 0 ? 64 : judging->capacity * 2;
        struct notice *notices = realloc(verdicts->notices, capacity * sizeof *notices);
        if (notices == NULL) {
            judging->failed = true;
            return;
        }
        verdicts->notices = notices;
        judging->capacity = capacity;
    }
    verdicts->notices[verdicts->count++] = *notice;
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
static size_t take_together(const struct past *past, size_t first,
                            struct pipeline_sample together[PHUSA_REPORT_READINGS_MAX])
{
    const struct settings *settings = past->settings;
    const struct sample *begin = &past->items[first], *item = begin;
    size_t count = 0;
    while (first + count < past->count && count < PHUSA_REPORT_READINGS_MAX &&
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

static void run(const struct past *past, struct pipeline *pipeline)
{
    int64_t now_ns = past->count > 0 ? past->items[0].time_ns : 0;
    for (size_t i = 0, next; i < past->count; i = next) {
        struct pipeline_sample together[PHUSA_REPORT_READINGS_MAX];
        next = take_together(past, i, together);
        pass_time(pipeline, &now_ns, past->items[i].time_ns);
        (void)pipeline_take_samples(pipeline, together, next - i);
    }
    pass_time(pipeline, &now_ns, now_ns + QUIET_NS);
}

static void sort_samples(struct past *past)
{
    if (!past->sorted && past->count > 1) {
        qsort(past->items, past->count, sizeof *past->items, by_time);
    }
    past->sorted = true;
}

bool past_judge(struct past *past, const struct settings *settings, bool all,
                struct verdicts *verdicts)
{
    struct judging judging = { .verdicts = verdicts, .all = all };
    struct pipeline_sink sink = { .context = &judging, .notice = take_notice };
    struct pipeline *pipeline = past->failed ? NULL : pipeline_create(settings, &sink);
    *verdicts = (struct verdicts){ 0 };
    if (pipeline == NULL) {
        return false;
    }
    sort_samples(past);
    judging.end_ns = past->count > 0 ? past->items[past->count - 1].time_ns : 0;
    judging.last_hour_ns = (judging.end_ns + HOUR_NS - 1) / HOUR_NS * HOUR_NS;
    run(past, pipeline);
    pipeline_free(pipeline);
    if (verdicts->count > 1) {
        qsort(verdicts->notices, verdicts->count, sizeof *verdicts->notices, by_time_and_rule);
    }
    return !judging.failed;
}

void verdicts_free(struct verdicts *verdicts)
{
    free(verdicts->notices);
    *verdicts = (struct verdicts){ 0 };
}
