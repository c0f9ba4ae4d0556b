/* Texts with a form: ids, names, addresses. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "phusa/topic.h"
#include "settings/load.h"

#define HOST_MAX    253 /* bytes of a host's name (RFC 1035) */
#define SCHEME_MAX  8
#define ADDRESS_MAX 64 /* bytes of a numeric address */

bool check_id(const struct config_node *group, const char *key, const char *id)
{
    if (phusa_id_valid(phusa_text_of(id))) {
        return true;
    }
    config_complain_at(group, key,
                       "\"%s\" is \"%.64s\"; write 1 to %d of a-z, 0-9 and '-', not beginning "
                       "with '-'",
                       key, id, PHUSA_ID_MAX);
    return false;
}

static bool name_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return name[length] == '\0' && length > 0 && length <= PHUSA_NAME_MAX &&
           islower((unsigned char)name[0]) != 0;
}

bool check_name(const struct config_node *group, const char *key, const char *name)
{
    if (name_valid(name)) {
        return true;
    }
    config_complain_at(group, key,
                       "\"%s\" is \"%.64s\"; write 1 to %d of a-z, 0-9 and '_', beginning with a "
                       "letter",
                       key, name, PHUSA_NAME_MAX);
    return false;
}

/* ---- addresses ---- */

struct address {
    char scheme[SCHEME_MAX + 1];
    const char *host; /* in the text; with its brackets */
    size_t host_length;
    long port;        /* -1: none given */
    const char *rest; /* what follows, from the first '/' */
};

/* Digits to a port; false if it is none. */
static bool parse_port(const char *text, size_t length, long *port)
{
    long value = 0;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]) || value > 65535) {
            return false;
        }
        value = value * 10 + (text[i] - '0');
    }
    *port = value;
    return length > 0 && value <= 65535;
}

static size_t host_length(const char *text)
{
    if (text[0] != '[') {
        return strcspn(text, ":/");
    }
    const char *end = strchr(text, ']');
    return end == NULL ? 0 : (size_t)(end + 1 - text);
}

static bool all_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= 0x20 || c == 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return true;
}

static bool parse_authority(const char *text, struct address *address)
{
    address->host = text;
    address->host_length = host_length(text);
    address->port = -1;
    address->rest = text + address->host_length;
    if (address->host_length == 0 || address->host_length > HOST_MAX ||
        memchr(text, '@', address->host_length) != NULL) {
        return false;
    }
    if (*address->rest == ':') {
        const char *digits = address->rest + 1;
        size_t length = strcspn(digits, "/");
        address->rest = digits + length;
        return parse_port(digits, length, &address->port);
    }
    return *address->rest == '\0' || *address->rest == '/';
}

static bool parse_address(const char *text, struct address *address)
{
    const char *colon = strstr(text, "://");
    if (colon == NULL || colon - text > SCHEME_MAX || !all_printable(text)) {
        return false;
    }
    size_t length = (size_t)(colon - text);
    memcpy(address->scheme, text, length);
    address->scheme[length] = '\0';
    return parse_authority(colon + 3, address) && address->port != 0;
}

/* What is wrong with an address; it may hold a password, so it is not repeated. */
static const char *why_no_address(const char *text)
{
    return strchr(text, '@') != NULL     ? "holds a user or password"
           : strstr(text, "://") == NULL ? "does not begin with its kind"
                                         : "is not an address of the right kind";
}

bool check_url(const struct config_node *group, const char *key, const char *url)
{
    struct address address;
    if (parse_address(url, &address) &&
        (strcmp(address.scheme, "http") == 0 || strcmp(address.scheme, "https") == 0)) {
        return true;
    }
    config_complain_at(group, key,
                       "\"%s\" %s; write http://HOST:PORT or https://HOST:PORT, without user or "
                       "password",
                       key, why_no_address(url));
    return false;
}

static bool numeric_host(const char *host, size_t length)
{
    unsigned char binary[sizeof(struct in6_addr)];
    char text[ADDRESS_MAX];
    bool bracketed = host[0] == '[';
    size_t skip = bracketed ? 1 : 0;
    length -= 2 * skip;
    if (length >= sizeof text) {
        return false;
    }
    memcpy(text, host + skip, length);
    text[length] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, text, binary) == 1;
}

struct scheme {
    const char *written, *kept;
    long port; /* when none is written */
};

