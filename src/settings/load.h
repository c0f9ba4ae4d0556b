/*
 * Inside of the loader: what its files share. Order of loading: windows, parameters, quality,
 * stations, alarms, messages, services with their channels, maintenance, rules, subscribers; each
 * names what came before.
 */
#ifndef SETTINGS_LOAD_H
#define SETTINGS_LOAD_H

#include "base/config.h"
#include "settings/arena.h"
#include "settings/mistakes.h"
#include "settings/settings.h"

/* Tests of a parameter at all stations of a kind, over those of the catalogue. */
struct kind_qc {
    const char *kind;
    const struct phusa_parameter *parameter;
    struct qc_settings qc;
    const char *file;
    int line;
};

struct kind_stuck {
    const char *kind;
    int64_t after_ns;
    const char *file;
    int line;
};

struct loader {
    struct settings *settings; /* being filled */
    struct arena *arena;
    struct mistakes *mistakes;
    const char **warnings; /* as the settings have them */
    size_t warning_capacity;
    struct config_sink sink;
    const char *folder;    /* of the configuration file with its last '/', or "" */
    const char *open_file; /* the file being read, kept */
    unsigned need;
    struct qc_settings *parameter_qc; /* of each parameter of the catalogue, in its order */
    const struct kind_qc *kind_qc;    /* by kind, then parameter */
    size_t kind_qc_count;
    const struct kind_stuck *kind_stuck;
    size_t kind_stuck_count;
    bool catalogue_whole, registry_whole; /* false: something in it could not be read, so an
                                             unknown name may be no mistake */
};

/* ---- load_parameters.c, load_stations.c, load_rules.c and the like ---- */

/* stations: the file or folder whose stations may list statistics of parameters; NULL = none. */
void load_parameters(struct loader *loader, const struct config_node *phusa, const char *name,
                     const char *stations);

/* A name in the `parameters` of a station. */
typedef void listed_name(struct loader *loader, void *context, const struct config_node *node,
                         const char *name);

/* Every name that a station lists, before the stations are loaded; of mistakes nothing is said. */
void load_listed_names(struct loader *loader, const struct config_node *phusa, const char *name,
                       listed_name *visit, void *context);

void load_stations(struct loader *loader, const struct config_node *phusa, const char *name);
void load_rules(struct loader *loader, const struct config_node *phusa, const char *name);

/* A group `qc` of what is judged reading by reading, over what stands in qc; complaints go to its
 * file. A test without a limit is none. Of the parameter its name and range are set. */
void load_stream_qc(struct loader *loader, const struct config_node *group,
                    const struct phusa_parameter *parameter, struct qc_settings *qc);

/* The files of the key `quality`, before the stations; name NULL or "" = none. */
void load_quality(struct loader *loader, const struct config_node *phusa, const char *name);

/* The tests of a parameter at stations of a kind. */
struct qc_settings loader_qc(const struct loader *loader, const char *kind,
                             const struct phusa_parameter *parameter);

/* Of a station whose id, kind, every and parameters are set; qc follows the derivations. */
void load_station_derivations(struct loader *loader, const struct config_list *list,
                              struct station *station);
void load_station_qc(struct loader *loader, const struct config_list *list,
                     struct station *station);
void load_station_trap(struct loader *loader, const struct config_node *group,
                       struct station *station);

/* Its stuck_ns: own_ns, or its kind's when that is below 0. */
int64_t load_station_stuck(const struct loader *loader, const struct config_node *node,
                           int64_t own_ns, const struct station *station);

/* The nodes of phusa.cfg's groups; NULL where one is not given. */
struct service_nodes {
    const struct config_node *broker, *journal, *store, *http;
    struct config_list channels;
};
void load_services(struct loader *loader, const struct config_node *phusa,
                   const struct service_nodes *nodes);

void load_channels(struct loader *loader, const struct config_list *list);

/* The boards of a channel that is not counted yet. */
void load_boards(struct loader *loader, const struct config_node *group,
                 const struct config_list *list, struct channel_settings *channel);

/* The delivery reports of a channel of kind sms, whose request is loaded. */
void load_reports(struct loader *loader, const struct config_node *group,
                  const struct config_list *failed, const struct config_list *done,
                  struct channel_settings *channel);

/* What alarms have in common; before the channels. group is NULL when it is not given. */
void load_alarms(struct loader *loader, const struct config_node *group);

/* A group of flapping, over what stands there; before it the common one. */
void load_flapping(const struct config_node *group, struct rule_flapping *flapping);

/* The table of the key `subscribers`, when all before it is without mistakes; name "" = none. */
void load_subscribers(struct loader *loader, const struct config_node *phusa, const char *name);

/* Adds the rules that subscribers' own limits make to the rulebook, which keeps its order before
 * them. A subscriber whose limit can make none is told to `bad`, and has none from here on. */
void load_own_limits(struct loader *loader, struct subscriber *subscribers, size_t count,
                     const struct subscriber_rows *bad);

/* The templates of the key `messages`, before what names them; name "" = none. */
void load_messages(struct loader *loader, const struct config_node *phusa, const char *name);

/* group is NULL when it is not given: then there are defaults. */
void load_windows(struct loader *loader, const struct config_node *group);

/* As it is written: "1h", ... */
const char *load_length_name(enum rule_length length);

