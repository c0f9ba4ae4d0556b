/*
 * A saved state of the pipeline, with anything changed in it: refused or taken, and what was
 * taken works on, and can be saved and restored again.
 *
 * The first byte of the input says how to read the rest: even = it is the state itself; odd = three
 * bytes each change one byte of a good state (where, two bytes; what), and what is left over of the
 * last three is cut from its end.
 */
#include "../unit/pipeline_world.h"
#include "fuzz.h"

#define RECORDS 150 /* that make the good state */
#define AFTER   60  /* taken after a restore: hours close, too */

static struct world_record records[RECORDS + AFTER];
static struct state_writer good;

static bool no_receipt(void *context, const char *topic, struct phusa_text payload)
{
    (void)context;
    (void)topic;
    (void)payload;
    return true;
}

static void take(struct pipeline *pipeline, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++) {
        pipeline_take(pipeline, &records[i].record);
    }
    (void)pipeline_receipts(pipeline, (mono_time){ SECOND_NS }, no_receipt, NULL);
}

static struct pipeline *create(void)
{
    struct pipeline_sink nowhere = { 0 };
    struct pipeline *pipeline = pipeline_create(&world_settings, &nowhere);
    ENSURE(pipeline != NULL);
    return pipeline;
}

/* The same every time. */
static void make_good_state(void)
{
    struct world_stream stream = world_begin((struct draws){ 88172645463325252u });
    for (size_t i = 0; i < RECORDS + AFTER; i++) {
        world_next(&stream, &records[i]);
    }
    struct pipeline *pipeline = create();
    take(pipeline, 0, RECORDS);
    pipeline_save(pipeline, &good);
    pipeline_free(pipeline);
    ENSURE(!good.failed);
}

static void look(const struct pipeline *pipeline)
{
    struct console_view view = { 0 };
    ENSURE(pipeline_fill_view(pipeline, WORLD_NOW_NS, &view));
    pipeline_view_free(&view);
}

static void check_again(const struct pipeline *pipeline)
{
    struct state_writer writer = { 0 };
    pipeline_save(pipeline, &writer);
    ENSURE(!writer.failed);
    struct pipeline *again = create();
    struct state_reader reader = state_reader_of(writer.bytes, writer.used);
    ENSURE(pipeline_restore(again, &reader) == PIPELINE_RESTORED);
    pipeline_free(again);
    state_writer_free(&writer);
}

static void check(const uint8_t *bytes, size_t size)
{
    struct pipeline *pipeline = create();
    struct state_reader reader = state_reader_of(bytes, size);
    if (pipeline_restore(pipeline, &reader) == PIPELINE_RESTORED) {
        check_again(pipeline);
        take(pipeline, RECORDS, AFTER);
        look(pipeline);
        check_again(pipeline);
    }
    pipeline_free(pipeline);
}

static void check_changed(const uint8_t *data, size_t size)
{
    size_t used = good.used - (size % 3 == 0 ? 0 : data[size - 1] % good.used);
    uint8_t *bytes = malloc(good.used);
    ENSURE(bytes != NULL);
    memcpy(bytes, good.bytes, good.used);
    for (size_t i = 0; i + 3 <= size; i += 3) {
        bytes[(data[i] | (size_t)data[i + 1] << 8) % good.used] = data[i + 2];
    }
    check(bytes, used);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (good.bytes == NULL) {
        make_good_state();
    }
    if (size > 0 && data[0] % 2 == 0) {
        check(data + 1, size - 1);
    } else if (size > 0) {
        check_changed(data + 1, size - 1);
    }
    return 0;
}
