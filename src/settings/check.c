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

bool check_ca(const struct config_node *group, const char *ca, const char *url)
{
    bool encrypted = strncmp(url, "https:", 6) == 0 || strncmp(url, "ssl:", 4) == 0;
    if (ca[0] == '\0' || encrypted) {
        return true;
    }
    config_complain_at(group, "ca",
                       "\"ca\" is given, but the address is not encrypted; write %s, or leave ca "
                       "out",
                       strncmp(url, "tcp:", 4) == 0 ? "ssl://" : "https://");
    return false;
}

struct broker_scheme {
    const char *written, *kept;
    long port;
};

static const struct broker_scheme *broker_scheme(const char *scheme)
{
    static const struct broker_scheme known[] = {
        { "tcp", "tcp", 1883 },
        { "mqtt", "tcp", 1883 },
        { "ssl", "ssl", 8883 },
        { "mqtts", "ssl", 8883 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(scheme, known[i].written) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

const char *check_broker(struct loader *loader, const struct config_node *group, const char *uri)
{
    struct address address;
    const struct broker_scheme *scheme =
        parse_address(uri, &address) ? broker_scheme(address.scheme) : NULL;
    if (scheme == NULL || (address.rest[0] != '\0' && strcmp(address.rest, "/") != 0)) {
        config_complain_at(group, "uri",
                           "\"uri\" %s; write tcp://HOST:PORT, or ssl://HOST:PORT for an "
                           "encrypted connection",
                           why_no_address(uri));
        return NULL;
    }
    return arena_print(loader->arena, "%s://%.*s:%ld", scheme->kept, (int)address.host_length,
                       address.host, address.port < 0 ? scheme->port : address.port);
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
