/*
 * What endpoints answer: the first byte is a code (200 and twice as much, at most 599), the rest
 * the body. The channels by HTTP judge it, the network being replaced (-Wl,--wrap=http_perform).
 * What is said of it can stand in a log: one line of ASCII, short, without our password, and for
 * short messages without a number in it that may be somebody's.
 */
#include "../unit/letter_sample.h"
#include "base/http.h"
#include "fuzz.h"

#define CODE_MAX 599
#define PASSWORD "hunter-2"
#define PHONE    "+84901234567"

static struct http_answer given;

enum http_status __wrap_http_perform(struct http_client *client, const struct http_request *request,
                                     struct http_answer *answer, struct problem *problem);
enum http_status __wrap_http_perform(struct http_client *client, const struct http_request *request,
                                     struct http_answer *answer, struct problem *problem)
{
    (void)problem;
    ENSURE(client != NULL && request->url != NULL);
    answer->code = given.code;
    answer->length = given.length;
    memcpy(answer->body, given.body, given.length + 1);
    return HTTP_DONE;
}

static size_t longest_number(const char *text)
{
    size_t longest = 0, digits = 0;
    for (; *text != '\0'; text++) {
        digits = *text >= '0' && *text <= '9' ? digits + 1 : 0;
        longest = digits > longest ? digits : longest;
    }
    return longest;
}

static void check_words(const struct problem *problem)
{
    for (const char *at = problem->text; *at != '\0'; at++) {
        ENSURE(*at >= ' ' && *at < 0x7f);
    }
    ENSURE(strlen(problem->text) < sizeof problem->text - 1);
}

#define SMS(answer)                                                                                \
    {                                                                                              \
        .id = "sms", .kind = CHANNEL_SMS, .user = "phusa", .password = PASSWORD,                   \
        .url = "http://127.0.0.1:9/?to={to}&text={text}&p={password}", .from = "Phu Sa",           \
        .method = "GET", .body = "", .content_type = "", .accepted = (answer),                     \
        .timeout_ns = SECOND_NS                                                                    \
    }

/* Each is opened once. */
static struct way {
    carrier_open *open;
    struct channel_settings channel;
    struct carrier carrier;
} ways[] = {
    { webhook_open,
      { .id = "hook",
        .kind = CHANNEL_WEBHOOK,
        .url = "http://127.0.0.1:9/",
        .timeout_ns = SECOND_NS },
      { .self = NULL } },
    { alertmanager_open,
      { .id = "manager",
        .kind = CHANNEL_ALERTMANAGER,
        .url = "http://127.0.0.1:9",
        .timeout_ns = SECOND_NS },
      { .self = NULL } },
    { sms_open, SMS("delivery"), { .self = NULL } },
    { sms_open, SMS(""), { .self = NULL } },
};

static void try_way(struct way *way)
{
    static const struct carrier_means means = { .utc_offset_s = 7 * 3600 };
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct letter letter = sample_letter(key, SEVERITY_NORMAL, SEVERITY_SEVERE, 0);
    struct parcel parcel = { .letters = &letter, .count = 1, .recipient = PHONE, .key = key };
    struct problem problem = { "" };
    bool taken = given.code >= 200 && given.code < 300;
    ENSURE(way->carrier.self != NULL || way->open(&way->carrier, &way->channel, &means, &problem));
    enum delivery delivery = way->carrier.deliver(way->carrier.self, &parcel, &problem);
    ENSURE((delivery == DELIVERY_DONE) == (problem.text[0] == '\0'));
    ENSURE(delivery != DELIVERY_DONE || taken);
    ENSURE(delivery != DELIVERY_REFUSED || (given.code >= 400 && given.code < 500));
    check_words(&problem);
    if (way->channel.kind == CHANNEL_SMS) {
        ENSURE(strstr(problem.text, PASSWORD) == NULL && longest_number(problem.text) <= 4);
        ENSURE(delivery != DELIVERY_DONE || strstr(given.body, way->channel.accepted) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    given.code = 200 + (size > 0 ? 2 * data[0] : 0);
    given.code = given.code > CODE_MAX ? CODE_MAX : given.code;
    given.length = size > 0 ? size - 1 : 0;
    given.length = given.length > HTTP_ANSWER_MAX ? HTTP_ANSWER_MAX : given.length;
    memcpy(given.body, fuzz_text(data + (size > 0 ? 1 : 0), given.length), given.length);
    given.body[given.length] = '\0';
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        try_way(&ways[i]);
    }
    return 0;
}
