#include "base/link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/transfer.h"

#define URL_MAX         512
#define SPOKEN_MAX      512 /* bytes that a server says and nobody wants, read at once */
#define SPOKEN_READS    16  /* and so often before a message; then it is no log server */
#define SETTLE_FIRST_MS 1   /* between two looks whether all is acknowledged; doubled */
#define SETTLE_LAST_MS  64
#define WELCOME_NS      (100 * MILLI_NS) /* a server that lets nobody in closes by then */

struct link {
    char url[URL_MAX]; /* in the spelling that libcurl knows; of UDP HOST:PORT */
    bool datagrams;
    int64_t timeout_ns;
    int udp;     /* -1 = none */
    int stopped; /* an eventfd, readable after the abort */
    CURL *easy;  /* streams */
    CURLM *multi;
    atomic_bool aborted;
    bool connected;
    char error[CURL_ERROR_SIZE];
};

/* --- the link -------------------------------------------------------------------- */

static bool set_url(struct link *link, const char *url)
{
    static const char *const schemes[][2] = { { "udp://", "" },
                                              { "tcp://", "http://" },
                                              { "tls://", "https://" } };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i][0]);
        if (strncmp(url, schemes[i][0], length) == 0) {
            link->datagrams = i == 0;
            int used = snprintf(link->url, URL_MAX, "%s%s", schemes[i][1], url + length);
            return used > 0 && used < URL_MAX && strrchr(url + length, ':') != NULL;
        }
    }
    return false;
}

static bool set_stream(struct link *link, const struct link_options *options)
{
    long limit_ms = (long)(options->timeout_ns / MILLI_NS);
    link->easy = curl_easy_init();
    link->multi = curl_multi_init();
    if (link->easy == NULL || link->multi == NULL ||
        !transfer_options(link->easy, "http,https", options->ca_file, limit_ms, limit_ms) ||
        curl_easy_setopt(link->easy, CURLOPT_URL, link->url) != CURLE_OK) {
        return false;
    }
    (void)curl_easy_setopt(link->easy, CURLOPT_CONNECT_ONLY, 1L); /* no HTTP is spoken */
    (void)curl_easy_setopt(link->easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    (void)curl_easy_setopt(link->easy, CURLOPT_ERRORBUFFER, link->error);
    return true;
}

struct link *link_create(const struct link_options *options, struct problem *problem)
{
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        problem_set(problem, "out of memory");
        return NULL;
    }
    link->udp = -1;
    link->timeout_ns = options->timeout_ns;
    link->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!set_url(link, options->url)) {
        problem_set(problem, "%s is not udp://, tcp:// or tls://HOST:PORT", options->url);
    } else if (link->stopped < 0 || (!link->datagrams && !set_stream(link, options))) {
        problem_set(problem, "out of memory or descriptors");
    } else {
        return link;
    }
    link_free(link);
    return NULL;
}

static void disconnect(struct link *link)
{
    if (link->connected) {
        (void)curl_multi_remove_handle(link->multi, link->easy); /* closes it, too */
        link->connected = false;
    }
    if (link->udp >= 0) {
        (void)close(link->udp);
        link->udp = -1;
    }
}

void link_free(struct link *link)
{
    if (link == NULL) {
        return;
    }
    disconnect(link);
    curl_easy_cleanup(link->easy);
    (void)curl_multi_cleanup(link->multi);
    if (link->stopped >= 0) {
        (void)close(link->stopped);
    }
    free(link);
}

void link_abort(struct link *link)
{
    uint64_t one = 1;
    atomic_store(&link->aborted, true);
    if (write(link->stopped, &one, sizeof one) < 0) {
        /* It is readable already. */
    }
    if (link->multi != NULL) {
        (void)curl_multi_wakeup(link->multi);
    }
}

/* --- datagrams ------------------------------------------------------------------- */

/* "HOST:PORT" or "[ADDRESS]:PORT" apart. */
static bool split_host(const char *url, char host[URL_MAX], const char **port)
{
    const char *colon = strrchr(url, ':');
    bool bracketed = url[0] == '[' && colon > url && colon[-1] == ']';
    int length = (int)(colon - url) - (bracketed ? 2 : 0);
    *port = colon + 1;
    return snprintf(host, URL_MAX, "%.*s", length, url + bracketed) > 0;
}

static bool open_udp(struct link *link, struct problem *problem)
{
    char host[URL_MAX];
    const char *port;
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list = NULL;
    int result =
        split_host(link->url, host, &port) ? getaddrinfo(host, port, &hints, &list) : EAI_NONAME;
    if (result != 0) {
        problem_set(problem, "%s: %s", link->url, gai_strerror(result));
        return false;
    }
    for (const struct addrinfo *at = list; at != NULL && link->udp < 0; at = at->ai_next) {
        link->udp = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (link->udp >= 0 && connect(link->udp, at->ai_addr, at->ai_addrlen) != 0) {
            problem_set(problem, "%s: %s", link->url, strerror(errno));
            (void)close(link->udp);
            link->udp = -1;
        }
    }
    freeaddrinfo(list);
    return link->udp >= 0;
}

