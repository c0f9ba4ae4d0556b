#include "store/inside.h"

#include "store/lineproto.h"

enum verdict {
    VERDICT_TAKEN,   /* 2xx */
    VERDICT_REFUSED, /* the lines are at fault: never the same again */
    VERDICT_LATER    /* the way or the store is at fault: the same again */
};

static enum verdict judge(int code)
{
    if (code >= 200 && code <= 299) {
        return VERDICT_TAKEN;
    }
    /* Only these speak of the lines; everything else an operator or time can mend. */
    return code == 400 || code == 413 || code == 422 ? VERDICT_REFUSED : VERDICT_LATER;
}

void deliver_later(struct sender *sender, mono_time now, int64_t retry_after_s)
{
    sender->retry_after.ns = now.ns + backoff_next(&sender->backoff, retry_after_s);
    sender->retrying = true;
    sender->counters.store_up = false;
}

void deliver_well(struct sender *sender)
{
    backoff_reset(&sender->backoff);
    sender->retrying = false;
    sender->counters.store_up = true;
    sender->troubles[TROUBLE_STORE].text[0] = '\0';
}

/* Puts the lines into the request, packed if that is wanted. False when out of memory. */
static bool put_body(struct sender *sender, struct phusa_text body, struct http_request *request)
{
    size_t header = request->headers[0] == NULL ? 0 : 1; /* behind the credentials */
    request->headers[header++] = "Content-Type: text/plain; charset=utf-8";
    if (sender->gzip != NULL) {
        request->headers[header++] = "Content-Encoding: gzip";
        if (!gzip_pack(sender->gzip, body, &body)) {
            return false;
        }
    }
    request->body = body.data;
    request->body_length = body.length;
    return true;
}

/* What was sent again was told when it was new. */
static void refuse_line(struct sender *sender, struct phusa_text line, const char *words)
{
    struct batch *batch = &sender->batch;
    uint32_t readings = line_readings(line, NULL);
    batch->readings -= readings < batch->readings ? readings : batch->readings;
    if (!batch->again) {
        sender->counters.lines_refused++;
        sender->source.refused(sender->source.context, line, words);
    }
}

/* InfluxDB keeps the good lines of a batch that it refuses; sending them again in a half of it
 * changes nothing. */
static void refuse_range(struct sender *sender)
{
    struct problem words = { 0 };
    sender->batch.refusals++;
    if (batch_split_current(&sender->batch)) { /* ends: twice as many requests as lines at most */
        return;
    }
    contact_words(sender, &words);
    struct phusa_text rest = batch_current(&sender->batch), line;
    while (text_next_line(&rest, &line)) {
        refuse_line(sender, line, words.text);
    }
    batch_drop_current(&sender->batch);
}

static void answered(struct sender *sender, mono_time now)
{
    struct problem words = { 0 };
    switch (judge(sender->answer.code)) {
    case VERDICT_TAKEN:
        batch_drop_current(&sender->batch);
        deliver_well(sender);
        return;
    case VERDICT_REFUSED:
        refuse_range(sender);
        deliver_well(sender);
        return;
    case VERDICT_LATER:
        contact_words(sender, &words);
        problem_set(&sender->troubles[TROUBLE_STORE], "the store answers %s", words.text);
        sender->create_wanted |= sender->answer.code == 404 && *sender->target.create_url != '\0';
        deliver_later(sender, now, sender->answer.retry_after_s);
        return;
    }
}

static void send_current(struct sender *sender, mono_time now)
{
    struct http_request request = contact_request(sender, "POST", sender->target.write_url);
    struct problem problem = { 0 };
    if (!put_body(sender, batch_current(&sender->batch), &request)) {
        problem_set(&sender->troubles[TROUBLE_STORE], "no memory to pack a batch");
        deliver_later(sender, now, 0);
    } else if (contact(sender, &request, now, &problem) == HTTP_DONE) {
        answered(sender, now);
    } else {
        problem_set(&sender->troubles[TROUBLE_STORE], "the store does not answer: %s",
                    problem.text);
        deliver_later(sender, now, 0);
    }
}

static void finish(struct sender *sender)
{
    struct batch *batch = &sender->batch;
    sender->settled = true;
    sender->settled_position = batch->last_position;
    sender->settled_readings = batch->readings;
    if (batch->again) {
        sender->counters.readings_resent += batch->readings;
    } else {
        sender->counters.readings_sent += batch->readings;
        sender->counters.position_sent = batch->last_position;
    }
    sender->batch_ready = false;
    sender->drained = false; /* the spool may have grown meanwhile */
    batch_clear(batch);
}

void deliver(struct sender *sender, mono_time now)
{
    if (!sender->sending) {
        sender->sending = true;
        batch_close(&sender->batch);
    }
    if (sender->batch.range_count > 0) {
        send_current(sender, now);
    }
    if (sender->batch.range_count == 0) {
        sender->sending = false;
        finish(sender);
    }
}
