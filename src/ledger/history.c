#include "ledger/history.h"

#include <stdlib.h>
#include <string.h>

void history_init(struct history *history, uint32_t limit)
{
    *history = (struct history){ .limit = limit == 0 ? 1 : limit, .newest = INT64_MIN };
}

void history_free(struct history *history)
{
    free(history->times); /* checks lie in the same block */
    history_init(history, history->limit);
}

/* Tells values apart well enough: 16 bits of a multiplicative hash of the double's bits. */
static uint16_t check_of(double value)
{
    uint64_t bits;
    double canonical = value == 0 ? 0.0 : value; /* -0 is 0 */
    memcpy(&bits, &canonical, sizeof bits);
    return (uint16_t)((bits * UINT64_C(0x9E3779B97F4A7C15)) >> 48);
}

static uint32_t next_capacity(const struct history *history)
{
    uint32_t capacity = history->capacity == 0 ? HISTORY_FIRST_CAPACITY : 2 * history->capacity;
    return capacity < history->limit ? capacity : history->limit;
}

/* Only while it has never wrapped: entries keep their places. */
static bool grow(struct history *history, uint32_t capacity)
{
    int64_t *times = malloc(capacity * (sizeof *history->times + sizeof *history->checks));
    if (times == NULL) {
        return false;
    }
    uint16_t *checks = (uint16_t *)(times + capacity);
    if (history->count > 0) {
        memcpy(times, history->times, history->count * sizeof *times);
        memcpy(checks, history->checks, history->count * sizeof *checks);
    }
    free(history->times);
    history->times = times;
    history->checks = checks;
    history->capacity = capacity;
    return true;
}

static bool remember(struct history *history, int64_t time_ns, uint16_t check)
{
    if (history->count == history->capacity && history->capacity < history->limit) {
        if (!grow(history, next_capacity(history))) {
            return false;
        }
        history->next = history->count;
    }
    history->times[history->next] = time_ns;
    history->checks[history->next] = check;
    history->next = history->next + 1 == history->capacity ? 0 : history->next + 1;
    if (history->count < history->capacity) {
        history->count++;
    }
    return true;
}

static enum history_result compare(const struct history *history, uint32_t at, double value)
{
    return history->checks[at] == check_of(value) ? HISTORY_DUPLICATE : HISTORY_CONFLICT;
}

enum history_result history_note(struct history *history, int64_t time_ns, double value)
{
    if (time_ns <= history->newest) {
        for (uint32_t i = 0; i < history->count; i++) {
            if (history->times[i] == time_ns) {
                return compare(history, i, value);
            }
        }
    } else {
        history->newest = time_ns;
    }
    return remember(history, time_ns, check_of(value)) ? HISTORY_NEW : HISTORY_NO_MEMORY;
}

enum history_result history_recall(const struct history *history, int64_t time_ns, double value)
{
    bool newer_than_one = false;
    for (uint32_t i = 0; i < history->count; i++) {
        if (history->times[i] == time_ns) {
            return compare(history, i, value);
        }
        newer_than_one |= history->times[i] < time_ns;
    }
    return newer_than_one || history->count < history->limit ? HISTORY_NEW : HISTORY_DUPLICATE;
}

/* --- kept over a restart --------------------------------------------------------------------- */

#define CHECKS_AT_ONCE 256 /* in one block of a saved history */

/* Index of the i-th in order of arrival. */
static uint32_t place(const struct history *history, uint32_t i)
{
    uint32_t oldest = history->count < history->capacity ? 0 : history->next;
    uint32_t to_end = history->capacity - oldest;
    return i < to_end ? oldest + i : i - to_end;
}

/*
 * The number of readings; the newest time; the times as differences of differences, which are
 * 0 as long as the station keeps its pace; the checks, two bytes each, in blocks.
 */
void history_save(const struct history *history, struct state_writer *writer)
{
    state_put(writer, history->count);
    state_put_signed(writer, history->newest);
    uint64_t time = 0, step = 0; /* unsigned: they may wrap */
    for (uint32_t i = 0; i < history->count; i++) {
        uint64_t next = (uint64_t)history->times[place(history, i)];
        state_put_signed(writer, (int64_t)(next - time - step));
        step = next - time;
        time = next;
    }
    for (uint32_t i = 0; i < history->count; i += CHECKS_AT_ONCE) {
        char block[2 * CHECKS_AT_ONCE];
        uint32_t count = history->count - i;
        count = count < CHECKS_AT_ONCE ? count : CHECKS_AT_ONCE;
        for (size_t k = 0; k < count; k++) {
            uint16_t check = history->checks[place(history, i + (uint32_t)k)];
            block[2 * k] = (char)(check & 0xFF);
            block[2 * k + 1] = (char)(check >> 8);
        }
        state_put_text(writer, (struct phusa_text){ block, 2 * (size_t)count });
    }
}

/* False when one is newer than the newest, or the reader ends. */
static bool load_times(struct history *history, struct state_reader *reader)
{
    uint64_t time = 0, step = 0;
    for (uint32_t i = 0; i < history->count && !reader->failed; i++) {
        step += (uint64_t)state_get_signed(reader);
        time += step;
        history->times[i] = (int64_t)time;
        reader->failed |= history->times[i] > history->newest;
    }
    return !reader->failed;
}

static bool load_checks(struct history *history, struct state_reader *reader)
{
    for (uint32_t i = 0; i < history->count; i += CHECKS_AT_ONCE) {
        struct phusa_text block = state_get_text(reader);
        uint32_t count = history->count - i;
        count = count < CHECKS_AT_ONCE ? count : CHECKS_AT_ONCE;
        if (block.length != 2 * (size_t)count) {
            reader->failed = true;
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            history->checks[i + k] =
                (uint16_t)((uint8_t)block.data[2 * k] | (uint8_t)block.data[2 * k + 1] << 8);
        }
    }
    return true;
}

static bool load_readings(struct history *history, uint32_t count, struct state_reader *reader)
{
    uint32_t capacity = 0;
    while (capacity < count) {
        history->capacity = capacity;
        capacity = next_capacity(history);
    }
    history->capacity = 0;
    if (!grow(history, capacity)) {
        return false;
    }
    history->count = count;
    history->next = count == capacity ? 0 : count;
    return load_times(history, reader) && load_checks(history, reader);
}

bool history_load(struct history *history, struct state_reader *reader)
{
    uint64_t count = state_get_upto(reader, history->limit);
    history->newest = state_get_signed(reader);
    if (reader->failed || count > (size_t)(reader->end - reader->at)) { /* a byte each, at least */
        reader->failed = true;
        history_free(history);
        return false;
    }
    if (count > 0 && !load_readings(history, (uint32_t)count, reader)) {
        history_free(history);
        return false;
    }
    return true;
}