/* After all else of a rule that judges windows of a parameter: complains if no station it concerns
 * has such windows. node: the rule, window: its group. */
void load_check_windows(struct loader *loader, const struct config_node *node,
                        const struct config_node *window, const struct rule *rule);

/* The group `window` of a rule; after load_windows. False if it has a mistake. */
bool load_rule_window(struct loader *loader, const struct config_node *group,
                      struct rule_window *window);

/* group is NULL when it is not given. */
void load_maintenance(struct loader *loader, const struct config_node *phusa,
                      const struct config_node *group);

/* The levels of a rule whose subject, direction, window and parameter are set, instead of those it
 * has. */
void load_levels(struct loader *loader, const struct config_list *list, struct rule *rule);

/* ---- load_rule_more.c: nodes are NULL when they are not given ---- */

/* Whether it judges values, their change or that nothing comes; after the window. */
void load_rule_subject(const struct config_node *node, const struct config_node *rate,
                       const struct config_node *missing, struct rule *rule);
void load_rule_schedule(const struct config_node *group, struct rule_schedule *schedule);
void load_rule_escalation(struct loader *loader, const struct config_node *group,
                          struct rule_escalation *escalation);
/* The ids as they stand there: whether there are such rules is known when all are read. */
void load_rule_inhibitors(struct loader *loader, const struct config_list *list, struct rule *rule);

/* The tags that a rule asks stations for; group is NULL when it is not given. */
void load_rule_tags(struct loader *loader, const struct config_node *group, struct rule *rule);

/* Channels by their ids, room for RULE_CHANNELS_MAX; returns how many. They are looked up only
 * where services are asked for. */
size_t load_channel_names(struct loader *loader, const struct config_list *list,
                          size_t channels[RULE_CHANNELS_MAX]);

/* ---- sources.c ---- */

/* A path of the configuration, from the configuration file's folder; kept. */
const char *source_path(struct loader *loader, const char *name);

typedef void source_read(struct loader *loader, void *context, const struct config_node *root);

/*
 * Hands each file that phusa's key names to read: the file itself, or the *.cfg
 * files of a folder in the order of their names. False if one could not be read.
 */
bool source_each(struct loader *loader, const struct config_node *phusa, const char *key,
                 const char *name, source_read *read, void *context);

/* The content of the file that group's key names, without its line end; "" (and a complaint) if it
 * is not usable. */
const char *source_secret(struct loader *loader, const struct config_node *group, const char *key,
                          const char *name);

/* The path of a file that group's key names, kept; a complaint if it cannot be read. "" stays "".
 */
const char *source_readable(struct loader *loader, const struct config_node *group, const char *key,
                            const char *name);

/* ---- check.c: is the text right? Each complains at the group's key if it is not. ---- */

bool check_id(const struct config_node *group, const char *key, const char *id);

/* [a-z][a-z0-9_]*, at most PHUSA_NAME_MAX bytes. */
bool check_name(const struct config_node *group, const char *key, const char *name);

/* A tag's name in a group of tags: [a-z0-9_]*, and not one that the collector sets. */
bool check_tag_key(const struct config_node *tag);

/* One line of 1 to 64 bytes without a backslash: a value of the tag named key. */
bool check_tag_value(const struct config_node *value, const char *key);

/* http:// or https://, host, optional port, optional path. */
bool check_url(const struct config_node *group, const char *key, const char *url);

/* A certificate authority is given only where something is encrypted; instead: what the address
 * would begin with. */
bool check_ca(const struct config_node *group, const char *ca, const char *url,
              const char *instead);

/* tcp://, mqtt://, ssl:// or mqtts:// made tcp://HOST:PORT or ssl://HOST:PORT, kept; NULL if it is
 * none. */
const char *check_broker(struct loader *loader, const struct config_node *group, const char *uri);

/* smtp:// or smtps://, and udp://, tcp:// or tls://, as scheme://HOST:PORT, kept; NULL if it is
 * none. */
const char *check_mail_server(struct loader *loader, const struct config_node *group,
                              const char *url);
const char *check_log_server(struct loader *loader, const struct config_node *group,
                             const char *url);

/* True if the address' host is this machine. */
bool check_loopback(const char *url);

/* "06:00" to seconds of the day; "24:00" is 0. */
bool check_time_of_day(const struct config_node *group, const char *key, const char *text,
                       int32_t *seconds);

/* ADDRESS:PORT, kept; NULL if it is none. */
const char *check_listen(struct loader *loader, const struct config_node *group,
                         const char *listen);

/* ---- check_messages.c ---- */

/* Complains of each rule whose short message can be too long for one SMS; after all else. */
void check_messages(struct loader *loader);

/* ---- load.c ---- */

/* A mistake in a file that is closed again. */
void loader_complain(struct loader *loader, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Says at a node what is in order but can hardly be meant. */
void loader_warn(struct loader *loader, const struct config_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The station of that id, or NULL and a complaint at the node with the nearest one. */
const struct station *loader_station(struct loader *loader, const struct config_node *node,
                                     const char *id);

/* The parameter of that name, or NULL and a complaint at the node with the nearest one. */
const struct phusa_parameter *loader_parameter(struct loader *loader,
                                               const struct config_node *node, const char *name);

#endif
