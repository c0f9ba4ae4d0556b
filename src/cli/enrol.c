/* Checks that speak of options, before anything is written; then the two texts. */
#include "cli/enrol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "phusa/number.h"
#include "phusa/topic.h"
#include "shared/writer.h"

#define NAME_MAX_BYTES 128 /* of a station's name; phusa.cfg(5) */
#define EVERY_MOST_S   (INT64_C(366) * 86400)
#define HOST_MAX       128 /* bytes of the broker's name that a board has room for */
#define HINT_MAX       128
#define COORDINATE_MAX 24

/* What the checks have in common. */
struct checking {
    const struct enrolment *wish;
    const struct settings *settings;
    struct newcomer *newcomer;
    struct problem *problem;
};

/* --- who and where ---------------------------------------------------------------------------- */

static bool id_well_formed(const struct checking *check, const char *option, const char *id)
{
    if (phusa_id_valid(phusa_text_of(id))) {
        return true;
    }
    problem_set(check->problem,
                "--%s %.64s: write 1 to %d of a-z, 0-9 and '-', not beginning with '-'", option, id,
                PHUSA_ID_MAX);
    return false;
}

static bool check_id_free(struct checking *check)
{
    const char *id = check->newcomer->id = check->wish->id;
    if (!id_well_formed(check, "id", id)) {
        return false;
    }
    const struct station *taken = registry_find(&check->settings->registry, phusa_text_of(id));
    if (taken != NULL) {
        problem_set(check->problem, "--id %s: is taken, at %s:%d; choose another", id, taken->file,
                    taken->line);
    } else if (strcmp(id, "board") == 0) {
        problem_set(check->problem, "--id board: is reserved for display boards; choose another");
    } else if (strcmp(id, check->settings->maintenance.self.id) == 0 ||
               strcmp(id, check->settings->broker.user) == 0) {
        problem_set(check->problem, "--id %s: is the collector's own; choose another", id);
    } else {
        return true;
    }
    return false;
}

static bool check_site(struct checking *check)
{
    const struct registry *registry = &check->settings->registry;
    const char *site = check->newcomer->site = check->wish->site;
    struct config_nearest nearest = { .word = site };
    char hint[HINT_MAX];
    if (!id_well_formed(check, "site", site)) {
        return false;
    }
    for (size_t i = 0; i < registry->site_count; i++) {
        if (strcmp(registry->sites[i].id, site) == 0) {
            return true;
        }
        config_nearest_offer(&nearest, registry->sites[i].id);
    }
    if (!check->wish->new_site) {
        problem_set(check->problem,
                    "--site %s: no station is there; add --new-site if this is the first%s", site,
                    config_nearest_hint(&nearest, hint, sizeof hint));
    }
    return check->wish->new_site;
}

static bool kind_well_formed(const char *kind)
{
    static const char *const reserved[] = { "window", "index", "correction" };
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(kind, reserved[i]) == 0) {
            return false;
        }
    }
    return kind[0] >= 'a' && kind[0] <= 'z' && strlen(kind) <= KIND_MAX &&
           strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(kind);
}

/* Also finds whose like it is: one of that kind, at its site if there is one. */
static bool check_kind(struct checking *check)
{
    const struct registry *registry = &check->settings->registry;
    struct newcomer *newcomer = check->newcomer;
    const char *kind = newcomer->kind = check->wish->kind;
    struct config_nearest nearest = { .word = kind };
    char hint[HINT_MAX];
    for (size_t i = 0; i < registry->count; i++) {
        const struct station *station = &registry->stations[i];
        config_nearest_offer(&nearest, station->kind);
        if (strcmp(station->kind, kind) == 0 &&
            (newcomer->like == NULL || (strcmp(newcomer->like->site, newcomer->site) != 0 &&
                                        strcmp(station->site, newcomer->site) == 0))) {
            newcomer->like = station;
        }
    }
    newcomer->trap = newcomer->like;
    if (newcomer->like != NULL) {
        return true;
    }
    if (!kind_well_formed(kind)) {
        problem_set(check->problem,
                    "--kind %.64s: write 1 to %d of a-z, 0-9 and '_', beginning with a letter; not "
                    "window, index or correction%s",
                    kind, KIND_MAX, config_nearest_hint(&nearest, hint, sizeof hint));
    } else if (!check->wish->new_kind) {
        problem_set(check->problem,
                    "--kind %s: no station is of it; add --new-kind if this is the first%s", kind,
                    config_nearest_hint(&nearest, hint, sizeof hint));
    }
    return check->problem->text[0] == '\0';
}

