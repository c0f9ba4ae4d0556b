/*
 * One kind of channel: short messages, handed to a gateway by HTTP with the template of the
 * configuration. For Kannel's sendsms:
 *
 *   url = "http://127.0.0.1:13013/cgi-bin/sendsms?username={user}&password={password}&from={from}"
 *         "&to={to}&text={text}&coding={coding}&charset=UTF-8";   accepted = "delivery";
 *
 * which answers 202 and "0: Accepted for delivery" or "3: Queued for later delivery"; its user
 * there needs concatenation = true and max-messages = 4 for digests. With report_base it is also
 * asked to say later what became of the message, "&dlr-mask=19&dlr-url={report}%26state%3D%25d":
 * report.h has the address, outbox_report.c what follows from it.
 *
 * Texts are without diacritics, in GSM 7 bit; with `diacritics` in UCS-2 where a text has any. A
 * single message has at most the channel's `parts`: one that were longer is cut at a word, which is
 * said in the log. A digest is at most DIGEST_PARTS parts and says itself what it leaves out. Where
 * the channel sends no SMS (parts 0) neither is limited but by TEXT_MAX.
 *
 * Accepted is what has a code 2xx and the text `accepted` in its body; without that text, any body
 * that is no web page: a gateway's login page or a proxy's excuse has 200, too. 400 and the like
 * refuse the message; 401, 403, 404 and 405 are about us, so that no message can pass.
 *
 * What is said of an answer has no number of more than four digits and not the password in it,
 * since a gateway may repeat the request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/gsm7.h"
#include "base/http.h"
#include "base/log.h"
#include "notify/answer.h"
#include "notify/fill.h"

#define DIGEST_PARTS SMS_PARTS_MAX
#define DIGEST_STEP  32   /* bytes that a digest is made shorter by until it fits */
#define TEXT_MAX     1024 /* bytes: a letter's, or of DIGEST_PARTS parts with marks */
#define PLAIN_MAX    GSM7_FOLD_MAX(TEXT_MAX)
#define REQUEST_MAX  16384 /* bytes of the URL, and of the body: a text in it is 3 x PLAIN_MAX */
#define HEADER_MAX   1024
#define PHONE_MAX    16 /* "+" and 15 digits (E.164) */
#define WORDS_MAX    80 /* bytes of an answer that are said */
#define DIGITS_SHOWN 4
#define FIELDS       8

struct sms {
    struct http_client *client;
    const struct channel_settings *channel;
    struct outbox *outbox; /* has the secret of reports */
    unsigned long cut;     /* texts that were too long for their parts */
    char text[PLAIN_MAX], filled_url[REQUEST_MAX], filled_body[REQUEST_MAX];
    char report[REPORT_URL_MAX];
    char filled_headers[CHANNEL_HEADERS_MAX][HEADER_MAX], type_header[HEADER_MAX];
    struct http_answer answer;
};

/* --- the text -------------------------------------------------------------------- */

/* What the phone shows, in the coding that it needs. */
static enum sms_coding encode(const struct sms *sms, const char *text, char out[PLAIN_MAX])
{
    if (sms->channel->diacritics && !gsm7_writable(phusa_text_of(text))) {
        (void)snprintf(out, PLAIN_MAX, "%s", text);
        return SMS_UCS2;
    }
    (void)gsm7_fold(phusa_text_of(text), out, PLAIN_MAX);
    return SMS_GSM7;
}

/* Said at the first, second, fourth ... time. */
static void note_cut(struct sms *sms)
{
    sms->cut++;
    if ((sms->cut & (sms->cut - 1)) == 0) {
        log_warning("notify %s: a text was cut to a short message of %d part%s, %lu so far",
                    sms->channel->id, (int)sms->channel->parts, sms->channel->parts == 1 ? "" : "s",
                    sms->cut);
    }
}

