/*
 * The notifier against scripted HTTP servers on free loopback ports. The servers tell when a
 * request has come, so nothing sleeps; a deadline only ends a test that fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/http.h"
#include "base/log.h"
#include "notify_sample.h"

#define PATIENCE_NS  (20 * SECOND_NS)
#define REQUESTS_MAX 64
#define REQUEST_MAX  8192
#define CONNECTIONS  8
#define HANG         0 /* an answer's code: say nothing, keep the connection */
/* Computed with another implementation: hmac.new(secret, body, sha256) of Python. */
#define SIGNATURE    "dc619c868bc09f92274ea0cff78eb11d4cbeca785c81cf49be8c565680e75910"
#define LONG_TIMEOUT (60 * SECOND_NS)

static const wall_time now = { INT64_C(1763735710) * SECOND_NS };

/* --- a scripted server ----------------------------------------------------------------- */

struct server {
    int listener, stop;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    const int *codes; /* the answers' codes in order; the last one goes on */
    size_t code_count, request_count;
    mono_time came[REQUESTS_MAX];
    char requests[REQUESTS_MAX][REQUEST_MAX];
    char url[64];
};

struct connection {
    int fd;
    size_t used;
    char text[REQUEST_MAX];
};

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* The body's end if the request is whole. */
static bool is_whole(const struct connection *connection)
{
    const char *end = strstr(connection->text, "\r\n\r\n");
    const char *length = strcasestr(connection->text, "\r\nContent-Length:");
    if (end == NULL || length == NULL) {
        return false;
    }
    size_t body = strtoul(length + 17, NULL, 10);
    return connection->used >= (size_t)(end + 4 - connection->text) + body;
}

static int record(struct server *server, const struct connection *connection)
{
    (void)pthread_mutex_lock(&server->lock);
    size_t at = server->request_count;
    int code = server->codes[at < server->code_count ? at : server->code_count - 1];
    if (at < REQUESTS_MAX) {
        memcpy(server->requests[at], connection->text, connection->used + 1);
        server->came[at] = clock_mono();
        server->request_count++;
    }
    (void)pthread_cond_broadcast(&server->changed);
    (void)pthread_mutex_unlock(&server->lock);
    return code;
}

static void hear(struct server *server, struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->text + connection->used,
                       REQUEST_MAX - 1 - connection->used, 0);
    if (got <= 0) {
        close(connection->fd);
        connection->fd = -1;
        return;
    }
    connection->used += (size_t)got;
    connection->text[connection->used] = '\0';
    if (!is_whole(connection)) {
        return;
    }
    int code = record(server, connection);
    connection->used = 0;
    if (code != HANG) {
        char answer[128];
        int length =
            snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok", code);
        (void)send(connection->fd, answer, (size_t)length, MSG_NOSIGNAL);
    }
}

static void *serve(void *argument)
{
    struct server *server = argument;
    static const struct connection none = { .fd = -1 };
    struct connection *connections = calloc(CONNECTIONS, sizeof *connections);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        connections[i] = none;
    }
    for (size_t next = 0;;) {
        struct pollfd polls[CONNECTIONS + 2] = { { server->stop, POLLIN, 0 },
                                                 { server->listener, POLLIN, 0 } };
        for (size_t i = 0; i < CONNECTIONS; i++) {
            polls[i + 2] = (struct pollfd){ connections[i].fd, POLLIN, 0 };
        }
        if (poll(polls, CONNECTIONS + 2, -1) < 0 || polls[0].revents != 0) {
            break;
        }
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (polls[i + 2].revents != 0) {
                hear(server, &connections[i]);
            }
        }
        if (polls[1].revents != 0) {
            struct connection *free_one = &connections[next++ % CONNECTIONS];
            if (free_one->fd >= 0) {
                close(free_one->fd);
            }
            *free_one = none;
            free_one->fd = accept(server->listener, NULL, NULL);
        }
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (connections[i].fd >= 0) {
            close(connections[i].fd);
        }
    }
    free(connections);
    return NULL;
}