static bool check_name_given(struct checking *check)
{
    const char *name = check->newcomer->name = check->wish->name;
    if (name == NULL) {
        return true;
    }
    bool good = name[0] != '\0' && strlen(name) <= NAME_MAX_BYTES && config_is_utf8(name);
    for (const char *at = name; good && *at != '\0'; at++) {
        good = (unsigned char)*at >= 0x20 && *at != 0x7f;
    }
    if (!good) {
        problem_set(check->problem, "--name: write one line of UTF-8, 1 to %d bytes",
                    NAME_MAX_BYTES);
    }
    return good;
}

static bool read_degrees(const struct checking *check, const char *option, const char *text,
                         double most, double *degrees)
{
    if (phusa_double_parse(text, strlen(text), degrees) && fabs(*degrees) <= most) {
        return true;
    }
    problem_set(check->problem, "--%s %.64s: write degrees from -%.0f to %.0f, such as 10.35",
                option, text, most, most);
    return false;
}

static bool check_place(struct checking *check)
{
    const struct enrolment *wish = check->wish;
    struct newcomer *newcomer = check->newcomer;
    newcomer->lat = newcomer->lon = NAN;
    if (wish->lat == NULL && wish->lon == NULL) {
        return true;
    }
    if (wish->lat == NULL || wish->lon == NULL) {
        problem_set(check->problem, "--lat and --lon belong together; write both or none");
        return false;
    }
    return read_degrees(check, "lat", wish->lat, 90, &newcomer->lat) &&
           read_degrees(check, "lon", wish->lon, 180, &newcomer->lon);
}

/* --- what it reports -------------------------------------------------------------------------- */

static bool check_model(struct checking *check)
{
    struct newcomer *newcomer = check->newcomer;
    if (check->wish->every != NULL && check->wish->parameters != NULL) {
        newcomer->like = NULL;
        return true;
    }
    if (newcomer->like == NULL) {
        problem_set(check->problem, "--kind %s: is new, so --every and --parameters are needed",
                    newcomer->kind);
    }
    return newcomer->like != NULL;
}

static bool check_every(struct checking *check)
{
    const char *text = check->wish->every;
    int64_t *every = &check->newcomer->every_ns;
    if (text == NULL) {
        *every = check->newcomer->like->every_ns;
    } else if (!config_parse_duration(text, every)) {
        *every = 0;
    }
    if (*every >= SECOND_NS && *every % SECOND_NS == 0 && *every / SECOND_NS <= EVERY_MOST_S) {
        return true;
    }
    static const char right[] = "write whole seconds up to 366d, such as 30s, 5m or 1h";
    if (text == NULL) {
        problem_set(check->problem, "--every: that of %s is none; %s", check->newcomer->like->id,
                    right);
    } else {
        problem_set(check->problem, "--every %.64s: %s", text, right);
    }
    return false;
}

/* A statistic of a parameter (level_max) is one that the loader makes when it is listed. */
static bool is_known(const struct phusa_catalogue *catalogue, struct phusa_text name)
{
    const char *last = memrchr(name.data, '_', name.length);
    struct phusa_text base = { name.data, last == NULL ? 0 : (size_t)(last - name.data) };
    return phusa_catalogue_find(catalogue, name) != NULL ||
           (last != NULL && phusa_catalogue_find(catalogue, base) != NULL);
}

