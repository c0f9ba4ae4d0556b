/* phusa quarantine requeue: selects as list does, and asks phusad to take it again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/quarantine.h"
#include "pipeline_aside.h"

#define POSITION_CHARS 21 /* of the longest position with its comma */

struct selecting {
    struct book_positions chosen;
    uint64_t passed_over; /* that cannot be put back */
    bool failed;
};

static bool choose(void *context, const struct book_item *item)
{
    struct selecting *selecting = context;
    if (!aside_can_requeue(item->payload)) {
        selecting->passed_over++;
        return true;
    }
    selecting->failed = !book_positions_add(&selecting->chosen, item->position);
    return !selecting->failed;
}

/* What was named is taken as it is: phusad says what is wrong with it. */
static bool select_all(const struct book *book, const struct quarantine_options *options,
                       struct selecting *selecting)
{
    struct problem problem = { "" };
    for (size_t i = 0; i < options->position_count; i++) {
        selecting->failed |= !book_positions_add(&selecting->chosen, options->positions[i]);
    }
    if (options->position_count == 0 &&
        !book_each(book, &options->filter, 0, choose, selecting, &problem)) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
        return false;
    }
    if (selecting->failed) {
        (void)fputs("phusa quarantine: out of memory\n", stderr);
        return false;
    }
    if (selecting->passed_over > 0) {
        (void)fprintf(stderr,
                      "phusa quarantine: %" PRIu64 " cannot be put back: of them only a part was "
                      "kept, or they left a full spool (see phusa resend)\n",
                      selecting->passed_over);
    }
    return true;
}

static void print_body(const uint64_t *positions, size_t count, char *body, size_t capacity)
{
    size_t used = (size_t)snprintf(body, capacity, "{\"positions\":[");
    for (size_t i = 0; i < count; i++) {
        used += (size_t)snprintf(body + used, capacity - used, "%s%" PRIu64, i > 0 ? "," : "",
                                 positions[i]);
    }
    (void)snprintf(body + used, capacity - used, "]}");
}

static void say_refusal(int code, const char *url, const char *words)
{
    if (code == 401) {
        (void)fprintf(stderr,
                      "phusa quarantine: phusad at %s wants another token: name the file that its "
                      "http.token_file names with --token-file\n",
                      url);
    } else {
        (void)fprintf(stderr, "phusa quarantine: phusad at %s answered %d: %s%s", url, code, words,
                      strchr(words, '\n') == NULL ? "\n" : "");
    }
}

/* Puts one portion back; *done grows by what was. */
static bool post_portion(struct ask *ask, const char *url, const uint64_t *positions, size_t count,
                         uint64_t *done)
{
    char body[CONSOLE_REQUEUE_MAX * POSITION_CHARS + 64];
    struct text_buffer answer = { 0 };
    struct problem problem = { "" };
    print_body(positions, count, body, sizeof body);
    int code = ask_perform(ask, "/api/v1/quarantine/requeue", body, &answer, &problem);
    if (code == 200) {
        json_t *root = json_loads(answer.data, 0, NULL);
        *done += (uint64_t)json_integer_value(json_object_get(root, "requeued"));
        json_decref(root);
    } else if (code == 0) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
    } else {
        say_refusal(code, url, answer.data);
    }
    text_buffer_free(&answer);
    return code == 200;
}

static int post_all(const struct book_positions *chosen, const char *url, const char *token)
{
    struct problem problem = { "" };
    struct ask *ask = ask_create(url, token, &problem);
    uint64_t done = 0;
    bool good = ask != NULL;
    if (!good) {
        (void)fprintf(stderr, "phusa quarantine: %s\n", problem.text);
    }
    for (size_t at = 0; good && at < chosen->count; at += CONSOLE_REQUEUE_MAX) {
        size_t left = chosen->count - at;
        good = post_portion(ask, url, chosen->items + at,
                            left < CONSOLE_REQUEUE_MAX ? left : CONSOLE_REQUEUE_MAX, &done);
    }
    ask_free(ask);
    (void)printf("%" PRIu64 " of %zu put back\n", done, chosen->count);
    if (done > 0) {
        (void)fflush(stdout);
        (void)fputs("phusa quarantine: what cannot be accepted now either is set aside again: "
                    "`phusa quarantine list` shows it\n",
                    stderr);
    }
    return good ? CLI_GOOD : CLI_BAD;
}

int quarantine_requeue(const struct book *book, const struct quarantine_options *options,
                       const char *url, const char *token)
{
    struct selecting selecting = { 0 };
    int result = CLI_BAD;
    if (token[0] == '\0') {
        (void)fputs("phusa quarantine: no token is configured, so phusad lets nobody change "
                    "anything.\nPut a long random word into a file that only phusad and you can "
                    "read, e.g.\n  (umask 077; openssl rand -hex 16 > http.token)\n"
                    "name it in the configuration, http : { token_file = \"http.token\"; }, and "
                    "start phusad again.\n",
                    stderr);
    } else if (!select_all(book, options, &selecting)) {
        result = CLI_BAD;
    } else if (selecting.chosen.count == 0) {
        (void)fputs("phusa quarantine: nothing that can be put back was selected\n", stderr);
    } else {
        result = post_all(&selecting.chosen, url, token);
    }
    book_positions_free(&selecting.chosen);
    return result;
}
