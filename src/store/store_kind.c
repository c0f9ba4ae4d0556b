#include "store/store_kind.h"

#include <stdio.h>
#include <string.h>

#include "phusa/number.h"

#define BASE64_CHARS    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define CREDENTIALS_MAX 700  /* bytes of user:password; as base64 they fit the header */
#define ROWS_MOST       1e15 /* a counter beyond is no counter */

/* A string that grows in place; overflow is remembered and told at the end. */
struct builder {
    char *at;
    size_t room; /* with the terminator */
    bool good;
};

static void add_char(struct builder *builder, char c)
{
    if (builder->room < 2) {
        builder->good = false;
        return;
    }
    *builder->at++ = c;
    *builder->at = '\0';
    builder->room--;
}

static void add(struct builder *builder, const char *text)
{
    for (; *text != '\0'; text++) {
        add_char(builder, *text);
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

/* Percent-encoded (RFC 3986), so that no name can leave its place in the URL. */
static void add_encoded(struct builder *builder, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text)) {
            add_char(builder, *text);
            continue;
        }
        add_char(builder, '%');
        add_char(builder, hex[(uint8_t)*text >> 4]);
        add_char(builder, hex[(uint8_t)*text & 15]);
    }
}

/* An InfluxQL identifier in its quotes, percent-encoded. */
static void add_identifier(struct builder *builder, const char *name)
{
    add_encoded(builder, "\"");
    for (; *name != '\0'; name++) {
        const char one[] = { *name, '\0' };
        if (*name == '"' || *name == '\\') {
            add_encoded(builder, "\\");
        }
        add_encoded(builder, *name == '\n' ? "\\n" : one);
    }
    add_encoded(builder, "\"");
}

static struct builder begin(char *buffer, size_t capacity)
{
    *buffer = '\0';
    return (struct builder){ .at = buffer, .room = capacity, .good = true };
}

/* The base URL without the slashes at its end, and a path. */
static struct builder begin_url(char *buffer, const char *base, const char *path)
{
    struct builder builder = begin(buffer, STORE_URL_MAX);
    add(&builder, base);
    while (builder.at > buffer && builder.at[-1] == '/') {
        *--builder.at = '\0';
        builder.room++;
    }
    add(&builder, path);
    return builder;
}

static bool make_victoria(const struct store_settings *settings, struct store_target *target)
{
    struct builder write = begin_url(target->write_url, settings->url, "/write?precision=ns");
    struct builder metrics = begin_url(target->metrics_url, settings->url, "/metrics");
    return write.good && metrics.good;
}

static bool make_influxdb1(const struct store_settings *settings, struct store_target *target)
{
    struct builder write = begin_url(target->write_url, settings->url, "/write?precision=ns&db=");
    add_encoded(&write, settings->database);
    struct builder create = begin_url(target->create_url, settings->url, "/query?q=");
    add_encoded(&create, "CREATE DATABASE ");
    add_identifier(&create, settings->database);
    return write.good && create.good;
}

static bool make_influxdb2(const struct store_settings *settings, struct store_target *target)
{
    struct builder write =
        begin_url(target->write_url, settings->url, "/api/v2/write?precision=ns&org=");
    add_encoded(&write, settings->org);
    add(&write, "&bucket=");
    add_encoded(&write, settings->bucket);
    return write.good;
}

static bool make_urls(const struct store_settings *settings, struct store_target *target)
{
    switch (settings->kind) {
    case STORE_VICTORIA:
        return make_victoria(settings, target);
    case STORE_INFLUXDB1:
        return make_influxdb1(settings, target);
    case STORE_INFLUXDB2:
        return make_influxdb2(settings, target);
    }
    return false;
}

static void add_base64(struct builder *builder, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < length ? (uint8_t)text[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            bool padding = k > length - i;
            add_char(builder, padding ? '=' : BASE64_CHARS[group >> (18 - 6 * k) & 63]);
        }
    }
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((uint8_t)*text < ' ' || *text == '\x7f') {
            return true;
        }
    }
    return false;
}

