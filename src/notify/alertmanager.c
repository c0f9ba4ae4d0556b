/*
 * Prometheus Alertmanager, API v2: POST <url>/api/v2/alerts.
 *
 * Alertmanager forgets over a restart, and ends what it is not told again. So every
 * ALERTMANAGER_REFRESH_NS all active alarms of the channel are posted again, in requests of
 * POST_MAX bytes. alertmanager_json.c says what stands in them.
 */
#include "notify/alertmanager.h"

#include <stdio.h>
#include <stdlib.h>

#include "notify/answer.h"

#define ALERTS_PATH "/api/v2/alerts"
#define POST_MAX    (512u << 10) /* bytes of one request, but for the last alert in it */
#define ACTIVE_MAX                                                                                 \
    (64u << 20)                 /* bytes of all active alarms: some 30,000; the gravest come first \
                                 */
#define ACTIVE_STEP (64u << 10) /* what room for them begins with */

struct alertmanager {
    struct http_client *client;
    struct outbox *outbox;
    const char *id, *link;
    char *url;
    struct http_answer answer;
};

/* --- posting ------------------------------------------------------------------- */

static enum delivery post(struct alertmanager *manager, const char *body, size_t length,
                          struct problem *problem)
{
    struct http_request request = { .method = "POST",
                                    .url = manager->url,
                                    .headers = { "Content-Type: application/json" },
                                    .body = body,
                                    .body_length = length };
    enum delivery delivery = answer_request(manager->client, &request, &manager->answer, problem);
    if (delivery == DELIVERY_DONE && manager->answer.body[0] == '<') {
        return answer_strange(&manager->answer, "Alertmanager", problem); /* somebody's page */
    }
    return delivery;
}

static enum delivery deliver(void *self, const struct parcel *parcel, struct problem *problem)
{
    struct alertmanager *manager = self;
    char *body = alertmanager_changes(parcel->letters, parcel->count, manager->link, clock_real());
    if (body == NULL) {
        problem_set(problem, "out of memory");
        return DELIVERY_FAILED;
    }
    enum delivery delivery = post(manager, body, strlen(body), problem);
    free(body);
    return delivery;
}

/* --- again and again ------------------------------------------------------------- */

/* Alerts, each with '\n' in front: a place to begin or go on with an array. */
struct gathering {
    const char *link;
    wall_time real;
    char *bytes;
    size_t used, capacity;
    size_t left_out;
};

/* Room for `more` bytes and the end of the array. */
static bool make_room(struct gathering *gathering, size_t more)
{
    size_t capacity = gathering->capacity == 0 ? ACTIVE_STEP : gathering->capacity;
    while (capacity < gathering->used + more + 1 && capacity < ACTIVE_MAX) {
        capacity *= 2;
    }
    if (capacity < gathering->used + more + 1) {
        return false;
    }
    char *bytes =
        capacity == gathering->capacity ? gathering->bytes : realloc(gathering->bytes, capacity);
    if (bytes == NULL) {
        return false;
    }
    gathering->bytes = bytes;
    gathering->capacity = capacity;
    return true;
}

static void gather(void *context, const struct letter *letter)
{
    struct gathering *gathering = context;
    char *alert = alertmanager_active(letter, gathering->link, gathering->real);
    size_t length = alert == NULL ? 0 : strlen(alert);
    if (alert == NULL || gathering->left_out > 0 || !make_room(gathering, length + 1)) {
        gathering->left_out++;
    } else {
        gathering->bytes[gathering->used] = '\n';
        memcpy(gathering->bytes + gathering->used + 1, alert, length);
        gathering->used += length + 1;
    }
    free(alert);
}

/* Posts the alerts from `at` on that make up a request; *next receives where the others begin. */
static enum delivery post_slice(struct alertmanager *manager, struct gathering *gathering,
                                size_t at, size_t *next, struct problem *problem)
{
    char *bytes = gathering->bytes;
    size_t end = at + 1;
    bytes[at] = '[';
    for (;;) {
        const char *line = memchr(bytes + end, '\n', gathering->used - end);
        end = line == NULL ? gathering->used : (size_t)(line - bytes);
        if (end == gathering->used || end - at >= POST_MAX) {
            break;
        }
        bytes[end] = ',';
    }
    bytes[end] = ']'; /* the next slice's beginning, or the room kept behind the last */
    *next = end;
    return post(manager, bytes + at, end - at + 1, problem);
}

static enum delivery refresh(void *self, struct problem *problem)
{
    struct alertmanager *manager = self;
    struct gathering gathering = { .link = manager->link, .real = clock_real() };
    bool whole = outbox_each_active(manager->outbox, manager->id, gather, &gathering);
    enum delivery delivery = DELIVERY_DONE;
    for (size_t at = 0; at < gathering.used && delivery == DELIVERY_DONE;) {
        delivery = post_slice(manager, &gathering, at, &at, problem);
    }
    free(gathering.bytes);
    if (delivery == DELIVERY_DONE && (!whole || gathering.left_out > 0)) {
        problem_set(problem, "not all active alarms could be told again (%zu left out)",
                    gathering.left_out);
        return DELIVERY_FAILED;
    }
    return delivery;
}

/* --- the carrier ----------------------------------------------------------------- */

static void abort_request(void *self)
{
    struct alertmanager *manager = self;
    http_client_abort(manager->client);
}

static void alertmanager_free(void *self)
{
    struct alertmanager *manager = self;
    http_client_free(manager->client);
    free(manager->url);
    free(manager);
}

/* The address of the alerts; people may have configured it, or that of Alertmanager. */
static char *alerts_url(const char *url)
{
    size_t length = strlen(url), path = strlen(ALERTS_PATH);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    bool given = length >= path && memcmp(url + length - path, ALERTS_PATH, path) == 0;
    char *made = NULL;
    return asprintf(&made, "%.*s%s", (int)length, url, given ? "" : ALERTS_PATH) < 0 ? NULL : made;
}

bool alertmanager_open(struct carrier *carrier, const struct channel_settings *channel,
                       const struct carrier_means *means, struct problem *problem)
{
    struct alertmanager *manager = calloc(1, sizeof *manager);
    if (manager == NULL) {
        problem_set(problem, "out of memory");
        return false;
    }
    struct http_options options = { .ca_file = channel->ca,
                                    .total_ms = (long)(channel->timeout_ns / MILLI_NS) };
    manager->client = http_client_create(&options);
    manager->outbox = means->outbox;
    manager->id = channel->id;
    manager->url = alerts_url(channel->url);
    manager->link = channel->link == NULL ? "" : channel->link;
    if (manager->client == NULL || manager->url == NULL) {
        alertmanager_free(manager);
        problem_set(problem, "out of memory");
        return false;
    }
    *carrier = (struct carrier){ .self = manager,
                                 .deliver = deliver,
                                 .abort = abort_request,
                                 .free = alertmanager_free,
                                 .most = PARCEL_LETTERS_MAX,
                                 .refresh = refresh,
                                 .refresh_ns = ALERTMANAGER_REFRESH_NS };
    return true;
}