static struct server *server_start(const int *codes, size_t code_count)
{
    struct server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->codes = codes;
    server->code_count = code_count;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->stop = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/hook",
                   ntohs(address.sin_port));
    (void)pthread_mutex_init(&server->lock, NULL);
    init_condition(&server->changed);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
    return server;
}

static void server_end(struct server *server)
{
    const uint64_t one = 1;
    assert_int_equal(write(server->stop, &one, sizeof one), sizeof one);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    close(server->listener);
    close(server->stop);
    free(server);
}

/* Waits until that many requests came. */
static void await_requests(struct server *server, size_t count)
{
    int64_t end = clock_mono().ns + PATIENCE_NS;
    struct timespec at = { .tv_sec = (time_t)(end / SECOND_NS),
                           .tv_nsec = (long)(end % SECOND_NS) };
    (void)pthread_mutex_lock(&server->lock);
    int late = 0;
    while (server->request_count < count && late != ETIMEDOUT) {
        late = pthread_cond_timedwait(&server->changed, &server->lock, &at);
    }
    size_t came = server->request_count;
    (void)pthread_mutex_unlock(&server->lock);
    assert_true(came >= count);
}

/* --- the set-up ---------------------------------------------------------------------------- */

struct topic_log {
    pthread_mutex_t lock;
    bool away; /* publish fails */
    size_t calls, count;
    struct {
        char topic[PHUSA_TOPIC_MAX + 1];
        char payload[NOTICE_BODY_MAX];
    } published[8];
};

static struct topic_log topics = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct outbox *outbox;
static struct notifier *notifier;
static uint64_t seed;

static bool publish(void *context, const char *topic, const char *payload, size_t length)
{
    struct topic_log *log = context;
    (void)pthread_mutex_lock(&log->lock);
    bool away = log->away;
    log->calls++;
    if (!away && log->count < 8) {
        (void)snprintf(log->published[log->count].topic, PHUSA_TOPIC_MAX + 1, "%s", topic);
        (void)snprintf(log->published[log->count].payload, NOTICE_BODY_MAX, "%.*s", (int)length,
                       payload);
        log->count++;
    }
    (void)pthread_mutex_unlock(&log->lock);
    return !away;
}

static void open_outbox(void)
{
    struct problem problem = { "" };
    uint64_t position = 0;
    assert_int_equal(outbox_open(sample_path, &outbox, &position, &problem), OUTBOX_OK);
}

static int make(void **state)
{
    (void)state;
    topics.away = false;
    topics.calls = topics.count = 0;
    sample_make_folder();
    open_outbox();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    notifier_free(notifier);
    notifier = NULL;
    outbox_close(outbox);
    outbox = NULL;
    sample_remove_folder();
    return 0;
}

/* Settings of these channels; they lie in one place, and are told apart by the notifier. */
static const struct settings *settings_of(const struct channel_settings *channels, size_t count)
{
    static struct settings settings;
    settings = (struct settings){ .channels = channels, .channel_count = count };
    return &settings;
}

static void start_notifier(const struct channel_settings *channels, size_t count)
{
    const struct notifier_publish to = { &topics, publish };
    notifier = notifier_create(outbox, settings_of(channels, count), &to, seed);
    assert_non_null(notifier);
}

static void commit(const struct channel_settings *channels, size_t channel_count,
                   const struct notice *notices, size_t count)
{
    struct problem problem = { "" };
    const struct settings *settings = settings_of(channels, channel_count);
    assert_true(outbox_configure(outbox, settings));
    assert_int_equal(outbox_commit(outbox, notices, count, settings, 1, now, &problem), OUTBOX_OK);
}

static struct outbox_counters counters(void)
{
    struct outbox_counters read;
    outbox_read_counters(outbox, &read);
    return read;
}

/* Polls, since marks have no signal of their own. */
static void await_waiting(uint64_t waiting)
{
    int64_t end = clock_mono().ns + PATIENCE_NS;
    while (counters().waiting != waiting && clock_mono().ns < end) {
        clock_sleep_until((mono_time){ clock_mono().ns + MILLI_NS });
    }
    assert_int_equal(counters().waiting, waiting);
}