static bool given(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool make_basic(const struct store_settings *settings, struct store_target *target)
{
    char credentials[CREDENTIALS_MAX];
    const char *password = settings->password == NULL ? "" : settings->password;
    int length = snprintf(credentials, sizeof credentials, "%s:%s", settings->user, password);
    if (length < 0 || (size_t)length >= sizeof credentials || has_control(credentials)) {
        return false;
    }
    struct builder builder = begin(target->authorization, sizeof target->authorization);
    add(&builder, "Authorization: Basic ");
    add_base64(&builder, credentials, (size_t)length);
    return builder.good;
}

static bool make_token(const struct store_settings *settings, struct store_target *target)
{
    struct builder builder = begin(target->authorization, sizeof target->authorization);
    add(&builder, "Authorization: ");
    add(&builder, settings->kind == STORE_VICTORIA ? "Bearer " : "Token ");
    add(&builder, settings->token);
    return builder.good && !has_control(settings->token);
}

static bool make_authorization(const struct store_settings *settings, struct store_target *target)
{
    if (settings->kind != STORE_INFLUXDB2 && given(settings->user)) {
        return make_basic(settings, target);
    }
    return !given(settings->token) || make_token(settings, target);
}

static bool wants_gzip(const struct store_settings *settings)
{
    switch (settings->gzip) {
    case GZIP_ON:
        return true;
    case GZIP_OFF:
        return false;
    case GZIP_AUTO:
        return !store_url_is_loopback(settings->url);
    }
    return false;
}

bool store_target_make(const struct store_settings *settings, struct store_target *target)
{
    memset(target, 0, sizeof *target);
    target->gzip = wants_gzip(settings);
    return make_urls(settings, target) && make_authorization(settings, target);
}

bool store_url_is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    if (host == NULL) {
        return false;
    }
    host += 3;
    size_t authority = strcspn(host, "/?#");
    const char *user = memchr(host, '@', authority);
    if (user != NULL) {
        authority -= (size_t)(user + 1 - host);
        host = user + 1;
    }
    if (authority >= 5 && memcmp(host, "[::1]", 5) == 0) {
        return true;
    }
    size_t length = strcspn(host, ":/?#");
    return (length == 9 && memcmp(host, "localhost", 9) == 0) ||
           (length > 4 && memcmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == length);
}

/* The number at the end of a metric's line, if the line is of that metric (with labels or without).
 */
static bool metric_value(struct phusa_text line, const char *name, double *value)
{
    size_t length = strlen(name);
    if (line.length <= length || memcmp(line.data, name, length) != 0 ||
        (line.data[length] != ' ' && line.data[length] != '{')) {
        return false;
    }
    const char *space = memrchr(line.data, ' ', line.length);
    if (space == NULL) {
        return false;
    }
    const char *number = space + 1;
    return phusa_double_parse(number, (size_t)(line.data + line.length - number), value);
}

static uint64_t as_count(double value)
{
    return value >= 0 && value < ROWS_MOST ? (uint64_t)value : 0;
}

static void read_line(struct phusa_text line, struct store_metrics *metrics)
{
    double value = 0;
    if (metric_value(line, "vm_app_start_timestamp", &value)) {
        metrics->has_start = true;
        metrics->start = value;
    } else if (metric_value(line, "vm_rows_invalid_total", &value)) {
        metrics->rows_invalid += as_count(value);
    } else if (metric_value(line, "vm_rows_ignored_total", &value)) {
        metrics->rows_ignored += as_count(value);
    }
}

void store_metrics_read(struct phusa_text text, struct store_metrics *metrics)
{
    *metrics = (struct store_metrics){ 0 };
    const char *at = text.data, *end = text.data + text.length;
    while (at < end) {
        const char *found = memchr(at, '\n', (size_t)(end - at));
        const char *stop = found == NULL ? end : found;
        read_line((struct phusa_text){ at, (size_t)(stop - at) }, metrics);
        at = stop + 1;
    }
}