static bool is_listed(const struct newcomer *newcomer, struct phusa_text name)
{
    for (size_t i = 0; i < newcomer->parameter_count; i++) {
        if (phusa_text_equal(newcomer->parameters[i], name)) {
            return true;
        }
    }
    return false;
}

static void say_unknown(const struct checking *check, struct phusa_text name)
{
    const struct phusa_catalogue *catalogue = &check->settings->catalogue;
    char word[PHUSA_NAME_MAX + 1], hint[HINT_MAX];
    (void)snprintf(word, sizeof word, "%.*s", (int)name.length, name.data);
    struct config_nearest nearest = { .word = word };
    for (size_t i = 0; i < catalogue->count; i++) {
        config_nearest_offer(&nearest, catalogue->parameters[i].name.data);
    }
    problem_set(check->problem, "--parameters: unknown parameter \"%s\"%s", word,
                config_nearest_hint(&nearest, hint, sizeof hint));
}

static void put_parameter(struct checking *check, struct phusa_text name)
{
    struct newcomer *newcomer = check->newcomer;
    const struct phusa_parameter *known = phusa_catalogue_find(&check->settings->catalogue, name);
    if (known != NULL) { /* else it is a statistic, which the station makes by itself */
        newcomer->units[newcomer->parameter_count] = known->unit;
    }
    newcomer->parameters[newcomer->parameter_count++] = name;
}

static bool add_parameter(struct checking *check, struct phusa_text name)
{
    struct newcomer *newcomer = check->newcomer;
    if (name.length > PHUSA_NAME_MAX || !is_known(&check->settings->catalogue, name)) {
        say_unknown(check, name);
    } else if (is_listed(newcomer, name)) {
        problem_set(check->problem, "--parameters: \"%.*s\" stands there twice", (int)name.length,
                    name.data);
    } else if (newcomer->parameter_count == STATION_PARAMETERS_MAX) {
        problem_set(check->problem, "--parameters: more than %d", STATION_PARAMETERS_MAX);
    } else {
        put_parameter(check, name);
        return true;
    }
    return false;
}

static bool check_parameters(struct checking *check)
{
    struct newcomer *newcomer = check->newcomer;
    const char *at = check->wish->parameters;
    if (at == NULL) {
        for (size_t i = 0; i < newcomer->like->parameter_count; i++) {
            put_parameter(check, newcomer->like->parameters[i]->name);
        }
        return true;
    }
    for (;;) {
        size_t length = strcspn(at, ",");
        if (!add_parameter(check, (struct phusa_text){ at, length })) {
            return false;
        }
        if (at[length] == '\0') {
            return true;
        }
        at += length + 1;
    }
}

/* A parameter in a role of a trap that this one has, too; NULL is none. */
static bool has_role(const struct newcomer *newcomer, const struct phusa_parameter *parameter)
{
    return parameter != NULL && is_listed(newcomer, parameter->name);
}

/* What makes a trap of it is taken from one of its kind; it must count something. */
static bool check_trap(struct checking *check)
{
    struct newcomer *newcomer = check->newcomer;
    const struct station *model = newcomer->trap;
    if (model == NULL || !model->trap.given) {
        newcomer->trap = NULL;
        return true;
    }
    for (size_t i = 0; i < model->trap.species_count; i++) {
        if (has_role(newcomer, model->trap.species[i])) {
            return true;
        }
    }
    problem_set(check->problem,
                "--parameters: nothing that a %s counts, such as %.*s of %s; its group `trap` "
                "could not be made",
                newcomer->kind, (int)model->trap.species[0]->name.length,
                model->trap.species[0]->name.data, model->id);
    return false;
}

/* --- where it reports to ---------------------------------------------------------------------- */

static bool is_host_port(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    size_t host = strspn(text, letters);
    if (host == 0 || host > HOST_MAX || text[host] != ':') {
        return false;
    }
    const char *port = text + host + 1;
    size_t digits = strspn(port, "0123456789");
    long number = digits > 0 && digits <= 5 ? strtol(port, NULL, 10) : 0;
    return port[digits] == '\0' && number > 0 && number < 65536;
}

