/*
 * One kind of channel: e-mail, one recipient a delivery. A mail that is sent twice has the same
 * Message-ID, by which a server or a reader drops the second.
 *
 * 4xx (greylisting, a full mailbox) is tried again, as is a mail of which nobody knows whether it
 * arrived; 5xx to the recipient or the mail is refused; without connection, TLS, login or sender no
 * mail can pass, and the whole channel waits.
 */
#include <stdlib.h>

#include "base/smtp.h"
#include "notify/delivery.h"
#include "notify/mime.h"

/* A digest: a heading, its lines and how to stop. */
#define TEXT_MAX    (PARCEL_LETTERS_MAX * (LETTER_LINE_MAX + 1) + 2 * LETTER_TEXT_MAX)
#define SUBJECT_MAX (2 * LETTER_TEXT_MAX)

struct email {
    struct smtp_client *client;
    const char *from;
    char subject[SUBJECT_MAX], text[TEXT_MAX], mail[MIME_MAX(TEXT_MAX)];
};

static size_t compose(struct email *email, const struct parcel *parcel, wall_time now)
{
    (void)parcel_subject(parcel, email->subject, sizeof email->subject);
    (void)parcel_text(parcel, false, email->text, sizeof email->text);
    struct mime_mail mail = {
        .from = email->from,
        .to = parcel->recipient,
        .subject = email->subject,
        .text = email->text,
        .key = parcel->key,
        .language = parcel->language,
        .now = now,
        .utc_offset_s = parcel->letters[0].utc_offset_s,
        .unsubscribe = parcel->letters[0].stop.in[parcel->language],
    };
    return mime_compose(&mail, email->mail, sizeof email->mail);
}

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct email *email = self;
    if (!smtp_address_plain(parcel->recipient)) {
        problem_set(problem, "the recipient has no address that mail can go to");
        return DELIVERY_REFUSED;
    }
    /* The date is when the mail is sent, not when the reading was taken: people sort by it. */
    size_t length = compose(email, parcel, clock_real());
    if (length == 0) {
        problem_set(problem, "the mail is too long");
        return DELIVERY_REFUSED;
    }
    switch (
        smtp_send(email->client, email->from, parcel->recipient, email->mail, length, problem)) {
    case SMTP_DONE:
        return DELIVERY_DONE;
    case SMTP_UNREACHABLE:
        return DELIVERY_UNREACHABLE;
    case SMTP_REFUSED:
        return DELIVERY_REFUSED;
    case SMTP_LATER:
    case SMTP_BROKEN:
        break;
    }
    return DELIVERY_FAILED;
}

static void abort_mail(void *self)
{
    struct email *email = self;
    smtp_client_abort(email->client);
}

static void email_free(void *self)
{
    struct email *email = self;
    smtp_client_free(email->client);
    free(email);
}

static struct smtp_client *client_of(const struct channel_settings *channel)
{
    struct smtp_options options = {
        .url = channel->url,
        .starttls = channel->starttls,
        .ca_file = channel->ca,
        .user = channel->user,
        .password = channel->password,
        .total_ms = (long)(channel->timeout_ns / MILLI_NS),
    };
    return smtp_client_create(&options);
}

bool email_open(struct carrier *carrier, const struct channel_settings *channel,
                const struct carrier_means *means, struct problem *problem)
{
    (void)means;
    if (channel->from == NULL || !smtp_address_plain(channel->from)) {
        problem_set(problem, "the sender's address is none that mail can come from");
        return false;
    }
    struct email *email = calloc(1, sizeof *email);
    if (email == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    email->client = client_of(channel);
    email->from = channel->from;
    if (email->client == NULL) {
        email_free(email);
        problem_set(problem, "out of memory");
        return false;
    }
    carrier->self = email;
    carrier->deliver = deliver;
    carrier->abort = abort_mail;
    carrier->free = email_free;
    carrier->most = PARCEL_LETTERS_MAX;
    return true;
}
