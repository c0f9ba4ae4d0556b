/*
 * Channels. One table has the keys of all kinds, another which kinds a key belongs to: a key of
 * another kind is a mistake that names the kind, not a setting that does nothing.
 */
#include <stdio.h>
#include <string.h>

#include "phusa/topic.h"
#include "settings/load.h"
#include "settings/schema.h"

_Static_assert(sizeof(enum channel_kind) == sizeof(unsigned), "a choice is stored as unsigned");
_Static_assert(sizeof(enum language) == sizeof(unsigned), "a choice is stored as unsigned");

#define KIND_UNKNOWN ((enum channel_kind) - 1)
#define BURST        3                    /* of people's channels */
#define GATHER_NS    INT64_C(60000000000) /* default of people's channels */

/* ---- keys ---- */

static const char *const kinds[] = { "webhook", "alertmanager", "email",  "sms",
                                     "board",   "cap",          "syslog", NULL };
static const char *const languages[] = { "vi", "en", NULL };
static const char *const methods[] = { "GET", "POST", NULL };
static const char *const content_types[] = { "application/x-www-form-urlencoded",
                                             "application/json", NULL };
static const char *const statuses[] = { "Actual", "Exercise", "Test", NULL };
static const char *const severities[] = { "minor", "moderate", "severe", "extreme", NULL };
/* RFC 5424, table 1; the place is the number. */
static const char *const facilities[] = { "kern",     "user",   "mail",   "daemon", "auth",
                                          "syslog",   "lpr",    "news",   "uucp",   "cron",
                                          "authpriv", "ftp",    "ntp",    "audit",  "alert",
                                          "clock",    "local0", "local1", "local2", "local3",
                                          "local4",   "local5", "local6", "local7", NULL };

struct channel_read {
    struct channel_settings kept;
    const char *secret_file, *password_file;
    struct config_list to, headers, boards, report_failed, report_done;
    unsigned method, content_type, status, facility;
    const struct config_node *pace, *quiet;
};

#define AT(member) offsetof(struct channel_read, member)
static const struct config_key channel_keys[] = {
    { "id", CONFIG_STRING, AT(kept.id), .required = true, .example = "ioc" },
    { "kind", CONFIG_CHOICE, AT(kept.kind), .required = true, .choices = kinds },
    { "url", CONFIG_STRING, AT(kept.url), .example = "https://ioc.example/alarm" },
    { "secret_file", CONFIG_STRING, AT(secret_file), .fallback = "", .example = "ioc.secret" },
    { "ca", CONFIG_STRING, AT(kept.ca), .fallback = "", .example = "ca.pem" },
    { "timeout", CONFIG_DURATION, AT(kept.timeout_ns), .fallback = "10s", .least = "100ms",
      .most = "2m" },
    { "per_minute", CONFIG_INTEGER, AT(kept.per_minute), .fallback = "0", .least = "0",
      .most = "60000" },
    { "user", CONFIG_STRING, AT(kept.user), .fallback = "", .most = "256", .example = "phusa" },
    { "password_file", CONFIG_STRING, AT(password_file), .fallback = "", .example = "smtp.secret" },
    { "from", CONFIG_STRING, AT(kept.from), .fallback = "", .most = "254",
      .example = "canhbao@example.vn" },
    { "to", CONFIG_STRINGS, AT(to), .most = "64", .example = "[\"+84901234567\"]" },
    { "subscribers", CONFIG_BOOL, AT(kept.subscribers), .fallback = "false" },
    { "language", CONFIG_CHOICE, AT(kept.language), .fallback = "vi", .choices = languages },
    { "pace", CONFIG_GROUP, AT(pace), .example = "{ burst = 3; gather = \"60s\"; }" },
    { "quiet", CONFIG_GROUP, AT(quiet), .example = "{ from = \"21:00\"; until = \"05:00\"; }" },
    { "starttls", CONFIG_BOOL, AT(kept.starttls), .example = "true" },
    { "method", CONFIG_CHOICE, AT(method), .fallback = "GET", .choices = methods },
    { "body", CONFIG_STRING, AT(kept.body), .fallback = "", .most = "2048",
      .example = "to={to}&text={text}" },
    { "content_type", CONFIG_CHOICE, AT(content_type),
      .fallback = "application/x-www-form-urlencoded", .choices = content_types },
    { "headers", CONFIG_STRINGS, AT(headers), .most = "4",
      .example = "[\"Authorization: Bearer {password}\"]" },
    { "accepted", CONFIG_STRING, AT(kept.accepted), .fallback = "", .most = "128",
      .example = "Accepted" },
    { "diacritics", CONFIG_BOOL, AT(kept.diacritics), .fallback = "false" },
    { "parts", CONFIG_INTEGER, AT(kept.parts), .fallback = "1", .least = "0", .most = "4" },
    { "report_base", CONFIG_STRING, AT(kept.report_base), .fallback = "", .most = "256",
      .example = "http://127.0.0.1:8080" },
    { "report_failed", CONFIG_STRINGS, AT(report_failed), .most = "16",
      .example = "[\"2\", \"16\"]" },
    { "report_done", CONFIG_STRINGS, AT(report_done), .most = "16", .example = "[\"1\"]" },
    { "report_within", CONFIG_DURATION, AT(kept.report_within_ns), .fallback = "10m", .least = "0s",
      .most = "7d" },
    { "boards", CONFIG_GROUPS, AT(boards), .most = "256",
      .example = "( { id = \"gate\"; site = \"my-tho\"; } )" },
    { "link", CONFIG_STRING, AT(kept.link), .fallback = "", .most = "256",
      .example = "https://iot.example.vn/alarms" },
    { "path", CONFIG_STRING, AT(kept.path), .fallback = "", .example = "/var/lib/phusa/cap" },
    { "sender", CONFIG_STRING, AT(kept.sender), .fallback = "", .most = "128",
      .example = "phusa@example.vn" },
    { "sender_name", CONFIG_STRING, AT(kept.sender_name), .fallback = "", .most = "128",
      .example = "Phù Sa" },
    { "status", CONFIG_CHOICE, AT(status), .fallback = "Actual", .choices = statuses },
    { "expires", CONFIG_DURATION, AT(kept.expires_ns), .fallback = "1d", .least = "5m",
      .most = "30d" },
    { "facility", CONFIG_CHOICE, AT(facility), .fallback = "local0", .choices = facilities },
};
#undef AT
const struct config_schema schema_channel = SCHEMA("channel", channel_keys);

