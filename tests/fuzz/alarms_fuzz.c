/*
 * What operators ask and do, over HTTP and out of the journal.
 *
 * A body of POST /api/v1/alarms is answered in JSON; what the check allows, the pipeline takes and
 * records as one event with the words of who did it, and what it refuses may stand in a journal all
 * the same: it changes nothing that cannot be saved and restored. So may what is no condition of
 * the collector's own. The input's texts (0x1E
 * separates them) are also values of the query of each list.
 */
#include <jansson.h>

#include "console/alarms.h"
#include "pieces.h"
#include "pipeline.h"

#define NOW_S  INT64_C(1762000200)
#define NOW_NS (NOW_S * SECOND_NS)

static const struct phusa_parameter parameters[] = {
    { .name = { "salinity", 8 }, .unit = { "g/L", 3 }, .maximum = 45, .resolution = 0.01 }
};
static const struct phusa_parameter *const listed[] = { &parameters[0] };
static const struct station stations[] = { { .id = "s1",
                                             .site = "my-tho",
                                             .kind = "water",
                                             .name = "Trạm 1",
                                             .every_ns = 300 * SECOND_NS,
                                             .parameters = listed,
                                             .parameter_count = 1 } };
static const struct station site = { .id = "my-tho", .site = "my-tho", .kind = "site" };
static const struct rule rules[] = { { .id = "salinity",
                                       .kind = "water",
                                       .parameter = &parameters[0],
                                       .direction = RULE_ABOVE,
                                       .levels = { { SEVERITY_MINOR, 0, 4, 0, 3.5, 0, 0 } },
                                       .level_count = 1,
                                       .max_gap_ns = 3600 * SECOND_NS,
                                       .from_ns = INT64_MIN,
                                       .until_ns = INT64_MAX,
                                       .accept = 6 } };
static struct settings settings = { .file = "fuzz",
                                    .ahead_ns = 300 * SECOND_NS,
                                    .clock_wrong_ns = 86400 * SECOND_NS,
                                    .catalogue = { parameters, 1 },
                                    .registry = { stations, 1, &site, 1 },
                                    .rulebook = { rules, 1 } };

static struct pipeline *pipeline;
static unsigned events;
static bool allowed; /* the operation, by the check */

static void take_notice(void *context, const struct notice *notice)
{
    (void)context;
    if (notice->event == NULL) {
        return;
    }
    ENSURE(!allowed || notice->who.length > 0);
    ENSURE(!notice->tell && !notice->transition);
    ENSURE((strcmp(notice->event, "shelve") == 0) == (notice->until_ns > NOW_NS));
    events++;
}

static void take(enum journal_kind kind, const char *topic, struct phusa_text payload)
{
    static uint64_t position;
    const struct journal_record record = { .position = ++position,
                                           .time = { NOW_NS },
                                           .kind = kind,
                                           .topic = phusa_text_of(topic),
                                           .payload = payload };
    pipeline_take(pipeline, &record);
}

/* One that has an alarm. */
static void begin(void)
{
    static const struct pipeline_sink sink = { .notice = take_notice };
    settings.maintenance.quiet_every = 3;
    settings.alarms.shelve_most_ns = 86400 * SECOND_NS;
    for (int i = 0; i < MAINTENANCE_COUNT; i++) {
        settings.maintenance.rules[i] = (struct rule){ .id = "none", .parameter = &parameters[0] };
    }
    settings.maintenance.rules[MAINTENANCE_QUIET].id = "station-quiet";
    settings.maintenance.rules[MAINTENANCE_DISK_FULL].id = "disk-full";
    settings.maintenance.rules[MAINTENANCE_DISK_FULL].enabled = true;
    settings.maintenance.self = (struct station){ .id = "phusa", .site = "collector" };
    pipeline = pipeline_create(&settings, &sink);
    ENSURE(pipeline != NULL);
    take(JOURNAL_MESSAGE, "phusa/1/my-tho/s1/obs",
         PHUSA_TEXT("[{\"bt\":1762000200,\"n\":\"salinity\",\"u\":\"g/L\",\"v\":5}]"));
}

/* --- POST ------------------------------------------------------------------------------------ */

static enum console_verb check_verb(void *context, struct phusa_text payload,
                                    struct problem *problem)
{
    (void)context;
    allowed = pipeline_check_verb(pipeline, payload, NOW_NS, problem);
    ENSURE(allowed == (problem->text[0] == '\0'));
    return allowed ? CONSOLE_VERB_TAKEN : CONSOLE_VERB_WRONG;
}

static bool list_nothing(void *context, const struct console_events_query *query,
                         bool (*visit)(void *visitor, const struct console_event *event),
                         void *visitor)
{
    (void)context;
    (void)visit;
    (void)visitor;
    ENSURE(query->from_ns < query->to_ns);
    return true;
}