static struct channel_settings channel(const char *id, const struct server *server)
{
    return (struct channel_settings){
        .id = id, .url = server->url, .secret = "", .ca = "", .timeout_ns = LONG_TIMEOUT
    };
}

static const int fine[] = { 204 }, hanging[] = { HANG };

/* --- what it does --------------------------------------------------------------------------- */

static void posts_signed_json_with_a_key(void **state)
{
    (void)state;
    struct server *server = server_start(fine, 1);
    struct channel_settings channels[] = { channel("ioc", server) };
    channels[0].secret = "bí mật";
    start_notifier(channels, 1);
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(channels, 1, &notice, 1);
    mono_time committed = clock_mono();
    notifier_wake(notifier);
    await_requests(server, 1);
    await_waiting(0);
    const char *request = server->requests[0];
    char body[NOTICE_BODY_MAX];
    (void)notice_json(&notice, settings_of(channels, 1), body, sizeof body);
    assert_int_equal(strncmp(request, "POST /hook HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request,
                           "\r\nIdempotency-Key: "
                           "d4a5a185d260eabad2f4068120337aa143e47f1c48321826f56b15cd93895c49\r\n"));
    assert_non_null(strstr(request, "\r\nX-Phusa-Signature: sha256=" SIGNATURE "\r\n"));
    assert_string_equal(strstr(request, "\r\n\r\n") + 4, body);
    assert_int_equal(counters().sent, 2); /* and the topic's */
    print_message("from commit to endpoint: %.3f ms\n",
                  (double)(server->came[0].ns - committed.ns) / 1e6);
    server_end(server);
}

static void unsigned_without_a_secret(void **state)
{
    (void)state;
    struct server *server = server_start(fine, 1);
    struct channel_settings channels[] = { channel("ioc", server) };
    start_notifier(channels, 1);
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(channels, 1, &notice, 1);
    notifier_wake(notifier);
    await_waiting(0);
    assert_null(strstr(server->requests[0], "X-Phusa-Signature"));
    server_end(server);
}

static void a_dead_channel_delays_no_other(void **state)
{
    (void)state;
    struct server *dead = server_start(hanging, 1), *alive = server_start(fine, 1);
    struct channel_settings channels[] = { channel("dead", dead), channel("alive", alive) };
    start_notifier(channels, 2);
    struct notice first = sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(channels, 2, &first, 1);
    notifier_wake(notifier);
    await_requests(dead, 1); /* it hangs from now on */
    for (int64_t i = 1; i <= 10; i++) {
        struct notice notice = sample_notice(RULE_BOTH, i % 2, i, SEVERITY_MINOR, SEVERITY_SEVERE);
        commit(channels, 2, &notice, 1);
        notifier_wake(notifier);
    }
    await_requests(alive, 11);
    await_waiting(11); /* the dead one's */
    assert_int_equal(dead->request_count, 1);
    mono_time begin = clock_mono();
    notifier_free(notifier); /* while a request hangs */
    notifier = NULL;
    assert_true(clock_mono().ns - begin.ns < SECOND_NS);
    server_end(dead);
    server_end(alive);
}

static void a_series_arrives_in_order_in_spite_of_failures(void **state)
{
    (void)state;
    static const int codes[] = { 500, 200, 503, 429, 200 };
    struct server *server = server_start(codes, 5);
    struct channel_settings channels[] = { channel("ioc", server) };
    const enum severity path[] = { SEVERITY_NORMAL, SEVERITY_MINOR, SEVERITY_SEVERE,
                                   SEVERITY_NORMAL };
    struct notice notices[3];
    for (size_t i = 0; i < 3; i++) {
        notices[i] = sample_notice(RULE_IOC, 0, (int64_t)i, path[i], path[i + 1]);
    }
    commit(channels, 1, notices, 3);
    start_notifier(channels, 1);
    await_requests(server, 6);
    await_waiting(0);
    static const char *const states[] = {
        "minor", "minor", "severe", "severe", "severe", "normal"
    };
    for (size_t i = 0; i < 6; i++) {
        char to[32];
        (void)snprintf(to, sizeof to, "\"to\":\"%s\"", states[i]);
        assert_non_null(strstr(server->requests[i], to));
    }
    const char *key = strstr(server->requests[2], "Idempotency-Key: ");
    assert_non_null(key);
    assert_int_equal(strncmp(key, strstr(server->requests[3], "Idempotency-Key: "), 81), 0);
    assert_int_equal(counters().retries, 3);
    server_end(server);
}