static const struct scheme broker_schemes[] = {
    { "tcp", "tcp", 1883 },   { "mqtt", "tcp", 1883 }, { "ssl", "ssl", 8883 },
    { "mqtts", "ssl", 8883 }, { NULL, NULL, 0 },
};
static const struct scheme mail_schemes[] = {
    { "smtp", "smtp", 25 },
    { "smtps", "smtps", 465 },
    { NULL, NULL, 0 },
};
/* RFC 5426, RFC 6587 and RFC 5425 */
static const struct scheme syslog_schemes[] = {
    { "udp", "udp", 514 },
    { "tcp", "tcp", 601 },
    { "tls", "tls", 6514 },
    { NULL, NULL, 0 },
};
static const struct scheme *find_scheme(const struct scheme *known, const char *scheme)
{
    for (; known->written != NULL; known++) {
        if (strcmp(scheme, known->written) == 0) {
            return known;
        }
    }
    return NULL;
}

/* scheme://HOST:PORT with nothing behind it, kept; NULL if it is none of these. */
static const char *server_kept(struct loader *loader, const struct scheme *known, const char *url)
{
    struct address address;
    const struct scheme *scheme =
        parse_address(url, &address) ? find_scheme(known, address.scheme) : NULL;
    if (scheme == NULL || (address.rest[0] != '\0' && strcmp(address.rest, "/") != 0)) {
        return NULL;
    }
    return arena_print(loader->arena, "%s://%.*s:%ld", scheme->kept, (int)address.host_length,
                       address.host, address.port < 0 ? scheme->port : address.port);
}

const char *check_broker(struct loader *loader, const struct config_node *group, const char *uri)
{
    const char *kept = server_kept(loader, broker_schemes, uri);
    if (kept == NULL) {
        config_complain_at(group, "uri",
                           "\"uri\" %s; write tcp://HOST:PORT, or ssl://HOST:PORT for an "
                           "encrypted connection",
                           why_no_address(uri));
    }
    return kept;
}

const char *check_mail_server(struct loader *loader, const struct config_node *group,
                              const char *url)
{
    const char *kept = server_kept(loader, mail_schemes, url);
    if (kept == NULL) {
        config_complain_at(group, "url",
                           "\"url\" %s; write smtp://HOST:PORT or smtps://HOST:PORT, without user "
                           "or password",
                           why_no_address(url));
    }
    return kept;
}

const char *check_log_server(struct loader *loader, const struct config_node *group,
                             const char *url)
{
    const char *kept = server_kept(loader, syslog_schemes, url);
    if (kept == NULL) {
        config_complain_at(group, "url",
                           "\"url\" %s; write udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT",
                           why_no_address(url));
    }
    return kept;
}

static bool is_encrypted(const char *url)
{
    static const char *const schemes[] = { "https:", "ssl:", "smtps:", "tls:" };
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
            return true;
        }
    }
    return false;
}

bool check_ca(const struct config_node *group, const char *ca, const char *url, const char *instead)
{
    if (ca[0] == '\0' || is_encrypted(url)) {
        return true;
    }
    config_complain_at(group, "ca",
                       "\"ca\" is given, but the address is not encrypted; write %s, or leave ca "
                       "out",
                       instead);
    return false;
}

bool check_loopback(const char *url)
{
    struct address address;
    if (!parse_address(url, &address)) {
        return false;
    }
    return (address.host_length == 9 && memcmp(address.host, "localhost", 9) == 0) ||
           (address.host_length == 5 && memcmp(address.host, "[::1]", 5) == 0) ||
           (numeric_host(address.host, address.host_length) &&
            memcmp(address.host, "127.", 4) == 0);
}

const char *check_listen(struct loader *loader, const struct config_node *group, const char *listen)
{
    struct address address;
    bool formed = parse_authority(listen, &address) && address.port >= 0 && *address.rest == '\0';
    if (formed && address.host_length == 9 && memcmp(address.host, "localhost", 9) == 0) {
        return arena_print(loader->arena, "127.0.0.1:%ld", address.port);
    }
    if (formed && numeric_host(address.host, address.host_length)) {
        return listen;
    }
    config_complain_at(group, "listen",
                       "\"listen\" is \"%.128s\"; write a numeric address and a port, such as "
                       "127.0.0.1:8080 or [::1]:8080",
                       listen);
    return NULL;
}

/* ---- times of day ---- */

bool check_time_of_day(const struct config_node *group, const char *key, const char *text,
                       int32_t *seconds)
{
    static const char form[] = "00:00";
    bool formed = strlen(text) == sizeof form - 1;
    for (size_t i = 0; formed && i < sizeof form - 1; i++) {
        formed = form[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == form[i];
    }
    int hours = formed ? (text[0] - '0') * 10 + text[1] - '0' : 99;
    int minutes = formed ? (text[3] - '0') * 10 + text[4] - '0' : 99;
    bool midnight = hours == 24 && minutes == 0;
    if (!midnight && (hours > 23 || minutes > 59)) {
        config_complain_at(group, key, "\"%s\" is \"%.64s\"; write a time of day such as \"06:00\"",
                           key, text);
        return false;
    }
    *seconds = midnight ? 0 : hours * 3600 + minutes * 60;
    return true;
}
