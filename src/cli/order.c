#include "cli/order.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "phusa/number.h"

#define COEFFICIENTS_MAX 4
#define TRIAL_MAX_S      86400               /* the longest that a station takes */
#define TIME_MAX_S       INT64_C(4102444800) /* 2100: later ones are no times */
#define NAME_COLUMNS     29
#define BIT(option)      (1u << (option))

/* --- building ------------------------------------------------------------------------------- */

struct building {
    const struct order *order;
    json_t *command;
    struct problem *problem;
};

struct verb {
    const char *word;
    unsigned options; /* bits of enum order_option that go with it */
    size_t words;     /* that follow at least, and at most */
    size_t words_max;
    enum cli_exit (*build)(struct building *building); /* NULL = word and options are all */
    const char *usage;                                 /* of what follows the word */
};

static const char *const option_names[ORDER_OPTIONS] = {
    [ORDER_MINUTES] = "--minutes", [ORDER_FOR] = "--for",     [ORDER_FROM] = "--from",
    [ORDER_TO] = "--to",           [ORDER_TRIAL] = "--trial", [ORDER_BY] = "--by",
};

/* As the contract calls them. */
static const char *const option_members[ORDER_OPTIONS] = {
    [ORDER_MINUTES] = "minutes", [ORDER_FOR] = "seconds",   [ORDER_FROM] = "from",
    [ORDER_TO] = "to",           [ORDER_TRIAL] = "trial_s", [ORDER_BY] = "operator",
};

/* Takes the value over; one that could not be made was text in no encoding of ours. */
static bool put(const struct building *building, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) == 0) {
        return true;
    }
    problem_set(building->problem, "%s: no UTF-8 text", name);
    return false;
}

static const char *word(const struct building *building, size_t place)
{
    return place < building->order->count ? building->order->words[place] : "";
}

static bool is_word(const struct building *building, size_t place, const char *text)
{
    return strcmp(word(building, place), text) == 0;
}

static enum cli_exit build_switch(struct building *building)
{
    bool on = is_word(building, 1, "on"), lamp = is_word(building, 0, "lamp");
    if (lamp && is_word(building, 1, "auto")) {
        if (building->order->options[ORDER_MINUTES] != NULL) {
            problem_set(building->problem, "lamp auto: its schedule needs no --minutes");
            return CLI_USAGE;
        }
        (void)put(building, building->command, "on", json_false());
        (void)put(building, building->command, "minutes", json_integer(0));
        return CLI_GOOD;
    }
    if (!on && !is_word(building, 1, "off")) {
        problem_set(building->problem, "%s: \"%s\": write %s", word(building, 0), word(building, 1),
                    lamp ? "on, off or auto" : "on or off");
        return CLI_USAGE;
    }
    (void)put(building, building->command, "on", json_boolean(on));
    return CLI_GOOD;
}

static enum cli_exit build_resend(struct building *building)
{
    const char *const *options = building->order->options;
    if (options[ORDER_FROM] == NULL || options[ORDER_TO] == NULL) {
        problem_set(building->problem, "resend: which reports? --from N --to N");
        return CLI_USAGE;
    }
    return CLI_GOOD;
}

/* --- set ------------------------------------------------------------------------------------ */

/* The object of that name in another, made if it is not there yet. NULL if it is no object. */
static json_t *object_in(json_t *outer, const char *name)
{
    json_t *inner = json_object_get(outer, name);
    if (inner == NULL) {
        (void)json_object_set_new(outer, name, json_object());
        inner = json_object_get(outer, name);
    }
    return json_is_object(inner) ? inner : NULL;
}

/* The object that "salinity.low" or "broker.port" is a setting of; *key becomes its name there. */
static json_t *object_of(json_t *settings, char **key)
{
    char *point = strrchr(*key, '.');
    if (point == NULL) {
        return settings;
    }
    *point = '\0';
    const char *owner = *key;
    *key = point + 1;
    if (strcmp(owner, "broker") == 0) {
        return object_in(settings, owner);
    }
    json_t *channels = object_in(settings, "channels");
    return channels == NULL || owner[0] == '\0' ? NULL : object_in(channels, owner);
}

/* JSON as it is written; what is none is text. */
static json_t *value_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_string(text);
}

/* A setting is a number or a flag, or null for the station's own; only the broker's name is text.
 */
static bool is_setting(const char *key, const json_t *value)
{
    return json_is_number(value) || json_is_boolean(value) || json_is_null(value) ||
           (json_is_string(value) && strcmp(key, "host") == 0);
}

