/*
 * Lines for the store that are no readings: flags that have become final, windows, nights, indices
 * and corrections. They are gathered while a record is taken and handed on before it ends.
 */
#include <stdio.h>
#include <string.h>

#include "pipeline_state.h"

void flow_flush_extra(struct pipeline *pipeline)
{
    struct line_writer *extra = &pipeline->extra;
    if (pipeline->sink.lines != NULL && extra->used > 0) {
        pipeline->sink.lines(pipeline->sink.context,
                             (struct phusa_text){ extra->buffer, extra->used }, 0,
                             pipeline->taking);
    }
    line_writer_init(extra, extra->buffer, EXTRA_BYTES);
}

struct line_writer *flow_extra(struct pipeline *pipeline)
{
    if (pipeline->extra.capacity - pipeline->extra.used < EXTRA_LINE_MAX) {
        flow_flush_extra(pipeline);
    }
    return &pipeline->extra;
}

/* Heads are short enough: that of a station is, and the rest are names. */
static size_t put_text(char *head, size_t used, struct phusa_text text)
{
    if (text.length >= EXTRA_LINE_MAX / 2 - used) {
        return used;
    }
    memcpy(head + used, text.data, text.length);
    return used + text.length;
}

struct phusa_text flow_extra_head(const struct station_state *station, const char *measurement,
                                  bool ids, struct phusa_text parameter, const char *window,
                                  char head[EXTRA_LINE_MAX / 2])
{
    size_t end = ids ? station->head_ids : station->head.length;
    struct phusa_text tags = { station->head.data + station->head_tags, end - station->head_tags };
    size_t used = put_text(head, 0, phusa_text_of(measurement));
    used = put_text(head, used, tags);
    if (parameter.length > 0) {
        used = put_text(head, put_text(head, used, PHUSA_TEXT(",parameter=")), parameter);
    }
    used = put_text(head, put_text(head, used, PHUSA_TEXT(",window=")), phusa_text_of(window));
    return (struct phusa_text){ head, used };
}

void flow_write_correction(struct pipeline *pipeline, const struct station_state *station,
                           const struct flow_correction *correction)
{
    char head[EXTRA_LINE_MAX / 2], again[24]; /* ",again=4294967295" */
    struct line_writer *writer = flow_extra(pipeline);
    struct phusa_text base = flow_extra_head(station, "correction", true, correction->parameter,
                                             correction->window, head);
    if (correction->round > 1) {
        (void)snprintf(again, sizeof again, ",again=%u", correction->round);
        base.length = put_text(head, base.length, phusa_text_of(again));
    }
    line_begin(writer, base);
    line_field_double(writer, PHUSA_TEXT("old"), correction->old);
    line_field_double(writer, PHUSA_TEXT("new"), correction->now);
    (void)line_end(writer, correction->end_ns);
    pipeline->counters.corrections++;
}
