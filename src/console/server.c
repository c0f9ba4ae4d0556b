/*
 * The HTTP server: GET and HEAD of the few paths below, the POSTs of requeue.h and alarms.h, and
 * GET and POST of delivery.h. A few threads, each with epoll, so a client that reads slowly or says
 * nothing holds a connection, never a thread.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console/alarms.h"
#include "console/delivery.h"
#include "console/files.h"
#include "console/requeue.h"

#define THREADS         2u
#define CONNECTIONS_MAX 64u /* at once; further ones wait in the backlog */
#define TIMEOUT_S       10u /* without a byte on a connection */
#define BACKLOG         64
#define ADDRESS_MAX     64 /* bytes of the address in "ADDRESS:PORT" */

#define HTML "text/html; charset=utf-8"
#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

#define REQUEUE_PATH "/api/v1/quarantine/requeue"
#define ALARMS_PATH  "/api/v1/alarms"

struct console {
    struct MHD_Daemon *daemon;
    struct console_source source;
    unsigned port;
};

void console_view_free(struct console_view *view)
{
    if (view != NULL) {
        view->release(view);
    }
}

/* --- what the paths answer ------------------------------------------------------- */

typedef void render_view(const struct console_view *view, struct text_buffer *out);

/* Takes a view, renders it, lets it go. Returns the HTTP status. */
static unsigned with_view(const struct console *console, render_view *render,
                          struct text_buffer *out)
{
    struct console_view *view = console->source.view(console->source.context);
    if (view == NULL) {
        text_buffer_add_text(out, "out of memory\n");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    render(view, out);
    console_view_free(view);
    return MHD_HTTP_OK;
}

static unsigned answer_page(const struct console *console, struct MHD_Connection *connection,
                            struct text_buffer *out)
{
    const char *site = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "site");
    struct console_view *view = console->source.view(console->source.context);
    if (view == NULL) {
        text_buffer_add_text(out, "out of memory\n");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    bool found = console_page(view, site != NULL && site[0] != '\0' ? site : NULL, out);
    console_view_free(view);
    return found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND;
}

static unsigned answer_health(const struct console *console, struct MHD_Connection *connection,
                              struct text_buffer *out)
{
    (void)console;
    (void)connection;
    text_buffer_add_text(out, "ok\n");
    return MHD_HTTP_OK;
}

static unsigned answer_ready(const struct console *console, struct MHD_Connection *connection,
                             struct text_buffer *out)
{
    (void)connection;
    struct console_totals totals = { 0 };
    console->source.totals(console->source.context, &totals);
    if (totals.ready) {
        text_buffer_add_text(out, "ready\n");
        return MHD_HTTP_OK;
    }
    text_buffer_add(out, "not ready: %s\n", totals.not_ready == NULL ? "" : totals.not_ready);
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* 0 when the system does not say. */
static unsigned long long resident_bytes(void)
{
    char line[128] = "";
    FILE *statm = fopen("/proc/self/statm", "re"); /* "size resident shared ...", in pages */
    if (statm != NULL) {
        (void)fgets(line, sizeof line, statm);
        (void)fclose(statm);
    }
    const char *second = strchr(line, ' ');
    return second == NULL ? 0
                          : strtoull(second, NULL, 10) * (unsigned long long)sysconf(_SC_PAGESIZE);
}

static void add_process_metrics(struct text_buffer *out)
{
    text_buffer_add(out,
                    "# HELP process_resident_memory_bytes Resident memory.\n"
                    "# TYPE process_resident_memory_bytes gauge\n"
                    "process_resident_memory_bytes %llu\n",
                    resident_bytes());
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        text_buffer_add(out,
                        "# HELP process_cpu_seconds_total User and system time.\n"
                        "# TYPE process_cpu_seconds_total counter\n"
                        "process_cpu_seconds_total %.3f\n",
                        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    }
}

static unsigned answer_metrics(const struct console *console, struct MHD_Connection *connection,
                               struct text_buffer *out)
{
    (void)connection;
    unsigned code = with_view(console, console_metrics, out);
    if (code == MHD_HTTP_OK) {
        add_process_metrics(out);
    }
    return code;
}

static unsigned answer_status(const struct console *console, struct MHD_Connection *connection,
                              struct text_buffer *out)
{
    (void)connection;
    return with_view(console, console_status, out);
}

static unsigned answer_ledger(const struct console *console, struct MHD_Connection *connection,
                              struct text_buffer *out)
{
    const char *station = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "station");
    struct console_view *view = console->source.view(console->source.context);
    if (view == NULL) {
        text_buffer_add_text(out, "out of memory\n");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    bool found = console_ledger(view, station, out);
    console_view_free(view);
    return found ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND;
}

/* What a request for windows may carry. */
static const char *const window_keys[] = { "station", "parameter", "window", "hours" };

/* Notes the first key that is none of them. */
static enum MHD_Result find_stranger(void *context, enum MHD_ValueKind kind, const char *key,
                                     const char *value)
{
    const char **stranger = context;
    (void)kind;
    (void)value;
    for (size_t i = 0; i < sizeof window_keys / sizeof window_keys[0]; i++) {
        if (strcmp(window_keys[i], key) == 0) {
            return MHD_YES;
        }
    }
    *stranger = key;
    return MHD_NO;
}

static unsigned code_of(enum console_windows_answer answer)
{
    switch (answer) {
    case CONSOLE_WINDOWS_FOUND:
        return MHD_HTTP_OK;
    case CONSOLE_WINDOWS_NO_STATION:
        return MHD_HTTP_NOT_FOUND;
    case CONSOLE_WINDOWS_NO_PARAMETER:
        break;
    }
    return MHD_HTTP_BAD_REQUEST;
}

static unsigned answer_windows(const struct console *console, struct MHD_Connection *connection,
                               struct text_buffer *out)
{
    const char *values[sizeof window_keys / sizeof window_keys[0]], *stranger = NULL;
    struct console_windows_query query;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        values[i] = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, window_keys[i]);
    }
    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, find_stranger, &stranger);
    if (stranger != NULL) { /* as without a station: says what there is to ask for */
        values[0] = NULL;
    }
    if (!console_windows_ask(values[0], values[1], values[2], values[3], &query, out)) {
        return MHD_HTTP_BAD_REQUEST;
    }
    struct console_windows *windows = console->source.windows(console->source.context, &query);
    if (windows == NULL) {
        text_buffer_add_text(out, "{\"error\":\"out of memory\"}\n");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    unsigned code = code_of(console_windows(windows, &query, out));
    console_windows_free(windows);
    return code;
}

