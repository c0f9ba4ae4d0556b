/*
 * Flags beyond the gross range: QARTOD's tests of each series, and a stuck bus over all of a
 * station. A reading is flagged at once by the tests that need no later one, and by that flag
 * rules judge it; what is written to the store is the final flag, once, in a line of its own.
 *
 * Windows take a reading by its final flag. One whose hour closes before that is lent to them by
 * what is known of it then, and taken back if it turns out to be suspect or to fail.
 *
 * What comes too late for a series goes to a second one, so that a backlog, oldest first, is tested
 * in its own order. That one ends when nothing has come for it for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline_state.h"
#include "quality/range.h"

#define BACKLOG_OVER_NS (INT64_C(3600) * SECOND_NS) /* without a late reading: it is complete */

static const struct qc_settings no_tests; /* none is given */

/* --- which tests ---------------------------------------------------------------------- */

static const struct qc_settings *settings_of(const struct station *station,
                                             const struct phusa_parameter *parameter)
{
    for (size_t i = 0; i < station->qc_count; i++) {
        if (station->qc[i].parameter == parameter) {
            return &station->qc[i].qc;
        }
    }
    return NULL;
}

static bool needs_later(const struct qc_settings *qc)
{
    return qc->spike.given || qc->rate.given || qc->flat_line.given || qc->attenuated.given;
}

struct qartod_series *quality_begin(const struct pipeline *pipeline,
                                    const struct station_state *station,
                                    const struct qc_settings *qc)
{
    return qartod_create(qc, station->station->every_ns, pipeline->settings->windows.lateness_ns);
}

static struct series_quality *begin(const struct qc_settings *qc, bool later)
{
    struct series_quality *quality = calloc(1, sizeof *quality);
    if (quality != NULL) {
        quality->qc = qc;
        quality->later = later;
    }
    return quality;
}

bool quality_open(struct pipeline *pipeline, const struct station_state *station,
                  struct series *series)
{
    const struct qc_settings *qc = settings_of(station->station, series->parameter);
    series->quality = NULL;
    if (qc == NULL) {
        return true;
    }
    series->quality = begin(qc, needs_later(qc) && !pipeline->sink.single);
    if (series->quality != NULL && series->quality->later) {
        series->fresh = quality_begin(pipeline, station, qc);
    }
    return series->quality != NULL && (!series->quality->later || series->fresh != NULL);
}

bool quality_leave(const struct pipeline *pipeline, const struct station_state *station,
                   struct series *series)
{
    if (series->quality == NULL) {
        series->quality = begin(&no_tests, false);
    }
    if (series->quality != NULL && series->fresh == NULL) {
        series->fresh = quality_begin(pipeline, station, series->quality->qc);
    }
    return series->fresh != NULL;
}

void quality_close(struct series *series)
{
    if (series->quality != NULL) {
        qartod_free(series->fresh);
        qartod_free(series->quality->backlog);
        free(series->quality);
        series->quality = NULL;
        series->fresh = NULL;
    }
}

/* --- final flags ------------------------------------------------------------------------- */

static enum phusa_flag worst(enum phusa_flag a, enum phusa_flag b)
{
    static const uint8_t gravity[] = { [PHUSA_FLAG_MISSING] = 0,
                                       [PHUSA_FLAG_NOT_EVALUATED] = 1,
                                       [PHUSA_FLAG_GOOD] = 2,
                                       [PHUSA_FLAG_SUSPECT] = 3,
                                       [PHUSA_FLAG_FAIL] = 4 };
    return gravity[a] >= gravity[b] ? a : b;
}

static enum phusa_flag flag_of(const struct station_state *station, const struct series *series,
                               int64_t time_ns, double value, enum phusa_flag aggregate)
{
    enum phusa_flag flag =
        worst(quality_flag(series->parameter, value, PHUSA_DEVICE_MEASURING, false), aggregate);
    bool stuck = station->stuck.stuck && time_ns >= station->stuck.since_ns &&
                 series->quality->qc->flat_line.given;
    return stuck ? worst(flag, PHUSA_FLAG_SUSPECT) : flag;
}

struct emission {
    struct pipeline *pipeline;
    struct station_state *station;
    uint16_t series;
};

static bool is_valid(enum phusa_flag flag)
{
    return flag == PHUSA_FLAG_GOOD || flag == PHUSA_FLAG_NOT_EVALUATED;
}