#define WEB     (1u << CHANNEL_WEBHOOK)
#define MANAGER (1u << CHANNEL_ALERTMANAGER)
#define EMAIL   (1u << CHANNEL_EMAIL)
#define SMS     (1u << CHANNEL_SMS)
#define BOARD   (1u << CHANNEL_BOARD)
#define CAP     (1u << CHANNEL_CAP)
#define SYSLOG  (1u << CHANNEL_SYSLOG)
#define NETWORK (WEB | MANAGER | EMAIL | SMS | SYSLOG)
#define PEOPLE  (EMAIL | SMS)

static const struct {
    const char *key;
    unsigned kinds;
} belongs[] = {
    { "url", NETWORK },        { "ca", NETWORK },
    { "timeout", NETWORK },    { "secret_file", WEB | SMS },
    { "user", PEOPLE },        { "password_file", PEOPLE },
    { "from", PEOPLE },        { "to", PEOPLE },
    { "subscribers", PEOPLE }, { "language", PEOPLE | BOARD | SYSLOG },
    { "pace", PEOPLE },        { "quiet", PEOPLE },
    { "starttls", EMAIL },     { "method", SMS },
    { "body", SMS },           { "content_type", SMS },
    { "headers", SMS },        { "accepted", SMS },
    { "diacritics", SMS },     { "boards", BOARD },
    { "path", CAP },           { "sender", CAP },
    { "link", MANAGER | CAP }, { "sender_name", CAP },
    { "status", CAP },         { "expires", CAP },
    { "facility", SYSLOG },    { "per_minute", NETWORK },
    { "report_base", SMS },    { "report_failed", SMS },
    { "report_done", SMS },    { "report_within", SMS },
    { "parts", SMS },
};

/* "email and sms" */
static const char *print_kinds(unsigned which, char *buffer, size_t capacity)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (unsigned i = 0; kinds[i] != NULL && used < capacity; i++) {
        if ((which & (1u << i)) == 0) {
            continue;
        }
        const char *joint = used == 0 ? "" : (which >> (i + 1)) == 0 ? " and " : ", ";
        int written = snprintf(buffer + used, capacity - used, "%s%s", joint, kinds[i]);
        used += written > 0 ? (size_t)written : 0;
    }
    return buffer;
}