static const char *asked_for(struct MHD_Connection *connection, const char *key)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, key);
}

static struct alarms_asked read_asked(struct MHD_Connection *connection)
{
    return (struct alarms_asked){ .rule = asked_for(connection, "rule"),
                                  .station = asked_for(connection, "station"),
                                  .from = asked_for(connection, "from"),
                                  .to = asked_for(connection, "to"),
                                  .limit = asked_for(connection, "limit"),
                                  .operators = asked_for(connection, "operators"),
                                  .channel = asked_for(connection, "channel"),
                                  .waiting = asked_for(connection, "waiting"),
                                  .before = asked_for(connection, "before") };
}

static unsigned answer_alarms(const struct console *console, struct MHD_Connection *connection,
                              struct text_buffer *out)
{
    struct alarms_asked asked = read_asked(connection);
    return alarms_list(&console->source, &asked, out);
}

static wall_time now_of(const struct console *console)
{
    struct console_totals totals = { 0 };
    console->source.totals(console->source.context, &totals);
    return totals.now;
}

static unsigned answer_history(const struct console *console, struct MHD_Connection *connection,
                               struct text_buffer *out)
{
    struct alarms_asked asked = read_asked(connection);
    return alarms_history(&console->source, &asked, now_of(console), out);
}

static unsigned answer_load(const struct console *console, struct MHD_Connection *connection,
                            struct text_buffer *out)
{
    struct alarms_asked asked = read_asked(connection);
    return alarms_load(&console->source, &asked, now_of(console), out);
}

static unsigned answer_messages(const struct console *console, struct MHD_Connection *connection,
                                struct text_buffer *out)
{
    struct alarms_asked asked = read_asked(connection);
    return alarms_messages(&console->source, &asked, out);
}

/* --- delivery reports --------------------------------------------------------------- */

