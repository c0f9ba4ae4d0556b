/*
 * One kind of channel: POST with the notice as JSON. `Idempotency-Key` lets the
 * receiver drop what it has already; with a secret, `X-Phusa-Signature: sha256=<hex>`
 * is the HMAC-SHA256 of the body. answer.h says what the answers mean; a web page with 200 is
 * somebody's login form, not a receiver that took the notice.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "notify/answer.h"

#define SIGNATURE_HEADER "X-Phusa-Signature: sha256="
#define HEADER_MAX       128

struct webhook {
    struct http_client *client;
    char *url, *secret; /* secret is empty for none */
    struct http_answer answer;
};

/* False when the crypto library fails. */
static bool sign(const char *secret, const struct letter *letter, char header[HEADER_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)letter->body,
             letter->body_length, digest, &size) == NULL) {
        return false;
    }
    size_t used = (size_t)snprintf(header, HEADER_MAX, SIGNATURE_HEADER);
    for (unsigned i = 0; i < size && used + 3 <= HEADER_MAX; i++, used += 2) {
        (void)snprintf(header + used, 3, "%02x", digest[i]);
    }
    return true;
}

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct webhook *webhook = self;
    const struct letter *letter = parcel->letters;
    char key[HEADER_MAX], signature[HEADER_MAX];
    (void)snprintf(key, sizeof key, "Idempotency-Key: %s", letter->key);
    struct http_request request = {
        .method = "POST",
        .url = webhook->url,
        .headers = { "Content-Type: application/json", key },
        .body = letter->body,
        .body_length = letter->body_length,
    };
    if (webhook->secret[0] != '\0') {
        if (!sign(webhook->secret, letter, signature)) {
            problem_set(problem, "the message could not be signed");
            return DELIVERY_FAILED;
        }
        request.headers[2] = signature;
    }
    enum delivery delivery = answer_request(webhook->client, &request, &webhook->answer, problem);
    return delivery == DELIVERY_DONE && answer_is_page(&webhook->answer)
               ? answer_strange(&webhook->answer, "a receiver of alarms", problem)
               : delivery;
}

static void abort_request(void *self)
{
    struct webhook *webhook = self;
    http_client_abort(webhook->client);
}

static void webhook_free(void *self)
{
    struct webhook *webhook = self;
    http_client_free(webhook->client);
    free(webhook->url);
    free(webhook->secret);
    free(webhook);
}

bool webhook_open(struct carrier *carrier, const struct channel_settings *channel,
                  const struct carrier_means *means, struct problem *problem)
{
    (void)means;
    struct webhook *webhook = calloc(1, sizeof *webhook);
    if (webhook == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    struct http_options options = { .ca_file = channel->ca,
                                    .total_ms = (long)(channel->timeout_ns / MILLI_NS) };
    webhook->client = http_client_create(&options);
    webhook->url = strdup(channel->url);
    webhook->secret = strdup(channel->secret == NULL ? "" : channel->secret);
    if (webhook->client == NULL || webhook->url == NULL || webhook->secret == NULL) {
        webhook_free(webhook);
        problem_set(problem, "out of memory");
        return false;
    }
    carrier->self = webhook;
    carrier->deliver = deliver;
    carrier->abort = abort_request;
    carrier->free = webhook_free;
    carrier->most = 1;
    return true;
}