static bool take_pair(struct building *building, json_t *settings, const char *pair)
{
    char buffer[ORDER_BYTES_MAX];
    const char *equals = strchr(pair, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - pair);
    char *key = buffer;
    json_t *object = NULL;
    if (length > 0 && length < sizeof buffer) {
        memcpy(buffer, pair, length);
        buffer[length] = '\0';
        object = object_of(settings, &key);
    }
    if (object == NULL || *key == '\0') {
        problem_set(building->problem,
                    "set: \"%s\": write KEY=VALUE, such as every=900, salinity.low=0 or "
                    "broker.port=8883",
                    pair);
        return false;
    }
    if (json_object_get(object, key) != NULL) {
        problem_set(building->problem, "set: \"%s\": that setting is given twice", pair);
        return false;
    }
    json_t *value = value_of(equals + 1);
    if (value != NULL && !is_setting(key, value)) {
        problem_set(building->problem,
                    "set: \"%s\": write a number, true, false or null behind =", pair);
        json_decref(value);
        return false;
    }
    return put(building, object, key, value);
}

/* The first member that is no setting, of an object and the objects in it; NULL: all are. */
static const char *misfit_in(json_t *object)
{
    const char *key, *found = NULL;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (found == NULL && !is_setting(key, value)) {
            found = key;
        }
    }
    return found;
}

/* The same of whole settings: channels and broker hold settings of their own. */
static const char *misfit_of(json_t *settings)
{
    const char *key, *name, *found = NULL;
    json_t *value, *channel;
    json_object_foreach(settings, key, value)
    {
        bool channels = strcmp(key, "channels") == 0, broker = strcmp(key, "broker") == 0;
        const char *misfit = NULL;
        if (broker && json_is_object(value)) {
            misfit = misfit_in(value);
        } else if (!channels) {
            misfit = is_setting("", value) ? NULL : key;
        }
        json_object_foreach(channels ? value : NULL, name, channel)
        {
            misfit = misfit != NULL ? misfit : misfit_in(channel);
        }
        found = found != NULL ? found : misfit;
    }
    return found;
}

static enum cli_exit settings_of_file(struct building *building, const char *path)
{
    json_error_t error;
    json_t *settings = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (settings == NULL && error.line < 0) {
        problem_set(building->problem, "set: %s", error.text);
    } else if (settings == NULL) {
        problem_set(building->problem, "set: %s:%d: %s", path, error.line, error.text);
    } else if (!json_is_object(settings)) {
        problem_set(building->problem, "set: %s: one JSON object expected, such as {\"every\":900}",
                    path);
    } else if (misfit_of(settings) != NULL) {
        problem_set(building->problem, "set: %s: %s: write a number, true, false or null", path,
                    misfit_of(settings));
    } else {
        return put(building, building->command, "settings", settings) ? CLI_GOOD : CLI_BAD;
    }
    json_decref(settings);
    return CLI_BAD;
}

static enum cli_exit build_set(struct building *building)
{
    const struct order *order = building->order;
    if (order->count == 2 && strchr(order->words[1], '=') == NULL) {
        return settings_of_file(building, order->words[1]);
    }
    json_t *settings = object_in(building->command, "settings");
    for (size_t i = 1; i < order->count; i++) {
        if (!take_pair(building, settings, order->words[i])) {
            return CLI_USAGE;
        }
    }
    return CLI_GOOD;
}

/* --- calibrate ------------------------------------------------------------------------------ */

static json_t *number_of(const struct building *building, const char *text)
{
    double number;
    if (phusa_double_parse(text, strlen(text), &number) && isfinite(number)) {
        return json_real(number);
    }
    problem_set(building->problem, "calibrate: \"%s\": write a number", text);
    return NULL;
}

static bool put_reference(struct building *building)
{
    json_t *reference = number_of(building, word(building, 3));
    return reference != NULL && put(building, building->command, "reference", reference);
}

/* Without any the station goes back to what the sensor says. */
static bool put_coefficients(struct building *building)
{
    size_t count = building->order->count - 3;
    if (count == 0) {
        return true;
    }
    json_t *array = json_array();
    (void)put(building, building->command, "coefficients", array);
    for (size_t i = 0; i < count; i++) {
        json_t *number = number_of(building, word(building, 3 + i));
        if (number == NULL) {
            return false;
        }
        (void)json_array_append_new(array, number);
    }
    return true;
}