/* True if the body is a form. */
static bool posts_form(struct MHD_Connection *connection)
{
    static const char form[] = "application/x-www-form-urlencoded";
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type");
    return type != NULL && strncasecmp(type, form, sizeof form - 1) == 0;
}

static unsigned answer_delivery(const struct console *console, struct MHD_Connection *connection,
                                struct phusa_text body, struct text_buffer *out)
{
    char said[DELIVERY_STATE_MAX + 1] = "";
    struct console_delivery asked = { .channel = asked_for(connection, "channel"),
                                      .key = asked_for(connection, "key"),
                                      .proof = asked_for(connection, "proof"),
                                      .state = asked_for(connection, "state") };
    if (asked.state == NULL && posts_form(connection)) {
        delivery_read_form(body, said);
        asked.state = said;
    }
    return delivery_answer(&console->source, &asked, out);
}

/* --- paths ---------------------------------------------------------------------------- */

struct route {
    const char *path, *type;
    unsigned (*answer)(const struct console *console, struct MHD_Connection *connection,
                       struct text_buffer *out);
};

static const struct route routes[] = {
    { "/", HTML, answer_page },
    { "/healthz", TEXT, answer_health },
    { "/readyz", TEXT, answer_ready },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", answer_metrics },
    { "/api/v1/status", JSON, answer_status },
    { "/api/v1/windows", JSON, answer_windows },
    { "/api/v1/ledger", JSON, answer_ledger },
    { ALARMS_PATH, JSON, answer_alarms },
    { "/api/v1/alarms/history", JSON, answer_history },
    { "/api/v1/alarms/load", JSON, answer_load },
    { "/api/v1/messages", JSON, answer_messages },
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, path) == 0) {
            return &routes[i];
        }
    }
    return NULL;
}

/* --- answering ------------------------------------------------------------------- */

struct header {
    const char *name, *value;
};

static const struct header common_headers[] = {
    { "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                                 "form-action 'none'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
};

/* Lets the response go. */
static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned code,
                                     struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof common_headers / sizeof common_headers[0]; i++) {
        (void)MHD_add_response_header(response, common_headers[i].name, common_headers[i].value);
    }
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