static void check_belongs(const struct config_node *group, enum channel_kind kind)
{
    for (size_t i = 0; i < sizeof belongs / sizeof *belongs; i++) {
        if ((belongs[i].kinds & (1u << kind)) != 0 || config_at(group, belongs[i].key) == group) {
            continue;
        }
        char others[96];
        config_complain_at(group, belongs[i].key,
                           "\"%s\" has no meaning for a channel of kind \"%s\"; it is for %s",
                           belongs[i].key, kinds[kind],
                           print_kinds(belongs[i].kinds, others, sizeof others));
    }
}

/* What a kind cannot do without. */
static bool check_given(const struct config_node *group, enum channel_kind kind, const char *key,
                        const char *example)
{
    if (config_at(group, key) != group) {
        return true;
    }
    config_complain(group, "missing key \"%s\" in channel of kind \"%s\"; write %s = %s;", key,
                    kinds[kind], key, example);
    return false;
}

/* ---- pace and quiet hours ---- */

#define AT(member) offsetof(struct channel_pace, member)
static const struct config_key pace_keys[] = {
    { "burst", CONFIG_INTEGER, AT(burst), .fallback = "3", .least = "1", .most = "1000" },
    { "gather", CONFIG_DURATION, AT(gather_ns), .fallback = "1m", .least = "0s", .most = "1h" },
};
#undef AT
const struct config_schema schema_pace = SCHEMA("pace", pace_keys);

struct quiet_read {
    const char *from, *until;
    unsigned below;
};

#define AT(member) offsetof(struct quiet_read, member)
static const struct config_key quiet_keys[] = {
    { "from", CONFIG_STRING, AT(from), .required = true, .example = "21:00" },
    { "until", CONFIG_STRING, AT(until), .required = true, .example = "05:00" },
    { "below", CONFIG_CHOICE, AT(below), .fallback = "severe", .choices = severities },
};
#undef AT
const struct config_schema schema_quiet = SCHEMA("quiet", quiet_keys);

static void set_quiet(const struct config_node *group, struct channel_quiet *quiet)
{
    struct quiet_read read = { .from = NULL };
    *quiet = (struct channel_quiet){ .below = SEVERITY_SEVERE };
    if (group == NULL || !config_read_group(group, &schema_quiet, &read)) {
        return;
    }
    quiet->below = (enum severity)(read.below + SEVERITY_MINOR);
    if (check_time_of_day(group, "from", read.from, &quiet->from_s) &&
        check_time_of_day(group, "until", read.until, &quiet->until_s) &&
        quiet->from_s == quiet->until_s) {
        config_complain_at(group, "until",
                           "\"until\" is the same time as \"from\"; leave quiet out to have none");
    }
}

static void set_pace(const struct config_node *group, enum channel_kind kind,
                     struct channel_pace *pace)
{
    bool people = kind == CHANNEL_EMAIL || kind == CHANNEL_SMS;
    *pace = (struct channel_pace){ .burst = BURST, .gather_ns = people ? GATHER_NS : 0 };
    if (group != NULL) {
        (void)config_read_group(group, &schema_pace, pace);
    }
}

/* ---- recipients ---- */

/* The address as it is kept; NULL and a complaint (which does not repeat it in full). */
static const char *keep_address(struct loader *loader, const struct config_node *node,
                                enum channel_kind kind, const char *text)
{
    char phone[17], masked[ADDRESS_MASKED_MAX];
    if (kind == CHANNEL_SMS && subscriber_phone(phusa_text_of(text), phone)) {
        return arena_text(loader->arena, phone);
    }
    if (kind == CHANNEL_EMAIL && subscriber_email(phusa_text_of(text))) {
        return arena_text(loader->arena, text);
    }
    config_complain(node, "\"%s\" is no %s", subscriber_mask(text, masked),
                    kind == CHANNEL_SMS
                        ? "mobile number; write it such as \"+84901234567\" or \"0901234567\""
                        : "e-mail address; write it such as \"name@example.vn\"");
    return NULL;
}

