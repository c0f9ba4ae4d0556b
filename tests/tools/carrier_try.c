/*
 * Tries one channel alone, without collector and outbox.
 *
 *   carrier_try CHANNEL.json
 *
 * CHANNEL.json is an object with the members of struct channel_settings (channel.h) by their names;
 * `kind` is the kind's ("email"), times are in seconds (`timeout`, `expires`), `boards` a list of
 * objects. Each line of the standard input is a parcel: `recipient`, `language`, `key` and
 * `letters`, a list of objects with the members of struct letter by their names; a text in both
 * languages is a list of two, or one string for both, severities are names, times seconds
 * (`time`, `since`). The line {"refresh": true} asks the channel to say again what is active;
 * {"active": LETTERS} is what is active from then on, the gravest first; {"abort_after": S} ends
 * what is under way S seconds later, from another thread, once.
 *
 * For each line one is written: {"delivery": "done", "problem": "...", "seconds": 0.01}; and for
 * what is published to the broker {"publish": TOPIC, "payload": TEXT}, unless the channel names
 * one:
 * {"broker": {"uri": ..., "user": ..., "password": ...}}. Then it is published there.
 */
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http.h"
#include "ingest/mqtt.h"
#include "notify/delivery.h"

#define TEXTS_MAX  64
#define ACTIVE_MAX 20000
#define CONNECT_NS (10 * SECOND_NS) /* for the first connection to a broker */
#define TEND_NS    (20 * MILLI_NS)
#define WAIT_NS    (400 * MILLI_NS) /* for the broker to acknowledge */

struct opened {
    const char *kind;
    enum channel_kind number;
    carrier_open *open;
};

static const struct opened kinds[] = {
    { "webhook", CHANNEL_WEBHOOK, webhook_open },
    { "email", CHANNEL_EMAIL, email_open },
    { "sms", CHANNEL_SMS, sms_open },
    { "syslog", CHANNEL_SYSLOG, syslog_open },
    { "alertmanager", CHANNEL_ALERTMANAGER, alertmanager_open },
    { "board", CHANNEL_BOARD, board_open },
    { "cap", CHANNEL_CAP, cap_open },
};

static void die(const char *what)
{
    (void)fprintf(stderr, "carrier_try: %s\n", what);
    exit(2);
}

/* --- values of JSON ---------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static const char *text_or(const json_t *object, const char *name, const char *fallback)
{
    const char *text = text_of(object, name);
    return text[0] == '\0' ? fallback : text;
}

static double number_of(const json_t *object, const char *name, double fallback)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

static bool flag_of(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static int64_t nanos_of(const json_t *object, const char *name, double fallback)
{
    return (int64_t)(number_of(object, name, fallback) * (double)SECOND_NS);
}

static enum language language_of(const json_t *object)
{
    return strcmp(text_of(object, "language"), "en") == 0 ? LANGUAGE_EN : LANGUAGE_VI;
}

static struct letter_text pair_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    struct letter_text text = { { "", "" } };
    for (size_t i = 0; i < LANGUAGES && value != NULL; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        text.in[i] = json_is_string(one) ? json_string_value(one) : "";
    }
    return text;
}

static enum severity severity_of(const json_t *object, const char *name)
{
    for (int i = SEVERITY_NORMAL; i <= SEVERITY_EXTREME; i++) {
        if (strcmp(text_of(object, name), severity_name((enum severity)i)) == 0) {
            return (enum severity)i;
        }
    }
    return SEVERITY_NORMAL;
}

/* Allocated; lives to the end of the program. */
static const char **texts_of(const json_t *list, size_t *count)
{
    const char **texts = calloc(TEXTS_MAX, sizeof *texts);
    if (texts == NULL || json_array_size(list) > TEXTS_MAX) {
        die("out of memory, or too many texts");
    }
    *count = json_array_size(list);
    for (size_t i = 0; i < *count; i++) {
        texts[i] = json_string_value(json_array_get(list, i));
    }
    return texts;
}

/* --- the channel --------------------------------------------------------------------- */