/* Hands the text over to the server, which frees it. extra may be NULL. */
static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code, const char *type,
                                 const struct header *extra, struct text_buffer *text)
{
    struct MHD_Response *response =
        text->data == NULL
            ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
            : MHD_create_response_from_buffer(text->used, text->data, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        text_buffer_free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (extra != NULL) {
        (void)MHD_add_response_header(response, extra->name, extra->value);
    }
    return send_response(connection, code, response);
}

static enum MHD_Result send_short(struct MHD_Connection *connection, unsigned code,
                                  const struct header *extra, const char *text)
{
    struct text_buffer buffer = { 0 };
    text_buffer_add_text(&buffer, text);
    return send_text(connection, code, TEXT, extra, &buffer);
}

static enum MHD_Result send_made(struct MHD_Connection *connection, unsigned code, const char *type,
                                 struct text_buffer *text)
{
    if (text->failed) {
        text_buffer_free(text);
        return send_short(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "too much to show\n");
    }
    return send_text(connection, code, type, NULL, text);
}

/* --- what is posted -------------------------------------------------------------- */

/* What a body is given to: returns the HTTP status, out is what to answer. */
typedef unsigned take_body(const struct console_source *source, struct phusa_text body,
                           struct text_buffer *out);

_Static_assert(ALARMS_BODY_MAX <= REQUEUE_BODY_MAX, "any body has room");
_Static_assert(DELIVERY_BODY_MAX <= REQUEUE_BODY_MAX, "any body has room");

static take_body *find_taker(const char *path)
{
    if (strcmp(path, REQUEUE_PATH) == 0) {
        return requeue_answer;
    }
    return strcmp(path, ALARMS_PATH) == 0 ? alarms_verb : NULL;
}

/* A body on its way in. Of one that is refused or too long nothing is kept. */
struct upload {
    take_body *taker; /* NULL: of a delivery report */
    unsigned refused; /* HTTP status; 0 = welcome */
    size_t room, length;
    char bytes[];
};

static struct upload *upload_create(const struct console *console,
                                    struct MHD_Connection *connection, take_body *taker)
{
    const char *given = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    unsigned code = taker == NULL ? MHD_HTTP_OK : requeue_authorize(given, console->source.token);
    bool welcome = code == MHD_HTTP_OK;
    size_t room = taker == NULL ? DELIVERY_BODY_MAX : REQUEUE_BODY_MAX;
    struct upload *upload = malloc(sizeof *upload + (welcome ? room : 0));
    if (upload != NULL) {
        upload->taker = taker;
        upload->refused = welcome ? 0 : code;
        upload->room = room;
        upload->length = 0;
    }
    return upload;
}

static void upload_add(struct upload *upload, const char *bytes, size_t length)
{
    if (upload->refused == 0 && length > upload->room - upload->length) {
        upload->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    }
    if (upload->refused == 0) {
        memcpy(upload->bytes + upload->length, bytes, length);
        upload->length += length;
    }
}

static enum MHD_Result send_refusal(struct MHD_Connection *connection, unsigned code)
{
    static const struct header challenge = { "WWW-Authenticate", "Bearer" };
    switch (code) {
    case MHD_HTTP_UNAUTHORIZED:
        return send_short(connection, code, &challenge,
                          "this needs the token of http.token_file: Authorization: Bearer TOKEN\n");
    case MHD_HTTP_FORBIDDEN:
        return send_short(
            connection, code, NULL,
            "nothing can be changed over HTTP: no token is configured. Put one into a "
            "file, name it as http.token_file in phusad's configuration, and start "
            "phusad again\n");
    default:
        return send_short(connection, code, NULL, "the body is too long\n");
    }
}

static enum MHD_Result finish_upload(const struct console *console,
                                     struct MHD_Connection *connection, const struct upload *upload)
{
    if (upload->refused != 0) {
        return send_refusal(connection, upload->refused);
    }
    struct text_buffer text = { 0 };
    const struct phusa_text body = { upload->bytes, upload->length };
    if (upload->taker == NULL) {
        unsigned answer = answer_delivery(console, connection, body, &text);
        return send_made(connection, answer, JSON, &text);
    }
    unsigned code = upload->taker(&console->source, body, &text);
    bool json = code == MHD_HTTP_OK || upload->taker == alarms_verb;
    return send_made(connection, code, json ? JSON : TEXT, &text);
}

/* Called with the head, with each part of the body, and at the end. */
static enum MHD_Result serve_post(const struct console *console, struct MHD_Connection *connection,
                                  take_body *taker, const char *bytes, size_t *length, void **state)
{
    if (*state == NULL) {
        *state = upload_create(console, connection, taker);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*length > 0) {
        upload_add(*state, bytes, *length);
        *length = 0;
        return MHD_YES;
    }
    return finish_upload(console, connection, *state);
}

/* --- serving --------------------------------------------------------------------- */

static char head_seen; /* the state of a request without a body of interest */

static void forget_request(void *context, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode why)
{
    (void)context;
    (void)connection;
    (void)why;
    if (*state != &head_seen) {
        free(*state);
    }
    *state = NULL;
}

/* A page, or without a route a file. */
static enum MHD_Result answer_get(const struct console *console, struct MHD_Connection *connection,
                                  const struct route *route, const char *path)
{
    struct text_buffer text = { 0 };
    unsigned code;
    if (route != NULL) {
        code = route->answer(console, connection, &text);
        return send_made(connection, code, route->type, &text);
    }
    struct MHD_Response *file = files_respond(console->source.cap_folder, path, connection, &code);
    return file != NULL ? send_response(connection, code, file)
                        : send_short(connection, code, NULL, "not found\n");
}

static enum MHD_Result serve_get(const struct console *console, struct MHD_Connection *connection,
                                 const struct route *route, const char *path, size_t *length,
                                 void **state)
{
    if (*state == NULL) { /* the head is there; the library wants to be answered at the end */
        *state = &head_seen;
        return MHD_YES;
    }
    if (*length > 0) { /* a body means nothing here */
        *length = 0;
        return MHD_YES;
    }
    return answer_get(console, connection, route, path);
}

/* It changes something with either method. HEAD is for those who look: it has no place here. */
static enum MHD_Result serve_delivery(const struct console *console,
                                      struct MHD_Connection *connection, const char *method,
                                      const char *bytes, size_t *length, void **state)
{
    static const struct header both = { "Allow", "GET, POST" };
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        return send_short(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &both, "only GET and POST\n");
    }
    return serve_post(console, connection, NULL, bytes, length, state);
}

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *path,
                             const char *method, const char *version, const char *upload,
                             size_t *upload_size, void **state)
{
    static const struct header reading = { "Allow", "GET, HEAD" }, posting = { "Allow", "POST" },
                               either = { "Allow", "GET, HEAD, POST" };
    (void)version;
    const struct console *console = context;
    const struct route *route = find_route(path);
    take_body *taker = find_taker(path);
    if (strcmp(path, CHANNEL_REPORT_PATH) == 0) {
        return serve_delivery(console, connection, method, upload, upload_size, state);
    }
    if (taker != NULL && strcmp(method, MHD_HTTP_METHOD_POST) == 0) {
        return serve_post(console, connection, taker, upload, upload_size, state);
    }
    if (taker != NULL && route == NULL) {
        return send_short(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &posting, "only POST\n");
    }
    if (route == NULL && strncmp(path, FILES_PATH, strlen(FILES_PATH)) != 0) {
        return send_short(connection, MHD_HTTP_NOT_FOUND, NULL, "not found\n");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return taker != NULL ? send_short(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &either,
                                          "only GET, HEAD and POST\n")
                             : send_short(connection, MHD_HTTP_METHOD_NOT_ALLOWED, &reading,
                                          "only GET and HEAD\n");
    }
    return serve_get(console, connection, route, path, upload_size, state);
}