static bool listed(const struct channel_settings *channel, const char *address)
{
    for (size_t i = 0; i < channel->to_count; i++) {
        if (strcmp(channel->to[i], address) == 0) {
            return true;
        }
    }
    return false;
}

static void set_recipients(struct loader *loader, const struct config_list *list,
                           struct channel_settings *channel)
{
    const char **to = arena_alloc(loader->arena, list->count, sizeof *to);
    channel->to = to;
    for (size_t i = 0; to != NULL && i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *address = keep_address(loader, node, channel->kind, config_string_at(list, i));
        if (address != NULL && listed(channel, address)) {
            config_complain(node, "this address is listed twice; keep one");
        } else if (address != NULL) {
            to[channel->to_count++] = address;
        }
    }
}

static void check_heard(const struct config_node *group, const struct config_list *to,
                        const struct channel_settings *channel)
{
    if (to->count == 0 && !channel->subscribers) {
        config_complain(
            group, "channel \"%s\" reaches nobody; write to = [\"%s\"]; or subscribers = true;",
            channel->id == NULL ? "" : channel->id,
            channel->kind == CHANNEL_SMS ? "+84901234567" : "name@example.vn");
    }
}

/* ---- kinds ---- */

static void load_web(const struct config_node *group, struct channel_settings *channel)
{
    if (check_given(group, channel->kind, "url", "\"https://ioc.example/alarm\"") &&
        channel->url != NULL && check_url(group, "url", channel->url)) {
        (void)check_ca(group, channel->ca, channel->url, "https://");
    }
}

static void set_starttls(const struct config_node *group, struct channel_settings *channel)
{
    bool given = config_at(group, "starttls") != group;
    bool wrapped = strncmp(channel->url, "smtps:", 6) == 0;
    if (given && wrapped) {
        config_complain_at(
            group, "starttls",
            "\"starttls\" is for smtp://; smtps:// is encrypted from the first byte");
    } else if (!given) {
        channel->starttls = !wrapped && !check_loopback(channel->url);
    }
    if (channel->ca[0] != '\0' && !wrapped && !channel->starttls) {
        config_complain_at(group, "ca",
                           "\"ca\" is given, but the connection is not encrypted; write starttls = "
                           "true; or smtps://, or leave ca out");
    }
}

static void load_email(struct loader *loader, const struct config_node *group,
                       struct channel_read *read, struct channel_settings *channel)
{
    if (check_given(group, CHANNEL_EMAIL, "url", "\"smtp://mail.example.vn:25\"") &&
        channel->url != NULL) {
        channel->url = check_mail_server(loader, group, channel->url);
    }
    if (channel->url != NULL) {
        set_starttls(group, channel);
    }
    if (channel->user[0] == '\0' && read->password_file[0] != '\0') {
        config_complain_at(group, "password_file",
                           "\"password_file\" is given without a user; add user = \"phusa\";");
    }
    if (check_given(group, CHANNEL_EMAIL, "from", "\"canhbao@example.vn\"") &&
        !subscriber_email(phusa_text_of(channel->from))) {
        config_complain_at(group, "from",
                           "\"from\" is no e-mail address; write it such as "
                           "\"canhbao@example.vn\"");
    }
    set_recipients(loader, &read->to, channel);
    check_heard(group, &read->to, channel);
}

/* The first piece {word} of lower-case letters that is no field of a request; {} when all are. */
static struct phusa_text unknown_field(const char *text)
{
    static const char *const fields[] = { "to",  "text",   "from",   "user", "password",
                                          "key", "coding", "report", NULL };
    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
        size_t length = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz");
        bool known = length == 0 || at[1 + length] != '}';
        for (size_t i = 0; !known && fields[i] != NULL; i++) {
            known =
                phusa_text_equal((struct phusa_text){ at + 1, length }, phusa_text_of(fields[i]));
        }
        if (!known) {
            return (struct phusa_text){ at, length + 2 };
        }
    }
    return (struct phusa_text){ NULL, 0 };
}

static void check_request_text(const struct config_node *node, const char *key, const char *text)
{
    struct phusa_text bad = unknown_field(text);
    if (bad.length > 0) {
        config_complain_at(node, key,
                           "\"%s\" holds %.*s; what is filled in is {to}, {text}, {from}, {user}, "
                           "{password}, {key}, {coding} and {report}",
                           key, bad.length > 40 ? 40 : (int)bad.length, bad.data);
    }
}