static void note_timing(struct series_quality *quality, int64_t step_ns, int64_t every_ns)
{
    int64_t missed;
    enum qartod_timing timing = qartod_timing(step_ns, every_ns, &missed);
    quality->gaps += timing == QARTOD_GAP ? 1 : 0;
    quality->early += timing == QARTOD_EARLY ? 1 : 0;
    quality->missed += (uint64_t)missed;
}

static void on_final(void *context, const struct qartod_final *final)
{
    const struct emission *emission = context;
    struct pipeline *pipeline = emission->pipeline;
    struct station_state *station = emission->station;
    struct series *series = &station->series[emission->series];
    enum phusa_flag flag = flag_of(station, series, final->time_ns, final->value,
                                   (enum phusa_flag) final->flags.aggregate);
    if (pipeline->final_count == FINALS_MAX) {
        quality_write_finals(pipeline, station);
    }
    pipeline->finals[pipeline->final_count++] =
        (struct final_flag){ final->time_ns, emission->series, flag };
    note_timing(series->quality, final->step_ns, station->station->every_ns);
    if (final->time_ns >= series->quality->flags_ns) {
        series->quality->flags = final->flags;
        series->quality->flags_ns = final->time_ns;
    }
    if (series->has_last && series->last.time_ns == final->time_ns) {
        series->last.flag = (uint8_t)flag;
    }
    windows_settle(pipeline, station, emission->series,
                   &(struct settled){ final->time_ns, final->value, is_valid(flag) });
}

static void sort_finals(struct final_flag *finals, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct final_flag moved = finals[i];
        size_t at = i;
        for (; at > 0 && finals[at - 1].time_ns > moved.time_ns; at--) {
            finals[at] = finals[at - 1];
        }
        finals[at] = moved;
    }
}

/* One line for each time, as far as it has room. */
void quality_write_finals(struct pipeline *pipeline, struct station_state *station)
{
    static const struct phusa_text suffix = { "_qc", 3 };
    size_t count = pipeline->final_count;
    struct line_writer *writer = NULL;
    bool open = false;
    sort_finals(pipeline->finals, count);
    for (size_t i = 0; i < count; i++) {
        const struct final_flag *final = &pipeline->finals[i];
        if (!open) {
            writer = flow_extra(pipeline);
            line_begin(writer, station->head);
        }
        line_field_int(writer, station->series[final->series].parameter->name, suffix,
                       (int64_t) final->flag);
        pipeline->counters.flagged[final->flag]++;
        open = i + 1 < count && final[1].time_ns == final->time_ns &&
               writer->used - writer->line_start <= EXTRA_LINE_MAX / 2;
        if (!open) {
            (void)line_end(writer, final->time_ns);
        }
    }
    pipeline->final_count = 0;
}

/* --- readings ------------------------------------------------------------------------------ */

static enum qartod_status take_backlog(struct pipeline *pipeline,
                                       const struct station_state *station,
                                       struct series_quality *quality, struct emission *emission,
                                       const struct accepted *accepted, struct qartod_flags *now)
{
    if (quality->backlog == NULL) {
        quality->backlog = quality_begin(pipeline, station, quality->qc);
    }
    if (quality->backlog == NULL) {
        return QARTOD_NO_MEMORY;
    }
    quality->backlog_ns = pipeline->now_ns;
    return qartod_take(quality->backlog, accepted->time_ns, accepted->value, now, on_final,
                       emission);
}

/* When a tick finds something of the series final. */
static void say_due(const struct pipeline *pipeline, struct station_state *station,
                    struct series *series)
{
    const struct series_quality *quality = series->quality;
    int64_t fresh = qartod_due(series->fresh), lateness = pipeline->settings->windows.lateness_ns;
    fresh = fresh > INT64_MAX - lateness ? INT64_MAX : fresh + lateness;
    int64_t backlog = quality->backlog == NULL ? INT64_MAX : quality->backlog_ns + BACKLOG_OVER_NS;
    series->tests_due_ns = backlog < fresh ? backlog : fresh;
    flow_due(station, series->tests_due_ns);
}

static enum qartod_status test(struct pipeline *pipeline, struct station_state *station,
                               const struct accepted *accepted, struct qartod_flags *now)
{
    struct series *series = &station->series[accepted->series];
    struct series_quality *quality = series->quality;
    struct emission emission = { pipeline, station, accepted->series };
    enum qartod_status status =
        qartod_take(series->fresh, accepted->time_ns, accepted->value, now, on_final, &emission);
    if (status == QARTOD_LATE) {
        status = take_backlog(pipeline, station, quality, &emission, accepted, now);
    }
    say_due(pipeline, station, series);
    return status;
}

