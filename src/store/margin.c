#include "store/margin.h"

void margin_init(struct margin *margin, int64_t length_ns, uint64_t safe)
{
    *margin = (struct margin){ .length_ns = length_ns, .safe = safe };
}

static struct margin_entry *entry_at(struct margin *margin, size_t index)
{
    return &margin->entries[(margin->first + index) % MARGIN_ENTRIES];
}

static struct margin_entry take_first(struct margin *margin)
{
    struct margin_entry entry = *entry_at(margin, 0);
    margin->first = (margin->first + 1) % MARGIN_ENTRIES;
    margin->count--;
    return entry;
}

/* Makes room: the oldest entry joins its successor, whose answer is younger. What began at the
 * boundary between them begins earlier then. */
static void merge_oldest(struct margin *margin)
{
    struct margin_entry oldest = take_first(margin);
    entry_at(margin, 0)->readings += oldest.readings;
    if (margin->resent_upto <= oldest.position) {
        margin->resent_upto = 0;
    }
    if (margin->wanted && margin->wanted_from <= oldest.position) {
        margin->wanted_from = margin->safe;
    }
}

/* The same short stretch of time; but never across the end of what was sent again. */
static bool shares_entry(const struct margin *margin, const struct margin_entry *newest,
                         mono_time answered)
{
    int64_t bucket = margin->length_ns / MARGIN_BUCKETS + 1;
    return newest->answered.ns / bucket == answered.ns / bucket &&
           newest->position != margin->resent_upto;
}

void margin_add(struct margin *margin, uint64_t position, uint64_t readings, mono_time answered)
{
    if (margin->count > 0) {
        struct margin_entry *newest = entry_at(margin, margin->count - 1);
        if (shares_entry(margin, newest, answered)) {
            *newest = (struct margin_entry){ position, newest->readings + readings, answered };
            return;
        }
    }
    if (margin->count == MARGIN_ENTRIES) {
        merge_oldest(margin);
    }
    *entry_at(margin, margin->count) = (struct margin_entry){ position, readings, answered };
    margin->count++;
}

static bool may_pass(struct margin *margin, mono_time alive)
{
    const struct margin_entry *oldest = entry_at(margin, 0);
    bool in_doubt = margin->wanted && oldest->position > margin->wanted_from;
    return !in_doubt && alive.ns - oldest->answered.ns >= margin->length_ns;
}

void margin_advance(struct margin *margin, mono_time alive)
{
    while (margin->count > 0 && may_pass(margin, alive)) {
        struct margin_entry entry = take_first(margin);
        margin->safe = entry.position;
        margin->readings_safe += entry.readings;
    }
}

static uint64_t newest_position(struct margin *margin)
{
    return margin->count == 0 ? margin->safe : entry_at(margin, margin->count - 1)->position;
}

void margin_suspect(struct margin *margin, enum suspicion suspicion)
{
    uint64_t from = margin->safe;
    if (suspicion == SUSPECT_CONNECTION && margin->resent_upto > from) {
        from = margin->resent_upto;
    }
    if (from >= newest_position(margin)) {
        return;
    }
    if (!margin->wanted || from < margin->wanted_from) {
        margin->wanted_from = from;
    }
    margin->wanted = true;
}

bool margin_rewind(struct margin *margin, mono_time now, uint64_t *from)
{
    bool too_soon = margin->rewound && now.ns - margin->rewound_at.ns < margin->length_ns;
    if (!margin->wanted || too_soon) {
        return false;
    }
    uint64_t newest = newest_position(margin);
    while (margin->count > 0 && newest_position(margin) > margin->wanted_from) {
        margin->count--; /* to be answered again */
    }
    margin->resent_upto = newest > margin->resent_upto ? newest : margin->resent_upto;
    margin->wanted = false;
    margin->rewound = true;
    margin->rewound_at = now;
    *from = margin->wanted_from;
    return true;
}