static enum sms_coding single_text(struct sms *sms, const struct parcel *parcel)
{
    char text[TEXT_MAX];
    (void)parcel_text(parcel, true, text, sizeof text);
    enum sms_coding coding = encode(sms, text, sms->text);
    size_t parts = (size_t)sms->channel->parts;
    size_t end = parts == 0 ? strlen(sms->text) : sms_cut(phusa_text_of(sms->text), coding, parts);
    if (sms->text[end] != '\0') {
        sms->text[end] = '\0';
        note_cut(sms);
    }
    return coding;
}

/* The longest digest that fits: made anew with less room, so that its own end is true. */
static enum sms_coding digest_text(struct sms *sms, const struct parcel *parcel)
{
    char text[TEXT_MAX];
    enum sms_coding coding = SMS_GSM7;
    for (size_t room = TEXT_MAX; room > DIGEST_STEP; room -= DIGEST_STEP) {
        (void)parcel_text(parcel, true, text, room);
        coding = encode(sms, text, sms->text);
        if (sms->channel->parts == 0 ||
            sms_parts(phusa_text_of(sms->text), coding) <= DIGEST_PARTS) {
            break;
        }
    }
    return coding;
}

/* --- the answer ------------------------------------------------------------------ */

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The digits at the beginning of text. */
static size_t digits_at(const char *text)
{
    size_t count = 0;
    while (is_digit(text[count])) {
        count++;
    }
    return count;
}

/* The answer's first line up to a query, ASCII, without long numbers; nothing if the password is in
 * it. */
static void copy_words(const struct sms *sms, char words[WORDS_MAX + 1])
{
    const char *at = sms->answer.body + strspn(sms->answer.body, " \t\r\n");
    size_t used = 0;
    bool secret = sms->channel->password[0] != '\0' && strstr(at, sms->channel->password) != NULL;
    while (!secret && used < WORDS_MAX && (unsigned char)*at >= ' ' && *at != '?' && *at != '&') {
        size_t digits = digits_at(at);
        bool plain = (unsigned char)*at < 0x7f;
        words[used++] = digits > DIGITS_SHOWN || !plain ? '*' : *at;
        at += digits > DIGITS_SHOWN ? digits : 1;
    }
    words[used] = '\0';
}

static enum delivery judge(const struct sms *sms, struct problem *problem)
{
    char words[WORDS_MAX + 1];
    int code = sms->answer.code;
    bool taken = code >= 200 && code < 300;
    if (taken && strstr(sms->answer.body, sms->channel->accepted) != NULL &&
        (sms->channel->accepted[0] != '\0' || !answer_is_page(&sms->answer))) {
        return DELIVERY_DONE;
    }
    copy_words(sms, words);
    problem_set(problem, "the gateway answered %d%s%s%s", code,
                taken ? ", but not that it took the message" : "", words[0] == '\0' ? "" : ": ",
                words);
    switch (code) {
    case 401:
    case 403:
    case 404:
    case 405:
    case 407:
        return DELIVERY_UNREACHABLE;
    case 408:
    case 425:
    case 429:
        return DELIVERY_FAILED;
    default:
        return code >= 400 && code < 500 ? DELIVERY_REFUSED : DELIVERY_FAILED;
    }
}

/* --- the request ------------------------------------------------------------------- */

static bool is_phone(const char *recipient)
{
    size_t plus = recipient[0] == '+', length = strlen(recipient);
    return length > plus && length <= PHONE_MAX && digits_at(recipient + plus) == length - plus;
}

static bool fill_headers(struct sms *sms, const struct fill_value *values,
                         struct http_request *request)
{
    size_t count = 0;
    if (sms->channel->body[0] != '\0') {
        (void)snprintf(sms->type_header, HEADER_MAX, "Content-Type: %s",
                       sms->channel->content_type);
        request->headers[count++] = sms->type_header;
    }
    for (size_t i = 0; i < CHANNEL_HEADERS_MAX && sms->channel->headers[i] != NULL; i++) {
        if (fill_template(sms->channel->headers[i], values, FIELDS, FILL_LINE,
                          sms->filled_headers[i], HEADER_MAX) == 0) {
            return false;
        }
        request->headers[count++] = sms->filled_headers[i];
    }
    return true;
}