/* Failed ones count as well. */
static void a_channel_goes_no_faster_than_it_may(void **state)
{
    (void)state;
    static const int codes[] = { 200, 400, 200 };
    struct server *server = server_start(codes, 3);
    struct channel_settings channels[] = { channel("ioc", server) };
    channels[0].per_minute = 1200; /* one each 50 ms */
    struct notice notices[5];
    for (size_t i = 0; i < 5; i++) {
        notices[i] = sample_notice(RULE_IOC, (int64_t)i % 2, (int64_t)i, (enum severity)(i / 2),
                                   (enum severity)(i / 2 + 1));
    }
    commit(channels, 1, notices, 5);
    start_notifier(channels, 1);
    await_requests(server, 4); /* the refused one and what is behind it wait */
    for (size_t i = 1; i < 4; i++) {
        assert_true(server->came[i].ns - server->came[i - 1].ns >= 50 * SECOND_NS / 1000);
    }
    server_end(server);
}

static void a_refused_message_holds_only_its_series(void **state)
{
    (void)state;
    static const int codes[] = { 400, 200 };
    struct server *server = server_start(codes, 2);
    struct channel_settings channels[] = { channel("ioc", server) };
    struct notice notices[] = { sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR),
                                sample_notice(RULE_IOC, 1, 1, SEVERITY_NORMAL, SEVERITY_MINOR) };
    commit(channels, 1, notices, 2);
    start_notifier(channels, 1);
    await_requests(server, 2);
    assert_non_null(strstr(server->requests[1], "\"station\":\"s2\""));
    await_waiting(1);
    server_end(server);
}

static void what_was_not_marked_is_sent_again_after_a_restart(void **state)
{
    (void)state;
    struct server *first = server_start(hanging, 1), *second = server_start(fine, 1);
    struct channel_settings before[] = { channel("ioc", first) },
                            after[] = { channel("ioc", second) };
    struct notice notice = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    start_notifier(before, 1);
    commit(before, 1, &notice, 1);
    notifier_wake(notifier);
    await_requests(first, 1); /* received, and the answer never came */
    notifier_free(notifier);
    outbox_close(outbox);
    open_outbox();
    start_notifier(after, 1);
    await_requests(second, 1);
    await_waiting(0);
    const char *key = strstr(first->requests[0], "Idempotency-Key: ");
    assert_int_equal(strncmp(key, strstr(second->requests[0], "Idempotency-Key: "), 81), 0);
    server_end(first);
    server_end(second);
}

static void reconfigures_while_a_request_hangs(void **state)
{
    (void)state;
    struct server *old = server_start(hanging, 1), *kept = server_start(fine, 1),
                  *new = server_start(fine, 1);
    struct channel_settings before[] = { channel("moved", old), channel("kept", kept) };
    struct channel_settings after[] = { channel("moved", new), channel("kept", kept) };
    start_notifier(before, 2);
    struct notice notices[] = { sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR),
                                sample_notice(RULE_BOTH, 0, 1, SEVERITY_MINOR, SEVERITY_SEVERE) };
    commit(before, 2, notices, 2);
    notifier_wake(notifier);
    await_requests(old, 1);
    await_requests(kept, 2);
    mono_time begin = clock_mono();
    notifier_configure(notifier, settings_of(after, 2));
    assert_true(clock_mono().ns - begin.ns < SECOND_NS);
    await_requests(new, 2);
    await_waiting(0);
    assert_non_null(strstr(new->requests[0], "\"to\":\"minor\""));
    assert_int_equal(kept->request_count, 2);
    server_end(old);
    server_end(kept);
    server_end(new);
}

