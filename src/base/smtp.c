/*
 * libcurl speaks the protocol; what it was told is learnt from its trace: the last command that
 * went out and the last answer that came in, since the meaning of a 5xx depends on
 * what it answers.
 *
 * libcurl says QUIT when it closes a connection, and waits for the answer without a way to be
 * woken. So the client knows its socket and shuts it down first: on an abort, and before
 * its end.
 */
#include "base/smtp.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/transfer.h"

#define CONNECT_MS  5000L
#define TOTAL_MS    30000L
#define CONNECTIONS 1L /* kept open */
#define REPLY_MAX   16 /* of an answer: the code and the enhanced code, "550 5.1.1" */

/* How far the dialogue has come: what the last answer is to. */
enum stage { STAGE_CONNECT, STAGE_LOGIN, STAGE_SENDER, STAGE_RECIPIENT, STAGE_MESSAGE };

struct smtp_client {
    CURL *easy;
    CURLM *multi;
    atomic_bool aborted;
    pthread_mutex_t lock; /* guards the socket */
    int socket;           /* -1 = none */
    enum stage stage;
    bool leaving; /* QUIT went out: answers are to it */
    int code;     /* of the last answer in this stage; 0 = none came */
    char reply[REPLY_MAX + 1];
    const char *message; /* what is left to send */
    size_t left;
    char error[CURL_ERROR_SIZE];
};

/* --- the socket ------------------------------------------------------------------ */

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct smtp_client *client = context;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    (void)pthread_mutex_lock(&client->lock);
    client->socket = fd;
    (void)pthread_mutex_unlock(&client->lock);
    return fd;
}

static int close_socket(void *context, curl_socket_t fd)
{
    struct smtp_client *client = context;
    (void)pthread_mutex_lock(&client->lock);
    client->socket = client->socket == fd ? -1 : client->socket;
    int result = close(fd);
    (void)pthread_mutex_unlock(&client->lock);
    return result;
}

static void shut_down(struct smtp_client *client)
{
    (void)pthread_mutex_lock(&client->lock);
    if (client->socket >= 0) {
        (void)shutdown(client->socket, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&client->lock);
}

/* --- the trace ------------------------------------------------------------------- */

static bool begins(const char *bytes, size_t length, const char *word)
{
    size_t size = strlen(word);
    return length >= size && memcmp(bytes, word, size) == 0;
}

static void note_command(struct smtp_client *client, const char *bytes, size_t length)
{
    enum stage stage = client->stage;
    client->leaving = begins(bytes, length, "QUIT");
    if (client->leaving) {
        return;
    }
    if (begins(bytes, length, "MAIL ")) {
        stage = STAGE_SENDER;
    } else if (begins(bytes, length, "RCPT ")) {
        stage = STAGE_RECIPIENT;
    } else if (begins(bytes, length, "DATA")) {
        stage = STAGE_MESSAGE;
    } else if (begins(bytes, length, "AUTH ")) {
        stage = STAGE_LOGIN;
    }
    client->stage = stage;
    client->code = 0;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Of "550 5.1.1 <ann@example.vn> unknown" the numbers; words may hold an address. */
static void note_answer(struct smtp_client *client, const char *bytes, size_t length)
{
    size_t used = 0;
    if (client->leaving || length < 3 || !is_digit(bytes[0]) || !is_digit(bytes[1]) ||
        !is_digit(bytes[2])) {
        return;
    }
    client->code = (bytes[0] - '0') * 100 + (bytes[1] - '0') * 10 + (bytes[2] - '0');
    for (size_t i = 0; i < length && used < REPLY_MAX; i++) {
        if (!is_digit(bytes[i]) && bytes[i] != '.' && i != 3) {
            break;
        }
        client->reply[used++] = i == 3 ? ' ' : bytes[i];
    }
    while (used > 3 && !is_digit(client->reply[used - 1])) {
        used--;
    }
    client->reply[used] = '\0';
}

static int trace(CURL *easy, curl_infotype type, char *bytes, size_t length, void *context)
{
    (void)easy;
    struct smtp_client *client = context;
    if (type == CURLINFO_HEADER_OUT) {
        note_command(client, bytes, length);
    } else if (type == CURLINFO_HEADER_IN) {
        note_answer(client, bytes, length);
    } else if (type == CURLINFO_DATA_OUT) {
        client->code = 0; /* the answer to DATA is not that to the message */
    }
    return 0;
}

/* --- the client ------------------------------------------------------------------ */

static size_t give_message(char *buffer, size_t size, size_t count, void *context)
{
    struct smtp_client *client = context;
    size_t room = size * count, given = client->left < room ? client->left : room;
    memcpy(buffer, client->message, given);
    client->message += given;
    client->left -= given;
    return given;
}

static bool set_login(CURL *easy, const struct smtp_options *options)
{
    if (options->user == NULL || options->user[0] == '\0') {
        return true;
    }
    const char *password = options->password == NULL ? "" : options->password;
    return curl_easy_setopt(easy, CURLOPT_USERNAME, options->user) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PASSWORD, password) == CURLE_OK;
}

static bool set_options(struct smtp_client *client, const struct smtp_options *options)
{
    CURL *easy = client->easy;
    long connect_ms = options->connect_ms > 0 ? options->connect_ms : CONNECT_MS;
    long total_ms = options->total_ms > 0 ? options->total_ms : TOTAL_MS;
    bool good = transfer_options(easy, "smtp,smtps", options->ca_file, connect_ms, total_ms) &&
                set_login(easy, options) &&
                curl_easy_setopt(easy, CURLOPT_URL, options->url) == CURLE_OK;
    (void)curl_easy_setopt(easy, CURLOPT_USE_SSL,
                           (long)(options->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_message);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L); /* for the trace; nothing is printed */
    (void)curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, trace);
    (void)curl_easy_setopt(easy, CURLOPT_DEBUGDATA, client);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS);
    return good;
}

