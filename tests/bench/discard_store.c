/*
 * A store that takes line protocol and throws it away: every POST is answered 204, its lines are
 * counted. To /metrics it says, like VictoriaMetrics, since when it runs.
 *
 *   discard_store PORT MARK...
 *
 * Prints "ready", then the marks (marks.h). Runs until it is ended.
 */
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "marks.h"

static struct marks marks;
static uint64_t lines; /* one thread serves all connections */

static void count_lines(const char *bytes, size_t length)
{
    const char *end = bytes + length;
    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        lines++;
    }
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_length, void **request)
{
    (void)context;
    (void)url;
    (void)version;
    static char begun;
    if (*request == NULL) {
        *request = &begun;
        return MHD_YES;
    }
    if (*upload_length > 0) {
        count_lines(upload, *upload_length);
        *upload_length = 0;
        return MHD_YES;
    }
    if (strcmp(method, "POST") != 0) {
        return answer(connection, MHD_HTTP_OK, "vm_app_start_timestamp 1\n");
    }
    marks_pass(&marks, lines);
    return answer(connection, MHD_HTTP_NO_CONTENT, "");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs("usage: discard_store PORT MARK...\n", stderr);
        return 2;
    }
    marks_read(&marks, argc - 2, argv + 2);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, (uint16_t)strtoul(argv[1], NULL, 10), NULL,
        NULL, on_request, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)262144, MHD_OPTION_END);
    if (daemon == NULL) {
        (void)fputs("discard_store: cannot listen\n", stderr);
        return 1;
    }
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        (void)pause();
    }
}
