/* Broker, journal, store and http. */
#include <string.h>

#include "settings/load.h"
#include "settings/schema.h"

_Static_assert(sizeof(enum store_kind) == sizeof(unsigned), "a choice is stored as unsigned");

/* ---- broker ---- */

struct broker_read {
    struct broker_settings kept;
    const char *uri, *password_file;
};

#define AT(member) offsetof(struct broker_read, member)
static const struct config_key broker_keys[] = {
    { "uri", CONFIG_STRING, AT(uri), .required = true, .example = "tcp://127.0.0.1:1883" },
    { "client_id", CONFIG_STRING, AT(kept.client_id), .fallback = "phusa", .least = "1",
      .most = "128" },
    { "user", CONFIG_STRING, AT(kept.user), .fallback = "", .most = "256", .example = "phusad" },
    { "password_file", CONFIG_STRING, AT(password_file), .fallback = "",
      .example = "broker.secret" },
    { "ca", CONFIG_STRING, AT(kept.ca), .fallback = "", .example = "ca.pem" },
    { "keepalive", CONFIG_DURATION, AT(kept.keepalive_ns), .fallback = "30s", .least = "1s",
      .most = "1h" },
};
#undef AT
const struct config_schema schema_broker = SCHEMA("broker", broker_keys);

static void check_password_user(const struct config_node *group, const char *user,
                                const char *password_file)
{
    if (password_file[0] != '\0' && user[0] == '\0') {
        config_complain_at(group, "password_file",
                           "\"password_file\" is given without a user; add user = \"phusad\";");
    }
}

static void load_broker(struct loader *loader, const struct config_node *group)
{
    struct broker_read read = { .uri = NULL };
    (void)config_read_group(group, &schema_broker, &read);
    struct broker_settings *broker = &loader->settings->broker;
    *broker = read.kept;
    broker->uri = read.uri == NULL ? NULL : check_broker(loader, group, read.uri);
    if (broker->uri != NULL) {
        (void)check_ca(group, broker->ca, broker->uri, "ssl://");
    }
    check_password_user(group, broker->user, read.password_file);
    broker->password = source_secret(loader, group, "password_file", read.password_file);
    broker->ca = source_readable(loader, group, "ca", broker->ca);
}

/* ---- journal ---- */

#define AT(member) offsetof(struct journal_settings, member)
static const struct config_key journal_keys[] = {
    { "path", CONFIG_STRING, AT(path), .required = true, .least = "1",
      .example = "/var/lib/phusa/journal" },
    { "keep", CONFIG_DURATION, AT(keep_ns), .fallback = "30d", .least = "1h", .most = "36500d" },
    { "keep_bytes", CONFIG_SIZE, AT(keep_bytes), .fallback = "20G", .least = "1M",
      .most = "1024T" },
    { "reserve", CONFIG_SIZE, AT(reserve_bytes), .fallback = "64M", .least = "0", .most = "1T" },
    { "segment", CONFIG_SIZE, AT(segment_bytes), .fallback = "64M", .least = "1M", .most = "1G" },
    { "sync", CONFIG_DURATION, AT(sync_ns), .fallback = "20ms", .least = "1ms", .most = "1s" },
    { "strict", CONFIG_BOOL, AT(strict), .fallback = "false" },
    { "snapshot", CONFIG_DURATION, AT(snapshot_ns), .fallback = "1m", .least = "1s", .most = "1h" },
};
#undef AT
const struct config_schema schema_journal = SCHEMA("journal", journal_keys);

static void load_journal(struct loader *loader, const struct config_node *group)
{
    struct journal_settings *journal = &loader->settings->journal;
    (void)config_read_group(group, &schema_journal, journal);
    if (journal->path != NULL) {
        journal->path = source_path(loader, journal->path);
    }
    if (journal->keep_bytes < journal->segment_bytes) {
        config_complain_at(group, "keep_bytes",
                           "\"keep_bytes\" is less than one segment (%lld bytes); write at least "
                           "that, or a smaller segment",
                           (long long)journal->segment_bytes);
    }
}

/* ---- store ---- */

struct store_read {
    struct store_settings kept;
    const char *password_file, *token_file;
};

static const char *const store_kinds[] = { "victoria", "influxdb1", "influxdb2", NULL };
static const char *const gzip_choices[] = { "auto", "on", "off", NULL };