static bool send_nothing(void *context, const struct console_messages_query *query,
                         void (*visit)(void *visitor, const struct console_message *message),
                         void *visitor)
{
    (void)context;
    (void)visit;
    (void)visitor;
    ENSURE(query->before_id >= 0 && query->most >= 1 && query->most <= MESSAGES_MAX);
    return true;
}

static void keep_view(struct console_view *view)
{
    (void)view;
}

static struct console_view *no_stations(void *context)
{
    static struct console_view view = { .release = keep_view };
    (void)context;
    return &view;
}

/* One rule and one station are known. */
static bool know_two(void *context, const struct console_names *names, struct problem *problem)
{
    const char *word = names->channel != NULL ? names->channel : "";
    (void)context;
    if (names->station != NULL && strcmp(names->station, stations[0].id) != 0) {
        word = names->station;
    } else if (names->rule != NULL && strcmp(names->rule, rules[0].id) != 0) {
        word = names->rule;
    }
    problem_set(problem, "there is no \"%.64s\"", word);
    return word[0] != '\0';
}

static const struct console_source source = { .verb = check_verb,
                                              .view = no_stations,
                                              .events = list_nothing,
                                              .messages = send_nothing,
                                              .unknown = know_two };

static void check_answer(unsigned status, struct text_buffer *out)
{
    ENSURE(status == 200 || status == 400 || status == 404);
    ENSURE(!out->failed && out->used > 0);
    json_t *root = json_loadb(out->data, out->used, 0, NULL);
    ENSURE(root != NULL && (status != 200) == (json_object_get(root, "error") != NULL));
    json_decref(root);
    text_buffer_free(out);
}

/* What was done is kept. */
static void check_saved(void)
{
    static const struct pipeline_sink nobody = { .lines = NULL };
    struct state_writer first = { 0 }, second = { 0 };
    struct pipeline *copy = pipeline_create(&settings, &nobody);
    ENSURE(copy != NULL);
    pipeline_save(pipeline, &first);
    struct state_reader reader = state_reader_of(first.bytes, first.used);
    ENSURE(!first.failed && pipeline_restore(copy, &reader) == PIPELINE_RESTORED);
    pipeline_save(copy, &second);
    ENSURE(first.used == second.used && memcmp(first.bytes, second.bytes, first.used) == 0);
    pipeline_free(copy);
    state_writer_free(&first);
    state_writer_free(&second);
}

static void do_verb(struct phusa_text body)
{
    struct text_buffer out = { NULL, 0, 0, false };
    begin();
    unsigned status = alarms_verb(&source, body, &out);
    ENSURE((status == 200) == allowed);
    check_answer(status, &out);
    events = 0;
    take(JOURNAL_VERB, "", body);
    ENSURE(allowed ? events == 1 : events <= 1);
    check_saved();
    pipeline_free(pipeline);
}

static void note_condition(struct phusa_text body)
{
    static const char on[] = "disk-full on ";
    begin();
    take(JOURNAL_CONDITION, "", body);
    if (pipeline_condition(pipeline, MAINTENANCE_DISK_FULL, NOW_NS).is_so) {
        ENSURE(body.length >= sizeof on && memcmp(body.data, on, sizeof on - 1) == 0);
    }
    check_saved();
    pipeline_free(pipeline);
}

/* --- GET ------------------------------------------------------------------------------------ */

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static void ask(const struct pieces *pieces)
{
    struct alarms_asked asked = { .rule = or_null(pieces->of[0]),
                                  .station = or_null(pieces->of[1]),
                                  .from = or_null(pieces->of[2]),
                                  .to = or_null(pieces->of[3]),
                                  .limit = or_null(pieces->of[4]),
                                  .operators = or_null(pieces->of[5]),
                                  .channel = or_null(pieces->of[6]),
                                  .before = or_null(pieces->of[7]) };
    struct text_buffer history = { NULL, 0, 0, false }, load = history, messages = history;
    check_answer(alarms_history(&source, &asked, (wall_time){ NOW_NS }, &history), &history);
    check_answer(alarms_load(&source, &asked, (wall_time){ NOW_NS }, &load), &load);
    check_answer(alarms_messages(&source, &asked, &messages), &messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t body = size > ALARMS_BODY_MAX ? ALARMS_BODY_MAX : size;
    struct pieces pieces = pieces_cut(data, body);
    ask(&pieces);
    pieces_free(&pieces);
    do_verb((struct phusa_text){ fuzz_text(data, body), body });
    note_condition((struct phusa_text){ fuzz_text(data, body), body });
    return 0;
}