static int error_of(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

static enum link_status send_datagram(struct link *link, const void *bytes, size_t length,
                                      struct problem *problem)
{
    if (link->udp < 0 && !open_udp(link, problem)) {
        return LINK_UNREACHABLE;
    }
    int error = send(link->udp, bytes, length, MSG_NOSIGNAL) < 0 ? errno : error_of(link->udp);
    if (error == 0) {
        return LINK_DONE;
    }
    problem_set(problem, "%s: %s", link->url, strerror(error));
    disconnect(link);
    return LINK_UNREACHABLE;
}

/* --- streams --------------------------------------------------------------------- */

static int stream_socket(const struct link *link)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    (void)curl_easy_getinfo(link->easy, CURLINFO_ACTIVESOCKET, &fd);
    return fd;
}

/* Whether the connection that there is can still be used, as far as this machine knows. */
static bool is_open(const struct link *link)
{
    char spoken[SPOKEN_MAX];
    for (int i = 0; i < SPOKEN_READS; i++) {
        size_t got = 0;
        CURLcode result = curl_easy_recv(link->easy, spoken, sizeof spoken, &got);
        if (result == CURLE_AGAIN) {
            return true;
        }
        if (result != CURLE_OK || got == 0) {
            return false;
        }
    }
    return false;
}

static bool connect_stream(struct link *link, struct problem *problem)
{
    link->error[0] = '\0';
    if (curl_multi_add_handle(link->multi, link->easy) != CURLM_OK) {
        problem_set(problem, "out of memory");
        return false;
    }
    link->connected = true;
    CURLcode result = transfer_run(link->multi, &link->aborted);
    if (result == CURLE_OK) {
        return true;
    }
    problem_set(problem, "%s", link->error[0] != '\0' ? link->error : curl_easy_strerror(result));
    return false;
}

/* Waits for events of the connection, none for its end only, at most `most_ms`. False when the link
 * is aborted or the time limit has passed. */
static bool wait_for(const struct link *link, short events, mono_time deadline, int most_ms,
                     struct problem *problem)
{
    struct pollfd polls[] = { { .fd = link->stopped, .events = POLLIN },
                              { .fd = stream_socket(link), .events = events } };
    int64_t left_ns = deadline.ns - clock_mono().ns;
    if (left_ns <= 0) {
        problem_set(problem, "not all was taken within the time limit");
        return false;
    }
    int64_t left_ms = left_ns / MILLI_NS + 1;
    (void)poll(polls, 2, left_ms < most_ms ? (int)left_ms : most_ms);
    if (atomic_load(&link->aborted)) {
        problem_set(problem, "the message was aborted");
        return false;
    }
    return true;
}

/* True if a new connection is still open after a moment: a server with a list of guests, or a
 * balancer with nobody behind it, takes a connection, acknowledges what comes, and closes. */
static bool is_welcome(const struct link *link, mono_time deadline, struct problem *problem)
{
    mono_time until = { clock_mono().ns + WELCOME_NS };
    while (clock_mono().ns < until.ns) {
        if (!wait_for(link, POLLIN, deadline, (int)(WELCOME_NS / MILLI_NS), problem)) {
            return false;
        }
        if (!is_open(link)) {
            problem_set(problem, "the server closes every connection at once");
            return false;
        }
    }
    return true;
}

static bool write_all(const struct link *link, const char *bytes, size_t length, mono_time deadline,
                      struct problem *problem)
{
    for (size_t sent = 0, step; sent < length; sent += step) {
        step = 0;
        CURLcode result = curl_easy_send(link->easy, bytes + sent, length - sent, &step);
        if (result == CURLE_AGAIN) {
            step = 0;
            if (!wait_for(link, POLLOUT, deadline, SETTLE_LAST_MS, problem)) {
                return false;
            }
        } else if (result != CURLE_OK) {
            problem_set(problem, "the connection broke: %s", curl_easy_strerror(result));
            return false;
        }
    }
    return true;
}

/* Waits until the other machine has acknowledged all bytes. No event tells it, so it is looked
 * at again and again. */
static bool settle(const struct link *link, mono_time deadline, struct problem *problem)
{
    for (int pause_ms = SETTLE_FIRST_MS;;
         pause_ms = pause_ms * 2 < SETTLE_LAST_MS ? pause_ms * 2 : SETTLE_LAST_MS) {
        int fd = stream_socket(link), waiting = 0;
        bool counted = ioctl(fd, SIOCOUTQ, &waiting) == 0;
        int error = error_of(fd);
        if (error != 0) {
            problem_set(problem, "the connection broke: %s", strerror(error));
            return false;
        }
        if (!counted || waiting == 0) {
            return true;
        }
        if (!wait_for(link, 0, deadline, pause_ms, problem)) {
            return false;
        }
    }
}

static enum link_status send_stream(struct link *link, const void *bytes, size_t length,
                                    struct problem *problem)
{
    mono_time deadline = { clock_mono().ns + link->timeout_ns };
    if (link->connected && !is_open(link)) {
        disconnect(link);
    }
    if (!link->connected &&
        !(connect_stream(link, problem) && is_welcome(link, deadline, problem))) {
        disconnect(link);
        return LINK_UNREACHABLE;
    }
    if (!write_all(link, bytes, length, deadline, problem) || !settle(link, deadline, problem)) {
        disconnect(link);
        return LINK_BROKEN;
    }
    return LINK_DONE;
}

enum link_status link_send(struct link *link, const void *bytes, size_t length,
                           struct problem *problem)
{
    if (atomic_load(&link->aborted)) {
        problem_set(problem, "the message was aborted");
        return LINK_UNREACHABLE;
    }
    return link->datagrams ? send_datagram(link, bytes, length, problem)
                           : send_stream(link, bytes, length, problem);
}