static bool check_broker(struct checking *check)
{
    const char *text = check->wish->broker;
    if (text == NULL) {
        const char *host = strstr(check->settings->broker.uri, "://");
        text = host == NULL ? check->settings->broker.uri : host + 3;
    }
    if (!is_host_port(text)) {
        problem_set(check->problem,
                    "--broker %.150s: write HOST:PORT, such as mqtt.example.vn:8883", text);
        return false;
    }
    (void)snprintf(check->newcomer->broker, ENROL_BROKER_MAX, "%s", text);
    return true;
}

bool enrol_check(const struct enrolment *wish, const struct settings *settings,
                 struct newcomer *newcomer, struct problem *problem)
{
    static bool (*const checks[])(struct checking *) = {
        check_id_free, check_site,  check_kind,       check_name_given, check_place,
        check_model,   check_every, check_parameters, check_trap,       check_broker,
    };
    struct checking check = { wish, settings, newcomer, problem };
    *newcomer = (struct newcomer){ 0 };
    problem->text[0] = '\0';
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i](&check)) {
            return false;
        }
    }
    return true;
}

/* --- texts ------------------------------------------------------------------------------------ */

const char *enrol_span(int64_t ns, char buffer[24])
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    size_t i = 0;
    while (ns / SECOND_NS % units[i].seconds != 0) {
        i++;
    }
    (void)snprintf(buffer, 24, "%lld%c", (long long)(ns / SECOND_NS / units[i].seconds),
                   units[i].unit);
    return buffer;
}

static size_t finish(struct writer *to)
{
    put_bytes(to, "", 1);
    return to->full ? 0 : to->used - 1;
}

/* ` key = "text";`, in a string of the configuration */
static void put_setting(struct writer *to, const char *key, const char *text)
{
    put_string(to, " ");
    put_string(to, key);
    put_string(to, " = ");
    put_quoted(to, phusa_text_of(text));
    put_string(to, ";");
}

static void put_degrees(struct writer *to, const char *key, double degrees)
{
    char text[COORDINATE_MAX];
    (void)snprintf(text, sizeof text, "%.6f", degrees); /* a tenth of a metre */
    put_string(to, key);
    put_string(to, " = ");
    put_string(to, text);
    put_string(to, ";");
}

static void put_role(struct writer *to, const struct newcomer *newcomer, const char *key,
                     const struct phusa_parameter *parameter)
{
    if (has_role(newcomer, parameter)) {
        put_string(to, " ");
        put_string(to, key);
        put_string(to, " = ");
        put_quoted(to, parameter->name);
        put_string(to, ";");
    }
}

static void put_species(struct writer *to, const struct newcomer *newcomer)
{
    const struct station_trap *trap = &newcomer->trap->trap;
    const char *between = "species = [";
    for (size_t i = 0; i < trap->species_count; i++) {
        if (has_role(newcomer, trap->species[i])) {
            put_string(to, between);
            put_quoted(to, trap->species[i]->name);
            between = ", ";
        }
    }
    put_string(to, "];");
}

/* The group `trap` of its model, with the roles that it has. */
static void put_trap(struct writer *to, const struct newcomer *newcomer)
{
    const struct station_trap *trap = &newcomer->trap->trap;
    char limit[PHUSA_DOUBLE_CHARS + 1], hold[24];
    put_string(to, "\n    trap : { ");
    put_species(to, newcomer);
    put_string(to, trap->cumulative ? " counts = \"cumulative\";" : "");
    put_string(to, trap->drop_corrects ? " falls = \"correction\";" : "");
    if (trap->limit > 0) {
        put_string(to, " limit = ");
        size_t length = phusa_double_print(trap->limit, limit);
        limit[length] = '\0';
        put_string(to, limit);
        put_string(to,
                   strpbrk(limit, ".e") == NULL ? ".0;" : ";"); /* a whole one may be too large */
    }
    put_setting(to, "hold", enrol_span(trap->hold_ns, hold));
    put_role(to, newcomer, "lamp", trap->lamp);
    put_role(to, newcomer, "gate", trap->gate);
    put_role(to, newcomer, "lamp_minutes", trap->lamp_minutes);
    put_role(to, newcomer, "gate_minutes", trap->gate_minutes);
    put_role(to, newcomer, "service", trap->service);
    put_string(to, " };");
}

