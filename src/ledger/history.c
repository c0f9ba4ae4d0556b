#include "ledger/history.h"

#include <stdlib.h>
#include <string.h>

void history_init(struct history *history, uint32_t limit)
{
    *history = (struct history){ .limit = limit == 0 ? 1 : limit,
                                 .newest = INT64_MIN,
                                 .forgotten = INT64_MIN };
}

static uint32_t blocks_for(uint32_t count)
{
    return (count + HISTORY_BLOCK - 1) / HISTORY_BLOCK;
}

void history_free(struct history *history)
{
    for (uint32_t i = 0; i < blocks_for(history->count); i++) {
        free(history->blocks[i]);
    }
    free(history->blocks);
    history_init(history, history->limit);
}

/* --- entries --------------------------------------------------------------------------------- */

static uint8_t *entry_at(const struct history *history, uint32_t at)
{
    return history->blocks[at / HISTORY_BLOCK]->entries[at % HISTORY_BLOCK];
}

static int64_t entry_time(const uint8_t *entry)
{
    int64_t time_ns;
    memcpy(&time_ns, entry, sizeof time_ns);
    return time_ns;
}

static uint16_t entry_check(const uint8_t *entry)
{
    uint16_t check;
    memcpy(&check, entry + sizeof(int64_t), sizeof check);
    return check;
}

static void entry_set(uint8_t *entry, int64_t time_ns, uint16_t check)
{
    memcpy(entry, &time_ns, sizeof time_ns);
    memcpy(entry + sizeof time_ns, &check, sizeof check);
}

/* Tells values apart well enough: 16 bits of a multiplicative hash of the double's bits. */
static uint16_t check_of(double value)
{
    uint64_t bits;
    double canonical = value == 0 ? 0.0 : value; /* -0 is 0 */
    memcpy(&bits, &canonical, sizeof bits);
    return (uint16_t)((bits * UINT64_C(0x9E3779B97F4A7C15)) >> 48);
}

/* --- growing --------------------------------------------------------------------------------- */

/* Room for the pointer to block number `blocks`: it is doubled whenever it is full. */
static bool room_for_block(struct history *history, uint32_t blocks)
{
    if ((blocks & (blocks - 1)) != 0) {
        return true;
    }
    size_t room = blocks == 0 ? 1 : 2 * (size_t)blocks;
    struct history_block **table = realloc(history->blocks, room * sizeof(struct history_block *));
    if (table == NULL) {
        return false;
    }
    history->blocks = table;
    return true;
}

/* One more, behind those there are, which are full. */
static bool add_block(struct history *history)
{
    uint32_t blocks = blocks_for(history->count);
    if (!room_for_block(history, blocks)) {
        return false;
    }
    history->blocks[blocks] = malloc(sizeof *history->blocks[blocks]);
    return history->blocks[blocks] != NULL;
}

/* The place for the next reading, which is the oldest one's when there are as many as there may be.
 */
static uint8_t *next_entry(struct history *history)
{
    bool grows = history->count < history->limit;
    if (grows && history->count % HISTORY_BLOCK == 0 && !add_block(history)) {
        return NULL;
    }
    if (history->current == NULL) {
        history->current = history->blocks[history->next / HISTORY_BLOCK];
    }
    return history->current->entries[history->next % HISTORY_BLOCK];
}

static void step_on(struct history *history)
{
    history->count += history->count < history->limit;
    history->next = history->next + 1 == history->limit ? 0 : history->next + 1;
    if (history->next % HISTORY_BLOCK == 0) {
        history->current = NULL;
    }
}

/* The oldest in order of arrival is about to make room. */
static void forget_oldest(struct history *history, int64_t horizon_ns)
{
    if (history->count == history->limit) {
        int64_t time_ns = entry_time(entry_at(history, history->next));
        if (time_ns <= horizon_ns && time_ns > history->forgotten) {
            history->forgotten = time_ns;
        }
    }
}

static bool remember(struct history *history, int64_t time_ns, uint16_t check)
{
    uint8_t *entry = next_entry(history);
    if (entry == NULL) {
        return false;
    }
    entry_set(entry, time_ns, check);
    step_on(history);
    return true;
}

