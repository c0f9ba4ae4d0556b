#include "store/inside.h"

#define PROBE_NS            (INT64_C(5) * SECOND_NS) /* half the shortest margin */
#define PROBE_SOON_NS       SECOND_NS /* behind a new connection; some stores close every one */
#define PROBE_DOUBLINGS_MAX 5   /* probes that hang are tried less often, down to every 160 s */
#define WORDS_MAX           300 /* bytes of an answer that are told on */

static bool is_good(int code)
{
    return code >= 200 && code <= 299;
}

/*
 * A store that can say when it started is asked soon: its answer, and not a new
 * connection, tells of a second restart shortly behind a first. Asked before the
 * rewind, one rewind serves both.
 */
static void note_new_connection(struct sender *sender, mono_time now)
{
    margin_suspect(&sender->margin, SUSPECT_CONNECTION);
    int64_t soon = sender->probed_at.ns + PROBE_SOON_NS;
    soon = soon > now.ns ? soon : now.ns;
    if (sender->probe_failures == 0 && soon < sender->probe_after.ns) {
        sender->probe_after.ns = soon;
    }
}

struct http_request contact_request(const struct sender *sender, const char *method,
                                    const char *url)
{
    struct http_request request = { .method = method, .url = url };
    if (*sender->target.authorization != '\0') {
        request.headers[0] = sender->target.authorization;
    }
    return request;
}

enum http_status contact(struct sender *sender, const struct http_request *request, mono_time now,
                         struct problem *problem)
{
    struct http_answer *answer = &sender->answer;
    enum http_status status =
        sender->transport.perform(sender->transport.context, request, answer, problem);
    sender->counters.requests++;
    if (status != HTTP_DONE || !is_good(answer->code)) {
        sender->counters.failures++;
    }
    if (status != HTTP_UNREACHABLE) {
        sender->counters.bytes_sent += request->body_length;
        if (answer->new_connection) {
            note_new_connection(sender, now);
        }
    }
    /* A store that tells its start time is believed to be the same one only when it says so. */
    if (status == HTTP_DONE && !sender->start_known) {
        sender->alive = now;
    }
    return status;
}

void contact_words(const struct sender *sender, struct problem *words)
{
    size_t length = sender->answer.length < WORDS_MAX ? sender->answer.length : WORDS_MAX;
    while (length > 0 && (uint8_t)sender->answer.body[length - 1] <= ' ') {
        length--;
    }
    problem_set(words, "%d %.*s", sender->answer.code, (int)length,
                length > 0 ? sender->answer.body : "");
    for (char *at = words->text; *at != '\0'; at++) {
        if ((uint8_t)*at < ' ' || *at == '\x7f') {
            *at = ' ';
        }
    }
}

void contact_create(struct sender *sender, mono_time now)
{
    struct http_request request = contact_request(sender, "POST", sender->target.create_url);
    struct problem problem = { 0 };
    bool answered = contact(sender, &request, now, &problem) == HTTP_DONE;
    if (answered && sender->answer.code < 500) {
        /* Refused or not: it may be there already, made by somebody with more rights. A write
         * tells. */
        sender->create_wanted = false;
        deliver_well(sender);
        return;
    }
    if (answered) {
        contact_words(sender, &problem);
    }
    problem_set(&sender->troubles[TROUBLE_STORE], "cannot create the store's database: %s",
                problem.text);
    deliver_later(sender, now, answered ? sender->answer.retry_after_s : 0);
}

static void read_metrics(struct sender *sender)
{
    struct store_metrics metrics;
    store_metrics_read((struct phusa_text){ sender->answer.body, sender->answer.length }, &metrics);
    sender->counters.store_rows_invalid = metrics.rows_invalid;
    sender->counters.store_rows_ignored = metrics.rows_ignored;
    sender->start_known = metrics.has_start;
    if (!metrics.has_start) {
        return;
    }
    /* Only a later start is one: behind a balancer the stores' start times take turns. */
    if (sender->start > 0 && metrics.start > sender->start) {
        margin_suspect(&sender->margin, SUSPECT_RESTART);
    }
    sender->start = metrics.start > sender->start ? metrics.start : sender->start;
}

void contact_probe(struct sender *sender, mono_time now)
{
    struct http_request request = contact_request(sender, "GET", sender->target.metrics_url);
    struct problem problem = { 0 };
    enum http_status status = contact(sender, &request, now, &problem);
    sender->probed_at = now;
    sender->probe_after.ns = now.ns + (PROBE_NS << sender->probe_failures);
    if (status != HTTP_DONE) {
        bool may_hang = status == HTTP_BROKEN && sender->probe_failures < PROBE_DOUBLINGS_MAX;
        sender->probe_failures += may_hang ? 1 : 0;
        sender->counters.store_up = false;
        problem_set(&sender->troubles[TROUBLE_STORE], "the store does not answer: %s",
                    problem.text);
        return;
    }
    sender->probe_failures = 0;
    sender->alive = now;
    if (is_good(sender->answer.code)) {
        read_metrics(sender);
    } else {
        sender->start_known = false; /* a proxy without a way there; connections have to do */
    }
    if (sender->answer.code < 500 && !sender->retrying) {
        sender->counters.store_up = true;
        sender->troubles[TROUBLE_STORE].text[0] = '\0';
    }
}
