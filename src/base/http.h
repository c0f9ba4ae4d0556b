/*
 * HTTP client over libcurl, as smtp.h is for mail. One client is one kept-alive
 * connection, used by one thread. No redirects are followed, no proxy of the
 * environment is used; certificates and host names are always verified.
 */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problem.h"

#define HTTP_ANSWER_MAX  262144 /* bytes of an answer kept; the rest is read and dropped */
#define HTTP_HEADERS_MAX 8

struct http_client;

struct http_options {
    const char *ca_file; /* PEM; NULL or "" = the system's */
    long connect_ms;     /* 0 = 5,000 */
    long total_ms;       /* for one request; 0 = 30,000 */
};

struct http_request {
    const char *method; /* "GET" or "POST" */
    const char *url;
    const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", NULL-terminated early */
    const void *body;                      /* not copied; may be NULL */
    size_t body_length;
    /* Takes the answer's body as it comes, instead of the answer; false ends the request, which is
     * then HTTP_BROKEN. NULL = the answer keeps what fits. */
    bool (*take)(void *context, const char *bytes, size_t length);
    void *take_context;
};

enum http_status {
    HTTP_DONE = 0,    /* an answer came whole: look at code */
    HTTP_UNREACHABLE, /* no connection or TLS refused: nothing was sent */
    HTTP_BROKEN,      /* sent perhaps, but no whole answer: closed, hung, lied about its length */
};

struct http_answer {
    int code;                       /* 200 ... */
    bool new_connection;            /* this request had to open one */
    int64_t retry_after_s;          /* what the answer's Retry-After says; 0 = nothing */
    size_t length;                  /* bytes of body kept */
    char body[HTTP_ANSWER_MAX + 1]; /* terminated */
};

/* Global set-up of the library; call once before the first thread, and its end at exit. It makes
 * the process ignore SIGPIPE, which TLS would raise when the other side has closed. */
void http_global_init(void);
void http_global_end(void);

/* options may be NULL; its strings are copied. NULL when out of memory. */
struct http_client *http_client_create(const struct http_options *options);
void http_client_free(struct http_client *client);

/* One request, blocking up to total_ms. answer is always set; problem says why when not HTTP_DONE,
 * without the URL, which may hold a secret. */
enum http_status http_perform(struct http_client *client, const struct http_request *request,
                              struct http_answer *answer, struct problem *problem);

/* Makes a request under way in another thread end at once with HTTP_BROKEN, and all later ones of
 * this client too; for the stop. */
void http_client_abort(struct http_client *client);

#endif