static void set_headers(struct loader *loader, const struct config_node *group,
                        const struct config_list *list, struct channel_settings *channel)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *text = config_string_at(list, i);
        size_t name = strcspn(text, ": ");
        if (name == 0 || text[name] != ':') {
            config_complain(node, "\"headers\" holds \"%.64s\"; write \"Name: value\"", text);
        }
        check_request_text(group, "headers", text);
        channel->headers[i] = arena_text(loader->arena, text);
    }
}

/* Both the number and the text go out somewhere. */
static void check_request(const struct config_node *group, const struct channel_settings *channel)
{
    static const char *const needed[] = { "{to}", "{text}", NULL };
    check_request_text(group, "url", channel->url);
    check_request_text(group, "body", channel->body);
    for (size_t i = 0; needed[i] != NULL; i++) {
        if (strstr(channel->url, needed[i]) == NULL && strstr(channel->body, needed[i]) == NULL) {
            config_complain_at(
                group, "url",
                "neither \"url\" nor \"body\" holds %s; write such as "
                "http://HOST:PORT/cgi-bin/sendsms?to={to}&text={text}&coding={coding}",
                needed[i]);
        }
    }
    if (channel->body[0] != '\0' && strcmp(channel->method, "GET") == 0) {
        config_complain_at(group, "body",
                           "\"body\" goes with method = \"POST\"; write that, or "
                           "leave body out");
    }
}

static void load_sms(struct loader *loader, const struct config_node *group,
                     struct channel_read *read, struct channel_settings *channel)
{
    channel->method = methods[read->method];
    channel->content_type = content_types[read->content_type];
    load_web(group, channel);
    if (channel->url != NULL) {
        check_request(group, channel);
    }
    set_headers(loader, group, &read->headers, channel);
    load_reports(loader, group, &read->report_failed, &read->report_done, channel);
    set_recipients(loader, &read->to, channel);
    check_heard(group, &read->to, channel);
}

/* It stands in messages as it is. */
static void check_link(const struct config_node *group, const struct channel_settings *channel)
{
    bool web =
        strncmp(channel->link, "http://", 7) == 0 || strncmp(channel->link, "https://", 8) == 0;
    if (channel->link[0] != '\0' && (!web || strpbrk(channel->link, " <>\"") != NULL)) {
        config_complain_at(
            group, "link",
            "\"link\" is \"%.64s\"; write the address of a page about the alarms, such as "
            "\"https://iot.example.vn/alarms\"",
            channel->link);
    }
}

static void load_cap(struct loader *loader, const struct config_node *group,
                     const struct channel_read *read, struct channel_settings *channel)
{
    channel->status = statuses[read->status];
    if (check_given(group, CHANNEL_CAP, "path", "\"/var/lib/phusa/cap\"")) {
        channel->path = source_path(loader, channel->path);
    }
    /* CAP 1.2, section 3.2.1: no spaces, commas or restricted characters */
    if (check_given(group, CHANNEL_CAP, "sender", "\"phusa@example.vn\"") &&
        (channel->sender[0] == '\0' || strpbrk(channel->sender, " ,<&") != NULL)) {
        config_complain_at(group, "sender",
                           "\"sender\" is \"%.64s\"; write an address or a domain without spaces, "
                           "commas, < and &",
                           channel->sender);
    }
    if (channel->sender_name[0] == '\0') {
        channel->sender_name = loader->settings->alarms.source;
    }
}

static void load_syslog(struct loader *loader, const struct config_node *group,
                        struct channel_settings *channel)
{
    if (check_given(group, CHANNEL_SYSLOG, "url", "\"udp://127.0.0.1:514\"") &&
        channel->url != NULL) {
        channel->url = check_log_server(loader, group, channel->url);
    }
    if (channel->url != NULL) {
        (void)check_ca(group, channel->ca, channel->url, "tls://");
    }
}

