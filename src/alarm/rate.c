#include "alarm/rate.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_NS    3.6e12
#define FIRST_ROOM 8

struct sample {
    int64_t time_ns;
    double value;
};

struct alarm_rate {
    size_t count, room;
    struct sample *samples; /* ascending by time, none twice */
    bool thinned;           /* some have been left out since it began */
};

struct alarm_rate *alarm_rate_create(void)
{
    return calloc(1, sizeof(struct alarm_rate));
}

void alarm_rate_free(struct alarm_rate *rate)
{
    if (rate != NULL) {
        free(rate->samples);
        free(rate);
    }
}

/* How many samples are at or before the time. */
static size_t upto(const struct alarm_rate *rate, int64_t time_ns)
{
    size_t low = 0, high = rate->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rate->samples[middle].time_ns <= time_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void drop_first(struct alarm_rate *rate, size_t count)
{
    rate->count -= count;
    memmove(rate->samples, rate->samples + count, rate->count * sizeof *rate->samples);
}

/* So at most half of the room is taken by two spans. */
static int64_t thinned_step(const struct rule *rule)
{
    return 4 * (rule->rate_over_ns / RULE_RATE_SAMPLES);
}

/* The oldest and the newest stay. */
static void thin_out(struct alarm_rate *rate, const struct rule *rule)
{
    struct sample *samples = rate->samples;
    size_t kept = 1, last = rate->count - 1;
    for (size_t i = 1; i < last; i++) {
        if (samples[i].time_ns - samples[kept - 1].time_ns >= thinned_step(rule)) {
            samples[kept++] = samples[i];
        }
    }
    samples[kept++] = samples[last];
    rate->count = kept;
    rate->thinned = true;
}

/* One sample at or before the newest less the span is enough; late readings may lie as far behind
 * the newest as the span again. */
static size_t count_old(const struct alarm_rate *rate, const struct rule *rule)
{
    if (rate->count == 0) {
        return 0;
    }
    int64_t newest = rate->samples[rate->count - 1].time_ns;
    size_t old = upto(rate, newest - 2 * rule->rate_over_ns);
    return old > 0 ? old - 1 : 0;
}

/* Not one by one: the others would be moved each time. */
static void forget(struct alarm_rate *rate, const struct rule *rule)
{
    size_t old = count_old(rate, rule);
    if (old > rate->count / 4) {
        drop_first(rate, old);
    }
}

static bool grow(struct alarm_rate *rate)
{
    if (rate->count < rate->room) {
        return true;
    }
    size_t room = rate->room == 0 ? FIRST_ROOM : 2 * rate->room;
    struct sample *samples = realloc(rate->samples, room * sizeof *samples);
    if (samples == NULL) {
        return false;
    }
    rate->samples = samples;
    rate->room = room;
    return true;
}

/* A state that was read may be full of what is no series of this rule. */
static void make_room(struct alarm_rate *rate, const struct rule *rule)
{
    if (rate->count == RULE_RATE_SAMPLES) {
        drop_first(rate, count_old(rate, rule));
    }
    if (rate->count == RULE_RATE_SAMPLES) {
        thin_out(rate, rule);
    }
    if (rate->count == RULE_RATE_SAMPLES) {
        drop_first(rate, 1);
    }
}

/* Puts the sample where it belongs; returns its place, or the count when there is no memory or it
 * is there already. */
static size_t insert(struct alarm_rate *rate, struct sample sample)
{
    size_t place = upto(rate, sample.time_ns);
    if ((place > 0 && rate->samples[place - 1].time_ns == sample.time_ns) || !grow(rate)) {
        return rate->count;
    }
    memmove(rate->samples + place + 1, rate->samples + place,
            (rate->count - place) * sizeof *rate->samples);
    rate->samples[place] = sample;
    rate->count++;
    return place;
}

static bool has_gap(const struct alarm_rate *rate, size_t from, size_t to, int64_t max_gap_ns)
{
    for (size_t i = from + 1; i <= to; i++) {
        if (rate->samples[i].time_ns - rate->samples[i - 1].time_ns > max_gap_ns) {
            return true;
        }
    }
    return false;
}

bool alarm_rate_take(struct alarm_rate *rate, const struct rule *rule, int64_t time_ns,
                     double value, double *per_hour)
{
    make_room(rate, rule);
    size_t place = insert(rate, (struct sample){ time_ns, value });
    if (place == rate->count) {
        return false;
    }
    int64_t gap_ns = rule->max_gap_ns + (rate->thinned ? thinned_step(rule) : 0);
    size_t before = upto(rate, time_ns - rule->rate_over_ns);
    bool known = before > 0 && !has_gap(rate, before - 1, place, gap_ns);
    if (known) {
        const struct sample *base = &rate->samples[before - 1];
        *per_hour = (value - base->value) / ((double)(time_ns - base->time_ns) / HOUR_NS);
    }
    forget(rate, rule);
    return known;
}

/* 1 if it was thinned, how many samples, time and value of each. */
void alarm_rate_save(const struct alarm_rate *rate, struct state_writer *writer)
{
    state_put_bool(writer, rate->thinned);
    state_put(writer, rate->count);
    for (size_t i = 0; i < rate->count; i++) {
        state_put_signed(writer, rate->samples[i].time_ns);
        state_put_double(writer, rate->samples[i].value);
    }
}

/* Times ascend and are after 1970, so that differences of two do not overflow. False when memory is
 * out. */
static bool load_samples(struct alarm_rate *rate, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, RULE_RATE_SAMPLES);
    int64_t before_ns = -1;
    for (uint64_t i = 0; i < count && !reader->failed; i++) {
        struct sample sample = { .time_ns = state_get_signed(reader) };
        sample.value = state_get_double(reader);
        reader->failed |= sample.time_ns <= before_ns;
        before_ns = sample.time_ns;
        if (!reader->failed && insert(rate, sample) != i) {
            return false;
        }
    }
    return true;
}

struct alarm_rate *alarm_rate_load(struct state_reader *reader)
{
    struct alarm_rate *rate = alarm_rate_create();
    if (rate == NULL) {
        return NULL;
    }
    rate->thinned = state_get_bool(reader);
    if (!load_samples(rate, reader) || reader->failed) {
        alarm_rate_free(rate);
        return NULL;
    }
    return rate;
}