#define AT(member) offsetof(struct store_read, member)
static const struct config_key store_keys[] = {
    { "kind", CONFIG_CHOICE, AT(kept.kind), .fallback = "victoria", .choices = store_kinds },
    { "url", CONFIG_STRING, AT(kept.url), .required = true, .example = "http://127.0.0.1:8428" },
    { "database", CONFIG_STRING, AT(kept.database), .fallback = "phusa", .least = "1",
      .most = "128" },
    { "org", CONFIG_STRING, AT(kept.org), .fallback = "", .most = "128" },
    { "bucket", CONFIG_STRING, AT(kept.bucket), .fallback = "phusa", .least = "1", .most = "128" },
    { "user", CONFIG_STRING, AT(kept.user), .fallback = "", .most = "256", .example = "phusad" },
    { "password_file", CONFIG_STRING, AT(password_file), .fallback = "",
      .example = "store.secret" },
    { "token_file", CONFIG_STRING, AT(token_file), .fallback = "", .example = "store.token" },
    { "ca", CONFIG_STRING, AT(kept.ca), .fallback = "", .example = "ca.pem" },
    { "batch_lines", CONFIG_INTEGER, AT(kept.batch_lines), .fallback = "5000", .least = "1",
      .most = "100000" },
    { "batch_bytes", CONFIG_SIZE, AT(kept.batch_bytes), .fallback = "1M", .least = "64K",
      .most = "32M" },
    { "batch_age", CONFIG_DURATION, AT(kept.batch_age_ns), .fallback = "200ms", .least = "1ms",
      .most = "1m" },
    { "timeout", CONFIG_DURATION, AT(kept.timeout_ns), .fallback = "30s", .least = "100ms",
      .most = "10m" },
    { "gzip", CONFIG_CHOICE, AT(kept.gzip), .fallback = "auto", .choices = gzip_choices },
    { "margin", CONFIG_DURATION, AT(kept.margin_ns), .fallback = "10s", .least = "10s",
      .most = "1h" },
    { "spool_bytes", CONFIG_SIZE, AT(kept.spool_bytes), .fallback = "10G", .least = "1M",
      .most = "1024T" },
};
#undef AT
const struct config_schema schema_store = SCHEMA("store", store_keys);

/* A spool lets whole segments go, which are as big as the journal's. */
static void check_spool(const struct loader *loader, const struct config_node *group)
{
    int64_t segment = loader->settings->journal.segment_bytes;
    if (loader->settings->store.spool_bytes < segment) {
        config_complain_at(group, "spool_bytes",
                           "\"spool_bytes\" is less than one segment (%lld bytes); write at least "
                           "that, or a smaller journal.segment",
                           (long long)segment);
    }
}

static void load_store(struct loader *loader, const struct config_node *group)
{
    struct store_read read = { .password_file = NULL };
    (void)config_read_group(group, &schema_store, &read);
    struct store_settings *store = &loader->settings->store;
    *store = read.kept;
    if (store->url != NULL && check_url(group, "url", store->url)) {
        (void)check_ca(group, store->ca, store->url, "https://");
    }
    check_password_user(group, store->user, read.password_file);
    store->password = source_secret(loader, group, "password_file", read.password_file);
    store->token = source_secret(loader, group, "token_file", read.token_file);
    store->ca = source_readable(loader, group, "ca", store->ca);
    check_spool(loader, group);
}

/* ---- http ---- */

#define TOKEN_LEAST 16 /* characters; a shorter one can be guessed */

struct http_read {
    struct http_settings kept;
    const char *token_file;
};

#define AT(member) offsetof(struct http_read, member)
static const struct config_key http_keys[] = {
    { "listen", CONFIG_STRING, AT(kept.listen), .fallback = "127.0.0.1:8080", .most = "128" },
    { "token_file", CONFIG_STRING, AT(token_file), .fallback = "", .example = "http.token" },
};
#undef AT
const struct config_schema schema_http = SCHEMA("http", http_keys);

static void check_token(const struct config_node *group, const char *token)
{
    if (token[0] != '\0' && strlen(token) < TOKEN_LEAST) {
        config_complain_at(
            group, "token_file",
            "\"token_file\": the token is too short; at least %d characters, e.g. of "
            "openssl rand -hex 16",
            TOKEN_LEAST);
    }
}

static void load_http(struct loader *loader, const struct config_node *group)
{
    struct http_read read = { .token_file = NULL };
    struct http_settings *http = &loader->settings->http;
    if (group == NULL) {
        config_read_fallbacks(&loader->sink, &schema_http, &read);
        *http = read.kept;
        http->token = "";
        return;
    }
    bool good = config_read_group(group, &schema_http, &read);
    *http = read.kept;
    if (good) {
        http->listen = check_listen(loader, group, http->listen);
    }
    http->token = source_secret(loader, group, "token_file", read.token_file);
    check_token(group, http->token);
}

/* ---- all ---- */

typedef void load_group(struct loader *loader, const struct config_node *group);

static void load_required(struct loader *loader, const struct config_node *phusa, const char *key,
                          const struct config_node *group, const char *example, load_group *load)
{
    if (group == NULL) {
        config_complain_at(phusa, key, "missing key \"%s\" in phusa; write %s : { %s };", key, key,
                           example);
    } else {
        load(loader, group);
    }
}

void load_services(struct loader *loader, const struct config_node *phusa,
                   const struct service_nodes *nodes)
{
    load_required(loader, phusa, "broker", nodes->broker, "uri = \"tcp://127.0.0.1:1883\";",
                  load_broker);
    load_required(loader, phusa, "journal", nodes->journal, "path = \"/var/lib/phusa/journal\";",
                  load_journal);
    load_required(loader, phusa, "store", nodes->store, "url = \"http://127.0.0.1:8428\";",
                  load_store);
    load_http(loader, nodes->http);
    load_channels(loader, &nodes->channels);
}
