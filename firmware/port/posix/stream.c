#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_MAX 16384 /* bytes in one call: a TLS record */

struct stream_authority {
    SSL_CTX *context;
};

static void set_system_problem(struct problem *problem, int error)
{
    problem_set(problem, "%s", strerror(error));
}

static void set_tls_problem(const struct stream *stream, struct problem *problem)
{
    long verdict = stream != NULL ? SSL_get_verify_result(stream->tls) : X509_V_OK;
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    if (verdict != X509_V_OK) {
        problem_set(problem, "the server's certificate: %s",
                    X509_verify_cert_error_string(verdict));
    } else if (ERR_SYSTEM_ERROR(error)) { /* it has no reason of its own */
        set_system_problem(problem, ERR_GET_REASON(error));
    } else {
        problem_set(problem, "TLS: %s", reason != NULL ? reason : "failed");
    }
}

/* Why TLS failed: the server's certificate, or that it has none. */
static enum hal_trouble trouble_of(const struct stream *stream)
{
    switch (SSL_get_verify_result(stream->tls)) {
    case X509_V_OK:
        return HAL_TROUBLE_TLS;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return HAL_TROUBLE_HOST;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return HAL_TROUBLE_DATE;
    default:
        return HAL_TROUBLE_AUTHORITY;
    }
}

/* --- authority ------------------------------------------------------------------------------ */

static bool set_up(SSL_CTX *context, const char *ca)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    bool known = ca != NULL && *ca != '\0' ? SSL_CTX_load_verify_locations(context, ca, NULL) == 1
                                           : SSL_CTX_set_default_verify_paths(context) == 1;
    return known && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

struct stream_authority *stream_authority_create(const char *ca, struct problem *problem)
{
    struct stream_authority *authority = calloc(1, sizeof *authority);
    ERR_clear_error();
    if (authority != NULL) {
        authority->context = SSL_CTX_new(TLS_client_method());
    }
    if (authority == NULL || authority->context == NULL || !set_up(authority->context, ca)) {
        struct problem why;
        set_tls_problem(NULL, &why);
        problem_set(problem, "%s: %.300s", ca != NULL && *ca != '\0' ? ca : "system's authorities",
                    why.text);
        stream_authority_free(authority);
        return NULL;
    }
    return authority;
}

void stream_authority_free(struct stream_authority *authority)
{
    if (authority != NULL) {
        SSL_CTX_free(authority->context);
        free(authority);
    }
}