static void gives_up_channels_that_are_gone(void **state)
{
    (void)state;
    struct server *server = server_start(hanging, 1);
    struct channel_settings both[] = { channel("ioc", server), channel("farmers", server) };
    struct notice notice = sample_notice(RULE_BOTH, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    commit(both, 2, &notice, 1);
    start_notifier(both, 1); /* farmers is unknown at the start */
    assert_int_equal(counters().failed, 1);
    await_requests(server, 1);
    notifier_configure(notifier, settings_of(NULL, 0)); /* and ioc after a reload */
    assert_int_equal(counters().failed, 2);
    await_waiting(0);
    server_end(server);
}

static void tells_the_topic_when_the_broker_is_back(void **state)
{
    (void)state;
    topics.away = true;
    start_notifier(NULL, 0);
    struct notice notices[] = { sample_notice(RULE_NONE, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR),
                                sample_notice(RULE_NONE, 0, 1, SEVERITY_MINOR, SEVERITY_NORMAL) };
    commit(NULL, 0, notices, 2);
    notifier_wake(notifier);
    for (int64_t end = clock_mono().ns + PATIENCE_NS;
         counters().retries < 2 && clock_mono().ns < end;) {
        clock_sleep_until((mono_time){ clock_mono().ns + MILLI_NS });
    }
    assert_true(counters().retries >= 2);
    (void)pthread_mutex_lock(&topics.lock);
    topics.away = false;
    (void)pthread_mutex_unlock(&topics.lock);
    await_waiting(0);
    char body[NOTICE_BODY_MAX];
    (void)notice_json(&notices[0], settings_of(NULL, 0), body, sizeof body);
    assert_int_equal(topics.count, 2);
    assert_string_equal(topics.published[0].topic, "phusa/1/my-tho/s1/alarm/salinity-quiet");
    assert_string_equal(topics.published[0].payload, body);
    assert_string_equal(topics.published[1].payload, "");
}

/* --- the schedule (pure) -------------------------------------------------------------------- */

static mono_time at(int64_t seconds)
{
    return (mono_time){ (1000 + seconds) * SECOND_NS };
}

static void backs_off_within_doubling_limits(void **state)
{
    (void)state;
    struct schedule schedule;
    schedule_init(&schedule, seed);
    int64_t ceiling = BACKOFF_FIRST_NS, longest = 0, held_ns = -1;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(schedule_failed(&schedule, DELIVERY_UNREACHABLE, 0, -1, at(0), &held_ns),
                         VERDICT_AGAIN);
        int64_t pause = schedule.open.ns - at(0).ns;
        assert_true(pause >= 0 && pause < ceiling);
        assert_int_equal(held_ns, 0); /* nobody there: not this message's fault */
        longest = pause > longest ? pause : longest;
        ceiling = ceiling * 2 < BACKOFF_LAST_NS ? ceiling * 2 : BACKOFF_LAST_NS;
    }
    assert_true(longest > BACKOFF_LAST_NS / 4);
    schedule_done(&schedule);
    (void)schedule_failed(&schedule, DELIVERY_UNREACHABLE, 0, -1, at(0), &held_ns);
    assert_true(schedule.open.ns - at(0).ns < BACKOFF_FIRST_NS);
}

static void gives_up_after_a_day_of_refusals(void **state)
{
    (void)state;
    struct schedule schedule;
    int64_t pause_ns = -1;
    schedule_init(&schedule, seed);
    assert_int_equal(schedule_failed(&schedule, DELIVERY_REFUSED, 0, -1, at(0), &pause_ns),
                     VERDICT_AGAIN);
    assert_true(schedule.open.ns <= at(0).ns); /* others may pass */
    assert_true(pause_ns >= 0 && pause_ns < REFUSED_FIRST_NS);
    assert_int_equal(
        schedule_failed(&schedule, DELIVERY_REFUSED, 50, REFUSED_UP_NS - 1, at(9), &pause_ns),
        VERDICT_AGAIN);
    assert_true(pause_ns >= 0 && pause_ns < REFUSED_LAST_NS);
    assert_int_equal(
        schedule_failed(&schedule, DELIVERY_REFUSED, 51, REFUSED_UP_NS, at(9), &pause_ns),
        VERDICT_GIVE_UP);
    /* trouble of the other side never gives up, and closes the channel, too */
    assert_int_equal(
        schedule_failed(&schedule, DELIVERY_FAILED, 900, REFUSED_UP_NS, at(9), &pause_ns),
        VERDICT_AGAIN);
    assert_true(pause_ns >= 0 && pause_ns < BACKOFF_LAST_NS);
    assert_int_equal(schedule.tries, 1);
}