static void judge(struct pipeline *pipeline, struct station_state *station,
                  struct accepted *accepted)
{
    struct series_quality *quality = station->series[accepted->series].quality;
    struct qartod_flags now;
    enum qartod_status status = QARTOD_NO_MEMORY;
    if (quality->later && !accepted->alone) {
        status = test(pipeline, station, accepted, &now);
    } else {
        now = qartod_alone(quality->qc, accepted->value);
    }
    still_note(&quality->still, accepted->time_ns, accepted->value);
    accepted->flag_later = status == QARTOD_TAKEN;
    accepted->flag = worst(accepted->flag, (enum phusa_flag)now.aggregate);
}

void quality_judge_bus(const struct pipeline *pipeline, struct station_state *station)
{
    if (station->station->stuck_ns <= 0 || pipeline->sink.single) {
        return;
    }
    const struct still *parameters[STATION_PARAMETERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < station->series_count && count < STATION_PARAMETERS_MAX; i++) {
        const struct series_quality *quality = station->series[i].quality;
        if (quality != NULL && quality->qc->flat_line.given && quality->still.readings > 0) {
            parameters[count++] = &quality->still;
        }
    }
    station->stuck = stuck_bus_judge(parameters, count, station->station->stuck_ns);
}

void quality_judge(struct pipeline *pipeline, struct station_state *station,
                   struct accepted *accepted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (accepted[i].judged && station->series[accepted[i].series].quality != NULL) {
            judge(pipeline, station, &accepted[i]);
        }
    }
}

void quality_mark_stuck(const struct station_state *station, struct accepted *accepted,
                        size_t count)
{
    for (size_t i = 0; i < count && station->stuck.stuck; i++) {
        const struct series *series = &station->series[accepted[i].series];
        if (accepted[i].judged && series->quality != NULL) {
            accepted[i].flag =
                flag_of(station, series, accepted[i].time_ns, accepted[i].value, accepted[i].flag);
        }
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void on_peek(void *context, const struct qartod_final *now)
{
    const struct emission *emission = context;
    struct station_state *station = emission->station;
    enum phusa_flag flag = flag_of(station, &station->series[emission->series], now->time_ns,
                                   now->value, (enum phusa_flag)now->flags.aggregate);
    if (is_valid(flag)) {
        windows_lend(emission->pipeline, station, emission->series, now->time_ns, now->value);
    }
}

void quality_lend(struct pipeline *pipeline, struct station_state *station, uint16_t index,
                  int64_t from_ns, int64_t upto_ns)
{
    const struct series *series = &station->series[index];
    const struct series_quality *quality = series->quality;
    struct emission emission = { pipeline, station, index };
    if (quality == NULL || !quality->later) {
        return;
    }
    qartod_peek(series->fresh, from_ns, upto_ns, on_peek, &emission);
    if (quality->backlog != NULL) {
        qartod_peek(quality->backlog, from_ns, upto_ns, on_peek, &emission);
    }
}

/* What was left of tests that are no more becomes final. */
static void end_left(struct series *series, struct emission *emission)
{
    struct series_quality *quality = series->quality;
    if (quality->backlog != NULL) {
        qartod_advance(quality->backlog, INT64_MAX, on_final, emission);
    }
    qartod_advance(series->fresh, INT64_MAX, on_final, emission);
    qartod_free(series->fresh);
    qartod_free(quality->backlog);
    series->fresh = quality->backlog = NULL;
    if (quality->qc == &no_tests) {
        quality_close(series);
    }
}

void quality_tick(struct pipeline *pipeline, struct station_state *station, uint16_t index)
{
    struct series *series = &station->series[index];
    struct series_quality *quality = series->quality;
    struct emission emission = { pipeline, station, index };
    if (pipeline->now_ns < series->tests_due_ns) {
        flow_due(station, series->tests_due_ns);
        return;
    }
    if (series->fresh == NULL) {
        return;
    }
    if (!quality->later) {
        end_left(series, &emission);
        return;
    }
    int64_t watermark = pipeline->now_ns - pipeline->settings->windows.lateness_ns;
    if (qartod_due(series->fresh) <= watermark) {
        qartod_advance(series->fresh, watermark, on_final, &emission);
    }
    if (quality->backlog != NULL && pipeline->now_ns - quality->backlog_ns >= BACKLOG_OVER_NS) {
        qartod_advance(quality->backlog, INT64_MAX, on_final, &emission);
        qartod_free(quality->backlog);
        quality->backlog = NULL;
    }
    say_due(pipeline, station, series);
}