size_t enrol_entry(const struct newcomer *newcomer, bool whole, char text[ENROL_TEXT_MAX])
{
    struct writer to = { text, ENROL_TEXT_MAX, 0, false };
    char every[24];
    put_string(&to, whole ? "# Made by `phusa station new`.\nstations : (\n  {" : "  {");
    put_setting(&to, "id", newcomer->id);
    put_setting(&to, "site", newcomer->site);
    put_setting(&to, "kind", newcomer->kind);
    if (newcomer->name != NULL) {
        put_setting(&to, "name", newcomer->name);
    }
    if (!isnan(newcomer->lat)) {
        put_degrees(&to, "\n    lat", newcomer->lat);
        put_degrees(&to, " lon", newcomer->lon);
    }
    put_string(&to, "\n   ");
    put_setting(&to, "every", enrol_span(newcomer->every_ns, every));
    put_string(&to, "\n    parameters = [");
    for (size_t i = 0; i < newcomer->parameter_count; i++) {
        put_string(&to, i == 0 ? "" : ", ");
        put_quoted(&to, newcomer->parameters[i]);
    }
    put_string(&to, "];");
    if (newcomer->trap != NULL) {
        put_trap(&to, newcomer);
    }
    put_string(&to, whole ? " }\n);\n" : " }\n");
    return finish(&to);
}

static void put_channel(struct writer *to, struct phusa_text name, struct phusa_text unit)
{
    put_string(to, "channel = ");
    put_text(to, name);
    put_string(to, unit.length > 0 ? ":" : "");
    put_text(to, unit);
    put_string(to, "\n");
}

static void put_key(struct writer *to, const char *key, struct phusa_text value)
{
    put_string(to, key);
    put_string(to, " = ");
    put_text(to, value);
    put_string(to, "\n");
}

static void put_trap_keys(struct writer *to, const struct newcomer *newcomer)
{
    const struct station_trap *trap = &newcomer->trap->trap;
    char place[2 * COORDINATE_MAX];
    if (!isnan(newcomer->lat)) {
        (void)snprintf(place, sizeof place, "%.6f,%.6f", newcomer->lat, newcomer->lon);
        put_key(to, "place", phusa_text_of(place));
    }
    for (size_t i = 0; i < trap->species_count; i++) {
        if (has_role(newcomer, trap->species[i])) {
            put_key(to, "species", trap->species[i]->name);
        }
    }
}

size_t enrol_provisioning(const struct newcomer *newcomer, const char *password, const char *ca,
                          char text[ENROL_TEXT_MAX])
{
    struct writer to = { text, ENROL_TEXT_MAX, 0, false };
    char every[24];
    put_string(&to,
               "# Provisioning of a station, made by `phusa station new`. It holds the station's\n"
               "# password: for nobody but the workshop, and to be removed when it is done.\n");
    put_key(&to, "station", phusa_text_of(newcomer->id));
    put_key(&to, "site", phusa_text_of(newcomer->site));
    put_key(&to, "broker", phusa_text_of(newcomer->broker));
    put_key(&to, "user", phusa_text_of(newcomer->id));
    put_key(&to, "password", phusa_text_of(password));
    if (ca[0] != '\0') {
        put_key(&to, "ca", phusa_text_of(ca));
    }
    put_key(&to, "every", phusa_text_of(enrol_span(newcomer->every_ns, every)));
    for (size_t i = 0; i < newcomer->parameter_count; i++) {
        put_channel(&to, newcomer->parameters[i], newcomer->units[i]);
    }
    if (newcomer->trap != NULL) {
        put_trap_keys(&to, newcomer);
    }
    return finish(&to);
}