/* --- urgent ones ------------------------------------------------------------------------ */

/* From now on the outbox takes and gives nothing. */
static void break_outbox(void)
{
    sqlite3 *db = NULL;
    struct problem problem = { "" };
    assert_int_equal(sqlite3_open(sample_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE message; DROP TABLE meta", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(outbox_commit(outbox, NULL, 0, NULL, 1, now, &problem), OUTBOX_FAILED);
}

static void await_topics(size_t count)
{
    int64_t end = clock_mono().ns + PATIENCE_NS;
    size_t came = 0;
    while (came < count && clock_mono().ns < end) {
        clock_sleep_until((mono_time){ clock_mono().ns + MILLI_NS });
        (void)pthread_mutex_lock(&topics.lock);
        came = topics.count;
        (void)pthread_mutex_unlock(&topics.lock);
    }
    assert_int_equal(came, count);
}

static void urgent_ones_pass_while_the_outbox_fails(void **state)
{
    (void)state;
    struct server *ioc = server_start(fine, 1), *farmers = server_start(fine, 1);
    struct channel_settings channels[] = { channel("ioc", ioc), channel("farmers", farmers) };
    struct notice notice = sample_notice(RULE_OWN, 0, 0, SEVERITY_NORMAL, SEVERITY_SEVERE);
    char body[NOTICE_BODY_MAX];
    (void)notice_json(&notice, settings_of(channels, 1), body, sizeof body);
    break_outbox();
    start_notifier(channels, 2);
    assert_true(notifier_urgent(notifier, &notice, settings_of(channels, 2)));
    await_requests(farmers, 1);
    await_topics(1);
    assert_string_equal(strstr(farmers->requests[0], "\r\n\r\n") + 4, body);
    assert_non_null(strstr(farmers->requests[0], "\r\nIdempotency-Key: "));
    assert_string_equal(topics.published[0].topic, "phusa/1/my-tho/s1/alarm/disk-full");
    assert_string_equal(topics.published[0].payload, body);

    notice = sample_notice(RULE_OWN, 0, 9, SEVERITY_SEVERE, SEVERITY_NORMAL);
    assert_true(notifier_urgent(notifier, &notice, settings_of(channels, 2)));
    await_requests(farmers, 2);
    await_topics(2);
    assert_string_equal(topics.published[1].payload, "");
    assert_int_equal(ioc->request_count, 0); /* is not among the rule's channels */
    server_end(ioc);
    server_end(farmers);
}

static void urgent_ones_go_ahead_and_are_tried_again(void **state)
{
    (void)state;
    static const int codes[] = { 503, 503, 204 };
    struct server *server = server_start(codes, 3);
    struct channel_settings channels[] = { channel("moved", server), channel("ioc", server) };
    struct notice waiting = sample_notice(RULE_IOC, 0, 0, SEVERITY_NORMAL, SEVERITY_MINOR);
    struct notice urgent = sample_notice(RULE_OWN, 0, 0, SEVERITY_NORMAL, SEVERITY_SEVERE);
    start_notifier(channels, 2);
    notifier_configure(notifier,
                       settings_of(&channels[1], 1)); /* "ioc" now stands in the first place */
    struct rule rule = sample_rules[RULE_OWN];
    rule.channels[0] = 0;
    urgent.rule = &rule;
    commit(&channels[1], 1, &waiting, 1);
    notifier_wake(notifier);
    await_requests(server, 1);
    assert_true(notifier_urgent(notifier, &urgent, settings_of(&channels[1], 1)));
    await_requests(server, 4);
    await_waiting(0);
    assert_non_null(strstr(server->requests[0], "salinity-fields"));
    assert_non_null(strstr(server->requests[1], "disk-full")); /* ahead */
    size_t again = 0;
    for (size_t i = 2; i < 4; i++) {
        again += strstr(server->requests[i], "disk-full") != NULL;
    }
    assert_int_equal(again, 1); /* the other of the two is the one that waited */
    assert_int_equal(server->request_count, 4);
    server_end(server);
}

static void add_urgent(struct urgent_queue *queue, const char *topic, const char *body)
{
    static struct letter_draft letter;
    (void)snprintf(letter.body, sizeof letter.body, "%s", body);
    assert_true(urgent_add(queue, topic, &letter));
}

static void urgent_ones_are_few_and_in_order(void **state)
{
    (void)state;
    static struct urgent_queue queue;
    const mono_time at_once = { 5 }, never = { INT64_MAX };
    assert_null(urgent_next(&queue, at_once));
    assert_true(urgent_due(&queue).ns == never.ns);
    add_urgent(&queue, "disk", "full");
    add_urgent(&queue, "disk", "free");
    add_urgent(&queue, "journal", "bad");
    struct urgent_message *message = urgent_next(&queue, at_once);
    assert_string_equal(message->body, "full");
    const int64_t held = message->id;
    message->next.ns = 6;
    message = urgent_next(&queue, at_once); /* "free" waits behind "full" */
    assert_string_equal(message->body, "bad");
    urgent_end(&queue, message->id);
    assert_null(urgent_next(&queue, at_once));
    assert_true(urgent_due(&queue).ns == 6);
    urgent_end(&queue, held);
    urgent_end(&queue, held);
    assert_null(urgent_find(&queue, held));
    assert_string_equal(urgent_next(&queue, at_once)->body, "free");
    for (int i = 0; i < NOTIFIER_URGENT_MAX; i++) { /* pushes it out */
        char body[16];
        (void)snprintf(body, sizeof body, "%d", i);
        add_urgent(&queue, "disk", body);
    }
    assert_int_equal(queue.count, NOTIFIER_URGENT_MAX);
    assert_string_equal(urgent_next(&queue, at_once)->body, "0");
    urgent_clear(&queue);
    assert_int_equal(queue.count, 0);
}

static int begin(void **state)
{
    (void)state;
    http_global_init();
    log_set_level(LOG_LEVEL_ERROR);
    seed = (uint64_t)clock_mono().ns;
    print_message("seed %llu\n", (unsigned long long)seed);
    return 0;
}

static int end(void **state)
{
    (void)state;
    http_global_end();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_signed_json_with_a_key, make, clean),
        cmocka_unit_test_setup_teardown(unsigned_without_a_secret, make, clean),
        cmocka_unit_test_setup_teardown(a_dead_channel_delays_no_other, make, clean),
        cmocka_unit_test_setup_teardown(a_series_arrives_in_order_in_spite_of_failures, make,
                                        clean),
        cmocka_unit_test_setup_teardown(a_channel_goes_no_faster_than_it_may, make, clean),
        cmocka_unit_test_setup_teardown(a_refused_message_holds_only_its_series, make, clean),
        cmocka_unit_test_setup_teardown(what_was_not_marked_is_sent_again_after_a_restart, make,
                                        clean),
        cmocka_unit_test_setup_teardown(reconfigures_while_a_request_hangs, make, clean),
        cmocka_unit_test_setup_teardown(gives_up_channels_that_are_gone, make, clean),
        cmocka_unit_test_setup_teardown(tells_the_topic_when_the_broker_is_back, make, clean),
        cmocka_unit_test_setup_teardown(urgent_ones_pass_while_the_outbox_fails, make, clean),
        cmocka_unit_test_setup_teardown(urgent_ones_go_ahead_and_are_tried_again, make, clean),
        cmocka_unit_test(urgent_ones_are_few_and_in_order),
        cmocka_unit_test(backs_off_within_doubling_limits),
        cmocka_unit_test(gives_up_after_a_day_of_refusals),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