static struct board_settings *boards_of(const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    struct board_settings *boards = calloc(*count + 1, sizeof *boards);
    if (boards == NULL) {
        die("out of memory");
    }
    for (size_t i = 0; i < *count; i++) {
        const json_t *from = json_array_get(list, i);
        boards[i] = (struct board_settings){
            .id = text_of(from, "id"),
            .site = text_of(from, "site"),
            .width = (int64_t)number_of(from, "width", 32),
            .lines = (int64_t)number_of(from, "lines", 4),
            .ascii = flag_of(from, "ascii"),
            .calm = text_of(from, "calm"),
        };
        boards[i].stations = texts_of(json_object_get(from, "stations"), &boards[i].station_count);
    }
    return boards;
}

static const struct opened *kind_of(const json_t *from)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, text_of(from, "kind")) == 0) {
            return &kinds[i];
        }
    }
    die("no such kind of channel");
    return NULL;
}

static void read_channel(const json_t *from, struct channel_settings *channel)
{
    size_t headers;
    const char **header = texts_of(json_object_get(from, "headers"), &headers);
    *channel = (struct channel_settings){
        .id = "try",
        .kind = kind_of(from)->number,
        .file = "try",
        .url = text_of(from, "url"),
        .ca = text_of(from, "ca"),
        .timeout_ns = nanos_of(from, "timeout", 10),
        .secret = text_of(from, "secret"),
        .report_base = text_of(from, "report_base"),
        .user = text_of(from, "user"),
        .password = text_of(from, "password"),
        .language = language_of(from),
        .from = text_of(from, "from"),
        .link = text_of(from, "link"),
        .starttls = flag_of(from, "starttls"),
        .method = text_or(from, "method", "GET"),
        .body = text_of(from, "body"),
        .content_type = text_or(from, "content_type", "application/x-www-form-urlencoded"),
        .accepted = text_of(from, "accepted"),
        .diacritics = flag_of(from, "diacritics"),
        .parts = (int64_t)number_of(from, "parts", 1),
        .path = text_of(from, "path"),
        .sender = text_of(from, "sender"),
        .sender_name = text_of(from, "sender_name"),
        .status = text_of(from, "status"),
        .expires_ns = nanos_of(from, "expires", 86400),
        .facility = (int)number_of(from, "facility", 16),
    };
    for (size_t i = 0; i < headers && i < CHANNEL_HEADERS_MAX; i++) {
        channel->headers[i] = header[i];
    }
    free(header);
    channel->boards = boards_of(json_object_get(from, "boards"), &channel->board_count);
}

/* --- letters ------------------------------------------------------------------------- */

static void read_texts(const json_t *from, struct letter *letter)
{
    letter->label = pair_of(from, "label");
    letter->hazard = pair_of(from, "hazard");
    letter->text = pair_of(from, "text");
    letter->brief = pair_of(from, "brief");
    letter->text_stop = pair_of(from, "text_stop");
    letter->brief_stop = pair_of(from, "brief_stop");
    letter->line = pair_of(from, "line");
    letter->action = pair_of(from, "action");
    letter->stop = pair_of(from, "stop");
    letter->severity_name = pair_of(from, "severity_name");
    letter->value_text = pair_of(from, "value_text");
}

static void read_letter(const json_t *from, struct letter *letter)
{
    *letter = (struct letter){
        .key = text_of(from, "key"),
        .body = text_of(from, "body"),
        .body_length = strlen(text_of(from, "body")),
        .topic = text_of(from, "topic"),
        .rule = text_of(from, "rule"),
        .site = text_of(from, "site"),
        .station = text_of(from, "station"),
        .parameter = text_of(from, "parameter"),
        .from = severity_of(from, "from"),
        .to = severity_of(from, "to"),
        .time_ns = nanos_of(from, "time", 0),
        .since_ns = nanos_of(from, "since", number_of(from, "time", 0)),
        .value = number_of(from, "value", NAN),
        .historical = flag_of(from, "historical"),
        .escalated = flag_of(from, "escalated"),
        .flapping = flag_of(from, "flapping"),
        .station_name = text_of(from, "station_name"),
        .lat = number_of(from, "lat", NAN),
        .lon = number_of(from, "lon", NAN),
        .unit = text_of(from, "unit"),
        .category = text_of(from, "category"),
        .urgency = text_of(from, "urgency"),
        .certainty = text_of(from, "certainty"),
        .utc_offset_s = (int32_t)number_of(from, "utc_offset", 7 * 3600),
    };
    read_texts(from, letter);
}