static bool fill_request(struct sms *sms, const struct fill_value *values,
                         struct http_request *request)
{
    *request = (struct http_request){ .method = sms->channel->method, .url = sms->filled_url };
    if (sms->channel->body[0] != '\0') {
        request->body = sms->filled_body;
        request->body_length = fill_template(sms->channel->body, values, FIELDS,
                                             fill_escape_of(sms->channel->content_type),
                                             sms->filled_body, sizeof sms->filled_body);
        if (request->body_length == 0) {
            return false;
        }
    }
    return fill_headers(sms, values, request) &&
           fill_template(sms->channel->url, values, FIELDS, FILL_PERCENT, sms->filled_url,
                         sizeof sms->filled_url) > 0;
}

static enum delivery send_request(struct sms *sms, const struct http_request *request,
                                  struct problem *problem)
{
    switch (http_perform(sms->client, request, &sms->answer, problem)) {
    case HTTP_DONE:
        return judge(sms, problem);
    case HTTP_UNREACHABLE:
        return DELIVERY_UNREACHABLE;
    case HTTP_BROKEN:
        break;
    }
    return DELIVERY_FAILED;
}

/* Where the gateway is to report to; "" without report_base. */
static bool make_report(struct sms *sms, const struct parcel *parcel)
{
    const struct channel_settings *channel = sms->channel;
    unsigned char own[REPORT_SECRET_BYTES] = { 0 };
    struct phusa_text secret = phusa_text_of(channel->secret == NULL ? "" : channel->secret);
    sms->report[0] = '\0';
    if (!channel_reports(channel)) {
        return true;
    }
    if (secret.length == 0) {
        outbox_copy_secret(sms->outbox, own);
        secret = (struct phusa_text){ (const char *)own, sizeof own };
    }
    bool made = report_print_url(channel, secret, parcel->report, sms->report);
    explicit_bzero(own, sizeof own);
    return made;
}

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct sms *sms = self;
    if (!is_phone(parcel->recipient)) {
        problem_set(problem, "the recipient has no number that a message can go to");
        return DELIVERY_REFUSED;
    }
    enum sms_coding coding =
        parcel->count + parcel->more == 1 ? single_text(sms, parcel) : digest_text(sms, parcel);
    const struct fill_value values[FIELDS] = {
        { "to", parcel->recipient },
        { "text", sms->text },
        { "from", sms->channel->from },
        { "user", sms->channel->user },
        { "password", sms->channel->password },
        { "key", parcel->key },
        { "coding", coding == SMS_UCS2 ? "2" : "0" },
        { "report", sms->report },
    };
    struct http_request request;
    if (!make_report(sms, parcel) || !fill_request(sms, values, &request)) {
        problem_set(problem, "the request to the gateway is too long");
        return DELIVERY_REFUSED;
    }
    return send_request(sms, &request, problem);
}

/* --- the carrier ------------------------------------------------------------------- */

static void abort_request(void *self)
{
    struct sms *sms = self;
    http_client_abort(sms->client);
}

static void sms_free(void *self)
{
    struct sms *sms = self;
    http_client_free(sms->client);
    free(sms);
}

bool sms_open(struct carrier *carrier, const struct channel_settings *channel,
              const struct carrier_means *means, struct problem *problem)
{
    struct http_options options = { .ca_file = channel->ca,
                                    .total_ms = (long)(channel->timeout_ns / MILLI_NS) };
    struct sms *sms = calloc(1, sizeof *sms);
    struct http_client *client = http_client_create(&options);
    if (sms == NULL || client == NULL) {
        free(sms);
        http_client_free(client);
        problem_set(problem, "out of memory");
        return false;
    }
    sms->client = client;
    sms->channel = channel;
    sms->outbox = means->outbox;
    carrier->self = sms;
    carrier->deliver = deliver;
    carrier->abort = abort_request;
    carrier->free = sms_free;
    carrier->most = PARCEL_LETTERS_MAX;
    return true;
}