/* --- listening -------------------------------------------------------------------- */

/* Takes "ADDRESS:PORT" apart: brackets around IPv6 go. *port points into listen. */
static bool split(const char *listen, char address[ADDRESS_MAX], const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon == listen || colon[1] == '\0') {
        return false;
    }
    size_t length = (size_t)(colon - listen);
    bool brackets = listen[0] == '[' && colon[-1] == ']';
    listen += brackets;
    length -= brackets ? 2 : 0;
    if (length == 0 || length >= ADDRESS_MAX) {
        return false;
    }
    memcpy(address, listen, length);
    address[length] = '\0';
    *port = colon + 1;
    return true;
}

/* A listening socket, or -1 with errno. */
static int listen_at(const struct addrinfo *where)
{
    const int yes = 1;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, where->ai_addr, where->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static int open_listener(const char *listen, struct problem *problem)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    char address[ADDRESS_MAX];
    const char *port = NULL;
    struct addrinfo *where = NULL;
    if (!split(listen, address, &port) || getaddrinfo(address, port, &hints, &where) != 0) {
        problem_set(problem, "http: \"%s\" is no ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080",
                    listen);
        return -1;
    }
    int fd = listen_at(where);
    if (fd < 0) {
        problem_set(problem, "http: cannot listen on %s: %s", listen, strerror(errno));
    }
    freeaddrinfo(where);
    return fd;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t length = sizeof address;
    char port[NI_MAXSERV] = "";
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV) != 0) {
        return 0;
    }
    return (unsigned)strtoul(port, NULL, 10);
}

struct console *console_create(const char *listen, const struct console_source *source,
                               struct problem *problem)
{
    struct console *console = calloc(1, sizeof *console);
    if (console == NULL) {
        problem_set(problem, "http: out of memory");
        return NULL;
    }
    int fd = open_listener(listen, problem);
    if (fd < 0) {
        free(console);
        return NULL;
    }
    console->source = *source;
    console->port = port_of(fd);
    console->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, serve, console, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S, MHD_OPTION_NOTIFY_COMPLETED, forget_request, NULL,
        MHD_OPTION_END); /* which owns fd from here */
    if (console->daemon == NULL) {
        problem_set(problem, "http: the server on %s does not start", listen);
        free(console);
        return NULL;
    }
    return console;
}

void console_free(struct console *console)
{
    if (console == NULL) {
        return;
    }
    MHD_stop_daemon(console->daemon);
    free(console);
}

unsigned console_port(const struct console *console)
{
    return console->port;
}