static size_t read_letters(const json_t *list, struct letter letters[PARCEL_LETTERS_MAX])
{
    size_t count = json_array_size(list);
    if (count > PARCEL_LETTERS_MAX) {
        die("too many letters");
    }
    for (size_t i = 0; i < count; i++) {
        read_letter(json_array_get(list, i), &letters[i]);
    }
    return count;
}

/* --- what the channel asks for --------------------------------------------------------- */

/* The outbox, as far as channels see it. */
struct outbox {
    json_t *list;
    size_t count;
    struct letter letters[ACTIVE_MAX];
};

static void set_active(struct outbox *outbox, json_t *list)
{
    if (json_array_size(list) > ACTIVE_MAX) {
        die("too many active alarms");
    }
    json_decref(outbox->list);
    outbox->list = json_incref(list);
    outbox->count = json_array_size(list);
    for (size_t i = 0; i < outbox->count; i++) {
        read_letter(json_array_get(list, i), &outbox->letters[i]);
    }
}

bool outbox_each_active(struct outbox *outbox, const char *channel,
                        void (*visit)(void *context, const struct letter *letter), void *context)
{
    (void)channel;
    for (size_t i = 0; i < outbox->count; i++) {
        visit(context, &outbox->letters[i]);
    }
    return true;
}

void outbox_copy_secret(struct outbox *outbox, unsigned char secret[REPORT_SECRET_BYTES])
{
    (void)outbox;
    memset(secret, 'k', REPORT_SECRET_BYTES);
}

static void link_changed(void *context, bool up, const char *why)
{
    (void)context;
    (void)fprintf(stderr, "carrier_try: the broker is %s: %s\n", up ? "there" : "away", why);
}

/* NULL when the channel names no broker. */
static struct mqtt *connect_broker(const json_t *from, struct broker_settings *settings)
{
    static const char *const nothing[] = { NULL };
    static const struct mqtt_handlers handlers = { .link = link_changed };
    struct problem problem = { "" };
    if (from == NULL) {
        return NULL;
    }
    *settings = (struct broker_settings){ .uri = text_of(from, "uri"),
                                          .client_id = "carrier-try",
                                          .user = text_of(from, "user"),
                                          .password = text_of(from, "password"),
                                          .ca = "",
                                          .keepalive_ns = 30 * SECOND_NS };
    struct mqtt *mqtt = mqtt_create(settings, false, nothing, &handlers, &problem);
    if (mqtt == NULL) {
        die(problem.text);
    }
    int64_t deadline = clock_mono().ns + CONNECT_NS;
    while (!mqtt_connected(mqtt) && clock_mono().ns < deadline) {
        mqtt_tend(mqtt, clock_mono());
        clock_sleep_until((mono_time){ clock_mono().ns + TEND_NS });
    }
    return mqtt;
}

static bool publish(void *context, const char *topic, const char *payload, size_t length)
{
    if (context != NULL) {
        mqtt_tend(context, clock_mono());
        return mqtt_publish_wait(context, topic, (struct phusa_text){ payload, length }, true,
                                 WAIT_NS);
    }
    json_t *line = json_pack("{s:s, s:s%}", "publish", topic, "payload",
                             payload == NULL ? "" : payload, length);
    if (line == NULL || json_dumpf(line, stdout, 0) != 0) {
        die("what is published is no text");
    }
    (void)putchar('\n');
    json_decref(line);
    return true;
}

/* --- lines ------------------------------------------------------------------------------- */

struct abort_plan {
    struct carrier *carrier;
    mono_time at;
};

static void *abort_later(void *context)
{
    const struct abort_plan *plan = context;
    clock_sleep_until(plan->at);
    plan->carrier->abort(plan->carrier->self);
    return NULL;
}