static void load_kind(struct loader *loader, const struct config_node *group,
                      struct channel_read *read, struct channel_settings *channel)
{
    switch (channel->kind) {
    case CHANNEL_WEBHOOK:
    case CHANNEL_ALERTMANAGER:
        load_web(group, channel);
        check_link(group, channel);
        break;
    case CHANNEL_EMAIL:
        load_email(loader, group, read, channel);
        break;
    case CHANNEL_SMS:
        load_sms(loader, group, read, channel);
        break;
    case CHANNEL_BOARD:
        if (check_given(group, CHANNEL_BOARD, "boards",
                        "( { id = \"gate\"; site = \"my-tho\"; } )")) {
            load_boards(loader, group, &read->boards, channel);
        }
        break;
    case CHANNEL_CAP:
        load_cap(loader, group, read, channel);
        check_link(group, channel);
        break;
    case CHANNEL_SYSLOG:
        load_syslog(loader, group, channel);
        break;
    }
}

/* ---- one channel ---- */

static void check_unique(const struct settings *settings, const struct config_node *group,
                         const char *id)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        const struct channel_settings *other = &settings->channels[i];
        if (other->id != NULL && strcmp(other->id, id) == 0) {
            config_complain_at(group, "id",
                               "channel \"%s\" is already defined at %s:%d; give each its own id",
                               id, other->file, other->line);
            return;
        }
    }
}

static void load_channel(struct loader *loader, const struct config_node *group,
                         struct channel_settings *channel)
{
    struct channel_read read = { .kept = { .kind = KIND_UNKNOWN } };
    (void)config_read_group(group, &schema_channel, &read);
    *channel = read.kept;
    channel->file = loader->settings->file;
    channel->line = config_line(group);
    channel->facility = (int)read.facility;
    if (channel->id != NULL && check_id(group, "id", channel->id)) {
        check_unique(loader->settings, group, channel->id);
    }
    channel->secret = source_secret(loader, group, "secret_file", read.secret_file);
    channel->password = source_secret(loader, group, "password_file", read.password_file);
    channel->ca = source_readable(loader, group, "ca", channel->ca);
    if (channel->kind != KIND_UNKNOWN) {
        check_belongs(group, channel->kind);
        set_pace(read.pace, channel->kind, &channel->pace);
        set_quiet(read.quiet, &channel->quiet);
        load_kind(loader, group, &read, channel);
    }
}

void load_channels(struct loader *loader, const struct config_list *list)
{
    struct channel_settings *channels = arena_alloc(loader->arena, list->count, sizeof *channels);
    if (channels == NULL) {
        return;
    }
    loader->settings->channels = channels;
    for (size_t i = 0; i < list->count; i++) {
        load_channel(loader, config_element(list->node, i), &channels[i]);
        loader->settings->channel_count++;
    }
}

/* ---- by name ---- */

static bool find_channel(const struct settings *settings, const char *id, size_t *found)
{
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].id != NULL && strcmp(settings->channels[i].id, id) == 0) {
            *found = i;
            return true;
        }
    }
    return false;
}

static void complain_channel(const struct settings *settings, const struct config_node *node,
                             const char *id)
{
    char hint[128];
    struct config_nearest nearest = { .word = id };
    for (size_t i = 0; i < settings->channel_count; i++) {
        if (settings->channels[i].id != NULL) {
            config_nearest_offer(&nearest, settings->channels[i].id);
        }
    }
    config_complain(node, "unknown channel \"%.64s\"%s", id,
                    nearest.best == NULL ? "; add it to channels in the configuration file"
                                         : config_nearest_hint(&nearest, hint, sizeof hint));
}

static bool among(const size_t *channels, size_t count, size_t channel)
{
    for (size_t i = 0; i < count; i++) {
        if (channels[i] == channel) {
            return true;
        }
    }
    return false;
}

size_t load_channel_names(struct loader *loader, const struct config_list *list,
                          size_t channels[RULE_CHANNELS_MAX])
{
    size_t count = 0;
    bool services = (loader->need & SETTINGS_SERVICES) != 0;
    for (size_t i = 0; services && i < list->count; i++) {
        const struct config_node *node = config_element(list->node, i);
        const char *id = config_string_at(list, i);
        size_t found = 0;
        if (!find_channel(loader->settings, id, &found)) {
            complain_channel(loader->settings, node, id);
        } else if (among(channels, count, found)) {
            config_complain(node, "channel \"%s\" is listed twice; keep one", id);
        } else {
            channels[count++] = found;
        }
    }
    return count;
}