/* All that were made, in short. */
static enum cli_exit build_calibrations(struct building *building)
{
    if (!is_word(building, 1, "show")) {
        problem_set(building->problem, "calibrate: write show, or PARAMETER %s",
                    "begin|point|end|cancel|set|show");
        return CLI_USAGE;
    }
    return put(building, building->command, "step", json_string("show")) ? CLI_GOOD : CLI_BAD;
}

static enum cli_exit build_calibrate(struct building *building)
{
    static const struct {
        const char *word, *step;
        size_t least, most; /* words that follow */
        bool (*build)(struct building *building);
        const char *usage;
    } steps[] = {
        { "begin", "begin", 0, 0, NULL, "begin" },
        { "point", "point", 1, 1, put_reference, "point VALUE" },
        { "end", "finish", 0, 0, NULL, "end" },
        { "cancel", "cancel", 0, 0, NULL, "cancel" },
        { "set", "set", 0, COEFFICIENTS_MAX, put_coefficients, "set [C0 C1 [C2 [C3]]]" },
        { "show", "show", 0, 0, NULL, "show" },
    };
    if (building->order->count == 2) {
        return build_calibrations(building);
    }
    size_t count = building->order->count - 3;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (!is_word(building, 2, steps[i].word)) {
            continue;
        }
        if (count < steps[i].least || count > steps[i].most) {
            problem_set(building->problem, "calibrate: write PARAMETER %s", steps[i].usage);
            return CLI_USAGE;
        }
        return put(building, building->command, "parameter", json_string(word(building, 1))) &&
                       put(building, building->command, "step", json_string(steps[i].step)) &&
                       (steps[i].build == NULL || steps[i].build(building))
                   ? CLI_GOOD
                   : CLI_USAGE;
    }
    problem_set(building->problem,
                "calibrate: no step \"%s\"; there are begin, point, end, cancel, set and show",
                word(building, 2));
    return CLI_USAGE;
}

/* --- a command ------------------------------------------------------------------------------ */

static const struct verb verbs[] = {
    { "report", 0, 0, 0, NULL, "" },
    { "identify", BIT(ORDER_FOR), 0, 0, NULL, "" },
    { "maintenance", BIT(ORDER_MINUTES), 1, 1, build_switch, " on|off" },
    { "lamp", BIT(ORDER_MINUTES), 1, 1, build_switch, " on|off|auto" },
    { "resend", BIT(ORDER_FROM) | BIT(ORDER_TO), 0, 0, build_resend, " --from N --to N" },
    { "reboot", 0, 0, 0, NULL, "" },
    { "set", BIT(ORDER_TRIAL), 1, SIZE_MAX, build_set, " FILE|KEY=VALUE ..." },
    { "calibrate", BIT(ORDER_MINUTES) | BIT(ORDER_BY), 1, 2 + COEFFICIENTS_MAX, build_calibrate,
      " PARAMETER begin|point|end|cancel|set|show ..., or calibrate show" },
};

static const struct verb *find_verb(const struct building *building)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (is_word(building, 0, verbs[i].word)) {
            return &verbs[i];
        }
    }
    problem_set(
        building->problem,
        "no order \"%s\"; there are report, identify, maintenance, lamp, resend, reboot, set "
        "and calibrate",
        word(building, 0));
    return NULL;
}

static bool words_fit(const struct building *building, const struct verb *verb)
{
    size_t count = building->order->count - 1;
    if (count < verb->words || count > verb->words_max) {
        problem_set(building->problem, "write %s%s", verb->word, verb->usage);
        return false;
    }
    return true;
}

static json_t *option_value(const struct building *building, enum order_option option)
{
    const char *text = building->order->options[option];
    uint64_t number;
    if (option == ORDER_BY) {
        return json_string(text);
    }
    if (cli_read_number(text, &number) && number <= INT64_MAX) {
        return json_integer((json_int_t)number);
    }
    problem_set(building->problem, "%s %s: write a whole number", option_names[option], text);
    return NULL;
}

static bool take_options(struct building *building, const struct verb *verb)
{
    for (enum order_option i = 0; i < ORDER_OPTIONS; i++) {
        if (building->order->options[i] == NULL) {
            continue;
        }
        if ((verb->options & BIT(i)) == 0) {
            problem_set(building->problem, "%s does not go with %s", option_names[i], verb->word);
            return false;
        }
        json_t *value = option_value(building, i);
        if (value == NULL && i != ORDER_BY) {
            return false;
        }
        if (!put(building, building->command, option_members[i], value)) {
            return false;
        }
    }
    return true;
}