static void answer(enum delivery delivery, const struct problem *problem, mono_time began)
{
    static const char *const words[] = { [DELIVERY_DONE] = "done",
                                         [DELIVERY_REFUSED] = "refused",
                                         [DELIVERY_FAILED] = "failed",
                                         [DELIVERY_UNREACHABLE] = "unreachable" };
    json_t *line =
        json_pack("{s:s, s:s, s:f}", "delivery", words[delivery], "problem", problem->text,
                  "seconds", (double)(clock_mono().ns - began.ns) / (double)SECOND_NS);
    if (line == NULL || json_dumpf(line, stdout, 0) != 0) {
        die("the problem is no text");
    }
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(line);
}

static void deliver(struct carrier *carrier, const json_t *from)
{
    static struct letter letters[PARCEL_LETTERS_MAX];
    struct problem problem = { "" };
    mono_time began = clock_mono();
    struct parcel parcel = {
        .report = text_or(from, "report", "0000000000000000"),
        .letters = letters,
        .count = read_letters(json_object_get(from, "letters"), letters),
        .more = (size_t)number_of(from, "more", 0),
        .recipient = text_of(from, "recipient"),
        .subscriber = flag_of(from, "subscriber"),
        .language = language_of(from),
        .key = text_of(from, "key"),
    };
    if (parcel.count == 0 || parcel.count > carrier->most) {
        die("a parcel has no letters, or more than the channel takes");
    }
    enum delivery delivery = carrier->deliver(carrier->self, &parcel, &problem);
    answer(delivery, &problem, began);
}

static void obey(struct carrier *carrier, struct outbox *outbox, const json_t *line)
{
    static struct abort_plan plan;
    static pthread_t thread;
    struct problem problem = { "" };
    if (json_object_get(line, "abort_after") != NULL) {
        plan =
            (struct abort_plan){ carrier, { clock_mono().ns + nanos_of(line, "abort_after", 0) } };
        if (pthread_create(&thread, NULL, abort_later, &plan) != 0 || pthread_detach(thread) != 0) {
            die("no thread");
        }
        answer(DELIVERY_DONE, &problem, clock_mono());
    } else if (flag_of(line, "refresh")) {
        mono_time began = clock_mono();
        answer(carrier->refresh(carrier->self, &problem), &problem, began);
    } else if (json_object_get(line, "active") != NULL) {
        set_active(outbox, json_object_get(line, "active"));
        answer(DELIVERY_DONE, &problem, clock_mono());
    } else {
        deliver(carrier, line);
    }
}

static void obey_lines(struct carrier *carrier, struct outbox *outbox)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        json_error_t error;
        json_t *parsed = json_loads(line, 0, &error);
        if (parsed == NULL) {
            die(error.text);
        }
        obey(carrier, outbox, parsed);
        json_decref(parsed);
    }
    free(line);
}

static void free_channel(struct channel_settings *channel)
{
    for (size_t i = 0; i < channel->board_count; i++) {
        free((void *)channel->boards[i].stations);
    }
    free((void *)channel->boards);
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *parsed = argc == 2 ? json_load_file(argv[1], 0, &error) : NULL;
    if (parsed == NULL) {
        die(argc == 2 ? error.text : "carrier_try CHANNEL.json");
    }
    struct channel_settings channel;
    struct carrier carrier = { 0 };
    struct problem problem = { "" };
    static struct outbox outbox;
    struct broker_settings broker;
    struct notifier_publish publisher = { NULL, publish };
    struct carrier_means means = { &publisher, &outbox, 7 * 3600 };
    http_global_init();
    read_channel(parsed, &channel);
    publisher.context = connect_broker(json_object_get(parsed, "broker"), &broker);
    if (!kind_of(parsed)->open(&carrier, &channel, &means, &problem)) {
        die(problem.text);
    }
    obey_lines(&carrier, &outbox);
    carrier.free(carrier.self);
    mqtt_free(publisher.context);
    json_decref(outbox.list);
    free_channel(&channel);
    json_decref(parsed);
    http_global_end();
    return 0;
}
