/* One easy handle keeps the options, one multi handle the connection (transfer.h says why). */
#include "base/http.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/transfer.h"

#define CONNECT_MS  5000L
#define TOTAL_MS    30000L
#define CONNECTIONS 1L /* kept open */
#define URL_SCHEMES "http,https"

struct http_client {
    CURL *easy;
    CURLM *multi;
    atomic_bool aborted;
    bool head_whole;                    /* the empty line behind the last answer's headers came */
    const struct http_request *request; /* while one is under way */
    struct http_answer *answer;
    char error[CURL_ERROR_SIZE];
};

void http_global_init(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

void http_global_end(void)
{
    curl_global_cleanup();
}

/* Keeps what fits of the body; takes the rest as well, so that the connection stays usable. Taking
 * less than there is ends the transfer. */
static size_t keep_body(char *bytes, size_t size, size_t count, void *context)
{
    const struct http_client *client = context;
    const struct http_request *request = client->request;
    struct http_answer *answer = client->answer;
    size_t length = size * count, room = HTTP_ANSWER_MAX - answer->length;
    if (request->take != NULL) {
        return request->take(request->take_context, bytes, length) ? length : 0;
    }
    size_t kept = length < room ? length : room;
    memcpy(answer->body + answer->length, bytes, kept);
    answer->length += kept;
    return length;
}

/* Watches for the end of the head: libcurl takes an answer that is cut off before it for a good
 * one. */
static size_t watch_head(char *bytes, size_t size, size_t count, void *context)
{
    struct http_client *client = context;
    size_t length = size * count;
    if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        client->head_whole = false; /* an interim answer went before */
    }
    client->head_whole |= length > 0 && (*bytes == '\r' || *bytes == '\n');
    return length;
}

static long or_default(long value, long fallback)
{
    return value > 0 ? value : fallback;
}

static bool set_options(struct http_client *client, const struct http_options *options)
{
    CURL *easy = client->easy;
    bool good = transfer_options(easy, URL_SCHEMES, options->ca_file,
                                 or_default(options->connect_ms, CONNECT_MS),
                                 or_default(options->total_ms, TOTAL_MS));
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_body);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, watch_head);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS);
    return good;
}

struct http_client *http_client_create(const struct http_options *options)
{
    static const struct http_options defaults;
    struct http_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->easy = curl_easy_init();
    client->multi = curl_multi_init();
    if (client->easy == NULL || client->multi == NULL ||
        !set_options(client, options == NULL ? &defaults : options)) {
        http_client_free(client);
        return NULL;
    }
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    curl_easy_cleanup(client->easy);
    (void)curl_multi_cleanup(client->multi);
    free(client);
}

/* The request's headers; no "Expect: 100-continue", which costs a round trip or a second. */
static struct curl_slist *header_list(const struct http_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list != NULL && i < HTTP_HEADERS_MAX && request->headers[i] != NULL; i++) {
        struct curl_slist *longer = curl_slist_append(list, request->headers[i]);
        if (longer == NULL) {
            curl_slist_free_all(list);
        }
        list = longer;
    }
    return list;
}

static CURLcode prepare(struct http_client *client, const struct http_request *request,
                        const struct curl_slist *headers, struct http_answer *answer)
{
    CURL *easy = client->easy;
    client->request = request;
    client->answer = answer;
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (strcmp(request->method, "POST") == 0) {
        const void *body = request->body == NULL ? "" : request->body;
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body); /* not copied */
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    return curl_easy_setopt(easy, CURLOPT_URL, request->url);
}

static void read_answer(CURL *easy, struct http_answer *answer)
{
    long code = 0, connections = 0;
    curl_off_t retry_after = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
    (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    answer->code = (int)code;
    answer->new_connection = connections > 0;
    answer->retry_after_s = (int64_t)retry_after;
    answer->body[answer->length] = '\0';
}

static enum http_status judge(struct http_client *client, CURLcode result, struct problem *problem)
{
    if (result == CURLE_OK && client->head_whole) {
        return HTTP_DONE;
    }
    if (result == CURLE_OK) {
        problem_set(problem, "the answer ended within its head");
        return HTTP_BROKEN;
    }
    if (result == CURLE_ABORTED_BY_CALLBACK) {
        problem_set(problem, "the request was aborted");
        return HTTP_BROKEN;
    }
    problem_set(problem, "%s", *client->error != '\0' ? client->error : curl_easy_strerror(result));
    long sent = 0; /* bytes of request, headers included */
    (void)curl_easy_getinfo(client->easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent == 0 ? HTTP_UNREACHABLE : HTTP_BROKEN;
}

enum http_status http_perform(struct http_client *client, const struct http_request *request,
                              struct http_answer *answer, struct problem *problem)
{
    answer->code = 0;
    answer->new_connection = false;
    answer->retry_after_s = 0;
    answer->length = 0;
    answer->body[0] = '\0';
    client->error[0] = '\0';
    client->head_whole = false;
    struct curl_slist *headers = header_list(request);
    if (headers == NULL || prepare(client, request, headers, answer) != CURLE_OK ||
        curl_multi_add_handle(client->multi, client->easy) != CURLM_OK) {
        curl_slist_free_all(headers);
        problem_set(problem, "out of memory");
        return HTTP_UNREACHABLE;
    }
    CURLcode result = transfer_run(client->multi, &client->aborted);
    read_answer(client->easy, answer);
    enum http_status status = judge(client, result, problem);
    (void)curl_multi_remove_handle(client->multi, client->easy);
    (void)curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return status;
}

void http_client_abort(struct http_client *client)
{
    atomic_store(&client->aborted, true);
    (void)curl_multi_wakeup(client->multi);
}
