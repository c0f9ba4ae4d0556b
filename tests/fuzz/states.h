/*
 * Saved states with anything changed in them, for targets with several subjects.
 *
 * The first byte of the input says whose state (modulo their number) and how to read the rest (the
 * next bit): 0 = it is the state itself; 1 = three bytes each change one byte of a good state
 * (where, two bytes; what), and what is left over of the last three is cut from its end.
 */
#ifndef FUZZ_STATES_H
#define FUZZ_STATES_H

#include <stdlib.h>
#include <string.h>

#include "base/state.h"
#include "fuzz.h"

struct states_subject {
    struct state_writer good; /* a state that is read whole */
    void (*check)(struct state_reader reader);
};

static inline void states_check_changed(const struct states_subject *subject, const uint8_t *data,
                                        size_t size)
{
    const struct state_writer *whole = &subject->good;
    size_t used = whole->used - (size % 3 == 0 ? 0 : data[size - 1] % whole->used);
    uint8_t *bytes = malloc(whole->used);
    ENSURE(bytes != NULL);
    memcpy(bytes, whole->bytes, whole->used);
    for (size_t i = 0; i + 3 <= size; i += 3) {
        bytes[(data[i] | (size_t)data[i + 1] << 8) % whole->used] = data[i + 2];
    }
    subject->check(state_reader_of(bytes, used));
    free(bytes);
}

static inline void states_check(const struct states_subject *subjects, size_t count,
                                const uint8_t *data, size_t size)
{
    if (size == 0) {
        return;
    }
    const struct states_subject *subject = &subjects[data[0] % count];
    ENSURE(!subject->good.failed && subject->good.used > 0);
    if (data[0] / count % 2 == 0) {
        subject->check(state_reader_of(data + 1, size - 1));
    } else {
        states_check_changed(subject, data + 1, size - 1);
    }
}

#endif