static enum cli_exit fill(struct building *building, const char *id)
{
    const struct verb *verb = find_verb(building);
    if (verb == NULL || !words_fit(building, verb)) {
        return CLI_USAGE;
    }
    (void)put(building, building->command, "id", json_string(id));
    (void)put(building, building->command, "do", json_string(verb->word));
    if (!take_options(building, verb)) {
        return CLI_USAGE;
    }
    return verb->build == NULL ? CLI_GOOD : verb->build(building);
}

enum cli_exit order_build(const struct order *order, const char *id, char text[ORDER_BYTES_MAX + 1],
                          struct problem *problem)
{
    struct building building = { order, json_object(), problem };
    enum cli_exit result = fill(&building, id);
    size_t length =
        result == CLI_GOOD ? json_dumpb(building.command, text, ORDER_BYTES_MAX, JSON_COMPACT) : 0;
    json_decref(building.command);
    if (result != CLI_GOOD) {
        return result;
    }
    if (length == 0 || length > ORDER_BYTES_MAX) {
        problem_set(problem, "the command would have %zu bytes, and a station reads %d", length,
                    ORDER_BYTES_MAX);
        return CLI_BAD;
    }
    text[length] = '\0';
    return CLI_GOOD;
}

bool order_id_valid(const char *id)
{
    size_t length = strlen(id);
    for (size_t i = 0; i < length; i++) {
        if (id[i] < 0x20 || id[i] > 0x7e || id[i] == '"' || id[i] == '\\') {
            return false;
        }
    }
    return length > 0 && length <= ORDER_ID_MAX;
}

/* --- answers -------------------------------------------------------------------------------- */

json_t *order_answer_read(struct phusa_text payload, const char *id)
{
    if (payload.length == 0 || payload.length > ORDER_ANSWER_MAX) {
        return NULL;
    }
    json_t *answer = json_loadb(payload.data, payload.length, 0, NULL);
    const char *meant = json_string_value(json_object_get(answer, "id"));
    if (meant != NULL && strcmp(meant, id) == 0 && json_is_boolean(json_object_get(answer, "ok"))) {
        return answer;
    }
    json_decref(answer);
    return NULL;
}

enum order_outcome order_answer_judge(const json_t *answer, int64_t *trial_s)
{
    const json_t *trial = json_object_get(answer, "trial_s");
    if (!json_is_true(json_object_get(answer, "ok"))) {
        return ORDER_REFUSED;
    }
    if (!json_is_integer(trial) || json_is_true(json_object_get(answer, "kept"))) {
        return ORDER_DONE;
    }
    *trial_s = json_integer_value(trial);
    return *trial_s > 0 && *trial_s <= TRIAL_MAX_S ? ORDER_ON_TRIAL : ORDER_DONE;
}

const char *order_answer_error(const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    return error != NULL ? error : "it does not say why";
}

static void print_value(FILE *out, const json_t *value)
{
    if (json_is_string(value)) {
        cli_print_plain(out, phusa_text_of(json_string_value(value)));
        return;
    }
    (void)json_dumpf(value, out, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

static void print_line(FILE *out, const char *group, const char *name, const json_t *value)
{
    size_t length = strlen(group) + strlen(name) + (group[0] != '\0');
    (void)fputs("  ", out);
    cli_print_plain(out, phusa_text_of(group));
    (void)fputs(group[0] != '\0' ? "." : "", out);
    cli_print_plain(out, phusa_text_of(name));
    (void)fprintf(out, "%*s ", (int)(length < NAME_COLUMNS ? NAME_COLUMNS - length : 0), "");
    bool is_time = strcmp(name, "time") == 0 || strcmp(group, "calibrations") == 0;
    json_int_t seconds = json_integer_value(value);
    if (is_time && seconds > 0 && seconds <= TIME_MAX_S) {
        char text[CLI_TIME_MAX];
        cli_local_time(seconds * SECOND_NS, 0, text);
        (void)fputs(text, out);
    } else {
        print_value(out, value);
    }
    (void)fputc('\n', out);
}

void order_answer_print(FILE *out, json_t *answer)
{
    const char *name, *inner_name;
    json_t *value, *inner;
    json_object_foreach(answer, name, value)
    {
        if (strcmp(name, "id") == 0 || strcmp(name, "ok") == 0) {
            continue;
        }
        if (!json_is_object(value)) {
            print_line(out, "", name, value);
            continue;
        }
        json_object_foreach(value, inner_name, inner)
        {
            print_line(out, name, inner_name, inner);
        }
    }
}
