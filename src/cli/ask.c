#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http.h"

#define BLANKS " \t\r\n"

struct ask {
    struct http_client *client;
    char url[ASK_URL_MAX];
    char authorization[ASK_TOKEN_MAX + 32]; /* "" = none */
    struct http_answer answer;
};

bool ask_url_of(const char *listen, char url[ASK_URL_MAX])
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || strcmp(colon, ":0") == 0) {
        return false;
    }
    const char *host = listen;
    size_t length = (size_t)(colon - listen);
    if (strncmp(listen, "0.0.0.0:", 8) == 0) {
        host = "127.0.0.1";
        length = strlen(host);
    } else if (strncmp(listen, "[::]:", 5) == 0) {
        host = "[::1]";
        length = strlen(host);
    }
    int needed = snprintf(url, ASK_URL_MAX, "http://%.*s%s", (int)length, host, colon);
    return needed > 0 && needed < ASK_URL_MAX;
}

bool ask_read_token(const char *file, char token[ASK_TOKEN_MAX], struct problem *problem)
{
    char line[ASK_TOKEN_MAX + 1] = "";
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        problem_set(problem, "%s: %s", file, strerror(errno));
        return false;
    }
    (void)fgets(line, sizeof line, in);
    (void)fclose(in);
    size_t begin = strspn(line, BLANKS), length = strcspn(line + begin, BLANKS);
    if (length == 0 || length >= ASK_TOKEN_MAX) {
        problem_set(problem, "%s: its first line is no token", file);
        return false;
    }
    memcpy(token, line + begin, length);
    token[length] = '\0';
    return true;
}

struct ask *ask_create(const char *url, const char *token, struct problem *problem)
{
    if (strlen(url) >= ASK_URL_MAX || strlen(token) >= ASK_TOKEN_MAX) {
        problem_set(problem, "the URL or the token is too long");
        return NULL;
    }
    struct ask *ask = calloc(1, sizeof *ask);
    http_global_init();
    if (ask != NULL) {
        ask->client = http_client_create(NULL);
    }
    if (ask == NULL || ask->client == NULL) {
        free(ask);
        problem_set(problem, "out of memory");
        return NULL;
    }
    size_t length = strlen(url);
    length -= length > 0 && url[length - 1] == '/';
    memcpy(ask->url, url, length);
    if (token[0] != '\0') {
        (void)snprintf(ask->authorization, sizeof ask->authorization, "Authorization: Bearer %s",
                       token);
    }
    return ask;
}

void ask_free(struct ask *ask)
{
    if (ask != NULL) {
        http_client_free(ask->client);
        http_global_end();
        free(ask);
    }
}

static bool keep(void *context, const char *bytes, size_t length)
{
    struct text_buffer *body = context;
    text_buffer_add(body, "%.*s", (int)length, bytes);
    return !body->failed;
}

int ask_perform(struct ask *ask, const char *path, const char *posted, struct text_buffer *body,
                struct problem *problem)
{
    char url[ASK_URL_MAX + 256];
    (void)snprintf(url, sizeof url, "%s%s", ask->url, path);
    struct http_request request = { .method = posted == NULL ? "GET" : "POST",
                                    .url = url,
                                    .body = posted,
                                    .body_length = posted == NULL ? 0 : strlen(posted),
                                    .take = keep,
                                    .take_context = body };
    size_t headers = 0;
    if (posted != NULL) {
        request.headers[headers++] = "Content-Type: application/json";
    }
    if (ask->authorization[0] != '\0') {
        request.headers[headers++] = ask->authorization;
    }
    struct problem why = { "" };
    if (http_perform(ask->client, &request, &ask->answer, &why) != HTTP_DONE) {
        problem_set(problem, "phusad at %s does not answer: %s", ask->url,
                    body->failed ? "the answer is too long" : why.text);
        return 0;
    }
    text_buffer_add_text(body, ""); /* so that an empty body is a text as well */
    return ask->answer.code;
}
