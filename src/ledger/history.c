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

/* Only while it has never wrapped: entries keep their places. */
static bool grow(struct history *history)
{
    uint32_t capacity = history->capacity == 0 ? HISTORY_FIRST_CAPACITY : history->capacity * 2;
    capacity = capacity < history->limit ? capacity : history->limit;
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
        if (!grow(history)) {
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

enum history_result history_note(struct history *history, int64_t time_ns, double value)
{
    uint16_t check = check_of(value);
    if (time_ns <= history->newest) {
        for (uint32_t i = 0; i < history->count; i++) {
            if (history->times[i] == time_ns) {
                return history->checks[i] == check ? HISTORY_DUPLICATE : HISTORY_CONFLICT;
            }
        }
    } else {
        history->newest = time_ns;
    }
    return remember(history, time_ns, check) ? HISTORY_NEW : HISTORY_NO_MEMORY;
}
