/*
 * A description of what was set aside, as anybody might have written it: what can be put back goes
 * through the pipeline, the books balance, and what is set aside again can be put back again.
 */
#include "../unit/pipeline_world.h"
#include "fuzz.h"
#include "pipeline_aside.h"

struct outcome {
    uint64_t lines, asides;
};

static void take_lines(void *context, struct phusa_text lines, uint32_t readings, uint64_t position)
{
    struct outcome *outcome = context;
    ENSURE(lines.length > 0 && lines.data[lines.length - 1] == '\n' && position == 1);
    outcome->lines += readings;
}

static void take_set_aside(void *context, const struct set_aside *item)
{
    struct outcome *outcome = context;
    json_t *description = aside_describe(item);
    char *text = json_dumps(description, JSON_COMPACT | JSON_REAL_PRECISION(17));
    ENSURE(text != NULL);
    ENSURE(aside_can_requeue(phusa_text_of(text)));
    free(text);
    json_decref(description);
    outcome->asides++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome outcome = { 0 };
    struct pipeline_sink sink = { .context = &outcome,
                                  .lines = take_lines,
                                  .set_aside = take_set_aside };
    struct pipeline_counters counters;
    struct phusa_text text = { fuzz_text(data, size), size };
    struct journal_record record = { .position = 1,
                                     .time = { WORLD_NOW_NS },
                                     .kind = JOURNAL_REQUEUED,
                                     .topic = PHUSA_TEXT("phusa/1/my-tho/s1/obs"),
                                     .payload = text };
    if (size > PHUSA_REPORT_BYTES_MAX) {
        return 0; /* the collector cuts before */
    }
    struct pipeline *pipeline = pipeline_create(&world_settings, &sink);
    ENSURE(pipeline != NULL);
    pipeline_take(pipeline, &record);
    pipeline_read_counters(pipeline, &counters);
    ENSURE(counters.quarantined == outcome.asides);
    ENSURE(counters.received ==
           counters.duplicates + counters.accepted - counters.lost + counters.quarantined);
    ENSURE(aside_can_requeue(text) ||
           (outcome.asides == 1 && counters.unknown_reasons[PHUSA_REASON_SYNTAX] == 1));
    pipeline_free(pipeline);
    return 0;
}