/* --- looking up ------------------------------------------------------------------------------ */

static enum history_result compare(const uint8_t *entry, double value)
{
    return entry_check(entry) == check_of(value) ? HISTORY_DUPLICATE : HISTORY_CONFLICT;
}

enum history_result history_note(struct history *history, int64_t time_ns, double value,
                                 int64_t horizon_ns)
{
    if (time_ns <= history->newest) {
        for (uint32_t i = 0; i < history->count; i++) {
            const uint8_t *entry = entry_at(history, i);
            if (entry_time(entry) == time_ns) {
                return compare(entry, value);
            }
        }
    } else {
        history->newest = time_ns;
    }
    forget_oldest(history, horizon_ns);
    return remember(history, time_ns, check_of(value)) ? HISTORY_NEW : HISTORY_NO_MEMORY;
}

enum history_result history_recall(const struct history *history, int64_t time_ns, double value,
                                   int64_t horizon_ns)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const uint8_t *entry = entry_at(history, i);
        if (entry_time(entry) == time_ns) {
            return compare(entry, value);
        }
    }
    bool remembers_all = history->count < history->limit;
    bool later_than_lost = time_ns > history->forgotten && time_ns <= horizon_ns;
    return remembers_all || later_than_lost ? HISTORY_NEW : HISTORY_DUPLICATE;
}

/* --- kept over a restart --------------------------------------------------------------------- */

#define CHECKS_AT_ONCE 256 /* in one block of a saved history */

/* The i-th in order of arrival. */
static uint8_t *entry_of(const struct history *history, uint32_t i)
{
    uint32_t oldest = history->count < history->limit ? 0 : history->next;
    uint32_t to_end = history->limit - oldest;
    return entry_at(history, i < to_end ? oldest + i : i - to_end);
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
        uint64_t next = (uint64_t)entry_time(entry_of(history, i));
        state_put_signed(writer, (int64_t)(next - time - step));
        step = next - time;
        time = next;
    }
    for (uint32_t i = 0; i < history->count; i += CHECKS_AT_ONCE) {
        char block[2 * CHECKS_AT_ONCE];
        uint32_t count = history->count - i;
        count = count < CHECKS_AT_ONCE ? count : CHECKS_AT_ONCE;
        for (size_t k = 0; k < count; k++) {
            uint16_t check = entry_check(entry_of(history, i + (uint32_t)k));
            block[2 * k] = (char)(check & 0xFF);
            block[2 * k + 1] = (char)(check >> 8);
        }
        state_put_text(writer, (struct phusa_text){ block, 2 * (size_t)count });
    }
}

/* False when one is newer than the newest, or the reader ends, or out of memory. */
static bool load_times(struct history *history, uint32_t count, struct state_reader *reader)
{
    uint64_t time = 0, step = 0;
    for (uint32_t i = 0; i < count && !reader->failed; i++) {
        step += (uint64_t)state_get_signed(reader);
        time += step;
        reader->failed |= (int64_t)time > history->newest;
        if (!remember(history, (int64_t)time, 0)) {
            return false;
        }
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
            uint8_t *entry = entry_at(history, i + (uint32_t)k);
            uint16_t check =
                (uint16_t)((uint8_t)block.data[2 * k] | (uint8_t)block.data[2 * k + 1] << 8);
            entry_set(entry, entry_time(entry), check);
        }
    }
    return true;
}

static int64_t oldest_time(const struct history *history)
{
    int64_t oldest = history->newest;
    for (uint32_t i = 0; i < history->count; i++) {
        int64_t time_ns = entry_time(entry_at(history, i));
        oldest = time_ns < oldest ? time_ns : oldest;
    }
    return oldest;
}

static bool load_readings(struct history *history, uint32_t count, struct state_reader *reader)
{
    if (!load_times(history, count, reader) || !load_checks(history, reader)) {
        return false;
    }
    history->forgotten = count == history->limit ? oldest_time(history) : INT64_MIN;
    return true;
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