struct smtp_client *smtp_client_create(const struct smtp_options *options)
{
    struct smtp_client *client = calloc(1, sizeof *client);
    if (client == NULL || pthread_mutex_init(&client->lock, NULL) != 0) {
        free(client);
        return NULL;
    }
    client->socket = -1;
    client->easy = curl_easy_init();
    client->multi = curl_multi_init();
    if (client->easy == NULL || client->multi == NULL || !set_options(client, options)) {
        smtp_client_free(client);
        return NULL;
    }
    return client;
}

void smtp_client_free(struct smtp_client *client)
{
    if (client == NULL) {
        return;
    }
    shut_down(client);
    curl_easy_cleanup(client->easy);
    (void)curl_multi_cleanup(client->multi);
    (void)pthread_mutex_destroy(&client->lock);
    free(client);
}

bool smtp_address_plain(const char *address)
{
    size_t length = strlen(address);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)address[i];
        if (byte <= ' ' || byte >= 0x7f || byte == '<' || byte == '>') {
            return false;
        }
    }
    return length > 0 && length <= SMTP_ADDRESS_MAX;
}

/* --- sending --------------------------------------------------------------------- */

/* What the answer was to, in the order of the stages. */
static const char *const stage_words[] = { "to the connection", "to the login", "to the sender",
                                           "to the recipient", "to the message" };

/* A bad answer: whose fault it is depends on what it answers. */
static enum smtp_status judge_answer(const struct smtp_client *client, struct problem *problem)
{
    problem_set(problem, "the server answered %s %s", client->reply, stage_words[client->stage]);
    bool passing = client->code < 500;
    switch (client->stage) {
    case STAGE_CONNECT:
    case STAGE_LOGIN:
        return SMTP_UNREACHABLE;
    case STAGE_SENDER:
        return passing ? SMTP_LATER : SMTP_UNREACHABLE;
    case STAGE_RECIPIENT:
    case STAGE_MESSAGE:
        break;
    }
    return passing ? SMTP_LATER : SMTP_REFUSED;
}

static enum smtp_status judge(const struct smtp_client *client, CURLcode result,
                              struct problem *problem)
{
    if (result == CURLE_OK) {
        return SMTP_DONE;
    }
    if (result == CURLE_ABORTED_BY_CALLBACK || atomic_load(&client->aborted)) {
        problem_set(problem, "the message was aborted");
        return SMTP_BROKEN;
    }
    if (client->code >= 400) {
        return judge_answer(client, problem);
    }
    problem_set(problem, "%s", *client->error != '\0' ? client->error : curl_easy_strerror(result));
    return client->stage < STAGE_SENDER ? SMTP_UNREACHABLE : SMTP_BROKEN;
}

/* "<address>", as the commands have it; room for two brackets and the end. */
static void bracket(const char *address, char out[SMTP_ADDRESS_MAX + 3])
{
    size_t length = strnlen(address, SMTP_ADDRESS_MAX);
    out[0] = '<';
    memcpy(out + 1, address, length);
    memcpy(out + 1 + length, ">", 2);
}

static CURLcode perform(struct smtp_client *client, const char *from, struct curl_slist *recipients)
{
    CURL *easy = client->easy;
    CURLcode result = CURLE_OUT_OF_MEMORY;
    (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)client->left);
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients);
    if (curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
        curl_multi_add_handle(client->multi, easy) == CURLM_OK) {
        result = transfer_run(client->multi, &client->aborted);
        (void)curl_multi_remove_handle(client->multi, easy);
    }
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, NULL);
    return result;
}

enum smtp_status smtp_send(struct smtp_client *client, const char *from, const char *to,
                           const char *message, size_t length, struct problem *problem)
{
    char sender[SMTP_ADDRESS_MAX + 3], recipient[SMTP_ADDRESS_MAX + 3];
    bracket(from, sender);
    bracket(to, recipient);
    struct curl_slist *recipients = curl_slist_append(NULL, recipient);
    if (recipients == NULL) {
        problem_set(problem, "out of memory");
        return SMTP_UNREACHABLE;
    }
    client->stage = STAGE_CONNECT;
    client->leaving = false;
    client->code = 0;
    client->error[0] = '\0';
    client->message = message;
    client->left = length;
    CURLcode result = perform(client, sender, recipients);
    curl_slist_free_all(recipients);
    return judge(client, result, problem);
}

void smtp_client_abort(struct smtp_client *client)
{
    atomic_store(&client->aborted, true);
    shut_down(client);
    (void)curl_multi_wakeup(client->multi);
}
