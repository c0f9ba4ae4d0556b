#include "notify/answer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PAGE_BEGIN 1024 /* bytes of an answer in which a web page is looked for */

/* The first line that says something. They are strangers' bytes and go into the log. */
static void copy_words(const struct http_answer *answer, char words[ANSWER_WORDS_MAX + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < answer->length && used < ANSWER_WORDS_MAX; i++) {
        unsigned char byte = (unsigned char)answer->body[i];
        bool line_end = byte == '\n' || byte == '\r';
        if (line_end && used > 0) {
            break;
        }
        if (byte > ' ' || (byte == ' ' && used > 0)) {
            words[used++] = byte < 0x7F ? (char)byte : '?';
        }
    }
    words[used] = '\0';
}

enum delivery answer_judge(const struct http_answer *answer, struct problem *problem)
{
    int code = answer->code;
    if (code >= 200 && code < 300) {
        return DELIVERY_DONE;
    }
    char words[ANSWER_WORDS_MAX + 1];
    copy_words(answer, words);
    problem_set(problem, "the endpoint answered %d%s%s", code, words[0] == '\0' ? "" : ": ", words);
    bool passing = code == 408 || code == 425 || code == 429;
    return code >= 400 && code < 500 && !passing ? DELIVERY_REFUSED : DELIVERY_FAILED;
}

bool answer_is_page(const struct http_answer *answer)
{
    char begin[PAGE_BEGIN + 1];
    (void)snprintf(begin, sizeof begin, "%s", answer->body + strspn(answer->body, " \t\r\n"));
    return begin[0] == '<' && strcasestr(begin, "<html") != NULL;
}

enum delivery answer_strange(const struct http_answer *answer, const char *wanted,
                             struct problem *problem)
{
    char words[ANSWER_WORDS_MAX + 1];
    copy_words(answer, words);
    problem_set(problem, "the endpoint answered %d, but not as %s does: %s", answer->code, wanted,
                words);
    return DELIVERY_FAILED;
}

enum delivery answer_request(struct http_client *client, const struct http_request *request,
                             struct http_answer *answer, struct problem *problem)
{
    switch (http_perform(client, request, answer, problem)) {
    case HTTP_DONE:
        return answer_judge(answer, problem);
    case HTTP_UNREACHABLE:
        return DELIVERY_UNREACHABLE;
    case HTTP_BROKEN:
        break;
    }
    return DELIVERY_FAILED;
}
