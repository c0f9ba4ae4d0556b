/* Asking the running phusad over HTTP. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <stdbool.h>

#include "base/problem.h"
#include "console/console.h"

#define ASK_URL_MAX   1024 /* bytes with the terminator */
#define ASK_TOKEN_MAX 512

/* "http://127.0.0.1:8080" of an http.listen; an address that means all of them becomes loopback.
 * False if the port is left to the system. */
bool ask_url_of(const char *listen, char url[ASK_URL_MAX]);

/* The first line of a file, without blanks around it. False with a problem if there is none. */
bool ask_read_token(const char *file, char token[ASK_TOKEN_MAX], struct problem *problem);

struct ask;

/* url without a slash at its end; token "" = none. NULL with a problem. */
struct ask *ask_create(const char *url, const char *token, struct problem *problem);
void ask_free(struct ask *ask);

/* GET, or POST of a JSON body when there is one. The body of the answer goes to `body`, which is to
 * be freed with text_buffer_free. Returns the HTTP status; 0 with a problem when none came. */
int ask_perform(struct ask *ask, const char *path, const char *posted, struct text_buffer *body,
                struct problem *problem);

#endif
