/*
 * Addresses in digits need nobody. A name is looked up by the C library's own helper thread
 * (getaddrinfo_a), so that a station goes on sampling while no name server answers.
 */
#include "names.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define FRESH_NS (2 * SECOND_NS) /* an answer, also a bad one, serves others for so long */

/* What the helper thread may look at for as long as it runs. */
struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char host[NAMES_HOST_MAX], port[NAMES_PORT_MAX];
};

struct names {
    struct lookup *lookup; /* NULL = none */
    bool done;
    int result; /* of getaddrinfo */
    int64_t done_ns;
    struct names_answer answer;
};

struct names *names_create(void)
{
    return calloc(1, sizeof(struct names));
}

static void drop_lookup(struct names *names)
{
    if (names->lookup != NULL) {
        freeaddrinfo(names->lookup->request.ar_result);
        free(names->lookup);
    }
    names->lookup = NULL;
    names->done = false;
}

void names_free(struct names *names)
{
    if (names == NULL) {
        return;
    }
    if (names->lookup != NULL && !names->done &&
        gai_cancel(&names->lookup->request) == EAI_NOTCANCELED) {
        /* The thread is at work on it. The name server answers, or its time limit does. */
        const struct gaicb *const list[] = { &names->lookup->request };
        while (gai_error(&names->lookup->request) == EAI_INPROGRESS) {
            (void)gai_suspend(list, 1, NULL);
        }
    }
    drop_lookup(names);
    free(names);
}

static void take_over(struct names_answer *answer, const struct addrinfo *list)
{
    answer->count = 0;
    for (const struct addrinfo *at = list; at != NULL && answer->count < NAMES_ADDRESSES_MAX;
         at = at->ai_next) {
        if (at->ai_addrlen <= sizeof answer->addresses[0].address) {
            struct names_address *to = &answer->addresses[answer->count++];
            memcpy(&to->address, at->ai_addr, at->ai_addrlen);
            to->length = at->ai_addrlen;
        }
    }
}

static bool find_digits(const char *host, const char *port, struct names_answer *answer)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return false;
    }
    take_over(answer, list);
    freeaddrinfo(list);
    return answer->count > 0;
}

static bool begin(struct names *names, const char *host, const char *port)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return false;
    }
    lookup->hints = (struct addrinfo){ .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", host);
    (void)snprintf(lookup->port, sizeof lookup->port, "%s", port);
    lookup->request = (struct gaicb){ .ar_name = lookup->host,
                                      .ar_service = lookup->port,
                                      .ar_request = &lookup->hints };
    struct gaicb *list[] = { &lookup->request };
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(lookup);
        return false;
    }
    names->lookup = lookup;
    return true;
}

/* True when the lookup under way has ended. */
static bool has_ended(struct names *names, int64_t mono_ns)
{
    if (!names->done) {
        names->result = gai_error(&names->lookup->request);
        names->done = names->result != EAI_INPROGRESS;
        names->done_ns = mono_ns;
        take_over(&names->answer, names->result == 0 ? names->lookup->request.ar_result : NULL);
    }
    return names->done;
}

static bool is_for(const struct lookup *lookup, const char *host, const char *port)
{
    return strcmp(lookup->host, host) == 0 && strcmp(lookup->port, port) == 0;
}

enum names_status names_find(struct names *names, const char *host, const char *port,
                             int64_t mono_ns, struct names_answer *answer, struct problem *problem)
{
    if (find_digits(host, port, answer)) {
        return NAMES_DONE;
    }
    if (names->lookup != NULL && !has_ended(names, mono_ns)) {
        return NAMES_AGAIN;
    }
    bool fresh = names->lookup != NULL && is_for(names->lookup, host, port) &&
                 mono_ns - names->done_ns < FRESH_NS;
    if (!fresh) {
        drop_lookup(names);
        if (begin(names, host, port)) {
            return NAMES_AGAIN;
        }
        problem_set(problem, "%s: out of memory", host);
        return NAMES_FAILED;
    }
    if (names->answer.count == 0) {
        problem_set(problem, "%s: %s", host,
                    names->result != 0 ? gai_strerror(names->result) : "no address");
        return NAMES_FAILED;
    }
    *answer = names->answer;
    return NAMES_DONE;
}
