#include "store/inside.h"

#include "store/lineproto.h"

#define READ_AGAIN_NS SECOND_NS /* after a failure of the spool or of memory */

static void read_later(struct sender *sender, mono_time now, const char *why)
{
    sender->read_after.ns = now.ns + READ_AGAIN_NS;
    problem_set(&sender->troubles[TROUBLE_SPOOL], "%s", why);
}

void collect_from(struct sender *sender, uint64_t position)
{
    sender->seek_wanted = true;
    sender->seek_to = position;
    sender->has_held = false;
    sender->drained = false;
    sender->batch_ready = false;
    batch_clear(&sender->batch);
}

/* Holds the next item; false if there is none now. */
static bool hold_next(struct sender *sender, mono_time now)
{
    if (sender->has_held) {
        return true;
    }
    int got = sender->source.next(sender->source.context, &sender->held);
    if (got < 0) {
        read_later(sender, now, "the spool cannot be read");
        return false;
    }
    sender->drained = got == 0;
    if (got == 0) {
        return false;
    }
    sender->has_held = true;
    sender->held_lines = text_count_lines(sender->held.lines);
    return true;
}

/* Batches end where the positions end that were answered, and sent again, before: so each is
 * either new or not. */
static bool crosses(uint64_t boundary, uint64_t last, uint64_t next)
{
    return last <= boundary && next > boundary;
}

static bool fits(const struct sender *sender)
{
    const struct batch *batch = &sender->batch;
    uint64_t next = sender->held.position;
    if (batch->items == 0) {
        return true; /* whatever its size */
    }
    return batch->lines + sender->held_lines <= (size_t)sender->settings->batch_lines &&
           batch->length + sender->held.lines.length <= (size_t)sender->settings->batch_bytes &&
           !crosses(sender->counters.position_sent, batch->last_position, next) &&
           !crosses(sender->margin.resent_upto, batch->last_position, next);
}

static void refuse_invalid(struct sender *sender, struct phusa_text line)
{
    uint32_t readings = line_readings(line, NULL);
    if (sender->held.position > sender->checked) {
        sender->counters.lines_refused++;
        sender->source.refused(sender->source.context, line, "not valid line protocol");
    }
    sender->batch.readings -= readings < sender->batch.readings ? readings : sender->batch.readings;
}

/* Moves the held item into the batch, but for lines that no store may see. */
static void add_held(struct sender *sender, mono_time now)
{
    struct batch *batch = &sender->batch;
    struct phusa_text rest = sender->held.lines, line;
    if (batch->items == 0) {
        batch->begun = now;
        batch->again = sender->held.position <= sender->counters.position_sent;
    }
    batch->readings += sender->held.readings;
    while (text_next_line(&rest, &line)) {
        if (line_valid(line)) {
            batch_put_line(batch, line);
        } else if (line.length > 0) {
            refuse_invalid(sender, line);
        }
    }
    batch->items++;
    batch->last_position = sender->held.position;
    if (sender->held.position > sender->checked) {
        sender->checked = sender->held.position;
    }
    sender->has_held = false;
}

static bool is_full(const struct sender *sender)
{
    const struct batch *batch = &sender->batch;
    return batch->items == BATCH_ITEMS_MAX ||
           batch->lines >= (size_t)sender->settings->batch_lines ||
           batch->length >= (size_t)sender->settings->batch_bytes;
}

static bool seek(struct sender *sender, mono_time now)
{
    if (!sender->seek_wanted) {
        return true;
    }
    if (sender->source.seek(sender->source.context, sender->seek_to) != 0) {
        read_later(sender, now, "the spool cannot be read from the place wanted");
        return false;
    }
    sender->seek_wanted = false;
    return true;
}

void collect(struct sender *sender, mono_time now)
{
    if (sender->batch_ready || now.ns < sender->read_after.ns || !seek(sender, now)) {
        return;
    }
    while (!is_full(sender)) {
        if (!hold_next(sender, now)) {
            break;
        }
        if (!fits(sender)) {
            sender->batch_ready = true;
            break;
        }
        if (!batch_reserve(&sender->batch, sender->held.lines.length + 1)) {
            read_later(sender, now, "no memory for a batch");
            return;
        }
        add_held(sender, now);
    }
    sender->batch_ready |= is_full(sender);
    if (now.ns >= sender->read_after.ns) {
        sender->troubles[TROUBLE_SPOOL].text[0] = '\0';
    }
}

bool collect_due(const struct sender *sender, mono_time now, bool flush)
{
    const struct batch *batch = &sender->batch;
    if (batch->items == 0) {
        return false;
    }
    return sender->batch_ready || flush ||
           now.ns - batch->begun.ns >= sender->settings->batch_age_ns;
}