/* --- connecting ----------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* The certificate's subjectAltName says whom it is for; its subject does not (RFC 6125, 6.4.4). */
static bool expect_server(SSL *tls, const char *host)
{
    if (is_address(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
    }
    SSL_set_hostflags(tls,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

static bool add_tls(struct stream *stream, const struct stream_authority *authority,
                    const char *host)
{
    stream->tls = SSL_new(authority->context);
    if (stream->tls == NULL || !expect_server(stream->tls, host) ||
        SSL_set_fd(stream->tls, stream->fd) != 1) {
        return false;
    }
    SSL_set_connect_state(stream->tls);
    return true;
}

enum stream_status stream_open(struct stream *stream, const struct sockaddr *address,
                               socklen_t length, const struct stream_authority *authority,
                               const char *host, struct problem *problem)
{
    const int on = 1;
    *stream = (struct stream){
        .fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        .wants_write = true,
        .trouble = HAL_TROUBLE_LINK,
    };
    if (stream->fd < 0) {
        set_system_problem(problem, errno);
        return STREAM_LOST;
    }
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (authority != NULL && !add_tls(stream, authority, host)) {
        set_tls_problem(NULL, problem);
        stream_close(stream);
        return STREAM_LOST;
    }
    if (connect(stream->fd, address, length) != 0 && errno != EINPROGRESS) {
        set_system_problem(problem, errno);
        stream_close(stream);
        return STREAM_LOST;
    }
    return STREAM_AGAIN;
}

/* True if the other side has just closed, without a word of TLS. */
static bool is_cut_off(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

/* What an operation on TLS came to. */
static enum stream_status judge(struct stream *stream, int result, struct problem *problem)
{
    int error = errno;
    switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_NONE:
        return STREAM_DONE;
    case SSL_ERROR_WANT_READ:
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        stream->wants_write = true;
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        problem_set(problem, "the broker closed it");
        return STREAM_LOST;
    case SSL_ERROR_SYSCALL:
        if (error != 0) {
            set_system_problem(problem, error);
            return STREAM_LOST;
        }
        /* fall through */
    default:
        set_tls_problem(stream, problem);
        stream->trouble = is_cut_off() ? HAL_TROUBLE_LINK : trouble_of(stream);
        return STREAM_LOST;
    }
}

static enum stream_status shake_hands(struct stream *stream, struct problem *problem)
{
    ERR_clear_error();
    errno = 0;
    return judge(stream, SSL_do_handshake(stream->tls), problem);
}

enum stream_status stream_connect(struct stream *stream, struct problem *problem)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (!stream->reached) {
        struct sockaddr_storage peer;
        socklen_t peer_size = sizeof peer;
        if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            set_system_problem(problem, error != 0 ? error : errno);
            return STREAM_LOST;
        }
        if (getpeername(stream->fd, (struct sockaddr *)&peer, &peer_size) != 0) {
            return STREAM_AGAIN;
        }
        stream->reached = true;
    }
    stream->wants_write = false;
    return stream->tls == NULL ? STREAM_DONE : shake_hands(stream, problem);
}

/* --- bytes ---------------------------------------------------------------------------------- */

static enum stream_status fail(struct problem *problem, int error)
{
    if (error == EAGAIN || error == EINTR) {
        return STREAM_AGAIN;
    }
    set_system_problem(problem, error);
    return STREAM_LOST;
}

enum stream_status stream_read(struct stream *stream, void *bytes, size_t capacity, size_t *got,
                               struct problem *problem)
{
    size_t most = capacity < PIECE_MAX ? capacity : PIECE_MAX;
    *got = 0;
    if (stream->tls != NULL) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_read(stream->tls, bytes, (int)most);
        *got = result > 0 ? (size_t)result : 0;
        return judge(stream, result, problem);
    }
    ssize_t result = recv(stream->fd, bytes, most, 0);
    if (result < 0) {
        return fail(problem, errno);
    }
    *got = (size_t)result;
    if (result == 0) {
        problem_set(problem, "the broker closed it");
    }
    return result > 0 ? STREAM_DONE : STREAM_LOST;
}

bool stream_holds_some(const struct stream *stream)
{
    return stream->tls != NULL && SSL_pending(stream->tls) > 0;
}

enum stream_status stream_write(struct stream *stream, const void *bytes, size_t length,
                                size_t *taken, struct problem *problem)
{
    size_t most = length < PIECE_MAX ? length : PIECE_MAX;
    *taken = 0;
    stream->wants_write = false;
    if (stream->tls != NULL) {
        ERR_clear_error();
        errno = 0;
        int result = SSL_write(stream->tls, bytes, (int)most);
        *taken = result > 0 ? (size_t)result : 0;
        return judge(stream, result, problem);
    }
    ssize_t result = send(stream->fd, bytes, most, MSG_NOSIGNAL);
    if (result < 0) {
        stream->wants_write = errno == EAGAIN;
        return fail(problem, errno);
    }
    *taken = (size_t)result;
    return STREAM_DONE;
}

void stream_finish(struct stream *stream)
{
    if (stream->tls != NULL && SSL_is_init_finished(stream->tls)) {
        ERR_clear_error();
        (void)SSL_shutdown(stream->tls); /* the broker closes after DISCONNECT anyway */
    } else if (stream->tls == NULL) {
        (void)shutdown(stream->fd, SHUT_WR);
    }
}

void stream_close(struct stream *stream)
{
    SSL_free(stream->tls);
    if (stream->fd >= 0) {
        (void)close(stream->fd);
    }
    *stream = (struct stream){ .fd = -1 };
}
