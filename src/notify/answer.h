/*
 * What an HTTP answer means for a message, the same for all channels by HTTP: 2xx is done; other
 * 4xx than 408, 425 and 429 say that this message is not wanted; all else, a redirect too, is
 * trouble of the other side.
 */
#ifndef NOTIFY_ANSWER_H
#define NOTIFY_ANSWER_H

#include "base/http.h"
#include "notify/delivery.h"

#define ANSWER_WORDS_MAX 160 /* bytes of the other side's own words in a problem */

/* Pure. The problem has the code and the first words of the answer, in ASCII without controls. */
enum delivery answer_judge(const struct http_answer *answer, struct problem *problem);

/* Performs a request and judges its answer, which the caller may look at further. */
enum delivery answer_request(struct http_client *client, const struct http_request *request,
                             struct http_answer *answer, struct problem *problem);

/* True for a login page, a proxy's excuse: nothing that an endpoint for programs says. */
bool answer_is_page(const struct http_answer *answer);

/* Notes that the answer was not the kind of thing that was asked for, and what it was. */
enum delivery answer_strange(const struct http_answer *answer, const char *wanted,
                             struct problem *problem);

#endif
